//! Every external crate has a line in the table of dependencies, and every line a crate: who adds one says why.

use super::Finding;

/// The manifest that names external crates.
pub(crate) const MANIFEST: &str = "Cargo.toml";
/// The page with the table.
pub(crate) const PAGE: &str = "docs/decisions/dependencies.md";

/// Compares the workspace's manifest with the page.
pub(crate) fn judge(manifest: &str, page: &str, findings: &mut Vec<Finding>) {
    let named = named(manifest);
    let told = told(page);
    for (line, name) in &named {
        if !told.iter().any(|(_, other)| other == name) {
            let what = format!("`{name}` has no line in {PAGE}: say what it is for");
            findings.push(Finding { file: MANIFEST.to_owned(), line: *line, what });
        }
    }
    for (line, name) in &told {
        if !named.iter().any(|(_, other)| other == name) {
            let what = format!("`{name}` is no dependency of the workspace");
            findings.push(Finding { file: PAGE.to_owned(), line: *line, what });
        }
    }
}

/// External crates of `[workspace.dependencies]`, with their lines.
fn named(manifest: &str) -> Vec<(usize, &str)> {
    let mut is_inside = false;
    let mut named = Vec::new();
    for (index, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            is_inside = line == "[workspace.dependencies]";
        } else if is_inside
            && let Some((name, _)) = line.split_once(" = ")
            && !name.starts_with("portcullis-")
        {
            named.push((index.saturating_add(1), name));
        }
    }
    named
}

/// Crates in the first column of the table, with their lines.
fn told(page: &str) -> Vec<(usize, &str)> {
    let rows = page.lines().enumerate().filter(|(_, line)| line.starts_with("| "));
    let cells =
        rows.filter_map(|(index, line)| Some((index.saturating_add(1), line.split('|').nth(1)?.trim())));
    let cells = cells.filter(|(_, cell)| *cell != "crate" && !cell.starts_with("---"));
    cells
        .flat_map(|(line, cell)| {
            let names = cell.strip_prefix("dev: ").unwrap_or(cell).split(", ");
            names.map(move |name| (line, name))
        })
        .collect()
}
