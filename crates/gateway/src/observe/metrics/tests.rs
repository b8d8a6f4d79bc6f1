use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::{
    AcmeFacts, AnswerOutcome, AuthorizerFacts, BackendFacts, CertificateEnd, CircuitFacts, ConnectionOutcome,
    HealthFacts, IssuerFacts, Metrics, NameFacts, PlacesFacts, StoreMetrics, TargetFacts,
};
use crate::observe::drift::{Side, Undeclared};
use crate::observe::incident::Incident;
use crate::observe::names::{Kind, METRICS};
use crate::observe::record::{Decision, Record};
use crate::observe::sample;
use crate::signing::SigningFacts;

/// A sample: its name, its labels, its value.
type Sample = (String, BTreeMap<String, String>, f64);

/// Reads an exposition as strictly as the format is written (OpenMetrics 1.0 §5), and panics where it deviates.
fn parse(text: &str) -> Vec<Sample> {
    let body = text.strip_suffix("# EOF\n").expect("ends in EOF");
    let mut families: HashMap<String, String> = HashMap::new();
    let mut seen: HashSet<(String, BTreeMap<String, String>)> = HashSet::new();
    let mut samples = Vec::new();
    let mut current = String::new();
    for line in body.lines() {
        assert!(!line.is_empty() && line.trim() == line, "{line:?}");
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram", "info"].contains(&kind), "{line}");
            assert_eq!(name, current, "TYPE follows HELP");
            assert!(families.insert(name.into(), kind.into()).is_none(), "{name} twice");
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            current = rest.split_once(' ').unwrap().0.to_owned();
        } else {
            let (name, labels, value) = sample(line);
            let kind = &families[&current];
            let ending = name.strip_prefix(&current).unwrap_or_else(|| panic!("{name} in {current}"));
            let endings: &[&str] = match kind.as_str() {
                "counter" => &["_total"],
                "info" => &["_info"],
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            assert!(endings.contains(&ending), "{line}");
            assert_eq!(labels.contains_key("le"), ending == "_bucket", "{line}");
            assert!(value >= 0.0 && value.is_finite(), "{line}");
            assert!(seen.insert((name.clone(), labels.clone())), "{line} twice");
            samples.push((name, labels, value));
        }
    }
    samples
}

fn sample(line: &str) -> Sample {
    let (head, value) = line.rsplit_once(' ').unwrap();
    let (name, mut rest) = match head.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}').expect("closed")),
        None => (head, ""),
    };
    assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{name}");
    let mut labels = BTreeMap::new();
    while !rest.is_empty() {
        let (key, quoted) = rest.split_once("=\"").unwrap();
        let mut text = String::new();
        let mut letters = quoted.char_indices();
        let end = loop {
            match letters.next().expect("closing quote") {
                (at, '"') => break at,
                (_, '\\') => text.push(match letters.next().unwrap().1 {
                    'n' => '\n',
                    letter @ ('"' | '\\') => letter,
                    letter => panic!("escape {letter:?}"),
                }),
                (_, letter) => text.push(letter),
            }
        };
        assert!(labels.insert(key.to_owned(), text).is_none(), "{key} twice in {line}");
        rest = quoted.split_at(end).1.strip_prefix('"').unwrap();
        rest = rest.strip_prefix(',').unwrap_or_else(|| {
            assert!(rest.is_empty(), "{line}");
            rest
        });
    }
    (name.to_owned(), labels, value.parse().unwrap())
}

fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    samples
        .iter()
        .find(|(sample, found, _)| {
            sample == name && labels.iter().all(|(key, value)| found.get(*key).is_some_and(|v| v == value))
        })
        .map(|(_, _, value)| *value)
}

