//! What each schema of a composition declares, beside the document: by that the engine closes values of which it depends on
//! the value which schemas hold.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::SchemaId;
use super::{Context, Edge, Emitter, View, Written};
use crate::engine::{Condition, Description, Descriptions, Key};

/// Definitions that only refer to others are followed as far as that.
const CHAIN_MAX: usize = 64;

/// Where it is written what a schema declares.
#[derive(Clone, Copy, Debug)]
pub(super) enum Link {
    /// Here.
    Own(usize),
    /// Where one of the `$defs` is.
    Definition(usize),
}

/// What a schema that was written declares.
#[derive(Debug, Default)]
pub(super) struct Declared<'a> {
    /// Whose properties.
    pub(super) schema: Option<SchemaId>,
    /// Whether what is written says what becomes of further members.
    pub(super) is_stated: bool,
    /// Members that other schemas describe as well.
    pub(super) shared: Vec<(&'a str, Link)>,
    /// Items that other schemas describe as well.
    pub(super) items: Option<Link>,
    pub(super) all: Vec<Link>,
    /// Branches: each is one of the `$defs`.
    pub(super) choices: Vec<usize>,
    /// What a member's text chooses.
    pub(super) named: Option<(&'a str, Vec<(&'a str, Link)>)>,
    /// `if`, one of the `$defs`, with `then` and `else`.
    pub(super) condition: Option<(usize, Option<Link>, Option<Link>)>,
    pub(super) dependent: Vec<(&'a str, Link)>,
}

impl<'a> Emitter<'a> {
    /// Notes what a schema declares that was written.
    pub(super) fn declare(&mut self, declared: Declared<'a>) -> usize {
        self.declared.push(declared);
        self.declared.len().saturating_sub(1)
    }

    /// Makes something that was written one of the `$defs`, so that it can be asked about.
    pub(super) fn hoist(
        &mut self,
        id: SchemaId,
        value: Value,
        link: Option<Link>,
        context: Context,
    ) -> usize {
        let to = self.definitions.len();
        self.definitions.push(Written { value, link, ..Written::of(View::alone(id, context.lens)) });
        if let Some(written) = self.definitions.get_mut(context.definition) {
            written.edges.push(Edge { to, is_in_place: context.is_in_place });
        }
        to
    }

    /// What the keywords for closing ask, for the engine; the branches among it become schemas to judge by.
    pub(super) fn describe(&mut self) -> Descriptions {
        let mut descriptions: Descriptions = Vec::new();
        let mut waiting = std::mem::take(&mut self.closed);
        while let Some(own) = waiting.pop() {
            if own >= descriptions.len() {
                descriptions.resize_with(own.saturating_add(1), || None);
            }
            if descriptions.get(own).is_some_and(Option::is_some) {
                continue;
            }
            let Some(declared) = self.declared.get(own) else { continue };
            let description = self.description(declared, &mut waiting);
            self.roots.extend(description.keys().filter_map(|key| usize::try_from(key.0).ok()));
            if let Some(place) = descriptions.get_mut(own) {
                *place = Some(description);
            }
        }
        descriptions
    }

    fn description(&self, declared: &Declared<'a>, waiting: &mut Vec<usize>) -> Description {
        let mut number = |link: Link| {
            let own = self.own(link)?;
            waiting.push(own);
            u32::try_from(own).ok()
        };
        let object = declared.schema.map(|id| self.schemas.get(id).object());
        let mut names: BTreeMap<Box<str>, Option<u32>> = BTreeMap::new();
        for property in object.iter().flat_map(|object| &object.properties) {
            names.insert(property.name.clone(), None);
        }
        for (name, link) in &declared.shared {
            names.insert((*name).into(), number(*link));
        }
        let patterns = object.iter().flat_map(|object| &object.pattern_properties);
        let named = declared.named.as_ref().map(|(property, named)| {
            names.entry((*property).into()).or_default();
            let named = named.iter().filter_map(|(name, link)| Some(((*name).into(), number(*link)?)));
            ((*property).into(), named.collect())
        });
        let key = |definition: usize| Key(u32::try_from(definition).unwrap_or(u32::MAX));
        let choices = declared
            .choices
            .iter()
            .filter_map(|definition| Some((key(*definition), number(Link::Definition(*definition))?)));
        let choices = choices.collect();
        let condition = declared.condition.map(|(definition, then, otherwise)| {
            let asked = number(Link::Definition(definition));
            let holds = asked.into_iter().chain(then.and_then(&mut number)).collect();
            Box::new(Condition { key: key(definition), holds, fails: otherwise.and_then(&mut number) })
        });
        Description {
            names: names.into_iter().collect(),
            patterns: patterns.filter_map(|property| self.patterns.matching(&property.name)).collect(),
            items: declared.items.and_then(&mut number),
            is_stated: declared.is_stated,
            all: declared.all.iter().filter_map(|link| number(*link)).collect(),
            choices,
            named,
            condition,
            dependent: declared
                .dependent
                .iter()
                .filter_map(|(name, link)| Some(((*name).into(), number(*link)?)))
                .collect(),
        }
    }

    fn own(&self, link: Link) -> Option<usize> {
        let mut link = link;
        for _ in 0..CHAIN_MAX {
            match link {
                Link::Own(own) => return Some(own),
                Link::Definition(definition) => link = self.definitions.get(definition)?.link?,
            }
        }
        None
    }
}
