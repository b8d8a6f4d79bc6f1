use std::time::Duration;

use tracing::Level;

use super::{Facts, json, plain};

fn facts() -> Facts {
    Facts {
        message: "listening".into(),
        others: vec![("address", "127.0.0.1:8080".into()), ("path", "a\n\u{1b}[2J\"b".into())],
    }
}

const WALL: Duration = Duration::from_millis(1_700_000_000_007);

#[test]
fn machines_read_one_object_a_line() {
    let mut out = Vec::new();
    json(&mut out, WALL, Level::INFO, "portcullis_gateway::listener", &facts());
    assert_eq!(
        String::from_utf8(out).unwrap(),
        concat!(
            r#"{"timestamp":"2023-11-14T22:13:20.007Z","severity_text":"INFO","event.name":"portcullis.lifecycle","#,
            r#""message":"listening","log.logger":"portcullis_gateway::listener","address":"127.0.0.1:8080","#,
            r#""path":"a\u000a\u001b[2J\"b"}"#,
            "\n"
        )
    );
}

#[test]
fn people_read_one_line_that_cannot_drive_their_terminal() {
    let mut out = Vec::new();
    plain(&mut out, WALL, Level::WARN, &facts(), false);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "2023-11-14T22:13:20.007Z  WARN listening address=127.0.0.1:8080 path=a\\u{a}\\u{1b}[2J\"b\n"
    );
}

#[test]
fn colour_is_added_only_when_asked_for() {
    let mut out = Vec::new();
    plain(&mut out, WALL, Level::ERROR, &Facts { message: "x".into(), others: Vec::new() }, true);
    assert!(String::from_utf8(out).unwrap().contains("\u{1b}[31mERROR\u{1b}[0m"));
}
