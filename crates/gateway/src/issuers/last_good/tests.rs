use std::time::Duration;

use super::{LastGood, Shelf};
use crate::issuers::spec::{KeysSpec, Place, Reach};

fn spec(url: &str) -> KeysSpec {
    let second = Duration::from_secs(1);
    KeysSpec {
        name: "corp".into(),
        issuer: "https://idp.example.com".into(),
        place: Place::Url(url.parse().expect("a URL")),
        reach: Reach { ca: None, cleartext: false, names: crate::dns::Settings::default(), timeout: second },
        refresh: second,
        cool_down: second,
        keep: second,
    }
}

#[test]
fn what_was_kept_is_found_by_the_same_settings_while_it_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = Shelf::of(folder.path(), &spec("https://idp.example.com/k"));
    let (keep, fetched) = (Duration::from_secs(100), Duration::from_secs(1_000));
    assert_eq!(shelf.read(fetched, keep), None);
    let good = LastGood { fetched, text: b"{\"keys\":[\"\xc3\xa9\"]}".to_vec() };
    shelf.write(&good).expect("a file");
    let at = |seconds| shelf.read(Duration::from_secs(seconds), keep);
    assert_eq!(at(1_000), Some(good.clone()));
    assert_eq!(at(1_099), Some(good.clone()));
    assert_eq!(at(1_100), None, "too old");
    assert_eq!(at(900), Some(good), "the clock was set back a little");
    assert_eq!(at(500), None, "of the future");
    let other = Shelf::of(folder.path(), &spec("https://idp.example.com/other"));
    assert_eq!(other.read(fetched, keep), None, "of other settings");
    std::fs::write(folder.path().join("issuers/corp.json"), "{").expect("a file");
    assert_eq!(at(1_000), None, "torn");
}
