//! Start, apply, drain: the gateway as its owner sees it.
//!
//! One thread and one single-threaded runtime per core; each core has its own listening sockets and keeps what it
//! accepts, or hands it to another at once (`listener/cores.rs`). A configuration becomes a snapshot in three stages: text, [`Loaded`], [`Snapshot`]. Applying compiles
//! everything and binds new sockets first; any error leaves what runs untouched.

mod core;
pub mod rehearsal;
pub mod watch;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_openapi::source::Finding;

use self::core::Core;
use crate::certificates::{self, Certificate};
use crate::chores::Chores;
use crate::config::Loaded;
use crate::dns::Resolver;
pub use crate::http::term::LEAVING;
use crate::listener::accept::{Doorway, Post, Sign};
use crate::listener::cores::Cores;
use crate::listener::sockets::{self, Prepared};
pub use crate::listener::sockets::{Inherited, listening_address};
use crate::observe::Observe;
use crate::pipeline::attempts::Attempts;
use crate::pipeline::context::Ground;
use crate::pipeline::room::Room;
use crate::resources::Resources;
use crate::secret::Secret;
use crate::signing::SigningFacts;
use crate::snapshot::{Compiled, ListenerPlan, Live, Snapshot, compile};
use crate::store::{Fed, Place, Store};
use crate::tasks::Tasks;
use crate::vault::Vault;
use crate::workers::{Background, Workers};

/// What the command line decides.
#[derive(Debug, Default)]
pub struct Options {
    /// Threads that serve; `None`: one per core of the machine.
    pub workers: Option<usize>,
    /// Folder for what must survive or does not fit in memory; `None`: nothing is kept.
    pub state: Option<PathBuf>,
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    live: Arc<Live>,
    cores: Vec<Core>,
    tasks: Tasks,
    chores: Chores,
    resolver: Resolver,
    store: Option<Store>,
    running: Mutex<Running>,
}

/// Time for connections to be cut off at the end of a drain.
const CUT: Duration = Duration::from_secs(2);

/// The store's file in the state directory.
const STORE_FILE: &str = "portcullis.db";

/// What changes when a configuration is applied.
#[derive(Debug)]
struct Running {
    resources: Resources,
    listening: Vec<Listening>,
    /// Bound, and not accepted from yet.
    fresh: Vec<Fresh>,
}

/// One listener with its bound address.
#[derive(Debug)]
struct Listening {
    plan: ListenerPlan,
    address: SocketAddr,
    doorway: Arc<Doorway>,
    /// What the cores accept from, to be lent to a process that takes over.
    sockets: Vec<TcpListener>,
}

/// One listener that is not accepted from yet.
#[derive(Debug)]
struct Fresh {
    plan: ListenerPlan,
    address: SocketAddr,
    sockets: Vec<Prepared>,
}

/// The sockets of one listener, lent to a process that takes over.
#[derive(Debug)]
pub struct Lent {
    /// The listener's name.
    pub name: Arc<str>,
    /// Its address.
    pub address: SocketAddr,
    /// All of them.
    pub sockets: Vec<TcpListener>,
}

impl Listening {
    /// Whether its sockets are those that `plan` asks for.
    fn is_for(&self, plan: &ListenerPlan) -> bool {
        sockets::is_for(&self.plan.name, self.address, &plan.name, plan.bind)
    }

    /// Closes its sockets, with what waits on them taken in.
    fn close(&mut self) {
        // The cores' own are the last.
        self.sockets.clear();
        self.doorway.close();
    }
}

/// Why the gateway did not start, or did not take a configuration.
#[derive(Debug)]
pub enum Refused {
    /// The configuration does not compile.
    Findings(Vec<Finding>),
    /// A listener could not be bound.
    Bind {
        /// The listener's name.
        listener: Arc<str>,
        /// Its address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// Threads or runtimes could not be made.
    System(io::Error),
}

/// Compiles a configuration and serves nothing.
///
/// # Errors
/// Every reason why it does not compile.
pub fn check(loaded: &Loaded) -> Result<Snapshot, Vec<Finding>> {
    compile(loaded, &mut Resources::default(), &Observe::default(), 1).map(|compiled| compiled.snapshot)
}

/// What would serve by a configuration, callers of the store included; nothing is served.
///
/// # Errors
/// As [`check`], and when the store, if there is one, cannot be read: who it knows is not known then.
pub fn look(loaded: &Loaded, state: Option<&Path>) -> Result<Snapshot, Refused> {
    let mut resources = Resources::default();
    let compiled = compile(loaded, &mut resources, &Observe::default(), 1).map_err(Refused::Findings)?;
    if let Some(place) = store_place(loaded, state) {
        // It is read once by the time this returns. No copy is kept: one that runs keeps its own.
        let fed = Fed { callers: Arc::clone(&resources.callers), ..Fed::default() };
        let store = Store::start(place, None, fed, Arc::default());
        let facts = store.map_err(Refused::System)?.facts();
        if let Some(reason) = facts.reason {
            return Err(Refused::System(io::Error::other(reason)));
        }
    }
    Ok(compiled.snapshot)
}

impl Gateway {
    /// Compiles, binds and serves.
    ///
    /// # Errors
    /// Says why nothing was started.
    pub fn start(loaded: &Loaded, observe: Observe, options: Options) -> Result<Self, Refused> {
        let gateway = Self::prepare(loaded, observe, options, &mut Vec::new())?;
        gateway.open();
        Ok(gateway)
    }

