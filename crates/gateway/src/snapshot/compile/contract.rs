//! Contracts of APIs: compiled once for each definition, and how each operation keeps to its own.
//!
//! An operation of a definition is judged by it unless its settings say otherwise. Compiling a large definition takes as long
//! as reading it: one that is what it was goes on with what was made of it.

use std::sync::Arc;

use portcullis_openapi::matcher::{Matcher, MatcherBuilder, Methods};
use portcullis_openapi::source::Pointer;
use portcullis_openapi::template::Template;

use super::operations::{Draft, Origin};
use super::{Compiler, spell};
use crate::config::{Auth, Effective, Mode};
use crate::pipeline::operation::Keeping;
use crate::pipeline::{Needs, Operation, Policy};
use crate::policies::contract::Keeper;
use crate::resources::Resources;
use crate::snapshot::coverage::{ApiReport, Kept};

/// How an operation keeps to its contract, and what judges it by that.
type Keeps = (Option<Keeping>, Option<Arc<dyn Policy>>);

impl Compiler<'_> {
    /// The contract of each API that has a definition.
    pub(super) fn contracts(&mut self, resources: &mut Resources) {
        for name in self.config.apis.keys() {
            let Some(definition) = self.loaded.definition(name) else { continue };
            match resources.contract(definition, self.observe) {
                Ok(contract) => {
                    self.contracts.insert(name.as_str().into(), contract);
                }
                Err(found) => self.findings.extend(found),
            }
        }
    }

    /// How an operation keeps to its contract, and what judges it by that; an error was noted.
    pub(super) fn contract_of(
        &mut self,
        (api, at): (&str, &Pointer),
        draft: &Draft<'_>,
        effective: &Effective,
        verifiers: &[Auth],
        template: &Template,
    ) -> Result<Keeps, ()> {
        let Origin::Definition(definition, operation) = draft.origin else { return Ok((None, None)) };
        // What did not compile was told.
        let contract = self.contracts.get(api).cloned().ok_or(())?;
        let index = draft.index.ok_or(())?;
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
        let place = match effective.place("contract.mode") {
            Some(place) => spell(Some(place), "contract.mode"),
            None => {
                let place = self.loaded.place_of(definition.span(operation.span));
                format!("{place} {}", operation.pointer).into()
            }
        };
        let keeper = Keeper {
            contract,
            operation: index,
            path: captures(template),
            others: hidden(verifiers),
            keeping,
            place,
        };
        if let Some(stream) = effective.settings.stream.filter(|_| keeper.needs() == Needs::Whole)
            && !matches!(stream, crate::config::Stream::Sse)
        {
            let what = "has a body that must be judged whole, and may become a stream; hint: take `stream` out, or write \
                        `contract: { mode: off }` at this operation";
            self.wrong_operation(at, draft.origin, what.to_owned());
            return Err(());
        }
        Ok((Some(keeping), Some(Arc::new(keeper))))
    }

    /// What of an API's definition is enforced.
    pub(super) fn report_coverage(&mut self, name: &str, own: &[(usize, Arc<Operation>)]) {
        let Some(contract) = self.contracts.get(name).cloned() else { return };
        let Some(definition) = self.loaded.definition(name) else { return };
        let kept = own.iter().filter_map(|(index, operation)| {
            Some(Kept {
                index: *index,
                keeping: operation.contract?,
                method: operation.method.to_string(),
                path: operation.template.to_string(),
                name: operation.name.to_string(),
            })
        });
        let kept: Vec<Kept> = kept.collect();
        self.coverage.push(ApiReport::of(name, &contract, &kept, definition, self.loaded));
    }
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
