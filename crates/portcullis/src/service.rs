//! A gateway as a process: signals, reloads, the state directory, the way out.
//!
//! # Failure
//! A configuration that does not load at start ends the process with exit code 2. One that does not load later
//! leaves what runs as it was; log, metric and `/readyz` say so.

pub(crate) mod activation;
mod changes;
mod manager;
mod succession;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use portcullis_admin::takeover::{Estate, TakeOver};
use portcullis_admin::{
    Admin, Bound, ConfigStatus, Control, ListenerStatus, Phase, Reach, Status, StuckWorker, Successor,
};
use portcullis_gateway::bounds::Bounds;
use portcullis_gateway::clock;
use portcullis_gateway::config::{self, Config, Loaded, Sink, State};
use portcullis_gateway::gateway::watch::Watch;
use portcullis_gateway::gateway::{Gateway, LEAVING, Lent, Options, Refused};
use portcullis_gateway::observe::lifecycle::Log;
use portcullis_gateway::observe::{Destination, Kept, Observe, Settings, traces};
use portcullis_gateway::operators::Operators;
use portcullis_gateway::snapshot::coverage::ApiReport;
use portcullis_gateway::store::Store;
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use self::changes::Course;
use self::manager::Manager;
use crate::quick::Quick;
use crate::revisions::Revisions;
use crate::standing::Standing;
use crate::{output, table};

/// A running process.
pub(crate) struct Service {
    gateway: Gateway,
    observe: Observe,
    source: Source,
    standing: Standing,
    /// The command line's word on the state directory.
    state_dir: Option<PathBuf>,
    started: Duration,
    config: Mutex<ConfigStatus>,
    course: Mutex<Course>,
    /// What waits to be confirmed has changed.
    waiting: Notify,
    revisions: Option<Revisions>,
    draining: AtomicBool,
    /// Another process has this one's sockets and may take over; nothing changes meanwhile.
    is_lent: AtomicBool,
    /// Another process has taken over.
    is_succeeded: AtomicBool,
    /// And answers the probes in place of this one.
    is_probed_elsewhere: AtomicBool,
    manager: Manager,
    end: Notify,
    /// One reload at a time, whoever asks for it.
    reloading: Mutex<()>,
    /// Watches what was read for the configuration in force, or for the one refused since.
    watch: Watch,
    changed: Arc<Notify>,
}

/// The signals a process listens to. Taken hold of before anything is served: one that comes earlier would end the
/// process at once.
pub(crate) struct Signals {
    runtime: tokio::runtime::Runtime,
    end: Signal,
    interrupt: Signal,
    again: Signal,
    successor: Signal,
}

/// `SIGXFSZ` on Linux, but for MIPS.
const FILE_SIZE_EXCEEDED: i32 = 25;

/// The doors of the admin server.
pub(crate) struct Doors(Admin);

impl Doors {
    /// Where health and metrics are served.
    pub(crate) fn probes(&self) -> Option<SocketAddr> {
        self.0.probes()
    }

    /// Closes them, and takes the admin socket away.
    pub(crate) fn close(self) {
        self.0.stop();
    }
}

/// Where the configuration comes from, so that it can be read again.
pub(crate) enum Source {
    /// A file.
    File(PathBuf),
    /// A definition, and what the command line says of it.
    Quick(Box<Quick>),
    /// Text made by the command itself; there is nothing to read again.
    Made,
}

impl Source {
    /// Reads it, and notes the files that were looked at; `None` if there is nothing to read.
    fn load(&self, files: &mut Vec<PathBuf>) -> Option<Result<Loaded, Vec<config::Finding>>> {
        match self {
            Self::File(path) => Some(config::load_noting(path, files)),
            Self::Quick(quick) => Some(quick.load(files)),
            Self::Made => None,
        }
    }
}

/// What the command line adds to the configuration.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) workers: Option<usize>,
    /// Start by what was read first, whatever becomes of the file: the last good configuration is served, and why.
    pub(crate) instead_of: Option<String>,
    /// The process to take over from.
    pub(crate) take_over: Option<Box<TakeOver>>,
    /// Sockets that are open already: that one's, or the service manager's.
    pub(crate) estate: Estate,
}

