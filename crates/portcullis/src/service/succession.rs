//! Handing over to another process: lending the sockets, giving them up, going on when nothing comes of it.

use std::ffi::OsString;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::{env, thread};

use portcullis_admin::Successor;
use portcullis_gateway::gateway::Lent;

use super::{Service, Source};

/// The argument by which a process takes over.
const TAKE_OVER: &str = "--take-over";

impl Service {
    /// Lends every listening socket, and changes nothing from then on.
    pub(super) fn lend_sockets(&self) -> Result<Vec<Lent>, String> {
        let _turn = self.turn();
        self.may_be_succeeded()?;
        self.nothing_waits()?;
        if self.is_lent.swap(true, Ordering::AcqRel) {
            return Err("another process is taking over".to_owned());
        }
        let lent = self.gateway.lend();
        lent.map_err(|error| {
            self.is_lent.store(false, Ordering::Release);
            format!("its sockets cannot be copied: {error}")
        })
    }

    /// Whether another process may still take over.
    pub(super) fn may_be_succeeded(&self) -> Result<(), String> {
        if self.draining.load(Ordering::Acquire) { Err("it drains".to_owned()) } else { Ok(()) }
    }

    /// Leaves everything to another process; what is under way stays.
    pub(super) fn succeed(&self, successor: &Successor) {
        self.is_probed_elsewhere.store(successor.probes, Ordering::Release);
        self.draining.store(true, Ordering::Release);
        self.is_succeeded.store(true, Ordering::Release);
        self.gateway.leave(|listener| successor.listeners.iter().any(|taken| taken == listener));
        if let Some(process) = successor.process {
            self.manager.handed_over(process);
        }
        tracing::info!(process = successor.process.unwrap_or_default(), "another process has taken over");
    }

    /// Goes on: nothing came of a take-over.
    pub(super) fn go_on(&self, reason: &str) {
        self.is_lent.store(false, Ordering::Release);
        tracing::error!(reason, "another process did not take over; this one goes on");
        // An edit meanwhile was turned away.
        self.changed.notify_one();
    }

    /// Whether a change of the configuration is taken.
    pub(super) fn is_settled(&self) -> Result<(), String> {
        if self.is_lent.load(Ordering::Acquire) {
            return Err("another process is taking over; it reads the configuration itself".to_owned());
        }
        Ok(())
    }

    /// Starts the program anew, as it was started, to take over from this process: by its name, so that a newer file there is
    /// what runs.
    pub(super) fn start_successor(&self) {
        if !matches!(self.source, Source::File(_)) {
            tracing::warn!("a gateway without a configuration file does not hand over");
            return;
        }
        let mut arguments: Vec<OsString> = env::args_os().collect();
        if arguments.is_empty() {
            return;
        }
        if !arguments.iter().any(|argument| argument == TAKE_OVER) {
            arguments.push(TAKE_OVER.into());
        }
        let program = arguments.remove(0);
        // The manager watches whoever is the main process, and that changes.
        let started = Command::new(&program).args(&arguments).env_remove("WATCHDOG_PID").spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => {
                tracing::error!(%error, program = %program.display(), "the new process does not start");
                return;
            }
        };
        tracing::info!(process = child.id(), "a new process starts to take over");
        let waited = thread::Builder::new().name("successor".to_owned()).spawn(move || {
            if let Ok(status) = child.wait() {
                tracing::warn!(%status, "the process that was to take over has ended");
            }
        });
        if let Err(error) = waited {
            tracing::warn!(%error, "nobody waits for the new process");
        }
    }
}