fn busy() -> Arc<Metrics> {
    let metrics = Arc::new(Metrics::default());
    let (peer, verdicts) = (sample::peer(), sample::verdicts());
    let refusal = sample::refusal(&sample::KEY_UNKNOWN);
    let operation = metrics.operation("orders", "createOrder", "/orders/{id}");
    let mut record = sample::allowed(&peer, &verdicts);
    record.metrics = Some(&operation);
    metrics.record(&record.counted());
    record.observed = Some((&sample::KEY_UNKNOWN, None));
    metrics.record(&record.counted());
    let mut refused = sample::ended(&peer, &sample::KEY_UNKNOWN, &refusal);
    refused.metrics = Some(&operation);
    metrics.record(&refused.counted());
    metrics.incident(&Incident::of(&refused).unwrap());
    metrics.record(&sample::unread(&peer, b"x", &refusal).counted());
    let listener = metrics.listener("public");
    listener.outcome(ConnectionOutcome::Accepted);
    operation.deprecate(true);
    operation.answered(AnswerOutcome::Stripped);
    operation.undeclared(Side::Request, Undeclared::Query, "debug", Duration::from_secs(1_700_000_000));
    std::mem::forget((operation, listener.open(), metrics.snapshot()));
    metrics.applied("abc123", Duration::from_secs(1_700_000_000));
    let end = |is_list, role, name: &str, place: &str| CertificateEnd {
        is_list,
        role,
        name: name.to_owned(),
        place: place.into(),
        ends: Duration::from_secs(1_800_000_000),
    };
    metrics.certificates(vec![
        end(false, "server", "api.example.com", "listeners.public.tls.certificates[0].cert"),
        end(true, "revocation_list", "CN=clients", "listeners.public.tls.client_certificates.crl[0]"),
    ]);
    metrics.acme.set(|| {
        let name = "api.example.com".to_owned();
        vec![AcmeFacts { name, state: "valid", good: 2, failed: 1, ..AcmeFacts::default() }]
    });
    metrics.bodies.set(|| 4_096);
    let facts = TargetFacts {
        backend: "orders".to_owned(),
        target: "http://10.0.0.5:8080".into(),
        in_flight: 2,
        is_left_out: true,
        failures: 7,
        ejections: 1,
        health: Some(HealthFacts { is_healthy: false, good: 5, failed: 2 }),
        name: Some(NameFacts { addresses: 2, failures: 1 }),
    };
    metrics.targets.set(move || vec![facts.clone()]);
    let facts = BackendFacts {
        backend: "orders".to_owned(),
        circuit: Some(CircuitFacts { is_open: true, openings: 1, refused: 3 }),
        places: Some(PlacesFacts { waiting: 2, refused: 5 }),
        ..BackendFacts::default()
    };
    metrics.store.set(|| StoreMetrics {
        kind: "sqlite",
        is_up: true,
        revision: Some(7),
        consumers: 2,
        rows_refused: 1,
    });
    metrics.backends.set(move || vec![facts.clone()]);
    metrics.signing.set(|| {
        Some(SigningFacts {
            shared: true,
            keys: 2,
            signs: true,
            age_seconds: Some(60),
            overdue_seconds: None,
            failure: None,
        })
    });
    let facts = IssuerFacts {
        name: "corp".to_owned(),
        keys: Some(2),
        age_seconds: Some(34),
        fetches: Some((5, 1)),
        asked: Some((8, 1)),
        ..IssuerFacts::default()
    };
    metrics.issuers.set(move || vec![facts.clone()]);
    let facts =
        AuthorizerFacts { name: "policy".to_owned(), allowed: 3, in_flight: 1, ..AuthorizerFacts::default() };
    metrics.authorizers.set(move || vec![facts.clone()]);
    metrics
}

