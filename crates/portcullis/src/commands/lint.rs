//! `portcullis lint`: how much of a definition protects, as points of a hundred, and an Overlay that mends what a machine
//! can mend.
//!
//! Looked at is the definition with the Overlays that are laid on it, so that what was mended beside it counts. A low
//! score is no error: `--fail-below` makes it one, for CI.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use portcullis_gateway::config::definition::{Bounds, Definition, Folder, Loads};
use portcullis_gateway::config::lint::{self, Area, Finding, Outcome as Ruled, RULES, Report};
use portcullis_gateway::config::overlays::Text;
use serde_json::{Value, json};

use crate::args::{Grade, Lint};
use crate::output::{Outcome, findings, remark, say};
use crate::overlay::{self, Overlay};
use crate::sarif;

/// Places that are shown of each rule; `--json` and `--sarif` tell all.
const SHOWN_MAX: usize = 10;

/// Prints the score and what costs points, and writes fixes where that is asked for.
pub(crate) fn lint(args: &Lint) -> anyhow::Result<Outcome> {
    let overlays =
        args.overlays.iter().map(|path| overlay::read(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let definition = load(args, &overlays)?;
    if definition.refused > 0 {
        let count = definition.refused;
        let hint = format!("portcullis check --openapi {}", args.file.display());
        remark(format_args!(
            "warning: {count} operations cannot be published and are not looked at: `{hint}`"
        ));
    }
    let report = lint::lint(&definition);
    if args.sarif {
        say(serde_json::to_string_pretty(&as_sarif(&definition, &report))?);
    } else if args.json {
        say(serde_json::to_string_pretty(&as_json(&definition, &report))?);
    } else {
        show(args, &definition, &report);
    }
    if let Some(path) = &args.fixes {
        write_fixes(args, path, overlays, &definition, &report)?;
    }
    let fails = args.fail_below.is_some_and(|least| report.score() < f64::from(least));
    Ok(if fails { Outcome::No } else { Outcome::Good })
}

fn load(args: &Lint, overlays: &[Overlay]) -> anyhow::Result<Definition> {
    let name = args.file.display();
    let folder = Folder::of(&args.file).with_context(|| format!("{name} cannot be read"))?;
    let texts: Vec<Text<'_>> = overlays.iter().map(Overlay::text).collect();
    let loads = Loads { overlays: &texts, ..Loads::default() };
    Definition::load_with(&folder, folder.root(), &Bounds::DEFAULT, &loads).map_err(|refused| {
        let found: Vec<_> = refused.notices.into_iter().map(|notice| notice.finding).collect();
        findings(&found)
    })
}

fn show(args: &Lint, definition: &Definition, report: &Report) {
    say(format_args!(
        "{}: {:.1} of 100 points: {:.1} of 30 for security, {:.1} of 70 for data",
        args.file.display(),
        report.score(),
        report.area(Area::Security),
        report.area(Area::Data),
    ));
    let mut rest = report.findings.as_slice();
    while let Some(first) = rest.first() {
        let count = rest.iter().take_while(|finding| finding.rule.id == first.rule.id).count();
        let (own, others) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        rest = others;
        let ruled = report.outcomes.iter().find(|ruled| ruled.rule.id == first.rule.id);
        let (lost, places) = ruled.map_or((0.0, 0), |ruled| (ruled.lost(), ruled.places));
        say(format_args!("\n-{lost:.1} {}: {} ({count} of {places})", first.rule.id, first.rule.title));
        for finding in own.iter().take(SHOWN_MAX) {
            let mended = if finding.fix.is_empty() { "" } else { " [fix]" };
            say(format_args!("  {}: {}{mended}", place(definition, finding), told(finding)));
        }
        if count > SHOWN_MAX {
            say(format_args!("  and {} more", count.saturating_sub(SHOWN_MAX)));
        }
        say(format_args!("  {}", first.rule.help));
    }
}

/// What is wrong, and with what.
fn told(finding: &Finding) -> String {
    format!("{}: {}", finding.pointer, finding.message)
}

fn place(definition: &Definition, finding: &Finding) -> String {
    let span = finding.span;
    format!("{}:{}:{}", definition.files.name(span.file), span.line, span.column)
}

fn as_json(definition: &Definition, report: &Report) -> Value {
    let rule = |ruled: &Ruled| {
        json!({
            "rule": ruled.rule.id, "area": ruled.rule.area.to_string(), "points": rounded(ruled.points()),
            "of": ruled.rule.points, "places": ruled.places, "failing": ruled.failing,
            "title": ruled.rule.title, "help": ruled.rule.help,
        })
    };
    let finding = |finding: &Finding| {
        let fix = |action: &lint::Action| json!({ "target": action.target, "update": action.update });
        json!({
            "rule": finding.rule.id, "cost": rounded(finding.cost), "message": finding.message,
            "file": &**definition.files.name(finding.span.file), "line": finding.span.line,
            "column": finding.span.column, "path": finding.pointer.to_string(),
            "fix": finding.fix.iter().map(fix).collect::<Vec<_>>(),
        })
    };
    json!({
        "score": rounded(report.score()),
        "security": rounded(report.area(Area::Security)),
        "data": rounded(report.area(Area::Data)),
        "rules": report.outcomes.iter().map(rule).collect::<Vec<_>>(),
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

/// To a ten-thousandth: what stands behind it is noise of the arithmetic.
fn rounded(points: f64) -> f64 {
    (points * 10_000.0).round() / 10_000.0
}

fn as_sarif(definition: &Definition, report: &Report) -> Value {
    let rules: Vec<sarif::Rule<'_>> = RULES
        .iter()
        .map(|rule| sarif::Rule {
            id: rule.id,
            grade: if rule.points >= 6 { Grade::Medium } else { Grade::Low },
            title: rule.title,
            help: rule.help,
            // `owasp:api4:2023-…` is of API4:2023.
            owasp: rule.id.strip_prefix("owasp:").and_then(|rest| {
                let (entry, _) = rest.split_once('-')?;
                Some(entry.to_ascii_uppercase())
            }),
        })
        .collect();
    let messages: Vec<String> = report.findings.iter().map(told).collect();
    let found = report.findings.iter().zip(&messages).filter_map(|(finding, message)| {
        Some(sarif::Found {
            rule: RULES.iter().position(|rule| rule.id == finding.rule.id)?,
            message,
            file: definition.files.name(finding.span.file),
            line: finding.span.line,
            column: Some(finding.span.column),
        })
    });
    sarif::document("lint", &rules, found)
}

/// Writes the fixes, and says what the definition scores with them.
fn write_fixes(
    args: &Lint,
    path: &Path,
    mut overlays: Vec<Overlay>,
    definition: &Definition,
    report: &Report,
) -> anyhow::Result<()> {
    let same = |other: &PathBuf| {
        other == path
            || matches!((other.canonicalize(), path.canonicalize()), (Ok(one), Ok(two)) if one == two)
    };
    if let Some(taken) = std::iter::once(&args.file).chain(&args.overlays).find(|other| same(other)) {
        anyhow::bail!("--fixes {}: would overwrite {}, which is read", path.display(), taken.display());
    }
    // Where the Overlay stands elsewhere, nothing short would say what it is for.
    let extends = args.file.file_name().filter(|_| args.file.parent() == path.parent());
    let extends = extends.and_then(|name| name.to_str());
    let Some((text, actions)) = lint::overlay(report, &definition.title, extends) else {
        remark(format_args!("nothing to write to {}: no finding has a fix", path.display()));
        return Ok(());
    };
    overlays.push(Overlay { name: path.display().to_string(), bytes: text.into_bytes() });
    // Before it is written: what does not apply is not handed out.
    let after = lint::lint(&load(args, &overlays)?).score();
    if let Some(Overlay { bytes, .. }) = overlays.last() {
        fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    remark(format_args!("{}: {actions} actions; with them {after:.1} points", path.display()));
    Ok(())
}
