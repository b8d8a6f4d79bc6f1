//! `portcullis coverage`: how much of each definition is enforced, and each gap with its reason.

use portcullis_gateway::gateway;
use portcullis_gateway::snapshot::coverage::{ApiReport, OperationReport};

use crate::args::Coverage;
use crate::output::{Outcome, findings, say};

/// Prints what is enforced. The answer is no where a constraint on requests is not.
pub(crate) fn coverage(args: &Coverage) -> anyhow::Result<Outcome> {
    let loaded = args.subject.load()?;
    let snapshot = gateway::check(&loaded).map_err(|found| findings(&found))?;
    let reports = &snapshot.coverage;
    if args.json {
        say(serde_json::to_string_pretty(reports)?);
    } else if reports.is_empty() {
        say(format_args!("{}: no API has a definition, so none has a contract", args.subject.name()));
    } else {
        reports.iter().for_each(tell);
    }
    let is_covered = reports.iter().all(ApiReport::is_covered);
    Ok(if is_covered { Outcome::Good } else { Outcome::No })
}

fn tell(report: &ApiReport) {
    say(report.summary());
    for operation in &report.gaps {
        say(format_args!("  {}", head(operation)));
        for gap in &operation.gaps {
            say(format_args!("    {:<8} {}: {}: {}", gap.side, gap.place, gap.what, gap.why));
        }
    }
    for default in &report.defaults {
        say(format_args!("  where the definition is silent: {default}"));
    }
}

fn head(operation: &OperationReport) -> String {
    let OperationReport { method, path, operation: name, fate, .. } = operation;
    format!("{method} {path} ({name}) {}", fate.words())
}
