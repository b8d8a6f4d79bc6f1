//! What nothing reads: unknown keys, and settings that stand astray.
//!
//! A control that does not apply must say so, also when it is only misspelt or misplaced.

use super::library::Library;
use super::loading::{Loading, Unusable};
use super::trail::At;
use super::{Dialect, SETTINGS, Severity};
use crate::source::nearest;

/// The keys of the root, of all versions.
pub(super) const ROOT: &[&str] = &[
    "openapi",
    "swagger",
    "$self",
    "info",
    "jsonSchemaDialect",
    "servers",
    "host",
    "basePath",
    "schemes",
    "consumes",
    "produces",
    "paths",
    "webhooks",
    "components",
    "definitions",
    "parameters",
    "responses",
    "securityDefinitions",
    "security",
    "tags",
    "externalDocs",
];

/// Keys of the root that not every version has, and the versions that do.
const OF_SOME: &[(&str, Dialect, Dialect)] = &[
    ("$self", Dialect::V3_2, Dialect::V3_2),
    ("jsonSchemaDialect", Dialect::V3_1, Dialect::V3_2),
    ("servers", Dialect::V3_0, Dialect::V3_2),
    ("host", Dialect::V2_0, Dialect::V2_0),
    ("basePath", Dialect::V2_0, Dialect::V2_0),
    ("schemes", Dialect::V2_0, Dialect::V2_0),
    ("consumes", Dialect::V2_0, Dialect::V2_0),
    ("produces", Dialect::V2_0, Dialect::V2_0),
    ("webhooks", Dialect::V3_1, Dialect::V3_2),
    ("components", Dialect::V3_0, Dialect::V3_2),
    ("securityDefinitions", Dialect::V2_0, Dialect::V2_0),
];

/// Notes keys of the root that belong to another version, and are not read in this one.
pub(super) fn foreign_keys(loading: &mut Loading<'_>) {
    let root = loading.root;
    for (key, first, last) in OF_SOME {
        if let Some(at) = root.get(key).filter(|_| !(*first..=*last).contains(&loading.dialect)) {
            loading.warn(&at, format!("OpenAPI {} does not know `{key}`: it is not read", loading.dialect));
        }
    }
}

/// The keys of an operation, of all versions.
pub(super) const OPERATION: &[&str] = &[
    "tags",
    "summary",
    "description",
    "externalDocs",
    "operationId",
    "parameters",
    "requestBody",
    "responses",
    "callbacks",
    "deprecated",
    "security",
    "servers",
    "consumes",
    "produces",
    "schemes",
];

/// Notes keys that mean nothing where they stand. One that was meant to be `security` would leave the operation with
/// the document's, so it refuses.
pub(super) fn unknown_keys<'t>(
    loading: &mut Loading<'t>,
    at: &At<'t, '_>,
    known: &[&str],
) -> Result<(), Unusable> {
    let mut result = Ok(());
    for (key, child) in at.entries().into_iter().flatten() {
        if known.contains(&&*key.text) || key.text.starts_with("x-") {
            continue;
        }
        loading.spend(key.text.len())?;
        let near = nearest(&key.text, known.iter().copied());
        let severity = if near == Some("security") { Severity::Error } else { Severity::Warning };
        let finding = loading.finding_at(key.span, &child, "is not known here and not read");
        let finding = finding.with_hint_if(near.map(|near| format!("did you mean `{near}`?")));
        let unusable = loading.note(severity, finding);
        if severity == Severity::Error {
            result = Err(unusable);
        }
    }
    result
}

/// Notes each `x-portcullis` that was not read, and each extension whose name is nearly that.
pub(super) fn misplaced_settings<'t>(loading: &mut Loading<'t>, library: &'t Library<'t>) {
    for tree in library.trees() {
        below(loading, &At::root(tree));
    }
}

/// Trees are at most [`crate::source::Reading::depth_max`] deep.
fn below<'t>(loading: &mut Loading<'t>, at: &At<'t, '_>) {
    if loading.is_abandoned(at) {
        return;
    }
    if let Some(items) = at.items() {
        items.for_each(|item| below(loading, &item));
    }
    for (key, child) in at.entries().into_iter().flatten() {
        // What stands in an example is a value, whatever it looks like.
        if matches!(&*key.text, "example" | "examples") || &*key.text == SETTINGS && loading.is_placed(&child)
        {
            continue;
        }
        if &*key.text == SETTINGS {
            let finding = loading.finding_at(key.span, &child, "has no effect here");
            let hint = "settings may stand at the root, in tags, paths, operations and responses in use";
            loading.note(Severity::Warning, finding.with_hint(hint));
        } else if key.text.starts_with("x-port") && nearest(&key.text, [SETTINGS]).is_some() {
            let finding = loading.finding_at(key.span, &child, "is not known and has no effect");
            loading.note(Severity::Warning, finding.with_hint(format!("did you mean `{SETTINGS}`?")));
        } else {
            below(loading, &child);
        }
    }
}
