use std::time::Duration;

use super::{Claims, WrongType};
use crate::json::{Limits, parse_object};

fn claims(text: &str) -> Result<Claims, WrongType> {
    Claims::new(parse_object(text.as_bytes(), Limits { bytes: 4096, depth: 8 }).unwrap())
}

#[test]
fn registered_claims_are_read() {
    let claims = claims(
        r#"{"iss":"https://i","sub":"s","aud":["a","b"],"exp":10.5,"nbf":1,"iat":2,"jti":"j","client_id":"c",
            "scope":"read write","cnf":{"jkt":"k","x5t#S256":"x"},"realm_access":{"roles":["r1","r2"]},
            "https://e/roles":"one","a/b":{"~c":[1,"two"]}}"#,
    )
    .unwrap();
    assert_eq!(claims.issuer(), Some("https://i"));
    assert_eq!(claims.subject(), Some("s"));
    assert_eq!(claims.client(), Some("c"));
    assert_eq!(claims.id(), Some("j"));
    assert_eq!(claims.audience().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(claims.expires(), Some(Duration::from_millis(10_500)));
    assert_eq!(claims.not_before(), Some(Duration::from_secs(1)));
    assert_eq!(claims.issued(), Some(Duration::from_secs(2)));
    assert_eq!(claims.scopes().iter().map(|scope| &**scope).collect::<Vec<_>>(), ["read", "write"]);
    assert_eq!(claims.key_thumbprint(), Some("k"));
    assert_eq!(claims.certificate_thumbprint(), Some("x"));
    assert_eq!(claims.texts("/realm_access/roles"), Some(vec!["r1", "r2"]));
    assert_eq!(claims.texts("https://e/roles"), Some(vec!["one"]));
    assert_eq!(claims.get("/a~1b/~0c/1").and_then(|value| value.as_text()), Some("two"));
    assert_eq!(claims.texts("/a~1b/~0c"), None);
    for path in ["realm_access.roles", "/realm_access/", "/a~1b/~0c/01", "/a~1b/~0c/2", "/iss/x", "/", ""] {
        assert_eq!(claims.get(path), None, "{path}");
    }
}

#[test]
fn scopes_are_words_or_elements() {
    for (text, expected) in [
        (r#"{"scope":["a","b c"]}"#, vec!["a", "b", "c"]),
        (r#"{"scp":"a b"}"#, vec!["a", "b"]),
        (r#"{"scp":["a"],"scope":"b"}"#, vec!["b"]),
        (r#"{"scope":""}"#, vec![]),
        ("{}", vec![]),
    ] {
        let claims = claims(text).unwrap();
        assert_eq!(claims.scopes().iter().map(|scope| &**scope).collect::<Vec<_>>(), expected, "{text}");
    }
}

#[test]
fn a_wrong_type_is_no_absence() {
    for name in ["iss", "sub", "jti", "client_id", "aud", "exp", "nbf", "iat", "scope", "scp", "cnf"] {
        for value in ["null", "true", "{\"a\":1}", "[1]", "[[\"a\"]]", "1e9999", "-1", "\"a\""] {
            let fits = match name {
                "cnf" => value.starts_with('{'),
                _ => value == "\"a\"" && !matches!(name, "exp" | "nbf" | "iat"),
            };
            let read = claims(&format!("{{\"{name}\":{value}}}"));
            assert_eq!(read.err(), (!fits).then_some(WrongType(name)), "{name} {value}");
        }
    }
    assert_eq!(claims(r#"{"cnf":{"jkt":1}}"#).err(), Some(WrongType("cnf")));
    assert_eq!(claims(r#"{"cnf":{"x5t#S256":null}}"#).err(), Some(WrongType("cnf")));
}
