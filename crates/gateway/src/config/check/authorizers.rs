//! Authorizers: that each can be reached in one way, and says nothing that is not its to say.

use std::time::Duration;

use portcullis_openapi::source::Pointer;

use super::credentials::{is_for_nobody_to_write, value};
use super::issuers::cleartext;
use super::listeners::pem;
use super::names::is_field_name;
use super::{Judge, once_each, root};
use crate::config::authorizer::Authorizer;
use crate::config::{ForwardedFields, OnError};

/// The word for no authorizer.
pub(super) const NONE: &str = "none";
/// Longest wait for an answer.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// Most questions at once.
const CALLS_MAX: u32 = 100_000;
/// Names in a list of fields, and texts of a context.
const NAMES_MAX: usize = 64;
/// Fields of a question that say how it is to be answered, or frame it.
const NOT_TO_ASK_WITH: &[&str] = &["host", "expect", "te", "upgrade", "connection", "keep-alive", "trailer"];

pub(super) fn judge(judge: &mut Judge<'_>) {
    for (name, authorizer) in &judge.config.authorizers {
        let path = root().key("authorizers").key(name);
        if name == NONE {
            judge.key(&path, "is the word for no authorizer", "give it another name");
        }
        place(judge, &path, authorizer);
        bounds(judge, &path, authorizer);
        told(judge, &path, authorizer);
        said(judge, &path, authorizer);
    }
}

/// What lets requests pass that nobody judged.
pub(super) fn remarks(judge: &mut Judge<'_>) {
    for (name, authorizer) in &judge.config.authorizers {
        if authorizer.on_error == OnError::Allow {
            let path = root().key("authorizers").key(name).key("on_error");
            judge.value(&path, "lets requests pass that nobody has judged while the authorizer is away", "");
        }
    }
}

/// A name of an authorizer, where settings ask for it.
pub(super) fn reference(judge: &mut Judge<'_>, path: &Pointer, name: &str) {
    let config = judge.config;
    if name != NONE {
        judge.reference(path, "authorizer", name, &config.authorizers);
    }
}

fn place(judge: &mut Judge<'_>, path: &Pointer, authorizer: &Authorizer) {
    let (key, url) = match (&authorizer.http, &authorizer.grpc) {
        (Some(url), None) => ("http", url),
        (None, Some(url)) => ("grpc", url),
        (None, None) => {
            judge.key(path, "does not say where it is", "write `http: URL` or `grpc: URL`");
            return;
        }
        (Some(_), Some(_)) => {
            judge.key(&path.key("grpc"), "stands beside `http`", "take one of them");
            return;
        }
    };
    cleartext(judge, &path.key(key), url, authorizer.cleartext);
    if key == "grpc" && &*url.path != "/" {
        judge.value(&path.key(key), "has a path, and calls of gRPC name their own", "leave it out");
    }
    if url.path.contains('?') {
        let hint = "the request's own stands there; what you want to say goes under `context`";
        judge.value(&path.key(key), "has a query", hint);
    }
    match &authorizer.ca {
        Some(ca) if url.https => pem(judge, &path.key("ca"), ca),
        Some(_) => judge.key(&path.key("ca"), "vouches for nobody: the URL is `http`", "take it out"),
        None => {}
    }
}

fn bounds(judge: &mut Judge<'_>, path: &Pointer, authorizer: &Authorizer) {
    let is_time = |time: Duration| !time.is_zero() && time <= TIMEOUT_MAX;
    if let Some(timeout) = authorizer.timeout.filter(|timeout| !is_time(timeout.get())) {
        judge.value(&path.key("timeout"), format!("{timeout} is out of range"), "from 1ms to 60s");
    }
    if let Some(calls) = authorizer.calls.filter(|calls| !(1..=CALLS_MAX).contains(calls)) {
        judge.value(&path.key("calls"), format!("{calls} is out of range"), format!("from 1 to {CALLS_MAX}"));
    }
}

/// What it is told.
fn told(judge: &mut Judge<'_>, path: &Pointer, authorizer: &Authorizer) {
    let at = path.key("fields");
    match &authorizer.fields {
        None | Some(ForwardedFields::Any) => {}
        Some(ForwardedFields::Declared) => {
            judge.value(&at, "is known of operations, not of authorizers", "write `any` or a list of names");
        }
        Some(ForwardedFields::Named(names)) => {
            field_names(judge, &at, names, |name| {
                NOT_TO_ASK_WITH.contains(&name) || is_for_nobody_to_write(name) && !tells(name)
            });
        }
    }
    if authorizer.credential && authorizer.fields.is_none() {
        let hint = "name its field: `fields: [authorization]`";
        judge.key(&path.key("credential"), "has no field to be told in", hint);
    }
    if authorizer.context.len() > NAMES_MAX {
        judge.value(&path.key("context"), "has too many names", format!("at most {NAMES_MAX}"));
    }
    for (name, text) in &authorizer.context {
        let path = path.key("context").key(name);
        if !is_field_name(name) || is_not_its_own(&name.to_ascii_lowercase().replace(['_', '.'], "-")) {
            let hint = "it is told as a field is: a name, and none of the gateway's own";
            judge.key(&path, format!("{name:?} is no name that can be told"), hint);
        }
        value(judge, &path, text.expose());
    }
}

/// What it may be told although nobody may set it: what a request says of its content and cookies.
fn tells(name: &str) -> bool {
    name == "cookie" || (name.starts_with("content-") && name != "content-length")
}

/// What it may say.
fn said(judge: &mut Judge<'_>, path: &Pointer, authorizer: &Authorizer) {
    for (key, names) in [
        ("to_backend", &authorizer.to_backend),
        ("with_answer", &authorizer.with_answer),
        ("to_client", &authorizer.to_client),
    ] {
        field_names(judge, &path.key(key), names, is_not_its_own);
    }
}

/// Whether a field of this name is never an authorizer's to say.
fn is_not_its_own(name: &str) -> bool {
    name.starts_with("x-portcullis-") || name.starts_with("portcullis-") || is_for_nobody_to_write(name)
}

fn field_names(judge: &mut Judge<'_>, path: &Pointer, names: &[String], is_barred: impl Fn(&str) -> bool) {
    if names.len() > NAMES_MAX {
        judge.value(path, "has too many names", format!("at most {NAMES_MAX}"));
    }
    for (index, name) in names.iter().enumerate() {
        let at = path.index(index);
        let folded = name.to_ascii_lowercase().replace(['_', '.'], "-");
        if !is_field_name(name) {
            judge.value(&at, format!("{name:?} is no field name"), "");
        } else if is_barred(&folded) {
            let hint = "it frames or routes a message, or is the gateway's own";
            judge.value(&at, format!("`{name}` cannot stand here"), hint);
        }
    }
    let lower: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    once_each(judge, path, &lower);
}
