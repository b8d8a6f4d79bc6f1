//! APIs and operations.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use portcullis_openapi::source::Pointer;

use super::authentication::PASTE;
use super::names::{base_path_fault, host_fault, is_field_name, is_id};
use super::{Judge, attestation, authentication, authorizers, gateway, repeated, root};
use crate::config::{
    Api, Auth, Config, ForwardedFields, Match, Operation, OperationBoundsSettings, Require, Settings,
};

pub(super) fn judge(judge: &mut Judge<'_>) {
    let config = judge.config;
    let path = root().key("defaults");
    let defaults = &config.defaults;
    shared(
        judge,
        &path,
        &Shared {
            auth: defaults.auth.as_ref(),
            require: defaults.require.as_ref(),
            attestation: defaults.attestation.as_deref(),
            authorize: defaults.authorize.as_deref(),
            fields: defaults.fields.as_ref(),
            bounds: None, // judged with the gateway's own
        },
    );
    let mut published = HashMap::new();
    for (name, api) in &config.apis {
        let path = root().key("apis").key(name);
        one(judge, &path, api);
        place(judge, &path, api, &mut published);
        operations(judge, &path, api);
    }
}

/// The shared settings that need judging.
struct Shared<'a> {
    auth: Option<&'a Auth>,
    require: Option<&'a Require>,
    attestation: Option<&'a str>,
    authorize: Option<&'a str>,
    fields: Option<&'a ForwardedFields>,
    bounds: Option<&'a OperationBoundsSettings>,
}

fn shared(judge: &mut Judge<'_>, path: &Pointer, settings: &Shared<'_>) {
    if let Some(auth) = settings.auth {
        authentication::judge(judge, &path.key("auth"), auth);
    }
    if let Some(name) = settings.attestation {
        attestation::reference(judge, &path.key("attestation"), name);
    }
    if let Some(name) = settings.authorize {
        authorizers::reference(judge, &path.key("authorize"), name);
    }
    if let Some(require) = settings.require {
        authentication::required(judge, &path.key("require"), require);
    }
    if let Some(ForwardedFields::Named(names)) = settings.fields {
        for (index, name) in names.iter().enumerate().filter(|(_, name)| !is_field_name(name)) {
            judge.value(&path.key("fields").index(index), format!("{name:?} is no field name"), "");
        }
    }
    if let Some(bounds) = settings.bounds {
        gateway::bounds(judge, &path.key("bounds"), bounds);
    }
}

/// Judges settings on their own.
pub(super) fn settings(judge: &mut Judge<'_>, path: &Pointer, settings: &Settings) {
    shared(
        judge,
        path,
        &Shared {
            auth: settings.auth.as_ref(),
            require: settings.require.as_ref(),
            attestation: settings.attestation.as_deref(),
            authorize: settings.authorize.as_deref(),
            fields: settings.fields.as_ref(),
            bounds: settings.bounds.as_ref(),
        },
    );
}

/// Whether an operation of it may be answered without a backend; which ones are is known when they are compiled.
fn is_mocked(config: &Config, api: &Api) -> bool {
    let own = api.operations.values().map(|operation| operation.mock);
    own.chain([api.mock, config.defaults.mock]).flatten().any(|mock| mock.is_on)
}

