//! JSONPath: whatever the query and the document, asking ends, and finds the same places again, which are there.
//!
//! The input is a query, a line end, and a document.

use portcullis_openapi::jsonpath::{Budget, Query};
use portcullis_openapi::source::{self, Files, Reading};

const READING: Reading =
    Reading { file_bytes_max: 64 << 10, nodes_max: 5_000, depth_max: 64, merge_keys: true };
const BUDGET: Budget = Budget { steps: 200_000, found_max: 1_000 };

/// Panics when `data` breaks a promise.
pub(crate) fn check(data: &[u8]) {
    let (query, document) = match data.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &b"{}"[..]),
    };
    let Ok(text) = std::str::from_utf8(query) else { return };
    let query = match Query::parse(text) {
        Ok(query) => query,
        Err(fault) => {
            assert!(fault.character > 0 && fault.character <= text.chars().count() + 1, "{fault}");
            return;
        }
    };
    let mut files = Files::new();
    let file = files.add("document");
    let Ok(root) = source::parse(&files, file, document, &READING) else { return };
    let (mut once, mut again) = (BUDGET, BUDGET);
    let found = query.select(&root, &mut once);
    assert_eq!(found, query.select(&root, &mut again));
    assert_eq!(once, again, "costs another time something else");
    let Ok(found) = found else { return };
    assert!(found.len() <= BUDGET.found_max);
    for place in found {
        assert!(root.find(&place).is_some(), "{place} is not there");
    }
}
