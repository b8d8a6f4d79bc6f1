//! Writes what the code says about itself: `docs/reference` and the JSON schema.
//!
//! Each page is made from the one list that the code itself runs on, so that it cannot lag behind: a test of
//! this crate (`reference_is_current`) fails with the difference and the command to run. The page of the command
//! line is made from the executable's own help; that it is current is a test beside the executable.

mod command_line;
mod configuration;
mod lists;
mod markdown;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use portcullis_gateway::config;

/// A file that is written from the code.
#[derive(Debug)]
pub(crate) struct Page {
    /// Path from the repository's root.
    pub(crate) path: &'static str,
    /// What it must say.
    pub(crate) text: String,
}

/// Writes every page.
pub(crate) fn write(root: &Path) -> Result<ExitCode> {
    let mut pages = pages()?;
    pages.push(command_line::page(root)?);
    for page in pages {
        let path = root.join(page.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, page.text).with_context(|| format!("failed to write `{}`", path.display()))?;
        println!("{}", page.path);
    }
    Ok(ExitCode::SUCCESS)
}

/// Says which pages differ from what would be written.
pub(crate) fn check(root: &Path) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for page in pages()? {
        if let Some(difference) = difference(root, &page) {
            println!("{difference}");
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

/// The pages that are made from the gateway crate.
fn pages() -> Result<Vec<Page>> {
    let schema = config::json_schema();
    let pretty = serde_json::to_string_pretty(&schema)?;
    let admin = serde_json::to_string_pretty(&portcullis_admin::openapi())?;
    Ok(vec![
        Page { path: "portcullis.schema.json", text: format!("{pretty}\n") },
        Page { path: "docs/reference/admin-api.json", text: format!("{admin}\n") },
        Page { path: "docs/reference/admin-roles.md", text: lists::roles() },
        Page { path: "docs/reference/configuration.md", text: configuration::page(&schema, config::UNBUILT) },
        Page { path: "docs/reference/problems.md", text: lists::problems() },
        Page { path: "docs/reference/metrics.md", text: lists::metrics() },
        Page { path: "docs/reference/records.md", text: lists::records() },
        Page { path: "docs/reference/bounds.md", text: lists::bounds() },
        Page { path: "docs/reference/claims.md", text: lists::claims() },
    ])
}

/// The first lines in which the file and the page differ, and what to do about it.
fn difference(root: &Path, page: &Page) -> Option<String> {
    let found = fs::read_to_string(root.join(page.path)).unwrap_or_default();
    if found == page.text {
        return None;
    }
    let mut lines: Vec<String> = Vec::new();
    let (old, new): (Vec<&str>, Vec<&str>) = (found.lines().collect(), page.text.lines().collect());
    let removed = old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}"));
    let added = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line}"));
    lines.extend(removed.take(10));
    lines.extend(added.take(10));
    Some(format!("{} is out of date; run `cargo xtask generate`\n{}", page.path, lines.join("\n")))
}
