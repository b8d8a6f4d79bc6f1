use std::time::Duration;

use super::{KEPT, LEAD, NotSealed, ROTATE, SEALED_BYTES_MAX, Seals};
use crate::clock;
use crate::issuers::spec::SharedSecret;
use crate::secret::Secret;
use crate::vault::tests::{SECRET, Stored};

const NOW: Duration = Duration::from_secs(1_800_000_000);

fn seals(name: &str, secrets: &[&str]) -> Seals {
    let secrets: Vec<_> = secrets.iter().map(|secret| SharedSecret::new(Secret::new(*secret))).collect();
    let seals = Seals::new(name, &secrets);
    seals.begin(NOW);
    seals
}

#[test]
fn what_was_sealed_opens_for_its_purpose_login_and_key_alone() {
    let own = seals("corp", &["a secret of thirty-two bytes or so"]);
    let sealed = own.seal("session", b"text", NOW).expect("sealed");
    assert_eq!(own.open("session", sealed.as_bytes()).as_deref(), Some(&b"text"[..]));
    assert_eq!(own.open("login", sealed.as_bytes()), None);
    assert_eq!(
        seals("other", &["a secret of thirty-two bytes or so"]).open("session", sealed.as_bytes()),
        None
    );
    assert_eq!(seals("corp", &["another secret"]).open("session", sealed.as_bytes()), None);
    assert_ne!(own.seal("session", b"text", NOW).expect("sealed"), sealed, "each seal has its own nonce");
    for at in 0..sealed.len() {
        let mut changed = sealed.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(own.open("session", &changed), None, "byte {at}");
        assert_eq!(own.open("session", &sealed.as_bytes()[..at]), None, "cut at {at}");
    }
}

#[test]
fn a_newer_key_seals_and_an_older_one_still_opens() {
    let old = seals("corp", &["one"]);
    let sealed = old.seal("session", b"text", NOW).expect("sealed");
    let both = seals("corp", &["two", "one"]);
    assert!(both.open("session", sealed.as_bytes()).is_some());
    let newer = both.seal("session", b"text", NOW).expect("sealed");
    assert_eq!(old.open("session", newer.as_bytes()), None);
    assert!(seals("corp", &["two"]).open("session", newer.as_bytes()).is_some());
}

#[test]
fn what_does_not_fit_is_not_sealed() {
    let own = seals("corp", &["one"]);
    assert!(own.seal("session", &[b'x'; 2_700], NOW).is_ok_and(|sealed| sealed.len() <= SEALED_BYTES_MAX));
    assert_eq!(own.seal("session", &[b'x'; 3_000], NOW), Err(NotSealed::TooLarge));
}

#[test]
fn keys_of_our_own_are_kept_and_changed_in_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("logins/corp.keys");
    let first = seals("corp", &[]);
    first.keep_in(&file, NOW).expect("kept");
    let sealed = first.seal("session", b"text", NOW).expect("sealed");
    assert!(!first.is_due(NOW + ROTATE / 2));
    let later = NOW + ROTATE;
    assert!(first.is_due(later));
    let second = seals("corp", &[]);
    second.keep_in(&file, later).expect("kept");
    assert!(second.open("session", sealed.as_bytes()).is_some(), "sealed by the key before");
    let newer = second.seal("session", b"text", later).expect("sealed");
    assert!(first.open("session", newer.as_bytes()).is_some(), "others may not have the new key yet");
    let newer = second.seal("session", b"text", later + LEAD).expect("sealed");
    assert_eq!(first.open("session", newer.as_bytes()), None);
    let last = seals("corp", &[]);
    last.keep_in(&file, NOW + KEPT).expect("kept");
    assert_eq!(last.open("session", sealed.as_bytes()), None, "too old");
    std::fs::write(&file, "nonsense").expect("written");
    assert!(last.keep_in(&file, NOW + KEPT).is_err(), "never taken for no keys");
}

#[test]
fn keys_of_all_nodes_are_sealed_anew_under_the_first_secret() {
    const NEW: &str = "a newer secret of thirty-two bytes";
    let stored = Stored::default();
    let node = |secrets: &[&str]| {
        let vault = stored.node(secrets, None);
        stored.feed(&vault);
        vault
    };
    let first = Seals::new("corp", &[]);
    first.share(&node(&[SECRET])).expect("made");
    let sealed = first.seal("session", b"text", clock::wall()).expect("sealed");
    Seals::new("corp", &[]).share(&node(&[NEW, SECRET])).expect("sealed anew");
    let last = Seals::new("corp", &[]);
    last.share(&node(&[NEW])).expect("opened");
    assert!(last.open("session", sealed.as_bytes()).is_some());
}
