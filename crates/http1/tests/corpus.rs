//! Replays the fuzz corpora: what fuzzing once found, and the cases it started from, hold in every test run.

#![expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test, as it should")]

use std::{fs, path::Path};

#[cfg(test)]
#[path = "../../../fuzz/checks/http1_chunked.rs"]
mod http1_chunked;

#[cfg(test)]
#[path = "../../../fuzz/checks/http1_head.rs"]
mod http1_head;

#[test]
fn every_head_of_the_corpus_holds() {
    assert!(replay("http1_head", http1_head::check) > 20);
}

#[test]
fn every_chunked_body_of_the_corpus_holds() {
    assert!(replay("http1_chunked", http1_chunked::check) > 20);
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
