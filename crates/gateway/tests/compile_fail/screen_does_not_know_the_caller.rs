//! Promise: a hook sees no more than is known at its step.
//! refused with: E0053

use portcullis_gateway::pipeline::{Context, Identified, Policy, Step};

#[derive(Debug)]
struct Cheat;

impl Policy for Cheat {
    fn name(&self) -> &'static str {
        "cheat"
    }

    fn screen<'a>(&'a self, _request: &'a mut Identified, _cx: &'a mut Context) -> Step<'a, ()> {
        Step::pass()
    }
}

fn main() {}
