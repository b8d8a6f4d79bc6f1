//! Links between Markdown pages lead somewhere: to a file that is there, and to a heading it has.

use std::fs;
use std::path::Path;

use super::Finding;

/// Judges the links of the page called `name`.
pub(crate) fn judge(root: &Path, name: &str, page: &str, findings: &mut Vec<Finding>) {
    let folder = Path::new(name).parent().unwrap_or(Path::new(""));
    for (line, target) in links(page) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let mut push = |what: String| findings.push(Finding { file: name.to_owned(), line, what });
        let (file, heading) = target.split_once('#').unwrap_or((target, ""));
        let path = root.join(folder).join(file);
        if !file.is_empty() && !path.exists() {
            push(format!("link to `{file}`, which is not there"));
        } else if !heading.is_empty() && (file.is_empty() || file.ends_with(".md")) {
            let other = if file.is_empty() { None } else { fs::read_to_string(&path).ok() };
            if !anchors(other.as_deref().unwrap_or(page)).iter().any(|anchor| anchor == heading) {
                push(format!("link to `#{heading}`, a heading that is not there"));
            }
        }
    }
}

/// Line and target of each `[text](target)` outside code.
fn links(page: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (line, text) in prose(page) {
        // Between the ticks of inline code there are no links: only every other piece is prose.
        for piece in text.split('`').step_by(2) {
            let mut rest = piece;
            while let Some((_, after)) = rest.split_once("](") {
                let (target, tail) = after.split_once(')').unwrap_or((after, ""));
                found.push((line, target.split(' ').next().unwrap_or_default()));
                rest = tail;
            }
        }
        let reference = text.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        if let Some((_, target)) = reference {
            found.push((line, target.trim()));
        }
    }
    found
}

/// The anchors a page offers: its headings as forges spell them.
fn anchors(page: &str) -> Vec<String> {
    let headings = prose(page).filter(|(_, line)| line.starts_with('#'));
    headings.map(|(_, line)| slug(line.trim_start_matches('#').trim())).collect()
}

fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// The lines of a page that are no fenced code, numbered from 1.
fn prose(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    page.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((index.saturating_add(1), line))
    })
}
