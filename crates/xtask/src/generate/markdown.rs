//! The little Markdown that reference pages are made of.

/// The line that every generated page begins with.
pub(crate) const NOTICE: &str =
    "<!-- Written by `cargo xtask generate` from the code; edit that instead. -->";

/// The beginning of a page.
pub(crate) fn page(title: &str, about: &str) -> String {
    format!("{NOTICE}\n# {title}\n\n{about}\n")
}

/// A table with these columns.
pub(crate) fn table(columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    let rule = vec!["---".to_owned(); columns.len()];
    let mut out = format!("\n{}{}", line(&head), line(&rule));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
        out.push_str(&line(&cells));
    }
    out
}

/// Text as code.
pub(crate) fn code(text: &str) -> String {
    format!("`{text}`")
}

/// Text that may stand in a table: on one line, without a bar.
fn cell(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}
