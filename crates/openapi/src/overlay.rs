//! OpenAPI Overlays 1.0 and 1.1: changes to a document that whoever cannot or will not edit it lays on.
//!
//! The actions are carried out in their order, each on what those before it left: `update` merges, `copy` merges what
//! stands elsewhere in the document, `remove` takes out. What comes in keeps its place in the Overlay, so that whatever
//! is wrong with it is reported there; what is copied stands where the copying is asked for.
//!
//! Queries are asked of the root document alone: `$ref` is not followed, and other files of the definition are not
//! reached. What cannot be merged by the specification (a list into a mapping) is an error, and so are unknown keys.
//! Where 1.0 leaves open what is meant, the action does not load and says how 1.1 would write it.
//!
//! # Limits
//! [`Bounds`]; the document may not pass those of its [`Reading`], as if it had been written so.
//! # Failure
//! An error in one Overlay refuses the document. An action that finds nothing is a warning, as the specification wants
//! it, unless whoever lays it on says that it has to find something.
//! # Threats
//! An Overlay could undo what the definition protects by its `x-portcullis`: what stood there is kept beside what stands
//! there now ([`Laid::before`]). Fuzz targets: `jsonpath`, `definition`.

use crate::jsonpath::Budget;
use crate::source::{self, FileId, Files, Finding, Node, Pointer, Reading, Span};

mod action;
mod carried;
mod merge;
mod read;

/// An Overlay as it was written.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// What messages call it: the file's name, as the operator wrote it.
    pub name: &'a str,
    /// What stands in the file.
    pub bytes: &'a [u8],
    /// Whether each action has to find something.
    pub must_match: bool,
}

/// What laying Overlays on one document allows itself.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Most actions of one Overlay.
    pub actions_max: usize,
    /// What all their queries and changes may cost together, and how much one query may find.
    pub budget: Budget,
}

impl Bounds {
    /// What a gateway loads with.
    pub const DEFAULT: Self =
        Self { actions_max: 100_000, budget: Budget { steps: 200_000_000, found_max: 500_000 } };
}

/// What came of laying Overlays on.
#[derive(Debug, Default)]
pub(crate) struct Laid {
    /// What is wrong; the document is then not to be used.
    pub(crate) errors: Vec<Finding>,
    /// What should be looked at.
    pub(crate) warnings: Vec<Finding>,
    /// The Overlays' files, in their order.
    pub(crate) files: Vec<FileId>,
    /// Where `x-portcullis` says otherwise now than the document did, and what it said. Where there is none any more an
    /// empty one stands.
    pub(crate) before: Vec<(Pointer, Node)>,
}

/// Lays Overlays on a document named `name`, in their order.
pub(crate) fn lay_on(
    root: &mut Node,
    name: &str,
    texts: &[Text<'_>],
    files: &mut Files,
    bounds: &Bounds,
    reading: &Reading,
) -> Laid {
    let mut laid = Laid::default();
    let original = carried::all(root);
    let mut budget = bounds.budget;
    for text in texts {
        let file = files.add(text.name);
        laid.files.push(file);
        let overlay = source::parse(files, file, text.bytes, reading)
            .and_then(|node| read::overlay(files, &node, bounds.actions_max));
        let overlay = match overlay {
            Ok(overlay) => overlay,
            Err(findings) => {
                laid.errors.extend(findings);
                continue;
            }
        };
        laid.warnings.extend(overlay.is_for_another(files, text.name, name));
        laid.warnings.extend(overlay.warnings.iter().cloned());
        let mut work = action::Work::new(root, files, reading, &mut budget);
        for action in &overlay.actions {
            match work.carry_out(action) {
                Ok(true) => {}
                Ok(false) => {
                    let finding = files.finding(action.span, &action.path, "finds nothing in the definition");
                    let list = if text.must_match { &mut laid.errors } else { &mut laid.warnings };
                    list.push(finding);
                }
                Err(finding) => {
                    // What follows would be about a document that is not meant.
                    laid.errors.push(finding);
                    return laid;
                }
            }
        }
    }
    laid.before = carried::changed(root, original);
    laid
}

/// A place of an Overlay as messages show it.
type Place = (Span, Pointer);

#[cfg(test)]
mod tests;
