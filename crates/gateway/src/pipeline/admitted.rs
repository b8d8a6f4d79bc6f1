//! A request that may go to its backend: the only ticket `upstream::forward` takes.

use std::sync::Arc;

use super::judged::Judged;
use super::{Freight, Identified, Operation};
use crate::http::{Body, Canonical, Reply};

/// Judged whole: canonical, routed, its caller known, its body judged or guarded.
#[derive(Debug)]
pub struct Admitted<'s> {
    // Invariant: its body was judged in `judged::admit`, or is guarded there, for exactly this request.
    identified: Identified<'s>,
}

impl<'s> Admitted<'s> {
    /// A request by the proof that its body was judged.
    pub(super) fn new(identified: Identified<'s>, _: Judged) -> Self {
        Self { identified }
    }

    /// The canonical request, as it will be sent.
    pub fn request(&self) -> &Canonical {
        self.identified.request()
    }

    /// Where it goes.
    pub fn operation(&self) -> &'s Arc<Operation> {
        self.identified.operation()
    }

    /// Takes the body, to be sent.
    pub fn take_body(&mut self) -> Body {
        self.identified.body_mut().take()
    }

    /// The request, and the place of its reply.
    pub(crate) fn with_reply(&mut self) -> (&Canonical, &mut Reply) {
        let (request, freight) = self.identified.parts();
        (request, &mut freight.reply)
    }

    /// The request it was, and what is carried for it, when the backend has answered.
    pub(super) fn into_parts(self) -> (Canonical, &'s Arc<Operation>, &'s mut Freight) {
        self.identified.into_parts()
    }
}
