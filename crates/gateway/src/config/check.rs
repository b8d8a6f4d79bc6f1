//! What must hold between the parts of a configuration, as far as it can be judged without any other module.
//!
//! The types already refuse what cannot be read; here stand references, contradictions and settings that would
//! silently do nothing. Every finding names its place.

use std::collections::HashSet;
use std::hash::Hash;

use indexmap::IndexMap;
use portcullis_openapi::source::{Files, Finding, Node, Pointer, nearest};

use super::load::span_of;
use super::{Config, Settings};

mod acme;
mod admin;
mod apis;
mod attestation;
pub(crate) mod authentication;
mod authorizers;
mod backends;
mod callers;
mod credentials;
mod gateway;
mod issuers;
mod listeners;
mod login;
pub(crate) mod names;
mod signing;

/// Mistakes after which it is no longer guessed what a name was meant to be.
const GUESSES_MAX: usize = 20;

/// Judges a configuration.
pub(super) fn all(files: &Files, tree: &Node, config: &Config, findings: &mut Vec<Finding>) {
    let mut judge = Judge { files, tree, config, findings };
    gateway::judge(&mut judge);
    admin::judge(&mut judge);
    listeners::judge(&mut judge);
    issuers::judge(&mut judge);
    attestation::judge(&mut judge);
    authorizers::judge(&mut judge);
    callers::judge(&mut judge);
    backends::judge(&mut judge);
    signing::judge(&mut judge);
    apis::judge(&mut judge);
}

/// What is allowed and should be known.
pub(super) fn remarks(files: &Files, tree: &Node, config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut judge = Judge { files, tree, config, findings: &mut findings };
    listeners::remarks(&mut judge);
    signing::remarks(&mut judge);
    authorizers::remarks(&mut judge);
    findings
}

/// Judges settings that stand at `base` of a definition.
pub(super) fn definition_settings(
    files: &Files,
    node: &Node,
    base: &Pointer,
    config: &Config,
    settings: &Settings,
    findings: &mut Vec<Finding>,
) {
    let mut own = Vec::new();
    apis::settings(&mut Judge { files, tree: node, config, findings: &mut own }, &root(), settings);
    findings.extend(own.into_iter().map(|mut finding| {
        finding.path = base.join(&finding.path.parse().unwrap_or_default()).to_string();
        finding
    }));
}

struct Judge<'a> {
    files: &'a Files,
    tree: &'a Node,
    config: &'a Config,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Judge<'a> {
    /// What is wrong with the value under a path; with the nearest mapping above it where nothing is written.
    fn value(&mut self, path: &Pointer, message: impl Into<String>, hint: impl Into<String>) {
        let (mut message, mut hint) = (message.into(), hint.into());
        let node = self.tree.find(path);
        if node.is_some_and(Node::is_from_outside)
            && let Some(shown) = without_quotes(&message)
        {
            // What quotes the value has a hint that was derived from it.
            (message, hint) = (shown, String::new());
        }
        let span = match node {
            // What is a mapping or a list is better shown by its key.
            Some(node) if node.as_mapping().is_none() && node.as_sequence().is_none() => Some(node.span),
            _ => span_of(self.tree, path),
        };
        let span = span.or_else(|| {
            let mut above = path.clone();
            above.pop();
            span_of(self.tree, &above)
        });
        self.push(span.unwrap_or(self.tree.span), path, message, hint);
    }

    /// What is wrong with a key itself.
    fn key(&mut self, path: &Pointer, message: impl Into<String>, hint: impl Into<String>) {
        let span = span_of(self.tree, path).unwrap_or(self.tree.span);
        self.push(span, path, message.into(), hint.into());
    }

    fn push(
        &mut self,
        span: portcullis_openapi::source::Span,
        path: &Pointer,
        message: String,
        hint: String,
    ) {
        let finding = self.files.finding(span, path, message);
        self.findings.push(if hint.is_empty() { finding } else { finding.with_hint(hint) });
    }

    /// Judges a name that refers to something declared elsewhere.
    fn reference<V>(&mut self, path: &Pointer, kind: &str, name: &str, declared: &IndexMap<String, V>) {
        const SHOWN_MAX: usize = 10;
        if declared.contains_key(name) {
            return;
        }
        let names: Vec<&str> = declared.keys().map(String::as_str).collect();
        // Who has so many mistakes to mend is not helped by one more guess, and each looks at every name.
        let meant =
            if self.findings.len() < GUESSES_MAX { nearest(name, names.iter().copied()) } else { None };
        let hint = match (meant, names.as_slice()) {
            (Some(meant), _) => format!("did you mean `{meant}`?"),
            (None, []) => format!("no {kind} is declared"),
            (None, names) => {
                let shown: Vec<String> =
                    names.iter().take(SHOWN_MAX).map(|name| format!("`{name}`")).collect();
                format!("declared are {}", shown.join(", "))
            }
        };
        self.value(path, format!("there is no {kind} {name:?}"), hint);
    }

    /// The place of another statement, for a message.
    fn elsewhere(&self, path: &Pointer) -> String {
        let span = span_of(self.tree, path).unwrap_or(self.tree.span);
        format!("{}:{}", self.files.name(span.file), span.line)
    }
}

/// Judges a list in which nothing may stand twice.
fn once_each(judge: &mut Judge<'_>, path: &Pointer, items: &[String]) {
    for index in repeated(items) {
        judge.value(&path.index(index), "stands here twice", "");
    }
}

/// Judges keys of which only one can be meant: the second that is written is one too many. Says how many are.
fn only_one(judge: &mut Judge<'_>, path: &Pointer, ways: &[(&str, bool)], hint: &str) -> usize {
    let written: Vec<&str> =
        ways.iter().filter(|(_, is_written)| *is_written).map(|(name, _)| *name).collect();
    if let [first, second, ..] = &*written {
        let message = format!("stands beside `{first}`: only one of them can be meant");
        judge.key(&path.key(second), message, hint);
    }
    written.len()
}

/// Where the items of a list stand that stood in it before.
fn repeated<T: Eq + Hash>(items: impl IntoIterator<Item = T>) -> Vec<usize> {
    let mut seen = HashSet::new();
    items.into_iter().enumerate().filter_map(|(index, item)| (!seen.insert(item)).then_some(index)).collect()
}

/// A message without what it quotes, if it quotes anything: for values from outside, which must not be shown.
fn without_quotes(message: &str) -> Option<String> {
    let (before, quoted) = message.split_once(['"', '`'])?;
    let after = quoted.rsplit_once(['"', '`']).map_or("", |(_, after)| after);
    Some(format!("{before}…{after}"))
}

/// The root's path.
fn root() -> Pointer {
    Pointer::new()
}
