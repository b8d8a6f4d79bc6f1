//! The nearest known name, for hints on misspelt ones.

/// How alike two names must be to be offered: a transposition or a missing letter in a short word is, another
/// word is not.
const LIKENESS_MIN: f64 = 0.6;

/// The candidate that was most likely meant by `name`.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A name that long is no typing error, and the comparison is quadratic.
    const NAME_CHARS_MAX: usize = 64;
    if name.chars().nth(NAME_CHARS_MAX).is_some() {
        return None;
    }
    let plain = plain(name);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= NAME_CHARS_MAX)
        .map(|candidate| (strsim::normalized_damerau_levenshtein(&plain, &self::plain(candidate)), candidate))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

/// Case and `-` against `_` are the commonest slips: they count for nothing.
fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '-' && *c != '_').flat_map(char::to_lowercase).collect()
}
