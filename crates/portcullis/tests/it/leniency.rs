//! What a listener refuses unless it is told to be lenient: refused without the word, let through with it, and nothing
//! more than that.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Recorder, Request, Wire};

use crate::stage::{CONFIG, Findings, Stage, executable};

/// A stage whose listener says this besides.
fn stage(words: &str) -> Stage {
    Stage::with(&config(words))
}

fn config(words: &str) -> String {
    let config = CONFIG.replace("protocols: [http1, http2]", &format!("protocols: [http1, http2]{words}"));
    // Beside the secured API, an operation that another reading of a path could lead to.
    config.replace("  secured:", "  team:\n    base_path: /team\n    backend: recorder\n    auth: none\n    operations: { one: { match: \"GET /{name}\" }, all: { match: \"GET /all/members\" }, box: { match: \"GET /box/{rest*}\" }, own: { match: \"GET /box/own/{id}\" } }\n  secured:")
}

/// Sends a request for `target` and tells what arrived as, or that it was refused as malformed.
fn ask(stage: &Stage, wire: &Wire, target: &str) -> Result<Option<String>, String> {
    let mark = stage.backend.mark();
    let response = wire.send(stage.public(), &Request::get(target));
    let arrived = stage.arrived_since(mark)?;
    match (response.status, response.problem().as_deref(), arrived.as_slice()) {
        (200, None, [one]) => Ok(Some(String::from_utf8_lossy(&one.target).into_owned())),
        (400, Some("malformed-request"), []) => Ok(None),
        _ => Err(format!("{response:?}, {arrived:?}")),
    }
}

/// A word, what it lets through and as what, and what is refused in spite of it.
type Leniency = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

const LENIENCIES: &[Leniency] = &[
    (
        "empty_segments",
        &[("/a//b", "/a//b"), ("/a//", "/a//"), ("/a///b//c", "/a///b//c"), ("/team/box//1", "/team/box//1")],
        &["//a", "/a//../b", "/a//%2e%2e/b", "/a%2Fb", "/a%2F%2Fb", "/team/box//own/1", "/x/..//admin"],
    ),
    (
        "encoded_slashes",
        &[
            ("/projects/group%2Fname", "/projects/group%2Fname"),
            ("/a%2fb%2Fc/d", "/a%2Fb%2Fc/d"),
            ("/team/ops%2Fnight", "/team/ops%2Fnight"),
            ("/%40scope%2fpackage", "/%40scope%2Fpackage"),
        ],
        &[
            // Read as a separator, it leads to another operation.
            "/admin%2Fusers",
            "/%61dmin%2Fusers",
            "/team/all%2Fmembers",
            "/team/box/own%2F1",
            "/team%2Feve",
            // It hides nothing that is refused in the open.
            "/a%2F..%2Fadmin",
            "/a%2F%2e%2e",
            "/a%2F",
            "/a/%2Fb",
            "/a%2F%2Fb",
            "/a//b",
            // Other separators stay what they are.
            "/a%5Cb",
            "/a%252Fb",
            "/a%EF%BC%8Fb",
            "/a%E2%88%95b",
            "/a%c0%afb",
        ],
    ),
    (
        "paths_not_utf8",
        &[("/caf%E9", "/caf%E9"), ("/%80%ff", "/%80%FF")],
        &[
            "/%c0%ae%c0%ae/admin",
            "/a%c0%afb",
            "/a%e0%80%afb",
            "/%e9/../admin",
            "/%e9%2fb",
            "/%e9%00",
            "/a//b",
        ],
    ),
    (
        "stray_percent",
        &[("/a?q=100%", "/a?q=100%"), ("/a?q=%zz&r=%4", "/a?q=%zz&r=%4")],
        &["/a%", "/a%zz", "/100%?q=1"],
    ),
];

#[test]
fn a_leniency_lets_through_what_it_names_and_nothing_more() {
    let mut findings = Findings::default();
    let strict = stage("");
    for (word, through, refused) in LENIENCIES {
        let lenient = stage(&format!(", lenient: [{word}]"));
        for wire in Wire::ALL {
            for (target, arrives) in *through {
                let name = format!("{wire:?} {word} {target}");
                findings.note(
                    &name,
                    match ask(&lenient, wire, target) {
                        Ok(Some(arrived)) if arrived == *arrives => Ok(()),
                        other => Err(format!("{other:?}")),
                    },
                );
                findings.note(
                    format!("{name} without it"),
                    match ask(&strict, wire, target) {
                        Ok(None) => Ok(()),
                        other => Err(format!("{other:?}")),
                    },
                );
            }
            for target in *refused {
                let outcome = match ask(&lenient, wire, target) {
                    Ok(None) => Ok(()),
                    other => Err(format!("{other:?}")),
                };
                findings.note(format!("{wire:?} {word} {target} in spite of it"), outcome);
            }
        }
        lenient.expect_plain_backend_traffic();
    }
    findings.conclude(100);
}

