use super::Dictionary;

/// Each member as it is written.
fn written(field: &str) -> Option<String> {
    let dictionary = Dictionary::parse(field)?;
    let members: Vec<_> = dictionary.iter().map(|(name, member)| format!("{name}={member}")).collect();
    Some(members.join(", "))
}

#[test]
fn what_is_well_formed_has_one_written_form() {
    for (field, expected) in [
        ("", ""),
        ("a=1", "a=1"),
        ("a", "a=?1"),
        ("a;x=2,\t b=(  1   tok;q )", "a=?1;x=2, b=(1 tok;q)"),
        (
            r#"sig=("@method" "x";key="a\"b");created=1;keyid="k""#,
            r#"sig=("@method" "x";key="a\"b");created=1;keyid="k""#,
        ),
        ("a=:Zg==:;x=?0;y=?1", "a=:Zg==:;x=?0;y"),
        ("a=()", "a=()"),
        ("a=-015", "a=-15"),
        ("*a_-.*=*b:/c", "*a_-.*=*b:/c"),
    ] {
        assert_eq!(written(field).as_deref(), Some(expected), "{field}");
    }
}

#[test]
fn what_is_not_is_refused_whole() {
    for field in [
        "A=1",
        "a=",
        "a=1,",
        "a=1,,b=2",
        "a=1 b=2",
        ",",
        "a=1;",
        "a=1.5",
        "a=@1",
        "a=1234567890123456",
        "a=--1",
        "a=\"",
        "a=\"\\n\"",
        "a=\"\u{e9}\"",
        "a=\"\n\"",
        "a=:Zg:",
        "a=:Zg==",
        "a=:Zh==:",
        "a=:Z g==:",
        "a=?2",
        "a=(1",
        "a=(1,2)",
        "a=(\"x\"\"y\")",
        "a=(\t1)",
        "a=1, a=2",
        "a=1;x;x",
        "a=(1 2",
        "a=1)",
        "\u{feff}a",
        "a =1",
        "a= 1",
        "1a=1",
        "a=%",
        "a=(1 )x",
    ] {
        assert_eq!(written(field), None, "{field:?}");
    }
    let many: Vec<_> = (0..65).map(|at| format!("a{at}")).collect();
    assert_eq!(written(&many.join(",")), None);
}
