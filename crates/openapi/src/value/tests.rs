//! What the parser takes and refuses; what numbers mean.

use std::cmp::Ordering;

use super::memory::Memory;
use super::{Builder, Kind, Limits, Name, Number, Reason, Value, parse};

const SMALL: Limits = Limits { depth: 3, string: 8, array: 4, members: 20, number_digits: 20, values: 40 };

fn is_taken(text: &str) {
    let tape = parse(text.as_bytes(), &Limits::default());
    assert!(tape.is_ok(), "{text}: {:?}", tape.err());
}

fn refused(bytes: &[u8], limits: &Limits) -> (Reason, usize, String) {
    let fault = parse(bytes, limits).expect_err("refused");
    (fault.reason, fault.offset, fault.pointer.into_string())
}

#[test]
fn values_by_the_grammar_are_taken() {
    for text in [
        "null",
        " true ",
        "\t\r\nfalse",
        "0",
        "-0",
        "-0.0",
        "1.5e-3",
        "1E+2",
        "\"\"",
        "\"\\u00e9\\n\"",
        "[]",
        "[ ]",
        "{}",
        "{ }",
        "[1,[2,[3]],{}]",
        r#"{"a":1,"b":[{}],"c":{"a":1}}"#,
        "\"\u{7f}\u{80}\"",
        r#""\ud83d\ude00""#,
        r#"{"":1}"#,
        "18446744073709551617",
        "1e308",
        "0e999",
    ] {
        is_taken(text);
    }
}

