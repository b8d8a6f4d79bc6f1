use std::fs;
use std::os::unix::fs::PermissionsExt;

use portcullis_identity::algorithm::Algorithm;
use portcullis_identity::json::Value;
use portcullis_identity::jwk::{KeySet, Origin};

use super::*;
use crate::clock::Instant;

const DAY: u64 = 86_400;
const SCHEDULE: Schedule = Schedule {
    algorithm: Algorithm::ES256,
    rotate: Duration::from_secs(30 * DAY),
    max_age: Duration::from_secs(600),
    is_shared: false,
};

/// A ring, and both clocks.
struct Scene {
    ring: Ring,
    wall: Duration,
    monotonic: Instant,
    schedule: Schedule,
}

impl Scene {
    fn start() -> Self {
        let wall = Duration::from_secs(1_000 * DAY);
        let mut scene = Self { ring: Ring::default(), wall, monotonic: clock::now(), schedule: SCHEDULE };
        assert!(scene.look());
        scene
    }

    fn look(&mut self) -> bool {
        self.ring.advance(&self.schedule, self.wall, self.monotonic).expect("keys")
    }

    /// Time passes, and it is looked at its end.
    fn pass(&mut self, seconds: u64) {
        self.wall = self.wall.saturating_add(Duration::from_secs(seconds));
        self.monotonic = self.monotonic.checked_add(Duration::from_secs(seconds)).expect("a moment");
        self.look();
    }

    fn kid(&self) -> String {
        self.ring.in_use().expect("a key").kid().to_owned()
    }

    fn published(&self) -> Vec<String> {
        let set = KeySet::parse(self.ring.published().as_bytes(), Origin::Remote).expect("a key set");
        set.keys().iter().map(|key| key.kid().expect("a kid").to_owned()).collect()
    }
}

#[test]
fn a_key_is_published_long_before_it_is_used_and_long_after() {
    let mut scene = Scene::start();
    let first = scene.kid();
    assert_eq!(scene.published(), std::slice::from_ref(&first));
    scene.pass(30 * DAY - 700);
    assert_eq!(scene.published(), std::slice::from_ref(&first), "not yet");
    scene.pass(60);
    let both = scene.published();
    assert_eq!((both.len(), scene.kid()), (2, first.clone()));
    scene.pass(600);
    assert_eq!(scene.kid(), first, "a reader may still lack the next one");
    scene.pass(61);
    let second = scene.kid();
    assert_ne!(second, first);
    assert!(scene.published().contains(&first), "a token of it may count for an hour");
    scene.pass(3_600);
    assert!(scene.published().contains(&first));
    scene.pass(61);
    assert_eq!(scene.published(), [second]);
}

#[test]
fn nothing_is_due_until_it_is() {
    let scene = Scene::start();
    let due = scene.ring.due(&scene.schedule, scene.wall, scene.monotonic);
    assert_eq!(due, Duration::from_secs(30 * DAY - 661));
}

#[test]
fn a_key_that_nodes_share_is_there_for_longer_before_it_is_used_and_after() {
    let mut scene = Scene::start();
    scene.schedule.is_shared = true;
    scene.pass(30 * DAY - 661 - 6);
    let first = scene.kid();
    assert_eq!(scene.published().len(), 2, "six seconds for all nodes to hear of it");
    scene.schedule.algorithm = Algorithm::EdDSA;
    scene.pass(1);
    assert_eq!(scene.published().len(), 2, "it stays, for another node may use it in a moment");
    scene.pass(665);
    assert_eq!(scene.kid(), first);
    scene.pass(1);
    let second = scene.kid();
    assert_ne!(second, first);
    scene.pass(3_661);
    assert!(scene.published().contains(&first), "a node that hears nothing signs with it for a day");
    scene.pass(DAY);
    assert!(!scene.published().contains(&first));
    assert_eq!(scene.ring.in_use().expect("a key").algorithm(), Algorithm::EdDSA);
}

#[test]
fn another_algorithm_is_a_rotation() {
    let mut scene = Scene::start();
    let first = scene.kid();
    scene.schedule.algorithm = Algorithm::EdDSA;
    scene.pass(1);
    assert_eq!((scene.kid(), scene.published().len()), (first.clone(), 2));
    // And back again before it was used: the next one goes.
    scene.schedule.algorithm = Algorithm::ES256;
    scene.pass(1);
    assert_eq!(scene.published(), [first]);
    scene.schedule.algorithm = Algorithm::RS256;
    scene.pass(1);
    scene.pass(700);
    assert_eq!(scene.ring.in_use().expect("a key").algorithm(), Algorithm::RS256);
}

#[test]
fn a_clock_set_forward_brings_no_key_into_use_before_its_time() {
    let mut scene = Scene::start();
    let first = scene.kid();
    scene.wall += Duration::from_secs(365 * DAY);
    scene.look();
    assert_eq!((scene.kid(), scene.published().len()), (first.clone(), 2));
    scene.wall += Duration::from_secs(365 * DAY);
    scene.look();
    assert_eq!(scene.kid(), first, "published for no time at all");
    scene.pass(661);
    assert_ne!(scene.kid(), first);
    scene.wall += Duration::from_secs(365 * DAY);
    scene.look();
    assert!(scene.published().contains(&first), "tokens of it may count for those whose clock is right");
}

