//! Contracts of APIs: compiled once for each definition, and how each operation keeps to its own.
//!
//! An operation of a definition is judged by it unless its settings say otherwise. Compiling a large definition takes as long
//! as reading it: one that is what it was goes on with what was made of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_openapi::contract::{self, OperationOptions};
use portcullis_openapi::definition;
use portcullis_openapi::matcher::{Matcher, MatcherBuilder, Methods};
use portcullis_openapi::source::{Node, Pointer};
use portcullis_openapi::template::Template;
use portcullis_openapi::value::Limits;

use super::Compiler;
use super::operations::{Draft, Origin};
use super::selection::Selection;
use crate::config::{self, ApiDefinition, Auth, Effective, Mode, ResponseMode};
use crate::pipeline::operation::{Keeping, Stream};
use crate::pipeline::{Needs, Operation, Policy};
use crate::policies::contract::Keeper;
use crate::policies::contract_response::{AnswerKeeper, AnswerRules};
use crate::resources::Resources;
use crate::route::matrix::MatrixPlaces;
use crate::snapshot::coverage::ApiReport;

/// How an operation keeps to its contract, and what judges it by that.
type Keeps = (Option<Keeping>, Option<Arc<dyn Policy>>);

impl Compiler<'_> {
    /// The contract of each API that has a definition.
    pub(super) fn contracts(&mut self, resources: &mut Resources) {
        for name in self.config.apis.keys() {
            let Some(definition) = self.loaded.definition(name) else { continue };
            let chooses_branches = self.strips(name, definition);
            let operations = self.contract_bounds(name, definition);
            let options = contract::Options { chooses_branches, operations, ..contract::Options::default() };
            match resources.contract(definition, options, self.observe) {
                Ok(contract) => {
                    self.contracts.insert(name.as_str().into(), contract);
                }
                Err(found) => self.findings.extend(found),
            }
        }
    }

    /// How an operation keeps to its contract, and what judges it by that; `place` is where that is said. An error was noted.
    pub(super) fn contract_of(
        &mut self,
        (api, at): (&str, &Pointer),
        draft: &Draft<'_>,
        effective: &Effective,
        verifiers: &[Auth],
        template: &Template,
        place: Arc<str>,
    ) -> Result<Keeps, ()> {
        let Origin::Definition(.., index) = draft.origin else { return Ok((None, None)) };
        // What did not compile was told.
        let contract = self.contracts.get(api).cloned().ok_or(())?;
        let rules = contract.operation(index).ok_or(())?;
        let settings = effective.settings.contract.clone().unwrap_or_default();
        let keeping = Keeping {
            mode: settings.mode.unwrap_or(Mode::Enforce),
            errors: settings.errors.unwrap_or_default(),
            is_uncovered: rules.has_request_gap(),
            on_uncovered: settings.on_uncovered.unwrap_or_default(),
            body: settings.body.unwrap_or_default(),
        };
        if keeping.mode == Mode::Off {
            return Ok((Some(keeping), None));
        }
        let keeper = Keeper {
            contract,
            operation: index,
            path: captures(template),
            others: hidden(verifiers),
            keeping,
            may_stream: effective
                .settings
                .stream
                .is_some_and(|stream| !matches!(stream, config::Stream::Sse)),
            place,
        };
        if keeper.may_stream && keeper.needs() == Needs::Whole {
            let what = "has a body that must be judged whole, and may become a stream; hint: take `stream` out, or write \
                        `contract: { mode: off }` at this operation";
            self.wrong_operation(at, draft.origin, what.to_owned());
            return Err(());
        }
        Ok((Some(keeping), Some(Arc::new(keeper))))
    }

    /// Where in its path `;` may begin a parameter: where the definition declares one of style `matrix`, and only while the
    /// contract refuses what is none.
    pub(super) fn matrix_places(
        &self,
        api: &str,
        draft: &Draft<'_>,
        keeping: Option<Keeping>,
        template: &Template,
    ) -> Option<MatrixPlaces> {
        let Origin::Definition(.., index) = draft.origin else { return None };
        keeping.filter(|keeping| keeping.mode == Mode::Enforce)?;
        let rules = self.contracts.get(api)?.operation(index)?;
        MatrixPlaces::new(template, rules.matrix_parameters())
    }

    /// The bounds of values by which operations of an API differ from what holds otherwise.
    fn contract_bounds(&self, name: &str, definition: &ApiDefinition) -> BTreeMap<usize, OperationOptions> {
        let mut operations = BTreeMap::new();
        // PERF: merging the settings of ten thousand operations takes longer than finding that none says anything.
        let Some(api) = self.config.apis.get(name).filter(|api| self.says_bounds(api, definition)) else {
            return operations;
        };
        let document = definition.definition();
        let selection = Selection::of(api, document);
        for (index, operation) in document.operations.iter().enumerate() {
            // What is wrong with them is told where they are published.
            let effective = self.loaded.effective(name, &selection.layers(document, index, operation)).ok();
            let contract = effective.and_then(|effective| effective.settings.contract);
            if let Some(bounds) = contract.and_then(|contract| contract.bounds) {
                let limits = (bounds.over(&Limits::REQUEST), bounds.over(&Limits::RESPONSE));
                operations
                    .insert(index, OperationOptions { limits: Some(limits), ..OperationOptions::default() });
            }
        }
        operations
    }

    /// Whether anything that applies to operations of an API speaks of bounds of values.
    fn says_bounds(&self, api: &config::Api, definition: &ApiDefinition) -> bool {
        let is_said = |contract: Option<&config::Contract>| contract.is_some_and(|own| own.bounds.is_some());
        is_said(self.config.defaults.contract.as_ref())
            || is_said(api.contract.as_ref())
            || api.operations.values().any(|operation| is_said(operation.contract.as_ref()))
            || says(definition.definition(), &|contract| contract.get("bounds").is_some())
    }

    /// Whether answers of any operation of an API are stripped, as far as can be told before settings are merged.
    fn strips(&self, name: &str, definition: &ApiDefinition) -> bool {
        let is_strip = |contract: Option<&config::Contract>| {
            contract.is_some_and(|contract| contract.response == Some(ResponseMode::Strip))
        };
        let api = self.config.apis.get(name);
        let mut own = api.into_iter().flat_map(|api| api.operations.values());
        is_strip(self.config.defaults.contract.as_ref())
            || is_strip(api.and_then(|api| api.contract.as_ref()))
            || own.any(|operation| is_strip(operation.contract.as_ref()))
            || says(definition.definition(), &|contract| {
                contract.get("response").and_then(Node::as_str) == Some("strip")
            })
    }

    /// What becomes of an operation's answers; `place` is where that is said. An error was noted.
    pub(super) fn answers_of(
        &mut self,
        (api, at): (&str, &Pointer),
        draft: &Draft<'_>,
        effective: &Effective,
        stream: Option<Stream>,
        place: Arc<str>,
    ) -> Result<Option<Arc<dyn Policy>>, ()> {
        let Origin::Definition(.., index) = draft.origin else { return Ok(None) };
        let contract = self.contracts.get(api).cloned().ok_or(())?;
        let settings = effective.settings.contract.clone().unwrap_or_default();
        let silent = if settings.mode == Some(Mode::Off) { ResponseMode::Off } else { ResponseMode::Log };
        let mode = settings.response.unwrap_or(silent);
        let changes = matches!(mode, ResponseMode::Strip | ResponseMode::Block);
        let masked: Arc<[Box<str>]> =
            settings.mask.unwrap_or_default().into_iter().map(String::into_boxed_str).collect();
        if !changes && !masked.is_empty() {
            let what = "masks nothing, because answers go as they are";
            let hint = "write `response: strip` or `block` beside it, or `mask: []`";
            self.wrong_setting("contract.mask", (at, draft), effective, what, hint);
            return Err(());
        }
        if changes && stream.is_some() {
            let what = "answers of a stream cannot be judged whole";
            let hint = "write `contract: { response: log }` at this operation, or take `stream` out";
            self.wrong_setting("contract.response", (at, draft), effective, what, hint);
            return Err(());
        }
        if mode == ResponseMode::Off {
            return Ok(None);
        }
        let rules = AnswerRules { mode, masked, stack_traces: settings.stack_traces.unwrap_or_default() };
        let keeper = AnswerKeeper::new(contract, index, rules, place);
        Ok((!keeper.is_idle()).then(|| -> Arc<dyn Policy> { Arc::new(keeper) }))
    }

    /// Notes something wrong with a setting of an operation, where it was written.
    fn wrong_setting(
        &mut self,
        key: &str,
        (at, draft): (&Pointer, &Draft<'_>),
        effective: &Effective,
        what: &str,
        hint: &str,
    ) {
        match effective.finding(key, what) {
            Some(finding) => {
                let finding = finding.with_hint(hint);
                // What stands at an API is found again with each of its operations.
                if !self.findings.contains(&finding) {
                    self.findings.push(finding);
                }
            }
            None => self.wrong_operation(at, draft.origin, format!("{what}; hint: {hint}")),
        }
    }

    /// What of an API's definition is enforced.
    pub(super) fn report_coverage(&mut self, name: &str, own: &[(usize, Arc<Operation>)]) {
        let Some(contract) = self.contracts.get(name).cloned() else { return };
        let Some(definition) = self.loaded.definition(name) else { return };
        self.coverage.push(ApiReport::of(name, &contract, own, definition, self.loaded));
    }
}

