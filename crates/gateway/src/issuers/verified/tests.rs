use std::sync::Arc;
use std::time::Duration;

use super::{Bound, Verified};
use crate::pipeline::consumer::Grant;
use crate::pipeline::{Consumer, Proof};

fn verified(issuer: u64) -> Verified {
    let consumer = Arc::new(Consumer { name: "corp/alice".into(), apis: Grant::All });
    let (credential, scopes) = ("t".into(), Arc::default());
    let proof =
        Proof { consumer, credential, scopes, expires: None, fingerprint: None, claims: None, issued: None };
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
