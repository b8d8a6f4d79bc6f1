//! Promise: a request that was routed but not identified and judged cannot reach a backend.
//! refused with: E0308

use portcullis_gateway::pipeline::{Context, Routed};
use portcullis_gateway::upstream::Upstreams;

async fn cheat(upstreams: &Upstreams, routed: Routed<'_>, cx: &mut Context) {
    let _ = upstreams.forward(routed, cx).await;
}

fn main() {}