#[test]
fn the_exposition_parses_and_holds_every_listed_metric() {
    let samples = parse(&busy().text());
    for metric in METRICS {
        let name = match metric.kind {
            Kind::Histogram => format!("{}_count", metric.name),
            Kind::Counter | Kind::Gauge | Kind::Info => metric.name.to_owned(),
        };
        let (_, labels, _) =
            samples.iter().find(|sample| sample.0 == name).unwrap_or_else(|| panic!("{name}"));
        let mut listed = metric.labels.to_vec();
        listed.sort_unstable();
        assert_eq!(labels.keys().collect::<Vec<_>>(), listed, "{name}");
    }
    let listed = |name: &str| {
        METRICS.iter().any(|metric| {
            name == metric.name || (metric.kind == Kind::Histogram && name.starts_with(metric.name))
        })
    };
    assert!(samples.iter().all(|(name, _, _)| listed(name)));
}

#[test]
fn exchanges_are_counted_by_outcome_control_and_problem() {
    let samples = parse(&busy().text());
    let check = |name: &str, labels: &[(&str, &str)], expected: f64| {
        assert_eq!(value(&samples, name, labels), Some(expected), "{name} {labels:?}");
    };
    let orders = ("api", "orders");
    check("portcullis_requests_total", &[orders, ("outcome", "allowed")], 2.0);
    check("portcullis_requests_total", &[orders, ("outcome", "refused")], 1.0);
    check("portcullis_requests_total", &[("api", ""), ("outcome", "refused")], 1.0);
    check("portcullis_decisions_total", &[("control", "route"), ("verdict", "allowed")], 2.0);
    check("portcullis_problems_total", &[("code", "key-unknown")], 1.0);
    check("portcullis_problems_total", &[("code", "malformed-request")], 1.0);
    check("portcullis_incidents_total", &[("kind", "key-unknown"), ("severity", "medium")], 1.0);
    check("portcullis_open_connections", &[("listener", "public")], 1.0);
    check("portcullis_snapshots_alive", &[], 1.0);
    check("portcullis_config_info", &[("hash", "abc123")], 1.0);
    check("portcullis_config_last_reload_success", &[], 1.0);
    check("portcullis_bodies_in_memory_bytes", &[], 4_096.0);
    check("http_server_request_duration_seconds_count", &[orders, ("http_response_status_code", "201")], 2.0);
    check("http_server_request_duration_seconds_count", &[orders, ("http_response_status_code", "401")], 1.0);
}

#[test]
fn durations_fall_into_the_right_buckets() {
    let metrics = Arc::new(Metrics::default());
    let (peer, verdicts) = (sample::peer(), sample::verdicts());
    let mut record = sample::allowed(&peer, &verdicts);
    for micros in [0, 4_999, 5_000, 5_001, 10_000, 99_999, 10_000_000, 10_000_001, 3_600_000_000] {
        record.took = Duration::from_micros(micros);
        metrics.record(&record.counted());
    }
    let samples = parse(&metrics.text());
    let bucket = |le| value(&samples, "http_server_request_duration_seconds_bucket", &[("le", le)]).unwrap();
    let found = ["0.005", "0.01", "0.025", "0.075", "0.1", "7.5", "10.0", "+Inf"].map(bucket);
    assert_eq!(found, [3.0, 5.0, 5.0, 5.0, 6.0, 6.0, 7.0, 9.0]);
    assert_eq!(value(&samples, "http_server_request_duration_seconds_count", &[]), Some(9.0));
    let sum = value(&samples, "http_server_request_duration_seconds_sum", &[]).unwrap();
    assert!((sum - 3_620.125_000).abs() < 0.001, "{sum}");
}

