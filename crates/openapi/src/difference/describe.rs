//! What differs between two schemas, in words.

use serde_json::Value;

/// Longest text of one value that is told.
const SHOWN_CHARS_MAX: usize = 60;

/// The keywords of two emitted schemas that differ, as `\`maxLength\` 50 becomes 20`. Those about members, items and other
/// schemas are only named.
pub(super) fn changed(old: &Value, new: &Value) -> String {
    let none = serde_json::Map::new();
    let (old, new) = (old.as_object().unwrap_or(&none), new.as_object().unwrap_or(&none));
    let mut told = Vec::new();
    let keywords = old.keys().chain(new.keys().filter(|keyword| !old.contains_key(*keyword)));
    for keyword in keywords {
        let (old, new) = (old.get(keyword), new.get(keyword));
        if old == new || keyword == "$defs" {
            continue;
        }
        let is_large =
            |value: Option<&Value>| value.is_some_and(|value| value.is_object() || is_schemas(value));
        told.push(match (old, new) {
            (Some(_), Some(_)) if is_large(old) || is_large(new) => format!("`{keyword}` changed"),
            (Some(old), Some(new)) => format!("`{keyword}` {} becomes {}", shown(old), shown(new)),
            (Some(old), None) if is_large(Some(old)) => format!("`{keyword}` is gone"),
            (Some(old), None) => format!("`{keyword}` {} is gone", shown(old)),
            (None, Some(new)) if is_large(Some(new)) => format!("`{keyword}` is new"),
            (None, Some(new)) => format!("`{keyword}` {} is new", shown(new)),
            (None, None) => continue,
        });
    }
    if told.is_empty() { "what it refers to changed".to_owned() } else { told.join(", ") }
}

fn is_schemas(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().any(Value::is_object))
}

/// A value as JSON, cut short.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