/// How long a connection without an exchange has for its last request when another process has taken over: one that is
/// on its way meets no closed connection, and nobody waits for this process to end.
const LAST_REQUEST: Duration = Duration::from_secs(5);

/// Records that wait to be written when the process ends.
const FLUSH: Duration = Duration::from_secs(2);

impl Service {
    /// Starts serving, and answering operators.
    pub(crate) fn start(
        loaded: &Loaded,
        source: Source,
        mut wishes: Wishes,
        log: &Log,
    ) -> anyhow::Result<(Arc<Self>, Doors)> {
        let changed = Arc::new(Notify::new());
        let (watch, again) = read_under_watch(loaded, &source, wishes.instead_of.is_some(), &changed)?;
        let loaded = again.as_ref().unwrap_or(loaded);
        let standing = standing(&loaded.config, &source, wishes.state_dir.as_deref())?;
        let revisions = revisions_in(standing.state.as_deref())?;
        let observe = Observe::default();
        observe.watch_log(log);
        observe.watch_panics();
        observe.adopt(observe.prepare(&settings(&loaded.config)?).context("cannot tell of what happens")?);
        let mut estate = std::mem::take(&mut wishes.estate);
        if wishes.take_over.is_none() {
            let wanted = standing.doors();
            estate.doors.probes = activation::door(wanted.probes, &mut estate.listeners);
            estate.doors.api = activation::door(wanted.api, &mut estate.listeners);
        }
        // Bound before anything is served: a second gateway with the same socket stops here.
        let doors = Bound::bind(&standing.doors(), &mut estate.doors)?;
        let options = Options { workers: wishes.workers, state: standing.state.clone() };
        let gateway = Gateway::prepare(loaded, observe.clone(), options, &mut estate.listeners)
            .map_err(|refused| refused_error(&refused))?;
        observe.config_applied(&loaded.hash, clock::wall());
        tell_coverage(&gateway.live().snapshot().coverage);
        let config = ConfigStatus {
            hash: Some(loaded.hash.clone()),
            applied: Some(clock::wall()),
            confirm_by: None,
            last_failure: None,
        };
        let service = Arc::new(Self {
            gateway,
            observe,
            source,
            standing,
            state_dir: wishes.state_dir,
            started: clock::wall(),
            config: Mutex::new(config),
            course: Mutex::new(Course::begin(loaded)),
            waiting: Notify::new(),
            revisions,
            draining: AtomicBool::new(false),
            is_lent: AtomicBool::new(false),
            is_succeeded: AtomicBool::new(false),
            is_probed_elsewhere: AtomicBool::new(false),
            manager: Manager::of_environment(),
            end: Notify::new(),
            reloading: Mutex::new(()),
            watch,
            changed,
        });
        let took_over = service.open(wishes.take_over, estate)?;
        match &wishes.instead_of {
            Some(reason) => service.turned_away(reason),
            None => service.keep_running(),
        }
        announce(&doors);
        let doors = Doors(doors.start(Arc::clone(&service) as Arc<dyn Control>)?);
        let status = service.in_a_word();
        if took_over {
            service.manager.took_over(&status)
        } else {
            service.manager.ready(&status)
        }
        Ok((service, doors))
    }

    /// Accepts connections, in place of another process if there is one to take over from. Says whether there was.
    fn open(&self, take_over: Option<Box<TakeOver>>, unused: Estate) -> anyhow::Result<bool> {
        let Some(mut take_over) = take_over else {
            activation::none_left(&unused.listeners)?;
            self.gateway.open();
            return Ok(false);
        };
        take_over.ready(unused.listeners, unused.doors)?;
        self.gateway.open();
        let (process, version) = (take_over.process, take_over.version.clone());
        take_over.serving()?;
        tracing::info!(process, version, "taken over from another process");
        Ok(true)
    }

    /// The gateway inside.
    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Reads the configuration, and watches every file that was looked at: also what could not be used, for a change of it
    /// may mend it.
    fn read(&self) -> Result<Loaded, String> {
        const TRIES_MAX: u32 = 3;
        let mut tries = 0_u32;
        loop {
            let (mut files, seen) = (Vec::new(), self.watch.look());
            let Some(loaded) = self.source.load(&mut files) else {
                return Err("this configuration has no file".to_owned());
            };
            tries = tries.saturating_add(1);
            let has_new = self.watch.replace(&files, &seen);
            if !has_new || tries >= TRIES_MAX {
                return loaded.map_err(|found| output::findings(&found).to_string());
            }
        }
    }

