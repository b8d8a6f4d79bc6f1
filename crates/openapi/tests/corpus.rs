//! Replays the fuzz corpus: what fuzzing once found, and the cases it started from, hold in every test run.

#![expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test, as it should")]

use std::{fs, path::Path};

#[cfg(test)]
#[path = "../../../fuzz/checks/contract_coding.rs"]
mod contract_coding;

#[cfg(test)]
#[path = "../../../fuzz/checks/contract_differential.rs"]
mod contract_differential;

#[cfg(test)]
#[path = "../../../fuzz/checks/contract_json.rs"]
mod contract_json;

#[cfg(test)]
#[path = "../../../fuzz/checks/contract_multipart.rs"]
mod contract_multipart;

#[cfg(test)]
#[path = "../../../fuzz/checks/contract_parameters.rs"]
mod contract_parameters;

#[cfg(test)]
#[path = "../../../fuzz/checks/definition.rs"]
mod definition;

#[cfg(test)]
#[path = "../../../fuzz/checks/jsonpath.rs"]
mod jsonpath;

#[test]
fn every_query_of_the_corpus_holds() {
    assert!(replay("jsonpath", jsonpath::check) > 10);
}

#[test]
fn every_coded_content_of_the_corpus_holds() {
    assert!(replay("contract_coding", contract_coding::check) > 10);
}

#[test]
fn every_judged_value_of_the_corpus_holds() {
    assert!(replay("contract_differential", contract_differential::check) > 10);
}

/// Values that no corpus has: what the bytes of a plain generator steer.
#[test]
fn values_written_at_random_are_judged_alike() {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    for _ in 0..1500 {
        let bytes: Vec<u8> = (0..120)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect();
        let (first, rest) = bytes.split_first().unwrap();
        contract_differential::check(&[&[first & 0x7F], rest].concat());
    }
}

#[test]
fn every_json_text_of_the_corpus_holds() {
    assert!(replay("contract_json", contract_json::check) > 10);
}

#[test]
fn every_multipart_body_of_the_corpus_holds() {
    assert!(replay("contract_multipart", contract_multipart::check) > 10);
}

#[test]
fn every_head_of_the_corpus_is_read_as_plainer_readers_do() {
    assert!(replay("contract_parameters", contract_parameters::check) > 10);
}

#[test]
fn every_definition_of_the_corpus_holds() {
    assert!(replay("definition", definition::check) > 10);
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
