use std::borrow::Cow;
use std::time::Duration;

use super::{Message, Refused, Rules, Target, is_present, verify};
use crate::algorithm::{Algorithm, Algorithms};
use crate::base64;
use crate::jwk::Key;
use crate::jwt::SigningKey;

const PSS: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
2wIDAQAB
-----END PUBLIC KEY-----
";
const P256: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf
w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
-----END PUBLIC KEY-----
";
const ED25519: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----
";
const SECRET: &str =
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";

const NOW: Duration = Duration::from_secs(1_618_884_475);

/// RFC 9421 §B.2, `test-request`.
const FIELDS: [(&str, &str); 7] = [
    ("host", "example.com"),
    ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
    ("content-type", "application/json"),
    (
        "content-digest",
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
    ),
    ("content-length", "18"),
    ("empty", ""),
    ("list", "a=1, b=(x y);q"),
];

const RESPONSE: [(&str, &str); 3] = [
    ("content-type", "application/json"),
    (
        "content-digest",
        "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:",
    ),
    ("content-length", "23"),
];

fn request<'a>() -> Target<'a> {
    Target::Request {
        method: "POST",
        scheme: "https",
        authority: "example.com",
        path: "/foo",
        query: Some("param=Value&Pet=dog"),
    }
}

fn key(name: &str) -> Key {
    match name {
        "test-key-rsa-pss" => Key::from_pem(PSS.as_bytes()),
        "test-key-ecc-p256" => Key::from_pem(P256.as_bytes()),
        "test-key-ed25519" => Key::from_pem(ED25519.as_bytes()),
        _ => Key::secret(&base64::decode_standard(SECRET.as_bytes()).unwrap()),
    }
    .unwrap()
}

fn rules(tag: Option<&str>) -> Rules {
    Rules {
        required: vec![],
        algorithms: [Algorithm::PS512, Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256]
            .into_iter()
            .collect(),
        tag: tag.map(Into::into),
        age_max: Duration::from_secs(30),
        leeway: Duration::ZERO,
        nonce: false,
    }
}

fn judge(target: Target<'_>, input: &str, signature: &str, rules: &Rules, name: &str) -> Option<Refused> {
    let fields: &[(&str, &str)] = if matches!(target, Target::Response { .. }) { &RESPONSE } else { &FIELDS };
    let field = |wanted: &str| {
        fields.iter().find(|(name, _)| *name == wanted).map(|(_, value)| Cow::Borrowed(*value))
    };
    let message = Message { target, field: &field };
    let key = key(name);
    verify(&message, input, signature, rules, |keyid| (keyid == name).then_some(&key), NOW).err()
}

/// Label, covered components with parameters, signature, tag, of RFC 9421 §B.2.1 to §B.2.6.
const VECTORS: [(&str, &str, &str, Option<&str>); 6] = [
    (
        "test-key-rsa-pss",
        r#"();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#,
        "d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==",
        None,
    ),
    (
        "test-key-rsa-pss",
        r#"("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example""#,
        "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==",
        Some("header-example"),
    ),
    (
        "test-key-rsa-pss",
        r#"("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss""#,
        "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==",
        None,
    ),
    (
        "test-key-ecc-p256",
        r#"("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256""#,
        "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==",
        None,
    ),
    (
        "test-shared-secret",
        r#"("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
        "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
        None,
    ),
    (
        "test-key-ed25519",
        r#"("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
        None,
    ),
];

#[test]
fn the_published_signatures_are_good() {
    for (name, input, signature, tag) in VECTORS {
        let target = || if input.contains("@status") { Target::Response { status: 200 } } else { request() };
        let input = format!("sig={input}");
        let signature = format!("sig=:{signature}:");
        assert_eq!(judge(target(), &input, &signature, &rules(tag), name), None, "{input}");
        let changed = input.replace("1618884473", "1618884474");
        let why = judge(target(), &changed, &signature, &rules(tag), name);
        assert_eq!(why, Some(Refused::Signature), "{input}");
    }
}

/// A signature of ours over whatever `input` covers.
fn signed(input: &str, base: &str) -> Option<Refused> {
    signed_by(input, base, &rules(None))
}

fn signed_by(input: &str, base: &str, rules: &Rules) -> Option<Refused> {
    let signing =
        SigningKey::secret(&base64::decode_standard(SECRET.as_bytes()).unwrap(), Algorithm::HS256).unwrap();
    let separator = if base.is_empty() { "" } else { "\n" };
    let base = format!("{base}{separator}\"@signature-params\": {input}");
    let signature = base64::encode_standard(&signing.sign_bytes(base.as_bytes()).unwrap());
    judge(request(), &format!("s={input}"), &format!("s=:{signature}:"), rules, "test-shared-secret")
}

const PARAMETERS: &str = ";created=1618884473;keyid=\"test-shared-secret\"";

#[test]
fn each_component_is_what_the_request_has() {
    for (component, value) in [
        ("\"@method\"", "POST"),
        ("\"@target-uri\"", "https://example.com/foo?param=Value&Pet=dog"),
        ("\"@request-target\"", "/foo?param=Value&Pet=dog"),
        ("\"@scheme\"", "https"),
        ("\"@query\"", "?param=Value&Pet=dog"),
        ("\"@query-param\";name=\"param\"", "Value"),
        ("\"empty\"", ""),
        ("\"list\";key=\"b\"", "(x y);q"),
    ] {
        let input = format!("({component}){PARAMETERS}");
        assert_eq!(signed(&input, &format!("{component}: {value}")), None, "{component}");
        assert_eq!(signed(&input, &format!("{component}: {value}x")), Some(Refused::Signature));
    }
}

