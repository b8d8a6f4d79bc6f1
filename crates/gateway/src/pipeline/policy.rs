//! What a policy may do, in the order a request meets it.

use std::fmt;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;

use super::judged::Whole;
use super::{Answered, Context, Identified, Proof, Routed, Step};
use crate::problem::Problem;

/// How much of the request body a policy must see. Known when the snapshot is compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// Nothing but the head: the body streams past.
    #[default]
    Head,
    /// The pieces as they pass; the backend's message cannot end before the verdict.
    Stream,
    /// The whole body before the first byte of it goes on.
    Whole,
}

/// Which form of a compressed body a policy must see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// The bytes as they came, such as those of which a digest was signed.
    #[default]
    AsSent,
    /// The bytes without their content coding.
    Decoded,
}

/// What would become of a caller by a policy, whatever the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// It is let through.
    Passes,
    /// It is refused.
    Fails,
    /// That depends on the request.
    Depends,
}

/// A rule applied to an exchange. Every hook of every policy in an operation's chain is called, in this order;
/// each argument says what is known by then.
pub trait Policy: Send + Sync + fmt::Debug {
    /// Its name: in configuration, verdicts, metrics.
    fn name(&self) -> &'static str;

    /// The scopes it asks for, to be told to whoever asks for a token.
    fn scopes(&self) -> &[String] {
        &[]
    }

    /// Names of fields that it says to backends, and nobody else may.
    fn own_fields(&self) -> &[Box<str>] {
        &[]
    }

    /// What it asks for, in words for whoever audits: `scope orders.write`.
    fn asks(&self) -> Vec<String> {
        Vec::new()
    }

    /// What would become of a caller, whatever it requests, as far as that can be told.
    fn prospect(&self, _caller: Option<&Proof>) -> Prospect {
        Prospect::Passes
    }

    /// What it needs of the request body.
    fn needs(&self) -> Needs {
        Needs::Head
    }

    /// In which form it needs that. Where any policy asks for the decoded form, a whole body is decoded for all.
    fn form(&self) -> Form {
        Form::AsSent
    }

    /// Before identity: address rules, cheap bounds.
    fn screen<'a>(&'a self, _request: &'a mut Routed, _cx: &'a mut Context) -> Step<'a, ()> {
        Step::pass()
    }

    /// Posture of app and device.
    fn attest<'a>(&'a self, _request: &'a mut Identified, _cx: &'a mut Context) -> Step<'a, ()> {
        Step::pass()
    }

    /// May this caller do this? Decided before a byte of the body is read.
    fn authorize<'a>(&'a self, _request: &'a Identified, _cx: &'a mut Context) -> Step<'a, ()> {
        Step::pass()
    }

    /// May this caller do this now?
    fn throttle<'a>(&'a self, _request: &'a Identified, _cx: &'a mut Context) -> Step<'a, ()> {
        Step::pass()
    }

    /// Judges the head, before a byte of the body is read.
    fn inspect_head<'a>(&'a self, _request: &'a Identified, _cx: &'a mut Context) -> Step<'a, ()> {
        Step::pass()
    }

    /// For [`Needs::Whole`]: judges the body. Called for every policy, with or without one.
    fn inspect_request<'a>(
        &'a self,
        _request: &'a Identified,
        _body: Option<&'a Whole>,
        _cx: &'a mut Context,
    ) -> Step<'a, ()> {
        Step::pass()
    }

    /// For [`Needs::Stream`]: who looks at the pieces of this body.
    fn stream_inspector(&self, _request: &Identified, _cx: &mut Context) -> Option<Box<dyn Inspector>> {
        None
    }

    /// Rewrites the request for its backend.
    fn transform_request<'a>(&'a self, _request: &'a mut Identified, _cx: &'a mut Context) -> Step<'a, ()> {
        Step::pass()
    }

    /// Judges the backend's answer.
    fn inspect_response<'a>(&'a self, _answer: &'a mut Answered, _cx: &'a mut Context) -> Step<'a, ()> {
        Step::pass()
    }

    /// Rewrites the backend's answer for the client.
    fn transform_response<'a>(&'a self, _answer: &'a mut Answered, _cx: &'a mut Context) -> Step<'a, ()> {
        Step::pass()
    }
}

/// Looks at the pieces of one body as they pass, and has the last word on its end.
pub trait Inspector: Send + Sync {
    /// A piece is about to be sent on.
    fn poll_piece(&mut self, piece: &Bytes, cx: &mut TaskContext<'_>) -> Poll<Result<(), Box<Problem>>>;

    /// The body is complete; only `Ok` lets the backend's message end.
    fn poll_end(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Box<Problem>>>;
}
