//! The usual scenery: a gateway with an open API and one that asks for a key, before a recording backend.

use std::cell::Cell;
use std::net::SocketAddr;
use std::process::Output;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::raw::Client;
use portcullis_testkit::recorder::Mark;
use portcullis_testkit::{Deadline, Gateway, Message, Recorder, Request, Response, Wire};

/// The executable under test: the one just built, or another (a release build) that the environment names.
pub(crate) fn executable() -> String {
    std::env::var("PORTCULLIS_EXECUTABLE").unwrap_or_else(|_| env!("CARGO_BIN_EXE_portcullis").to_owned())
}

/// The text of the key that [`CONFIG`] knows by its hash.
pub(crate) const KEY: &str = "correct-horse-battery-staple";
/// The field a key travels in.
pub(crate) const KEY_FIELD: &str = "X-API-Key";

/// `open` takes every path but `/admin`, which `secured` owns; `BACKEND` becomes the recorder's address.
pub(crate) const CONFIG: &str = r#"version: 1
state: none
admin: { probes: 127.0.0.1:0 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
consumers:
  tester:
    apis: [secured]
    credentials:
      - { id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590" } }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  open:
    listen: [public]
    backend: recorder
    auth: none
    operations: { all: { match: "* /{rest*}" } }
  secured:
    listen: [public]
    base_path: /admin
    backend: recorder
    auth: { api_key: {} }
    operations: { all: { match: "* /{rest*}" } }
"#;

/// What stands above `apis` where these are all that matters: every API takes the key, which has the scope `read`. Ten lines, so
/// `apis` is line 11.
pub(crate) const HEAD: &str = r#"version: 1
state: none
admin: { probes: 127.0.0.1:0 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
consumers:
  tester:
    apis: ["*"]
    credentials:
      - { id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590", scopes: [read] } }
backends: { recorder: { targets: ["http://BACKEND"] } }
"#;

/// A gateway and its backend.
pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    pub(crate) backend: Recorder,
    sentinels: Cell<usize>,
}

impl Stage {
    /// The usual one.
    pub(crate) fn start() -> Self {
        Self::with(CONFIG)
    }

    /// One with another configuration, in which `BACKEND` stands for the recorder's address.
    pub(crate) fn with(config: &str) -> Self {
        Self::built(|backend| Builder::new(executable(), config.replace("BACKEND", backend)))
    }

    /// One whose gateway `build` describes, given the recorder's address.
    pub(crate) fn built(build: impl FnOnce(&str) -> Builder) -> Self {
        let backend = Recorder::start();
        let gateway = build(&backend.address().to_string()).start();
        Self { gateway, backend, sentinels: Cell::new(0) }
    }

    /// Where the gateway listens.
    pub(crate) fn public(&self) -> SocketAddr {
        self.gateway.address("public")
    }

    /// A raw connection to the gateway.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.public())
    }

    /// Sends a plain request after whatever happened, and judges what the backend saw since `mark`.
    ///
    /// The sentinel shows three things: the gateway lives, its reply is its own and nobody else's (no poisoned
    /// connection), and what was sent before it had its time to arrive.
    pub(crate) fn arrived_since(&self, mark: Mark) -> Result<Vec<Message>, String> {
        let number = self.sentinels.get();
        self.sentinels.set(number + 1);
        let target = format!("/sentinel/{number}");
        let response = Wire::Http1.try_send(self.public(), &Request::get(&target));
        let response = response.map_err(|failure| format!("no reply to the sentinel: {failure}"))?;
        if response.text("x-recorded").as_deref() != Some(&target) {
            return Err(format!("the sentinel got another's reply: {response:?}"));
        }
        let mut messages = self.backend.since(mark);
        messages.retain(|message| message.target != target.as_bytes());
        Ok(messages)
    }

    /// Says every row over both wires, and has `judge` compare its answer and what arrived with what is wanted.
    pub(crate) fn say<W: Copy>(
        &self,
        rows: &[(&str, Request, W)],
        least: usize,
        judge: impl Fn(&Response, &[Message], &Request, W) -> Result<(), String>,
    ) {
        let mut findings = Findings::default();
        for wire in Wire::ALL {
            for (name, request, wanted) in rows {
                let mark = self.backend.mark();
                let response = wire.send(self.public(), request);
                let arrived = self.arrived_since(mark);
                let outcome = arrived.and_then(|arrived| judge(&response, &arrived, request, *wanted));
                findings.note(format!("{name} ({wire:?})"), outcome);
            }
        }
        self.expect_plain_backend_traffic();
        findings.conclude(least);
    }

    /// Asserts that nothing unusual ever reached the backend.
    pub(crate) fn expect_plain_backend_traffic(&self) {
        let oddities = self.backend.oddities();
        assert!(oddities.is_empty(), "the backend noticed:\n{}", oddities.join("\n"));
    }

    /// The usual deadline.
    pub(crate) fn soon(&self) -> Deadline {
        Deadline::soon()
    }
}

/// All that a command printed.
pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Collects what went wrong in a table, so that one run shows every failing case.
#[derive(Default)]
pub(crate) struct Findings {
    cases: usize,
    failed: Vec<String>,
}

impl Findings {
    /// Notes the outcome of the case called `name`.
    pub(crate) fn note(&mut self, name: impl AsRef<str>, outcome: Result<(), String>) {
        self.cases += 1;
        if let Err(why) = outcome {
            self.failed.push(format!("{}: {why}", name.as_ref()));
        }
    }

    /// Panics with every failing case.
    pub(crate) fn conclude(self, least: usize) {
        let Self { cases, failed } = self;
        assert!(failed.is_empty(), "{} of {cases} cases failed:\n{}", failed.len(), failed.join("\n"));
        assert!(cases >= least, "only {cases} cases, where there were {least}");
    }
}
