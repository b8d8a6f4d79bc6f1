//! Definitions: whatever the texts, loading ends, says why it refuses, asks for no document outside of the folder,
//! and what it publishes can be found.
//!
//! The input is one document or several: a line `--- path` begins the next, and the first is the root. What has a path
//! that begins with `overlay` is laid on it, in the order of those paths.

use std::cell::RefCell;
use std::collections::BTreeMap;

use portcullis_openapi::contract::{Contract, Options};
use portcullis_openapi::definition::documents::Unreadable;
use portcullis_openapi::definition::{Bounds, Definition, Documents, Loads, Notice, Refused, Severity};
use portcullis_openapi::jsonpath::Budget;
use portcullis_openapi::matcher::{Match, MatcherBuilder, Methods};
use portcullis_openapi::overlay::{self, Text};
use portcullis_openapi::source::Reading;

/// Small, so that inputs pass each bound.
const BOUNDS: Bounds = Bounds {
    reading: Reading { file_bytes_max: 64 << 10, nodes_max: 20_000, depth_max: 64, merge_keys: true },
    files_max: 8,
    bytes_max: 128 << 10,
    chain_max: 8,
    operations_max: 200,
    parts_max: 20_000,
    notices_max: 200,
    overlay: overlay::Bounds { actions_max: 50, budget: Budget { steps: 200_000, found_max: 1_000 } },
};

/// Documents in memory that judge what they are asked for.
struct Watched {
    documents: BTreeMap<String, Vec<u8>>,
    asked: RefCell<Vec<String>>,
}

impl Documents for Watched {
    fn read(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, Unreadable> {
        for segment in path.split('/') {
            assert!(!matches!(segment, "" | "." | ".."), "`{path}` leads out of the folder");
            assert!(!segment.contains(['\\', '?', '\0']), "`{path}` is no plain path");
        }
        let mut asked = self.asked.borrow_mut();
        assert!(!asked.iter().any(|known| known == path), "`{path}` is read twice");
        asked.push(path.to_owned());
        assert!(asked.len() <= BOUNDS.files_max);
        self.documents.read(path, bytes_max)
    }
}

/// Panics when `data` breaks a promise.
pub(crate) fn check(data: &[u8]) {
    let documents = split(data);
    match (load(&documents), load(&documents)) {
        (Ok(definition), Ok(again)) => {
            assert_eq!(definition.notices, again.notices);
            assert_eq!(definition.operations.len(), again.operations.len());
            judge(&definition);
            judge_contract(&definition);
        }
        (Err(refused), Err(again)) => {
            assert_eq!(refused.notices, again.notices);
            judge_notices(&refused.notices);
            assert!(
                refused.notices.iter().any(|notice| notice.severity == Severity::Error),
                "refused without a reason"
            );
        }
        (one, _) => panic!("loads now and then: {one:?}"),
    }
}

fn load(documents: &BTreeMap<String, Vec<u8>>) -> Result<Definition, Refused> {
    let watched = Watched { documents: documents.clone(), asked: RefCell::default() };
    let overlays: Vec<Text<'_>> = documents
        .iter()
        .filter(|(path, _)| path.starts_with("overlay"))
        .map(|(path, bytes)| Text { name: path, bytes, must_match: false })
        .collect();
    Definition::load_with(&watched, "root", &BOUNDS, &Loads { overlays: &overlays, ..Loads::default() })
}

fn split(data: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut documents = BTreeMap::new();
    let mut path = "root".to_owned();
    let mut text = Vec::new();
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_prefix(b"--- ") {
            Some(next) => {
                let next = String::from_utf8_lossy(next).trim_end().to_owned();
                documents.insert(std::mem::replace(&mut path, next), std::mem::take(&mut text));
            }
            None => text.extend_from_slice(line),
        }
    }
    documents.insert(path, text);
    documents
}

fn judge(definition: &Definition) {
    judge_notices(&definition.notices);
    assert!(definition.refused == 0 || definition.has_errors(), "operations are refused without a reason");
    assert!(definition.operations.len() <= BOUNDS.operations_max);
    let mut builder = MatcherBuilder::new();
    for (index, operation) in definition.operations.iter().enumerate() {
        let methods = Methods::One(operation.method.clone());
        builder.insert(methods, operation.template.clone(), index).expect("operations do not clash");
        assert!(operation.span.line > 0 && operation.span.column > 0);
    }
    let Ok(matcher) = builder.build() else { return };
    for operation in &definition.operations {
        // A value of unreserved characters that no literal is likely to have.
        let path = operation.template.example("0~x");
        let found = matcher.find(&operation.method, &path);
        let Match::Found { parameters, .. } = found else {
            panic!("{} {path} is published and answers {found:?}", operation.method)
        };
        for (name, span) in parameters.iter() {
            assert!(span.of(&path).is_some_and(|value| !value.is_empty()), "`{name}` has no value in {path}");
        }
    }
}

/// Whatever is published compiles: what cannot be enforced is a gap and no end of the contract.
fn judge_contract(definition: &Definition) {
    let contract = match Contract::compile(definition, &Options::default()) {
        Ok(contract) => contract,
        Err(findings) => panic!("{findings:?}"),
    };
    for index in 0..definition.operations.len() {
        assert!(contract.operation(index).is_some(), "operation {index} has no contract");
    }
}

fn judge_notices(notices: &[Notice]) {
    // Errors, warnings, one more of each, what is wrong with the text of each file, and both of Overlays.
    assert!(notices.len() <= (4 + BOUNDS.files_max) * BOUNDS.notices_max + 2, "{} notices", notices.len());
    for notice in notices {
        assert!(!notice.finding.file.is_empty() && !notice.finding.message.is_empty(), "{notice}");
    }
}
