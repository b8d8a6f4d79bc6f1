use std::cmp::Ordering;

use super::{MediaRange, MediaType};

fn parse(value: &str) -> Option<MediaType<'_>> {
    MediaType::parse(value.as_bytes())
}

#[test]
fn one_media_type_and_nothing_else_is_read() {
    for value in [
        "application/json",
        "Application/JSON",
        "application/json;",
        "application/json ; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
        "application/vnd.api+json; ext=\"https://a.test/x;y\"",
        "text/plain; a=\"b\\\"c\"",
        "multipart/form-data; boundary=----WebKitFormBoundaryx1",
    ] {
        assert!(parse(value).is_some(), "{value}");
    }
    let many: String = (0..9).map(|n| format!(";a{n}=1")).collect();
    for value in [
        "",
        "application",
        "application/",
        "/json",
        "*/*",
        "application/*",
        " application/json",
        "application/json, text/plain",
        "application/json,text/plain",
        "application /json",
        "application/ json",
        "application/json charset=utf-8",
        "application/json; charset",
        "application/json; charset=",
        "application/json; charset =utf-8",
        "application/json; charset= utf-8",
        "application/json; charset=utf-8; Charset=utf-16",
        "application/json; a=1; a=1",
        "application/json; a=\"1",
        "application/json; a=\"1\\",
        "application/json; a=\"1\"2",
        "application/json; a=\"1\u{1}\"",
        "application/json\u{0}",
        "application/jsön",
        "a/b/c",
        &format!("a/b{many}"),
    ] {
        assert_eq!(parse(value), None, "{value}");
    }
    assert_eq!(MediaType::parse(b"application/json; a=\xff"), None);
}

#[test]
fn a_value_is_what_was_quoted() {
    let read = parse("text/plain; a=\"b\\\"c\\\\\"; B=d;;").unwrap();
    assert_eq!(
        (read.parameter("A"), read.parameter("b"), read.parameter("c")),
        (Some("b\"c\\"), Some("d"), None)
    );
    assert!(parse("a/b; charset=us-ascii").unwrap().is_utf8() && parse("a/b").unwrap().is_utf8());
    assert!(!parse("a/b; charset=utf-16").unwrap().is_utf8());
}

#[test]
fn a_range_takes_what_it_names() {
    for (range, value, takes) in [
        ("*/*", "a/b", true),
        ("application/*", "Application/x", true),
        ("application/*", "text/x", false),
        ("application/*+json", "application/problem+json", true),
        ("application/*+json", "application/json", false),
        ("application/*+json", "application/a+json+xml", false),
        ("Application/JSON", "application/json", true),
        ("application/json", "application/json; charset=utf-8", true),
        ("application/json", "application/json; version=2", true),
        ("application/json; charset=utf-8", "application/json", true),
        ("application/json; version=2", "application/json", false),
        ("application/json; version=2", "application/json; version=\"2\"", true),
        ("application/json; version=2", "application/json; version=3", false),
        ("text/plain; charset=iso-8859-1", "text/plain; charset=ISO-8859-1", true),
        ("text/plain; charset=iso-8859-1", "text/plain", false),
    ] {
        let (range, value) = (MediaRange::parse(range).expect(range), parse(value).expect(value));
        assert_eq!(range.takes(&value), takes, "{range:?} {value:?}");
    }
    for range in ["*", "*/json", "a*/b", "a/*b", "a/b*c/", "json", "", "application/json, text/json", "a/b;c"]
    {
        assert_eq!(MediaRange::parse(range), None, "{range}");
    }
}

#[test]
fn the_range_that_says_more_wins() {
    let ranked = ["*/*", "*/*;a=1", "a/*", "a/*+json", "a/b+json", "a/b+json;v=1", "a/b+json;v=1;w=2"];
    let ranges = ranked.map(|range| MediaRange::parse(range).expect(range));
    for pair in ranges.windows(2) {
        assert_eq!(pair[0].compare(&pair[1]), Ordering::Less, "{pair:?}");
    }
    let suffixes: Vec<_> = ranges.iter().map(MediaRange::suffix).collect();
    assert_eq!(suffixes, [None, None, None, Some("+json"), Some("+json"), Some("+json"), Some("+json")]);
    assert!(ranges[4].exactly().is_some_and(|exactly| exactly.is("a", "b+json")));
    assert!(ranges[..4].iter().all(|range| range.exactly().is_none()));
}
