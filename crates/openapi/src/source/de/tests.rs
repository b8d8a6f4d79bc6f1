use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Unexpected, Visitor};

use crate::source::{Files, Node, Reading, Span, Value, de, parse};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shop {
    backend: Option<String>,
    #[serde(default)]
    weight: u8,
    #[serde(default)]
    wait: Option<Wait>,
    #[serde(default)]
    open: bool,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    items: Vec<Item>,
    #[serde(default)]
    shelves: BTreeMap<String, Item>,
    #[serde(default)]
    choice: Option<Choice>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    price: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Off,
    Observe,
    Enforce,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Choice {
    Plain,
    Item(Item),
    Named { name: String },
}

#[derive(Debug)]
struct Wait;

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Wait;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as 500ms")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Wait, E> {
                match text {
                    "500ms" => Ok(Wait),
                    "0ms" => Err(E::custom("must not be zero; hint: remove the key")),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_str(Text)
    }
}

fn read(text: &str) -> Result<Shop, String> {
    let mut files = Files::new();
    let file = files.add("f");
    let node = parse(&files, file, text.as_bytes(), &Reading::CONFIGURATION).unwrap();
    read_node(&files, &node)
}

fn read_node(files: &Files, node: &Node) -> Result<Shop, String> {
    de::read(files, node)
        .map_err(|findings| findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[test]
fn complaints_know_their_place() {
    for (text, expected) in [
        ("backnd: a", "f:1:1: backnd: unknown key; hint: did you mean `backend`?"),
        (
            "zzz: a",
            "f:1:1: zzz: unknown key; hint: known keys are `backend`, `weight`, `wait`, `open`, `mode`, `items`, `shelves`, `choice`",
        ),
        ("wait: [1]", "f:1:7: wait: expected a duration such as 500ms, found a list"),
        ("wait: 5", "f:1:7: wait: expected a duration such as 500ms, found the number 5"),
        ("wait: 5 parsecs", "f:1:7: wait: expected a duration such as 500ms, found \"5 parsecs\""),
        ("wait: 0ms", "f:1:7: wait: must not be zero; hint: remove the key"),
        (
            "wait:",
            "f:1:1: wait: expected a duration such as 500ms, found nothing; hint: write a value, or remove the key",
        ),
        (
            "backend:",
            "f:1:1: backend: expected a string, found nothing; hint: write a value, or remove the key",
        ),
        ("backend: 5", "f:1:10: backend: expected a string, found the number 5; hint: put it in quotes"),
        ("weight: 256", "f:1:9: weight: expected a whole number from 0 to 255, found the number 256"),
        ("weight: 1.5", "f:1:9: weight: expected a whole number from 0 to 255, found the number 1.5"),
        ("open: yes", "f:1:7: open: expected true or false, found \"yes\"; hint: write true"),
        (
            "mode: enforced",
            "f:1:7: mode: expected `off`, `observe` or `enforce`, found \"enforced\"; hint: did you mean `enforce`?",
        ),
        ("mode: [off]", "f:1:7: mode: expected `off`, `observe` or `enforce`, found a list"),
        ("mode: {off: 1}", "f:1:7: mode: \"off\" takes no settings; hint: write it as a plain word"),
        (
            "choice: item",
            "f:1:9: choice: \"item\" needs settings, found none; hint: write it as a key with its settings below",
        ),
        ("choice: {item: {pric: 1}}", "f:1:17: choice.item.pric: unknown key; hint: did you mean `price`?"),
        ("choice: {named: {}}", "f:1:17: choice.named: the key `name` is missing"),
        (
            "choice: {item: {price: 1}, plain: 1}",
            "f:1:9: choice: expected `plain`, `item` or `named`, found a mapping",
        ),
        ("items: [{price: 1}, {}]", "f:1:21: items[1]: the key `price` is missing"),
        ("items: {}", "f:1:8: items: expected a list, found a mapping"),
        ("items: [[1]]", "f:1:9: items[0]: expected a mapping, found a list"),
        (
            "shelves: {a.b: {price: x}}",
            "f:1:24: shelves.\"a.b\".price: expected a whole number from 0 to 4294967295, found \"x\"",
        ),
        ("[]", "f:1:1: expected a mapping, found a list"),
    ] {
        assert_eq!(read(text).unwrap_err(), expected, "{text}");
    }
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let text = "wieght: 1\nmode: of\nitems: [{price: a}, {price: 1}, {prise: 2}]\nopen: 1\n";
    assert_eq!(
        read(text).unwrap_err(),
        "f:1:1: wieght: unknown key; hint: did you mean `weight`?\n\
         f:2:7: mode: expected `off`, `observe` or `enforce`, found \"of\"; hint: did you mean `off`?\n\
         f:3:17: items[0].price: expected a whole number from 0 to 4294967295, found \"a\"\n\
         f:3:34: items[2].prise: unknown key; hint: did you mean `price`?\n\
         f:4:7: open: expected true or false, found the number 1"
    );
    let many: String = (0..500).map(|n| format!("k{n}: 1\n")).collect();
    assert_eq!(read(&many).unwrap_err().lines().count(), 100);
}

#[test]
fn good_documents_are_read() {
    let shop = read(
        "backend: b\nweight: 255\nwait: 500ms\nopen: true\nmode: enforce\nitems: [{price: 1}]\n\
         shelves: {a: {price: 2}}\nchoice: {named: {name: n}}",
    )
    .unwrap();
    assert_eq!((shop.backend.as_deref(), shop.weight, shop.open), (Some("b"), 255, true));
    assert!(matches!(shop.mode, Mode::Enforce));
    assert!(shop.wait.is_some());
    assert_eq!((shop.items[0].price, shop.shelves["a"].price), (1, 2));
    assert!(matches!(shop.choice, Some(Choice::Named { name }) if name == "n"));
    assert!(matches!(read("choice: plain").unwrap().choice, Some(Choice::Plain)));
    assert!(matches!(
        read("choice: {item: {price: 3}}").unwrap().choice,
        Some(Choice::Item(Item { price: 3 }))
    ));
}

#[test]
fn texts_from_outside_are_read_by_type_and_never_shown() {
    let node = |key: &str, text: &str| {
        let mut files = Files::new();
        let file = files.add("f");
        let mut root = parse(&files, file, format!("{key}: x").as_bytes(), &Reading::CONFIGURATION).unwrap();
        if let Value::Mapping(mapping) = &mut root.value {
            for (_, value) in mapping.iter_mut() {
                *value = Node::from_outside(text, Span { file, line: 1, column: 9 });
            }
        }
        read_node(&files, &root)
    };
    assert_eq!(node("weight", "7").unwrap().weight, 7);
    assert!(node("open", "true").unwrap().open);
    assert_eq!(node("backend", "7").unwrap().backend.as_deref(), Some("7"));
    assert_eq!(
        node("mode", "hunter2").unwrap_err(),
        "f:1:9: mode: expected `off`, `observe` or `enforce`, found a value from outside the file"
    );
    let long = "hun\"ter2".repeat(20);
    for key in ["wait", "weight", "open", "items", "choice"] {
        for secret in ["hun\"ter2", &long] {
            let error = node(key, secret).unwrap_err();
            assert!(!error.contains("ter2"), "{error}");
        }
    }
}
