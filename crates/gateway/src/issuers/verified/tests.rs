use std::sync::Arc;
use std::time::Duration;

use super::{BYTES_MAX, Bound, Halves, Verified};
use crate::pipeline::consumer::Grant;
use crate::pipeline::{Consumer, Proof};

fn verified(issuer: u64) -> Verified {
    let consumer = Arc::new(Consumer { name: "corp/alice".into(), apis: Grant::All });
    let (credential, scopes) = ("t".into(), Arc::default());
    let proof = Proof { consumer, credential, scopes, expires: None, fingerprint: None, claims: None };
    let until = Duration::from_secs(10);
    Verified { issuer, generation: 1, until, proof: Arc::new(proof), bound: Bound::default() }
}

#[test]
fn a_token_is_found_by_all_of_its_bytes_until_it_ends() {
    super::remember(b"a.b.c", verified(7));
    let at = |token: &[u8], seconds| super::find(token, Duration::from_secs(seconds)).map(|it| it.issuer);
    assert_eq!(at(b"a.b.c", 9), Some(7));
    assert_eq!(at(b"a.b.c", 10), None);
    assert_eq!(at(b"a.b.d", 9), None);
    assert_eq!(at(b"a.b.", 9), None);
    super::remember(b"a.b.c", verified(8));
    assert_eq!(at(b"a.b.c", 9), Some(8));
}

#[test]
fn what_is_asked_for_stays_and_the_rest_makes_room() {
    let mut halves = Halves::new();
    let token = |number: u32| format!("{number:01000}").into_bytes().into_boxed_slice();
    halves.insert(token(0), verified(0));
    let many = u32::try_from(BYTES_MAX / 1_000).expect("a number");
    for number in 1..many {
        halves.insert(token(number), verified(0));
        assert!(halves.find(&token(0)).is_some(), "pushed out though asked for, at {number}");
    }
    assert!(halves.find(&token(1)).is_none());
    let held: usize =
        [&halves.young, &halves.old].map(|half| half.keys().map(|key| key.len()).sum()).iter().sum();
    assert!(held <= BYTES_MAX, "{held} bytes");
}
