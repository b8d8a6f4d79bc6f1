//! A gateway as a process: signals, reloads, the state directory, the way out.
//!
//! # Failure
//! A configuration that does not load at start ends the process with exit code 2. One that does not load later
//! leaves what runs as it was; log, metric and `/readyz` say so.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use portcullis_gateway::bounds::Bounds;
use portcullis_gateway::clock;
use portcullis_gateway::config::{self, Config, Loaded, Sink, State};
use portcullis_gateway::gateway::watch::Watch;
use portcullis_gateway::gateway::{Gateway, Options, Refused};
use portcullis_gateway::observe::{Destination, Observe, Settings};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output;

/// A running process.
pub(crate) struct Service {
    gateway: Gateway,
    observe: Observe,
    source: Source,
    state: Option<PathBuf>,
    last_failure: Mutex<Option<String>>,
}

/// Where the configuration comes from, so that it can be read again.
pub(crate) enum Source {
    /// A file.
    File(PathBuf),
    /// Text made by the command itself; there is nothing to read again.
    Made,
}

/// What the command line adds to the configuration.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) workers: Option<usize>,
}

/// Records that wait to be written when the process ends.
const FLUSH: Duration = Duration::from_secs(2);

impl Service {
    /// Starts serving.
    pub(crate) fn start(loaded: &Loaded, source: Source, wishes: Wishes) -> anyhow::Result<Arc<Self>> {
        let state = state_directory(&loaded.config, &source, wishes.state_dir)?;
        let observe = Observe::start(&settings(&loaded.config)).context("cannot open the logs")?;
        let options = Options { workers: wishes.workers, state: state.clone() };
        let gateway =
            Gateway::start(loaded, observe.clone(), options).map_err(|refused| refused_error(&refused))?;
        observe.config_applied(&loaded.hash, clock::wall());
        Ok(Arc::new(Self { gateway, observe, source, state, last_failure: Mutex::new(None) }))
    }

    /// Where health and metrics are served.
    pub(crate) fn probes(&self) -> Option<std::net::SocketAddr> {
        None
    }

    /// The gateway inside.
    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Reads the configuration again and applies it.
    pub(crate) fn reload(&self) -> Result<Vec<PathBuf>, String> {
        let Source::File(path) = &self.source else { return Ok(Vec::new()) };
        let outcome =
            config::load(path).map_err(|found| output::findings(&found).to_string()).and_then(|loaded| {
                let outputs =
                    self.observe.prepare(&settings(&loaded.config)).map_err(|error| error.to_string())?;
                self.gateway.apply(&loaded).map_err(|refused| refused_error(&refused).to_string())?;
                self.observe.adopt(outputs);
                self.observe.config_applied(&loaded.hash, clock::wall());
                tracing::info!(revision = loaded.hash, "configuration reloaded");
                Ok(loaded.files)
            });
        if let Err(reason) = &outcome {
            self.observe.config_rejected(clock::wall());
            tracing::error!(reason, "configuration not reloaded; the running one stays");
        }
        if let Ok(mut last) = self.last_failure.lock() {
            *last = outcome.as_ref().err().cloned();
        }
        outcome
    }

    /// Serves until the process is told to end.
    pub(crate) fn wait(self: &Arc<Self>, files: Vec<PathBuf>) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.serve(files))?;
        let most = self.gateway.live().snapshot().bounds.drain;
        tracing::info!("draining");
        let drained = self.gateway.drain(most);
        if !drained {
            tracing::warn!("connections were cut after the drain deadline");
        }
        tracing::info!("stopped");
        self.observe.flush(FLUSH);
        Ok(())
    }

    async fn serve(self: &Arc<Self>, files: Vec<PathBuf>) -> anyhow::Result<()> {
        let (mut end, mut interrupt, mut again) =
            (on(SignalKind::terminate())?, on(SignalKind::interrupt())?, on(SignalKind::hangup())?);
        let (changed, mut changes) = tokio::sync::mpsc::channel(1);
        // A change that finds the queue full is seen with the one before it.
        let watch = Watch::start(files, move || {
            let _ = changed.try_send(());
        })?;
        loop {
            tokio::select! {
                _ = end.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                _ = again.recv() => self.observe.reopen(),
                _ = changes.recv() => {}
            }
            if let Ok(files) = self.reload() {
                watch.replace(files);
            }
        }
    }
}

fn on(kind: SignalKind) -> std::io::Result<Signal> {
    signal(kind)
}

/// Where the logs go.
fn settings(config: &Config) -> Settings {
    let destination = |sink: &Sink| match sink {
        Sink::Off => Destination::Off,
        Sink::Stdout => Destination::Stdout,
        Sink::Stderr => Destination::Stderr,
        Sink::File(path) => Destination::File(path.clone()),
    };
    Settings {
        access_log: destination(&config.telemetry.access_log),
        incidents: destination(&config.telemetry.incidents),
        queue_bytes: config.bounds.over(&Bounds::default()).log_queue,
    }
}

/// The folder for what must survive: the command line's, the configuration's, the service manager's, else one of
/// its own for each configuration file.
fn state_directory(
    config: &Config,
    source: &Source,
    wish: Option<PathBuf>,
) -> anyhow::Result<Option<PathBuf>> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = match (wish, &config.state, source) {
        (Some(folder), _, _) => folder,
        (None, Some(State::None), _) | (None, None, Source::Made) => return Ok(None),
        (None, Some(State::Directory(folder)), _) => folder.clone(),
        (None, None, Source::File(file)) => match variable("STATE_DIRECTORY") {
            Some(folder) => folder,
            None => {
                let base = variable("XDG_STATE_HOME")
                    .or_else(|| variable("HOME").map(|home| home.join(".local/state")))
                    .context("no folder for state: set `state:`, --state-dir or $XDG_STATE_HOME; `state: none` keeps nothing")?;
                let name = std::path::absolute(file)?.display().to_string();
                base.join("portcullis").join(name.trim_start_matches('/').replace('/', "-"))
            }
        },
    };
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create the state folder {}", folder.display()))?;
    Ok(Some(folder))
}

fn refused_error(refused: &Refused) -> anyhow::Error {
    match refused {
        Refused::Findings(found) => output::findings(found),
        Refused::Bind { listener, address, error } => {
            anyhow::anyhow!("listeners.{listener}.bind: cannot listen on {address}: {error}")
        }
        Refused::System(error) => anyhow::anyhow!("cannot start: {error}"),
    }
}
