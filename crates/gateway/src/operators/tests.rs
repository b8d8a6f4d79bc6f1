use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use portcullis_identity::api_key::ApiKey;

use super::{Operators, Stranger};
use crate::bounds::Bounds;
use crate::callers::{Bound, Callers, Directory, Entry, Known, Means, Scene, peer_in_tests};
use crate::config::Role;
use crate::pipeline::consumer::{Consumer, Grant, Proof};

fn known(name: &str, means: Means, bound: Bound) -> Entry {
    let consumer = Arc::new(Consumer { name: name.into(), apis: Grant::Named(Vec::new()) });
    let proof = Proof {
        consumer: Arc::clone(&consumer),
        credential: "t1".into(),
        scopes: Arc::default(),
        expires: Some(Duration::from_secs(1_000)),
        fingerprint: None,
        claims: None,
        issued: None,
    };
    Entry { consumer: Arc::clone(&consumer.name), credentials: vec![Known::new(proof, means, bound)] }
}

#[test]
fn a_token_proves_its_operator_and_nothing_else_does() {
    let token = ApiKey::generate_for_operator().expect("randomness");
    let elsewhere = ApiKey::generate_for_operator().expect("randomness");
    let stranger = ApiKey::generate_for_operator().expect("randomness");
    let bound = Bound { networks: vec!["10.0.0.0/8".parse().expect("a network")], ..Bound::default() };
    let (callers, _) = Callers::of(vec![
        known("alice", Means::Key(token.digest()), Bound::default()),
        known("bob", Means::Key(elsewhere.digest()), bound),
    ]);
    let roles = HashMap::from([("alice".into(), Role::Security), ("bob".into(), Role::Viewer)]);
    let directory = Directory::new(callers, Arc::default());
    let operators = Operators::new(directory, roles, None, Arc::new(Bounds::default()));
    let peer = peer_in_tests();
    let at = |seconds| Scene { client: peer.ip(), peer: &peer, now: Duration::from_secs(seconds) };
    let found = operators.prove(Some(token.reveal().as_bytes()), &at(999)).expect("alice");
    assert_eq!((&*found.name, &*found.credential, found.role), ("alice", "t1", Role::Security));
    for (token, seconds, why) in [
        (None, 1, None),
        (Some(token.reveal()), 1_000, Some("expired")),
        (Some(stranger.reveal()), 1, Some("unknown")),
        (Some(elsewhere.reveal()), 1, Some("presented from an address it is not bound to")),
        (Some(""), 1, Some("no token of ours")),
        (token.reveal().get(..20), 1, Some("no token of ours")),
    ] {
        let refused = why.map_or(Stranger::Silent, Stranger::Refused);
        assert_eq!(operators.prove(token.map(str::as_bytes), &at(seconds)), Err(refused), "{why:?}");
    }
}