#[test]
fn a_clock_set_back_holds_nothing_up_for_longer_than_it_takes() {
    let mut scene = Scene::start();
    scene.pass(30 * DAY - 600);
    let first = scene.kid();
    assert_eq!(scene.published().len(), 2);
    scene.wall -= Duration::from_secs(500 * DAY);
    scene.look();
    assert_eq!(scene.kid(), first);
    scene.pass(662);
    assert_ne!(scene.kid(), first);
    scene.pass(3_700);
    assert_eq!(scene.published().len(), 1);
    // What is in use counts from the time that it is now.
    scene.pass(29 * DAY);
    assert_eq!(scene.published().len(), 1);
    scene.pass(DAY);
    assert_eq!(scene.published().len(), 2);
}

#[test]
fn what_is_kept_is_read_back_as_it_was() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
        let mut scene = Scene::start();
        scene.schedule.algorithm = algorithm;
        scene.pass(1);
        scene.pass(700);
        scene.pass(30 * DAY - 600);
        let text = scene.ring.to_text();
        let kept = Ring::from_text(text.as_bytes()).expect("what was written");
        assert_eq!(kept.published(), scene.ring.published());
        assert!(!scene.ring.is_newer_than(Some(&kept)));
        let mut again = Ring::default();
        again.adopt(&kept, scene.wall, scene.monotonic);
        assert_eq!(again.in_use().expect("a key").kid(), scene.kid());
        for cut in (0..text.len()).step_by(text.len() / 40 + 1) {
            assert!(Ring::from_text(&text.as_bytes()[..cut]).is_err(), "cut at {cut}");
        }
    }
    let text = Scene::start().ring.to_text();
    for (from, to) in [
        ("in use", "past"),
        ("\"version\":1", "\"version\":2"),
        ("ES256", "none"),
        ("pkcs8\":\"M", "pkcs8\":\"A"),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(Ring::from_text(text.replace(from, to).as_bytes()).is_err(), "{from} to {to}");
    }
}

/// Keys in a folder of their own.
fn signing(folder: &tempfile::TempDir) -> Signing {
    let signing = Signing::new(Some(folder.path()), None);
    signing.inner().schedule = Some(SCHEDULE);
    signing
}

fn published(signing: &Signing) -> Bytes {
    signing.look();
    signing.published().expect("a set").set
}

#[test]
fn keys_outlive_the_process_and_are_for_our_user_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let before = published(&signing(&folder));
    assert_eq!(published(&signing(&folder)), before);
    for (name, mode) in [("signing", 0o700), ("signing/keys.json", 0o600), ("signing/lock", 0o600)] {
        let found = fs::metadata(folder.path().join(name)).expect(name).permissions().mode() & 0o777;
        assert_eq!(found, mode, "{name}");
    }
    // What a crash left behind is in nobody's way, and does not lend its rights.
    fs::write(folder.path().join("signing/keys.json.new"), "half").expect("a file");
    fs::remove_file(folder.path().join("signing/keys.json")).expect("a file");
    let again = published(&signing(&folder));
    assert_ne!(again, before);
    let mode = fs::metadata(folder.path().join("signing/keys.json")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_torn_file_is_laid_aside_and_a_lost_folder_written_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = signing(&folder);
    let before = published(&running);
    let file = folder.path().join("signing/keys.json");
    let text = fs::read_to_string(&file).expect("a file");
    fs::write(&file, &text.as_bytes()[..text.len() / 2]).expect("a file");
    assert_eq!(published(&running), before, "what runs goes on");
    assert!(Ring::from_text(&fs::read(&file).expect("a file")).is_ok(), "written anew");
    let aside =
        |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("keys.json.unreadable-");
    let entries: Vec<_> =
        fs::read_dir(folder.path().join("signing")).expect("a folder").map(Result::unwrap).collect();
    assert_eq!(entries.iter().filter(|entry| aside(entry)).count(), 1);
    fs::remove_dir_all(folder.path().join("signing")).expect("a folder");
    assert_eq!(published(&running), before);
    assert_eq!(published(&signing(&folder)), before);
    // One that starts finds nothing to go on with.
    fs::write(&file, "").expect("a file");
    assert_ne!(published(&signing(&folder)), before);
}

#[test]
fn what_cannot_be_kept_is_not_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("signing"), "no folder").expect("a file");
    let signing = signing(&folder);
    let first = published(&signing);
    signing.inner().schedule = Some(Schedule { algorithm: Algorithm::EdDSA, ..SCHEDULE });
    assert_eq!(published(&signing), first);
    fs::remove_file(folder.path().join("signing")).expect("a file");
    let both = published(&signing);
    assert_ne!(both, first);
    assert!(both.len() > first.len());
}

#[test]
fn what_is_signed_is_verified_with_what_is_published() {
    use portcullis_identity::algorithm::Algorithms;
    use portcullis_identity::jwt::{Header, Rules, verify};
    let signing = Signing::default();
    assert!(signing.sign(&Header::new("at+jwt"), &Object::new()).is_err());
    signing.inner().schedule = Some(SCHEDULE);
    let set = KeySet::parse(&published(&signing), Origin::Remote).expect("a set");
    let now = clock::wall();
    let claims = Object::new().with("iss", "us").with("aud", "them").with("sub", "x");
    let claims = claims.with("exp", now.as_secs() + 60).with("iat", now.as_secs());
    let claims = claims.with("client_id", "x").with("jti", "1");
    let token = signing.sign(&Header::new("at+jwt"), &claims).expect("a token");
    let rules = Rules::access("us", &["them"], Algorithms::ASYMMETRIC);
    let verified = verify(token.as_bytes(), &set, &rules, now).expect("a good token");
    assert_eq!(verified.get("sub").and_then(Value::as_text), Some("x"));
}
