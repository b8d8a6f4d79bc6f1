use super::*;
use crate::source::{self, Files, Reading};

const PLENTY: Budget = Budget { steps: 1_000_000, found_max: 10_000 };

/// The example of RFC 9535 §1.5.
const STORE: &str = r#"{ "store": {
  "book": [
    { "category": "reference", "author": "Nigel Rees", "title": "Sayings of the Century", "price": 8.95 },
    { "category": "fiction", "author": "Evelyn Waugh", "title": "Sword of Honour", "price": 12.99 },
    { "category": "fiction", "author": "Herman Melville", "title": "Moby Dick", "isbn": "0-553-21311-3", "price": 8.99 },
    { "category": "fiction", "author": "J. R. R. Tolkien", "title": "The Lord of the Rings", "isbn": "0-395-19395-8", "price": 22.99 }
  ],
  "bicycle": { "color": "red", "price": 399 } } }"#;

fn tree(text: &str) -> Node {
    let mut files = Files::new();
    let file = files.add("a.json");
    source::parse(&files, file, text.as_bytes(), &Reading::DEFINITION).unwrap()
}

/// The paths a query finds, or what is wrong with it.
fn found(document: &Node, query: &str) -> String {
    let query = match Query::parse(query) {
        Ok(query) => query,
        Err(fault) => return fault.to_string(),
    };
    match query.select(document, &mut PLENTY.clone()) {
        Ok(found) => found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Err(exhausted) => exhausted.to_string(),
    }
}

fn check(document: &str, rows: &[(&str, &str)]) {
    let document = tree(document);
    for (query, expected) in rows {
        assert_eq!(found(&document, query), *expected, "{query}");
    }
}

#[test]
fn the_example_of_the_rfc() {
    check(
        STORE,
        &[
            ("$", ""),
            ("$.store.bicycle.color", "store.bicycle.color"),
            ("$['store'] [\"bicycle\"]\n.color", "store.bicycle.color"),
            (
                "$.store.book[*].author",
                "store.book[0].author store.book[1].author store.book[2].author store.book[3].author",
            ),
            (
                "$..author",
                "store.book[0].author store.book[1].author store.book[2].author store.book[3].author",
            ),
            ("$.store.*", "store.book store.bicycle"),
            ("$..book[2]", "store.book[2]"),
            ("$..book[-1]", "store.book[3]"),
            ("$..book[0,1]", "store.book[0] store.book[1]"),
            ("$..book[:2]", "store.book[0] store.book[1]"),
            ("$..book[?@.isbn]", "store.book[2] store.book[3]"),
            ("$..book[?@.price<10]", "store.book[0] store.book[2]"),
            (
                "$..book[?(@.price < 10 && @.isbn) || @.author == 'Evelyn Waugh']",
                "store.book[1] store.book[2]",
            ),
            ("$..[?@.color=='red']", "store.bicycle"),
            ("$..book[?@.price == $.store.book[2].price].title", "store.book[2].title"),
            (
                "$.store.book[?length(@.title) > 14].title",
                "store.book[0].title store.book[1].title store.book[3].title",
            ),
            ("$.store[?count(@.*) == 2]", "store.bicycle"),
            (
                "$.store.book[?match(@.category, 'fic.*') && search(@.author, '[^J]R')].title",
                "store.book[3].title",
            ),
            ("$.store.book[?search(@.author, 'R\\\\. R')].title", "store.book[3].title"),
            ("$[?value(@..color) == 'red']", "store"),
        ],
    );
}

#[test]
fn slices_go_both_ways() {
    let list = "[0, 1, 2, 3, 4]";
    check(
        list,
        &[
            ("$[1:3]", "[1] [2]"),
            ("$[3:]", "[3] [4]"),
            ("$[1:5:2]", "[1] [3]"),
            ("$[5:1:-2]", "[4] [2]"),
            ("$[::-1]", "[4] [3] [2] [1] [0]"),
            ("$[-2:]", "[3] [4]"),
            ("$[:-7:-1]", "[4] [3] [2] [1] [0]"),
            ("$[::0]", ""),
            ("$[9]", ""),
            ("$[-9]", ""),
            ("$[0 : 9007199254740991 : 9007199254740991]", "[0]"),
        ],
    );
}

