//! Nothing shown is untested: the README's configurations load, its commands print what it says they print.
//!
//! A `console` block is a list of commands (`$ …`) and lines of their output; `…` stands for anything. Commands
//! that begin with `cargo` or `./` are for a checkout, and run elsewhere: the demo below, the test script by
//! whoever runs this.

use std::fs;
use std::path::Path;
use std::process::Command;

use portcullis_testkit::gateway::Builder;

use crate::stage::executable;

/// The definition that its commands name.
const PETSTORE: &str = "openapi: 3.1.0\ninfo: { title: Pets, version: '1' }\npaths: { /pets: { get: {} } }\n";

const README: &str = include_str!("../../../../README.md");

#[test]
fn every_configuration_loads() {
    let folder = tempfile::tempdir().expect("it works");
    let blocks = blocks(README, "yaml");
    assert!(!blocks.is_empty());
    for (at, yaml) in blocks.iter().enumerate() {
        let file = folder.path().join(format!("{at}.yaml"));
        fs::write(&file, yaml).expect("it works");
        let checked = portcullis(folder.path(), &["check", "-c", &file.display().to_string()]);
        assert!(
            checked.starts_with(&file.display().to_string()) && checked.contains(": good,"),
            "{checked}\n{yaml}"
        );
    }
}

#[test]
fn every_command_prints_what_is_shown() {
    let folder = tempfile::tempdir().expect("it works");
    fs::write(folder.path().join("petstore.yaml"), PETSTORE).expect("it works");
    fs::write(folder.path().join("mistake.yaml"), "version: 1\nlisteners:\n  - public\n").expect("it works");
    let mut ran = 0;
    for block in blocks(README, "console") {
        for (command, shown) in commands(&block) {
            let Some(arguments) = command.strip_prefix("portcullis ") else {
                assert!(command.starts_with("cargo run") || command == "./test.sh", "untested: {command}");
                continue;
            };
            ran += 1;
            if let Some(arguments) = arguments.strip_prefix("run ") {
                serve(arguments, &shown);
                continue;
            }
            let printed = portcullis(folder.path(), &arguments.split(' ').collect::<Vec<_>>());
            for line in shown {
                assert!(
                    printed.lines().any(|printed| fits(printed, &line)),
                    "`{command}` lacks `{line}`:\n{printed}"
                );
            }
        }
    }
    assert!(ran >= 5, "only {ran} commands ran");
}

/// Serves as `portcullis run` is told to, and waits for the lines that are shown.
fn serve(arguments: &str, shown: &[String]) {
    let builder = Builder::without_config(executable()).file("petstore.yaml", PETSTORE);
    // The port that is shown may be taken here.
    let arguments = arguments.split(' ').chain(["--listen", "127.0.0.1:0"]);
    let gateway = arguments.fold(builder, |builder, argument| builder.argument(argument)).start();
    for line in shown {
        let line = line.replace("8080", "…");
        gateway.stdout().expect(&line, |printed| fits(printed, &line).then_some(()));
    }
}

/// The contents of the fenced blocks of one language.
pub(crate) fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().expect("it works").to_owned()).collect()
}

pub(crate) fn commands(block: &str) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), Vec::new())),
            (None, Some((_, shown))) if !line.is_empty() && line != "…" => shown.push(line.to_owned()),
            _ => {}
        }
    }
    commands
}

/// Runs the executable and gives what it prints on either stream.
pub(crate) fn portcullis(folder: &Path, arguments: &[&str]) -> String {
    let ran = Command::new(executable()).args(arguments).current_dir(folder).output().expect("it works");
    format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr))
}

/// Whether a printed line is the shown one, with `…` for anything.
pub(crate) fn fits(printed: &str, shown: &str) -> bool {
    let mut rest = printed;
    let mut pieces = shown.split('…');
    let first = pieces.next().unwrap_or_default();
    let Some(after) = rest.strip_prefix(first) else { return false };
    rest = after;
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    shown.ends_with('…') || rest.is_empty()
}