    /// Compiles and binds; accepts nothing before [`Gateway::open`]. Uses what it can of the sockets that were handed to
    /// this process, and leaves the others in `inherited`.
    ///
    /// # Errors
    /// Says why nothing was started.
    pub fn prepare(
        loaded: &Loaded,
        observe: Observe,
        options: Options,
        inherited: &mut Vec<Inherited>,
    ) -> Result<Self, Refused> {
        let workers = options
            .workers
            .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
            .unwrap_or(1)
            .max(1);
        let vault = loaded.config.shared_secrets().map(|keys| Vault::new(keys, options.state.as_deref()));
        let vault = vault.map(Arc::new);
        let place = store_place(loaded, options.state.as_deref());
        let is_shared = matches!(place, Some(Place::Postgres(_)));
        let mut resources = Resources::new(options.state.as_deref(), vault.clone(), is_shared);
        let Compiled { snapshot, listeners } =
            compile(loaded, &mut resources, &observe, workers).map_err(Refused::Findings)?;
        let state = options.state.clone();
        let ground = Arc::new(Ground {
            observe,
            memory: Room::new(snapshot.bounds.bodies_in_memory),
            files: Room::new(snapshot.bounds.bodies_in_files),
            requests: Room::new(u64::from(snapshot.bounds.requests)),
            attempts: Attempts::default(),
            inspections: Workers::of_all_cores(),
            looks: Background::of_few(),
            spool: options.state,
        });
        let counted = Arc::downgrade(&ground);
        ground.observe.bodies_in_memory(move || counted.upgrade().map_or(0, |ground| ground.memory.held()));
        let live = Arc::new(Live::new(snapshot, ground));
        name_askers(&live, &resources);
        let tasks = Tasks::default();
        let cores = start_cores(workers, &live, &tasks).map_err(Refused::System)?;
        let running = Running { resources, listening: Vec::new(), fresh: Vec::new() };
        let chores = Chores::start().map_err(Refused::System)?;
        let ends = is_shared.then(|| Arc::clone(&running.resources.ends));
        let fed = Fed { callers: Arc::clone(&running.resources.callers), vault, ends };
        let start = |place| Store::start(place, state, fed, live.changed());
        let store = place.map(start).transpose().map_err(Refused::System)?;
        if let Some(store) = &store {
            let asked = store.clone();
            live.ground.observe.store(move || asked.facts().metrics());
        }
        let snapshot = live.snapshot();
        let resolver = Resolver::new(chores.clone(), snapshot.dns.clone());
        running.resources.settle(&snapshot, &chores, &resolver, &live.ground.observe);
        snapshot.begin_issuers(&chores, &live.ground, running.resources.vault.as_ref());
        watch_certificates(loaded, &running.resources, &chores, &live);
        let gateway = Self { live, cores, tasks, chores, resolver, store, running: Mutex::new(running) };
        let fresh = gateway.bind_new(&listeners, inherited)?;
        gateway.with_running(|running| running.fresh = fresh);
        Ok(gateway)
    }

    /// Accepts connections from now on.
    pub fn open(&self) {
        self.serve(self.with_running(|running| std::mem::take(&mut running.fresh)));
    }

