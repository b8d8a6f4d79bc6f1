//! APIs: settings merged for each operation, templates made into matchers, published on their listeners.
//!
//! An API's operations come from its definition, from entries with `match`, or from both. The API's `base_path` is where
//! they are published; what the definition says of its servers decides nothing.

use std::sync::Arc;

use foldhash::HashMap;
use http::Method;
use portcullis_identity::sha256::digest;
use portcullis_openapi::definition;
use portcullis_openapi::matcher::{MatcherBuilder, Methods};
use portcullis_openapi::source::{Finding, Pointer};
use portcullis_openapi::template::Template;

use super::security::{Secured, Unsecured};
use super::selection::{Selection, spelled};
use super::{Compiler, declared, parted, spell};
use crate::callers::Directory;
use crate::config::{
    Api, ApiDefinition, Auth, Effective, ForwardedFields, Layer, Match, Settings, Stream as StreamConfig,
};
use crate::observe::OperationMetrics;
use crate::pipeline::operation::{Stream, StreamTerms};
use crate::pipeline::{Expression, Form, Handover, Needs, Operation, Policy};
use crate::policies::condition::{Condition, When};
use crate::policies::fields::{self, Fields};
use crate::policies::require::Require;
use crate::policies::resource_metadata::{self, ResourceMetadata};
use crate::policies::signature::SignedContent;
use crate::route::HostPattern;
use crate::snapshot::Listening;

/// An operation that is to be published.
pub(super) struct Draft<'a> {
    name: String,
    /// As shown: a method, or `*`.
    method: &'a str,
    methods: Methods,
    /// Below the base path.
    path: &'a str,
    layers: Vec<Layer<'a>>,
    pub(super) origin: Origin<'a>,
}

/// Where an operation comes from.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    /// An entry of the configuration, by its key.
    Entry(&'a str),
    /// The API's definition, and which of its operations.
    Definition(&'a ApiDefinition, &'a definition::Operation, usize),
}

/// Operations without `auth`, to be reported together.
#[derive(Default)]
struct Silent {
    /// Those without `auth`.
    names: Vec<String>,
    /// Those with `auth: definition` of which the document says nothing.
    unsecured: Vec<String>,
    /// Whether any asks by the definition.
    asked_by_definition: bool,
}

/// Who may call an operation.
struct WhoMayCall {
    expression: Arc<Expression>,
    /// Whatever it is made of.
    verifiers: Vec<Auth>,
    /// Where a definition says so, if one does.
    place: Option<Arc<str>>,
    /// What that definition asks for, in words that differ when it asks for something else.
    asked: String,
}

