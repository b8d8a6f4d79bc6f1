//! Runs the required cases of JSON-Schema-Test-Suite through the whole of loading, lowering and judging.
//!
//! Each schema stands in a document of its own that an OpenAPI document refers to: those of draft 4 in one of 3.0, those of
//! 2020-12 in one of 3.1. Members that are not declared pass, as in JSON Schema. A case fails when the verdict is another,
//! or when something of the schema is a gap: then nothing would be judged. Get the data by
//! `pip download --no-deps --no-binary :all: jsonschema==4.25.1`, unpack it, and pass its folder `json`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use portcullis_openapi::contract::{Contract, OperationOptions, Options, Undeclared, Violations};
use portcullis_openapi::definition::documents::Unreadable;
use portcullis_openapi::definition::{Bounds, Definition, Documents};
use portcullis_openapi::source::{self, Files, Node, Reading, Value};
use portcullis_openapi::value::Limits;

use super::hash::{FNV_OFFSET, fnv};
use super::known::{self, Known};

const SUITE: &str = "conformance/json-schema";

/// The drafts, and the versions of OpenAPI that use them.
const DRAFTS: [(&str, &str); 2] = [("draft4", "3.0.4"), ("draft2020-12", "3.1.1")];

/// Where the suite says that its further documents are served.
const REMOTES: &str = "http://localhost:1234/";

/// What the cases come to.
#[derive(Debug, Default)]
struct Survey {
    /// By draft: how many, and how many hold.
    counts: BTreeMap<String, (usize, usize)>,
    /// Those that fail: `draft/file: group: test`, and how.
    failures: BTreeMap<String, String>,
    /// All that there are.
    cases: Vec<String>,
    /// FNV-1a over names and contents.
    hash: u64,
}

/// One schema with the documents around it.
struct Set<'d> {
    texts: BTreeMap<&'static str, Vec<u8>>,
    remotes: &'d Path,
}

