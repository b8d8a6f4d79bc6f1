//! `portcullis audit`: what a configuration leaves open, each with its place and its entry of the OWASP API Security Top 10
//! (2023).
//!
//! Looked at is the compiled configuration, the one that decides requests. A finding is no error: an operator may have
//! reasons. `--fail-on` makes it one, for CI. What this release cannot do yet is one finding for the gateway: nobody can
//! mend it at an operation.

mod look;

use portcullis_gateway::gateway;
use serde_json::{Value, json};

use crate::args::{Audit, Grade};
use crate::output::{Outcome, findings, say};
use crate::sarif;

/// A kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) id: &'static str,
    pub(crate) grade: Grade,
    /// The entry of the OWASP API Security Top 10 2023.
    pub(crate) owasp: &'static str,
    pub(crate) title: &'static str,
    /// What to do.
    pub(crate) help: &'static str,
}

/// One thing that is left open.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) rule: &'static Rule,
    pub(crate) message: String,
    pub(crate) file: String,
    pub(crate) line: u32,
}

macro_rules! rules {
    ($($constant:ident = $grade:ident $id:literal $owasp:literal, $title:literal, $help:literal;)+) => {
        $(#[doc = $title]
        pub(crate) const $constant: Rule = Rule { id: $id, grade: Grade::$grade, owasp: $owasp, title: $title, help: $help };)+

        /// Every rule, in the order of the page.
        pub(crate) static RULES: &[&Rule] = &[$(&$constant),+];
    };
}

rules! {
    ANONYMOUS_WRITE = High "anonymous-write" "API2:2023", "An operation that changes something asks nobody who calls", "Give it `auth`, or take its methods back to GET and HEAD.";
    CLEARTEXT = High "cleartext-credentials" "API2:2023", "Credentials are asked for over cleartext on a reachable address", "Give the listener `tls`, or bind it to a loopback address.";
    ANONYMOUS_READ = Medium "anonymous-read" "API2:2023", "An operation asks nobody who calls", "Give it `auth`, or accept the finding.";
    NO_LIMIT = Medium "no-limit" "API4:2023", "Nothing limits how often a caller may call", "This release has no `limits` yet; bound callers before the gateway or in the backends.";
    KEY_IN_QUERY = Medium "key-in-query" "API2:2023", "Keys stand in URLs, which clients and proxies log", "Let keys travel in a field: `api_key: { header: x-api-key }`.";
    CLEARTEXT_BACKEND = Medium "cleartext-backend" "API8:2023", "A backend on another machine is spoken to in cleartext", "Write its target with `https`.";
    TRUSTED_DEFINITION = Medium "trusted-definition" "API8:2023", "Whoever writes the definition may loosen what applies", "Take `trust_definition` out and say in the configuration what differs.";
    GUESSING = Medium "guessing" "API2:2023", "Many credentials of one address may fail before it is held back", "Take `bounds.credential_failures` back to 20.";
    PASSED_CREDENTIAL = Medium "passed-credential" "API10:2023", "A backend is given the caller's own credential", "Let the gateway speak for the caller: `credentials: { mint_jwt: … }`.";
    UNCOVERED_CONTRACT = Medium "uncovered-contract" "API8:2023", "Requests pass of which not everything is judged", "Mend what `portcullis coverage` names, or take `on_uncovered: pass` out.";
    TEED_CONTRACT = Low "teed-contract" "API8:2023", "Bodies reach a backend before all of them was judged", "Take `contract: { body: tee }` out, unless the backend acts on no message before its end.";
    NO_CONTRACT = Low "no-contract" "API8:2023", "No contract judges the requests of an operation", "Describe it in the definition of its API, and take `contract: { mode: off }` out.";
    OBSERVED_CONTRACT = Low "observed-contract" "API8:2023", "A contract is watched and not enforced", "Give it `mode: enforce` once nobody would be refused who should not be (`portcullis_observed_total`).";
    NO_DEFINITION = Low "no-definition" "API9:2023", "An API is published that no definition describes", "Describe it: `openapi: FILE`.";
    EVERY_PATH = Low "every-path" "API9:2023", "An operation takes every method and everything below a path", "Declare what there is, or describe the API by `openapi`.";
    NO_ATTACK_RULES = Low "no-attack-rules" "API8:2023", "Nothing looks for attacks or malware in what is sent", "This release has no `waf` and no `antivirus` yet; put them before or behind the gateway.";
    LENIENCY = Low "leniency" "API8:2023", "A listener lets requests through that backends may read in other ways", "Take `lenient` out once the clients that need it are gone.";
    ENDLESS_CREDENTIAL = Low "endless-credential" "API2:2023", "A credential never expires", "Give it `expires`, and rotate it before.";
    EVERY_API = Low "every-api" "API5:2023", "A consumer may call every API, also those that are published later", "Name its APIs.";
    KEY_IN_COOKIE = Low "key-in-cookie" "API2:2023", "Keys stand in cookies, which browsers send for pages of others", "Let keys travel in a field.";
    PASSWORDS = Low "passwords" "API2:2023", "Callers prove themselves by passwords", "Let machines use keys or certificates.";
    OBSERVED_ATTESTATION = Low "observed-attestation" "API2:2023", "An attestation is watched and not asked for", "Give it `mode: enforce` once apps send it.";
}

