//! What outlives a snapshot, by name and settings: backends with their pools.
//!
//! An unrelated edit must not close backend connections or reset what was learned of a target. A resource is
//! kept as long as a configuration asks for one of the same name with the same settings.

use std::sync::Arc;

use crate::upstream::{Backend, BackendError, BackendSpec};

/// Resources by name and settings.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    backends: Vec<Arc<Backend>>,
}

impl Resources {
    /// The backend of this name and these settings: the running one, or a new one.
    ///
    /// # Errors
    /// The settings cannot be made to work.
    pub fn backend(&mut self, spec: BackendSpec, cores: usize) -> Result<Arc<Backend>, BackendError> {
        if let Some(running) = self.backends.iter().find(|backend| *backend.spec() == spec) {
            return Ok(Arc::clone(running));
        }
        let backend = Arc::new(Backend::new(spec, cores)?);
        self.backends.push(Arc::clone(&backend));
        Ok(backend)
    }

    /// Forgets what no snapshot holds any more.
    pub fn forget_unused(&mut self) {
        self.backends.retain(|backend| Arc::strong_count(backend) > 1);
    }
}
