//! The control: the same pieces, used as they are meant to be, build.

use portcullis_gateway::pipeline::{Admitted, Answered, Context, Policy, Routed, Step, Stop};
use portcullis_gateway::upstream::Upstreams;

#[derive(Debug)]
struct Honest;

impl Policy for Honest {
    fn name(&self) -> &'static str {
        "honest"
    }

    fn screen<'a>(&'a self, _request: &'a mut Routed, _cx: &'a mut Context) -> Step<'a, ()> {
        Step::pass()
    }
}

async fn honest<'s>(
    upstreams: &Upstreams,
    admitted: Admitted<'s>,
    cx: &mut Context,
) -> Result<Answered<'s>, Stop> {
    upstreams.forward(admitted, cx).await
}

fn main() {
    let _: fn(&'static Upstreams, Admitted<'static>, &'static mut Context) -> _ = honest;
    let _: &dyn Policy = &Honest;
}
