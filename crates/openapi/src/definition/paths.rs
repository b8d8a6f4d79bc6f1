//! Paths, and which operations they have.

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;
use http::Method;

use super::loading::{ENDLESS, Loading, Unusable, text_of};
use super::parameters::{self, Declared};
use super::trail::At;
use super::{Dialect, Operation, SETTINGS, Settings, Severity, operation};
use crate::source::{Key, nearest};
use crate::template::Template;

/// The operations of all paths.
pub(super) fn read(loading: &mut Loading<'_>) -> Result<Vec<Operation>, Unusable> {
    let root = loading.root;
    let mut operations = Vec::new();
    let Some(paths) = root.get("paths") else {
        let message = "has no `paths`: there is nothing to publish";
        // From 3.1 on a document may consist of webhooks or components.
        if loading.dialect < Dialect::V3_1 {
            loading.error(&root, message);
            return Err(Unusable);
        }
        loading.warn(&root, message);
        return Ok(operations);
    };
    let Some(entries) = paths.entries() else {
        loading.error(&paths, format!("expected path templates, found {}", paths.node.describe()));
        return Err(Unusable);
    };
    for (key, at) in entries {
        if loading.is_spent() {
            break;
        }
        if key.text.starts_with("x-") {
            continue;
        }
        if loading.skips(&key.text) {
            loading.abandon(&at);
            continue;
        }
        match Template::parse(&key.text) {
            Ok(template) => path(loading, template, at, &mut operations),
            Err(error) => {
                let finding =
                    loading.finding_at(key.span, &at, format!("{error} (at byte {})", error.offset));
                let finding = finding.with_hint(without(&key.text));
                loading.leave_out.push(key.text.clone());
                loading.note(Severity::Error, finding);
                leave(loading, &at);
            }
        }
    }
    Ok(operations)
}

/// How to publish a document without something in it.
pub(super) fn without(key: &str) -> String {
    format!("mend the document, or write `skip: [{key:?}]` below the API to publish it without this")
}

/// A path item with those it refers to, merged: what they declare together.
pub(super) struct PathItem {
    pub(super) template: Template,
    pub(super) parameters: Result<Vec<Declared>, Unusable>,
    pub(super) settings: Option<Arc<Settings>>,
    /// The methods seen.
    methods: HashSet<Method, RandomState>,
}

/// Reads the operations of one path.
fn path<'t>(loading: &mut Loading<'t>, template: Template, at: At<'t, '_>, operations: &mut Vec<Operation>) {
    let Ok(chain) = chain(loading, at) else {
        leave(loading, &at);
        return;
    };
    let mut item =
        PathItem { template, parameters: Ok(Vec::new()), settings: None, methods: HashSet::default() };
    for at in &chain {
        shared(loading, at, &mut item);
    }
    for at in &chain {
        let Some(entries) = at.entries() else { continue };
        for (key, at) in entries {
            if loading.spend(0).is_err() {
                return;
            }
            if is_additional(&key.text, loading.dialect) {
                additional(loading, &mut item, &at, operations);
            } else if let Some(method) = fixed_method(&key.text, loading.dialect) {
                publish(loading, &mut item, method, key, &at, operations);
            } else {
                stranger(loading, key, &at);
            }
        }
    }
}

/// Leaves a path that is refused, with the operations it has.
fn leave(loading: &mut Loading<'_>, at: &At<'_, '_>) {
    let keys = at.node.as_mapping().into_iter().flat_map(|item| item.keys());
    let operations = keys.filter(|key| fixed_method(key, loading.dialect).is_some()).count();
    loading.refuse(operations);
    loading.abandon(at);
}

/// A path item, then the one it refers to, and so on. Unlike other references one may have siblings.
fn chain<'t, 'p>(loading: &mut Loading<'t>, at: At<'t, 'p>) -> Result<Vec<At<'t, 'p>>, Unusable>
where
    't: 'p,
{
    let mut chain = vec![at];
    let mut last = at;
    loop {
        if last.node.as_mapping().is_none() {
            if last.node.is_null() && chain.len() == 1 {
                loading.warn(&last, "declares no operation");
            } else {
                loading
                    .error(&last, format!("expected operations by method, found {}", last.node.describe()));
            }
            return Err(Unusable);
        }
        let Some(next) = loading.step(&last)? else { return Ok(chain) };
        if chain.len() >= loading.chain_max() {
            loading.error(&at, ENDLESS);
            return Err(Unusable);
        }
        chain.push(next);
        last = next;
    }
}

/// What a path item says for all its operations.
fn shared<'t>(loading: &mut Loading<'t>, at: &At<'t, '_>, item: &mut PathItem) {
    if let Some(list) = at.given("parameters") {
        let more = parameters::read(loading, &list);
        item.parameters = match (std::mem::replace(&mut item.parameters, Err(Unusable)), more) {
            (Ok(mut known), Ok(more)) => {
                known.extend(more);
                Ok(known)
            }
            _ => Err(Unusable),
        };
    }
    if let Some(settings) = loading.settings(at) {
        if item.settings.is_some() {
            loading.error(
                at,
                "stands behind a reference that has `x-portcullis` beside it: one of them would not count",
            );
            item.parameters = Err(Unusable);
        }
        item.settings = Some(settings);
    }
    if let Some(servers) = at.given("servers") {
        loading.warn(&servers, "is not used: the API's `base_path` holds for all its operations");
    }
}

