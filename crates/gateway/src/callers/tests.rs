use std::sync::Arc;
use std::time::Duration;

use portcullis_identity::sha256::{Digest, digest};

use super::{
    Bound, Callers, CertificateName, Directory, Entry, Known, Means, Scene, Unproven, peer_in_tests,
};
use crate::http::TlsFacts;
use crate::pipeline::consumer::{Consumer, Grant, Proof};

fn known(consumer: &str, id: &str, means: Means, bound: Bound) -> Known {
    let apis = Grant::Named(vec!["orders".into()]);
    let consumer = Arc::new(Consumer { name: consumer.into(), apis });
    let scopes = Arc::new(["read".into()]);
    Known::new(
        Proof {
            consumer,
            credential: id.into(),
            scopes,
            expires: None,
            fingerprint: None,
            claims: None,
            issued: None,
        },
        means,
        bound,
    )
}

fn key(consumer: &str, id: &str, key: &str) -> Known {
    known(consumer, id, Means::Key(digest(key.as_bytes())), Bound::default())
}

fn entry(consumer: &str, credentials: Vec<Known>) -> Entry {
    Entry { consumer: consumer.into(), credentials }
}

fn asked(directory: &Directory, key: &str) -> Result<String, Unproven> {
    let peer = peer_in_tests();
    let scene = Scene { client: peer.ip(), peer: &peer, now: Duration::from_secs(1_000) };
    let proof = directory.by_key(&digest(key.as_bytes()), &scene)?;
    Ok(format!("{}/{}", proof.consumer.name, proof.credential))
}

#[test]
fn the_configuration_is_asked_before_the_store_which_changes_while_it_is_read() {
    let (file, _) = Callers::of(vec![entry("filed", vec![key("filed", "k1", "a")])]);
    let live = Arc::new(Callers::default());
    let directory = Directory::new(file, Arc::clone(&live));
    assert_eq!(asked(&directory, "b"), Err(Unproven::Unknown));
    live.replace(vec![entry("kept", vec![key("kept", "k1", "b"), key("kept", "k2", "a")])]);
    assert_eq!(asked(&directory, "a").unwrap(), "filed/k1");
    assert_eq!(asked(&directory, "b").unwrap(), "kept/k1");
    live.replace(vec![entry("kept", Vec::new())]);
    assert_eq!(asked(&directory, "b"), Err(Unproven::Unknown));
    assert_eq!(live.consumers(), 0);
}

#[test]
fn what_proves_one_caller_proves_no_other() {
    let live = Callers::default();
    live.replace(vec![entry("one", vec![key("one", "k1", "same")])]);
    let taken = live.replace(vec![entry("two", vec![key("two", "k1", "same"), key("two", "k2", "own")])]);
    assert_eq!(taken.len(), 1);
    assert_eq!((&*taken[0].consumer, &*taken[0].credential), ("two", "k1"));
    // It may move when the other gives it up in the same change.
    let moved = vec![entry("two", vec![key("two", "k1", "same")]), entry("one", Vec::new())];
    assert_eq!(live.replace(moved), []);
    let directory = Directory::new(Callers::default(), Arc::new(live));
    assert_eq!(asked(&directory, "same").unwrap(), "two/k1");
    assert_eq!(asked(&directory, "own"), Err(Unproven::Unknown));
}

#[test]
fn users_and_certificates_are_found_by_what_names_them() {
    let password = Means::Password { user: "ann".into(), hash: "$argon2id$…".into() };
    let credentials = vec![
        known("one", "p", password, Bound::default()),
        known("one", "s", Means::San("a.example".into()), Bound::default()),
        known("one", "d", Means::Subject("CN=a".into()), Bound::default()),
        known("one", "i", Means::Spiffe("spiffe://a/b".into()), Bound::default()),
    ];
    let (file, taken) = Callers::of(vec![entry("one", credentials)]);
    assert!(taken.is_empty());
    let directory = Directory::new(file, Arc::default());
    assert_eq!(directory.by_user("ann").unwrap().password_hash(), Some("$argon2id$…"));
    assert!(directory.by_user("bob").is_none());
    let peer = peer_in_tests();
    let scene = Scene { client: peer.ip(), peer: &peer, now: Duration::from_secs(1_000) };
    let found =
        |name| directory.by_certificate(name, &scene).map(|proof| proof.unwrap().credential.to_string());
    assert_eq!(found(CertificateName::San("a.example")).as_deref(), Some("s"));
    assert_eq!(found(CertificateName::Subject("CN=a")).as_deref(), Some("d"));
    assert_eq!(found(CertificateName::Spiffe("spiffe://a/b")).as_deref(), Some("i"));
    // A name counts for what it is.
    assert_eq!(found(CertificateName::San("CN=a")), None);
}

