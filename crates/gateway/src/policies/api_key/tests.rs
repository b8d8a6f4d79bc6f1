use std::sync::Arc;
use std::time::Duration;

use portcullis_http1::Fields;
use portcullis_identity::api_key::digest;

use super::{ApiKey, Keys};
use crate::pipeline::consumer::{Consumer, Grant, Proof};

fn proof(consumer: &str, expires: Option<Duration>) -> Proof {
    let consumer = Arc::new(Consumer { name: consumer.into(), apis: Grant::All });
    Proof { consumer, credential: "k1".into(), scopes: Arc::new(["orders.write".into()]), expires }
}

fn keys() -> Arc<Keys> {
    let mut keys = Keys::with_capacity(2);
    keys.add(digest(b"good"), proof("partner", None)).unwrap();
    keys.add(digest(b"old"), proof("partner", Some(Duration::from_secs(1)))).unwrap();
    Arc::new(keys)
}

fn check(lines: &[(&str, &str)], expected: Result<Option<&str>, &str>) {
    let mut fields = Fields::new();
    for (name, value) in lines {
        fields.push(name, value);
    }
    let judged = ApiKey::new("X-Api-Key", keys()).judge(&fields);
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
    check(&[("x-api-key", "good"), ("X-Api-Key", "good")], Err("the field is there more than once"));
    check(&[("x-api-key", &"k".repeat(257))], Err("longer than any key"));
    check(
        &[("x-api-key", "pcl_0000000000000000000000000000000000000000000000000")],
        Err("mistyped: the checksum does not match"),
    );
}

#[test]
fn the_key_is_stripped_in_every_spelling_of_the_case() {
    let mut fields = Fields::new();
    fields.push("X-API-Key", "good");
    fields.push("accept", "*/*");
    super::Authenticator::strip(&ApiKey::new("x-api-key", keys()), &mut fields);
    assert_eq!(fields.len(), 1);
}

#[test]
fn one_key_cannot_belong_to_two() {
    let mut keys = Keys::default();
    keys.add(digest(b"same"), proof("one", None)).unwrap();
    assert!(keys.add(digest(b"same"), proof("two", None)).is_err());
}
