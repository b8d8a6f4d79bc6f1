//! Each row of `docs/parameters.md` is asked about.

use serde_json::Value as Json;

use super::table::{Page, Row};
use crate::contract::{Contract, Options, Violations};
use crate::definition::documents::Unreadable;
use crate::definition::{Bounds, Definition, Documents};
use crate::matcher::Span;
use crate::parameters::form::{Culprit, Form};
use crate::parameters::head::{Amiss, HeadFields, RequestHead};
use crate::parameters::plan::Plan;
use crate::value::{Builder, Kind, Limits, Value};

#[test]
fn every_row_of_the_page_holds() {
    let page = Page::read();
    assert!(page.rows.len() > 200, "{} rows", page.rows.len());
    let mut wrong = Vec::new();
    for row in &page.rows {
        let found = read_as(row, page.schema(row));
        if !is_same(&found, &row.expected) {
            wrong.push(format!(
                "line {}: {} `{}` {} `{}`: the page says {}, found {found}",
                row.line, row.place, row.written, row.kind, row.request, row.expected
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), page.rows.len(), wrong.join("\n"));
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
    let version = if row.is_2_0() { "swagger: '2.0'" } else { "openapi: 3.2.0" };
    let path = if row.part() == "path" { "/x/{color}" } else { "/x" };
    let text = format!(
        "{version}\ninfo: {{title: t, version: '1'}}\npaths:\n  {path}:\n    get:\n      parameters: [{}]\n      responses: {{'200': {{description: ok}}}}\n",
        row.declaration(schema)
    );
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
    let place = row.part();
    let path = format!("/x/{}", row.request);
    let name = match place {
        "header" => Some("color"),
        "cookie" => Some("cookie"),
        _ => None,
    };
    let lines = name.into_iter().flat_map(|name| row.lines().map(|line| (name.to_owned(), line.to_owned())));
    let fields = Fields(lines.collect());
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
    let text = format!(
        "openapi: 3.2.0\ninfo: {{title: t, version: '1'}}\npaths:\n  /x:\n    post:\n      requestBody: {}\n      responses: {{'200': {{description: ok}}}}\n",
        row.form(schema)
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

/// Whether two values are the same as JSON.
pub(super) fn is_same(found: &str, expected: &str) -> bool {
    if found == expected {
        return true;
    }
    let json = |text: &str| serde_json::from_str::<Json>(text).ok();
    matches!((json(found), json(expected)), (Some(found), Some(expected)) if found == expected)
}
