//! Promise: nobody but the expression's evaluation says who is calling.
//! refused with: E0451

use portcullis_gateway::pipeline::{Caller, Identified, Posture, Routed};

fn cheat(routed: Routed, caller: Caller, posture: Posture) -> Identified {
    Identified { routed, caller, posture }
}

fn main() {}
