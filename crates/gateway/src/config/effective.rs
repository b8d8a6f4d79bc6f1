//! What applies to an operation: defaults, API and operation merged, from the configuration and the definition.
//!
//! Scope first (`defaults`, API, tag, path, operation), then, within a scope, carrier (definition, Overlay, configuration):
//! the caller hands the layers over in that order. What a definition says is judged where it is laid on: it may
//! tighten what it inherits, and loosen it only where the configuration says `trust_definition: true`. A layer that
//! a later one covers is judged all the same: whether a document loads does not hang on what stands elsewhere.

use portcullis_openapi::definition::Settings as Carried;
use portcullis_openapi::source::{Files, Finding, Node, Pointer, de};

use super::load::{Place, place, span_of};
use super::{Loaded, Settings, settings};
use crate::bounds::Bounds;

/// One layer of settings beyond `defaults` and the API's own.
#[derive(Debug, Clone, Copy)]
pub enum Layer<'a> {
    /// An entry under the API's `operations`.
    Entry(&'a str),
    /// An `x-portcullis` of the API's definition.
    Definition(&'a Carried),
}

/// What applies to an operation once all scopes are merged.
#[derive(Debug, Clone)]
pub struct Effective {
    /// The settings.
    pub settings: Settings,
    tree: Node,
    names: Files,
}

impl Loaded {
    /// What applies to an operation of an API: `layers` are those of tags, path and operation, the most general first.
    ///
    /// # Errors
    /// Returns what the merge made impossible, and what a definition may not loosen.
    pub fn effective(&self, api: &str, layers: &[Layer<'_>]) -> Result<Effective, Vec<Finding>> {
        let definition = self.definitions.get(api);
        let root = definition.and_then(|definition| definition.definition().settings.as_deref());
        let trusted = self.config.apis.get(api).is_some_and(|api| api.trust_definition.unwrap_or(false));
        let bounds = self.config.bounds.over(&Bounds::default());
        let mut merge = Merge { names: self.names(), bounds, trusted, api, tree: None, findings: Vec::new() };
        merge.lay(self.tree().at(&["defaults"]));
        root.into_iter().for_each(|root| merge.lay_definition(root));
        merge.lay(self.tree().at(&["apis", api]));
        for layer in layers {
            match layer {
                Layer::Entry(key) => merge.lay(self.tree().at(&["apis", api, "operations", key])),
                Layer::Definition(carried) => merge.lay_definition(carried),
            }
        }
        merge.finish()
    }
}

impl Effective {
    /// Where a setting was written, such as `auth` or `bounds.body`.
    pub fn place(&self, path: &str) -> Option<Place> {
        place(&self.names, &self.tree, &path.parse().unwrap_or_default())
    }

    /// A finding where a setting was written.
    pub fn finding(&self, path: &str, message: impl Into<String>) -> Option<Finding> {
        let path: Pointer = path.parse().unwrap_or_default();
        Some(self.names.finding(span_of(&self.tree, &path)?, path, message))
    }
}

/// Settings while layers are laid on each other.
struct Merge<'a> {
    names: &'a Files,
    bounds: Bounds,
    trusted: bool,
    api: &'a str,
    tree: Option<Node>,
    findings: Vec<Finding>,
}

impl Merge<'_> {
    fn lay(&mut self, layer: Option<&Node>) {
        if let Some(layer) = layer {
            self.tree = Some(settings::lay(self.tree.take(), layer));
        }
    }

    /// Lays on what a definition says, and judges it against what it is laid on. Where an Overlay changed it, also against
    /// what the definition itself says there: an Overlay may take a loosening back, never a tightening.
    fn lay_definition(&mut self, carried: &Carried) {
        let below = self.tree.clone();
        self.lay(Some(&carried.node));
        if self.trusted {
            return;
        }
        let mut loosened = self.loosened(below.as_ref(), self.tree.as_ref());
        if let Some(before) = &carried.before {
            let definition = settings::lay(below, before);
            for found in self.loosened(Some(&definition), self.tree.as_ref()) {
                if !loosened.iter().any(|(key, _)| *key == found.0) {
                    loosened.push(found);
                }
            }
        }
        for (key, why) in loosened {
            // A key that this layer does not have was judged with the layer it came from; one that an Overlay took out
            // stands in the definition.
            let own = key.parse().unwrap_or_default();
            let removed = || span_of(carried.before.as_ref()?, &own);
            let Some(span) = span_of(&carried.node, &own).or_else(removed) else { continue };
            let finding = self.names.finding(span, carried.pointer.join(&own), why);
            self.findings.push(finding.with_hint(format!(
                "a definition or an Overlay may only tighten: say it in the configuration, or set `trust_definition: true` at apis.{}",
                self.api
            )));
        }
    }

    /// The keys by which one tree loosens another. What cannot be read is reported by `finish`.
    fn loosened(&self, below: Option<&Node>, above: Option<&Node>) -> Vec<(String, String)> {
        let read = |tree: Option<&Node>| match tree {
            Some(tree) => settings::read(self.names, tree).ok(),
            None => Some(Settings::default()),
        };
        match (read(below), read(above)) {
            (Some(below), Some(above)) => settings::loosened(&below, &above, &self.bounds),
            _ => Vec::new(),
        }
    }

    fn finish(self) -> Result<Effective, Vec<Finding>> {
        if !self.findings.is_empty() {
            return Err(self.findings);
        }
        let tree = self.tree.unwrap_or_else(settings::nothing);
        let settings = de::read(self.names, &tree)?;
        Ok(Effective { settings, tree, names: self.names.clone() })
    }
}
