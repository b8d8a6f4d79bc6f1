//! Replays the fuzz corpora: what fuzzing once found, and the cases it started from, hold in every test run.

#![expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test, as it should")]

use std::{fs, path::Path};

#[cfg(test)]
#[path = "../../../fuzz/checks/json.rs"]
mod json;

#[cfg(test)]
#[path = "../../../fuzz/checks/jwk.rs"]
mod jwk;

#[cfg(test)]
#[path = "../../../fuzz/checks/jwt.rs"]
mod jwt;

#[test]
fn every_json_text_of_the_corpus_holds() {
    assert!(replay("json", json::check) > 10);
}

#[test]
fn every_key_set_of_the_corpus_holds() {
    assert!(replay("jwk", jwk::check) > 10);
}

#[test]
fn every_token_of_the_corpus_holds() {
    assert!(replay("jwt", jwt::check) > 10);
}

/// Checks every file of the corpus of `target`; how many there were.
#[cfg(test)]
fn replay(target: &str, check: fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        // Shown only when the check below panics.
        println!("{}", path.display());
        check(&fs::read(&path).unwrap());
        count += 1;
    }
    count
}