impl Compiler<'_> {
    /// One API: its operations, published under its hosts on its listeners.
    pub(super) fn api(
        &mut self,
        name: &str,
        api: &Api,
        callers: &Arc<Directory>,
        listening: &mut HashMap<Arc<str>, Listening>,
        operations: &mut Vec<Arc<Operation>>,
    ) {
        let loaded = self.loaded;
        let definition = loaded.definition(name);
        let at = Pointer::new().key("apis").key(name);
        if api.openapi.is_some() && definition.is_none() {
            return self.wrong_at(&at.key("openapi"), "the definition was not read");
        }
        let selection = definition.map(|definition| Selection::of(api, definition.definition()));
        let selection = selection.unwrap_or_default();
        for (key, message) in &selection.wrong {
            self.wrong_at(&at.key("operations").key(key), message);
        }
        let base = api.base_path().trim_end_matches('/');
        let mut builder = MatcherBuilder::new();
        let mut silent = Silent::default();
        let mut origins: Vec<Origin<'_>> = Vec::new();
        let mut kept: Vec<(usize, Arc<Operation>)> = Vec::new();
        for draft in self.drafts(&at, api, definition, &selection) {
            let template = match Template::parse(&format!("{base}{}", draft.path)) {
                Ok(template) => template,
                Err(error) => {
                    self.wrong_operation(&at, draft.origin, error.to_string());
                    continue;
                }
            };
            let Some(operation) = self.operation(name, api, &draft, &template, callers, &mut silent) else {
                continue;
            };
            match builder.insert(draft.methods, template, Arc::clone(&operation)) {
                Ok(()) => {
                    origins.push(draft.origin);
                    if let Origin::Definition(_, _, index) = draft.origin {
                        kept.push((index, Arc::clone(&operation)));
                    }
                    operations.push(operation);
                }
                Err(clash) => {
                    let other = origins.get(clash.existing).map(|other| self.origin_place(&at, *other));
                    let message = format!(
                        "matches the same requests as the operation at {}",
                        other.as_deref().unwrap_or("another place")
                    );
                    self.wrong_operation(&at, draft.origin, message);
                }
            }
        }
        self.report_coverage(name, &kept);
        self.serve_logins(name, api, &mut builder, operations);
        self.report_silent(name, &at, &silent.names);
        self.report_unsecured(name, &at, &silent.unsecured);
        self.unused_schemes(&at, api, definition, silent.asked_by_definition);
        self.metadata(name, api, operations, listening);
        match builder.build() {
            Ok(matcher) => {
                let (listen, hosts) = (api.listen.as_ref(), api.hosts.as_ref());
                self.publish(listen, hosts, base, &Arc::new(matcher), listening);
            }
            Err(error) => self.wrong_at(&at, error.to_string()),
        }
    }

    /// The document that says which tokens the API asks for, if it asks for any (RFC 9728).
    fn metadata(
        &mut self,
        name: &str,
        api: &Api,
        operations: &mut Vec<Arc<Operation>>,
        listening: &mut HashMap<Arc<str>, Listening>,
    ) {
        let path = metadata_path(api);
        let own: Vec<&Arc<Operation>> =
            operations.iter().filter(|operation| *operation.api == *name).collect();
        let asks = |operation: &&Arc<Operation>| operation.resource_metadata.is_some();
        let is_taken = self.config.apis.values().any(|api| api.base_path() == path)
            || own.iter().any(|operation| *operation.template == *path);
        let Some(first) = own.iter().find(|operation| asks(operation)).filter(|_| !is_taken) else { return };
        let mut issuers: Vec<Box<str>> = Vec::new();
        let mut scopes: Vec<Box<str>> = Vec::new();
        for operation in own.iter().filter(|it| asks(it)) {
            scopes.extend(operation.authentication.scopes().cloned());
            let asked = operation.chain.iter().flat_map(|policy| policy.scopes());
            scopes.extend(asked.map(|scope| scope.as_str().into()));
            issuers.extend(
                operation.authentication.authenticators().filter_map(|it| it.issuer()).map(Into::into),
            );
        }
        for list in [&mut issuers, &mut scopes] {
            list.sort();
            list.dedup();
        }
        let base = api.base_path().trim_end_matches('/');
        let Ok(template) = Template::parse(&path) else { return };
        let policy = Arc::new(ResourceMetadata::new(base, issuers, scopes));
        let place = self.place(&format!("apis.{name}"));
        let operation = Arc::new(Operation {
            base_path: base.into(),
            auth_place: Arc::clone(&first.auth_place),
            ..self.ours(name, resource_metadata::OPERATION, &path, &Method::GET, policy, place)
        });
        let mut builder = MatcherBuilder::new();
        if builder.insert(Methods::One(Method::GET), template, Arc::clone(&operation)).is_err() {
            return;
        }
        if let Ok(matcher) = builder.build() {
            operations.push(operation);
            let (listen, hosts) = (api.listen.as_ref(), api.hosts.as_ref());
            self.publish(listen, hosts, &path, &Arc::new(matcher), listening);
        }
    }

    /// An operation that the gateway answers itself, by `policy`: it asks nobody who calls, and nothing goes on.
    pub(super) fn ours(
        &self,
        api: &str,
        name: &str,
        template: &str,
        method: &Method,
        policy: Arc<dyn Policy>,
        place: Arc<str>,
    ) -> Operation {
        Operation {
            api: api.into(),
            name: name.into(),
            metrics: self.observe.operation(api, name, template),
            template: template.into(),
            method: method.as_str().into(),
            authentication: Arc::new(Expression::anonymous()),
            needs: policy.needs(),
            decodes: None,
            chain: [policy].into(),
            backend: Operation::NO_BACKEND,
            contract: None,
            handover: None,
            strip: 0,
            bounds: Arc::clone(&self.bounds),
            stream: None,
            matrix: None,
            terms: None,
            base_path: "".into(),
            resource_metadata: None,
            auth_place: Arc::clone(&place),
            place,
        }
    }

    /// Publishes what `matcher` knows under its hosts and base path, on its listeners; on all of them where none is named.
    pub(super) fn publish(
        &self,
        listen: Option<&Vec<String>>,
        hosts: Option<&Vec<String>>,
        base: &str,
        matcher: &Arc<portcullis_openapi::matcher::Matcher<Arc<Operation>>>,
        listening: &mut HashMap<Arc<str>, Listening>,
    ) {
        let everywhere: Vec<String> = self.config.listeners.keys().cloned().collect();
        for listener in listen.unwrap_or(&everywhere) {
            let Some(listening) = listening.get_mut(listener.as_str()) else { continue };
            match hosts {
                None => listening.routes.publish(HostPattern::Any, base, Arc::clone(matcher)),
                Some(hosts) => {
                    for host in hosts {
                        listening.routes.publish(HostPattern::parse(host), base, Arc::clone(matcher));
                    }
                }
            }
        }
    }

    /// Every operation of an API: the definition's in its order, then those with `match`.
    fn drafts<'a>(
        &mut self,
        at: &Pointer,
        api: &'a Api,
        definition: Option<&'a ApiDefinition>,
        selection: &'a Selection<'a>,
    ) -> Vec<Draft<'a>> {
        let mut drafts: Vec<Draft<'a>> = Vec::new();
        if let Some(own) = definition {
            let document = own.definition();
            drafts.extend(document.operations.iter().enumerate().map(|(index, operation)| Draft {
                name: operation.id.as_deref().map_or_else(|| spelled(operation), str::to_owned),
                method: operation.method.as_str(),
                methods: Methods::One(operation.method.clone()),
                path: operation.template.as_str(),
                layers: selection.layers(document, index, operation),
                origin: Origin::Definition(own, operation, index),
            }));
        }
        // Entries have a key each: only an operation of the definition can have the name of one.
        let names = drafts.iter().map(|draft| (draft.name.clone(), draft.origin));
        let names: HashMap<String, Origin<'a>> = names.collect();
        for (key, entry) in &api.operations {
            let Some(Match { method, path }) = &entry.matches else { continue };
            let origin = Origin::Entry(key);
            if let Some(same) = names.get(key) {
                let message =
                    format!("is the name of the operation at {} already", self.origin_place(at, *same));
                self.wrong_at(&at.key("operations").key(key), message);
                continue;
            }
            let methods = match method.as_deref().map(|method| Method::from_bytes(method.as_bytes())) {
                None => Methods::Any,
                Some(Ok(method)) => Methods::One(method),
                Some(Err(_)) => {
                    self.wrong_operation(at, origin, "this is no method".to_owned());
                    continue;
                }
            };
            drafts.push(Draft {
                name: key.clone(),
                method: method.as_deref().unwrap_or("*"),
                methods,
                path,
                layers: vec![Layer::Entry(key)],
                origin,
            });
        }
        drafts
    }

    fn operation(
        &mut self,
        api_name: &str,
        api: &Api,
        draft: &Draft<'_>,
        template: &Template,
        callers: &Arc<Directory>,
        silent: &mut Silent,
    ) -> Option<Arc<Operation>> {
        let at = Pointer::new().key("apis").key(api_name);
        let effective = self.effective(api_name, draft)?;
        let settings = &effective.settings;
        let who = self.who_may_call((api_name, api), draft, settings, callers, silent)?;
        let place: Arc<str> = self.origin_place(&at, draft.origin).into();
        let spelt =
            |key: &str| effective.place(key).map_or_else(|| Arc::clone(&place), |it| spell(Some(it), key));
        let attestation = self.attestation(settings, spelt("attestation"));
        let attestation = attestation.map_err(|why| self.wrong_operation(&at, draft.origin, why)).ok()?;
        let mut chain = chain(settings, &who.verifiers, draft.origin, &place, &spelt("fields"));
        chain.splice(0..0, attestation);
        let condition = self.condition(&at, &effective, draft, template)?;
        let after = chain.iter().take_while(|policy| policy.name() != fields::KIND.name).count();
        condition.into_iter().for_each(|condition| chain.insert(after, condition));
        let authorization = self.external_authorization(settings, spelt("authorize"));
        chain.extend(authorization.map_err(|why| self.wrong_operation(&at, draft.origin, why)).ok()?);
        let (contract, keeper) = self
            .contract_of((api_name, &at), draft, &effective, &who.verifiers, template, spelt("contract.mode"))
            .ok()?;
        chain.extend(keeper);
        let matrix = self.matrix_places(api_name, draft, contract, template);
        let bounds = match &settings.bounds {
            Some(own) => Arc::new(own.over(&self.bounds)),
            None => Arc::clone(&self.bounds),
        };
        let mocked = self.mocked(api_name, settings, draft.origin, spelt("mock"));
        let mocked = mocked.map_err(|why| self.wrong_operation(&at, draft.origin, why)).ok()?;
        let (backend, handover) = self.destination((&at, api), draft, mocked, &who.expression, &mut chain)?;
        let stream = self.stream(api_name, api, settings, draft.origin);
        let answers = self.answers_of((api_name, &at), draft, &effective, stream, spelt("contract.response"));
        chain.extend(answers.ok()?);
        let handover = said_by_nobody_else(handover, &chain);
        let base = api.base_path().trim_end_matches('/');
        Some(Arc::new(Operation {
            api: self.api_name(api_name),
            name: draft.name.as_str().into(),
            metrics: self.counters(api_name, draft, template),
            template: template.as_str().into(),
            method: draft.method.into(),
            authentication: who.expression,
            needs: chain.iter().map(|policy| policy.needs()).max().unwrap_or(Needs::Head),
            decodes: chain
                .iter()
                .any(|policy| policy.form() == Form::Decoded)
                .then(|| settings.forward.unwrap_or_default()),
            chain: chain.into(),
            backend,
            handover,
            strip: if api.strip_base_path.unwrap_or(false) { base.len() } else { 0 },
            bounds,
            contract,
            terms: stream
                .map(|_| Box::new(stream_terms(api_name, api, draft, template, settings, &who.asked))),
            stream,
            matrix,
            base_path: base.into(),
            resource_metadata: who.verifiers.iter().any(asks_for_tokens).then(|| metadata_path(api).into()),
            auth_place: self.shared(who.place.unwrap_or_else(|| spell(effective.place("auth"), "auth"))),
            place,
        }))
    }

    /// What applies to an operation; `None` where something of it is wrong, and noted.
    fn effective(&mut self, api: &str, draft: &Draft<'_>) -> Option<Effective> {
        let found = match self.loaded.effective(api, &draft.layers) {
            Ok(effective) => return Some(effective),
            Err(found) => found,
        };
        // What stands at an API is found again with each of its operations.
        let new = found.into_iter().filter(|finding| !self.findings.contains(finding));
        let new: Vec<Finding> = new.collect();
        self.findings.extend(new);
        None
    }

    /// The counters of an operation.
    fn counters(&self, api: &str, draft: &Draft<'_>, template: &Template) -> OperationMetrics {
        let metrics = self.observe.operation(api, &draft.name, template.as_str());
        let is_deprecated =
            matches!(draft.origin, Origin::Definition(_, operation, _) if operation.is_deprecated);
        metrics.deprecate(is_deprecated);
        metrics
    }

    /// Where requests of an operation go, and what becomes of the caller's credential. What is answered here goes nowhere,
    /// and nobody is told of the caller.
    fn destination(
        &mut self,
        (at, api): (&Pointer, &Api),
        draft: &Draft<'_>,
        mocked: Option<Arc<dyn Policy>>,
        authentication: &Expression,
        chain: &mut Vec<Arc<dyn Policy>>,
    ) -> Option<(usize, Option<Arc<Handover>>)> {
        if let Some(mocked) = mocked {
            chain.push(mocked);
            return Some((Operation::NO_BACKEND, None));
        }
        let Some(name) = &api.backend else {
            let what = "is not answered by `mock`, and its API names no backend; hint: add `backend: NAME` to the API, or `mock: true` here";
            self.wrong_operation(at, draft.origin, what.to_owned());
            return None;
        };
        let Some(backend) = self.config.backends.get_index_of(name) else {
            self.wrong_at(&at.key("backend"), "no backend of this name");
            return None;
        };
        Some((backend, self.hand_over(&at.key("auth"), authentication, backend, chain)))
    }

    /// The name of an API, one text for all its operations.
    fn api_name(&mut self, name: &str) -> Arc<str> {
        match &self.last.api {
            Some(last) if **last == *name => Arc::clone(last),
            _ => Arc::clone(self.last.api.insert(name.into())),
        }
    }

    /// The place of an `auth`, one text for all neighbours that have the same.
    fn shared(&mut self, place: Arc<str>) -> Arc<str> {
        match &self.last.auth_place {
            Some(last) if **last == *place => Arc::clone(last),
            _ => Arc::clone(self.last.auth_place.insert(place)),
        }
    }

    /// What `auth` of an operation asks for, on listeners that let it be asked for.
    fn who_may_call(
        &mut self,
        (api_name, api): (&str, &Api),
        draft: &Draft<'_>,
        settings: &Settings,
        callers: &Arc<Directory>,
        silent: &mut Silent,
    ) -> Option<WhoMayCall> {
        let at = Pointer::new().key("apis").key(api_name);
        let Some(auth) = &settings.auth else {
            silent.names.push(draft.name.clone());
            return None;
        };
        let who = match (auth, draft.origin) {
            (Auth::Definition, Origin::Definition(own, operation, _)) => {
                silent.asked_by_definition = true;
                let secured = Secured { api: (api_name, api), own, operation };
                match self.who_by_definition(secured, callers) {
                    Ok(who) => who,
                    Err(Unsecured::Silent) => {
                        silent.unsecured.push(draft.name.clone());
                        return None;
                    }
                    Err(Unsecured::Wrong) => return None,
                }
            }
            (Auth::Definition, Origin::Entry(_)) => {
                let what =
                    "is in no definition that could say who may call; hint: write `auth` at this operation";
                self.wrong_operation(&at, draft.origin, what.to_owned());
                return None;
            }
            _ => WhoMayCall {
                expression: self.shared_expression(&at.key("auth"), auth, callers)?,
                verifiers: vec![auth.clone()],
                place: None,
                asked: String::new(),
            },
        };
        self.asks_for_certificates(&at, api, &who.verifiers);
        who.verifiers.iter().for_each(|auth| self.note_logins(auth));
        let asks = settings.require.as_ref().is_some_and(|require| !require.is_empty());
        if asks && matches!(*who.expression, Expression::Anonymous(_)) {
            let what = "asks for something of callers but lets anonymous ones in";
            self.wrong_operation(&at, draft.origin, what.to_owned());
            return None;
        }
        Some(who)
    }

    /// What the document's `security` asks for.
    fn who_by_definition(
        &mut self,
        secured: Secured<'_>,
        callers: &Arc<Directory>,
    ) -> Result<WhoMayCall, Unsecured> {
        let expression = self.secured_expression(secured, callers)?;
        let verifiers = secured.verifiers(self.config);
        let place = secured.span().map(|span| format!("{} security", self.loaded.place_of(span)).into());
        let asked = secured.terms(&verifiers);
        Ok(WhoMayCall { expression, verifiers, place, asked })
    }

    /// The condition that `require.when` asks for, if it does; `None` where it is none.
    fn condition(
        &mut self,
        at: &Pointer,
        effective: &Effective,
        draft: &Draft<'_>,
        template: &Template,
    ) -> Option<Option<Arc<dyn Policy>>> {
        let settings = &effective.settings;
        let Some(text) = settings.require.as_ref().and_then(|require| require.when.as_ref()) else {
            return Some(None);
        };
        let asks_apps = settings.attestation.as_deref().is_some_and(|name| name != "none");
        let condition = Condition::parse(text, template.as_str()).and_then(|condition| {
            match condition.reads_posture() && !asks_apps {
                true => {
                    Err("speaks of `posture`, and no attestation is asked for; hint: add `attestation: NAME`"
                        .to_owned())
                }
                false => Ok(condition),
            }
        });
        match condition {
            Ok(condition) => {
                let place = spell(effective.place("require.when"), "require.when");
                Some(Some(Arc::new(When::new(condition, place))))
            }
            Err(why) => {
                let (what, hint) = parted(&why);
                let message = format!("`require.when` of {}: {what}", draft.name);
                let finding = effective.finding("require.when", message.as_str());
                let finding = finding.unwrap_or_else(|| self.loaded.finding(at, message));
                self.findings.push(finding.with_hint_if(hint));
                None
            }
        }
    }

    /// What an operation may become: as the settings say, else as a trusted definition declares its messages.
    fn stream(
        &mut self,
        api_name: &str,
        api: &Api,
        settings: &Settings,
        origin: Origin<'_>,
    ) -> Option<Stream> {
        let said = settings.stream.map(|stream| match stream {
            StreamConfig::Sse => Stream::Events,
            StreamConfig::Websocket => Stream::WebSocket,
            StreamConfig::Grpc => Stream::Grpc,
        });
        let Origin::Definition(definition, operation, _) = origin else { return said };
        let (declared, word) = match operation.stream {
            Some(definition::Stream::Events) => (Stream::Events, "sse"),
            Some(definition::Stream::Grpc) => (Stream::Grpc, "grpc"),
            Some(definition::Stream::Sequence) | None => return said,
        };
        if said.is_some() || api.trust_definition.unwrap_or(false) {
            return said.or(Some(declared));
        }
        let span = definition.span(operation.span);
        let message = "is declared to answer with a stream, and ends as any answer: after the backend's `timeout.idle` \
                       without a byte, and after `timeout.total`";
        let hint = format!(
            "write `operations: {{ {}: {{ stream: {word} }} }}` at apis.{api_name}, or `trust_definition: true`",
            serde_json::Value::from(
                operation.id.as_deref().map_or_else(|| spelled(operation), str::to_owned)
            ),
        );
        let finding = self.loaded.finding_at(span, &operation.pointer, message).with_hint(hint);
        self.warnings.push(finding);
        None
    }

    /// Notes something wrong with an operation; a message may end in `; hint: …`.
    pub(super) fn wrong_operation(&mut self, at: &Pointer, origin: Origin<'_>, message: String) {
        match origin {
            Origin::Entry(key) => self.wrong_at(&at.key("operations").key(key).key("match"), message),
            Origin::Definition(definition, operation, _) => {
                let span = definition.span(operation.span);
                let (what, hint) = parted(&message);
                let finding = self.loaded.finding_at(span, &operation.pointer, what);
                self.findings.push(finding.with_hint_if(hint));
            }
        }
    }

    /// Where an operation stands, with the path of what stands there.
    fn origin_place(&self, at: &Pointer, origin: Origin<'_>) -> String {
        match origin {
            Origin::Entry(key) => self.place(&at.key("operations").key(key).to_string()).to_string(),
            Origin::Definition(definition, operation, _) => {
                let place = self.loaded.place_of(definition.span(operation.span));
                format!("{place} {}", operation.pointer)
            }
        }
    }

    /// Operations of which the document that is to say who may call says nothing.
    fn report_unsecured(&mut self, name: &str, at: &Pointer, names: &[String]) {
        let Some(first) = names.first() else { return };
        let message =
            format!("`auth: definition`, and the definition does not say who may call {}", list(names));
        let finding = self.loaded.finding(&at.key("auth"), message);
        let one = serde_json::Value::from(first.as_str());
        self.findings.push(finding.with_hint(format!(
            "write `security` in the definition (`security: []` lets anybody in); or below `{name}:` paste `operations: {{ {one}: {{ auth: \
             {{ any_of: [{{ api_key: {{}} }}] }} }} }}` to ask for a consumer's key, or `{{ auth: none }}` to let anybody in"
        )));
    }

    fn report_silent(&mut self, name: &str, at: &Pointer, names: &[String]) {
        if names.is_empty() {
            return;
        }
        let finding = self.loaded.finding(at, format!("nothing says who may call {}", list(names)));
        self.findings.push(finding.with_hint(format!(
            "below `{name}:` paste `auth: {{ any_of: [{{ api_key: {{}} }}] }}` to ask for a consumer's key, or `auth: none` to let \
             anybody in; or for some of them `operations: {{ {}: {{ auth: none }} }}`",
            serde_json::Value::from(names.first().map_or("", String::as_str)),
        )));
    }
}

