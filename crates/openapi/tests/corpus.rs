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

/// Values that no corpus has: what the bytes of a plain generator steer. `PORTCULLIS_WHOLE=1` takes many more.
#[test]
fn values_written_at_random_are_judged_alike() {
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    for _ in 0..rounds(1500) {
        let mut bytes: Vec<u8> = (0..120).map(|_| random.byte()).collect();
        bytes[0] &= 0x7F;
        contract_differential::check(&bytes);
    }
}

/// The seeds with a few bytes changed, cut or joined.
#[test]
fn json_texts_changed_at_random_hold() {
    changed("contract_json", 3000, b"{}[]\",:\\u0019dD8e.-+tfn \x00\xff\xc3\xa9", contract_json::check);
}

#[test]
fn multipart_bodies_changed_at_random_hold() {
    changed("contract_multipart", 3000, b"-X\r\n:;=\"a* \x00\xff", contract_multipart::check);
}

#[test]
fn coded_contents_changed_at_random_hold() {
    changed("contract_coding", 150, b"\x00\x01\x08\x1f\x7f\x80\x8b\xff", contract_coding::check);
}

/// Checks seeds of `target` with a few bytes changed, cut or joined.
#[cfg(test)]
fn changed(target: &str, few: usize, bytes: &[u8], check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut seeds: Vec<Vec<u8>> =
        fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    seeds.sort();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for _ in 0..rounds(few) {
        let mut text = seeds[random.below(seeds.len())].clone();
        for _ in 0..random.below(4) {
            let at = random.below(text.len().max(1));
            match random.below(4) {
                0 => text.truncate(at),
                1 if !text.is_empty() => text[at] = bytes[random.below(bytes.len())],
                2 => text.insert(at.min(text.len()), bytes[random.below(bytes.len())]),
                _ => text.extend_from_slice(&seeds[random.below(seeds.len())]),
            }
        }
        check(&text);
    }
}

/// The seeds with words of the styles written into them, cut or joined.
#[test]
fn heads_changed_at_random_are_read_as_plainer_readers_do() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/contract_parameters");
    let mut seeds: Vec<Vec<u8>> =
        fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    seeds.sort();
    let mut random = Random(0x853C_49E6_748F_EA9B);
    const WORDS: &[&str] = &[
        "&",
        "=",
        ";",
        ",",
        "|",
        ".",
        "+",
        "[",
        "]",
        "[]",
        "[0]",
        "[1]",
        "one",
        "many",
        "free",
        "json",
        "sort",
        "deep[b]",
        "deep[c][0][k]=v&",
        "joined",
        "bars",
        "%2C",
        "%7C",
        "%5B",
        "%20",
        "%",
        "%00",
        "%C3%A9",
        "\n",
        "cookie=",
        "plain=",
        "\"",
        " ",
        "5",
        "-",
        "1e5",
        "null",
        "{",
        "}",
        ":",
    ];
    for _ in 0..rounds(1000) {
        let mut text = seeds[random.below(seeds.len())].clone();
        for _ in 0..1 + random.below(5) {
            let at = random.below(text.len() + 1);
            let word = WORDS[random.below(WORDS.len())].bytes();
            match random.below(4) {
                0 => text.truncate(at),
                1 => drop(text.splice(at..(at + 2).min(text.len()), [random.byte()])),
                2 => drop(text.splice(at..at, word)),
                _ => text.extend_from_slice(&seeds[random.below(seeds.len())]),
            }
        }
        contract_parameters::check(&text);
    }
}

/// How many rounds: few, or many where the whole judgement is asked for.
#[cfg(test)]
fn rounds(few: usize) -> usize {
    if std::env::var_os("PORTCULLIS_WHOLE").is_some_and(|whole| whole == "1") { few * 100 } else { few }
}

/// A plain generator, the same on every run.
#[cfg(test)]
struct Random(u64);

#[cfg(test)]
impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[4]
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % end
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