/// Runs the suite; with `update` the score is added where it is not known.
pub(crate) fn run(root: &Path, data: &Path, update: bool) -> Result<ExitCode> {
    let suite = root.join(SUITE);
    let known = known::parse(&fs::read_to_string(suite.join("known.toml"))?)?;
    let survey = survey(data)?;
    for (draft, (all, good)) in &survey.counts {
        println!("{draft:<14} {good:>6} of {all} cases hold");
    }
    let differences = compare(&survey, &known);
    for difference in &differences {
        println!("{difference}");
    }
    let score = survey.score();
    let committed = suite.join("score.toml");
    let text = fs::read_to_string(&committed).unwrap_or_default();
    if !text.contains(&score) {
        if !update {
            println!("{SUITE}/score.toml does not have this run:\n\n{score}");
            return Ok(ExitCode::FAILURE);
        }
        fs::write(&committed, format!("{text}\n{score}"))?;
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn survey(data: &Path) -> Result<Survey> {
    let mut survey = Survey { hash: FNV_OFFSET, ..Survey::default() };
    for (draft, version) in DRAFTS {
        let folder = data.join("tests").join(draft);
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
        let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        for path in files {
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            let bytes = fs::read(&path)?;
            survey.hash = fnv(fnv(survey.hash, name.as_bytes()), &bytes);
            survey.file(&format!("{draft}/{name}"), version, &bytes, &data.join("remotes"))?;
        }
    }
    Ok(survey)
}

impl Survey {
    fn file(&mut self, name: &str, version: &str, bytes: &[u8], remotes: &Path) -> Result<()> {
        let mut files = Files::new();
        let id = files.add(name);
        let Ok(root) = source::parse(&files, id, bytes, &Reading::DEFINITION) else {
            bail!("`{name}` is no JSON")
        };
        for group in root.as_sequence().context("a list of groups")? {
            let text =
                |node: &Node| node.get("description").and_then(Node::as_str).unwrap_or_default().to_owned();
            let case = format!("{name}: {}", text(group));
            let schema = group.get("schema").context("a group without a schema")?;
            let contract = compile(version, schema, remotes);
            for test in group.get("tests").and_then(Node::as_sequence).unwrap_or_default() {
                let is_valid =
                    test.get("valid").and_then(Node::as_bool).context("a test without a verdict")?;
                let data = test.get("data").context("a test without data")?;
                let failure = match &contract {
                    Ok(contract) => judge(contract, data, is_valid).err(),
                    Err(reason) => Some(reason.clone()),
                };
                self.count(name, format!("{case}: {}", text(test)), failure);
            }
        }
        Ok(())
    }

    fn count(&mut self, name: &str, case: String, failure: Option<String>) {
        let draft = name.split('/').next().unwrap_or_default().to_owned();
        let (all, good) = self.counts.entry(draft).or_default();
        *all = all.saturating_add(1);
        match failure {
            None => *good = good.saturating_add(1),
            Some(failure) => {
                self.failures.insert(case.clone(), failure);
            }
        }
        self.cases.push(case);
    }

    fn score(&self) -> String {
        let mut score = format!("[data.\"{:016x}\"]\n", self.hash);
        for (draft, (all, good)) in &self.counts {
            writeln!(score, "\"{draft}\" = \"{good} of {all}\"").unwrap_or_default();
        }
        score
    }
}

/// What the run has and the list has not, and the other way round. A case that the data does not have is none.
fn compare(survey: &Survey, known: &[Known]) -> Vec<String> {
    let mut differences = Vec::new();
    let is_listed = |case: &str| known.iter().any(|class| class.cases.iter().any(|(own, _)| own == case));
    for (case, failure) in &survey.failures {
        if !is_listed(&without_quotes(case)) {
            differences.push(format!("not known: {case}: {failure}"));
        }
    }
    for (case, _) in known.iter().flat_map(|class| &class.cases) {
        let found = survey.cases.iter().find(|own| without_quotes(own) == *case);
        if found.is_some_and(|own| !survey.failures.contains_key(own)) {
            differences.push(format!("holds now: {case}"));
        }
    }
    differences
}

/// As the list can write it.
fn without_quotes(case: &str) -> String {
    case.replace(['"', '\\'], "'")
}

fn compile(version: &str, schema: &Node, remotes: &Path) -> Result<Contract, String> {
    let root = format!(
        "{{\"openapi\": \"{version}\", \"info\": {{\"title\": \"t\", \"version\": \"1\"}}, \"paths\": {{\"/t\": {{\"post\": \
         {{\"requestBody\": {{\"content\": {{\"application/json\": {{\"schema\": {{\"$ref\": \"schema.json\"}}}}}}}}, \
         \"responses\": {{}}}}}}}}}}"
    );
    let mut text = String::new();
    write_json(schema, &mut text);
    let texts = [("api.json", root.into_bytes()), ("schema.json", text.into_bytes())].into();
    let set = Set { texts, remotes };
    let definition = Definition::load(&set, "api.json", &Bounds::DEFAULT).map_err(|refused| {
        format!("refused: {:?}", refused.notices.iter().map(ToString::to_string).collect::<Vec<_>>())
    })?;
    let wide =
        Limits { string: 1 << 20, array: 1 << 20, members: 1 << 20, number_digits: 400, ..Limits::REQUEST };
    let options = Options {
        requests: wide,
        operations: [(0, OperationOptions { undeclared: Undeclared::Pass, limits: None })].into(),
        ..Options::default()
    };
    let contract = Contract::compile(&definition, &options)
        .map_err(|findings| findings.iter().map(ToString::to_string).collect::<String>())?;
    let gaps: Vec<String> = contract
        .operation(0)
        .into_iter()
        .flat_map(|operation| operation.gaps())
        .map(ToString::to_string)
        .collect();
    if gaps.is_empty() { Ok(contract) } else { Err(format!("gap: {}", gaps.join("; "))) }
}

fn judge(contract: &Contract, data: &Node, is_valid: bool) -> Result<(), String> {
    let operation = contract.operation(0).ok_or("no operation")?;
    let chosen = operation.body().choose(&mut [&b"application/json"[..]].into_iter(), true);
    let chosen = chosen.map_err(|fault| format!("{fault:?}"))?;
    let mut text = String::new();
    write_json(data, &mut text);
    let mut found = Violations::new();
    operation.judge_body(chosen, text.as_bytes(), &mut found).map_err(|fault| format!("{fault:?}"))?;
    match (is_valid, found.is_empty()) {
        (true, true) | (false, false) => Ok(()),
        (true, false) => Err(format!(
            "refused by {}",
            found.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        )),
        (false, true) => Err("passes".to_owned()),
    }
}

/// The text of a value, numbers as they are written.
fn write_json(node: &Node, text: &mut String) {
    match &node.value {
        Value::Null => text.push_str("null"),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => text.push_str(number.as_str()),
        Value::String(string) => text.push_str(&quoted(string)),
        Value::Sequence(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                write_json(item, text);
            }
            text.push(']');
        }
        Value::Mapping(mapping) => {
            text.push('{');
            for (at, (key, value)) in mapping.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                text.push_str(&quoted(&key.text));
                text.push(':');
                write_json(value, text);
            }
            text.push('}');
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

impl Documents for Set<'_> {
    fn read(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, Unreadable> {
        let bytes = match path.strip_prefix("remotes/") {
            Some(remote) => fs::read(self.remotes.join(remote))?,
            None => self.texts.get(path).cloned().ok_or(Unreadable::Missing)?,
        };
        if bytes.len() > bytes_max { Err(Unreadable::TooLarge(bytes_max)) } else { Ok(bytes) }
    }

    fn kept(&self, uri: &str) -> Option<String> {
        uri.strip_prefix(REMOTES).map(|path| format!("remotes/{path}"))
    }
}
