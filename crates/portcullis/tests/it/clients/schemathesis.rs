//! Schemathesis against the gateway: what it makes of real definitions passes or is refused as it says, but for what is listed.
//!
//! The same seed makes the same requests, so `conformance/schemathesis/known.jsonl` holds every class of disagreement with the
//! bytes of its first request, and why it is none of ours; `README.md` beside it explains the reasons. A disagreement that is
//! not there fails, and so does one that is there and is none any longer. `UPDATE=1` writes the list anew; what has no reason
//! fails all the same.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use portcullis_testkit::gateway::Builder;
use serde_json::Value;

use super::{missing, python_within, run};
use crate::stage::{Stage, executable};

/// Definitions of npm's `@readme/oas-examples`: the name here, the file, how many good and bad requests of each operation, and the
/// readings besides `as-written` that something of it needs: each of them costs the start its compilation.
const DEFINITIONS: [(&str, &str, u32, &[&str]); 14] = [
    ("petstore-2.0", "2.0/json/petstore.json", 2, &["open", "uncovered"]),
    ("petstore-3.0", "3.0/json/petstore.json", 4, &["open", "uncovered"]),
    ("star-trek", "3.0/json/star-trek.json", 1, &[]),
    ("uspto", "3.0/json/uspto.json", 6, &["open"]),
    ("styles-3.0", "3.0/json/parameters-style.json", 1, &["open", "uncovered"]),
    ("styles-3.1", "3.1/json/parameters-style.json", 3, &["open", "uncovered"]),
    ("validation-3.0", "3.0/json/schema-validation.json", 6, &["formats"]),
    ("validation-3.1", "3.1/json/schema-validation-local.json", 4, &["uncovered"]),
    ("types", "3.1/json/schema-types.json", 3, &["open", "formats"]),
    ("polymorphism", "3.0/json/polymorphism.json", 3, &["open"]),
    ("discriminators", "3.0/json/discriminators.json", 3, &["open", "discriminators"]),
    ("uploads", "3.0/json/file-uploads.json", 5, &["open"]),
    ("train-travel", "3.1/json/train-travel.json", 6, &["open", "uncovered"]),
    ("readme", "3.1/json/readme.json", 1, &[]),
];

/// What of a definition is published elsewhere, or not at all.
const SKIPPED: [(&str, &str); 2] = [
    ("styles-3.0", "skip: [\"/cookies#formNonExploded\", \"/cookies#formExploded\"]"),
    ("styles-3.1", "skip: [\"/cookies#formNonExploded\", \"/cookies#formExploded\"]"),
];

/// The least that is asked: a suite that shrinks finds nothing.
const GOOD_MIN: u64 = 600;
const BAD_MIN: u64 = 500;
/// Longer than a busy machine needs.
const SECONDS_MAX: u32 = 300;

/// Ways to read a document, each of which says less than the one before: the path below which the gateway serves it so, what
/// the API has besides, and the target and deed of one more action of an Overlay. `schemathesis_reasons.py` asks them in turn.
const READINGS: [(&str, &str, &str); 5] = [
    ("as-written", "", ""),
    (
        "open",
        "",
        "{ target: '$..[?@.properties && !@.additionalProperties]', update: { additionalProperties: true } }",
    ),
    ("formats", "", "{ target: '$..[?@.type && @.format].format', remove: true }"),
    ("discriminators", "", "{ target: '$..[?@.discriminator].discriminator', remove: true }"),
    ("uncovered", "contract: { on_uncovered: pass }", ""),
];

fn conformance() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/schemathesis")
}

/// The definitions, if they are there.
fn examples() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let folder = target.join("clients-node/node_modules/@readme/oas-examples");
    if !folder.is_dir() {
        missing("@readme/oas-examples");
        return None;
    }
    Some(folder)
}

/// The gateway with every definition in every reading.
fn built(backend: &str, folder: &Path) -> Builder {
    let mut config = format!(
        "version: 1\nstate: none\nlisteners: {{ public: {{ bind: 127.0.0.1:0 }} }}\nbackends: {{ echo: {{ targets: \
         [\"http://{backend}\"] }} }}\napis:\n"
    );
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut actions = String::new();
    for (reading, besides, action) in READINGS {
        if !action.is_empty() {
            writeln!(actions, "  - {action}").expect("text");
        }
        let overlay =
            format!("overlay: 1.0.0\ninfo: {{ title: {reading}, version: '1' }}\nactions:\n{actions}");
        for (name, _, _, others) in DEFINITIONS {
            if reading != READINGS[0].0 && !others.contains(&reading) {
                continue;
            }
            writeln!(config, "  {reading}-{}:\n    base_path: /{reading}/{name}", name.replace('.', "-"))
                .expect("text");
            writeln!(config, "    openapi: {name}.json\n    backend: echo\n    auth: none\n    {besides}")
                .expect("text");
            for (_, skip) in SKIPPED.iter().filter(|(skipped, _)| *skipped == name) {
                writeln!(config, "    {skip}").expect("text");
            }
            if !actions.is_empty() {
                writeln!(config, "    overlays: [{reading}.yaml]").expect("text");
            }
        }
        if !actions.is_empty() {
            files.push((format!("{reading}.yaml"), overlay.into_bytes()));
        }
    }
    for (name, file, _, _) in DEFINITIONS {
        files.push((format!("{name}.json"), std::fs::read(folder.join(file)).expect("a definition")));
    }
    files
        .into_iter()
        .fold(Builder::new(executable(), config), |builder, (name, text)| builder.file(name, text))
}