    /// Serves until the process is told to end.
    pub(crate) fn wait(&self, signals: Signals) -> anyhow::Result<()> {
        let Signals { runtime, end, interrupt, again, successor } = signals;
        runtime.block_on(async {
            tokio::select! {
                () = self.serve_and_drain(end, interrupt, again, successor) => {}
                () = self.keep_manager_calm() => {}
            }
        });
        tracing::info!("stopped");
        self.observe.flush(FLUSH);
        Ok(())
    }

    async fn serve_and_drain(
        &self,
        mut end: Signal,
        mut interrupt: Signal,
        again: Signal,
        successor: Signal,
    ) {
        self.serve(&mut end, &mut interrupt, again, successor).await;
        self.draining.store(true, Ordering::Release);
        tracing::info!("draining");
        let bounds = Arc::clone(&self.gateway.live().snapshot().bounds);
        let is_succeeded = self.is_succeeded.load(Ordering::Acquire);
        if !is_succeeded {
            self.manager.stopping();
            // Readiness fails before the listeners close: a balancer looks only now and then.
            tokio::select! {
                () = tokio::time::sleep(bounds.drain_notice) => {}
                _ = end.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        let idle = if is_succeeded { LAST_REQUEST } else { LEAVING };
        if !self.gateway.drain(bounds.drain, idle).await {
            tracing::warn!("connections were cut after the drain deadline");
        }
    }

    /// Tells the service manager that all is well, for as long as it is. Never ends.
    async fn keep_manager_calm(&self) {
        let Some(every) = self.manager.heartbeat() else { return std::future::pending().await };
        loop {
            // At once, too: who has taken over inherits what is left of the time.
            if self.gateway.stuck().is_empty() && !self.is_succeeded.load(Ordering::Acquire) {
                self.manager.alive();
            }
            tokio::time::sleep(every).await;
        }
    }

    /// Serves until it is time to end.
    async fn serve(
        &self,
        end: &mut Signal,
        interrupt: &mut Signal,
        mut again: Signal,
        mut successor: Signal,
    ) {
        loop {
            tokio::select! {
                _ = end.recv() => return,
                _ = interrupt.recv() => return,
                () = self.end.notified() => return,
                _ = again.recv() => self.observe.reopen(),
                _ = successor.recv() => {
                    self.start_successor();
                    continue;
                }
                // What a signal had read meanwhile is no news.
                () = self.overdue() => {
                    self.not_confirmed();
                    continue;
                }
                () = self.changed.notified() => if !self.watch.has_news() { continue },
            }
            // What became of it is in the log.
            let _ = self.read_again();
        }
    }
}

impl Signals {
    /// Takes hold of them.
    pub(crate) fn install() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let end = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let again = signal(SignalKind::hangup())?;
        let successor = signal(SignalKind::user_defined2())?;
        // Taken hold of once, it ends the process no more: a log that grows past the limit for files is a failed write.
        drop(signal(SignalKind::from_raw(FILE_SIZE_EXCEEDED))?);
        drop(entered);
        Ok(Self { runtime, end, interrupt, again, successor })
    }
}

impl Control for Service {
    fn status(&self) -> Status {
        let listeners =
            self.gateway.addresses().into_iter().map(|(name, address, connections)| ListenerStatus {
                name: name.to_string(),
                address: address.to_string(),
                connections: connections as u64,
            });
        // A probe that is still answered here asks for whoever listens there, and that one is ready.
        let is_ready =
            !self.draining.load(Ordering::Acquire) || self.is_probed_elsewhere.load(Ordering::Acquire);
        Status {
            phase: if is_ready { Phase::Ready } else { Phase::Draining },
            version: env!("CARGO_PKG_VERSION"),
            started: self.started,
            config: self.config.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            listeners: listeners.collect(),
            backends: self.gateway.live().snapshot().upstreams.backends(),
            targets: self.gateway.live().snapshot().upstreams.facts(),
            issuers: self.gateway.live().snapshot().issuer_facts(),
            signing: self.gateway.signing(),
            acme: self.gateway.live().snapshot().acme_facts(),
            store: self.gateway.store().map(Store::facts),
            workers: self.gateway.connections_by_worker(),
            stuck: self
                .gateway
                .stuck()
                .into_iter()
                .map(|(worker, since)| StuckWorker { worker, seconds: since.as_secs() })
                .collect(),
        }
    }

