use std::fs;
use std::path::Path;

use portcullis_gateway::config::{self, Loaded};
use tempfile::TempDir;

use super::{KEPT_MAX, Revisions};

fn loaded(folder: &Path, mark: usize) -> Loaded {
    let path = folder.join("portcullis.yaml");
    let text = format!(
        "# {mark}\nversion: 1\ninclude: [more.yaml]\nlisteners: {{ public: {{ bind: 127.0.0.1:0 }} }}\n\
         backends: {{ one: {{ targets: [\"http://127.0.0.1:9\"] }} }}\n"
    );
    let more = "apis: { a: { backend: one, auth: none, operations: { all: { match: \"GET /\" } } } }\n";
    fs::write(&path, text).unwrap();
    fs::write(folder.join("more.yaml"), more).unwrap();
    config::load(&path).unwrap()
}

#[test]
fn a_revision_is_read_without_the_files_it_came_from() {
    let folder = TempDir::new().unwrap();
    let revisions = Revisions::open(folder.path()).unwrap();
    let kept = loaded(folder.path(), 1);
    revisions.keep(&kept.hash, &kept.documents, &folder.path().join("portcullis.yaml")).unwrap();
    fs::remove_file(folder.path().join("portcullis.yaml")).unwrap();
    fs::remove_file(folder.path().join("more.yaml")).unwrap();
    let again = revisions.all().next().unwrap().load().unwrap();
    assert_eq!((again.hash, again.config.apis.len()), (kept.hash, 1));
}

#[test]
fn the_newest_are_kept_each_once() {
    let folder = TempDir::new().unwrap();
    let revisions = Revisions::open(folder.path()).unwrap();
    let root = folder.path().join("portcullis.yaml");
    for mark in 0..KEPT_MAX + 3 {
        for _ in 0..2 {
            let loaded = loaded(folder.path(), mark);
            revisions.keep(&loaded.hash, &loaded.documents, &root).unwrap();
        }
    }
    let numbers: Vec<u64> = revisions.all().map(|revision| revision.number).collect();
    let expected: Vec<u64> = (4..=13).rev().collect();
    assert_eq!(numbers, expected);
}

#[test]
fn what_a_crash_or_a_bad_disk_left_counts_as_not_being_there() {
    let folder = TempDir::new().unwrap();
    let revisions = Revisions::open(folder.path()).unwrap();
    let root = folder.path().join("portcullis.yaml");
    let good = loaded(folder.path(), 1);
    revisions.keep(&good.hash, &good.documents, &root).unwrap();
    let inside = folder.path().join("revisions");
    let whole = fs::read_to_string(inside.join("0000000001.json")).unwrap();
    let torn = |bytes: usize| whole.as_bytes()[..bytes].to_vec();
    fs::write(inside.join("0000000002.json"), torn(whole.len() / 2)).unwrap();
    fs::write(inside.join("0000000003.json"), "").unwrap();
    fs::write(inside.join("0000000004.json"), whole.replace("# 1", "# 2")).unwrap();
    fs::write(inside.join("0000000005.unfinished"), torn(9)).unwrap();
    let revisions = Revisions::open(folder.path()).unwrap();
    assert!(!inside.join("0000000005.unfinished").exists());
    let readable: Vec<u64> = revisions.all().map(|revision| revision.number).collect();
    assert_eq!(readable, [4, 1]);
    let mut loads = revisions.all().filter_map(|revision| revision.load().ok());
    assert_eq!(loads.next().unwrap().hash, good.hash, "another hash is another configuration");
    revisions.keep(&good.hash, &good.documents, &root).unwrap();
    assert_eq!(revisions.all().next().unwrap().number, 5, "nothing is written over");
}
