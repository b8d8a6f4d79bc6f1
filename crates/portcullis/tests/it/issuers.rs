//! Tokens of issuers through the real executable: keys from files and providers, asked issuers, several at one place.

mod asked;
mod files;
mod metadata;
mod possession;
mod providers;
mod real;

use portcullis_testkit::tokens::{Signer, claims};
use portcullis_testkit::{Deadline, Request, Response, Wire};

use crate::stage::Stage;

/// The name of the issuer whose keys are in a file.
const LAB: &str = "https://lab.example.com";

/// A request with this bearer token.
fn bearing(token: &str) -> Request {
    Request::get("/thing").field("Authorization", format!("Bearer {token}"))
}

/// Sends a bearer token to the stage.
fn send(stage: &Stage, wire: Wire, token: &str) -> Response {
    wire.send(stage.public(), &bearing(token))
}

/// Waits until a token is answered with this status.
fn await_status(stage: &Stage, token: &str, status: u16) {
    Deadline::soon().poll(&format!("status {status}"), || {
        (send(stage, Wire::Http1, token).status == status).then_some(())
    });
}

/// A good token of `issuer`.
fn good(signer: &Signer, issuer: &str, subject: &str) -> String {
    signer.token(&claims(issuer, "orders-api", subject))
}
