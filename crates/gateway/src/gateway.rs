//! Start, apply, drain: the gateway as its owner sees it.
//!
//! One thread and one single-threaded runtime per core; each core has its own listening sockets and keeps what it
//! accepts. A configuration becomes a snapshot in three stages: text, [`Loaded`], [`Snapshot`]. Applying compiles
//! everything and binds new sockets first; any error leaves what runs untouched.

mod core;
pub mod watch;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_openapi::source::Finding;

use self::core::Core;
use crate::config::Loaded;
use crate::listener::accept::{self, Doorway, Sign};
use crate::observe::Observe;
use crate::pipeline::context::Ground;
use crate::pipeline::room::Room;
use crate::resources::Resources;
use crate::snapshot::{Compiled, ListenerPlan, Live, Snapshot, compile};
use crate::tasks::Tasks;

/// What the command line decides.
#[derive(Debug, Clone, Default)]
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
    running: Mutex<Running>,
}

/// What changes when a configuration is applied.
#[derive(Debug)]
struct Running {
    resources: Resources,
    listening: Vec<Listening>,
}

/// One listener with its bound address.
#[derive(Debug)]
struct Listening {
    plan: ListenerPlan,
    address: SocketAddr,
    doorway: Arc<Doorway>,
}

impl Listening {
    /// Whether its sockets are those that `plan` asks for. Port 0 asks for whatever port its listener has.
    fn is_for(&self, plan: &ListenerPlan) -> bool {
        plan.bind == self.address || (plan.bind == self.plan.bind && plan.name == self.plan.name)
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

impl Gateway {
    /// Compiles, binds and serves.
    ///
    /// # Errors
    /// Says why nothing was started.
    pub fn start(loaded: &Loaded, observe: Observe, options: Options) -> Result<Self, Refused> {
        let workers = options
            .workers
            .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
            .unwrap_or(1)
            .max(1);
        let mut resources = Resources::default();
        let Compiled { snapshot, listeners } =
            compile(loaded, &mut resources, &observe, workers).map_err(Refused::Findings)?;
        let ground = Arc::new(Ground {
            observe,
            memory: Room::new(snapshot.bounds.bodies_in_memory),
            files: Room::new(snapshot.bounds.bodies_in_files),
            requests: Room::new(u64::from(snapshot.bounds.requests)),
            spool: options.state,
        });
        let counted = Arc::downgrade(&ground);
        ground.observe.bodies_in_memory(move || counted.upgrade().map_or(0, |ground| ground.memory.held()));
        let live = Arc::new(Live::new(snapshot, ground));
        let asked = Arc::downgrade(&live);
        let facts = move || asked.upgrade().map(|live| live.snapshot().upstreams.facts()).unwrap_or_default();
        live.ground.observe.targets(facts);
        let tasks = Tasks::default();
        let cores = (0..workers)
            .map(|number| Core::start(number, Arc::clone(&live), tasks.clone()))
            .collect::<io::Result<Vec<_>>>()
            .map_err(Refused::System)?;
        let gateway =
            Self { live, cores, tasks, running: Mutex::new(Running { resources, listening: Vec::new() }) };
        gateway.open(listeners)?;
        Ok(gateway)
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
        let fresh = self.bind_new(&listeners)?;
        self.live.ground.memory.resize(snapshot.bounds.bodies_in_memory);
        self.live.ground.files.resize(snapshot.bounds.bodies_in_files);
        self.live.ground.requests.resize(u64::from(snapshot.bounds.requests));
        drop(self.live.swap(snapshot));
        self.with_running(|running| {
            for listening in &running.listening {
                if !listeners.iter().any(|plan| Arc::ptr_eq(&plan.term, &listening.plan.term)) {
                    listening.plan.term.end();
                }
            }
            running.listening.retain_mut(|listening| {
                let Some(plan) = listeners.iter().find(|plan| listening.is_for(plan)) else {
                    listening.doorway.close();
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

    /// The workers that have not turned for a while, and for how long: whatever is theirs stands still.
    pub fn stuck(&self) -> Vec<(usize, Duration)> {
        self.cores.iter().enumerate().filter_map(|(number, core)| Some((number, core.stuck()?))).collect()
    }

    /// Connections and chores that run now.
    pub fn running_tasks(&self) -> usize {
        self.tasks.running()
    }

    /// Accepts nothing more, lets every exchange end, and stops when the last one has or `most` has passed. Says
    /// whether everything ended by itself.
    pub fn drain(&self, most: Duration) -> bool {
        self.with_running(|running| {
            for listening in &running.listening {
                listening.doorway.close();
                listening.plan.term.end();
            }
        });
        let drained = Core::block_on_all_idle(&self.tasks, most);
        for core in &self.cores {
            core.stop();
        }
        drained
    }

    fn open(&self, plans: Vec<ListenerPlan>) -> Result<(), Refused> {
        let fresh = self.bind_new(&plans)?;
        self.serve(fresh);
        Ok(())
    }

    /// Binds what is not bound yet: all of it, or nothing.
    fn bind_new(
        &self,
        plans: &[ListenerPlan],
    ) -> Result<Vec<(Listening, Vec<std::net::TcpListener>)>, Refused> {
        let is_bound = |plan: &&ListenerPlan| {
            self.with_running(|running| running.listening.iter().any(|listening| listening.is_for(plan)))
        };
        plans
            .iter()
            .filter(|plan| !is_bound(plan))
            .map(|plan| {
                self.bind_all(plan).map_err(|error| Refused::Bind {
                    listener: Arc::clone(&plan.name),
                    address: plan.bind,
                    error,
                })
            })
            .collect()
    }

    fn serve(&self, fresh: Vec<(Listening, Vec<std::net::TcpListener>)>) {
        for (listening, sockets) in fresh {
            tracing::info!(listener = &*listening.plan.name, address = %listening.address, "listening");
            for (core, socket) in self.cores.iter().zip(sockets) {
                core.listen(socket, Arc::clone(&listening.doorway));
            }
            self.with_running(|running| running.listening.push(listening));
        }
    }

    /// One socket a core on the same address. With port 0 the first decides which port that is.
    fn bind_all(&self, plan: &ListenerPlan) -> io::Result<(Listening, Vec<std::net::TcpListener>)> {
        let first = accept::bind(plan.bind)?;
        let address = first.local_addr()?;
        let mut sockets = vec![first];
        for _ in 1..self.cores.len() {
            sockets.push(accept::bind(address)?);
        }
        let sign = Sign::new(plan.clone(), &self.live.ground.observe);
        Ok((Listening { plan: plan.clone(), address, doorway: Arc::new(Doorway::new(sign)) }, sockets))
    }

    fn with_running<T>(&self, act: impl FnOnce(&mut Running) -> T) -> T {
        // A panic while the lock was held leaves plain data behind, which is still good.
        let mut running = self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        act(&mut running)
    }
}