/// Where the document about an API's tokens is.
fn metadata_path(api: &Api) -> String {
    format!("{}{}", resource_metadata::WELL_KNOWN, api.base_path().trim_end_matches('/'))
}

fn asks_for_tokens(auth: &Auth) -> bool {
    auth.each().iter().any(|one| matches!(one, Auth::Jwt(_) | Auth::Token(_)))
}

/// Names in one line, the first of many.
fn list(names: &[String]) -> String {
    const SHOWN_MAX: usize = 20;
    let mut list = names.iter().take(SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    if let Some(more) = names.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
        list.push_str(&format!(" and {more} more"));
    }
    list
}

/// A hash of all that an operation is published by. What its backend is made of is not among it: a stream goes on
/// where it went.
fn stream_terms(
    api_name: &str,
    api: &Api,
    draft: &Draft<'_>,
    template: &Template,
    settings: &Settings,
    asked: &str,
) -> StreamTerms {
    let Api { listen, hosts, backend, strip_base_path, .. } = api;
    // Where the definition says who may call, `settings` do not.
    let published = (api_name, &draft.name, draft.method, template.as_str(), listen, hosts, backend);
    digest(format!("{published:?} {strip_base_path:?} {settings:?} {asked}").as_bytes())
}

/// What the backend is told by nobody but us: what its `credentials` say, and what policies do.
fn said_by_nobody_else(handover: Option<Arc<Handover>>, chain: &[Arc<dyn Policy>]) -> Option<Arc<Handover>> {
    let own: Vec<Box<str>> = chain.iter().flat_map(|policy| policy.own_fields()).cloned().collect();
    if own.is_empty() {
        return handover;
    }
    let passes_credential = handover.as_ref().is_some_and(|handover| handover.passes_credential);
    let before = handover.iter().flat_map(|handover| handover.own.iter().cloned());
    Some(Arc::new(Handover { passes_credential, own: before.chain(own).collect() }))
}

