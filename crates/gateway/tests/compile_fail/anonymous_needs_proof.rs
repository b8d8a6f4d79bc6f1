//! Promise: an anonymous caller exists only where the operator wrote `auth: none`.
//! refused with: E0423

use portcullis_gateway::pipeline::Caller;
use portcullis_gateway::pipeline::authentication::AnonymousAllowed;

fn cheat() -> Caller {
    Caller::Anonymous(AnonymousAllowed(()))
}

fn main() {}
