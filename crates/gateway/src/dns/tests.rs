use std::net::IpAddr;

use tokio::sync::watch;

use super::ask::{Found, Outcome};
use super::{Counts, Keeper, Known};

struct Rig {
    keeper: Keeper,
    known: watch::Receiver<Known>,
}

fn rig() -> Rig {
    let (sender, known) = watch::channel(Known::default());
    let settings = super::Settings {
        servers: Vec::new(),
        timeout: std::time::Duration::from_secs(1),
        ttl_min: std::time::Duration::from_secs(1),
        ttl_max: std::time::Duration::from_secs(9),
    };
    let (_, settings) = watch::channel(std::sync::Arc::new(settings));
    let keeper = Keeper {
        host: "orders.test".into(),
        sender,
        counts: std::sync::Arc::<Counts>::default(),
        settings,
        v4: Vec::new(),
        v6: Vec::new(),
    };
    Rig { keeper, known }
}

fn some(addresses: &[&str], ttl: u32) -> Outcome {
    Outcome::Addresses(addresses.iter().map(|text| text.parse().expect("an address")).collect(), ttl)
}

fn failed() -> Outcome {
    Outcome::Failed("SERVFAIL".to_owned())
}

const NOTHING: Outcome = Outcome::Nothing("there is no such name");

impl Rig {
    /// The time it lives and the addresses known afterwards.
    fn learn(&mut self, v4: Outcome, v6: Outcome) -> (Option<u32>, Vec<IpAddr>) {
        let ttl = self.keeper.learn(Found { v4, v6 });
        (ttl, self.known.borrow().addresses.to_vec())
    }
}

fn list(addresses: &[&str]) -> Vec<IpAddr> {
    addresses.iter().map(|text| text.parse().expect("an address")).collect()
}

#[test]
fn whatever_fails_keeps_what_was_known() {
    let mut rig = rig();
    assert_eq!(rig.learn(failed(), NOTHING), (None, list(&[])));
    assert_eq!(rig.learn(some(&["10.0.0.1"], 60), some(&["::1"], 5)), (Some(5), list(&["10.0.0.1", "::1"])));
    for (v4, v6) in [(failed(), failed()), (NOTHING, NOTHING), (failed(), NOTHING), (NOTHING, failed())] {
        assert_eq!(rig.learn(v4, v6), (None, list(&["10.0.0.1", "::1"])));
        assert!(rig.known.borrow().failure.is_some());
    }
    // A family that fails keeps its own; one that has none has none.
    assert_eq!(rig.learn(some(&["10.0.0.2"], 9), failed()), (Some(9), list(&["10.0.0.2", "::1"])));
    assert_eq!(rig.learn(some(&["10.0.0.2"], 9), NOTHING), (Some(9), list(&["10.0.0.2"])));
    assert!(rig.known.borrow().failure.is_none());
}

#[test]
fn the_generation_changes_with_the_addresses_and_not_with_their_order() {
    let mut rig = rig();
    let counts = std::sync::Arc::clone(&rig.keeper.counts);
    let generation = || counts.generation.load(std::sync::atomic::Ordering::Relaxed);
    rig.learn(some(&["10.0.0.1", "10.0.0.2"], 1), NOTHING);
    assert_eq!(generation(), 1);
    rig.learn(some(&["10.0.0.2", "10.0.0.1"], 1), NOTHING);
    rig.learn(failed(), failed());
    assert_eq!(generation(), 1);
    rig.learn(some(&["10.0.0.2"], 1), NOTHING);
    assert_eq!(generation(), 2);
}