#[test]
fn values_not_by_the_grammar_are_refused() {
    for text in [
        "",
        " ",
        "nul",
        "nulll",
        "True",
        "01",
        "-",
        "-a",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "0x1",
        "1_0",
        "NaN",
        "Infinity",
        "-Infinity",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\n\"",
        "\"\0\"",
        "'a'",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{",
        "}",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "[1}",
        "{\"a\":1]",
        "1 2",
        "{}{}",
        "[] ,",
        "// c\n1",
        "1/**/",
        "\u{a0}1",
        "1\u{c}",
        "nullnull",
        "\"a\"b",
    ] {
        let reason = refused(text.as_bytes(), &Limits::default()).0;
        assert!(matches!(reason, Reason::Syntax(_)), "{text:?}: {reason:?}");
    }
}

#[test]
fn what_parsers_disagree_about_is_refused() {
    for (bytes, reason) in [
        (&b"\xEF\xBB\xBF1"[..], Reason::ByteOrderMark),
        (b"\"\xff\"", Reason::Utf8),
        (b"\"\xc0\xaf\"", Reason::Utf8),
        (b"\"\xed\xa0\x80\"", Reason::Utf8),
        (br#""\ud800""#, Reason::Surrogate),
        (br#""\udc00""#, Reason::Surrogate),
        (br#""\ud800\u0041""#, Reason::Surrogate),
        (br#""\ud800x""#, Reason::Surrogate),
        (br#"{"a":1,"a":2}"#, Reason::Duplicate),
        (br#"{"a":1,"\u0061":2}"#, Reason::Duplicate),
        (br#"{"\/":1,"/":2}"#, Reason::Duplicate),
        (br#"{"":1,"":1}"#, Reason::Duplicate),
        (b"1e309", Reason::Range),
        (b"-1e400", Reason::Range),
        (b"1e-400", Reason::Range),
        (b"1e99999999999999999999", Reason::Range),
    ] {
        assert_eq!(refused(bytes, &Limits::default()).0, reason, "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn each_limit_is_kept_to_the_last_one_within_it() {
    for (within, beyond, reason) in [
        ("[[[]]]", "[[[[]]]]", Reason::Depth),
        ("\"12345678\"", "\"123456789\"", Reason::String),
        (r#""\u00e9\u00e9\u00e9\u00e9""#, r#""\u00e9\u00e9\u00e9\u00e9\u0041""#, Reason::String),
        (r#"{"12345678":1}"#, r#"{"123456789":1}"#, Reason::String),
        ("[1,2,3,4]", "[1,2,3,4,5]", Reason::Array),
        ("12345678901234567890", "123456789012345678901", Reason::NumberDigits),
        ("1.2e12345678901234567", "1.23e123456789012345678", Reason::NumberDigits),
    ] {
        if !matches!(reason, Reason::NumberDigits) || !within.contains('e') {
            assert!(parse(within.as_bytes(), &SMALL).is_ok(), "{within}");
        }
        let (found, ..) = refused(beyond.as_bytes(), &SMALL);
        assert_eq!(found, reason, "{beyond}");
        assert!(found.is_limit() && found.limit().is_some());
    }
    let object = |members: usize| {
        let members: Vec<String> = (0..members).map(|at| format!("\"{at}\":1")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(parse(object(20).as_bytes(), &SMALL).is_ok());
    assert_eq!(refused(object(21).as_bytes(), &SMALL).0, Reason::Members);
    let rows = |rows: usize| format!("[{}]", vec!["[1,1,1,1]"; rows].join(","));
    assert!(parse(rows(4).as_bytes(), &SMALL).is_ok());
    assert_eq!(refused(rows(4).as_bytes(), &Limits { values: 20, ..SMALL }).0, Reason::Values);
}

#[test]
fn faults_say_where() {
    for (text, offset, pointer) in [
        (r#"{"a":[1,{"b~/":tru}]}"#, 15, "/a/1/b~0~1"),
        (r#"{"a":{"b":1,"b":2}}"#, 12, "/a/b"),
        (r"[1,2,]", 5, "/2"),
        (r#"{"a":1}x"#, 7, ""),
        (r#"[{"a":1},"x]"#, 12, "/1"),
    ] {
        let (_, found_offset, found_pointer) = refused(text.as_bytes(), &Limits::default());
        assert_eq!((found_offset, found_pointer.as_str()), (offset, pointer), "{text}");
    }
    let long = format!("{{\"{}\":x}}", "n".repeat(5000));
    let (.., pointer) = refused(long.as_bytes(), &Limits::default());
    assert!(pointer.len() < 300 && pointer.ends_with('…'), "{}", pointer.len());
}

#[test]
fn many_names_are_found_and_those_that_stand_twice_too() {
    let members = |names: &[String]| {
        let members: Vec<String> = names.iter().map(|name| format!("{name}:{}", name.len())).collect();
        format!("{{{}}}", members.join(", "))
    };
    let mut names: Vec<String> = (0..512).map(|at| format!("\"name {at}\"")).collect();
    let text = members(&names);
    let tape = parse(text.as_bytes(), &Limits::default()).expect("valid");
    for at in 0..512 {
        let name = format!("name {at}");
        let value = tape.root().get(&name).expect("there");
        assert_eq!(value.as_number().and_then(|number| number.as_u64()), Some(name.len() as u64 + 2));
        assert!(tape.root().member(&Name::new(&name)).is_some());
    }
    assert!(tape.root().get("name 512").is_none() && tape.root().get("").is_none());
    names[511] = "\"name \\u0032\"".to_owned();
    let (reason, offset, pointer) = refused(members(&names).as_bytes(), &Limits::default());
    assert_eq!((reason, pointer.as_str()), (Reason::Duplicate, "/name 2"));
    assert!(offset > 100);
}

#[test]
fn the_tape_reads_back() {
    let text = r#" {"a" : [1, -2.50, "x\ty", null], "b": {"c": true, "d": "plain"}, "e": []} "#;
    let tape = parse(text.as_bytes(), &Limits::default()).expect("valid");
    let root = tape.root();
    assert_eq!((root.kind(), root.len()), (Kind::Object, 3));
    assert_eq!(root.raw(), Some(text.trim()));
    let a = root.get("a").expect("a");
    assert_eq!(a.raw(), Some(r#"[1, -2.50, "x\ty", null]"#));
    let items: Vec<Value<'_>> = a.items().collect();
    assert_eq!(items.len(), 4);
    assert_eq!(items[1].as_number().map(|number| number.as_str()), Some("-2.50"));
    assert_eq!((items[2].as_str(), items[2].raw()), (Some("x\ty"), Some(r#""x\ty""#)));
    assert!(items[3].is_null());
    let b = root.get("b").expect("b");
    assert_eq!(b.get("c").and_then(|c| c.as_bool()), Some(true));
    assert_eq!(b.get("d").and_then(|d| d.as_str()), Some("plain"));
    let names: Vec<_> = root.members().map(|member| (member.name(), member.raw_name())).collect();
    assert_eq!(names, [("a", Some("\"a\"")), ("b", Some("\"b\"")), ("e", Some("\"e\""))]);
    assert!(root.get("e").is_some_and(|e| e.is_empty() && e.kind() == Kind::Array));
    assert!(!format!("{tape:?}{root:?}").contains("plain"));
}

#[test]
fn what_is_built_reads_as_what_is_read() {
    let mut builder = Builder::new(&Limits::default());
    let mut build = || -> Result<(), super::Fault> {
        builder.begin_object()?;
        builder.key("a")?;
        builder.begin_array()?;
        builder.push_number("12.50")?;
        builder.push_string("é\"")?;
        builder.push_null()?;
        builder.push_bool(true)?;
        builder.end()?;
        builder.key("b")?;
        builder.begin_object()?;
        builder.end()?;
        builder.end()
    };
    build().expect("built");
    let tape = builder.finish().expect("whole");
    let root = tape.root();
    assert_eq!(root.len(), 2);
    let a: Vec<_> = root.get("a").into_iter().flat_map(|a| a.items()).collect();
    assert_eq!(a[0].as_number().map(|number| number.as_str()), Some("12.50"));
    assert_eq!((a[1].as_str(), a[1].raw()), (Some("é\""), None));
    assert!(a[2].is_null() && a[3].as_bool() == Some(true));
}

#[test]
fn what_is_built_keeps_the_same_rules() {
    fn refused(act: impl FnOnce(&mut Builder) -> Result<(), super::Fault>) -> Reason {
        let mut builder = Builder::new(&SMALL);
        act(&mut builder).expect_err("refused").reason
    }
    for text in ["", "01", "1x", " 1", "NaN", "0x10", "１"] {
        assert!(matches!(refused(|b| b.push_number(text)), Reason::Syntax(_)), "{text}");
    }
    assert_eq!(refused(|b| b.push_number("1e999")), Reason::Range);
    assert_eq!(refused(|b| b.push_string("123456789")), Reason::String);
    assert_eq!(
        refused(|b| {
            b.begin_object()?;
            b.key("a")?;
            b.push_null()?;
            b.key("a")
        }),
        Reason::Duplicate
    );
    assert_eq!(
        refused(|b| {
            for _ in 0..4 {
                b.begin_array()?;
            }
            Ok(())
        }),
        Reason::Depth
    );
    assert!(matches!(refused(|b| b.key("a")), Reason::Syntax(_)));
    assert!(matches!(refused(|b| b.end()), Reason::Syntax(_)));
    assert!(matches!(refused(|b| b.push_null().and_then(|()| b.push_null())), Reason::Syntax(_)));
    assert!(matches!(refused(|b| b.begin_object().and_then(|()| b.push_null())), Reason::Syntax(_)));
    assert!(Builder::new(&SMALL).finish().is_err());
}

#[test]
fn numbers_compare_as_decimals() {
    for (a, order, b) in [
        ("0", Ordering::Equal, "-0"),
        ("0.0e5", Ordering::Equal, "0"),
        ("1", Ordering::Equal, "1.0"),
        ("100", Ordering::Equal, "1e2"),
        ("0.001", Ordering::Equal, "1e-3"),
        ("12.50", Ordering::Equal, "1.25E+1"),
        ("0.1", Ordering::Less, "0.10000000000000001"),
        ("18446744073709551616", Ordering::Less, "18446744073709551617"),
        ("9007199254740993", Ordering::Greater, "9007199254740992.0"),
        ("-1", Ordering::Greater, "-1.5"),
        ("-1", Ordering::Less, "0"),
        ("-1e-300", Ordering::Less, "1e-300"),
        ("9", Ordering::Less, "10"),
        ("1e3", Ordering::Greater, "999.999"),
        ("0.09", Ordering::Less, "0.1"),
        ("123", Ordering::Greater, "12"),
    ] {
        assert_eq!(Number::read(a).compare(&Number::read(b)), order, "{a} {b}");
        assert_eq!(Number::read(b).compare(&Number::read(a)), order.reverse(), "{b} {a}");
        let canonical = |text: &'static str| Number::read(text).canonical().collect::<Vec<u8>>();
        assert_eq!(canonical(a) == canonical(b), order.is_eq(), "{a} {b}");
    }
}

#[test]
fn whole_numbers_are_whole_however_written() {
    for (text, is_integer, as_u64, as_i64) in [
        ("0", true, Some(0), Some(0)),
        ("-0", true, Some(0), Some(0)),
        ("-0.0", true, Some(0), Some(0)),
        ("1.0", true, Some(1), Some(1)),
        ("1.5", false, None, None),
        ("1e2", true, Some(100), Some(100)),
        ("-15e1", true, None, Some(-150)),
        ("15e-1", false, None, None),
        ("150e-1", true, Some(15), Some(15)),
        ("18446744073709551615", true, Some(u64::MAX), None),
        ("18446744073709551616", true, None, None),
        ("-9223372036854775808", true, None, Some(i64::MIN)),
        ("1e300", true, None, None),
        ("1.234567890123456e18", true, Some(1_234_567_890_123_456_000), Some(1_234_567_890_123_456_000)),
    ] {
        let number = Number::read(text);
        assert_eq!(
            (number.is_integer(), number.as_u64(), number.as_i64()),
            (is_integer, as_u64, as_i64),
            "{text}"
        );
    }
}

#[test]
fn a_double_is_given_only_for_the_very_number() {
    for (text, is_exact) in [
        ("0.1", true),
        ("0.10000000000000001", false),
        ("1e23", true),
        ("9007199254740993", false),
        ("1.7976931348623157e308", true),
        ("0.30000000000000004", true),
        ("0.3000000000000000444", false),
        ("18446744073709551616", false),
    ] {
        assert_eq!(Number::read(text).as_f64_exact().is_some(), is_exact, "{text}");
    }
}

#[test]
fn multiples_are_exact() {
    for (value, divisor, is_multiple) in [
        ("0", "3", true),
        ("0.3", "0.1", true),
        ("0.35", "0.1", false),
        ("19.99", "0.01", true),
        ("1e300", "7", false),
        ("7e300", "7", true),
        ("18446744073709551616", "2", true),
        ("18446744073709551617", "2", false),
        ("1e-7", "1e-8", true),
        ("1e-8", "1e-7", false),
        ("-4.5", "1.5", true),
        ("100", "1e2", true),
        ("50", "1e2", false),
        ("1", "0", false),
    ] {
        let found = Number::read(value).is_multiple_of(Number::read(divisor));
        assert_eq!(found, is_multiple, "{value} {divisor}");
    }
}

#[test]
fn a_number_beside_a_whole_one_is_compared_as_decimals_are() {
    let numbers = [
        "0",
        "-0",
        "1",
        "-1",
        "0.0",
        "0.5",
        "-0.5",
        "-0.0",
        "1.0",
        "1.50",
        "-1.00",
        "-1.01",
        "2",
        "-2",
        "12.50",
        "1e0",
        "1E2",
        "123456789012345678",
        "1234567890123456789",
        "-123456789012345678",
        "0.000000000000000001",
        "999999999999999.9",
        "100000000000000000000",
        "-9223372036854775808",
        "9223372036854775807",
    ];
    let wholes = [0, 1, -1, 2, -2, 12, 13, 100, 123_456_789_012_345_678, i64::MAX, i64::MIN];
    let mut compared = 0;
    for number in numbers {
        for whole in wholes {
            let text = whole.to_string();
            let expected = Number::read(number).compare(&Number::read(&text));
            if let Some(order) = Number::read(number).compare_whole(whole) {
                assert_eq!(order, expected, "{number} and {whole}");
                compared += 1;
            }
        }
    }
    assert!(compared > 150, "{compared}");
}

#[test]
fn memory_of_what_is_given_up_is_kept_for_the_next() {
    drop(parse(b"[1,2,3,4,5,6,7,8,9]", &Limits::REQUEST));
    let capacity = || {
        let memory = Memory::take();
        let capacity = memory.entries.capacity();
        memory.give_back();
        capacity
    };
    let kept = capacity();
    assert!(kept >= 10);
    drop(Builder::new(&Limits::REQUEST));
    assert!(parse(b"[1,2", &Limits::REQUEST).is_err());
    assert_eq!(capacity(), kept);
}

#[test]
fn a_string_ends_at_its_quote_wherever_that_stands() {
    for len in 0..130_usize {
        let plain = "\u{e9}x".repeat(len).chars().take(len).collect::<String>();
        let limits = Limits::REQUEST;
        let text = format!("\"{plain}\"");
        let tape = parse(text.as_bytes(), &limits).expect("a string");
        assert_eq!(tape.root().as_str(), Some(&*plain), "{len}");
        let text = format!("\"{plain}\\n{plain}\"");
        let tape = parse(text.as_bytes(), &limits).expect("a string");
        assert_eq!(tape.root().as_str(), Some(&*format!("{plain}\n{plain}")), "{len}");
        for wrong in ['\u{0}', '\n', '\u{1f}'] {
            let text = format!("\"{plain}{wrong}{plain}\"");
            let fault = parse(text.as_bytes(), &limits).expect_err("a control character");
            assert_eq!(fault.offset, plain.len() + 1, "{len}");
        }
        let text = format!("\"{plain}");
        assert!(parse(text.as_bytes(), &limits).is_err(), "{len}");
    }
}
