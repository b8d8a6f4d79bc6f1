use std::fs;

use super::{Copy, Origin};
use crate::store::rows::tests::row;

fn origin(revision: i64) -> Origin {
    Origin { store: "s".to_owned(), revision }
}

#[test]
fn the_last_line_of_a_consumer_counts_and_a_torn_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut copy = Copy::of(folder.path());
    assert!(copy.read().unwrap().consumers.is_empty());
    let (first, mut second) = (row(), row());
    copy.replace(&[first], &origin(7)).unwrap();
    second.credentials.clear();
    second.revision = 8;
    assert!(!copy.append(&[second.clone()], &origin(8), 1).unwrap());
    let contents = copy.read().unwrap();
    assert_eq!((contents.torn, contents.origin), (0, Some(origin(8))));
    assert_eq!(contents.consumers, [second.clone()]);
    // A crash in the middle of a line, and what comes after it.
    let path = folder.path().join("callers.jsonl");
    let mut text = fs::read(&path).unwrap();
    text.truncate(text.len() - 20);
    fs::write(&path, &text).unwrap();
    let mut third = row();
    third.name = "other".to_owned();
    copy.append(&[third.clone()], &origin(9), 2).unwrap();
    let contents = copy.read().unwrap();
    assert_eq!((contents.torn, contents.origin), (1, Some(origin(9))));
    assert_eq!(contents.consumers.len(), 2);
    // One bit.
    let text = fs::read_to_string(&path).unwrap().replace("other", "othes");
    fs::write(&path, text).unwrap();
    let contents = copy.read().unwrap();
    assert_eq!((contents.torn, contents.consumers), (2, vec![second]));
}

#[test]
fn a_copy_that_has_grown_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut copy = Copy::of(folder.path());
    let many: Vec<_> = std::iter::repeat_with(row).take(super::LINES_MIN).collect();
    assert!(copy.append(&many, &origin(1), 1).unwrap());
    copy.replace(&[row()], &origin(1)).unwrap();
    assert_eq!(copy.read().unwrap().consumers, [row()]);
}