#[test]
fn values_compare_by_what_they_are() {
    let document = r#"{ "a": [1, 1.0, "1", null, true, [1], {"x": 1, "y": [2]}, {"y": [2], "x": 1e0}] }"#;
    check(
        document,
        &[
            ("$.a[?@ == 1]", "a[0] a[1]"),
            ("$.a[?@ == 10e-1]", "a[0] a[1]"),
            ("$.a[?@ == '1']", "a[2]"),
            ("$.a[?@ == null]", "a[3]"),
            ("$.a[?@ == true]", "a[4]"),
            ("$.a[?@ == $.a[5]]", "a[5]"),
            ("$.a[?@ == $.a[6]]", "a[6] a[7]"),
            // Nothing equals nothing, and is neither more nor less than anything.
            ("$.a[?@.none == $.none]", "a[0] a[1] a[2] a[3] a[4] a[5] a[6] a[7]"),
            ("$.a[?@.none < 1 || @.none >= 1]", ""),
            ("$.a[?@ <= null]", "a[3]"),
            ("$.a[?@ > '0']", "a[2]"),
            ("$.a[?!(@ != 1)]", "a[0] a[1]"),
            ("$.a[?!@.x]", "a[0] a[1] a[2] a[3] a[4] a[5]"),
        ],
    );
}

#[test]
fn a_descendant_stands_before_what_is_below_it() {
    check(
        r#"{ "a": { "a": [ { "a": 1 } ] }, "b": 2 }"#,
        &[
            ("$..a", "a a.a a.a[0].a"),
            ("$..*", "a b a.a a.a[0] a.a[0].a"),
            ("$..[0]", "a.a[0]"),
            ("$['b','b']", "b b"),
        ],
    );
}

#[test]
fn what_the_grammar_does_not_allow_is_refused() {
    for (query, said) in [
        ("", "a query begins with `$` at character 1"),
        ("paths", "a query begins with `$` at character 1"),
        (" $", "a query begins with `$` at character 1"),
        ("$ ", "unexpected text at character 2"),
        ("$.", "expected a name, `*` or `[` at character 3"),
        ("$..", "expected a name, `*` or `[` at character 4"),
        ("$.a-b", "`-` stands in names within brackets only, as in `['x-name']`, at character 4"),
        ("$. a", "expected a name, `*` or `[` at character 3"),
        ("$[01]", "not an integer that can be used here at character 3"),
        ("$[-0]", "not an integer that can be used here at character 3"),
        ("$[9007199254740992]", "not an integer that can be used here at character 3"),
        ("$['a]", "the string does not end at character 6"),
        ("$['\\\"']", "an unknown escape at character 6"),
        ("$['\\ud800']", "half of a surrogate pair at character 10"),
        ("$[?@.a == @.*]", "a query that may lead to several nodes has no value at character 14"),
        ("$[?1]", "expected a comparison at character 5"),
        ("$[?length(@.a)]", "expected a comparison at character 15"),
        ("$[?match(@.a, 'x') == true]", "`match` and `search` have no value to compare at character 22"),
        ("$[?match(@.a, '(?i)x')]", "the pattern is no I-Regexp (RFC 9485) at character 23"),
        ("$[?count(1) == 1]", "`count` takes a query at character 12"),
        ("$[?length(@.*) == 1]", "a query that may lead to several nodes has no value at character 15"),
        ("$[?later(@.a)]", "there is no function `later` at character 14"),
        ("$[?(@.a == 1]", "expected `)` at character 13"),
        ("$[?@.a = 1]", "expected `,` at character 8"),
        ("$.paths[(@.length-1)]", "expected a selector at character 9"),
        ("$[]", "expected a selector at character 3"),
    ] {
        let fault = Query::parse(query).unwrap_err().to_string();
        assert_eq!(fault, format!("is no JSONPath query (RFC 9535): {said}"), "{query}");
    }
}

