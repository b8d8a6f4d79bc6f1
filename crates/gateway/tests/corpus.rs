//! Replays the fuzz corpora: what fuzzing once found, and the cases it started from, hold in every test run.

use std::{fs, path::Path};

#[cfg(test)]
#[path = "../../../fuzz/checks/authorizer_answer.rs"]
mod authorizer_answer;

#[cfg(test)]
#[path = "../../../fuzz/checks/config.rs"]
mod config;

#[cfg(test)]
#[path = "../../../fuzz/checks/dns.rs"]
mod dns;

#[cfg(test)]
#[path = "../../../fuzz/checks/path.rs"]
mod path;

#[test]
fn every_path_of_the_corpus_holds() {
    assert!(replay("path", path::check) > 60);
}

#[test]
fn every_answer_of_an_authorizer_holds() {
    assert!(replay("authorizer_answer", authorizer_answer::check) >= 29);
}

#[test]
fn every_answer_of_the_corpus_holds() {
    assert!(replay("dns", dns::check) > 15);
}

#[test]
fn every_document_of_the_corpus_holds() {
    assert!(replay("config", config::check) > 20);
}

#[test]
fn every_case_of_the_configuration_holds() {
    assert!(replay("../../crates/gateway/src/config/cases", config::check) > 60);
}

/// Checks every file of the corpus of `target`; how many there were.
#[cfg(test)]
fn replay(target: &str, check: fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut count = 0_usize;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        // Shown only when the check below panics.
        println!("{}", path.display());
        check(&fs::read(&path).unwrap());
        count = count.strict_add(1);
    }
    count
}
