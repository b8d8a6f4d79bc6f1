//! `docs/parameters.md`, read: each row of its tables is asked about.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use crate::contract::{Contract, Options, Violations};
use crate::definition::documents::Unreadable;
use crate::definition::{Bounds, Definition, Documents};
use crate::matcher::Span;
use crate::parameters::form::{Culprit, Form};
use crate::parameters::head::{Amiss, HeadFields, RequestHead};
use crate::parameters::plan::Plan;
use crate::value::{Builder, Kind, Limits, Value};

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

struct Page {
    types: HashMap<String, String>,
    rows: Vec<Row>,
}

#[test]
fn every_row_of_the_page_holds() {
    let page = Page::read();
    assert!(page.rows.len() > 200, "{} rows", page.rows.len());
    let mut wrong = Vec::new();
    for row in &page.rows {
        let schema = page.types.get(&row.kind).unwrap_or_else(|| panic!("no type `{}`", row.kind));
        let found = read_as(row, schema);
        if !is_same(&found, &row.expected) {
            wrong.push(format!(
                "line {}: {} `{}` {} `{}`: the page says {}, found {found}",
                row.line, row.place, row.written, row.kind, row.request, row.expected
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), page.rows.len(), wrong.join("\n"));
}

impl Page {
    fn read() -> Self {
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

pub(super) fn is_same(found: &str, expected: &str) -> bool {
    if found == expected {
        return true;
    }
    let json = |text: &str| serde_json::from_str::<Json>(text).ok();
    matches!((json(found), json(expected)), (Some(found), Some(expected)) if found == expected)
}

/// Members of `written` that go elsewhere than beside the schema.
fn declaration(row: &Row, schema: &str) -> String {
    let (place, is_2_0) = match row.place.strip_suffix(" 2.0") {
        Some(place) => (place, true),
        None => (&*row.place, false),
    };
    let mut members = vec![format!("in: {place}"), "name: color".to_owned()];
    let mut content = None;
    for member in row.written.split(", ").filter(|member| !member.is_empty()) {
        match member.strip_prefix("content: ") {
            Some(media_type) => content = Some(media_type),
            None => members.push(member.to_owned()),
        }
    }
    if place == "path" {
        members.push("required: true".to_owned());
    }
    if is_2_0 {
        members
            .extend(schema.strip_prefix('{').and_then(|schema| schema.strip_suffix('}')).map(str::to_owned));
    } else if let Some(media_type) = content {
        members.push(format!("content: {{{media_type}: {{schema: {schema}}}}}"));
    } else {
        members.push(format!("schema: {schema}"));
    }
    let version = if is_2_0 { "swagger: '2.0'" } else { "openapi: 3.2.0" };
    let path = if place == "path" { "/x/{color}" } else { "/x" };
    format!(
        "{version}\ninfo: {{title: t, version: '1'}}\npaths:\n  {path}:\n    get:\n      parameters:\n        - {{{}}}\n      responses: {{'200': {{description: ok}}}}\n",
        members.join(", ")
    )
}

pub(super) struct One(pub(super) String);

impl Documents for One {
    fn read(&self, _: &str, _: usize) -> Result<Vec<u8>, Unreadable> {
        Ok(self.0.clone().into_bytes())
    }
}

pub(super) struct Fields(pub(super) Vec<(String, String)>);

impl HeadFields for Fields {
    fn each<'s>(&'s self, name: &str, take: &mut dyn FnMut(&'s [u8])) {
        self.0.iter().filter(|(own, _)| own == name).for_each(|(_, value)| take(value.as_bytes()));
    }
}

/// What the contract makes of a row's request.
pub(super) fn read_as(row: &Row, schema: &str) -> String {
    if row.place == "form" { form(row, schema) } else { parameter(row, schema) }
}

fn parameter(row: &Row, schema: &str) -> String {
    let text = declaration(row, schema);
    let definition = Definition::load(&One(text.clone()), "root.yaml", &Bounds::DEFAULT);
    let definition =
        definition.unwrap_or_else(|refused| panic!("line {}: {:?}\n{text}", row.line, refused.notices));
    let operation = definition
        .operations
        .first()
        .unwrap_or_else(|| panic!("line {}: {:?}\n{text}", row.line, definition.notices));
    let contract = Contract::compile(&definition, &Options::default()).expect("a contract");
    let judged = contract.operation(0).expect("an operation");
    if judged.has_request_gap() {
        return "gap".to_owned();
    }
    let place = row.place.trim_end_matches(" 2.0");
    let path = format!("/x/{}", row.request);
    let lines = row.request.split(" ⏎ ").map(str::to_owned);
    let field = match place {
        "header" if row.request != "none" => "color",
        "cookie" => "cookie",
        _ => "",
    };
    let fields =
        Fields(lines.map(|line| (field.to_owned(), line)).filter(|(name, _)| !name.is_empty()).collect());
    let head = RequestHead {
        path: &path,
        spans: &[Span { start: 3, end: path.len() }],
        query: place.starts_with("query").then_some(&*row.request),
        fields: &fields,
        others: &[],
    };
    let mut out = Builder::new(&Limits::REQUEST);
    let mut found = Violations::new();
    judged.judge_head(&head, &mut found);
    if let Some(wrong) = found.iter().next() {
        return format!("400 {}", wrong.keyword);
    }
    let (plan, _) = Plan::of(&operation.parameters, operation.template.parameters(), &definition.schemas);
    plan.read(&head, &[], &mut out, &mut |_: Amiss<'_>, wrong| panic!("not told: {wrong:?}"));
    let tape = out.finish().expect("a whole value");
    let value = tape.root();
    value.get("0").map_or_else(|| "absent".to_owned(), json)
}

fn form(row: &Row, schema: &str) -> String {
    let encoding = match &*row.written {
        "" => String::new(),
        written => format!(", encoding: {{color: {{{written}}}}}"),
    };
    let text = format!(
        "openapi: 3.2.0\ninfo: {{title: t, version: '1'}}\npaths:\n  /x:\n    post:\n      requestBody:\n        content:\n          application/x-www-form-urlencoded: {{schema: {{type: object, properties: {{color: {schema}}}}}{encoding}}}\n      responses: {{'200': {{description: ok}}}}\n"
    );
    let definition = Definition::load(&One(text.clone()), "root.yaml", &Bounds::DEFAULT);
    let definition =
        definition.unwrap_or_else(|refused| panic!("line {}: {:?}\n{text}", row.line, refused.notices));
    let body = definition.operations.first().and_then(|operation| operation.body.as_ref());
    let media_type = body
        .and_then(|body| body.content.first())
        .unwrap_or_else(|| panic!("line {}: {:?}\n{text}", row.line, definition.notices));
    let Ok(form) = Form::compile(media_type, &definition.schemas) else { return "gap".to_owned() };
    let mut out = Builder::new(&Limits::REQUEST);
    let mut wrong = None;
    form.decode(row.request.as_bytes(), &mut out, &mut |_: Culprit<'_>, found| {
        wrong.get_or_insert(found);
    });
    match wrong {
        Some(wrong) => wrong.keyword().to_owned(),
        None => json(out.finish().expect("a whole value").root()),
    }
}

/// A value as JSON text.
pub(super) fn json(value: Value<'_>) -> String {
    match value.kind() {
        Kind::Null => "null".to_owned(),
        Kind::Boolean => value.as_bool().unwrap_or_default().to_string(),
        Kind::Number => value.as_number().map(|number| number.as_str().to_owned()).unwrap_or_default(),
        Kind::String => Json::from(value.as_str().unwrap_or_default()).to_string(),
        Kind::Array => format!("[{}]", value.items().map(json).collect::<Vec<_>>().join(",")),
        Kind::Object => {
            let member = |member: crate::value::Member<'_>| {
                format!("{}:{}", Json::from(member.name()), json(member.value()))
            };
            format!("{{{}}}", value.members().map(member).collect::<Vec<_>>().join(","))
        }
    }
}