fn one(judge: &mut Judge<'_>, path: &Pointer, api: &Api) {
    let config = judge.config;
    shared(
        judge,
        path,
        &Shared {
            auth: api.auth.as_ref(),
            require: api.require.as_ref(),
            attestation: api.attestation.as_deref(),
            authorize: api.authorize.as_deref(),
            fields: api.fields.as_ref(),
            bounds: api.bounds.as_ref(),
        },
    );
    match &api.backend {
        Some(backend) => judge.reference(&path.key("backend"), "backend", backend, &config.backends),
        None if is_mocked(config, api) => {}
        None => {
            let span = judge.tree.find(path).map_or(judge.tree.span, |node| node.span);
            judge.push(span, path, "the key `backend` is missing".to_owned(), String::new());
        }
    }
    match (&api.listen, config.listeners.len()) {
        (None, 0) => {
            judge.key(path, "is published nowhere: there is no listener", "add one under `listeners`")
        }
        (None, 1) => {}
        (None, _) => {
            let first = config.listeners.keys().next().map_or("", String::as_str);
            judge.key(path, "does not say on which listener", format!("add `listen: [{first}]`"));
        }
        (Some(names), _) => {
            if names.is_empty() {
                judge.value(&path.key("listen"), "names no listener", "");
            }
            for (index, name) in names.iter().enumerate() {
                let path = path.key("listen").index(index);
                judge.reference(&path, "listener", name, &config.listeners);
            }
            twice(judge, &path.key("listen"), names.iter().map(String::as_str));
        }
    }
    if let Some(definition) = api.openapi.as_ref().filter(|definition| definition.contains("://")) {
        let message = format!("{definition:?} is not a file");
        judge.value(&path.key("openapi"), message, "definitions are read from files");
    }
    if api.openapi.is_none() && !api.skip.is_empty() {
        judge.key(&path.key("skip"), "leaves out of a definition, and the API has none", "take it out");
    }
    twice(judge, &path.key("skip"), api.skip.iter().map(String::as_str));
    overlays(judge, &path.key("overlays"), api);
    for (scheme, auth) in api.schemes.iter().flatten() {
        authentication::judge(judge, &path.key("schemes").key(scheme), auth);
    }
}

fn overlays(judge: &mut Judge<'_>, path: &Pointer, api: &Api) {
    if api.openapi.is_none() && !api.overlays.is_empty() {
        judge.key(path, "are laid on a definition, and the API has none", "take them out, or add `openapi`");
    }
    for (index, overlay) in api.overlays.iter().enumerate() {
        let path = path.index(index);
        if overlay.file.contains("://") {
            judge.value(&path, format!("{:?} is not a file", overlay.file), "Overlays are read from files");
        }
    }
    twice(judge, path, api.overlays.iter().map(|overlay| overlay.file.as_str()));
}

/// A list in which nothing may stand twice.
fn twice<'a>(judge: &mut Judge<'_>, path: &Pointer, names: impl IntoIterator<Item = &'a str>) {
    let names: Vec<&str> = names.into_iter().collect();
    for index in repeated(&names) {
        let name = names.get(index).copied().unwrap_or_default();
        judge.value(&path.index(index), format!("{name:?} stands here twice"), "");
    }
}

/// Two APIs with one host and base path do not load: which of them a request meant could not be said.
fn place(
    judge: &mut Judge<'_>,
    path: &Pointer,
    api: &Api,
    published: &mut HashMap<(Option<String>, String), Pointer>,
) {
    if let Some(hint) = base_path_fault(api.base_path()) {
        judge.value(&path.key("base_path"), format!("{:?} is no base path", api.base_path()), hint);
    }
    let hosts: Vec<(Pointer, Option<String>)> = match &api.hosts {
        None => vec![(path.clone(), None)],
        Some(hosts) => {
            let entry =
                |(index, host): (usize, &String)| (path.key("hosts").index(index), Some(host.clone()));
            hosts.iter().enumerate().map(entry).collect()
        }
    };
    if hosts.is_empty() {
        let hint = "leave it out to answer to every host that no other API claims";
        judge.value(&path.key("hosts"), "names no host", hint);
    }
    for (host_path, host) in hosts {
        if let Some((host, hint)) = host.as_ref().and_then(|host| Some((host, host_fault(host)?))) {
            judge.value(&host_path, format!("{host:?} is no host name"), hint);
        }
        let slot = (host, api.base_path().to_owned());
        match published.get(&slot) {
            Some(other) if other == path => judge.value(&host_path, "stands here twice", ""),
            Some(other) => {
                let message = format!(
                    "this host and base path are those of the API at {} already",
                    judge.elsewhere(other)
                );
                judge.value(&host_path, message, "give one of them another `hosts` or `base_path`");
            }
            None => {
                published.insert(slot, path.clone());
            }
        }
    }
}

