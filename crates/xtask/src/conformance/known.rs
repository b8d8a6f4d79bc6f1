//! The list of what is known to fail, in a subset of TOML: tables of texts and lists of texts.
//!
//! ```toml
//! [[known]]
//! says = "begin of the message"
//! reason = "why it is right to fail"
//! cases = [
//!   "case: 3",
//! ]
//! ```

use anyhow::{Context as _, Result, bail};

/// Failures of one class.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// What the messages begin with.
    pub(crate) says: String,
    /// Why it is right that they fail.
    pub(crate) reason: String,
    /// Which cases fail so, and how often.
    pub(crate) cases: Vec<(String, usize)>,
}

/// Reads the list.
pub(crate) fn parse(text: &str) -> Result<Vec<Known>> {
    let mut classes: Vec<Known> = Vec::new();
    let mut in_cases = false;
    for (number, line) in (1_usize..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fault = || format!("known.toml:{number}: cannot read `{line}`");
        if line == "[[known]]" {
            classes.push(Known::default());
            continue;
        }
        let class = classes.last_mut().with_context(fault)?;
        match line.split_once(" = ") {
            Some(("says", value)) if !in_cases => class.says = string(value).with_context(fault)?,
            Some(("reason", value)) if !in_cases => class.reason = string(value).with_context(fault)?,
            Some(("cases", "[")) if !in_cases => in_cases = true,
            None if in_cases && line == "]" => in_cases = false,
            _ if in_cases => {
                let case = string(line.trim_end_matches(',')).with_context(fault)?;
                let (case, count) = case.rsplit_once(": ").with_context(fault)?;
                class.cases.push((case.to_owned(), count.parse().with_context(fault)?));
            }
            _ => bail!(fault()),
        }
    }
    for class in &classes {
        if class.says.is_empty() || class.reason.is_empty() || class.cases.is_empty() {
            bail!("known.toml: a class needs `says`, `reason` and `cases`: {class:?}");
        }
    }
    Ok(classes)
}

fn string(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains(['"', '\\'])).then(|| inner.to_owned())
}

#[cfg(test)]
mod tests;