    fn metrics(&self) -> String {
        self.observe.metrics_text()
    }

    fn explain(&self, id: &str) -> Option<Kept> {
        self.observe.explain(id)
    }

    fn recent(&self, count: usize) -> Vec<Kept> {
        self.observe.recent(count)
    }

    fn routes(&self) -> Value {
        table::routes(&self.gateway.live().snapshot().operations)
    }

    fn bounds(&self) -> Value {
        table::bounds()
    }

    fn drift(&self) -> Value {
        table::drift(&self.gateway.live().snapshot().operations, &self.observe)
    }

    fn certificates(&self) -> Value {
        table::certificates(&self.gateway.certificates(), clock::wall())
    }

    fn operators(&self) -> Option<Arc<Operators>> {
        self.gateway.live().snapshot().operators.clone()
    }

    fn observe(&self) -> Observe {
        self.observe.clone()
    }

    fn store(&self) -> Option<Store> {
        self.gateway.store().cloned()
    }

    fn reload(&self) -> Result<String, String> {
        self.read_again()
    }

    fn apply(
        &self,
        candidate: Option<Vec<u8>>,
        confirm: Option<Duration>,
        reach: Reach,
    ) -> Result<String, String> {
        self.apply_candidate(candidate, confirm, reach)
    }

    fn confirm(&self) -> Result<String, String> {
        self.confirm_change()
    }

    fn rollback(&self, hash: Option<&str>, reach: Reach) -> Result<String, String> {
        self.roll_back(hash, reach)
    }

    fn diff(&self, candidate: Option<Vec<u8>>) -> Result<Value, String> {
        self.difference(candidate.as_deref())
    }

    fn revisions(&self) -> Value {
        self.kept()
    }

    fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.end.notify_one();
    }

    fn lend(&self) -> Result<Vec<Lent>, String> {
        self.lend_sockets()
    }

    fn may_give(&self) -> Result<(), String> {
        self.may_be_succeeded()
    }

    fn give(&self, successor: &Successor) {
        self.succeed(successor);
    }

    fn keep(&self, reason: &str) {
        self.go_on(reason);
    }
}

/// Tells how much of each definition is enforced: what is, in one line, and a line for each API of which something is not.
fn tell_coverage(reports: &[ApiReport]) {
    const LOUDEST: usize = 3;
    let whole = reports.iter().filter(|report| report.gaps.is_empty());
    let (apis, operations) = whole.fold((0_usize, 0_usize), |(apis, operations), report| {
        (apis.saturating_add(1), operations.saturating_add(report.operations))
    });
    if apis > 0 {
        tracing::info!(apis, operations, "definitions are enforced without a gap");
    }
    for report in reports.iter().filter(|report| !report.gaps.is_empty()) {
        let ApiReport { api, operations, enforced, refused, passing, .. } = report;
        let loudest: Vec<String> = report.loudest(LOUDEST).iter().map(ToString::to_string).collect();
        let loudest = loudest.join("; ");
        tracing::warn!(
            api,
            operations,
            enforced,
            refused,
            passing,
            loudest,
            "not all of the definition is enforced; `portcullis coverage` lists it"
        );
    }
}

/// Tells where operators and orchestrators are answered: with port 0 nobody knows otherwise.
fn announce(doors: &Bound) {
    if let Some(address) = doors.probes() {
        tracing::info!(%address, "probes listening");
    }
    if let Some(address) = doors.api() {
        tracing::info!(%address, "admin API listening");
    }
}

/// Reads the configuration once more under watch: an edit since the first time counts, as does every one from now on.
/// `None` when what was read first is to be served.
fn read_under_watch(
    loaded: &Loaded,
    source: &Source,
    is_as_read: bool,
    changed: &Arc<Notify>,
) -> anyhow::Result<(Watch, Option<Loaded>)> {
    let noticed = Arc::clone(changed);
    let watch = Watch::start(loaded.files.clone(), move || noticed.notify_one())?;
    let (mut files, seen) = (Vec::new(), watch.look());
    let again = match source.load(&mut files).transpose() {
        Err(_) if is_as_read => None,
        again => again.map_err(|found| output::findings(&found))?.filter(|_| !is_as_read),
    };
    watch.replace(&files, &seen);
    Ok((watch, again))
}

