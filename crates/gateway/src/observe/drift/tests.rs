use std::sync::atomic::Ordering;
use std::time::Duration;

use http::StatusCode;

use super::super::record::Record;
use super::super::sample;
use super::*;
use crate::problem::{Blame, ProblemKind};

static NOT_FOUND: ProblemKind = ProblemKind {
    code: "no-such-operation",
    status: StatusCode::NOT_FOUND,
    title: "No such operation",
    blame: Blame::Client,
    severity: None,
    about: "Not published.",
};

const AT: Duration = Duration::from_secs(1_000);

fn asked(drift: &Drift, method: &str, path: &str, status: u16) {
    let (peer, verdicts) = (sample::peer(), sample::refusal(&NOT_FOUND));
    let record = Record {
        method: Some(method),
        path: Some(path),
        status: Some(status),
        api: None,
        operation: None,
        metrics: None,
        ..sample::ended(&peer, &NOT_FOUND, &verdicts)
    };
    drift.unrouted(&record);
}

#[test]
fn requests_for_what_is_not_published_are_kept_by_shape() {
    let drift = Drift::default();
    for path in ["/orders/1", "/orders/2", "/orders/375"] {
        asked(&drift, "GET", path, 404);
    }
    asked(&drift, "DELETE", "/orders", 405);
    asked(&drift, "GET", "/orders", 421);
    let (shadow, forgotten) = drift.shadow();
    let shown: Vec<_> =
        shadow.iter().map(|it| (&*it.method, &*it.path, it.answered, it.seen.count)).collect();
    assert_eq!(shown, [("GET", "/orders/{number}", 404, 3), ("DELETE", "/orders", 405, 1)]);
    assert_eq!(forgotten, 0);
    assert_eq!(drift.answered().collect::<Vec<_>>(), [("404", 3), ("405", 1)]);
}

#[test]
fn a_scanner_makes_no_memory() {
    let drift = Drift::default();
    asked(&drift, "GET", "/real", 404);
    for number in 0..10_000 {
        asked(&drift, "GET", &format!("/a{number}b/{}", "x".repeat(5_000)), 404);
        asked(&drift, "GET", "/real", 404);
    }
    let (shadow, forgotten) = drift.shadow();
    assert!(shadow.len() <= SHADOW_KEPT, "{}", shadow.len());
    assert_eq!((&*shadow[0].path, shadow[0].seen.count), ("/real", 10_001), "what is asked for stays");
    assert!(shadow.iter().all(|it| it.path.len() <= NAME_BYTES_MAX + 4));
    assert!(forgotten > 8_000);
}

#[test]
fn names_of_an_operation_are_bounded_and_so_are_all() {
    let drift = Drift::default();
    let usage = Usage::default();
    for number in 0..1_000 {
        usage.undeclared(&drift, Side::Request, Undeclared::Query, &format!("debug{number}x"), AT);
    }
    let (names, forgotten) = usage.names();
    assert!(names.len() <= NAMES_KEPT && forgotten > 900, "{} {forgotten}", names.len());
    assert_eq!(usage.counts(), [("request", 1_000), ("response", 0)]);
    assert_eq!(drift.names.load(Ordering::Relaxed), usage.kept());

    let many: Vec<Usage> = (0..600).map(|_| Usage::default()).collect();
    for usage in &many {
        for number in 0..NAMES_KEPT / 2 {
            usage.undeclared(&drift, Side::Response, Undeclared::Field, &format!("/f{number}x"), AT);
        }
    }
    assert!(drift.names.load(Ordering::Relaxed) <= NAMES_KEPT_OF_ALL);
    let kept: usize = many.iter().map(Usage::kept).sum::<usize>() + usage.kept();
    assert_eq!(drift.names.load(Ordering::Relaxed), kept);
}

#[test]
fn places_of_arrays_and_values_are_no_names() {
    for (given, kept) in [
        ("/items/0/secret", "/items/*/secret"),
        ("/items/123/by/018f3a5e-0000-7000-8000-000000000001/x", "/items/*/by/*/x"),
        ("/a~1b/\u{1b}[31m", "/a~1b/\\u{1b}[31m"),
        ("", ""),
    ] {
        assert_eq!(&*pointer(given), kept, "{given:?}");
    }
    for (given, kept) in [
        ("/", "/"),
        ("/v1/things", "/v1/things"),
        ("/v1/things/018f3a5e-0000-7000-8000-000000000001", "/v1/things/{uuid}"),
        ("/files/3f2a9c1b7d5e4f60", "/files/{token}"),
        ("/wp-admin/setup-config.php", "/wp-admin/setup-config.php"),
    ] {
        assert_eq!(&*shape(given), kept, "{given:?}");
    }
    assert_eq!(&*shape(&"/a".repeat(50)), &*format!("{}/…", "/a".repeat(SEGMENTS_MAX)));
}
