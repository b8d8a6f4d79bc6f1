use std::time::Duration;

use super::{place, read};
use crate::issuers::spec::Reach;

const ISSUER: &str = "https://idp.example.com/realm";

fn reach(cleartext: bool) -> Reach {
    let names = crate::dns::Settings::default();
    Reach { ca: None, cleartext, names, timeout: Duration::from_secs(1) }
}

/// Where the keys are, or what the message ends with.
fn check(issuer: &str, cleartext: bool, document: &str, expected: Result<&str, &str>) {
    let own = place(issuer).expect("a place");
    let found = read(document.as_bytes(), issuer, &own, &reach(cleartext)).map(|(url, _)| url.to_string());
    match expected {
        Ok(url) => assert_eq!(found.as_deref(), Ok(url), "{document}"),
        Err(why) => assert!(found.as_ref().is_err_and(|found| found.contains(why)), "{document}: {found:?}"),
    }
}

#[test]
fn the_document_is_below_the_issuer() {
    let at = |issuer| place(issuer).map(|url| url.to_string());
    let expected = "https://idp.example.com/realm/.well-known/openid-configuration";
    assert_eq!(at(ISSUER).as_deref(), Some(expected));
    assert_eq!(at("https://idp.example.com/realm/").as_deref(), Some(expected));
}

#[test]
fn a_document_counts_for_the_issuer_it_names_letter_for_letter() {
    let good = r#"{"issuer":"https://idp.example.com/realm","jwks_uri":"https://keys.example.com/k"}"#;
    check(ISSUER, false, good, Ok("https://keys.example.com/k"));
    for (document, why) in [
        (good.replace("/realm", "/realm/"), "not of"),
        (good.replace("idp.", "evil."), "not of"),
        (good.replace("https://idp", "http://idp"), "not of"),
        (good.replace("\"issuer\"", "\"Issuer\""), "names no issuer"),
        (
            good.replace("\"https://idp.example.com/realm\"", "[\"https://idp.example.com/realm\"]"),
            "names no issuer",
        ),
        (good.replacen('{', r#"{"issuer":"https://idp.example.com/realm","#, 1), "is no document"),
        (good.replace("https://keys", "http://keys"), "plain http"),
        (good.replace("https://keys.example.com", "http://127.0.0.1"), "plain http"),
        (good.replace("https://keys", "file://keys"), "no URL"),
        (good.replace("jwks_uri", "jwks"), "no `jwks_uri`"),
        ("<html>".to_owned(), "is no document"),
    ] {
        check(ISSUER, false, &document, Err(why));
    }
}

#[test]
fn cleartext_stays_where_it_may_be() {
    let local = r#"{"issuer":"http://127.0.0.1:9","jwks_uri":"http://127.0.0.1:9/k"}"#;
    check("http://127.0.0.1:9", false, local, Ok("http://127.0.0.1:9/k"));
    let afar = local.replace("127.0.0.1:9/k", "keys.example.com/k");
    check("http://127.0.0.1:9", false, &afar, Err("plain http"));
    check("http://127.0.0.1:9", true, &afar, Ok("http://keys.example.com/k"));
}
