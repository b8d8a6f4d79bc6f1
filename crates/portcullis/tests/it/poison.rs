//! Configurations that somebody made too large, too deep, blank or circular: each is taken, or refused in a few words,
//! in the time and memory that the kernel is told to grant. None ends the process any other way (row 72).
//!
//! Ten times what a large installation has; a hundred times with `PORTCULLIS_WHOLE=1`. The time is the processor's, so
//! that a busy machine decides nothing.

use std::process::Output;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Recorder, Request, Wire};

use crate::stage::{Findings, executable};

const HEAD: &str = "version: 1\nstate: none\nlisteners: { public: { bind: 127.0.0.1:0 } }\n";
const BACKEND: &str = "backends: { b: { targets: [\"http://BACKEND\"] } }\n";
const ALL: &str = "operations: { all: { match: \"* /{rest*}\" } }";
const API: &str =
    "apis: { a: { backend: b, auth: { api_key: {} }, operations: { all: { match: \"* /{rest*}\" } } } }\n";

/// What the kernel grants to judge one of them, in a debug build.
const GRANTED: [&str; 2] = ["--cpu=20", "--data=1073741824"];
/// Lines of an answer: what somebody can read, and what the log and `/readyz` can carry.
const LINES_MAX: usize = 110;

/// What becomes of a configuration.
#[derive(Clone, Copy)]
enum Becomes {
    Good,
    /// Refused with exit code 2 and this text.
    Refused(&'static str),
}
use Becomes::{Good, Refused};

/// A name, how many a large installation has, the configuration with so many, and what becomes of it.
type Case = (&'static str, usize, fn(usize) -> String, Becomes);

/// `count` lines or items.
fn many(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect()
}

fn operations(count: usize, match_: impl Fn(usize) -> String) -> String {
    let entries = many(count, |it| format!("      o{it}: {{ match: \"{}\" }}\n", match_(it)));
    format!("{HEAD}{BACKEND}apis:\n  a:\n    backend: b\n    auth: none\n    operations:\n{entries}")
}

/// APIs, each with what `one` says of it.
fn apis(count: usize, more: &str, one: impl Fn(usize) -> String) -> String {
    let entries = many(count, |it| format!("  a{it}: {{ {}, {ALL} }}\n", one(it)));
    format!("{HEAD}{more}apis:\n{entries}")
}

fn list(count: usize, one: impl Fn(usize) -> String) -> String {
    many(count, |it| format!("{}{}", if it == 0 { "" } else { ", " }, one(it)))
}

fn key(it: usize) -> String {
    format!("{{ id: k{it}, api_key: {{ sha256: \"{it:064x}\" }} }}")
}

const CASES: &[Case] = &[
    ("operations", 1_000, |n| operations(n, |it| format!("GET /a{it}/{{id}}/x")), Good),
    ("operations behind one parameter", 1_000, |n| operations(n, |it| format!("GET /{{id}}/a{it}")), Good),
    ("operations with endings", 1_000, |n| operations(n, |it| format!("GET /{{id}}-{it}")), Good),
    (
        "operations that are all the same",
        1_000,
        |n| operations(n, |_| "GET /x".to_owned()),
        Refused("matches the same requests"),
    ),
    (
        "operations that nobody may call",
        1_000,
        |n| operations(n, |it| format!("GET /{it}")).replace("    auth: none\n", ""),
        Refused("says nothing about who may call"),
    ),
    (
        "APIs by path",
        100,
        |n| apis(n, BACKEND, |it| format!("base_path: /p{it}, backend: b, auth: none")),
        Good,
    ),
    (
        "APIs by host",
        100,
        |n| apis(n, BACKEND, |it| format!("hosts: [h{it}.example.com], backend: b, auth: none")),
        Good,
    ),
    (
        "APIs at one place",
        100,
        |n| apis(n, BACKEND, |_| "backend: b, auth: none".to_owned()),
        Refused("this host and base path"),
    ),
    (
        "backends",
        100,
        |n| {
            let backends = many(n, |it| format!("  b{it}: {{ targets: [\"http://[::1]\"] }}\n"));
            apis(n, &format!("backends:\n{backends}"), |it| {
                format!("base_path: /p{it}, backend: b{it}, auth: none")
            })
        },
        Good,
    ),
    (
        "backends that are not quite there",
        100,
        |n| {
            let backends = many(n, |it| format!("  number-{it}: {{ targets: [\"http://[::1]\"] }}\n"));
            apis(n, &format!("backends:\n{backends}"), |it| {
                format!("base_path: /p{it}, backend: nunber-{it}, auth: none")
            })
        },
        Refused("did you mean"),
    ),
    (
        "hosts of an API",
        100,
        |n| {
            apis(1, BACKEND, |_| {
                format!("hosts: [{}], backend: b, auth: none", list(n, |it| format!("h{it}.example")))
            })
        },
        Good,
    ),
    (
        "wildcards of an API",
        100,
        |n| {
            let hosts = list(n, |it| format!("\"*.h{it}.example\""));
            apis(1, BACKEND, |_| format!("hosts: [{hosts}], backend: b, auth: none"))
        },
        Good,
    ),
    (
        "targets",
        1_000,
        |n| {
            let targets = list(n, |it| format!("\"http://10.{}.{}.{}\"", it >> 16, it >> 8 & 255, it & 255));
            format!("{HEAD}backends: {{ b: {{ targets: [{targets}] }} }}\n{API}")
        },
        Refused("targets are too many; hint: at most 1000"),
    ),
    (
        "listeners",
        1_000,
        |n| {
            let all = many(n, |it| {
                format!("  l{it}: {{ bind: \"127.{}.{}.{}:7\" }}\n", it >> 16, it >> 8 & 255, it & 255)
            });
            format!(
                "version: 1\nlisteners:\n{all}{BACKEND}{}",
                API.replace("backend: b", "listen: [l0], backend: b")
            )
        },
        Refused("listeners are too many; hint: at most 1000"),
    ),
    (
        "consumers",
        500,
        |n| {
            let all = many(n, |it| format!("  c{it}: {{ apis: [a], credentials: [{}] }}\n", key(it)));
            format!("{HEAD}{BACKEND}consumers:\n{all}{API}")
        },
        Good,
    ),
    (
        "credentials of a consumer",
        1_000,
        |n| {
            let all = many(n, |it| format!("      - {}\n", key(it)));
            format!("{HEAD}{BACKEND}consumers:\n  c:\n    apis: [a]\n    credentials:\n{all}{API}")
        },
        Good,
    ),
    (
        "APIs of a consumer",
        100,
        |n| {
            let names = list(n, |it| format!("a{it}"));
            let consumers = format!("consumers: {{ c: {{ apis: [{names}], credentials: [{}] }} }}\n", key(1));
            apis(n, &format!("{BACKEND}{consumers}"), |it| {
                format!("base_path: /p{it}, backend: b, auth: {{ api_key: {{}} }}")
            })
        },
        Good,
    ),
    (
        "trusted proxies",
        1_000,
        |n| {
            let all = list(n, |it| format!("10.{}.{}.{}", it >> 16, it >> 8 & 255, it & 255));
            let listener = format!("bind: 127.0.0.1:0, trusted_proxies: [{all}]");
            format!("{}{BACKEND}{API}", HEAD.replace("bind: 127.0.0.1:0", &listener))
        },
        Good,
    ),
    (
        "unknown keys",
        1_000,
        |n| format!("{HEAD}{}", many(n, |it| format!("k{it}: 1\n"))),
        Refused("unknown key"),
    ),
    (
        "keys that stand twice",
        1_000,
        |n| format!("{HEAD}apis:\n{}", "  same: { backend: b }\n".repeat(n)),
        Refused("stands here for the second time"),
    ),
    (
        "APIs of nothing",
        1_000,
        |n| format!("{HEAD}apis:\n{}", many(n, |it| format!("  a{it}:\n"))),
        Refused("found nothing"),
    ),
    (
        "files that are not there",
        1_000,
        |n| format!("{HEAD}include: [{}]\n", list(n, |it| format!("f{it}.yaml"))),
        Refused("cannot be read"),
    ),
    (
        "itself, over and over",
        1_000,
        |n| format!("{HEAD}include: [{}]\n", list(n, |_| "portcullis.yaml".to_owned())),
        Refused("is included a second time"),
    ),
    (
        "mappings in mappings",
        1_000,
        |n| format!("{HEAD}apis: {}1{}\n", "{ a: ".repeat(n), "}".repeat(n)),
        Refused("nested more than 128 deep"),
    ),
    (
        "lists in lists",
        1_000,
        |n| format!("{HEAD}apis: {}{}\n", "[".repeat(n), "]".repeat(n)),
        Refused("not YAML: recursion limit"),
    ),
    (
        "aliases of aliases",
        1,
        |n| {
            let level =
                |it: usize| format!("x{}: &x{} [{}]\n", it + 1, it + 1, list(10, |_| format!("*x{it}")));
            format!("{HEAD}x0: &x0 [a]\n{}", many(n + 10, level))
        },
        Refused("the document has more than"),
    ),
    (
        "a text",
        100_000,
        |n| format!("{HEAD}apis: {{ a: {{ backend: \"{}\" }} }}\n", "b".repeat(n)),
        Refused("there is no backend"),
    ),
    (
        "a file",
        2_000_000,
        |n| format!("{HEAD}#{}\n", "x".repeat(n)),
        Refused("bytes; at most 16777216 are read"),
    ),
    (
        "a path",
        1_000,
        |n| operations(1, |_| format!("GET {}", "/a".repeat(n * 3))),
        Refused("longer than 4096 bytes"),
    ),
    ("nothing at all", 1, |_| String::new(), Refused("the key `version` is missing")),
    (
        "nothing behind any key",
        1,
        |_| {
            "version:\nlisteners:\nbackends:\napis:\nconsumers:\nbounds:\ntelemetry:\nadmin:\ninclude:\n"
                .to_owned()
        },
        Refused("found nothing"),
    ),
    ("a byte that is no text", 1, |_| format!("{HEAD}apis: \0\0\n"), Refused("a control character")),
];

/// Ten times as many as a large installation has, or a hundred times.
fn scale() -> usize {
    if std::env::var_os("PORTCULLIS_WHOLE").is_some() { 100 } else { 10 }
}

fn builder(config: &str) -> Builder {
    let config = config.replace("BACKEND", "127.0.0.1:9");
    GRANTED.iter().fold(Builder::new(executable(), config), |builder, limit| builder.limit(*limit))
}

fn judge(output: &Output, becomes: Becomes) -> Result<(), String> {
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let shown: String = said.chars().take(300).collect();
    let (code, text) = match becomes {
        Good => (0, "good"),
        Refused(text) => (2, text),
    };
    if output.status.code() != Some(code) {
        return Err(format!("{}: {shown}", output.status));
    }
    if !said.contains(text) {
        return Err(format!("it does not say {text:?}: {shown}"));
    }
    let lines = said.lines().count();
    if lines > LINES_MAX {
        return Err(format!("{lines} lines: {shown}"));
    }
    Ok(())
}

#[test]
fn what_is_too_much_is_refused_in_a_few_words_or_served() {
    let mut findings = Findings::default();
    for (name, large, config, becomes) in CASES {
        let output = builder(&config(large * scale())).run(&["check"]);
        findings.note(name, judge(&output, *becomes));
    }
    findings.conclude(30);
}

#[test]
fn files_that_include_each_other_are_named() {
    let output = Builder::new(executable(), format!("{HEAD}include: [one.yaml]\n"))
        .file("one.yaml", "include: [two.yaml]\n")
        .file("two.yaml", "include: [one.yaml, portcullis.yaml]\n")
        .run(&["check"]);
    judge(&output, Refused("\"one.yaml\" is included a second time")).expect("a word about the circle");
}

#[test]
fn large_files_are_merged_in_time() {
    let count = 500 * scale();
    let consumers = |first: usize| {
        let lines = many(count, |it| {
            let it = first + it;
            format!("  c{it}: {{ apis: [a], credentials: [{}] }}\n", key(it))
        });
        format!("consumers:\n{lines}")
    };
    let config = format!("{HEAD}{BACKEND}{API}include: [more.yaml]\n{}", consumers(0));
    judge(&builder(&config).file("more.yaml", consumers(count)).run(&["check"]), Good)
        .expect("both are taken");
}

#[test]
fn ten_thousand_operations_are_served() {
    let backend = Recorder::start();
    const COUNT: usize = 10_000;
    let config = operations(COUNT, |it| format!("GET /a{it}/{{id}}/x"))
        .replace("BACKEND", &backend.address().to_string());
    let gateway = Builder::new(executable(), config).limit(GRANTED[1]).start();
    let last = format!("/a{}/7/x", COUNT - 1);
    for (path, status) in [("/a0/7/x", 200), (&*last, 200), ("/a0/7/y", 404)] {
        assert_eq!(Wire::Http1.send(gateway.address("public"), &Request::get(path)).status, status, "{path}");
    }
}

#[test]
fn a_reload_of_it_leaves_what_runs_and_is_told_in_a_few_words() {
    let backend = Recorder::start();
    let good = format!("{HEAD}{BACKEND}{}", API.replace("{ api_key: {} }", "none"))
        .replace("BACKEND", &backend.address().to_string());
    let gateway = Builder::new(executable(), good).start();
    let (_, large, config, _) = CASES.iter().find(|(name, ..)| *name == "APIs at one place").expect("a case");
    gateway.reconfigure(&config(large * 10).replace("BACKEND", "127.0.0.1:9"));
    let told = gateway.log("that it is refused", |line| line.to_string().contains("not reloaded"));
    let reason = told.to_string();
    assert!(reason.len() < 8 << 10, "{} bytes", reason.len());
    assert_eq!(Wire::Http1.send(gateway.address("public"), &Request::get("/a")).status, 200);
}
