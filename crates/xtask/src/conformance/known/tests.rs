use super::{Known, parse};

#[test]
fn classes_have_a_message_a_reason_and_cases() {
    let text =
        "# why\n[[known]]\nsays = \"x\"\nreason = \"y = z\"\ncases = [\n  \"a b: 3\",\n  \"c: d: 1\",\n]\n";
    let cases = vec![("a b".to_owned(), 3), ("c: d".to_owned(), 1)];
    assert_eq!(parse(text).unwrap(), [Known { says: "x".into(), reason: "y = z".into(), cases }]);
}

#[test]
fn what_is_not_understood_is_refused() {
    for text in [
        "says = \"x\"",
        "[[known]]\nsays = x",
        "[[known]]\nsays = \"x\"\nreason = \"y\"",
        "[[known]]\nsays = \"x\"\nreason = \"y\"\ncases = [\n\"a\",\n]",
        "[[known]]\nother = \"x\"",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}
