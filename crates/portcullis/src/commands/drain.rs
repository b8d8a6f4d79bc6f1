//! `portcullis drain`: sends clients elsewhere, lets what is under way end, then ends the process.

use std::thread;
use std::time::Duration;

use portcullis_gateway::clock;

use crate::args::Drain;
use crate::operator::tell_refusal;
use crate::output::{Outcome, remark, say};

/// How often a draining gateway is looked at.
const EVERY: Duration = Duration::from_millis(200);

/// Tells the gateway to drain; with `--wait`, stays until it has ended.
pub(crate) fn drain(drain: &Drain) -> anyhow::Result<Outcome> {
    let running = drain.socket.find()?;
    let started = running.status()?.get("started").cloned();
    let answer = running.call("POST", "/drain", b"")?;
    if answer.status != 202 {
        tell_refusal(&answer);
        return Ok(Outcome::No);
    }
    let Some(wait) = drain.wait else {
        say("draining");
        return Ok(Outcome::Good);
    };
    let begun = clock::now();
    while clock::now().saturating_duration_since(begun) < wait {
        if running.is_gone() || running.status().is_ok_and(|status| status.get("started") != started.as_ref())
        {
            say("ended");
            return Ok(Outcome::Good);
        }
        thread::sleep(EVERY);
    }
    remark("still draining");
    Ok(Outcome::No)
}
