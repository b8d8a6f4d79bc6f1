//! `discriminator`: which schema each value of a property stands for.
//!
//! A value names a schema through `mapping`, or by being the name under which the schema is declared. Candidates are what
//! `oneOf` and `anyOf` beside it refer to; without these, the declared schemas that build on this one through `allOf`, and
//! those that build on them.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::super::Dialect;
use super::super::loading::{Loading, Unusable, text_of};
use super::super::trail::At;
use super::{Draft, fault, fault_of, later};
use crate::schema::{Discriminator, Property};
use crate::source::{Node, json_pointer};

/// The declared schemas.
#[derive(Default)]
pub(super) struct Heirs<'t> {
    /// By their own nodes.
    declared: HashMap<usize, Heir<'t>, RandomState>,
    /// By the node of what they build on.
    by_base: HashMap<usize, Vec<Heir<'t>>, RandomState>,
}

/// A declared schema, which may build on another.
#[derive(Clone, Copy)]
struct Heir<'t> {
    name: &'t str,
    at: At<'t, 't>,
}

/// Reads the `discriminator` of a schema whose other keywords are read.
pub(super) fn read<'t>(
    loading: &mut Loading<'t>,
    draft: &mut Draft<'_>,
    at: &At<'t, '_>,
) -> Result<(), Unusable> {
    let Some(stated) = at.given("discriminator") else { return Ok(()) };
    let property = match stated.node.get("propertyName") {
        Some(name) => text_of(name),
        None => stated.node.as_str().filter(|_| loading.is_2_0()).map(Into::into),
    };
    let Some(property) = property else {
        let what =
            format!("expected a discriminator with a `propertyName`, found {}", stated.node.describe());
        fault(loading, draft, &stated, "discriminator", what);
        return Ok(());
    };
    loading.spend(property.len())?;
    let mut mapping = Vec::new();
    for (key, target) in stated.given("mapping").iter().flat_map(At::entries).flatten() {
        loading.spend(key.text.len())?;
        if let Some(at) = mapped(loading, draft, &target) {
            mapping.push(Property { name: key.text.clone(), schema: later(loading, at)? });
        }
    }
    let mut default_mapping = None;
    if let Some(target) = stated.given("defaultMapping")
        && let Some(at) = mapped(loading, draft, &target)
    {
        default_mapping = Some(later(loading, at)?);
    }
    let is_binding = loading.dialect < Dialect::V3_1;
    let names = if is_binding { names(loading, draft, at)? } else { Vec::new() };
    let discriminator = Discriminator { property, mapping, names, default_mapping, is_binding };
    draft.schema.discriminator = Some(Box::new(discriminator));
    Ok(())
}

/// What a value of `mapping` stands for: the name of a declared schema, else a reference.
fn mapped<'t>(loading: &mut Loading<'t>, draft: &mut Draft<'_>, at: &At<'t, '_>) -> Option<At<'t, 't>> {
    let node: &'t Node = at.node;
    let Some(text) = node.as_str() else {
        let what = format!("expected a reference or the name of a schema, found {}", node.describe());
        fault(loading, draft, at, "discriminator", what);
        return None;
    };
    if let Some((_, declared)) = loading.declared_schemas().and_then(|declared| declared.entry(text)) {
        return Some(At::declared(declared, loading.schemas_place(), text));
    }
    match loading.referred(at, text) {
        Ok(target) => Some(target),
        Err(finding) => {
            fault_of(loading, draft, node, "discriminator", finding);
            None
        }
    }
}

/// The names that values may have without a mapping.
fn names<'t>(
    loading: &mut Loading<'t>,
    draft: &mut Draft<'_>,
    at: &At<'t, '_>,
) -> Result<Vec<Property>, Unusable> {
    let mut names = Vec::new();
    let logic = draft.schema.logic();
    let is_composed = !logic.one_of.is_empty() || !logic.any_of.is_empty();
    for key in ["oneOf", "anyOf"] {
        for branch in at.get(key).iter().flat_map(At::items).flatten() {
            let Some(text) = branch.node.get("$ref").and_then(Node::as_str) else { continue };
            let name = text.rsplit(['/', '#']).next().unwrap_or_default();
            if let Ok(Some(target)) = loading.target(&branch) {
                loading.spend(name.len())?;
                names.push(Property { name: unescaped(name), schema: later(loading, target)? });
            }
        }
    }
    if !is_composed {
        for heir in heirs(loading, at)? {
            loading.spend(heir.name.len())?;
            names.push(Property { name: heir.name.into(), schema: later(loading, heir.at)? });
        }
    }
    Ok(names)
}

fn unescaped(name: &str) -> Box<str> {
    json_pointer::unescaped(&super::super::reference::decode(name).unwrap_or_default()).into()
}

/// The declared schemas that build on this one, and on those.
fn heirs<'t>(loading: &mut Loading<'t>, at: &At<'t, '_>) -> Result<Vec<Heir<'t>>, Unusable> {
    if loading.graph.heirs.is_none() {
        loading.graph.heirs = Some(all_heirs(loading)?);
    }
    let Some(Heirs { declared, by_base }) = &loading.graph.heirs else { return Ok(Vec::new()) };
    // The schema itself has a name too, where it is declared.
    let mut found: Vec<Heir<'t>> = declared.get(&at.identity()).copied().into_iter().collect();
    let mut seen: HashSet<usize, RandomState> = HashSet::default();
    let mut open = vec![at.identity()];
    seen.insert(at.identity());
    while let Some(base) = open.pop() {
        for heir in by_base.get(&base).into_iter().flatten() {
            if seen.insert(heir.at.identity()) {
                open.push(heir.at.identity());
                found.push(*heir);
            }
        }
    }
    Ok(found)
}

fn all_heirs<'t>(loading: &mut Loading<'t>) -> Result<Heirs<'t>, Unusable> {
    let mut heirs = Heirs::default();
    let Some(declared) = loading.declared_schemas() else { return Ok(heirs) };
    let place = loading.schemas_place();
    for (key, node) in declared {
        let at = At::declared(node, place, &key.text);
        let heir = Heir { name: &key.text, at };
        heirs.declared.insert(at.identity(), heir);
        for base in at.get("allOf").iter().flat_map(At::items).flatten() {
            loading.spend(0)?;
            if let Ok(Some(target)) = loading.target(&base) {
                heirs.by_base.entry(target.identity()).or_default().push(heir);
            }
        }
    }
    Ok(heirs)
}
