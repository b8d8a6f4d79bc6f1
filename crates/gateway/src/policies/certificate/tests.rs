use std::sync::Arc;
use std::time::Duration;

use super::Certificate;
use crate::callers::{Bound, Callers, Directory, Entry, Known, Means, Scene};
use crate::http::TlsFacts;
use crate::http::holder::Holder;
use crate::pipeline::consumer::{Consumer, Grant, Proof};

fn known(consumer: &str, means: Means) -> Entry {
    let consumer = Arc::new(Consumer { name: consumer.into(), apis: Grant::All });
    let proof = Proof {
        consumer: Arc::clone(&consumer),
        credential: "c1".into(),
        scopes: Arc::new([]),
        expires: (*consumer.name == *"old").then_some(Duration::from_secs(50)),
        fingerprint: None,
        claims: None,
        issued: None,
    };
    let credentials = vec![Known::new(proof, means, Bound::default())];
    Entry { consumer: Arc::clone(&consumer.name), credentials }
}

fn check(sans: &[&str], subject: Option<&str>, spiffe: Option<&str>, expected: Result<Option<&str>, &str>) {
    let (file, taken) = Callers::of(vec![
        known("dns", Means::San("shop.example.com".into())),
        known("subject", Means::Subject("CN=shop,O=Example".into())),
        known("workload", Means::Spiffe("spiffe://example.com/shop".into())),
        known("old", Means::San("old.example.com".into())),
    ]);
    assert!(taken.is_empty());
    let own = Certificate::new(Arc::new(Directory::new(file, Arc::default())));
    let mut peer = crate::callers::peer_in_tests();
    let tls =
        TlsFacts { client_certificates: vec![b"verified by the handshake".to_vec()], ..TlsFacts::default() };
    let holder = Holder {
        sans: sans.iter().map(|name| (*name).into()).collect(),
        subject: subject.map(Into::into),
        spiffe: spiffe.map(Into::into),
        begins: Duration::from_secs(10),
        ends: Duration::from_secs(1000),
    };
    tls.holder.set(Some(holder)).expect("nobody asked yet");
    peer.tls = Some(Box::new(tls));
    for (now, expected) in
        [(100, expected), (9, Err("over since the handshake")), (1000, Err("over since the handshake"))]
    {
        let scene = Scene { client: peer.ip(), peer: &peer, now: Duration::from_secs(now) };
        let judged = own.callers.by_holder(&scene);
        let judged = judged.as_ref().map(|proof| proof.as_ref().map(|p| &*p.consumer.name)).map_err(|e| *e);
        assert_eq!(judged, expected, "{sans:?} {subject:?} {spiffe:?} at {now}");
    }
}

#[test]
fn a_holder_is_found_by_whole_names() {
    check(&["shop.example.com"], None, None, Ok(Some("dns")));
    check(&["a.example.com", "shop.example.com"], Some("CN=other"), None, Ok(Some("dns")));
    check(&[], Some("CN=shop,O=Example"), None, Ok(Some("subject")));
    check(&["spiffe://example.com/shop"], None, Some("spiffe://example.com/shop"), Ok(Some("workload")));
    check(&["spiffe://example.com/shop"], None, None, Err("nobody's"));
    check(&["xshop.example.com"], Some("CN=shop"), None, Err("nobody's"));
    check(&[], None, None, Err("nobody's"));
    check(&["old.example.com"], None, None, Err("expired"));
    check(&["shop.example.com"], Some("CN=shop,O=Example"), None, Err("bears the names of two consumers"));
}

#[test]
fn without_a_certificate_there_is_nothing() {
    let own = Certificate::new(Arc::default());
    let mut peer = crate::callers::peer_in_tests();
    for tls in [None, Some(Box::default())] {
        peer.tls = tls;
        let scene = Scene { client: peer.ip(), peer: &peer, now: Duration::from_secs(100) };
        assert!(matches!(own.callers.by_holder(&scene), Ok(None)));
    }
    let tls = TlsFacts { client_certificates: vec![b"no DER".to_vec()], ..TlsFacts::default() };
    peer.tls = Some(Box::new(tls));
    let scene = Scene { client: peer.ip(), peer: &peer, now: Duration::from_secs(100) };
    assert_eq!(own.callers.by_holder(&scene).expect_err("unreadable"), "cannot be read");
}