/// The revisions that are kept in a state directory, which is made if it is not there.
fn revisions_in(state: Option<&Path>) -> anyhow::Result<Option<Revisions>> {
    let Some(folder) = state else { return Ok(None) };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the state folder {}", folder.display()))?;
    let opened = Revisions::open(folder);
    // A disk that takes nothing is no reason not to serve.
    Ok(opened.inspect_err(|error| tracing::warn!(reason = %error, "configurations are not kept")).ok())
}

/// Where records and spans go.
fn settings(config: &Config) -> Result<Settings, traces::SettingsError> {
    let destination = |sink: &Sink| match sink {
        Sink::Off => Destination::Off,
        Sink::Stdout => Destination::Stdout,
        Sink::Stderr => Destination::Stderr,
        Sink::File(path) => Destination::File(path.clone()),
    };
    let bounds = config.bounds.over(&Bounds::default());
    let env = |name: &str| std::env::var(name).ok();
    let queue = usize::try_from(bounds.trace_queue).unwrap_or(usize::MAX);
    Ok(Settings {
        access_log: destination(&config.telemetry.access_log),
        incidents: destination(&config.telemetry.incidents),
        traces: traces::Settings::read(config.telemetry.traces.as_ref(), &env, queue)?
            .map(|traces| traces.resolving(config.dns.settings(&bounds))),
        queue_bytes: bounds.log_queue,
    })
}

/// The admin socket of the gateway that runs by this configuration.
pub(crate) fn socket_of(path: &Path, wish: Option<&Path>) -> anyhow::Result<PathBuf> {
    let loaded = config::load(path).map_err(|found| output::findings(&found))?;
    standing(&loaded.config, &Source::File(path.to_owned()), wish)?
        .into_socket()
        .context("this configuration has no admin socket: with `state: none`, name it with an absolute path")
}

/// The state directory of a gateway that runs by this configuration, if it has one.
pub(crate) fn state_of(path: &Path, config: &Config, wish: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    state_directory(config.state.as_ref(), &Source::File(path.to_owned()), wish)
}

/// The newest configuration that was in force and still loads, for a start without the file's own. Of a broken file nobody
/// knows which `state:` it asks for.
pub(crate) fn last_good(path: &Path, wish: Option<&Path>) -> anyhow::Result<Loaded> {
    let state = state_directory(None, &Source::File(path.to_owned()), wish)?;
    let state = state.context("without a state directory nothing is kept")?;
    let revisions = Revisions::open(&state)?;
    let mut good = revisions.all().filter_map(|revision| {
        let loaded = revision.load().ok()?;
        portcullis_gateway::gateway::check(&loaded).ok().map(|_| loaded)
    });
    good.next().with_context(|| format!("no good configuration is kept in {}", state.display()))
}

/// What a configuration asks for that only a start can give.
fn standing(config: &Config, source: &Source, wish: Option<&Path>) -> anyhow::Result<Standing> {
    Ok(Standing::of(config, state_directory(config.state.as_ref(), source, wish)?))
}

/// The folder for what must survive: the command line's, the configuration's, the service manager's, else one of
/// its own for each configuration file.
fn state_directory(
    state: Option<&State>,
    source: &Source,
    wish: Option<&Path>,
) -> anyhow::Result<Option<PathBuf>> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = match (wish, state, source) {
        (Some(folder), _, _) => folder.to_owned(),
        (None, Some(State::None), _) | (None, None, Source::Made | Source::Quick(_)) => return Ok(None),
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
    Ok(Some(folder))
}

/// Why there is no gateway, for the command line.
pub(crate) fn refused_error(refused: &Refused) -> anyhow::Error {
    match refused {
        Refused::Findings(found) => output::findings(found),
        Refused::Bind { listener, address, error } => {
            anyhow::anyhow!("listeners.{listener}.bind: cannot listen on {address}: {error}")
        }
        Refused::System(error) => anyhow::anyhow!("cannot start: {error}"),
    }
}
