use std::time::Duration;

use super::{Limits, Object, Refused, Value, look, parse};

const LIMITS: Limits = Limits { bytes: 1000, depth: 4 };

fn read(text: &str) -> Result<Value, Refused> {
    parse(text.as_bytes(), LIMITS)
}

#[test]
fn what_is_json_is_read_as_serde_json_reads_it() {
    for text in [
        "null",
        " true\n",
        "[]",
        "{}",
        r#"{"a":[1,-0,0.5,1e3,1E-2],"b":{"c":"d\n\u00e9\ud83d\ude00/\/"},"":false}"#,
        "\t[ 1 , 2 ]\r\n",
        r#""\u0000""#,
        "12345678901234567890123",
    ] {
        let value = read(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        let again = read(&value.to_string()).unwrap();
        assert_eq!(value, again, "{text}");
    }
}

#[test]
fn texts_are_unescaped() {
    let value = read(r#""a\"\\\/\b\f\n\r\tA\u00e9\ud83d\ude00é""#).unwrap();
    assert_eq!(value.as_text(), Some("a\"\\/\u{8}\u{c}\n\r\tAé😀é"));
}

#[test]
fn what_readers_disagree_on_is_refused() {
    for (text, why) in [
        ("", Refused::Syntax),
        ("{", Refused::Syntax),
        (r#"{"a":1,}"#, Refused::Syntax),
        ("[1,]", Refused::Syntax),
        (r#"{"a":1}x"#, Refused::Syntax),
        (r#"{"a":1}{"b":2}"#, Refused::Syntax),
        (r#"{"a":1,"a":1}"#, Refused::Duplicate),
        (r#"{"a":1,"\u0061":2}"#, Refused::Duplicate),
        (r#"{"b":{"a":1,"a":2}}"#, Refused::Duplicate),
        (r#""\ud800""#, Refused::Syntax),
        (r#""\udc00""#, Refused::Syntax),
        (r#""\ud800\ud800""#, Refused::Syntax),
        (r#""\ud800x""#, Refused::Syntax),
        (r#""\u00g0""#, Refused::Syntax),
        (r#""\u+041""#, Refused::Syntax),
        (r#""\x41""#, Refused::Syntax),
        ("\"a\nb\"", Refused::Syntax),
        ("01", Refused::Syntax),
        ("+1", Refused::Syntax),
        (".5", Refused::Syntax),
        ("1.", Refused::Syntax),
        ("1e", Refused::Syntax),
        ("-", Refused::Syntax),
        ("NaN", Refused::Syntax),
        ("Infinity", Refused::Syntax),
        ("0x10", Refused::Syntax),
        ("'a'", Refused::Syntax),
        ("{a:1}", Refused::Syntax),
        ("// c\n1", Refused::Syntax),
        ("\u{feff}{}", Refused::Syntax),
        ("\u{a0}1", Refused::Syntax),
        ("tru", Refused::Syntax),
        ("nulll", Refused::Syntax),
        ("[[[[[1]]]]]", Refused::TooDeep),
        ("\"", Refused::Syntax),
        ("\"\\", Refused::Syntax),
    ] {
        assert_eq!(read(text), Err(why), "{text}");
    }
    assert!(read("[[[[1]]]]").is_ok());
    assert_eq!(parse(b"\"\xff\"", LIMITS), Err(Refused::NotUtf8));
    assert_eq!(parse(b"\"\xed\xa0\x80\"", LIMITS), Err(Refused::NotUtf8));
    assert_eq!(parse(&[b' '; 1001], LIMITS), Err(Refused::TooLong));
}

#[test]
fn a_twice_written_member_is_found_among_many() {
    let limits = Limits { bytes: 1 << 20, depth: 2 };
    let members: Vec<String> = (0..20_000).map(|at| format!("\"m{at}\":{at}")).collect();
    let good = format!("{{{}}}", members.join(","));
    assert!(parse(good.as_bytes(), limits).is_ok());
    let bad = format!("{{{},\"m77\":0}}", members.join(","));
    assert_eq!(parse(bad.as_bytes(), limits), Err(Refused::Duplicate));
}

#[test]
fn depth_beyond_the_stack_is_refused_whatever_the_limits_say() {
    let limits = Limits { bytes: 1 << 20, depth: usize::MAX };
    let deep = "[".repeat(100_000);
    assert_eq!(parse(deep.as_bytes(), limits), Err(Refused::TooDeep));
    let objects = r#"{"a":"#.repeat(100_000);
    assert_eq!(parse(objects.as_bytes(), limits), Err(Refused::TooDeep));
}

#[test]
fn numbers_are_read_as_the_kind_that_is_asked_for() {
    let number = |text: &str| read(text).unwrap().as_number().unwrap().clone();
    assert_eq!(number("18446744073709551615").as_u64(), Some(u64::MAX));
    assert_eq!(number("18446744073709551616").as_u64(), None);
    assert_eq!(number("1.0").as_u64(), None);
    assert_eq!(number("-1").as_i64(), Some(-1));
    assert_eq!(number("1700000000").as_seconds(), Some(Duration::from_secs(1_700_000_000)));
    assert_eq!(number("4708683205.891912").as_seconds(), Some(Duration::new(4_708_683_205, 891_912_000)));
    assert_eq!(number("0.12345678999").as_seconds(), Some(Duration::new(0, 123_456_789)));
    for text in ["-1", "-0", "1e9", "1E9", "1e9999", "1.5e3", "18446744073709551616"] {
        assert_eq!(number(text).as_seconds(), None, "{text}");
    }
}

#[test]
fn an_object_holds_a_name_once() {
    let mut object = Object::new().with("a", "x").with("b", 7).with("a", true);
    assert_eq!(object.to_string(), r#"{"a":true,"b":7}"#);
    assert_eq!(object.remove("a"), Some(Value::Bool(true)));
    assert_eq!(object.remove("a"), None);
    object.set("c", vec!["x\u{1}\"\\"]);
    assert_eq!(object.to_string(), r#"{"b":7,"c":["x\u0001\"\\"]}"#);
}

#[test]
fn a_look_shows_the_members_as_they_were_written() {
    let text =
        r#" {"a":"b","c" : 1.5 ,"d":{"a":"not this"},"e":[{"a":[]},null,true,false,""],"f\u0061":"\u0061"} "#;
    let mut seen = Vec::new();
    look(text.as_bytes(), LIMITS, |name, value| {
        seen.push((name.to_owned(), value.plain_text().map(str::to_owned), value.as_seconds()));
    })
    .unwrap();
    let member = |name: &str, text: Option<&str>, time| (name.to_owned(), text.map(str::to_owned), time);
    let expected = [
        member("a", Some("b"), None),
        member("c", None, Some(Duration::from_millis(1500))),
        member("d", None, None),
        member("e", None, None),
        member("fa", None, None),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_look_is_of_whole_objects_alone() {
    for text in [
        "",
        "{",
        "[]",
        "1",
        r#"{"a":1,}"#,
        r#"{"a":1}x"#,
        r#"{"a":[[[[1]]]]}"#,
        "{\"a\":\"b\nc\"}",
        r#"{"a":01}"#,
        r#"{1:2}"#,
    ] {
        assert!(look(text.as_bytes(), LIMITS, |_, _| {}).is_err(), "{text}");
    }
    assert!(look(br#"{"a":[[[1]]]}"#, LIMITS, |_, _| {}).is_ok());
}
