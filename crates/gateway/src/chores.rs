//! One thread for what no request waits for: names, health checks, exports.
//!
//! Each core is busy with its own connections; what belongs to the whole process would be done once a core there, or
//! hold one of them up. The thread ends when the last handle to it is dropped, and its tasks with it.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A handle to the thread.
#[derive(Clone, Debug)]
pub struct Chores {
    handle: Handle,
    /// Dropped with the last handle, which ends the thread.
    _end: Arc<oneshot::Sender<()>>,
}

impl Chores {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread or no descriptors.
    pub fn start() -> io::Result<Self> {
        Self::start_as("chores")
    }

    /// Starts a thread of this name.
    ///
    /// # Errors
    /// The system gives no thread or no descriptors.
    pub fn start_as(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Told by being dropped.
            let _ = runtime.block_on(ended);
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, _end: Arc::new(end) })
    }

    /// Does `chore` there. One that panics ends alone.
    pub fn spawn(&self, chore: impl Future<Output = ()> + Send + 'static) {
        drop(self.handle.spawn(chore));
    }
}
