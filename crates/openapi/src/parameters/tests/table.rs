//! `docs/parameters.md` as rows. The test of the running gateway reads it with this, too.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// One row: a declaration, a request, and what is made of it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) place: String,
    pub(super) written: String,
    pub(super) kind: String,
    pub(super) request: String,
    pub(super) expected: String,
}

/// The page.
pub(super) struct Page {
    pub(super) types: HashMap<String, String>,
    pub(super) rows: Vec<Row>,
}

impl Page {
    pub(super) fn read() -> Self {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/parameters.md");
        let text = fs::read_to_string(page).expect("the page is there");
        let mut page = Self { types: HashMap::new(), rows: Vec::new() };
        for (index, line) in (1..).zip(text.lines()) {
            let Some(row) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else {
                continue;
            };
            let cells: Vec<String> = cells(row);
            match &*cells {
                [name, schema] if schema.starts_with('{') => {
                    page.types.insert(name.clone(), schema.clone());
                }
                [place, written, kind, request, expected] if place != "in" && place != "---" => {
                    page.rows.push(Row {
                        line: index,
                        place: place.clone(),
                        written: written.clone(),
                        kind: kind.clone(),
                        request: request.clone(),
                        expected: expected.clone(),
                    });
                }
                _ => {}
            }
        }
        page
    }

    /// The schema of a row.
    pub(super) fn schema(&self, row: &Row) -> &str {
        self.types.get(&row.kind).unwrap_or_else(|| panic!("no type `{}`", row.kind))
    }
}

impl Row {
    /// Whether it is written as OpenAPI 2.0 has it.
    pub(super) fn is_2_0(&self) -> bool {
        self.place.ends_with(" 2.0")
    }

    /// The part of the request.
    pub(super) fn part(&self) -> &str {
        self.place.trim_end_matches(" 2.0")
    }

    /// Its declaration in a document, as a mapping.
    pub(super) fn declaration(&self, schema: &str) -> String {
        let mut members = vec![format!("in: {}", self.part()), "name: color".to_owned()];
        let mut content = None;
        let mut encoding = String::new();
        for member in self.written.split(", ").filter(|member| !member.is_empty()) {
            match member.split_once(": ") {
                Some(("content", media_type)) => content = Some(media_type),
                Some(("encoding", written)) => encoding = format!(", encoding: {written}"),
                _ => members.push(member.to_owned()),
            }
        }
        if self.part() == "path" {
            members.push("required: true".to_owned());
        }
        match content {
            // In 2.0 the parameter is its own schema.
            _ if self.is_2_0() => {
                let own = schema.strip_prefix('{').and_then(|schema| schema.strip_suffix('}'));
                members.extend(own.map(str::to_owned));
            }
            Some(media_type) => {
                members.push(format!("content: {{{media_type}: {{schema: {schema}{encoding}}}}}"));
            }
            None => members.push(format!("schema: {schema}")),
        }
        format!("{{{}}}", members.join(", "))
    }

    /// The body of a form, as a document declares it.
    pub(super) fn form(&self, schema: &str) -> String {
        let encoding = match &*self.written {
            "" => String::new(),
            written => format!(", encoding: {{color: {{{written}}}}}"),
        };
        format!(
            "{{content: {{application/x-www-form-urlencoded: {{schema: {{type: object, properties: {{color: {schema}}}}}{encoding}}}}}}}"
        )
    }

    /// The lines of a field; none for `none`.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.request.split(" ⏎ ").filter(|_| self.request != "none")
    }
}

/// The cells of a row; `\|` is a bar, and code stands in backticks.
fn cells(row: &str) -> Vec<String> {
    let whole = row.replace("\\|", "\u{1}");
    let cell = |cell: &str| {
        let cell = cell.trim().replace('\u{1}', "|");
        if cell == "``" { String::new() } else { cell.trim_matches('`').to_owned() }
    };
    whole.split('|').map(cell).collect()
}
