//! Patterns over paths of the document: `backends.*.balance`, `apis.*.auth.**.jwt`.

use portcullis_openapi::source::Segment;

/// Whether a path is the one a pattern describes. `*` is any one step, `**` any number of them.
pub(super) fn matches(steps: &[&str], path: &[Segment]) -> bool {
    match (steps.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), None) => matches(rest, path),
        (Some((&"**", rest)), Some((_, deeper))) => matches(rest, path) || matches(steps, deeper),
        (Some((&"*", rest)), Some((_, deeper))) => matches(rest, deeper),
        (Some((step, rest)), Some((Segment::Key(key), deeper))) => **key == **step && matches(rest, deeper),
        _ => false,
    }
}
