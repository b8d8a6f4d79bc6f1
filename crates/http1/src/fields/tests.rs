use super::*;

fn sample() -> Fields {
    let mut fields = Fields::new();
    fields.push("Accept", "a");
    fields.push("HOST", "example.com");
    fields.push("accept", "b");
    fields
}

#[test]
fn order_spelling_and_duplicates_are_kept() {
    let fields = sample();
    let names: Vec<&[u8]> = fields.iter().map(|field| field.name).collect();
    assert_eq!(names, [&b"Accept"[..], b"HOST", b"accept"]);
    assert_eq!(fields.all("ACCEPT").collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!(fields.first("accept"), Some(&b"a"[..]));
}

#[test]
fn a_field_that_must_stand_alone_is_found_only_alone() {
    let fields = sample();
    assert_eq!(fields.only("host"), Ok(Some(&b"example.com"[..])));
    assert_eq!(fields.only("accept"), Err(Repeated));
    assert_eq!(fields.only("absent"), Ok(None));
}

#[test]
fn set_leaves_one_line_and_remove_none() {
    let mut fields = sample();
    fields.set("Accept", "c");
    assert_eq!(fields.all("accept").collect::<Vec<_>>(), [b"c"]);
    fields.remove("accept");
    assert!(!fields.has("Accept"));
    assert_eq!(fields.len(), 1);
    fields.clear();
    assert!(fields.is_empty());
    assert_eq!(fields.text_len(), 0);
}

#[test]
fn memory_is_kept_unless_it_is_large() {
    let mut fields = sample();
    let text = fields.text.as_ptr();
    fields = fields.into_spare();
    assert!(fields.is_empty() && fields.text_len() == 0 && !fields.has("accept"));
    assert!(fields.text.capacity() > 0 && fields.text.as_ptr() == text);
    fields.push("a", vec![b'x'; 2 * SPARE_TEXT_MAX]);
    assert_eq!(fields.into_spare().text.capacity(), 0);
    let mut fields = Fields::new();
    (0..2 * SPARE_LINES_MAX).for_each(|_| fields.push("a", "b"));
    assert_eq!(fields.into_spare().lines.capacity(), 0);
}

#[test]
fn text_beside_the_lines_stays_readable() {
    let mut fields = Fields::new();
    let line = fields.push_text("GET / HTTP/1.1");
    fields.push("a", "b");
    fields.retain(|_| false);
    assert_eq!(fields.slice(line), b"GET / HTTP/1.1");
    assert_eq!(fields.slice(Span::new(9_999, 3)), b"");
}

#[test]
fn lines_that_were_written_down_are_judged_once() {
    static KNOWN: Lines = Lines::known("via: 1.1 gateway\r\n");
    let lines = Lines::of(&[
        (Label::new("host: "), b"a:1"),
        (Label::new("x-bad: "), b"1\r\nx-more: 2"),
        (Label::new("x-empty: "), b""),
    ]);
    assert_eq!(lines.as_bytes(), b"host: a:1\r\nx-bad: 1  x-more: 2\r\nx-empty: \r\n");
    let fields = |lines: &Lines| lines.iter().map(|field| format!("{field:?}")).collect::<Vec<_>>();
    assert_eq!(fields(&lines), ["host: a:1", "x-bad: 1  x-more: 2", "x-empty: "]);
    assert_eq!(fields(&KNOWN), ["via: 1.1 gateway"]);
    assert_eq!(fields(&Lines::default()), [""; 0]);
}

#[test]
fn what_is_no_line_is_not_taken_for_one() {
    for text in [
        "",
        "\r\n",
        "a: b",
        "a: b\n",
        "a:b\r\n",
        ": b\r\n",
        "A: b\r\n",
        "a b: c\r\n",
        "a: b\r\nc: d\r\n",
        "a: \x7f\r\n",
    ] {
        assert_eq!(octets::name_of_line(text.as_bytes()), None, "{}", text.escape_debug());
        let is_whole = text == "a: b\r\nc: d\r\n";
        assert_eq!(octets::are_lines(text.as_bytes()), is_whole, "{}", text.escape_debug());
    }
    assert_eq!(octets::name_of_line(b"a: b: c\r\n"), Some(&b"a"[..]));
    assert!(!octets::are_lines(b"a: b\r\nc: d\r\n\r\n"));
    assert!(!octets::are_lines(b"a: b\r\nc: d"));
}
