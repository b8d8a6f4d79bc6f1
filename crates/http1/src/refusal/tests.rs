use std::collections::HashSet;

use super::*;

/// One of each class, and the ends of the list.
const SOME: &[(Refusal, RefusalClass, &str)] = &[
    (Refusal::EmptyLines, RefusalClass::Malformed, "empty-lines"),
    (Refusal::RequestLineTooLong, RefusalClass::LineTooLong, "request-line-too-long"),
    (Refusal::TooManyFields, RefusalClass::HeadTooLarge, "too-many-fields"),
    (Refusal::TransferCodingNotSupported, RefusalClass::NotImplemented, "transfer-coding-not-supported"),
    (Refusal::VersionNotSupported, RefusalClass::VersionNotSupported, "version-not-supported"),
    (
        Refusal::TransferEncodingAndContentLength,
        RefusalClass::Malformed,
        "transfer-encoding-and-content-length",
    ),
    (Refusal::Truncated, RefusalClass::Malformed, "truncated"),
];

#[test]
fn a_refusal_has_a_class_a_slug_and_words() {
    for &(refusal, class, slug) in SOME {
        assert_eq!((refusal.class(), refusal.as_str()), (class, slug));
        let words = refusal.to_string();
        assert!(words.starts_with(|first: char| first.is_ascii_lowercase()) && !words.ends_with('.'));
    }
    let slugs: HashSet<_> = SOME.iter().map(|(refusal, _, _)| refusal.as_str()).collect();
    assert_eq!(slugs.len(), SOME.len());
}
