use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::{Destination, Observe, Settings, sample};

const PATIENCE: Duration = Duration::from_secs(20);

fn lines(path: &std::path::Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_exchange_makes_one_record_and_each_refusal_one_incident() {
    let folder = tempfile::tempdir().unwrap();
    let (access, incidents) = (folder.path().join("access"), folder.path().join("incidents"));
    let observe = Observe::start(&Settings {
        access_log: Destination::File(access.clone()),
        incidents: Destination::File(incidents.clone()),
        ..Settings::default()
    })
    .unwrap();
    let (peer, good, bad) = (sample::peer(), sample::verdicts(), sample::refusal(&sample::KEY_UNKNOWN));
    for _ in 0..5 {
        observe.record(&sample::allowed(&peer, &good));
        observe.record(&sample::ended(&peer, &sample::KEY_UNKNOWN, &bad));
        observe.record(&sample::ended(&peer, &sample::TIMEOUT, &good));
        observe.record(&sample::unread(&peer, b"GET /x?key=secret HTTP/9", &bad));
    }
    assert!(observe.flush(PATIENCE));
    assert_eq!(lines(&access).len(), 20);
    let mut kinds: HashMap<String, usize> = HashMap::new();
    for incident in lines(&incidents) {
        assert_eq!(incident["event.name"], "portcullis.incident");
        *kinds.entry(incident["portcullis.incident.kind"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(kinds, HashMap::from([("key-unknown".to_owned(), 5), ("malformed-request".to_owned(), 5)]));
    assert!(!fs::read_to_string(&incidents).unwrap().contains("secret"));
}

#[test]
fn two_streams_may_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all");
    let destination = Destination::File(path.clone());
    let observe = Observe::start(&Settings {
        access_log: destination.clone(),
        incidents: destination,
        ..Settings::default()
    })
    .unwrap();
    let (peer, bad) = (sample::peer(), sample::refusal(&sample::KEY_UNKNOWN));
    observe.record(&sample::ended(&peer, &sample::KEY_UNKNOWN, &bad));
    assert!(observe.flush(PATIENCE));
    let names: Vec<Value> = lines(&path).into_iter().map(|line| line["event.name"].clone()).collect();
    assert_eq!(names, ["portcullis.access", "portcullis.incident"]);
}

#[test]
fn an_output_that_cannot_be_opened_leaves_the_running_ones_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access");
    let good = Settings { access_log: Destination::File(path.clone()), ..Settings::default() };
    let observe = Observe::start(&good).unwrap();
    let bad = Settings { incidents: Destination::File("/nonexistent/x".into()), ..good };
    let error = observe.prepare(&bad).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/x") && error.contains("incidents"), "{error}");
    let (peer, verdicts) = (sample::peer(), sample::verdicts());
    observe.record(&sample::allowed(&peer, &verdicts));
    assert!(observe.flush(PATIENCE));
    assert_eq!(lines(&path).len(), 1);
}

#[test]
fn new_settings_take_effect_and_nothing_queued_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let to = |path: &std::path::Path| Settings {
        access_log: Destination::File(path.to_owned()),
        ..Settings::default()
    };
    let observe = Observe::start(&to(&old)).unwrap();
    let (peer, verdicts) = (sample::peer(), sample::verdicts());
    observe.record(&sample::allowed(&peer, &verdicts));
    let outputs = observe.prepare(&to(&new)).unwrap();
    observe.record(&sample::allowed(&peer, &verdicts));
    observe.adopt(outputs);
    observe.record(&sample::allowed(&peer, &verdicts));
    assert!(observe.flush(PATIENCE));
    assert_eq!(lines(&new).len(), 1);
    for _ in 0..4_000 {
        if fs::read_to_string(&old).unwrap().lines().count() == 2 {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the old file lacks what was queued for it");
}

#[test]
fn with_every_stream_off_exchanges_are_still_counted_and_kept() {
    let observe = Observe::default();
    let (peer, verdicts) = (sample::peer(), sample::verdicts());
    observe.record(&sample::allowed(&peer, &verdicts));
    assert!(observe.explain("01900000-0000-7000-8000-000000000001").is_some());
    assert!(observe.metrics_text().contains("portcullis_requests_total"));
    assert!(observe.flush(Duration::ZERO));
}