#[test]
fn an_old_client_may_leave_the_host_out_where_that_is_said() {
    let ask = |stage: &Stage, request: &str| {
        let mark = stage.backend.mark();
        let mut client = stage.connect();
        client.send(request);
        let response = client.response("GET", stage.soon()).expect("a response");
        (response.status, stage.arrived_since(mark).expect("the sentinel").len())
    };
    let lenient = stage(", lenient: [http10_without_host]");
    let strict = stage("");
    assert_eq!(ask(&strict, "GET /a HTTP/1.0\r\n\r\n"), (400, 0));
    assert_eq!(ask(&lenient, "GET /a HTTP/1.0\r\n\r\n"), (200, 1));
    assert_eq!(ask(&lenient, "GET /a HTTP/1.1\r\n\r\n"), (400, 0), "HTTP/1.1 has a host");
    assert_eq!(ask(&lenient, "GET /a HTTP/1.0\r\nHost:\r\n\r\n"), (400, 0), "an empty one is none");
    assert_eq!(ask(&lenient, "GET /a HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), (400, 0));
    assert_eq!(ask(&lenient, "GET /admin HTTP/1.0\r\n\r\n"), (401, 0), "it opens nothing");
    let named = config(", lenient: [http10_without_host]")
        .replace("base_path: /admin", "base_path: /admin\n    hosts: [gw.test]");
    let named = Stage::with(&named.replace("  open:\n", "  open:\n    hosts: [gw.test]\n"));
    let mut client = named.connect();
    client.send("GET /a HTTP/1.0\r\n\r\n");
    assert_eq!(
        client.response("GET", named.soon()).expect("a response").status,
        404,
        "no API took every host"
    );
}

#[test]
fn path_parameters_are_refused_where_that_is_said() {
    let strict = stage(", path_parameters: refuse");
    let usual = stage("");
    for wire in Wire::ALL {
        for target in ["/a;v=1", "/a%3Bv=1", "/a/b;c"] {
            assert_eq!(ask(&usual, wire, target), Ok(Some(target.to_owned())), "{wire:?}");
            assert_eq!(ask(&strict, wire, target), Ok(None), "{wire:?} {target}");
        }
        assert_eq!(ask(&strict, wire, "/a,v=1"), Ok(Some("/a,v=1".to_owned())));
        assert_eq!(ask(&strict, wire, "/a?b;c"), Ok(Some("/a?b;c".to_owned())));
    }
}

#[test]
fn other_spellings_of_field_names_are_treated_as_is_said() {
    for wire in Wire::ALL {
        for (words, status, arrives) in [
            ("", 200, Some(true)),
            (", alias_names: drop", 200, Some(false)),
            (", alias_names: refuse", 400, None),
        ] {
            let stage = stage(words);
            let mark = stage.backend.mark();
            let request = Request::get("/a").field("client_version", "7").field("X-Plain", "1");
            assert_eq!(wire.send(stage.public(), &request).status, status, "{wire:?}{words}");
            let arrived = stage.arrived_since(mark).expect("the sentinel");
            let seen = arrived.first().map(|message| !message.all("client_version").is_empty());
            assert_eq!(seen, arrives, "{wire:?}{words}: {arrived:?}");
            assert!(arrived.iter().all(|message| message.all("x-plain").len() == 1));
            // Spellings of known names never pass, whatever is said.
            let mark = stage.backend.mark();
            let request = Request::get("/a").field("x_forwarded_for", "203.0.113.66");
            assert_eq!(wire.send(stage.public(), &request).status, 200, "{wire:?}{words}");
            let arrived = stage.arrived_since(mark).expect("the sentinel");
            assert!(arrived.iter().all(|message| message.all("x_forwarded_for").is_empty()), "{arrived:?}");
        }
    }
}

#[test]
fn what_is_loosened_is_told_by_check_and_at_the_start() {
    let config = config(", lenient: [stray_percent, encoded_slashes]").replace("BACKEND", "127.0.0.1:9");
    let output = Builder::new(executable(), &*config).run(&["check"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    for (place, what) in [
        ("portcullis.yaml:4:80: listeners.public.lenient[0]: ", "lets queries through"),
        ("portcullis.yaml:4:95: listeners.public.lenient[1]: ", "lets paths through"),
    ] {
        assert!(told.contains(&format!("warning: {place}{what}")), "{told}");
    }
    let strict =
        Builder::new(executable(), self::config("").replace("BACKEND", "127.0.0.1:9")).run(&["check"]);
    assert_eq!(String::from_utf8_lossy(&strict.stderr), "", "nothing is loosened");
    let backend = Recorder::start();
    let config =
        self::config(", lenient: [stray_percent]").replace("BACKEND", &backend.address().to_string());
    let gateway = Builder::new(executable(), config).start();
    gateway.log("the warning", |line| line.to_string().contains("lenient[0]"));
}
