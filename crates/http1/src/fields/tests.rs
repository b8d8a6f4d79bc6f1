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
fn text_beside_the_lines_stays_readable() {
    let mut fields = Fields::new();
    let line = fields.push_text("GET / HTTP/1.1");
    fields.push("a", "b");
    fields.retain(|_| false);
    assert_eq!(fields.slice(line), b"GET / HTTP/1.1");
    assert_eq!(fields.slice(Span::new(9_999, 3)), b"");
}
