//! Names in requests that the definition does not declare: noted for whoever keeps it, whether they are refused or not.

use portcullis_openapi::contract::{Place, Violations};

use crate::observe::drift::{Side, Undeclared};
use crate::pipeline::Context;

/// Notes them.
pub(super) fn note(found: &Violations, cx: &Context) {
    let Some(operation) = cx.operation() else { return };
    for violation in found {
        let (what, name) = match (&violation.place, &*violation.keyword) {
            (Place::Query(name), "undeclared") => (Undeclared::Query, name),
            (Place::Header(name), "undeclared") => (Undeclared::Header, name),
            (Place::Cookie(name), "undeclared") => (Undeclared::Cookie, name),
            (Place::Body, "undeclared" | "additionalProperties" | "unevaluatedProperties") => {
                (Undeclared::Field, &violation.pointer)
            }
            _ => continue,
        };
        operation.metrics.undeclared(Side::Request, what, name, cx.wall());
    }
}
