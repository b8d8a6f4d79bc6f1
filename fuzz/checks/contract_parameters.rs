//! Parameters and forms: reading ends, the same way twice; what is not refused is what a plain reader of forms finds under the
//! declared names and no more, also one that separates at `;` or takes off the brackets of `a[]`.
//!
//! The input is five lines: path, query, two lines of a field and cookies; the query is read as a form, too.

use std::sync::LazyLock;

use portcullis_openapi::definition::documents::Unreadable;
use portcullis_openapi::definition::{Bounds, Definition, Documents};
use portcullis_openapi::matcher::{Match, MatcherBuilder, Methods};
use portcullis_openapi::parameters::form::Form;
use portcullis_openapi::parameters::head::{Amiss, HeadFields, RequestHead};
use portcullis_openapi::parameters::plan::Plan;
use portcullis_openapi::parameters::{FORM_PAIRS_MAX, PAIRS_MAX, Wrong};
use portcullis_openapi::value::{Builder, Kind, Limits, Tape, Value};

/// A declaration in every style. Names in the query tell how they are read.
const DOCUMENT: &str = r"
openapi: 3.2.0
info: { title: t, version: '1' }
paths:
  /{simple}/{label}/{matrix}:
    post:
      parameters:
        - { in: path, name: simple, required: true, schema: { type: array, items: { type: [integer, string] } } }
        - { in: path, name: label, style: label, explode: true, required: true, schema: { type: object, additionalProperties: { type: string } } }
        - { in: path, name: matrix, style: matrix, explode: true, required: true, schema: { type: array, items: { type: string } } }
        - { in: query, name: one, schema: { type: string } }
        - { in: query, name: many, schema: { type: array, items: { type: string } } }
        - { in: query, name: joined, explode: false, schema: { type: array, items: { type: string } } }
        - { in: query, name: bars, style: pipeDelimited, schema: { type: object, additionalProperties: { type: string } } }
        - { in: query, name: free, allowReserved: true, allowEmptyValue: true, schema: { type: number } }
        - { in: query, name: json, content: { application/json: { schema: {} } } }
        - { in: query, name: page, schema: { type: object, properties: { sort: { type: array, items: { type: string } } } } }
        - in: query
          name: deep
          style: deepObject
          schema:
            type: object
            properties:
              a: { type: string }
              b: { type: array, items: { type: string } }
              c: { type: array, items: { type: object, additionalProperties: { type: string } } }
              d: {}
        - { in: header, name: Field, schema: { type: array, items: { type: string } } }
        - { in: cookie, name: cookie, schema: { type: string } }
        - { in: cookie, name: plain, style: cookie, schema: { type: array, items: { type: string } } }
      requestBody:
        content:
          application/x-www-form-urlencoded:
            schema:
              type: object
              properties:
                one: { type: string }
                many: { type: array, items: { type: string } }
                deep: { type: object, properties: { a: { type: array, items: { type: integer } }, d: {} } }
            encoding: { deep: { style: deepObject } }
      responses: { '200': { description: ok } }
";

struct Text;

impl Documents for Text {
    fn read(&self, _: &str, _: usize) -> Result<Vec<u8>, Unreadable> {
        Ok(DOCUMENT.into())
    }
}

struct Declared {
    definition: Definition,
    plan: Plan,
    form: Form,
}

static DECLARED: LazyLock<Declared> = LazyLock::new(|| {
    let definition = Definition::load(&Text, "root.yaml", &Bounds::DEFAULT).expect("the document loads");
    let operation = definition.operations.first().expect("it has an operation");
    let (plan, unread) =
        Plan::of(&operation.parameters, operation.template.parameters(), &definition.schemas);
    assert_eq!(unread, []);
    let body = operation.body.as_ref().and_then(|body| body.content.first()).expect("it has a body");
    let form = Form::compile(body, &definition.schemas).expect("its form is read");
    Declared { plan, form, definition }
});

struct Lines<'l>(&'l [&'l [u8]], &'l [u8]);

impl HeadFields for Lines<'_> {
    fn each<'s>(&'s self, name: &str, take: &mut dyn FnMut(&'s [u8])) {
        match name {
            "field" => self.0.iter().for_each(|line| take(line)),
            "cookie" => take(self.1),
            _ => {}
        }
    }
}