    /// Replaces the running configuration.
    ///
    /// # Errors
    /// Says why; everything is then as it was.
    pub fn apply(&self, loaded: &Loaded) -> Result<(), Refused> {
        let mut resources = self.with_running(|running| running.resources.clone());
        let Compiled { snapshot, listeners } =
            compile(loaded, &mut resources, &self.live.ground.observe, self.cores.len())
                .map_err(Refused::Findings)?;
        let observe = &self.live.ground.observe;
        let fresh = self.bind_new(&listeners, &mut Vec::new())?;
        self.live.ground.memory.resize(snapshot.bounds.bodies_in_memory);
        self.live.ground.files.resize(snapshot.bounds.bodies_in_files);
        self.live.ground.requests.resize(u64::from(snapshot.bounds.requests));
        let most = snapshot.bounds.drain;
        self.resolver.configure(snapshot.dns.clone());
        // Before anybody asks for a name or a target.
        resources.settle(&snapshot, &self.chores, &self.resolver, observe);
        snapshot.begin_issuers(&self.chores, &self.live.ground, resources.vault.as_ref());
        drop(self.live.swap(snapshot));
        watch_certificates(loaded, &resources, &self.chores, &self.live);
        self.with_running(|running| {
            for listening in &running.listening {
                if !listeners.iter().any(|plan| Arc::ptr_eq(&plan.term, &listening.plan.term)) {
                    listening.plan.term.end(most, LEAVING);
                }
            }
            running.listening.retain_mut(|listening| {
                let Some(plan) = listeners.iter().find(|plan| listening.is_for(plan)) else {
                    listening.close();
                    return false;
                };
                listening.doorway.change(Sign::new(plan.clone(), observe));
                listening.plan = plan.clone();
                true
            });
            resources.forget_unused();
            running.resources = resources;
        });
        self.serve(fresh);
        let names: Vec<&str> = listeners.iter().map(|plan| &*plan.name).collect();
        observe.retain_listeners(&names);
        Ok(())
    }

    /// The listeners: name, bound address, connections open now.
    pub fn addresses(&self) -> Vec<(Arc<str>, SocketAddr, usize)> {
        let about = |one: &Listening| (Arc::clone(&one.plan.name), one.address, one.doorway.open());
        self.with_running(|running| running.listening.iter().map(about).collect())
    }

    /// The running snapshot and what outlives it.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Resolves names, for the process's own calls too.
    pub fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// The certificates that are used or trusted, those that end first first.
    pub fn certificates(&self) -> Vec<Certificate> {
        let certificates = self.with_running(|running| Arc::clone(&running.resources.certificates));
        let mut all = certificates.all();
        self.live.snapshot().callers.each(|known| all.extend(Certificate::of_consumer(known)));
        all
    }

    /// The store of consumers, if there is one.
    pub fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    /// How the keys are that tokens of our own are signed with, if there are any.
    pub fn signing(&self) -> Option<SigningFacts> {
        self.with_running(|running| running.resources.signing.facts())
    }

    /// The workers that have not turned for a while, and for how long: whatever is theirs stands still.
    pub fn stuck(&self) -> Vec<(usize, Duration)> {
        self.cores.iter().enumerate().filter_map(|(number, core)| Some((number, core.stuck()?))).collect()
    }

    /// How many connections each worker serves, or will.
    pub fn connections_by_worker(&self) -> Vec<usize> {
        self.cores.iter().map(Core::connections).collect()
    }

    /// Connections and chores that run now.
    pub fn running_tasks(&self) -> usize {
        self.tasks.running()
    }

    /// Copies of all listening sockets, for a process that takes over.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub fn lend(&self) -> io::Result<Vec<Lent>> {
        let lend = |one: &Listening| {
            let sockets = one.sockets.iter().map(TcpListener::try_clone).collect::<io::Result<_>>()?;
            Ok(Lent { name: Arc::clone(&one.plan.name), address: one.address, sockets })
        };
        self.with_running(|running| running.listening.iter().map(lend).collect())
    }

    /// Leaves the listeners that are `taken` to another process, with all who wait to be accepted; connections stay.
    pub fn leave(&self, taken: impl Fn(&str) -> bool) {
        self.with_running(|running| {
            for listening in running.listening.iter_mut().filter(|one| taken(&one.plan.name)) {
                listening.sockets.clear();
                listening.doorway.leave();
            }
        });
    }

    /// Accepts nothing more, lets every exchange end, and stops when the last one has or `most` has passed. Connections
    /// without an exchange have `idle` to begin their last one. Says whether everything ended by itself.
    pub async fn drain(&self, most: Duration, idle: Duration) -> bool {
        let cut = self.tasks.cut();
        self.with_running(|running| {
            for listening in &mut running.listening {
                listening.close();
                listening.plan.term.end(most, idle);
            }
        });
        // Connections are cut off by their own tasks, in their own time; what they carried is recorded then.
        let all_ended = tokio::time::timeout(most.saturating_add(CUT), self.tasks.idle()).await.is_ok();
        // Their last records are made when their answers were looked at; cut off they say that they were not.
        let _ = tokio::time::timeout(CUT, self.live.ground.looks.idle()).await;
        for core in &self.cores {
            core.stop();
        }
        all_ended && self.tasks.cut() == cut
    }

