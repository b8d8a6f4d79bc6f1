//! Crates depend on each other only along the arrows of the floor plan.
//!
//! The engines (`http1`, `waf`, `openapi`, `identity`) know no other crate of ours: that keeps them fuzzable
//! without sockets or a runtime. The test kit is a dev-dependency everywhere, so that nothing of it ships.

use super::Finding;

/// Which crates of ours each crate may depend on. A crate that is not listed does not belong to the plan.
const ARROWS: &[(&str, &[&str])] = &[
    // The binary makes keys and answers as the sample backend of `demo`, hence the engines.
    ("portcullis", &["admin", "gateway", "http1", "identity"]),
    ("admin", &["gateway"]),
    ("gateway", &["http1", "waf", "openapi", "identity"]),
    ("http1", &[]),
    ("waf", &[]),
    ("openapi", &[]),
    ("identity", &[]),
    ("testkit", &[]),
    ("xtask", &["admin", "gateway", "openapi"]),
];

/// Finds dependencies between crates that the plan does not draw.
pub(crate) fn judge(file: &str, manifest: &str, findings: &mut Vec<Finding>) {
    let krate = file.split('/').nth(1).unwrap_or_default();
    let mut push = |line: usize, what: String| findings.push(Finding { file: file.to_owned(), line, what });
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == krate) else {
        return push(
            1,
            format!("crate `{krate}` is not on the floor plan: enter it in xtask's tidy/arrows.rs"),
        );
    };
    for (line, section, dependency) in dependencies(manifest) {
        let dev = section.ends_with("dev-dependencies]");
        if !dev && !allowed.contains(&dependency) {
            push(line, format!("`{krate}` must not depend on `{dependency}`"));
        }
    }
}

/// Line, section and name of each dependency on a crate of ours.
fn dependencies(manifest: &str) -> Vec<(usize, &str, &str)> {
    let mut section = "";
    let mut found = Vec::new();
    for (index, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            section = line.trim_end();
        }
        let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
        let inside = section.ends_with("dependencies]");
        if let Some(name) = name.strip_prefix("portcullis-").filter(|_| inside) {
            found.push((index.saturating_add(1), section, name));
        }
    }
    found
}
