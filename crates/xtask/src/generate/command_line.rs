//! The page of the command line: the executable's own help, verb by verb.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Page;
use super::markdown;

/// Builds the executable and asks it.
pub(crate) fn page(root: &Path) -> Result<Page> {
    let help = |words: &[&str]| -> Result<String> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut command = Command::new(cargo);
        command.current_dir(root).env_remove("PORTCULLIS_CONFIG").args([
            "run",
            "--quiet",
            "--package",
            "portcullis",
            "--",
        ]);
        let output =
            command.args(words).arg("--help").output().context("failed to run `portcullis --help`")?;
        ensure!(output.status.success(), "`portcullis {}` has no help", words.join(" "));
        Ok(String::from_utf8(output.stdout)?)
    };
    let overview = help(&[])?;
    let about = "Exit codes: 0 good; 1 the answer is no (findings, or refused by a running gateway); 2 usage, or input that\n\
        cannot be read or is invalid.";
    let mut text = markdown::page("Command line", about);
    text.push_str(&section("portcullis", &overview));
    for verb in verbs(&overview) {
        let own = help(&[&verb])?;
        text.push_str(&section(&format!("portcullis {verb}"), &own));
        for below in verbs(&own) {
            text.push_str(&section(&format!("portcullis {verb} {below}"), &help(&[&verb, &below])?));
        }
    }
    Ok(Page { path: "docs/reference/command-line.md", text })
}

fn section(title: &str, help: &str) -> String {
    format!("\n## {title}\n\n```text\n{}\n```\n", help.trim_end())
}

/// The verbs that a help text lists under `Commands:`.
pub(super) fn verbs(help: &str) -> Vec<String> {
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A verb stands two blanks in; its description may go on further in on the next line.
    let lines = listed.filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let verbs = lines.filter_map(|line| line.split_whitespace().next());
    verbs.filter(|verb| *verb != "help").map(str::to_owned).collect()
}