    /// Binds what is not bound yet: all of it, or nothing.
    fn bind_new(
        &self,
        plans: &[ListenerPlan],
        inherited: &mut Vec<Inherited>,
    ) -> Result<Vec<Fresh>, Refused> {
        let is_bound = |plan: &&ListenerPlan| {
            self.with_running(|running| running.listening.iter().any(|listening| listening.is_for(plan)))
        };
        plans
            .iter()
            .filter(|plan| !is_bound(plan))
            .map(|plan| {
                self.bind_all(plan, inherited).map_err(|error| Refused::Bind {
                    listener: Arc::clone(&plan.name),
                    address: plan.bind,
                    error,
                })
            })
            .collect()
    }

    /// The sockets of one listener: those that were handed over, or new ones.
    fn bind_all(&self, plan: &ListenerPlan, inherited: &mut Vec<Inherited>) -> io::Result<Fresh> {
        let cores = self.cores.len();
        let handed =
            inherited.iter().position(|one| sockets::is_for(&one.name, one.address, &plan.name, plan.bind));
        let (address, sockets) = match handed.map(|at| inherited.swap_remove(at)) {
            Some(handed) => (handed.address, sockets::adopt(handed, cores)?),
            None => sockets::bind_each(plan.bind, cores)?,
        };
        Ok(Fresh { plan: plan.clone(), address, sockets })
    }

    fn serve(&self, fresh: Vec<Fresh>) {
        for Fresh { plan, address, sockets } in fresh {
            let doorway = Arc::new(Doorway::new(Sign::new(plan.clone(), &self.live.ground.observe)));
            let mut kept = Vec::with_capacity(sockets.len());
            // However many there are: each is accepted from by some core.
            for (socket, core) in sockets.into_iter().zip(self.cores.iter().cycle()) {
                match socket.listen().and_then(|socket| Ok((socket.try_clone()?, socket))) {
                    Ok((copy, socket)) => {
                        kept.push(copy);
                        core.listen(socket, Arc::clone(&doorway), self.tasks.enter());
                    }
                    Err(error) => tracing::error!(%error, listener = &*plan.name, "a socket was lost"),
                }
            }
            tracing::info!(listener = &*plan.name, %address, "listening");
            self.with_running(|running| {
                running.listening.push(Listening { plan, address, doorway, sockets: kept });
            });
        }
    }

    fn with_running<T>(&self, act: impl FnOnce(&mut Running) -> T) -> T {
        // A panic while the lock was held leaves plain data behind, which is still good.
        let mut running = self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        act(&mut running)
    }
}

/// Has the ends of the certificates of a configuration watched, and of no other.
fn watch_certificates(loaded: &Loaded, resources: &Resources, chores: &Chores, live: &Live) {
    let found = certificates::in_configuration(loaded.tree());
    let notice = loaded.config.telemetry.certificate_notice.iter().map(|time| time.get()).collect();
    resources.certificates.configure(found, notice, chores, &live.ground.observe);
}

/// Where consumers are kept: as the configuration says, else in the state directory, else nowhere.
fn store_place(loaded: &Loaded, state: Option<&Path>) -> Option<Place> {
    let url: Option<&Secret> = loaded.config.stores.as_ref().and_then(|stores| stores.durable.as_ref());
    match url {
        Some(url) => Some(Place::Postgres(url.clone())),
        None => state.map(|state| Place::Sqlite(state.join(STORE_FILE))),
    }
}

/// Says where metrics are asked for.
fn name_askers(live: &Arc<Live>, resources: &Resources) {
    let observe = &live.ground.observe;
    observe.targets(of_snapshot(live, |snapshot| snapshot.upstreams.facts()));
    observe.backends(of_snapshot(live, |snapshot| snapshot.upstreams.backends()));
    observe.issuers(of_snapshot(live, Snapshot::issuer_facts));
    let signing = Arc::clone(&resources.signing);
    observe.signing(move || signing.facts());
    observe.authorizers(of_snapshot(live, Snapshot::authorizer_facts));
    observe.acme(of_snapshot(live, Snapshot::acme_facts));
}

/// Asks the snapshot in force, as long as there is one.
fn of_snapshot<T, A>(live: &Arc<Live>, ask: A) -> impl Fn() -> T + Send + Sync + 'static + use<T, A>
where
    T: Default + 'static,
    A: Fn(&Snapshot) -> T + Send + Sync + 'static,
{
    let live = Arc::downgrade(live);
    move || live.upgrade().map(|live| ask(&live.snapshot())).unwrap_or_default()
}

/// The cores, each with a way to every other.
fn start_cores(count: usize, live: &Arc<Live>, tasks: &Tasks) -> io::Result<Vec<Core>> {
    let (cores, inboxes) = Cores::new(count);
    let post = |core| Post { cores: Arc::clone(&cores), core, live: Arc::clone(live), tasks: tasks.clone() };
    inboxes.into_iter().enumerate().map(|(core, inbox)| Core::start(post(core), inbox)).collect()
}
