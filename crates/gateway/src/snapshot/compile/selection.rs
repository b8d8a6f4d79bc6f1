//! Which operations of a definition the entries under `operations` select.
//!
//! A key is `tag:name`, `/path` as the document writes it, an `operationId`, or `METHOD /path`; an `operationId` that
//! looks like one of the others is that other. A key that selects nothing is an error, since what stands there would
//! silently not apply.

use foldhash::{HashMap, HashMapExt};
use portcullis_openapi::definition::{Definition, Operation};
use portcullis_openapi::source::nearest;

use crate::config::{Api, Layer, Match};

/// The entries that select operations of a definition.
#[derive(Debug, Default)]
pub(super) struct Selection<'a> {
    tags: HashMap<&'a str, &'a str>,
    paths: HashMap<&'a str, &'a str>,
    // By the operation's index.
    operations: HashMap<usize, &'a str>,
    /// Keys that select nothing that another does not select already, and what to say of them.
    pub(super) wrong: Vec<(&'a str, String)>,
}

impl<'a> Selection<'a> {
    /// Resolves the keys of an API's entries against its definition.
    pub(super) fn of(api: &'a Api, definition: &Definition) -> Self {
        let mut selection = Self::default();
        let keys = Keys::of(definition);
        for (key, entry) in &api.operations {
            if entry.matches.is_none() {
                selection.add(key, &keys);
            }
        }
        selection
    }

    fn add(&mut self, key: &'a str, keys: &Keys<'_>) {
        if let Some(tag) = key.strip_prefix("tag:") {
            if keys.tags.contains_key(tag) {
                self.tags.insert(tag, key);
                return;
            }
        } else if key.starts_with('/') {
            if keys.paths.contains_key(key) {
                self.paths.insert(key, key);
                return;
            }
        } else if let Some(index) = keys.operation(key) {
            if let Some(other) = self.operations.insert(index, key) {
                self.wrong
                    .push((key, format!("selects the same operation as `{other}`; hint: merge the two")));
            }
            return;
        }
        self.wrong.push((key, format!("selects no operation of the definition{}", keys.hint(key))));
    }

    /// What applies to an operation beyond its API, the most general first.
    pub(super) fn layers<'l>(
        &'l self,
        definition: &'l Definition,
        index: usize,
        operation: &'l Operation,
    ) -> Vec<Layer<'l>> {
        let mut layers = Vec::new();
        for tag in &operation.tags {
            let declared = definition.tags.iter().find(|declared| declared.name == *tag);
            let carried = declared.and_then(|tag| tag.settings.as_deref());
            layers.extend(carried.map(Layer::Definition));
            layers.extend(self.tags.get(&**tag).map(|key| Layer::Entry(key)));
        }
        layers.extend(operation.path_settings.as_deref().map(Layer::Definition));
        layers.extend(self.paths.get(operation.template.as_str()).map(|key| Layer::Entry(key)));
        layers.extend(operation.settings.as_deref().map(Layer::Definition));
        layers.extend(self.operations.get(&index).map(|key| Layer::Entry(key)));
        layers
    }
}

/// Every key that would select something.
struct Keys<'d> {
    tags: HashMap<&'d str, ()>,
    paths: HashMap<&'d str, ()>,
    ids: HashMap<&'d str, usize>,
    spelled: HashMap<String, usize>,
}

impl<'d> Keys<'d> {
    fn of(definition: &'d Definition) -> Self {
        let mut keys = Self {
            tags: HashMap::new(),
            paths: HashMap::new(),
            ids: HashMap::new(),
            spelled: HashMap::new(),
        };
        for (index, operation) in definition.operations.iter().enumerate() {
            keys.tags.extend(operation.tags.iter().map(|tag| (&**tag, ())));
            keys.paths.insert(operation.template.as_str(), ());
            keys.ids.extend(operation.id.as_deref().map(|id| (id, index)));
            keys.spelled.insert(spelled(operation), index);
        }
        keys
    }

    fn operation(&self, key: &str) -> Option<usize> {
        self.ids.get(key).or_else(|| self.spelled.get(key)).copied()
    }

    /// What was most likely meant, to stand behind a message.
    fn hint(&self, key: &str) -> String {
        let among = |candidates: Vec<&str>, typed: &str| nearest(typed, candidates).map(str::to_owned);
        let meant = if let Some(tag) = key.strip_prefix("tag:") {
            among(self.tags.keys().copied().collect(), tag).map(|tag| format!("tag:{tag}"))
        } else if key.starts_with('/') {
            among(self.paths.keys().copied().collect(), key)
        } else if key.contains(' ') {
            match key.parse::<Match>() {
                Ok(Match { method: None, path }) => {
                    return format!("; hint: write `{path}` for all its methods");
                }
                Err(hint) if !hint.is_empty() => return format!("; hint: {hint}"),
                _ => among(self.spelled.keys().map(String::as_str).collect(), key),
            }
        } else {
            among(self.ids.keys().copied().collect(), key)
        };
        match meant {
            Some(meant) => format!("; hint: did you mean `{meant}`?"),
            None => "; hint: keys are an operationId, `METHOD /path`, `/path` or `tag:name`; with `match` an entry \
                     declares an operation of its own"
                .to_owned(),
        }
    }
}

/// An operation as `METHOD /path`.
pub(super) fn spelled(operation: &Operation) -> String {
    format!("{} {}", operation.method, operation.template)
}