#[test]
fn components_that_could_be_read_in_two_ways_are_refused() {
    for components in [
        "\"missing\"",
        "\"Date\"",
        "\"@unknown\"",
        "\"@status\"",
        "\"@signature-params\"",
        "\"@method\";req",
        "\"@method\";x",
        "\"date\";sf",
        "\"date\";bs",
        "\"date\";tr",
        "\"date\";key=\"a\"",
        "\"list\";key=\"c\"",
        "\"@query-param\"",
        "\"@query-param\";name=\"pet\"",
        "\"@query-param\";name=\"Pet\";req",
        "\"date\" \"date\"",
        "\"\"",
    ] {
        let input = format!("({components}){PARAMETERS}");
        assert_eq!(signed(&input, ""), Some(Refused::Component), "{components}");
    }
    assert_eq!(signed(&format!("(date){PARAMETERS}"), ""), Some(Refused::Form));
}

#[test]
fn parameters_are_judged() {
    let strict = Rules { nonce: true, ..rules(None) };
    let key = ";keyid=\"test-shared-secret\"";
    for (parameters, rules, why) in [
        ("", &rules(None), Some(Refused::NoTime)),
        (";created=\"1618884473\"", &rules(None), Some(Refused::NoTime)),
        (";created=-1", &rules(None), Some(Refused::NoTime)),
        (";created=1618884476", &rules(None), Some(Refused::Future)),
        (";created=1618884475", &rules(None), None),
        (";created=1618884446", &rules(None), None),
        (";created=1618884445", &rules(None), Some(Refused::Stale)),
        (";created=1618884470;expires=1618884475", &rules(None), Some(Refused::Stale)),
        (";created=1618884470;expires=1618884476", &rules(None), None),
        (";created=1618884440;expires=1718884476", &rules(None), Some(Refused::Stale)),
        (";created=1618884473;expires=soon", &rules(None), Some(Refused::NoTime)),
        (";created=1618884473", &strict, Some(Refused::Nonce)),
        (";created=1618884473;nonce=\"\"", &strict, Some(Refused::Nonce)),
        (";created=1618884473;nonce=1", &rules(None), Some(Refused::Nonce)),
        (";created=1618884473;nonce=\"n\"", &strict, None),
        (";created=1618884473;alg=\"hmac-sha256\"", &strict, Some(Refused::Nonce)),
        (";created=1618884473;alg=\"hmac-sha256\"", &rules(None), None),
        (";created=1618884473;alg=\"ed25519\"", &rules(None), Some(Refused::Algorithm)),
        (";created=1618884473;alg=\"none\"", &rules(None), Some(Refused::Algorithm)),
        (";created=1618884473;alg=hmac-sha256", &rules(None), Some(Refused::Algorithm)),
        (";created=1618884473;x=1", &rules(None), Some(Refused::Form)),
        (";created=1618884473;tag=\"t\"", &rules(None), Some(Refused::NotOne)),
        (";created=1618884473", &rules(Some("t")), Some(Refused::NotOne)),
        (";created=1618884473;tag=\"t\"", &rules(Some("t")), None),
    ] {
        assert_eq!(signed_by(&format!("(){parameters}{key}"), "", rules), why, "{parameters}");
    }
    assert_eq!(signed("();created=1618884473", ""), Some(Refused::UnknownKey));
    assert_eq!(signed("();created=1618884473;keyid=\"other\"", ""), Some(Refused::UnknownKey));
    let asymmetric = Rules { algorithms: Algorithms::ASYMMETRIC, ..rules(None) };
    assert_eq!(signed_by(&format!("(){PARAMETERS}"), "", &asymmetric), Some(Refused::Algorithm));
}

#[test]
fn what_must_be_covered_is() {
    let require =
        |names: &[&str]| Rules { required: names.iter().map(|name| (*name).into()).collect(), ..rules(None) };
    let uri = "\"@target-uri\": https://example.com/foo?param=Value&Pet=dog";
    let input = format!("(\"@target-uri\"){PARAMETERS}");
    assert_eq!(
        signed_by(&input, uri, &require(&["@path", "@query", "@authority", "@scheme", "@target-uri"])),
        None
    );
    assert_eq!(signed_by(&input, uri, &require(&["@method"])), Some(Refused::Uncovered));
    assert_eq!(signed_by(&input, uri, &require(&["content-digest"])), Some(Refused::Uncovered));
}

#[test]
fn malformed_fields_are_refused_and_count_as_present() {
    let rules = rules(None);
    let good = format!("s=(){PARAMETERS}");
    for (input, signature) in [
        ("", "s=:AA==:"),
        (&*good, ""),
        (&good, "s=AA"),
        (&good, "s=\"AA==\""),
        (&good, "t=:AA==:"),
        (&good, "s=:AA==:,"),
        ("s=1", "s=:AA==:"),
        ("s=(", "s=:AA==:"),
        (&format!("{good}, t=(){PARAMETERS}"), "s=:AA==:, t=:AA==:"),
    ] {
        let why = judge(request(), input, signature, &rules, "test-shared-secret");
        assert!(matches!(why, Some(Refused::Form | Refused::NotOne)), "{input} {signature} {why:?}");
    }
    assert!(is_present("s=(", &rules));
    assert!(is_present(&good, &rules));
    assert!(!is_present("", &rules));
    assert!(!is_present(&format!("{good};tag=\"t\""), &rules));
}
