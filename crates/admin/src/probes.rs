//! The probes: what an orchestrator, a load balancer and a scraper ask, without a credential.
//!
//! `/livez` fails when the process should be restarted, so it tells only that it answers. `/startupz` succeeds once
//! the first configuration runs. `/readyz` succeeds while requests are welcome: it does not look at backends,
//! stores or issuers, or one outage behind us would take every gateway out of rotation at once.

use std::fmt::Write as _;

use http::{Method, StatusCode};
use portcullis_gateway::observe::METRICS_CONTENT_TYPE;

use crate::control::{Control, Phase, Status};
use crate::reply::{self, Reply};

/// Longest detail of a failed reload, in characters: one line for whoever looks at a probe.
const REASON_CHARS_MAX: usize = 300;

/// Answers one request.
pub(crate) fn answer(method: &Method, path: &str, control: &dyn Control) -> Reply {
    let answer: fn(&dyn Control) -> Reply = match path {
        "/livez" => |_| reply::text(StatusCode::OK, "ok\n"),
        "/startupz" => |control| startup(&control.status()),
        "/readyz" => |control| ready(&control.status()),
        "/metrics" => |control| reply::with_type(StatusCode::OK, METRICS_CONTENT_TYPE, control.metrics()),
        _ => return reply::no_such_path(),
    };
    if *method == Method::GET || *method == Method::HEAD {
        answer(control)
    } else {
        reply::no_such_method("GET, HEAD")
    }
}

fn startup(status: &Status) -> Reply {
    match status.phase {
        Phase::Starting => reply::text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Phase::Ready | Phase::Draining => reply::text(StatusCode::OK, "started\n"),
    }
}

fn ready(status: &Status) -> Reply {
    let code = match status.phase {
        Phase::Ready => StatusCode::OK,
        Phase::Starting | Phase::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    reply::text(code, detail(status))
}

/// The state of the parts, a line each.
fn detail(status: &Status) -> String {
    let mut text = format!("{}\n", status.phase.as_str());
    // Writing to a `String` does not fail.
    let _ = match &status.config.hash {
        Some(hash) => writeln!(text, "config: {hash}"),
        None => writeln!(text, "config: none loaded"),
    };
    if let Some(failure) = &status.config.last_failure {
        let first = failure.reason.lines().next().unwrap_or_default();
        let shown: String = first.chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect();
        let _ = writeln!(text, "config: last reload failed: {shown}");
    }
    for listener in &status.listeners {
        let _ = writeln!(text, "listener {}: {}", listener.name, listener.address);
    }
    text
}
