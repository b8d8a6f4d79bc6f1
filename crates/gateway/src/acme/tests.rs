use std::time::Duration;

use super::shelf::{Kept, Shelf};
use super::{AWAY_MAX, Acme, Failure, REFUSED_FIRST, REFUSED_MAX, Spec, keys};
use crate::config::{AcmeChallenge, AcmeKey};
use crate::dns;
use crate::secret::Secret;

fn spec(names: &[&str], key: AcmeKey) -> Spec {
    Spec {
        directory: "https://ca.test/dir".parse().expect("a URL"),
        names: names.iter().map(|name| (*name).into()).collect(),
        email: None,
        challenge: AcmeChallenge::TlsAlpn01,
        key,
        external: None,
        authorities: Some(portcullis_testkit::certificates::Authority::new("tests").pem().into()),
        resolve: dns::Settings::default(),
        timeout: Duration::from_secs(1),
    }
}

/// A certificate of ours for these names, by a key of its own.
fn kept(names: &[&str]) -> Kept {
    let pair = rcgen::KeyPair::generate().expect("a key");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).expect("names");
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2090, 1, 1));
    let chain = params.self_signed(&pair).expect("a certificate").pem();
    Kept { chain, key: Secret::new(pair.serialize_pem()) }
}

#[test]
fn a_request_is_made_for_each_kind_of_key() {
    for key in [AcmeKey::P256, AcmeKey::P384, AcmeKey::Rsa2048] {
        let wanted = keys::wanted(&spec(&["a.test", "b.test"], key)).expect("a request");
        let text = String::from_utf8_lossy(&wanted.request).into_owned();
        assert!(text.contains("a.test") && text.contains("b.test"), "{key:?}");
        assert!(!text.contains("rcgen"), "no name but ours: {text}");
        assert!(wanted.key.expose().starts_with("-----BEGIN PRIVATE KEY-----"));
    }
}

#[test]
fn what_is_kept_is_found_by_the_same_names_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let ours = spec(&["a.test", "b.test"], AcmeKey::P256);
    let shelf = Shelf::of(folder.path(), &ours);
    assert!(shelf.read().expect("a disk").is_none());
    let lock = shelf.lock().expect("a disk").expect("nobody else");
    assert!(shelf.lock().expect("a disk").is_none(), "one at a time");
    drop(lock);
    let account = shelf.account().expect("a key");
    assert_eq!(shelf.account().expect("a key").kid(), account.kid(), "the account stays");
    shelf.keep(&kept(&["b.test", "a.test"])).expect("a disk");

    let acme = Acme::new(ours.clone(), Some(folder.path()), None).expect("an authority");
    assert_eq!(acme.facts().state, "valid");
    assert!(acme.due() > Duration::from_secs(86_400 * 365), "two thirds of a long life");
    let reordered = spec(&["b.test", "a.test"], AcmeKey::P256);
    assert_eq!(Acme::new(reordered, Some(folder.path()), None).expect("one").facts().state, "none");
    let other = spec(&["a.test"], AcmeKey::P256);
    let other = Acme::new(other, Some(folder.path()), Some(&acme)).expect("an authority");
    assert_eq!(other.facts().state, "valid", "what was there before serves until then");
    assert!(other.due().is_zero(), "and another one is due");
    other.want(false);
    assert_eq!(other.due(), Duration::MAX, "but for one that nobody asks for any more");
}

#[test]
fn what_cannot_be_used_is_laid_aside_or_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let ours = spec(&["a.test"], AcmeKey::P256);
    let shelf = Shelf::of(folder.path(), &ours);
    let state = |kept: &Kept| {
        shelf.keep(kept).expect("a disk");
        Acme::new(ours.clone(), Some(folder.path()), None).expect("an authority").facts().state
    };
    assert_eq!(state(&kept(&["a.test"])), "valid");
    assert_eq!(state(&kept(&["b.test"])), "none", "for another name");
    assert_eq!(state(&Kept { key: kept(&["a.test"]).key, ..kept(&["a.test"]) }), "none", "another's key");
    assert_eq!(state(&Kept { chain: String::new(), ..kept(&["a.test"]) }), "none");
    let files = || std::fs::read_dir(folder.path().join("acme")).expect("a folder").flatten();
    let certificate =
        files().find(|file| file.file_name().to_string_lossy().starts_with("a.test")).expect("a file");
    std::fs::write(certificate.path(), "half of {").expect("a file");
    assert!(shelf.read().expect("a disk").is_none());
    assert!(files().any(|file| file.file_name().to_string_lossy().contains("unreadable")));
}

#[test]
fn pauses_grow_and_end() {
    let away = Failure::away("x");
    let refused = Failure::refused("x");
    assert!(away.pause(1) < Duration::from_secs(6));
    assert!(refused.pause(1) >= REFUSED_FIRST.mul_f64(0.9));
    for failures in [30, u32::MAX] {
        assert!(away.pause(failures) <= AWAY_MAX.mul_f64(1.11), "{:?}", away.pause(failures));
        assert!(refused.pause(failures) <= REFUSED_MAX.mul_f64(1.11));
    }
    let told = Failure { retry_after: Some(Duration::from_secs(80_000)), ..Failure::away("x") };
    assert_eq!(told.pause(1), Duration::from_secs(80_000), "the authority says when");
}
