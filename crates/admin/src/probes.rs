//! The probes: what an orchestrator, a load balancer and a scraper ask, without a credential.
//!
//! `/livez` fails when the process should be restarted: when a worker has not turned for some seconds. Every worker says
//! so once a second by way of its own queue; a thread that hangs, spins or is gone does not. `/startupz` succeeds once
//! the first configuration runs. `/readyz` succeeds while requests are welcome and every worker turns: it does not look
//! at backends, stores, issuers or authorities, or one outage behind us would take every gateway out of rotation at once; it
//! only tells how issuers and certificates are.

use std::fmt::Write as _;

use http::{Method, StatusCode};
use portcullis_gateway::observe::{AcmeFacts, METRICS_CONTENT_TYPE, timestamp};

use portcullis_gateway::signing::SigningFacts;
use portcullis_gateway::store::StoreFacts;

use crate::control::{Control, Phase, Status};
use crate::reply::{self, Reply};

/// Longest detail of a failed reload, in characters: one line for whoever looks at a probe.
const REASON_CHARS_MAX: usize = 300;

/// Answers one request.
pub(crate) fn answer(method: &Method, path: &str, control: &dyn Control) -> Reply {
    let answer: fn(&dyn Control) -> Reply = match path {
        "/livez" => |control| live(&control.status()),
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

fn live(status: &Status) -> Reply {
    if status.stuck.is_empty() {
        return reply::text(StatusCode::OK, "ok\n");
    }
    reply::text(StatusCode::SERVICE_UNAVAILABLE, stuck(status))
}

/// A line for each worker that does not turn.
fn stuck(status: &Status) -> String {
    status.stuck.iter().fold(String::new(), |mut text, stuck| {
        // Writing to a `String` does not fail.
        let _ = writeln!(text, "worker {}: has not turned for {} s", stuck.worker, stuck.seconds);
        text
    })
}

fn startup(status: &Status) -> Reply {
    match status.phase {
        Phase::Starting => reply::text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Phase::Ready | Phase::Draining => reply::text(StatusCode::OK, "started\n"),
    }
}

fn ready(status: &Status) -> Reply {
    let code = match status.phase {
        Phase::Ready if status.stuck.is_empty() => StatusCode::OK,
        Phase::Ready | Phase::Starting | Phase::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    reply::text(code, detail(status))
}

/// A line for the store, where it is not as it should be. It says nothing of readiness: who was known stays known.
fn store_detail(text: &mut String, store: &StoreFacts) -> std::fmt::Result {
    if let Some(reason) = &store.reason {
        let shown = shown(reason);
        let by =
            if store.from_copy { "; serving by the last good copy" } else { "; who was known stays known" };
        writeln!(text, "store: {} is away: {shown}{by}", store.kind)?;
    }
    if store.refused > 0 {
        writeln!(text, "store: {} rows are left out; see `portcullis status`", store.refused)?;
    }
    Ok(())
}

/// A line for our own keys, where they are not as they should be. It says nothing of readiness: the other operations go on.
fn signing_detail(text: &mut String, signing: &SigningFacts) -> std::fmt::Result {
    let reason = signing.failure.as_deref().map(shown).unwrap_or_default();
    if !signing.signs {
        writeln!(text, "signing: there is no key that may be signed with: {reason}")?;
    } else if let Some(late) = signing.overdue_seconds {
        writeln!(text, "signing: the key in use should have been followed {late} s ago: {reason}")?;
    } else if signing.failure.is_some() {
        writeln!(text, "signing: keys cannot be changed: {reason}")?;
    }
    Ok(())
}

/// A line for a certificate that an authority gives. It says nothing of readiness: an authority that looks whether a name leads
/// here comes the way that clients do.
fn certificate_detail(text: &mut String, certificate: &AcmeFacts) -> std::fmt::Result {
    let name = &certificate.name;
    match (certificate.state, &certificate.expires) {
        ("none", _) | (_, None) => writeln!(text, "certificate {name}: none yet, so handshakes are refused")?,
        ("expired", Some(expires)) => writeln!(text, "certificate {name}: expired {expires}")?,
        (_, Some(expires)) => writeln!(text, "certificate {name}: expires {expires}")?,
    }
    if let Some(failure) = &certificate.failure {
        writeln!(text, "certificate {name}: the last order failed: {}", shown(failure))?;
    }
    Ok(())
}

/// A reason as one line, of a length that a terminal shows.
fn shown(reason: &str) -> String {
    reason.chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect()
}

/// The state of the parts, a line each.
fn detail(status: &Status) -> String {
    let mut text = format!("{}\n", status.phase.as_str());
    // Writing to a `String` does not fail.
    let _ = match &status.config.hash {
        Some(hash) => writeln!(text, "config: {hash}"),
        None => writeln!(text, "config: none loaded"),
    };
    if let Some(due) = status.config.confirm_by {
        let _ = writeln!(text, "config: waits to be confirmed until {}", timestamp::format(due));
    }
    if let Some(failure) = &status.config.last_failure {
        let first = failure.reason.lines().next().unwrap_or_default();
        let shown = shown(first);
        let _ = writeln!(text, "config: last reload failed: {shown}");
    }
    for listener in &status.listeners {
        let _ = writeln!(text, "listener {}: {}", listener.name, listener.address);
    }
    for issuer in &status.issuers {
        let name = &issuer.name;
        let keys = match (issuer.keys, issuer.age_seconds) {
            (Some(0), _) => "no keys, so its tokens cannot be verified".to_owned(),
            (Some(keys), Some(age)) => format!("{keys} keys, fetched {age} s ago"),
            (Some(keys), None) => format!("{keys} keys"),
            (None, _) => "asked about each token".to_owned(),
        };
        let _ = writeln!(text, "issuer {name}: {keys}");
        if let Some(failure) = &issuer.failure {
            let shown = shown(failure);
            let _ = writeln!(text, "issuer {name}: the last call failed: {shown}");
        }
    }
    let _ = status.signing.as_ref().map_or(Ok(()), |signing| signing_detail(&mut text, signing));
    for certificate in &status.acme {
        let _ = certificate_detail(&mut text, certificate);
    }
    let _ = status.store.as_ref().map_or(Ok(()), |store| store_detail(&mut text, store));
    text + &stuck(status)
}