/// The method a key of a path item stands for.
fn fixed_method(key: &str, dialect: Dialect) -> Option<Method> {
    Some(match key {
        "get" => Method::GET,
        "put" => Method::PUT,
        "post" => Method::POST,
        "delete" => Method::DELETE,
        "options" => Method::OPTIONS,
        "head" => Method::HEAD,
        "patch" => Method::PATCH,
        "trace" if dialect >= Dialect::V3_0 => Method::TRACE,
        "query" if dialect >= Dialect::V3_2 => return Method::from_bytes(b"QUERY").ok(),
        _ => return None,
    })
}

const KEYS: &[&str] = &[
    "get",
    "put",
    "post",
    "delete",
    "options",
    "head",
    "patch",
    "trace",
    "query",
    "additionalOperations",
    "$ref",
    "summary",
    "description",
    "servers",
    "parameters",
    SETTINGS,
];

/// Notes a key of a path item that means nothing: it might have been meant to be a method.
fn stranger(loading: &mut Loading<'_>, key: &Key, at: &At<'_, '_>) {
    let is_known = KEYS.contains(&&*key.text);
    let is_method = is_known
        && !matches!(&*key.text, "$ref" | "summary" | "description" | "servers" | "parameters" | SETTINGS);
    if (is_known && !is_method) || key.text.starts_with("x-") {
        return;
    }
    let lower = key.text.to_ascii_lowercase();
    let near = nearest(&key.text, KEYS.iter().copied());
    let (severity, message) = if is_method {
        (Severity::Error, format!("OpenAPI {} does not know `{}`", loading.dialect, key.text))
    } else if fixed_method(&lower, Dialect::V3_2).is_some() {
        (Severity::Error, "methods are written in lower case".to_owned())
    } else if &*key.text == "security" {
        // Whoever wrote it believes that it holds for all operations below.
        (Severity::Error, "has no effect on a path: it stands at operations, or at the root".to_owned())
    } else if near.is_some_and(|near| fixed_method(near, Dialect::V3_2).is_some()) {
        (Severity::Error, "is not known here: an operation would be left out".to_owned())
    } else {
        (Severity::Warning, "is not known here and not read".to_owned())
    };
    let hint = near.filter(|near| *near != &*key.text);
    let finding = loading.finding_at(key.span, at, message);
    loading.note(severity, finding.with_hint_if(hint.map(|near| format!("did you mean `{near}`?"))));
    if severity == Severity::Error {
        loading.refuse(1);
        loading.abandon(at);
    }
}

/// Whether a key holds operations by method: of 3.2, or the extension registered for older documents.
fn is_additional(key: &str, dialect: Dialect) -> bool {
    key == "x-oai-additionalOperations" || key == "additionalOperations" && dialect >= Dialect::V3_2
}

/// Methods without a key of their own.
fn additional<'t>(
    loading: &mut Loading<'t>,
    item: &mut PathItem,
    at: &At<'t, '_>,
    operations: &mut Vec<Operation>,
) {
    let Some(entries) = at.entries() else {
        loading.error(at, format!("expected operations by method, found {}", at.node.describe()));
        return;
    };
    for (key, at) in entries {
        if loading.spend(0).is_err() {
            return;
        }
        let method = Method::from_bytes(key.text.as_bytes()).ok();
        // OpenAPI 3.2, "Path Item Object": no method that has a key of its own, in the spelling the key stands for.
        let is_fixed = key.text.len() <= 7 && {
            let fixed = fixed_method(&key.text.to_ascii_lowercase(), loading.dialect);
            fixed.is_some() && fixed == method
        };
        match method {
            Some(method) if !is_fixed => publish(loading, item, method, key, &at, operations),
            Some(_) | None => {
                let message = if is_fixed { "has a key of its own in the path item" } else { "is no method" };
                let finding = loading.finding_at(key.span, &at, message);
                loading.note(Severity::Error, finding);
                loading.refuse(1);
                loading.abandon(&at);
            }
        }
    }
}

/// Reads one operation and adds it, or makes sure that there is an error about it.
fn publish<'t>(
    loading: &mut Loading<'t>,
    item: &mut PathItem,
    method: Method,
    key: &Key,
    at: &At<'t, '_>,
    operations: &mut Vec<Operation>,
) {
    let errors = loading.errors();
    let id = at.node.get("operationId").and_then(text_of);
    // Both are asked: a key that names something twice over is used.
    let by_name = loading.skips(&format!("{method} {}", item.template));
    if id.is_some_and(|id| loading.skips(&id)) || by_name {
        loading.abandon(at);
        return;
    }
    if matches!(method, Method::CONNECT | Method::TRACE) {
        // Nothing is lost that could be had: the gateway answers these itself, whatever is published.
        let message = format!("{method} never passes the gateway: the operation is not published");
        let finding = loading.finding_at(key.span, at, message);
        loading.note(Severity::Warning, finding);
        loading.abandon(at);
        return;
    }
    if !item.methods.insert(method.clone()) {
        let finding = loading.finding_at(key.span, at, "is declared beside a reference and behind it");
        loading.note(Severity::Error, finding);
        loading.refuse(1);
        loading.abandon(at);
        return;
    }
    match operation::read(loading, item, method, key, at) {
        Ok(operation) => operations.push(operation),
        Err(Unusable) => {
            loading.refuse(1);
            loading.abandon(at);
            if loading.errors() == errors {
                let message = "is not published: a part it shares with other operations cannot be used";
                let finding = loading.finding_at(key.span, at, message);
                loading.note(Severity::Error, finding);
            }
        }
    }
}
