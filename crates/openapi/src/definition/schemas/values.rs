//! Values that a document writes out: of `enum`, `const`, `default`, and examples.

use std::sync::Arc;

use serde_json::{Map, Number, Value};

use super::super::loading::{Loading, Unusable};
use super::super::trail::At;
use crate::source::{self, Node};

/// A value, or nothing where it holds a number that would not stay what it is.
pub(super) fn value(loading: &mut Loading<'_>, node: &Node) -> Result<Option<Value>, Unusable> {
    Ok(Some(match &node.value {
        source::Value::Null => Value::Null,
        source::Value::Bool(value) => Value::Bool(*value),
        source::Value::Number(text) => match number(text) {
            Some(number) => Value::Number(number),
            None => return Ok(None),
        },
        source::Value::String(text) => {
            loading.spend_bytes(text.len())?;
            Value::String(text.as_ref().to_owned())
        }
        source::Value::Sequence(items) => {
            let mut list = Vec::with_capacity(items.len());
            for item in items {
                loading.spend(0)?;
                let Some(item) = value(loading, item)? else { return Ok(None) };
                list.push(item);
            }
            Value::Array(list)
        }
        source::Value::Mapping(mapping) => {
            let mut map = Map::with_capacity(mapping.len());
            for (key, node) in mapping {
                loading.spend(key.text.len())?;
                let Some(node) = value(loading, node)? else { return Ok(None) };
                map.insert(key.text.as_ref().to_owned(), node);
            }
            Value::Object(map)
        }
    }))
}

/// A number as far as one can be held: exactly, or not at all. Where a double means another number than what is written, a
/// limit would be another one.
pub(super) fn number(text: &source::Number) -> Option<Number> {
    if let Some(number) = text.as_u64() {
        return Some(Number::from(number));
    }
    if let Some(number) = text.as_i64() {
        return Some(Number::from(number));
    }
    let double = match crate::value::Number::parse(text.as_str()) {
        Some(written) => written.as_f64_exact()?,
        // A form that only YAML has, such as `.5`: exact where it is short.
        None => text.as_f64().filter(|_| text.as_str().len() <= f64::DIGITS as usize)?,
    };
    Number::from_f64(double)
}

/// A count: a whole number that is not negative, also when it is written `2.0`.
pub(super) fn count(node: &Node) -> Option<u64> {
    let number = node.as_number()?;
    if let Some(count) = number.as_u64() {
        return Some(count);
    }
    let whole = number.as_str().strip_suffix(".0").filter(|text| !text.is_empty())?;
    whole.parse().ok()
}

/// An example as JSON text, shared by all that refer to it.
pub(in super::super) fn example(loading: &mut Loading<'_>, at: &At<'_, '_>) -> Result<Arc<str>, Unusable> {
    if let Some(known) = loading.graph.examples.get(&at.identity()) {
        return Ok(Arc::clone(known));
    }
    let text: Arc<str> = serde_json::to_string(at.node).unwrap_or_else(|_| "null".to_owned()).into();
    loading.spend(text.len())?;
    loading.graph.examples.insert(at.identity(), Arc::clone(&text));
    Ok(text)
}
