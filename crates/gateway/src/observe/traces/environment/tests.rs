use std::time::Duration;

use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::IntoDeserializer;

use super::{Settings, Url};
use crate::config::Traces;

fn url(text: &str) -> Url {
    let text: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    Url::deserialize(text).expect("a URL")
}

fn read(configured: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
    let env =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let traces = configured.map(|text| Traces { url: url(text), headers: IndexMap::new() });
    Settings::read(traces.as_ref(), &env, 16).map_err(|error| error.to_string())
}

#[test]
fn where_spans_go() {
    const GENERAL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    type Case = (Option<&'static str>, &'static [(&'static str, &'static str)], Option<&'static str>);
    let cases: [Case; 12] = [
        (None, &[], None),
        (None, &[(GENERAL, "")], None),
        (None, &[(GENERAL, "http://a:4318")], Some("http://a:4318/v1/traces")),
        (None, &[(GENERAL, "http://a:4318/b/")], Some("http://a:4318/b/v1/traces")),
        (None, &[(GENERAL, "http://a"), (TRACES, "http://c")], Some("http://c/")),
        (None, &[(GENERAL, "http://a"), ("OTEL_TRACES_EXPORTER", "none")], None),
        (None, &[(GENERAL, "http://a"), ("OTEL_SDK_DISABLED", "TRUE")], None),
        (None, &[(GENERAL, "http://a"), ("OTEL_TRACES_EXPORTER", "otlp")], Some("http://a/v1/traces")),
        (Some("http://d"), &[(GENERAL, "http://a")], Some("http://d/v1/traces")),
        (Some("http://d/x?y=z"), &[], Some("http://d/x?y=z")),
        (Some("http://d"), &[("OTEL_SDK_DISABLED", "true")], Some("http://d/v1/traces")),
        (Some("http://d"), &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], Some("http://d/v1/traces")),
    ];
    for (configured, variables, expected) in cases {
        let settings = read(configured, variables).expect("it can be used");
        assert_eq!(
            settings.map(|it| it.url.to_string()).as_deref(),
            expected,
            "{configured:?} {variables:?}"
        );
    }
}

#[test]
fn what_cannot_be_used_is_named_and_no_secret_is_shown() {
    for (name, value, what) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "a:4318", "expected a URL"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "only `http/protobuf`"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "only `http/protobuf`"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "expected milliseconds"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0", "expected milliseconds"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2", "expected `name=value`"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=%zzhunter2", "expected `name=value`"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=hunter2%0a", "its value is no value of a header"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "host=hunter2", "is said by the gateway itself"),
        ("OTEL_RESOURCE_ATTRIBUTES", "=a", "expected `name=value`"),
    ] {
        let mut variables = vec![(name, value)];
        if name != "OTEL_EXPORTER_OTLP_ENDPOINT" {
            variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"));
        }
        let error = read(None, &variables).expect_err(name);
        assert!(error.starts_with(name) && error.contains(what), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn who_speaks_and_how_long_is_waited() {
    let settings = read(
        Some("http://a"),
        &[
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=lost, a%2Cb = c%3Dd ,"),
            ("OTEL_SERVICE_NAME", "front"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x=1"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "y=2"),
        ],
    );
    let settings = settings.expect("good").expect("a collector");
    let pairs: Vec<(&str, &str)> =
        settings.resource.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(
        pairs,
        [("service.name", "front"), ("service.version", env!("CARGO_PKG_VERSION")), ("a,b", "c=d")]
    );
    assert_eq!(settings.timeout, Duration::from_millis(250));
    let headers: Vec<&str> = settings.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(headers, ["x"], "those of traces stand for the general ones");
    assert!(!format!("{settings:?}").contains("\"1\""), "a value may be a key: {settings:?}");
}