#[test]
fn a_credential_counts_where_and_when_it_is_bound_to() {
    let certificate = b"a certificate";
    let check = |bound: Bound, expected: Result<(), Unproven>| {
        let mut peer = peer_in_tests();
        peer.tls = Some(Box::new(TlsFacts {
            client_certificates: vec![certificate.to_vec()],
            ..TlsFacts::default()
        }));
        let scene = Scene { client: peer.ip(), peer: &peer, now: Duration::from_secs(1_000) };
        let known = known("one", "k", Means::San("a".into()), bound.clone());
        assert_eq!(known.prove(&scene).map(drop), expected, "{bound:?}");
        assert_eq!(known.used(), expected.is_ok().then_some(1_000), "{bound:?}");
    };
    check(Bound::default(), Ok(()));
    let from = |seconds| Bound { not_before: Some(Duration::from_secs(seconds)), ..Bound::default() };
    check(from(1_000), Ok(()));
    check(from(1_001), Err(Unproven::NotYet));
    let at = |network: &str| Bound { networks: vec![network.parse().unwrap()], ..Bound::default() };
    check(at("192.0.2.0/24"), Ok(()));
    check(at("198.51.100.0/24"), Err(Unproven::Elsewhere));
    let with = |der: &[u8]| Bound { certificate: Some(digest(der)), ..Bound::default() };
    check(with(certificate), Ok(()));
    check(with(b"another"), Err(Unproven::WithoutCertificate));
}

#[test]
fn a_stream_stands_on_the_same_credential_or_on_none() {
    let live = Arc::new(Callers::default());
    let directory = Directory::new(Callers::default(), Arc::clone(&live));
    live.replace(vec![entry("one", vec![key("one", "k1", "a")])]);
    let peer = peer_in_tests();
    let scene = Scene { client: peer.ip(), peer: &peer, now: Duration::from_secs(1_000) };
    let proof = directory.by_key(&digest(b"a"), &scene).unwrap();
    assert_eq!(directory.still_opens(&proof, "orders"), Some(None));
    assert_eq!(directory.still_opens(&proof, "billing"), None);
    // Another key under the same id.
    live.replace(vec![entry("one", vec![key("one", "k1", "b")])]);
    assert_eq!(directory.still_opens(&proof, "orders"), None);
    live.replace(vec![entry("one", Vec::new())]);
    assert_eq!(directory.still_opens(&proof, "orders"), None);
    // Of an issuer's word there is no table.
    let vouched = Proof { fingerprint: None, expires: Some(Duration::from_secs(5)), ..clone(&proof) };
    assert_eq!(directory.still_opens(&vouched, "orders"), Some(Some(Duration::from_secs(5))));
}

fn clone(proof: &Proof) -> Proof {
    let (consumer, credential) = (Arc::clone(&proof.consumer), Arc::clone(&proof.credential));
    let (scopes, fingerprint) = (Arc::clone(&proof.scopes), proof.fingerprint);
    Proof { consumer, credential, scopes, expires: proof.expires, fingerprint, claims: None, issued: None }
}

#[test]
fn a_change_among_a_hundred_thousand_copies_a_few_hundred() {
    let live = Callers::default();
    let many = |index: u32| {
        let name = format!("c{index}");
        let mut bytes = [0_u8; 32];
        bytes[..4].copy_from_slice(&index.to_be_bytes());
        entry(&name, vec![known(&name, "k", Means::Key(Digest::from(bytes)), Bound::default())])
    };
    live.replace((0..100_000).map(many).collect());
    assert_eq!(live.consumers(), 100_000);
    let begun = crate::clock::now();
    const CHANGES: u32 = 100;
    for index in 0..CHANGES {
        live.replace(vec![entry(&format!("c{index}"), Vec::new())]);
    }
    let each = begun.elapsed() / CHANGES;
    assert_eq!(live.consumers(), 99_900);
    println!("a change takes {each:?}");
    // Copying all of it takes some 50 ms in this build.
    assert!(each < Duration::from_millis(20), "{each:?}");
}