#[test]
fn whoever_ends_with_the_usual_status_in_another_way_is_counted_as_both() {
    let metrics = Arc::new(Metrics::default());
    let (peer, verdicts) = (sample::peer(), sample::verdicts());
    let mut record = sample::allowed(&peer, &verdicts);
    let operation = metrics.operation("orders", "list", "/orders");
    record.metrics = Some(&operation);
    let ends = [
        (Decision::Allowed, 201, 3),
        (Decision::Aborted, 201, 30),
        (Decision::Allowed, 201, 300),
        (Decision::Allowed, 404, 3_000),
        (Decision::Aborted, 404, 3),
        (Decision::Refused, 401, 3),
        (Decision::Allowed, 201, 4),
    ];
    for (decision, status, millis) in ends {
        record.decision = decision;
        record.status = Some(status);
        record.took = Duration::from_millis(millis);
        metrics.record(&record.counted());
    }
    let samples = parse(&metrics.text());
    let outcome =
        |outcome| value(&samples, "portcullis_requests_total", &[("api", "orders"), ("outcome", outcome)]);
    let outcomes = ["allowed", "refused", "answered", "failed", "aborted"].map(outcome);
    assert_eq!(outcomes, [4.0, 1.0, 0.0, 0.0, 2.0].map(Some));
    let duration = |what: &str, status, le: Option<&str>| {
        let name = format!("http_server_request_duration_seconds_{what}");
        let labels: Vec<_> =
            [("http_response_status_code", status)].into_iter().chain(le.map(|le| ("le", le))).collect();
        value(&samples, &name, &labels)
    };
    let count = |status| duration("count", status, None);
    assert_eq!(["201", "404", "401", "200"].map(count), [Some(4.0), Some(2.0), Some(1.0), None]);
    let of_the_usual = ["0.005", "0.05", "0.5", "+Inf"].map(|le| duration("bucket", "201", Some(le)));
    assert_eq!(of_the_usual, [2.0, 3.0, 4.0, 4.0].map(Some));
    let sum = duration("sum", "201", None).expect("a sum");
    assert!((sum - 0.337).abs() < 1e-9, "{sum}");

    assert_eq!(operation.used().map(|seen| seen.count), Some(7), "all were forwarded");
}

#[test]
fn no_request_makes_a_series() {
    let metrics = Arc::new(Metrics::default());
    let (peer, verdicts) = (sample::peer(), sample::verdicts());
    let mut record = sample::allowed(&peer, &verdicts);
    for status in 0..=u16::MAX {
        record.status = Some(status);
        metrics.record(&record.counted());
    }
    let methods: Vec<String> = (0..200).map(|n| format!("M{n}")).collect();
    record.status = None;
    for method in &methods {
        record.method = Some(method);
        metrics.record(&record.counted());
    }
    let samples = parse(&metrics.text());
    let counts = samples.iter().filter(|(name, _, _)| name == "http_server_request_duration_seconds_count");
    let labels: HashSet<_> =
        counts.map(|(_, labels, _)| labels["http_response_status_code"].clone()).collect();
    assert!(labels.len() <= 55, "{labels:?}");
    assert!(labels.contains("none") && labels.contains("4xx") && labels.contains("404"));
    let other = [("http_request_method", "_OTHER")];
    assert_eq!(value(&samples, "http_server_request_duration_seconds_count", &other), Some(200.0));
}

#[test]
fn counters_survive_a_reload_and_end_with_their_operation() {
    let metrics = Arc::new(Metrics::default());
    let (peer, verdicts) = (sample::peer(), sample::verdicts());
    let before = metrics.operation("orders", "list", "/orders");
    let mut record = sample::allowed(&peer, &verdicts);
    record.metrics = Some(&before);
    metrics.record(&record.counted());
    let after = metrics.operation("orders", "list", "/orders");
    drop(before);
    let orders = [("api", "orders"), ("outcome", "allowed")];
    assert_eq!(value(&parse(&metrics.text()), "portcullis_requests_total", &orders), Some(1.0));
    drop(after);
    assert_eq!(value(&parse(&metrics.text()), "portcullis_requests_total", &orders), None);
}

#[test]
fn names_from_the_configuration_are_escaped() {
    let metrics = Arc::new(Metrics::default());
    let odd = "a\"b\\c\nd";
    let _kept = metrics.operation(odd, odd, odd);
    let samples = parse(&metrics.text());
    assert_eq!(
        value(&samples, "portcullis_requests_total", &[("api", odd), ("outcome", "failed")]),
        Some(0.0)
    );
}