/// Prints what is left open.
pub(crate) fn audit(args: &Audit) -> anyhow::Result<Outcome> {
    let loaded = args.subject.load()?;
    let snapshot = gateway::check(&loaded).map_err(|found| findings(&found))?;
    let mut found = look::over(&loaded, &snapshot, &args.subject.name());
    found.sort_by(|one, other| one.key().cmp(&other.key()));
    if args.sarif {
        say(serde_json::to_string_pretty(&as_sarif(&found))?);
    } else if args.json {
        say(serde_json::to_string_pretty(&found.iter().map(Found::json).collect::<Vec<_>>())?);
    } else {
        for Found { rule, message, file, line } in &found {
            say(format_args!(
                "{:<6} {:<22} {:<10} {file}:{line}: {message}",
                rule.grade.word(),
                rule.id,
                rule.owasp
            ));
        }
        say(format_args!("{} findings: {}", found.len(), sums(&found)));
    }
    let fails = args.fail_on.is_some_and(|grade| found.iter().any(|one| one.rule.grade <= grade));
    Ok(if fails { Outcome::No } else { Outcome::Good })
}

fn as_sarif(found: &[Found]) -> Value {
    let rules: Vec<sarif::Rule<'_>> = RULES
        .iter()
        .map(|rule| sarif::Rule {
            id: rule.id,
            grade: rule.grade,
            title: rule.title,
            help: rule.help,
            owasp: Some(rule.owasp.to_owned()),
        })
        .collect();
    let found = found.iter().filter_map(|one| {
        Some(sarif::Found {
            rule: RULES.iter().position(|rule| rule.id == one.rule.id)?,
            message: &one.message,
            file: &one.file,
            line: one.line,
            column: None,
        })
    });
    sarif::document("audit", &rules, found)
}

impl Found {
    /// What they are listed by: the gravest first, then by place.
    fn key(&self) -> (Grade, &str, u32, &str) {
        (self.rule.grade, &self.file, self.line, self.rule.id)
    }

    fn json(&self) -> Value {
        let Self { rule, message, file, line } = self;
        json!({
            "rule": rule.id, "grade": rule.grade.word(), "owasp": rule.owasp, "message": message, "help": rule.help,
            "file": file, "line": line,
        })
    }
}

fn sums(found: &[Found]) -> String {
    let sum = |grade: Grade| {
        let count = found.iter().filter(|one| one.rule.grade == grade).count();
        format!("{count} {}", grade.word())
    };
    [Grade::High, Grade::Medium, Grade::Low].map(sum).join(", ")
}
