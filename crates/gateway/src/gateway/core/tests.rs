use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread::sleep;
use std::time::Duration;

use super::STUCK_AFTER;
use crate::clock;
use crate::config;
use crate::gateway::{Gateway, Options};
use crate::observe::Observe;

#[test]
fn a_worker_that_hangs_is_named_within_bounds_and_forgiven_when_it_turns_again() {
    let text = "version: 1\nstate: none\nlisteners: { public: { bind: \"127.0.0.1:0\" } }\n\
                backends: { b: { targets: [\"http://127.0.0.1:9\"] } }\n\
                apis: { a: { backend: b, auth: none, operations: { all: { match: \"GET /\" } } } }\n";
    let loaded = config::parse("test.yaml", text, Path::new("."), &|_| None).expect("a configuration");
    let options = Options { workers: Some(2), state: None };
    let gateway = Gateway::start(&loaded, Observe::default(), options).expect("a gateway");
    assert_eq!(gateway.stuck(), []);
    let (release, held) = sync_channel::<()>(1);
    gateway.cores[1].hold(Box::new(move || assert!(held.recv().is_ok())));
    let becomes = |wanted: &[usize], patience: Duration| {
        let begun = clock::now();
        loop {
            let stuck: Vec<usize> = gateway.stuck().into_iter().map(|(worker, _)| worker).collect();
            if stuck == wanted {
                return;
            }
            assert!(begun.elapsed() < patience, "{stuck:?} are stuck, not {wanted:?}");
            sleep(Duration::from_millis(20));
        }
    };
    becomes(&[1], STUCK_AFTER * 4);
    release.send(()).expect("it listens");
    becomes(&[], STUCK_AFTER * 4);
}