/// Whether anything in a definition says that of its contract.
fn says(document: &definition::Definition, is_said: &dyn Fn(&Node) -> bool) -> bool {
    let says = |settings: &Arc<definition::Settings>| settings.node.get("contract").is_some_and(is_said);
    let mut of_operations = document.operations.iter().flat_map(|operation| {
        let responses = operation.response_settings.iter().map(|(_, settings)| settings);
        operation.settings.iter().chain(&operation.path_settings).chain(responses)
    });
    document.settings.iter().any(says)
        || document.tags.iter().filter_map(|tag| tag.settings.as_ref()).any(says)
        || of_operations.any(says)
}

/// Finds where the parameters of a template stand in a path that it matches; `None` where it has none.
fn captures(template: &Template) -> Option<Matcher<()>> {
    if template.parameters().is_empty() {
        return None;
    }
    let mut builder = MatcherBuilder::new();
    builder.insert(Methods::Any, template.clone(), ()).ok()?;
    builder.build().ok()
}

/// Names of query parameters in which callers prove themselves: no definition has to declare them.
fn hidden(verifiers: &[Auth]) -> Box<[Box<str>]> {
    let mut names: Vec<Box<str>> = Vec::new();
    for auth in verifiers.iter().flat_map(Auth::each) {
        if let Auth::ApiKey(key) = auth {
            names.extend(key.query.as_deref().map(Into::into));
        }
    }
    names.into_boxed_slice()
}