/// The reasons that the page explains: the first word of each row of its table.
fn explained() -> BTreeSet<String> {
    let page = std::fs::read_to_string(conformance().join("README.md")).expect("the page of reasons");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(reason, _)| reason.to_owned()).collect()
}

fn is_reason(reasons: &BTreeSet<String>, found: &Value) -> bool {
    found["reason"].as_str().is_some_and(|all| all.split('+').all(|reason| reasons.contains(reason)))
}

/// Compares what was found with the list, line by line; not where the list was made with another Python.
fn compare(found: &[&str], made_with: &str) -> bool {
    let path = conformance().join("known.jsonl");
    let head = format!("{{\"made_with\": \"{made_with}\"}}");
    if std::env::var_os("UPDATE").is_some() {
        let lines: Vec<&str> = [head.as_str()].into_iter().chain(found.iter().copied()).collect();
        std::fs::write(&path, lines.join("\n") + "\n").expect("the list");
    }
    let listed = std::fs::read_to_string(&path).expect("the list");
    let mut listed = listed.lines();
    if listed.next() != Some(&head) {
        // Another Unicode, other texts: the list says nothing of these, and every one of them had its reason.
        let said =
            writeln!(std::io::stderr(), "the list of disagreements is of another Python than {made_with}");
        said.expect("standard error");
        return false;
    }
    let listed: BTreeSet<&str> = listed.collect();
    let found: BTreeSet<&str> = found.iter().copied().collect();
    let new: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "{} disagreements are not listed:\n{new:#?}\n{} that are listed are none any longer:\n{gone:#?}\n`UPDATE=1` writes \
         the list, to be read before it is committed",
        new.len(),
        gone.len()
    );
    true
}

#[test]
fn schemathesis_and_the_gateway_agree_on_real_definitions() {
    let Some(folder) = examples() else { return };
    let packages = "requests, schemathesis";
    let Some(mut python) = python_within(SECONDS_MAX, packages, "schemathesis_cases.py") else { return };
    let stage = Stage::built(|backend| built(backend, &folder));
    let here = stage.gateway.folder();
    python
        .current_dir(here)
        .env("PYTHONHASHSEED", "0")
        .env("HYPOTHESIS_STORAGE_DIRECTORY", here.join("hypothesis"));
    python.arg(format!("http://{}", stage.public()));
    let definitions =
        DEFINITIONS.iter().map(|(name, _, examples, _)| format!("{name}={name}.json={examples}"));
    let said = run(python.args(definitions));

    let lines: Vec<&str> = said.lines().collect();
    let (last, found) = lines.split_last().expect("a tally");
    let tally = serde_json::from_str::<Value>(last).expect("JSON")["tally"].take();
    let count = |name: &str| tally[name].as_u64().unwrap_or_default();
    assert!(count("good") >= GOOD_MIN && count("bad") >= BAD_MIN, "{tally}");

    let reasons = explained();
    let entries: Vec<Value> = found.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let unexplained: Vec<_> = entries.iter().filter(|entry| !is_reason(&reasons, entry)).collect();
    assert!(unexplained.is_empty(), "{} disagreements have no reason:\n{unexplained:#?}", unexplained.len());
    if compare(found, tally["python"].as_str().expect("a version")) {
        let used = entries.iter().filter_map(|entry| entry["reason"].as_str()).flat_map(|all| all.split('+'));
        let unused: Vec<_> = reasons.difference(&used.map(str::to_owned).collect()).cloned().collect();
        assert!(unused.is_empty(), "nothing has these reasons any longer: {unused:?}");
    }

    // What passed arrived, what was refused did not, and nothing of either was odd.
    assert_eq!(u64::try_from(stage.backend.messages().len()).expect("a count"), count("passed"), "{tally}");
    stage.expect_plain_backend_traffic();
    eprintln!("{tally}");
}
