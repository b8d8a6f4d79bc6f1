//! Two peers that hold requests to a definition, npm's `express-openapi-validator` and PyPI's `openapi-core`, beside the running
//! gateway: each row of `peers/requests.md` is asked of all three.
//!
//! It says what each of them makes of a request. Where they differ it says who is right and why; a row that differs and
//! does not say so fails, and so does one that says so and differs no longer, or in which the gateway is not the one that is right.
//! `docs/peers.md` lists those that differ. `UPDATE=1` writes what came out, and leaves it to a person who is right.

mod page;
mod report;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Recorder, Wire};

use crate::clients::{Server, client_within, python_within};
use crate::stage::{Findings, executable, text};
use page::{Outcome, Page, Right, Row, Section};

const CONFIG: &str = r#"version: 1
state: state
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
"#;

/// Where npm's packages of the tests are.
fn packages() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").join("clients-node")
}

/// The document of a section: its own block, or one of npm's `@readme/oas-examples` without its servers, without what it says of
/// callers, who are not what is compared, and without paths that have a fragment, which the gateway does not load.
fn document(section: &Section) -> String {
    let Some(example) = &section.example else { return section.definition.clone() };
    let path = packages().join("node_modules/@readme/oas-examples").join(example);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut document: serde_json::Value = serde_json::from_str(&text).expect("a definition in JSON");
    document["servers"] = serde_json::json!([{ "url": format!("/{}", section.name) }]);
    without_security(&mut document);
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.retain(|template, _| !template.contains('#'));
    }
    document.to_string()
}

fn without_security(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(members) => {
            members.remove("security");
            members.values_mut().for_each(without_security);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(without_security),
        _ => {}
    }
}

/// Whether our own command refuses the definition, with what it says.
fn is_refused(folder: &Path, section: &Section) -> Result<(), String> {
    let file = folder.join(format!("{}.yaml", section.name));
    let output =
        Command::new(executable()).args(["check", "--openapi"]).arg(file).output().expect("it starts");
    if output.status.success() { Err(format!("it loads: {}", text(&output))) } else { Ok(()) }
}

/// Rows of a peer that are asked beside each other.
const WORKERS: usize = 4;

/// What each row gets from each of the three, in the order of the rows.
fn ask_all(addresses: [SocketAddr; 3], page: &Page) -> Vec<[Outcome; 3]> {
    let rows: Vec<(bool, &Row)> = page.rows().collect();
    let mut all = vec![[Outcome::CannotLoad; 3]; rows.len()];
    let worker = |peer: usize, first: usize| {
        let mine = rows.iter().enumerate().skip(first).step_by(WORKERS);
        // What the gateway does not load it is not asked about.
        let mine = mine.filter(|(_, (is_refused_by_us, _))| peer != 0 || !is_refused_by_us);
        mine.map(|(at, (_, row))| (at, peer, ask(addresses[peer], row))).collect::<Vec<_>>()
    };
    let worker = &worker;
    std::thread::scope(|scope| {
        let pairs = (0..3).flat_map(|peer| (0..WORKERS).map(move |first| (peer, first)));
        let threads: Vec<_> = pairs.map(|(peer, first)| scope.spawn(move || worker(peer, first))).collect();
        for (at, peer, outcome) in threads.into_iter().flat_map(|thread| thread.join().expect("it asks")) {
            all[at][peer] = outcome;
        }
    });
    all
}

fn ask(address: SocketAddr, row: &Row) -> Outcome {
    let Ok(response) = Wire::Http1.try_send(address, &row.request) else { return Outcome::NoAnswer };
    if response.text("x-cannot-load").is_some() {
        Outcome::CannotLoad
    } else {
        Outcome::Status(response.status)
    }
}

/// Why a row does not hold, if it does not.
fn judge(page: &Page, row: &Row, found: &[Outcome; 3]) -> Result<(), String> {
    if *found != row.expected {
        return Err(format!("is {found:?}, where the page has {:?}", row.expected));
    }
    let classes = found.map(Outcome::class);
    let differ = classes.iter().any(|class| *class != classes[0]);
    match (&row.right, differ) {
        (None, false) => Ok(()),
        (None, true) => Err("they differ, and the page does not say who is right".to_owned()),
        (Some(_), false) => Err("they differ no longer".to_owned()),
        (Some(_), true) if !page.reasons.contains_key(&row.why) => Err(format!("no reason `{}`", row.why)),
        (Some(Right::Either | Right::Theirs), true) => Ok(()),
        (Some(Right::Class(class)), true) if *class == classes[0] => Ok(()),
        (Some(Right::Class(class)), true) => Err(format!("the gateway is wrong: {class} is right")),
    }
}

#[test]
fn where_peers_and_the_gateway_differ_the_page_says_who_is_right() {
    let mut page = Page::read();
    let lib = packages().join("node_modules/express-openapi-validator/package.json");
    let check = format!("require('fs').accessSync({:?})", lib.display().to_string());
    let Some(mut express) = client_within(300, "node", &["-e", &check]) else { return };
    let Some(mut core) = python_within(300, "openapi_core", "openapi_core_peer.py") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let backend = Recorder::start();
    let mut config = CONFIG.replace("BACKEND", &backend.address().to_string());
    let mut files = Vec::new();
    for section in &page.sections {
        let (name, document) = (&section.name, document(section));
        fs::write(folder.path().join(format!("{name}.yaml")), &document).expect("a file");
        if !section.is_refused_by_us() {
            config += &format!(
                "  {name}: {{ base_path: {}, backend: recorder, auth: none, openapi: {name}.yaml }}\n",
                section.base_path()
            );
            files.push((format!("{name}.yaml"), document));
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients/express_peer.mjs");
    let express = Server::start(express.arg(script).arg(packages()).arg(folder.path()));
    let core = Server::start(core.arg(folder.path()));
    let builder = Builder::new(executable(), config);
    let gateway = files.into_iter().fold(builder, |builder, (name, text)| builder.file(name, text)).start();
    let outcomes = ask_all([gateway.address("public"), express.addresses[0], core.addresses[0]], &page);
    let mut findings = Findings::default();
    for section in page.sections.iter().filter(|section| section.is_refused_by_us()) {
        findings.note(format!("{} at check", section.title), is_refused(folder.path(), section));
    }
    for ((_, row), found) in page.rows().zip(&outcomes) {
        findings.note(format!("line {}: {}", row.line + 1, row.written), judge(&page, row, found));
    }
    page.update(&outcomes);
    findings.note("docs/peers.md", report::check(&page));
    findings.conclude(300);
    page.every_reason_is_used();
}
