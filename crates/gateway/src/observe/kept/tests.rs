use std::time::Duration;

use super::{ALLOWED_KEPT, REFUSED_KEPT, Rings, TEXT_BYTES_MAX};
use crate::observe::record::Decision;
use crate::observe::sample;

#[test]
fn a_refusal_is_found_by_its_id_with_all_its_facts() {
    let (peer, verdicts) = (sample::peer(), sample::refusal(&sample::KEY_UNKNOWN));
    let rings = Rings::default();
    rings.keep(&sample::ended(&peer, &sample::KEY_UNKNOWN, &verdicts));
    let kept = rings.find("01900000-0000-7000-8000-000000000001").unwrap();
    assert_eq!((kept.path.as_str(), kept.problem), ("/orders/42", Some("key-unknown")));
    assert_eq!(
        (kept.detail.as_str(), kept.cause.as_str()),
        ("what the caller was told", "what the log is told")
    );
    let [verdict] = kept.verdicts.as_slice() else { panic!("one verdict, as there was") };
    assert_eq!(
        (verdict.control, verdict.decision, &verdict.place),
        ("key-unknown", Decision::Refused, &None)
    );
    assert_eq!(rings.find("01900000-0000-7000-8000-000000000002"), None);
}

#[test]
fn it_reads_as_json_so() {
    let (peer, verdicts) = (sample::peer(), sample::verdicts());
    let rings = Rings::default();
    rings.keep(&sample::allowed(&peer, &verdicts));
    let json = serde_json::to_value(&rings.recent(1)[0]).unwrap();
    assert_eq!(json["time"], "2023-11-14T22:13:20.007Z");
    assert_eq!(json["duration_ms"], 12.345);
    assert_eq!(json["decision"], "allowed");
    assert_eq!(json["verdicts"][0]["place"], "portcullis.yaml:20 apis.orders.operations.createOrder");
    assert!(json.get("problem").is_none() && json.get("detail").is_none());
}

#[test]
fn rings_are_bounded_and_refusals_do_not_displace_what_went_well() {
    let (peer, verdicts) = (sample::peer(), sample::verdicts());
    let rings = Rings::default();
    rings.keep(&sample::allowed(&peer, &verdicts));
    for n in 0..(3 * REFUSED_KEPT as u64) {
        let id = format!("id-{n}");
        let mut record = sample::ended(&peer, &sample::TIMEOUT, &verdicts);
        record.id = id.as_bytes();
        record.wall = Duration::from_secs(n);
        rings.keep(&record);
    }
    let kept = rings.recent(usize::MAX);
    assert!(kept.len() <= REFUSED_KEPT + ALLOWED_KEPT, "{}", kept.len());
    assert!(rings.find("01900000-0000-7000-8000-000000000001").is_some());
    assert!(rings.find("id-0").is_none());
    let last = format!("id-{}", 3 * REFUSED_KEPT - 1);
    assert!(rings.find(&last).is_some());
}

#[test]
fn the_latest_come_first() {
    let (peer, verdicts) = (sample::peer(), sample::verdicts());
    let rings = Rings::default();
    for n in 1..=5_u64 {
        let id = format!("id-{n}");
        let mut record = sample::allowed(&peer, &verdicts);
        (record.id, record.wall) = (id.as_bytes(), Duration::from_millis(n * 10));
        record.decision = if n % 2 == 0 { Decision::Refused } else { Decision::Allowed };
        rings.keep(&record);
    }
    let ids: Vec<String> = rings.recent(3).into_iter().map(|kept| kept.id).collect();
    assert_eq!(ids, ["id-5", "id-4", "id-3"]);
}

#[test]
fn under_load_only_one_of_many_that_went_well_is_kept() {
    let (peer, verdicts) = (sample::peer(), sample::verdicts());
    let rings = Rings::default();
    for n in 0..1_000_u64 {
        let mut record = sample::allowed(&peer, &verdicts);
        record.wall = Duration::from_micros(1_000_000 + n * 10);
        rings.keep(&record);
    }
    assert_eq!(rings.recent(usize::MAX).len(), 10);
}

#[test]
fn long_values_are_cut_at_a_character() {
    let (peer, verdicts) = (sample::peer(), sample::verdicts());
    let rings = Rings::default();
    let path = "ü".repeat(TEXT_BYTES_MAX);
    let mut record = sample::allowed(&peer, &verdicts);
    record.path = Some(&path);
    rings.keep(&record);
    assert_eq!(rings.recent(1)[0].path.len(), TEXT_BYTES_MAX);
}
