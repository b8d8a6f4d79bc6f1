use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use portcullis_identity::algorithm::Algorithm;
use portcullis_identity::json::Object;
use portcullis_identity::jwk::{KeySet, Origin};
use portcullis_identity::jwt::Header;

use super::super::{Published, Signing};
use super::Schedule;
use crate::vault::Vault;
use crate::vault::tests::{SECRET, Stored};

const SCHEDULE: Schedule = Schedule {
    algorithm: Algorithm::ES256,
    rotate: Duration::from_secs(30 * 86_400),
    max_age: Duration::from_secs(600),
    is_shared: true,
};

/// A node that shares its keys.
struct Node {
    vault: Arc<Vault>,
    signing: Signing,
}

impl Node {
    fn of(vault: Arc<Vault>) -> Self {
        let signing = Signing::new(None, Some(Arc::clone(&vault)));
        signing.inner().schedule = Some(SCHEDULE);
        Self { vault, signing }
    }

    fn start(stored: &Stored) -> Self {
        Self::of(stored.node(&[SECRET], None))
    }

    fn kids(&self) -> Vec<String> {
        let Some(Published { set, .. }) = self.signing.published() else { return Vec::new() };
        let set = KeySet::parse(&set, Origin::Remote).expect("a set");
        set.keys().iter().map(|key| key.kid().expect("a kid").to_owned()).collect()
    }

    fn signs(&self) -> bool {
        self.signing.sign(&Header::new("at+jwt"), &Object::new()).is_ok()
    }

    fn failure(&self) -> Option<String> {
        self.signing.facts().expect("facts").failure
    }
}

#[test]
fn nodes_publish_one_set_and_one_of_them_makes_its_keys() {
    let stored = Stored::default();
    let nodes = [Node::start(&stored), Node::start(&stored)];
    for node in &nodes {
        node.signing.look();
        assert!(node.kids().is_empty() && !node.signs(), "nobody knows yet what the others sign with");
        stored.feed(&node.vault);
    }
    for _ in 0..2 {
        for node in &nodes {
            node.signing.look();
        }
    }
    assert_eq!(nodes[0].kids().len(), 1);
    assert_eq!(nodes[0].kids(), nodes[1].kids());
    assert!(nodes.iter().all(Node::signs));
    let kept = &stored.texts()["signing"];
    assert!(!kept.contains("pkcs8") && !kept.contains(&nodes[0].kids()[0]));
    // Another algorithm is wanted on one node: the other publishes the key that is next as soon as it hears of it.
    nodes[0].signing.inner().schedule = Some(Schedule { algorithm: Algorithm::EdDSA, ..SCHEDULE });
    nodes[0].signing.look();
    stored.feed(&nodes[1].vault);
    nodes[1].signing.look();
    assert_eq!(nodes[0].kids().len(), 2);
    assert_eq!(nodes[0].kids(), nodes[1].kids(), "and takes no key back that the other may use");
}

#[test]
fn many_nodes_at_once_make_one_key() {
    let stored = Stored::default();
    let nodes: Vec<Node> = (0..8).map(|_| Node::start(&stored)).collect();
    std::thread::scope(|scope| {
        for node in &nodes {
            scope.spawn(|| {
                stored.feed(&node.vault);
                node.signing.look();
            });
        }
    });
    for node in &nodes {
        stored.feed(&node.vault);
        node.signing.look();
        assert_eq!((node.kids().len(), node.kids()), (1, nodes[0].kids()));
    }
}

#[test]
fn without_the_store_there_is_no_new_key_and_what_is_known_goes_on() {
    let stored = Stored::default();
    let node = Node::start(&stored);
    stored.feed(&node.vault);
    node.signing.look();
    let before = node.kids();
    node.vault.away("it is gone");
    node.signing.inner().schedule = Some(Schedule { rotate: Duration::ZERO, ..SCHEDULE });
    node.signing.look();
    assert_eq!((node.kids(), node.signs()), (before.clone(), true));
    assert!(node.failure().is_some_and(|why| why.contains("it is gone")));
    stored.feed(&node.vault);
    node.signing.look();
    assert_eq!((node.kids().len(), node.failure()), (2, None));
    assert!(node.kids().contains(&before[0]));
}

#[test]
fn an_older_store_takes_nobody_back() {
    let stored = Stored::default();
    let node = Node::start(&stored);
    stored.feed(&node.vault);
    node.signing.look();
    let backup = stored.texts();
    node.signing.inner().schedule = Some(Schedule { algorithm: Algorithm::EdDSA, ..SCHEDULE });
    node.signing.look();
    let now = node.kids();
    assert_eq!(now.len(), 2);
    for earlier in [backup, HashMap::new()] {
        stored.set(earlier);
        stored.feed(&node.vault);
        node.signing.look();
        assert_eq!(node.kids(), now);
        let other = Node::start(&stored);
        stored.feed(&other.vault);
        other.signing.look();
        assert_eq!(other.kids(), now, "it was written anew");
    }
}

#[test]
fn what_cannot_be_opened_is_neither_used_nor_overwritten() {
    let stored = Stored::default();
    let node = Node::start(&stored);
    stored.feed(&node.vault);
    node.signing.look();
    let stranger = Node::of(stored.node(&["another secret of thirty-two bytes"], None));
    stored.feed(&stranger.vault);
    let kept = stored.texts();
    stranger.signing.look();
    assert!(!stranger.signs() && stranger.kids().is_empty());
    assert!(stranger.failure().is_some_and(|why| why.contains("encryption_keys")));
    assert_eq!(stored.texts(), kept);
}

#[test]
fn who_hears_nothing_gives_its_set_for_a_shorter_time_and_in_the_end_signs_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let stored = Stored::default();
    let node = Node::of(stored.node(&[SECRET], Some(&folder)));
    stored.feed(&node.vault);
    node.signing.look();
    assert!(node.signing.published().is_some_and(|published| published.max_age.is_none()));
    let file = folder.path().join("shared/signing.sealed");
    let copy = std::fs::read_to_string(&file).expect("a copy");
    let (_, rest) = copy.split_once(' ').expect("a time");
    // As if it had been restarted so long after.
    let after = |seconds: u64| {
        std::fs::write(&file, format!("{} {rest}", crate::clock::wall().as_secs() - seconds))
            .expect("written");
        let again = Node::of(Stored::default().node(&[SECRET], Some(&folder)));
        again.vault.away("it is gone");
        again.signing.look();
        assert_eq!(again.kids(), node.kids());
        let max_age = again.signing.published().and_then(|published| published.max_age);
        (max_age.map(|left| left.as_secs()), again.signs())
    };
    let (left, signs) = after(100);
    assert!(signs && left.is_some_and(|left| (480..=504).contains(&left)), "{left:?}");
    assert_eq!(after(700), (Some(0), true));
    assert_eq!(after(86_400 - 60), (Some(0), true));
    assert_eq!(after(86_400 + 60), (Some(0), false));
}