/// The policies of an operation, in the order of `POLICIES`.
fn chain(
    settings: &Settings,
    verifiers: &[Auth],
    origin: Origin<'_>,
    place: &Arc<str>,
    fields_place: &Arc<str>,
) -> Vec<Arc<dyn Policy>> {
    let mut chain: Vec<Arc<dyn Policy>> = Vec::new();
    for auth in verifiers.iter().flat_map(Auth::each) {
        if let Auth::Signature(signature) = auth {
            chain.push(Arc::new(SignedContent::new(Arc::new(signature.rules()))));
        }
    }
    if let Some(require) = settings.require.as_ref().filter(|require| !require.is_empty()) {
        chain.push(Arc::new(Require::new(require.clone(), Arc::clone(place))));
    }
    let declared = match origin {
        Origin::Entry(_) => None,
        Origin::Definition(definition, operation, _) => {
            Some(declared::fields(definition.definition(), operation))
        }
    };
    let passing = match (&settings.fields, declared) {
        (Some(ForwardedFields::Any), _) | (None, None) => None,
        (Some(ForwardedFields::Declared), declared) => Some(declared.unwrap_or_default()),
        (None, Some(declared)) => Some(declared),
        (Some(ForwardedFields::Named(names)), declared) => {
            Some(declared.into_iter().flatten().chain(names.iter().cloned()).collect())
        }
    };
    if let Some(names) = passing {
        chain.push(Arc::new(Fields::new(names, Arc::clone(fields_place))));
    }
    chain
}