#[test]
fn connections_are_counted_until_they_end_and_listeners_until_they_go() {
    let metrics = Arc::new(Metrics::default());
    let listener = metrics.listener("public");
    let (one, two) = (listener.open(), metrics.listener("public").open());
    assert_eq!(listener.open_now(), 2);
    drop((one, two));
    assert_eq!(listener.open_now(), 0);
    listener.outcome(ConnectionOutcome::Full);
    let full = [("listener", "public"), ("outcome", "full")];
    assert_eq!(value(&parse(&metrics.text()), "portcullis_connections_total", &full), Some(1.0));
    metrics.retain_listeners(&["other"]);
    assert_eq!(value(&parse(&metrics.text()), "portcullis_connections_total", &full), None);
}

#[test]
fn a_refused_configuration_shows_beside_the_one_in_force() {
    let metrics = Arc::new(Metrics::default());
    metrics.applied("first", Duration::from_secs(10));
    metrics.rejected(Duration::from_secs(20));
    let samples = parse(&metrics.text());
    assert_eq!(value(&samples, "portcullis_config_info", &[("hash", "first")]), Some(1.0));
    assert_eq!(value(&samples, "portcullis_config_last_reload_success", &[]), Some(0.0));
    assert_eq!(value(&samples, "portcullis_config_last_reload_timestamp_seconds", &[]), Some(20.0));
}

#[test]
fn more_names_than_the_table_holds_are_counted_together() {
    let table = super::Table::<std::sync::atomic::AtomicU64>::default();
    for n in 0..1_000 {
        let name: &'static str = Box::leak(format!("control-{n}").into_boxed_str());
        table.get(name).fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    let total: u64 = table.entries().map(|(_, count)| count.load(std::sync::atomic::Ordering::Relaxed)).sum();
    assert_eq!(total, 1_000);
    let (name, other) = table.entries().last().unwrap();
    assert!(name == "other" && other.load(std::sync::atomic::Ordering::Relaxed) >= 744);
}

#[test]
fn every_decision_has_a_counter_of_its_own() {
    let metrics = Arc::new(Metrics::default());
    let (peer, verdicts) = (sample::peer(), sample::verdicts());
    for decision in Decision::ENDS {
        let mut record = sample::allowed(&peer, &verdicts);
        record.decision = decision;
        metrics.record(&record.counted());
    }
    let samples = parse(&metrics.text());
    for decision in Decision::ENDS {
        let labels = [("outcome", decision.as_str())];
        assert_eq!(value(&samples, "portcullis_requests_total", &labels), Some(1.0));
    }
}

#[test]
fn an_operation_says_how_often_and_when_it_was_used() {
    let (metrics, peer, verdicts) = (Metrics::default(), sample::peer(), sample::verdicts());
    let operation = metrics.operation("orders", "createOrder", "/orders");
    assert_eq!(operation.used(), None);
    let good = sample::allowed(&peer, &verdicts);
    let later = good.wall + Duration::from_secs(5);
    for (decision, asked, count) in [
        (Decision::Refused, false, None),
        (Decision::Allowed, true, Some(1)),
        (Decision::Answered, false, Some(2)),
        // Its backend was asked, whatever became of the answer.
        (Decision::Aborted, true, Some(3)),
        (Decision::Failed, false, Some(3)),
    ] {
        let wall = if count == Some(1) { good.wall } else { later };
        let backend = good.backend.filter(|_| asked);
        let record = Record { wall, decision, backend, ..sample::allowed(&peer, &verdicts) };
        operation.record(&record.counted());
        let seen = operation.used().map(|seen| seen.count);
        assert_eq!(seen, count, "{decision:?}");
    }
    let seen = operation.used().expect("it was used");
    assert_eq!((seen.first, seen.last), (good.wall, later));
}
