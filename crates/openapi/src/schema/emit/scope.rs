//! What a dynamic reference means: the outermost schema on the way that has the anchor.
//!
//! The way is known when a schema is written, for each is written once for each way that makes a difference. So a dynamic
//! reference becomes an ordinary one, and the document needs no resources.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::{Context, Emitter};
use crate::schema::SchemaId;

/// Bindings by their number; 0 binds nothing.
#[derive(Debug)]
pub(super) struct Scopes<'a> {
    numbers: HashMap<Vec<(&'a str, SchemaId)>, u32, RandomState>,
    bindings: Vec<Vec<(&'a str, SchemaId)>>,
}

impl Default for Scopes<'_> {
    fn default() -> Self {
        Self { numbers: HashMap::from_iter([(Vec::new(), 0)]), bindings: vec![Vec::new()] }
    }
}

impl Scopes<'_> {
    fn find(&self, scope: u32, anchor: &str) -> Option<SchemaId> {
        let bindings = self.bindings.get(usize::try_from(scope).ok()?)?;
        bindings.iter().find(|(name, _)| *name == anchor).map(|(_, schema)| *schema)
    }
}

impl Emitter<'_> {
    /// The bindings within a schema: those on the way to it, and those of its own resource that are new.
    pub(super) fn entered(&mut self, id: SchemaId, scope: u32) -> u32 {
        let anchors = self.schemas.anchors(id);
        if anchors.iter().all(|(name, _)| self.scopes.find(scope, name).is_some()) {
            return scope;
        }
        let known = usize::try_from(scope).ok().and_then(|scope| self.scopes.bindings.get(scope));
        let mut bindings = known.cloned().unwrap_or_default();
        for (name, schema) in anchors {
            if !bindings.iter().any(|(known, _)| *known == &**name) {
                bindings.push((name, *schema));
            }
        }
        bindings.sort_unstable();
        if let Some(number) = self.scopes.numbers.get(&bindings) {
            return *number;
        }
        let number = u32::try_from(self.scopes.bindings.len()).unwrap_or_default();
        self.scopes.numbers.insert(bindings.clone(), number);
        self.scopes.bindings.push(bindings);
        number
    }

    /// What a dynamic reference means here.
    pub(super) fn bound(&self, anchor: &str, target: SchemaId, context: Context) -> SchemaId {
        self.scopes.find(context.scope, anchor).unwrap_or(target)
    }
}
