use super::{AuthorizationStatus, OrderStatus, authorization, directory, error, nonce, order, own_url};
use crate::config::values::Url;

const AUTHORIZATION: &str = r#"{"status":"pending","identifier":{"type":"dns","value":"Api.acme.test"},"challenges":[
    {"type":"dns-01","url":"https://ca.test/c/1","token":"none of ours"},
    {"type":"tls-alpn-01","url":"https://ca.test/c/2","token":"DGyRejmCefe7v4NfDGDKfA","error":{"type":"urn:ietf:params:acme:error:tls","detail":"no\u0007 luck"}}]}"#;
const ORDER: &str = r#"{"status":"ready","identifiers":[{"type":"dns","value":"b.acme.test"},{"type":"dns","value":"a.acme.test"}],
    "authorizations":["https://ca.test/a/1","https://ca.test/a/2"],"finalize":"https://ca.test/f"}"#;

fn own() -> Url {
    "https://ca.test/dir".parse().expect("a URL")
}

fn names() -> Vec<Box<str>> {
    vec!["a.acme.test".into(), "b.acme.test".into()]
}

#[test]
fn urls_lead_where_the_directory_is() {
    for (text, is_good) in [
        ("https://ca.test/x", true),
        ("https://CA.test:443/x?y", true),
        ("http://ca.test/x", false),
        ("https://ca.test:8443/x", false),
        ("https://other.test/x", false),
        ("https://ca.test.other.test/x", false),
        ("https://ca.test@other.test/x", false),
        ("//ca.test/x", false),
        ("/x", false),
        ("file:///etc/passwd", false),
        ("https://ca.test/x#y", false),
        ("https://ca.test/\r\nx", false),
        ("", false),
    ] {
        assert_eq!(own_url(text, &own()).is_ok(), is_good, "{text:?}");
    }
    assert!(own_url(&format!("https://ca.test/{}", "x".repeat(1_100)), &own()).is_err());
}

#[test]
fn a_directory_names_all_it_must() {
    let whole = r#"{"newNonce":"https://ca.test/n","newAccount":"https://ca.test/a","newOrder":"https://ca.test/o","meta":{"externalAccountRequired":true}}"#;
    assert!(directory(whole.as_bytes(), &own()).expect("a directory").needs_external_account);
    for (old, new) in [
        ("newNonce", "noNonce"),
        ("https://ca.test/a", "https://ca.test:1/a"),
        (r#""https://ca.test/o""#, "1"),
        (r#""newOrder""#, r#""newNonce":"https://ca.test/n","newOrder""#),
        ("}}", "}} "),
    ] {
        let text = whole.replacen(old, new, 1);
        assert_eq!(directory(text.as_bytes(), &own()).is_ok(), new.ends_with(' '), "{text}");
    }
    for text in ["", "[]", "{", "<html>", "{}\u{0}"] {
        assert!(directory(text.as_bytes(), &own()).is_err(), "{text}");
    }
}

#[test]
fn an_order_is_for_exactly_what_was_asked_for() {
    let read = |text: &str| order(text.as_bytes(), &own(), &names());
    let good = read(ORDER).expect("an order");
    assert_eq!((good.status, good.authorizations.len(), good.certificate), (OrderStatus::Ready, 2, None));
    for (old, new) in [
        ("b.acme.test", "c.acme.test"),
        ("b.acme.test", "a.acme.test"),
        (r#"{"type":"dns","value":"b.acme.test"},"#, ""),
        (r#""type":"dns""#, r#""type":"ip""#),
        ("ready", "steady"),
        (r#""https://ca.test/a/1","https://ca.test/a/2""#, ""),
        (r#""https://ca.test/a/2""#, r#""https://ca.test/a/2","https://ca.test/a/3""#),
        ("https://ca.test/a/2", "https://elsewhere.test/a/2"),
        ("https://ca.test/f", "https://127.0.0.1/f"),
        ("finalize", "finalise"),
        (r#""status":"ready""#, r#""status":"valid","certificate":"http://ca.test/c""#),
    ] {
        let text = ORDER.replacen(old, new, 1);
        assert_ne!(text, ORDER, "{old}");
        assert!(read(&text).is_err(), "{text}");
    }
}

#[test]
fn a_challenge_is_of_the_wanted_kind_and_its_token_is_one() {
    let read = |text: &str| authorization(text.as_bytes(), &own(), "tls-alpn-01");
    let good = read(AUTHORIZATION).expect("an authorization");
    assert_eq!((&*good.name, good.status), ("api.acme.test", AuthorizationStatus::Pending));
    let challenge = good.challenge.expect("a challenge");
    assert_eq!(
        (&*challenge.token, challenge.url.to_string().as_str()),
        ("DGyRejmCefe7v4NfDGDKfA", "https://ca.test/c/2")
    );
    assert_eq!(challenge.error.as_deref(), Some("tls: no luck"), "what is no text is left out");
    assert!(read(&AUTHORIZATION.replace("tls-alpn-01", "http-01")).expect("one").challenge.is_none());
    for (old, new) in [
        ("DGyRejmCefe7v4NfDGDKfA", "short"),
        ("DGyRejmCefe7v4NfDGDKfA", "../../../DGyRejmCefe7v4NfDGDKfA"),
        ("DGyRejmCefe7v4NfDGDKfA", "DGyRejmCefe7v4NfDGDKfA="),
        ("https://ca.test/c/2", "https://169.254.169.254/c/2"),
        (r#""type":"dns","value":"Api.acme.test""#, r#""type":"dns""#),
        ("pending", "perhaps"),
        (r#""challenges""#, r#""wildcard":true,"challenges""#),
    ] {
        let text = AUTHORIZATION.replacen(old, new, 1);
        assert_ne!(text, AUTHORIZATION, "{old}");
        assert!(read(&text).is_err(), "{text}");
    }
}

#[test]
fn what_is_said_of_an_error_is_cut_short() {
    let long =
        format!(r#"{{"type":"urn:ietf:params:acme:error:badNonce","detail":"{}"}}"#, "x".repeat(5_000));
    let complaint = error(long.as_bytes()).expect("a complaint");
    assert!(complaint.is("badNonce"));
    assert!(complaint.to_string().len() < 250, "{complaint}");
    assert!(error(b"<html>").is_none());
    assert_eq!(error(b"{}").expect("one").to_string(), "without a reason");
}

#[test]
fn a_nonce_is_what_a_header_may_have() {
    assert_eq!(nonce(b"6S8IqOGY7eL2lsGoTZYifg").as_deref(), Some("6S8IqOGY7eL2lsGoTZYifg"));
    for bad in [&b""[..], b"a b", b"a+b", b"a\xff", &[b'x'; 2_000]] {
        assert_eq!(nonce(bad), None, "{bad:?}");
    }
}
