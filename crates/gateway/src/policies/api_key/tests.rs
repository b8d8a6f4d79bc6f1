use std::sync::Arc;
use std::time::Duration;

use portcullis_http1::Fields;
use portcullis_identity::sha256::digest;

use super::ApiKey;
use crate::callers::{Bound, Callers, Directory, Entry, Known, Means, Scene};
use crate::config::ApiKeyAuth;
use crate::pipeline::consumer::{Consumer, Grant, Proof};

fn at(header: Option<&str>, query: Option<&str>, cookie: Option<&str>) -> ApiKeyAuth {
    let [header, query, cookie] = [header, query, cookie].map(|name| name.map(str::to_owned));
    ApiKeyAuth { header, query, cookie }
}

fn known(credential: &str, key: &[u8], expires: Option<Duration>) -> Known {
    let consumer = Arc::new(Consumer { name: "partner".into(), apis: Grant::All });
    let scopes = Arc::new(["orders.write".into()]);
    let proof = Proof {
        consumer,
        credential: credential.into(),
        scopes,
        expires,
        fingerprint: None,
        claims: None,
        issued: None,
    };
    Known::new(proof, Means::Key(digest(key)), Bound::default())
}

fn callers() -> Arc<Directory> {
    let credentials = vec![known("k1", b"good", None), known("k2", b"old", Some(Duration::from_secs(1)))];
    let (file, taken) = Callers::of(vec![Entry { consumer: "partner".into(), credentials }]);
    assert!(taken.is_empty());
    Arc::new(Directory::new(file, Arc::default()))
}

fn check(lines: &[(&str, &str)], expected: Result<Option<&str>, &str>) {
    let mut fields = Fields::new();
    for (name, value) in lines {
        fields.push(name, value);
    }
    let peer = crate::callers::peer_in_tests();
    let scene = Scene { client: peer.ip(), peer: &peer, now: Duration::from_secs(100) };
    let judged = ApiKey::new(&at(Some("X-Api-Key"), None, None), callers());
    let judged = judged.judge(&fields, Some("key=good"), &scene);
    let judged = judged.as_ref().map(|proof| proof.as_ref().map(|p| &*p.consumer.name)).map_err(|e| *e);
    assert_eq!(judged, expected, "{lines:?}");
}

#[test]
fn a_key_is_looked_up_by_its_digest_in_its_own_field_only() {
    check(&[("X-API-KEY", "good")], Ok(Some("partner")));
    check(&[("authorization", "good")], Ok(None));
    check(&[], Ok(None));
}

#[test]
fn whatever_is_there_and_does_not_hold_is_refused() {
    check(&[("x-api-key", "")], Err("unknown"));
    check(&[("x-api-key", "goo")], Err("unknown"));
    check(&[("x-api-key", "good ")], Err("unknown"));
    check(&[("x-api-key", "GOOD")], Err("unknown"));
    check(&[("x-api-key", "old")], Err("expired"));
    check(&[("x-api-key", "good"), ("X-Api-Key", "good")], Err("the key is there more than once"));
    check(&[("x-api-key", &"k".repeat(257))], Err("longer than any key"));
    check(
        &[("x-api-key", "pcl_0000000000000000000000000000000000000000000000000")],
        Err("mistyped: the checksum does not match"),
    );
}

#[test]
fn one_key_in_all_places_is_looked_up() {
    let own = ApiKey::new(&at(Some("x-key"), Some("key"), Some("key")), callers());
    let peer = crate::callers::peer_in_tests();
    let scene = Scene { client: peer.ip(), peer: &peer, now: Duration::from_secs(100) };
    let both = "the key is there more than once";
    for (field, query, cookie, expected) in [
        (None, None, None, Ok(None)),
        (Some("good"), None, None, Ok(Some("partner"))),
        (None, Some("a=1&key=good"), Some("b=2"), Ok(Some("partner"))),
        (None, Some("k%65y=%67ood"), None, Ok(Some("partner"))),
        (None, None, Some("a=1; key=good; b=2"), Ok(Some("partner"))),
        (None, Some("KEY=good"), Some("Key=good"), Ok(None)),
        (None, Some("key"), None, Err("unknown")),
        (None, Some("key=good&key=good"), None, Err(both)),
        (None, Some("key=good&%6Bey=good"), None, Err(both)),
        (Some("good"), Some("key=good"), None, Err(both)),
        (None, None, Some("key=good; key=other"), Err(both)),
        (None, Some("key=good"), Some("key=good"), Err(both)),
    ] {
        let mut fields = Fields::new();
        for (name, value) in [("X-Key", field), ("Cookie", cookie)] {
            value.into_iter().for_each(|value| fields.push(name, value));
        }
        let judged = own.judge(&fields, query, &scene);
        let judged = judged.as_ref().map(|proof| proof.as_ref().map(|p| &*p.consumer.name)).map_err(|e| *e);
        assert_eq!(judged, expected, "{field:?} {query:?} {cookie:?}");
    }
}