#[test]
fn patterns_are_i_regexps() {
    let document = tree(r#"["a.c", "abc", "a\nc", "aЖc", "a&&c", "a-c"]"#);
    for (pattern, expected) in [
        ("a.c", "[0] [1] [3] [5]"),
        ("a\\\\.c", "[0]"),
        ("a[.b]c", "[0] [1]"),
        ("a\\\\p{Lu}c", "[3]"),
        ("a[^\\\\p{L}]+c", "[0] [2] [4] [5]"),
        ("a[&]{2}c", "[4]"),
        ("a[&&]+c", "[4]"),
        ("a[-b]c", "[1] [5]"),
        ("^a(b|-)c$", "[1] [5]"),
    ] {
        assert_eq!(found(&document, &format!("$[?match(@, '{pattern}')]")), expected, "{pattern}");
    }
    for pattern in [
        "a**", "a*?", "*", "(?:a)", "[]", "[a--b]", "[[a]]", "a{,2}", "a{x}", "\\d", "\\b", "(a", "a)", "]",
        "a{2}{3}",
    ] {
        assert!(pattern::compile(pattern, true).is_none(), "{pattern}");
    }
    assert!(pattern::compile(&"(a{100}){100}{1}".repeat(3), true).is_none());
    assert!(pattern::compile("((a{100}){100}){100}", true).is_none(), "a pattern of a million states");
}

#[test]
fn what_a_query_costs_is_bounded() {
    let document = tree(&format!("[{}]", vec!["[1, 2, 3]"; 100].join(",")));
    let query = Query::parse("$..*").unwrap();
    assert_eq!(query.select(&document, &mut PLENTY.clone()).unwrap().len(), 400);
    assert!(query.select(&document, &mut Budget { steps: 300, ..PLENTY }).is_err());
    assert!(query.select(&document, &mut Budget { found_max: 399, ..PLENTY }).is_err());
    // Each filter looks through all there is again.
    let query = Query::parse("$[?count($..*) > 0]").unwrap();
    assert!(query.select(&document, &mut Budget { steps: 20_000, ..PLENTY }).is_err());
    assert!(Query::parse(&format!("${}", ".a".repeat(PARTS_MAX + 1))).is_err());
    assert!(Query::parse(&format!("$[?{}1==1{}]", "(".repeat(1000), ")".repeat(1000))).is_err());
    assert!(Query::parse(&format!("${}{}", "[?@".repeat(1000), "]".repeat(1000))).is_err());
    assert!(Query::parse(&format!("$.{}", "a".repeat(BYTES_MAX))).is_err());
}

/// The suite of the JSONPath working group, `cts.json`, which is never committed.
#[test]
#[ignore = "needs cts.json of jsonpath-compliance-test-suite; `./test.sh corpora` runs this where PORTCULLIS_JSONPATH_SUITE names it"]
fn the_compliance_suite_holds() {
    let path = std::env::var("PORTCULLIS_JSONPATH_SUITE").expect("PORTCULLIS_JSONPATH_SUITE names cts.json");
    let suite: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let tests = suite["tests"].as_array().unwrap();
    let mut wrong = Vec::new();
    for test in tests {
        let (name, selector) = (test["name"].as_str().unwrap(), test["selector"].as_str().unwrap());
        let query = Query::parse(selector);
        if test["invalid_selector"] == true {
            if query.is_ok() {
                wrong.push(format!("{name}: `{selector}` is taken"));
            }
            continue;
        }
        let query = match query {
            Ok(query) => query,
            Err(fault) => {
                wrong.push(format!("{name}: `{selector}` {fault}"));
                continue;
            }
        };
        let document = tree(&test["document"].to_string());
        let paths = query.select(&document, &mut PLENTY.clone()).unwrap();
        let values: Vec<serde_json::Value> =
            paths.iter().map(|path| serde_json::to_value(document.find(path).unwrap()).unwrap()).collect();
        let values = serde_json::Value::from(values);
        let is_right = match &test["results"] {
            serde_json::Value::Array(several) => several.contains(&values),
            _ => test["result"] == values,
        };
        if !is_right {
            wrong.push(format!("{name}: `{selector}` finds {values}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), tests.len(), wrong.join("\n"));
    assert!(tests.len() > 600, "{} tests", tests.len());
}