/// Panics when `data` breaks a promise.
pub(crate) fn check(data: &[u8]) {
    let mut lines = data.splitn(5, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (path, query, one, other, cookies) = (line(), line(), line(), line(), line());
    let (path, query) = (String::from_utf8_lossy(path), String::from_utf8_lossy(query));
    let declared = &*DECLARED;
    let operation = &declared.definition.operations[0];
    let mut builder = MatcherBuilder::new();
    builder.insert(Methods::Any, operation.template.clone(), ()).expect("it is alone");
    let matcher = builder.build().expect("it is alone");
    let Match::Found { parameters, .. } = matcher.find(&operation.method, &path) else { return };
    let fields = [one, other];
    let fields = Lines(if other.is_empty() { &fields[..1] } else { &fields }, cookies);
    let spans = parameters.into_spans();
    let head = RequestHead { path: &path, spans: &spans, query: Some(&query), fields: &fields, others: &[] };

    let (tape, wrongs) = read(&declared.plan, &head);
    let (again, same) = read(&declared.plan, &head);
    assert_eq!(wrongs, same);
    assert_eq!(tape.as_ref().map(shown), again.as_ref().map(shown));
    let bytes = path.len() + query.len() + one.len() + other.len() + cookies.len();
    if let Some(tape) = &tape {
        assert!(tape.len() <= 64 + 2 * bytes, "{} entries of {bytes} bytes", tape.len());
        if wrongs.is_empty() {
            judge(tape.root(), &query);
        }
    }

    let mut out = Builder::new(&Limits::REQUEST);
    let mut is_good = true;
    declared.form.decode(query.as_bytes(), &mut out, &mut |_, _| is_good = false);
    if is_good {
        let tape = out.finish().expect("what is right is whole");
        let pairs = plain(&query, &['&']);
        assert!(pairs.len() <= FORM_PAIRS_MAX);
        let root = tape.root();
        assert_eq!(texts(root.get("one")), named(&pairs, |name| name == "one"));
        assert_eq!(texts(root.get("many")), named(&pairs, |name| name == "many"));
        for (name, _) in &pairs {
            let base = name.split('[').next().unwrap_or_default();
            assert!(root.get(name).is_some() || base == "deep", "`{name}` is lost");
        }
    }
}

fn read(plan: &Plan, head: &RequestHead<'_>) -> (Option<Tape<'static>>, Vec<Wrong>) {
    let mut out = Builder::new(&Limits::REQUEST);
    let mut wrongs = Vec::new();
    plan.read(head, &[], &mut out, &mut |amiss, wrong| {
        assert!(!matches!(amiss, Amiss::Parameter(index) if index > 20));
        wrongs.push(wrong);
    });
    let tape = out.finish().ok();
    assert!(tape.is_some() || !wrongs.is_empty(), "what is right is whole");
    (tape, wrongs)
}

/// Holds what was read of a query that nothing is wrong with against plainer readers.
fn judge(root: Value<'_>, query: &str) {
    let pairs = plain(query, &['&']);
    assert!(pairs.len() <= PAIRS_MAX);
    // The number of each declaration in the document.
    let (one, many, free, page, deep) =
        (root.get("3"), root.get("4"), root.get("7"), root.get("9"), root.get("10"));
    assert_eq!(texts(one), named(&pairs, |name| name == "one"));
    assert_eq!(texts(many), named(&pairs, |name| name == "many"));
    assert_eq!(texts(page.and_then(|page| page.get("sort"))), named(&pairs, |name| name == "sort"));
    let mut leaves = Vec::new();
    gather(deep, &mut leaves);
    leaves.sort();
    let mut expected = named(&pairs, |name| name == "deep" || name.starts_with("deep["));
    expected.sort();
    assert_eq!(leaves, expected);
    let declared = ["one", "many", "joined", "bars", "free", "json", "sort"];
    for (name, _) in &pairs {
        let is_known = declared.contains(&&**name) || name.starts_with("deep[") || name == "deep";
        assert!(is_known, "`{name}` passed");
    }
    // Who separates at `;` finds nothing else, unless the declaration lets it stand.
    if free.is_none_or(|free| free.kind() == Kind::Number) {
        let other = plain(query, &['&', ';']);
        let is_free = |(name, _): &&(String, String)| {
            name == "free" || !declared.contains(&&**name) && !name.starts_with("deep")
        };
        assert!(other.iter().filter(|pair| !is_free(pair)).eq(pairs.iter().filter(|pair| !is_free(pair))));
    }
}

/// Pairs as a form has them, taken apart in the plainest way.
fn plain(query: &str, separators: &[char]) -> Vec<(String, String)> {
    query
        .split(separators)
        .filter(|piece| !piece.is_empty())
        .map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let octet = match rest {
            [b'%', high, low, ..] => std::str::from_utf8(&[*high, *low])
                .ok()
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        match octet {
            Some(octet) => {
                out.push(octet);
                rest = &rest[3..];
            }
            None => {
                out.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn named(pairs: &[(String, String)], is_it: impl Fn(&str) -> bool) -> Vec<String> {
    pairs.iter().filter(|(name, _)| is_it(name)).map(|(_, value)| value.clone()).collect()
}

/// A text, or the texts of a list.
fn texts(value: Option<Value<'_>>) -> Vec<String> {
    let mut all = Vec::new();
    gather(value, &mut all);
    all
}

fn gather(value: Option<Value<'_>>, into: &mut Vec<String>) {
    let Some(value) = value else { return };
    match value.kind() {
        Kind::Array => value.items().for_each(|item| gather(Some(item), into)),
        Kind::Object => value.members().for_each(|member| gather(Some(member.value()), into)),
        _ => into.push(scalar(value)),
    }
}

fn scalar(value: Value<'_>) -> String {
    match value.kind() {
        Kind::String => value.as_str().unwrap_or_default().to_owned(),
        Kind::Number => value.as_number().map(|number| number.as_str().to_owned()).unwrap_or_default(),
        Kind::Boolean => value.as_bool().unwrap_or_default().to_string(),
        Kind::Null | Kind::Array | Kind::Object => "null".to_owned(),
    }
}

fn shown(tape: &Tape<'_>) -> Vec<String> {
    texts(Some(tape.root()))
}
