use std::collections::BTreeSet;

use super::{ENTRIES, Kind, PREFIX_BYTES_MIN, are_aliases, kind, may_end};

#[test]
fn every_entry_is_found_in_every_spelling() {
    for entry in &ENTRIES {
        let mut name = entry.name.to_vec();
        if entry.is_prefix {
            name.extend_from_slice(b"zq9");
        }
        let upper = name.to_ascii_uppercase();
        let with = |c: u8| name.iter().map(|b| if *b == b'-' { c } else { *b }).collect::<Vec<_>>();
        for spelling in [name.clone(), upper, with(b'_'), with(b'.')] {
            assert_eq!(kind(&spelling), Some(entry.kind), "{}", spelling.escape_ascii());
            let goes_on = matches!(
                entry.kind,
                Kind::Host | Kind::Expect | Kind::Single | Kind::Agent | Kind::Standard | Kind::Claim
            );
            assert!(goes_on || may_end(&spelling), "{}", spelling.escape_ascii());
        }
    }
}

#[test]
fn entries_are_written_in_their_folded_form_and_once() {
    let mut seen = BTreeSet::new();
    for entry in &ENTRIES {
        let shown = entry.name.escape_ascii();
        assert!(entry.name.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'$')), "{shown}");
        assert!(seen.insert((entry.name, entry.is_prefix)), "{shown} is there twice");
    }
    // A prefix must not swallow another of the same kind: one of the two lines would be dead.
    for prefix in ENTRIES.iter().filter(|entry| entry.is_prefix && entry.kind == Kind::Claim) {
        assert!(prefix.name.len() >= PREFIX_BYTES_MIN);
        for other in ENTRIES.iter().filter(|entry| entry.kind == Kind::Claim && entry.name != prefix.name) {
            let dead = other.name.starts_with(prefix.name);
            assert!(!dead, "{} under {}*", other.name.escape_ascii(), prefix.name.escape_ascii());
        }
    }
}

#[test]
fn unknown_names_are_unknown() {
    for name in
        ["", "x", "x-", "x-a", "x-role", "x-user-agent", "api_key", "api-keys", "hosts", "hos", "x-custom"]
    {
        assert_eq!(kind(name.as_bytes()), None, "{name}");
    }
    assert_eq!(kind(&[b'x'; 100_000]), None);
}

#[test]
fn usual_fields_of_answers_are_known_to_go_on_at_a_glance() {
    for name in
        ["Server", "Date", "Content-Type", "ETag", "Cache-Control", "Vary", "Set-Cookie", "Location", ""]
    {
        assert!(!may_end(name.as_bytes()), "{name}");
    }
    let long = [b"Proxy-".as_slice(), &[b'x'; 100_000]].concat();
    assert!(may_end(&long));
}

#[test]
fn aliases_differ_in_case_and_punctuation_only() {
    for (a, b, expected) in [
        ("x-a-b", "X_A.B", true),
        ("x-a-b", "x-a-b", true),
        ("x-ab", "x-a-b", false),
        ("x-a-b", "x a b", false),
        ("", "", true),
    ] {
        assert_eq!(are_aliases(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
    }
}
