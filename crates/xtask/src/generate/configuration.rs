//! The configuration reference, from its JSON schema: a section for each mapping, a table for each list of words.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::markdown::{self, code, table};

/// The page; `unbuilt` are the paths that this release refuses.
pub(crate) fn page(schema: &Value, unbuilt: &[&str]) -> String {
    let empty = Map::new();
    let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&empty);
    let walk = Walk { definitions };
    let about = "The configuration is one YAML document, read by `portcullis run -c portcullis.yaml` and judged by `portcullis\n\
        check`. Unknown keys are errors. `${env:NAME}` and `${file:path}` may stand wherever a text stands; one that cannot be\n\
        resolved is an error. Editors know all of this from `portcullis.schema.json`.";
    let mut out = markdown::page("Configuration", about);
    out.push_str("\n## The document\n");
    out.push_str(&walk.keys(schema));
    let mut words = String::new();
    for name in walk.order(schema) {
        let Some(definition) = definitions.get(&name) else { continue };
        if is_mapping(definition) {
            out.push_str(&format!("\n## {name}\n\n{}\n{}", describe(definition), walk.keys(definition)));
        } else if let Some(choices) = choices(definition) {
            words.push_str(&format!("\n## {name}\n\n{}\n", describe(definition)));
            let rows = choices.into_iter().map(|(word, about)| vec![code(&word), about]);
            words.push_str(&table(&["word", "meaning"], rows));
        }
    }
    out + &words + &not_built(unbuilt)
}

fn not_built(paths: &[&str]) -> String {
    let about = "A key whose control is not built does not load, and says so: a control that silently does not apply would\n\
        be worse than none. `*` stands for any one step, `**` for any number, `settings` for `defaults`, every API and every\n\
        operation; a word behind `=` is the only value meant.";
    let items: Vec<String> = paths.iter().map(|path| format!("- {}\n", code(path))).collect();
    if items.is_empty() {
        String::new()
    } else {
        format!("\n## Not built yet\n\n{about}\n\n{}", items.concat())
    }
}

struct Walk<'a> {
    definitions: &'a Map<String, Value>,
}

impl Walk<'_> {
    /// Definitions in the order in which a reader meets them.
    fn order(&self, schema: &Value) -> Vec<String> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        let mut waiting = vec![schema.clone()];
        while let Some(value) = waiting.pop() {
            let mut names = Vec::new();
            let mut value = value;
            if let Some(object) = value.as_object_mut() {
                object.remove("$defs");
            }
            references(&value, &mut names);
            let fresh: Vec<String> = names.into_iter().filter(|name| seen.insert(name.clone())).collect();
            // Depth first: what a mapping holds stands right behind it.
            waiting.extend(fresh.iter().rev().filter_map(|name| self.definitions.get(name)).cloned());
            order.extend(fresh);
        }
        order
    }

    /// The table of a mapping's keys.
    fn keys(&self, mapping: &Value) -> String {
        let required: Vec<&str> = list(mapping, "required").iter().filter_map(Value::as_str).collect();
        let rows =
            mappings(mapping).into_iter().flat_map(|properties| properties.iter()).map(|(key, value)| {
                let must = if required.contains(&key.as_str()) { " (required)" } else { "" };
                vec![format!("{}{must}", code(key)), self.kind(value), describe(value)]
            });
        table(&["key", "value", "about"], rows)
    }

    /// What a value may be, in a few words.
    fn kind(&self, value: &Value) -> String {
        if let Some(name) = reference(value) {
            return match self.definitions.get(name) {
                Some(definition) if is_mapping(definition) || choices(definition).is_some() => link(name),
                Some(definition) if definition.get("const").is_some() => self.kind(definition),
                Some(definition) => self.scalar(definition),
                None => name.to_owned(),
            };
        }
        if let Some(word) = value.get("const") {
            return code(word.as_str().unwrap_or(&word.to_string()));
        }
        let words: Vec<String> = list(value, "enum").iter().filter_map(Value::as_str).map(code).collect();
        if !words.is_empty() {
            return words.join(" or ");
        }
        let either = [list(value, "anyOf"), list(value, "oneOf")].concat();
        if !either.is_empty() {
            let kinds = either.iter().filter(|one| one.get("type") != Some(&Value::from("null")));
            return kinds.map(|one| self.kind(one)).collect::<Vec<_>>().join(" or ");
        }
        if let Some(items) = value.get("items") {
            return format!("list of {}", self.kind(items));
        }
        if let Some(values) = value.get("additionalProperties").filter(|values| values.is_object()) {
            return format!("mapping of names to {}", self.kind(values));
        }
        self.scalar(value)
    }

    /// What a plain value is: the first sentence said of it, else its type.
    fn scalar(&self, value: &Value) -> String {
        let about =
            value.get("description").and_then(Value::as_str).filter(|_| value.get("pattern").is_some());
        if let Some(about) = about {
            let about = about.split_whitespace().collect::<Vec<_>>().join(" ");
            let mut letters = about.trim_end_matches('.').chars();
            let first = letters.next().map(|c| c.to_ascii_lowercase()).into_iter();
            return first.chain(letters).collect();
        }
        let kinds = match value.get("type") {
            Some(Value::String(kind)) => vec![kind.clone()],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => vec!["any".to_owned()],
        };
        let kinds: Vec<&str> = kinds.iter().filter(|kind| *kind != "null").map(|kind| word(kind)).collect();
        kinds.join(" or ")
    }
}

fn word(kind: &str) -> &str {
    match kind {
        "string" => "text",
        "integer" | "number" => "number",
        "boolean" => "`true` or `false`",
        "object" => "mapping",
        "array" => "list",
        other => other,
    }
}

fn link(name: &str) -> String {
    format!("[{name}](#{})", name.to_ascii_lowercase())
}

fn describe(value: &Value) -> String {
    value.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn reference(value: &Value) -> Option<&str> {
    value.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

/// The names of the definitions that `value` speaks of, in order.
fn references(value: &Value, names: &mut Vec<String>) {
    names.extend(reference(value).map(str::to_owned));
    match value {
        Value::Object(object) => object.values().for_each(|value| references(value, names)),
        Value::Array(items) => items.iter().for_each(|value| references(value, names)),
        _ => {}
    }
}

/// The properties of a mapping; of a value with a long form, those of that.
fn mappings(value: &Value) -> Vec<&Map<String, Value>> {
    let own = value.get("properties").and_then(Value::as_object);
    let forms = [list(value, "oneOf"), list(value, "anyOf")];
    let of_forms = forms.into_iter().flatten().filter_map(|form| form.get("properties")?.as_object());
    own.into_iter().chain(of_forms).collect()
}

fn is_mapping(definition: &Value) -> bool {
    !mappings(definition).is_empty()
}

/// The words a value may be, with their meanings.
fn choices(definition: &Value) -> Option<Vec<(String, String)>> {
    let forms = list(definition, "oneOf");
    let words = forms.iter().map(|form| Some((form.get("const")?.as_str()?.to_owned(), describe(form))));
    words.collect::<Option<Vec<_>>>().filter(|words| !words.is_empty())
}