/// What has no definition has no contract that could be kept.
fn contract(judge: &mut Judge<'_>, path: &Pointer, what: &str, hint: &str) {
    judge.key(&path.key("contract"), format!("has nothing to keep to: {what}"), hint);
}

fn operations(judge: &mut Judge<'_>, path: &Pointer, api: &Api) {
    if api.openapi.is_none() && api.contract.is_some() {
        let hint = "add `openapi: definition.yaml`, or take it out";
        contract(judge, path, "no definition describes this API", hint);
    }
    if api.openapi.is_none() && api.operations.is_empty() {
        let hint = "add `openapi: definition.yaml`, or `operations: { all: { match: \"* /{rest*}\" } }`";
        judge.key(path, "publishes no operation", hint);
    }
    let inherited = api.auth.as_ref().or(judge.config.defaults.auth.as_ref());
    let mut declared = HashMap::new();
    for (key, operation) in &api.operations {
        let path = path.key("operations").key(key);
        entry(judge, &path, key, api, operation);
        let auth = operation.auth.as_ref().or(inherited);
        // What an entry that selects from a definition inherits is known once that is read.
        let Some(matches) = &operation.matches else { continue };
        if auth.is_none() && api.openapi.is_none() {
            judge.key(&path, "says nothing about who may call", PASTE);
        }
        overlap(judge, &path, matches, &mut declared);
        let required =
            operation.require.as_ref().or(api.require.as_ref()).or(judge.config.defaults.require.as_ref());
        if auth == Some(&Auth::None) && required.is_some_and(|require| !require.is_empty()) {
            let at = if operation.require.is_some() { path.key("require") } else { path.key("auth") };
            let hint = "with `auth: none` nobody is known who could hold anything";
            judge.value(&at, "asks for something of anonymous callers", hint);
        }
    }
}

/// One entry under `operations`.
fn entry(judge: &mut Judge<'_>, path: &Pointer, key: &str, api: &Api, operation: &Operation) {
    shared(
        judge,
        path,
        &Shared {
            auth: operation.auth.as_ref(),
            require: operation.require.as_ref(),
            attestation: operation.attestation.as_deref(),
            authorize: operation.authorize.as_deref(),
            fields: operation.fields.as_ref(),
            bounds: operation.bounds.as_ref(),
        },
    );
    if operation.matches.is_some() && operation.contract.is_some() {
        contract(judge, path, "the operation is declared here and not in a definition", "take it out");
    }
    let selects = key.contains(['/', ' ']) || key.starts_with("tag:");
    match &operation.matches {
        Some(_) if selects => {
            let hint = "give the operation a name as its key, such as `getThing`";
            judge.key(path, "both selects from the definition and declares an operation", hint);
        }
        Some(_) if !is_id(key) => {
            judge.key(path, "is no name", "1 to 128 characters, none of them a control character");
        }
        Some(_) => {}
        None if api.openapi.is_none() => {
            let example = if key.contains('/') { key } else { "GET /things/{id}" };
            let example = if example.starts_with('/') { format!("* {example}") } else { example.to_owned() };
            let hint = format!("declare it: `match: \"{example}\"`");
            judge.key(path, "selects from a definition, and the API has none", hint);
        }
        None => {}
    }
}

/// Two declared operations with one method and one template could not be told apart.
fn overlap<'a>(
    judge: &mut Judge<'_>,
    path: &Pointer,
    matches: &'a Match,
    declared: &mut HashMap<(Option<&'a str>, String), Pointer>,
) {
    match declared.entry((matches.method.as_deref(), shape(&matches.path))) {
        Entry::Occupied(other) => {
            let place = judge.elsewhere(other.get());
            let message = format!("matches the same requests as the operation at {place}");
            judge.value(&path.key("match"), message, "");
        }
        Entry::Vacant(free) => {
            free.insert(path.clone());
        }
    }
}

/// A template without the names of its parameters.
fn shape(template: &str) -> String {
    let mut shape = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        shape.push_str(before);
        shape.push_str(if name.ends_with('*') { "{*}" } else { "{}" });
        rest = after;
    }
    shape.push_str(rest);
    shape
}
