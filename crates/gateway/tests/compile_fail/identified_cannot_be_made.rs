//! Promise: nobody but the expression's evaluation says who is calling.
//! refused with: E0451

use portcullis_gateway::pipeline::{Caller, Identified, Routed};

fn cheat(routed: Routed, caller: Caller) -> Identified {
    Identified { routed, caller }
}

fn main() {}
