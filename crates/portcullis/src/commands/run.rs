//! `portcullis run`: serves by a configuration file, or by a definition and a backend's URL.

use std::path::Path;

use anyhow::Context;
use portcullis_admin::takeover::{self, Asked, Estate};
use portcullis_gateway::config::{self, Loaded};
use portcullis_gateway::gateway::{self, Inherited};
use portcullis_gateway::observe::lifecycle::{self, Format, Log};
use portcullis_identity::api_key::ApiKey;

use crate::args::{QuickAuth, Run};
use crate::operator::tell_refusal;
use crate::output::{Outcome, findings, say};
use crate::quick::{self, Quick};
use crate::service::{self, Service, Signals, Source, Wishes, activation};

/// Serves until told to end.
pub(crate) fn run(run: &Run) -> anyhow::Result<Outcome> {
    // First of all: what was passed is known by number, and whatever is opened takes the next one.
    let passed = activation::sockets()?;
    let log = lifecycle::init(Format::Auto)?;
    match (&run.openapi, &run.backend) {
        (Some(openapi), Some(backend)) => quickly(run, openapi, backend, passed, &log),
        _ => by_file(run, &run.config.config, passed, &log),
    }
}

fn by_file(run: &Run, path: &Path, passed: Vec<Inherited>, log: &Log) -> anyhow::Result<Outcome> {
    let (loaded, instead_of) = match readable(path) {
        Ok(loaded) => (loaded, None),
        Err(error) if run.or_last_good => {
            let reason = format!("{error:#}");
            let loaded = service::last_good(path, run.state_dir.as_deref()).context(reason.clone())?;
            tracing::error!(
                revision = loaded.hash,
                "the configuration does not load; the last good one is served"
            );
            (loaded, Some(reason))
        }
        Err(error) => return Err(error),
    };
    mention_warnings(&loaded);
    let signals = Signals::install()?;
    let mut wishes = Wishes { instead_of, ..wishes(run, passed) };
    if run.take_over {
        anyhow::ensure!(
            wishes.estate.listeners.is_empty(),
            "--take-over: sockets come from LISTEN_FDS already"
        );
        let socket = service::socket_of(path, run.state_dir.as_deref())?;
        match takeover::ask(&socket)
            .context("there is no gateway to take over from; start without --take-over")?
        {
            Asked::Granted(take_over, estate) => {
                (wishes.take_over, wishes.estate) = (Some(take_over), estate)
            }
            Asked::Refused(answer) => {
                tell_refusal(&answer);
                return Ok(Outcome::No);
            }
        }
    }
    let (service, doors) = Service::start(&loaded, Source::File(path.to_owned()), wishes, log)?;
    service.wait(signals)?;
    doors.close();
    Ok(Outcome::Good)
}

/// A configuration that loads and compiles.
fn readable(path: &Path) -> anyhow::Result<Loaded> {
    let loaded = config::load(path).map_err(|found| findings(&found))?;
    gateway::check(&loaded).map_err(|found| findings(&found))?;
    Ok(loaded)
}

fn quickly(
    run: &Run,
    openapi: &Path,
    backend: &str,
    passed: Vec<Inherited>,
    log: &Log,
) -> anyhow::Result<Outcome> {
    let key = match run.terms.who.auth {
        QuickAuth::None => None,
        QuickAuth::ApiKey | QuickAuth::Definition => {
            Some(ApiKey::generate().map_err(|_| anyhow::anyhow!("the system gave no randomness"))?)
        }
    };
    let quick = Quick {
        openapi: openapi.to_owned(),
        backend: backend.to_owned(),
        listen: run.listen,
        probes: run.probes,
        key_sha256: key.as_ref().map(|key| key.digest().to_string()),
        terms: run.terms.clone(),
    };
    let loaded = quick.load(&mut Vec::new()).map_err(|found| findings(&found))?;
    mention_warnings(&loaded);
    let signals = Signals::install()?;
    let (service, doors) =
        Service::start(&loaded, Source::Quick(Box::new(quick.clone())), wishes(run, passed), log)?;
    let listening = service.gateway().addresses().first().map_or(run.listen, |(_, address, _)| *address);
    if let Some(command) =
        quick::curl(&loaded, &quick.api(), run.terms.who.auth, listening, key.as_ref().map(ApiKey::reveal))
    {
        match run.terms.who.auth {
            QuickAuth::None => {}
            QuickAuth::ApiKey => {
                say("# every operation asks for this key, which is shown once and is another one next time");
            }
            QuickAuth::Definition if quick::asks_for_keys(&loaded, &quick) => {
                say(
                    "# where the definition asks for a key, this one is good; it is shown once, and is another one next time:",
                );
                key.as_ref().map(ApiKey::reveal).into_iter().for_each(|key| say(format_args!("# {key}")));
            }
            QuickAuth::Definition => {}
        }
        say(command);
    }
    drop(key);
    service.wait(signals)?;
    doors.close();
    Ok(Outcome::Good)
}

fn wishes(run: &Run, passed: Vec<Inherited>) -> Wishes {
    Wishes {
        state_dir: run.state_dir.clone(),
        workers: run.workers,
        instead_of: None,
        take_over: None,
        estate: Estate { listeners: passed, ..Estate::default() },
    }
}

/// Warnings are for whoever writes configuration and definitions: `check` lists them.
fn mention_warnings(loaded: &Loaded) {
    if let Some(first) = loaded.warnings.first() {
        tracing::warn!(
            warnings = loaded.warnings.len(),
            first = %first,
            "there is something to look at; `portcullis check` lists it"
        );
    }
}
