use super::*;

fn read(name: &str, text: &str) -> Result<Node, String> {
    read_by(name, text, &Reading::DEFINITION)
}

fn read_by(name: &str, text: &str, reading: &Reading) -> Result<Node, String> {
    let mut files = Files::new();
    let file = files.add(name);
    parse(&files, file, text.as_bytes(), reading)
        .map_err(|findings| findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// The tree in one line, with the position of every value and key.
fn shown(node: &Node) -> String {
    let value = match &node.value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.as_str().to_owned(),
        Value::String(text) => format!("{text:?}"),
        Value::Sequence(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Mapping(mapping) => {
            let entry = |(key, node): &(Key, Node)| {
                format!("{}@{}:{} = {}", key.text, key.span.line, key.span.column, shown(node))
            };
            format!("{{{}}}", mapping.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    };
    format!("{value}@{}:{}", node.span.line, node.span.column)
}

fn check(name: &str, text: &str, expected: &str) {
    let found = match read(name, text) {
        Ok(node) => shown(&node),
        Err(findings) => findings,
    };
    assert_eq!(found, expected, "{text}");
}

#[test]
fn json_keeps_positions() {
    check(
        "a.json",
        "{\n  \"ä\": [1, true],\n \"b\": {\"c\":null}}",
        "{ä@2:3 = [1@2:9, true@2:12]@2:8, b@3:2 = {c@3:8 = null@3:12}@3:7}@1:1",
    );
    check("a.json", " -1.5e+3 ", "-1.5e+3@1:2");
    check("a.json", r#""\u0041\n\"\/\ud83d\ude00é""#, "\"A\\n\\\"/😀é\"@1:1");
    check("a.json", "\u{feff}{}", "{}@1:1");
}

#[test]
fn json_is_strict() {
    for (text, message) in [
        ("", "a.json:1:1: the document ends before its value does"),
        ("{", "a.json:1:2: expected a key in double quotes"),
        ("{\"a\":1,}", "a.json:1:8: expected a key in double quotes"),
        ("[1,]", "a.json:1:4: expected a value"),
        ("[1 2]", "a.json:1:4: expected `,` or `]` after the value"),
        ("{\"a\" 1}", "a.json:1:6: expected `:` after the key"),
        ("{} {}", "a.json:1:4: expected the end of the document after its value"),
        ("01", "a.json:1:1: a number does not begin with 0"),
        ("-", "a.json:1:1: expected a digit after `-`"),
        ("1.", "a.json:1:1: expected a digit after `.`"),
        ("1e+", "a.json:1:1: expected a digit in the exponent"),
        ("+1", "a.json:1:1: expected a value"),
        ("NaN", "a.json:1:1: expected a value"),
        ("nul", "a.json:1:1: expected a value"),
        ("\"a", "a.json:1:3: the document ends within a string"),
        ("\"a\nb\"", "a.json:1:3: a control character in a string must be escaped"),
        ("\"\\x\"", "a.json:1:3: no such escape in a string"),
        ("\"\\u12\"", "a.json:1:4: expected four hexadecimal digits after `\\u`"),
        ("\"\\ud800\"", "a.json:1:8: a lone surrogate is no character"),
        ("\"\\ud800\\u0041\"", "a.json:1:14: a lone surrogate is no character"),
        ("\"\\udc00\"", "a.json:1:8: a lone surrogate is no character"),
        ("[1]\u{a0}", "a.json:1:4: expected the end of the document after its value"),
        ("// no\n{}", "a.json:1:1: expected a value"),
    ] {
        assert_eq!(read("a.json", text).unwrap_err(), message, "{text}");
    }
}

#[test]
fn duplicate_keys_are_all_reported() {
    let expected = "f:1:9: the key \"a\" stands here for the second time; hint: the first is on line 1\n\
                    f:2:3: the key \"b\" stands here for the second time; hint: the first is on line 1";
    assert_eq!(read("f", "{\"a\":1, \"a\":{\"b\":1,\n  \"b\":2}}").unwrap_err().lines().count(), 2);
    assert_eq!(read("f", "{\"a\":1, \"a\":2, \"b\":{},\n  \"b\":2}").unwrap_err(), expected);
    let yaml = "200: a\n\"200\": b\n";
    assert_eq!(
        read("f", yaml).unwrap_err(),
        "f:2:1: the key \"200\" stands here for the second time; hint: the first is on line 1"
    );
    // More keys than are compared one by one.
    let many: String = (0..40).map(|n| format!("k{n}: {n}\n")).collect();
    let node = read("f", &many).unwrap();
    assert_eq!(node.get("k33").unwrap().as_number().unwrap().as_u64(), Some(33));
    assert!(node.get("k40").is_none());
    assert_eq!(node.as_mapping().unwrap().keys().next(), Some("k0"));
    assert!(read("f", &format!("{many}k7: 1\nk7: 2\n")).unwrap_err().starts_with("f:41:1: the key \"k7\""));
}

#[test]
fn yaml_core_schema() {
    for (text, expected) in [
        ("~", "null@1:1"),
        ("True", "true@1:1"),
        ("yes", "\"yes\"@1:1"),
        ("off", "\"off\"@1:1"),
        ("'1'", "\"1\"@1:1"),
        ("0x1F", "0x1F@1:1"),
        ("1_000", "\"1_000\"@1:1"),
        ("1.", "1.@1:1"),
        (".", "\".\"@1:1"),
        ("1e3", "1e3@1:1"),
        ("-.inf", "-.inf@1:1"),
        ("2027-06-30", "\"2027-06-30\"@1:1"),
        ("!!str 5", "\"5\"@1:1"),
        ("! 5", "\"5\"@1:1"),
        ("!!int 5", "5@1:1"),
        ("!!int x", "f:1:1: the tag `tag:yaml.org,2002:!int` is not understood here"),
        ("!secret x", "f:1:1: the tag `!secret` is not understood here"),
        ("", "null@1:1"),
        ("---\n", "null@2:1"),
        (
            "a: 1\nb:\nc: {d: [x, 'y']}",
            "{a@1:1 = 1@1:4, b@2:1 = null@2:1, c@3:1 = {d@3:5 = [\"x\"@3:9, \"y\"@3:12]@3:8}@3:4}@1:1",
        ),
        ("- a\n-  - b\n", "[\"a\"@1:3, [\"b\"@2:6]@2:4]@1:1"),
        ("{version: 1,}", "{version@1:2 = 1@1:11}@1:1"),
        ("a: |\n  x\n  y\n", "{a@1:1 = \"x\\ny\\n\"@2:3}@1:1"),
    ] {
        check("f", text, expected);
    }
}

#[test]
fn yaml_refuses_what_two_readers_could_take_differently() {
    for (text, expected) in [
        (
            "a: 1\n---\nb: 2\n",
            "f:2:1: a second document begins here; hint: one file holds one document; put the other into a file of its own",
        ),
        ("? [a]\n: 1\n", "f:1:3: a key must be a text, not a list or a mapping"),
        ("a: &x [*x]\n", "f:1:8: the alias stands within what it refers to"),
        ("a: *nowhere\n", "f:1:4: not YAML: while parsing node, found unknown anchor"),
        (": 1\n", "f:1:1: a key is missing"),
    ] {
        check("f", text, expected);
    }
    for text in ["a: 1\nb: x\u{2}\n", "a: 1\nb: x\u{7f}", "a: 1\nb: x\u{fffe}"] {
        assert!(read("f", text).unwrap_err().starts_with("f:2:5: not YAML: a control character"), "{text:?}");
    }
    check("f", "\"\\x02é\u{85}\"", "\"\\u{2}é\\u{85}\"@1:1");
    let tab = read("f", "a:\n\tb: 1\n").unwrap_err();
    assert!(tab.contains("f:2:") && tab.ends_with("takes spaces only"), "{tab}");
}

#[test]
fn aliases_and_merge_keys() {
    check("f", "a: &x {b: 1}\nc: *x\n", "{a@1:1 = {b@1:8 = 1@1:11}@1:4, c@2:1 = {b@1:8 = 1@1:11}@1:4}@1:1");
    check("f", "&k a: 1\nb: *k\n", "{a@1:1 = 1@1:7, b@2:1 = \"a\"@1:1}@1:1");
    let merged = "a: &x {b: 1, c: 2}\nd:\n  <<: [*x, {b: 3, e: 4}]\n  c: 9\n";
    let node = read("f", merged).unwrap();
    let keys: Vec<_> = node.at(&["d"]).unwrap().as_mapping().unwrap().keys().collect();
    assert_eq!(keys, ["c", "b", "e"]);
    assert_eq!(node.at(&["d", "c"]).unwrap().as_number().unwrap().as_u64(), Some(9));
    assert_eq!(node.at(&["d", "b"]).unwrap().as_number().unwrap().as_u64(), Some(1));
    let refused = read_by("f", merged, &Reading::CONFIGURATION).unwrap_err();
    assert!(refused.starts_with("f:3:3: the merge key `<<` is not read here"), "{refused}");
    assert!(read("f", "<<: 5\n").unwrap_err().contains("takes a mapping"));
    check("f", "\"<<\": 5\n", "{<<@1:1 = 5@1:7}@1:1");
}

#[test]
fn bounds_hold() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..20 {
        laughs += &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "));
    }
    assert!(read("f", &laughs).unwrap_err().contains("more than 6000000 values"));

    let small = Reading { file_bytes_max: 100, nodes_max: 10, depth_max: 3, merge_keys: false };
    for name in ["f", "f.json"] {
        assert!(read_by(name, "[1,2,3,4,5,6,7,8,9]", &small).is_ok());
        assert!(read_by(name, "[1,2,3,4,5,6,7,8,9,10]", &small).unwrap_err().contains("more than 10 values"));
        assert!(read_by(name, "[[[1]]]", &small).is_ok());
        assert!(read_by(name, "[[[[1]]]]", &small).unwrap_err().contains("nested more than 3 deep"));
        assert!(read_by(name, &" ".repeat(101), &small).unwrap_err().contains("has 101 bytes; at most 100"));
    }
    let deep = "[".repeat(100_000);
    assert!(read("f.json", &deep).unwrap_err().contains("nested more than 128 deep"));
    assert!(read("f.yaml", &deep).unwrap_err().contains("nested more than 128 deep"));
    let deep = "- ".repeat(100_000);
    assert!(read("f.yaml", &deep).unwrap_err().contains("nested more than 128 deep"));
}

#[test]
fn bytes_must_be_utf8() {
    let mut files = Files::new();
    let file = files.add("f");
    let found = parse(&files, file, b"a: 1\nb: \xff", &Reading::DEFINITION).unwrap_err();
    assert_eq!(found[0].to_string(), "f:2:4: is not UTF-8; hint: save the file as UTF-8");
    let found = parse(&files, file, b"\xff\xfea\0", &Reading::DEFINITION).unwrap_err();
    assert_eq!(found[0].to_string(), "f:1:1: is UTF-16; hint: save the file as UTF-8");
}

#[test]
fn numbers_keep_their_text() {
    for (text, unsigned, signed, float) in [
        ("18446744073709551615", Some(u64::MAX), None, Some(18_446_744_073_709_551_615.0)),
        ("-5", None, Some(-5), Some(-5.0)),
        ("0x10", Some(16), Some(16), Some(16.0)),
        ("0o17", Some(15), Some(15), Some(15.0)),
        ("1.0", None, None, Some(1.0)),
        ("1e999", None, None, None),
        (".nan", None, None, None),
    ] {
        let node = read("f", text).unwrap();
        let number = node.as_number().unwrap();
        assert_eq!((number.as_u64(), number.as_i64(), number.as_f64()), (unsigned, signed, float), "{text}");
        assert_eq!(number.as_str(), text);
    }
}

#[test]
fn pointers_read_what_they_show() {
    for text in
        ["", "a", "a.b[0].c", "[3]", "a.\"GET /x.y\".z", "a.\"q\\\"\\\\\"", "\"\\u{2}\\n\\t\\0\"", "/pets/*"]
    {
        let pointer: Pointer = text.parse().unwrap();
        assert_eq!(pointer.to_string(), text);
    }
    for text in ["[", "[x", "\"", "a..b", "...", "]", "\"\\"] {
        let _: Pointer = text.parse().unwrap();
    }
    let node = read("f", "{\"a/b\": [{\"c~d\": 1}], \"e\": {\"\": 2}}").unwrap();
    assert!(node.find(&Pointer::new().key("a/b").index(0).key("c~d")).is_some());
    assert!(node.json_pointer("/a~1b/0/c~0d").is_some());
    assert!(node.json_pointer("/e/").is_some());
    assert!(node.json_pointer("e").is_none());
    assert!(node.at(&["a/b", "1"]).is_none());
    assert_eq!(node.json_pointer("").unwrap().span.column, 1);
}

#[test]
fn names_are_guessed() {
    let known = ["backend", "base_path", "hosts", "listen"];
    for (typed, meant) in
        [("backnd", Some("backend")), ("basePath", Some("base_path")), ("host", Some("hosts")), ("waf", None)]
    {
        assert_eq!(nearest(typed, known), meant, "{typed}");
    }
    assert_eq!(nearest(&"a".repeat(1_000_000), known), None);
}

#[test]
fn big_json_is_quick() {
    // Everything on one line: columns are counted on, not anew.
    let item = r#"{"name":"a name","in":"query","required":true,"schema":{"type":"string","maxLength":64}},"#;
    let text = format!("[{}1]", item.repeat(2_000_000 / item.len()));
    let node = read("a.json", &text).unwrap();
    assert_eq!(node.as_sequence().unwrap().len(), 2_000_000 / item.len() + 1);
}
