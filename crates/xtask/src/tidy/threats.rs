//! Every row of the threat model leads to a test: a promise that nothing shows is a wish.

use super::Finding;

/// The page with the threat model.
pub(crate) const PAGE: &str = "SECURITY.md";

/// Finds rows of the threat model whose last column links to no test. That links lead somewhere, `links` judges.
pub(crate) fn judge(page: &str, findings: &mut Vec<Finding>) {
    let mut is_inside = false;
    for (index, line) in page.lines().enumerate() {
        if line.starts_with("## ") {
            is_inside = line == "## Threat model";
        }
        let is_row = is_inside
            && line.starts_with("| ")
            && !line.starts_with("| failure ")
            && !line.starts_with("| ---");
        let shown_by = line.trim_end().trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        let is_test = |target: &str| target.contains("tests") || target.contains("/cases");
        let has_test =
            shown_by.split("](").skip(1).any(|link| is_test(link.split(')').next().unwrap_or_default()));
        if is_row && !has_test {
            let what = "this row links to no test".to_owned();
            findings.push(Finding { file: PAGE.to_owned(), line: index.saturating_add(1), what });
        }
    }
}
