use std::fs;

use super::{End, SessionEnds};
use crate::clock;
use std::time::Duration;

fn now() -> u64 {
    clock::wall().as_secs()
}

/// One of sessions until now, for as long as they could last.
fn of_now() -> End {
    End { begun_until: now(), counts_until: now().saturating_add(3_600) }
}

fn end(ends: &SessionEnds, name: &str) -> Result<(), String> {
    ends.end("corp", &[(name.to_owned(), of_now())])
}

fn has_ended(ends: &SessionEnds, login: &str, begun: u64, name: &str) -> bool {
    ends.has_ended(login, Duration::from_secs(begun), || vec![name.to_owned()])
}

#[test]
fn what_had_begun_has_ended_and_nothing_else() {
    let ends = SessionEnds::default();
    end(&ends, "sid s1").expect("room");
    assert!(has_ended(&ends, "corp", now() - 10, "sid s1"));
    assert!(!has_ended(&ends, "corp", now() + 10, "sid s1"), "begun since");
    assert!(!has_ended(&ends, "corp", now() - 10, "sid s2"));
    assert!(!has_ended(&ends, "other", now() - 10, "sid s1"), "another login's");
    assert!(ends.untold(10).is_empty(), "there is nobody to tell");
}

#[test]
fn it_outlives_the_process_and_a_torn_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("logins/ended");
    end(&SessionEnds::new(Some(folder.path()), false), "sid s1").expect("room");
    let text = fs::read_to_string(&file).expect("a file");
    fs::write(&file, format!("{text}{} 1 corp sid over\n17999", now() - 1)).expect("written");
    let again = SessionEnds::new(Some(folder.path()), false);
    assert!(has_ended(&again, "corp", now() - 10, "sid s1"));
    assert!(!again.is_known("corp", "sid over"));
    for at in 0..3_000 {
        again.learn(vec![(
            "corp sid s2".into(),
            End { begun_until: now() + at, counts_until: now() + 9_000 },
        )]);
    }
    assert!(
        fs::read_to_string(&file).expect("a file").lines().count() < 1_100,
        "it is written anew now and then"
    );
    assert!(SessionEnds::new(Some(folder.path()), false).is_known("corp", "sid s2"));
}

#[test]
fn the_others_are_told_once_and_again_when_the_store_is_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let ends = SessionEnds::new(Some(folder.path()), true);
    end(&ends, "sid s1").expect("room");
    let untold = ends.untold(10);
    assert_eq!((untold.len(), &*untold[0].0), (1, "corp sid s1"));
    // It came back before anybody said that it was written.
    ends.learn(untold.clone());
    assert!(ends.untold(10).is_empty());
    end(&ends, "sid s2").expect("room");
    ends.told(&ends.untold(10));
    assert!(ends.untold(10).is_empty());
    ends.tell_all();
    assert_eq!(ends.untold(10).len(), 2);
    // A restart does not know what was told; the store says.
    let again = SessionEnds::new(Some(folder.path()), true);
    assert_eq!(again.untold(10).len(), 2);
    again.learn(untold);
    assert_eq!(again.untold(10).len(), 1);
}

#[test]
fn what_does_not_fit_is_refused_here_and_ends_everything_when_it_comes_from_elsewhere() {
    let ends = SessionEnds::default();
    ends.resize(2);
    end(&ends, "sid s1").expect("room");
    end(&ends, "sid s2").expect("room");
    assert!(end(&ends, "sid s3").is_err());
    assert!(!has_ended(&ends, "corp", now() - 10, "sid s4"));
    let told = End { begun_until: now() - 5, ..of_now() };
    ends.learn(vec![("corp sid s3".into(), told), ("corp sid\n1 1 x".into(), told)]);
    assert!(has_ended(&ends, "corp", now() - 10, "sid s3"));
    assert!(has_ended(&ends, "corp", now() - 10, "sid s4"), "rather too many than one too few");
    assert!(!has_ended(&ends, "corp", now() - 2, "sid s4"));
}
