use std::sync::Arc;

use portcullis_http1::{Bounds, HeadDecoder};
use portcullis_identity::claims::Claims;
use portcullis_identity::json::{self, Limits};

use super::{Asked, Condition, check};
use crate::clock;
use crate::http::{Canonical, Head, Rules, Size, Wire};
use crate::pipeline::Posture;
use crate::pipeline::consumer::{Consumer, Grant, Proof};

const TEMPLATE: &str = "/customers/{customer}/orders/{id}";

#[test]
fn what_cannot_be_told_is_refused_when_it_is_read() {
    for (text, why) in [
        ("", "is no condition in CEL"),
        ("caller.consumer ==", "is no condition in CEL"),
        ("caller.consumer", "takes a text for true or false: the condition"),
        ("caller", "takes a map for true or false"),
        ("caller == 'x'", "takes `caller` for a value"),
        (
            "user == 'x'",
            "speaks of `user`; hint: known are `caller`, `claims`, `posture`, `request`, `path`, `client`",
        ),
        ("caller.name == 'x'", "speaks of `caller.name`; hint: `caller` has `consumer`"),
        ("path.order == '1'", "speaks of `path.order`; hint: `path` has `customer`, `id`"),
        ("path['order'] == '1'", "speaks of `path.order`"),
        ("path[caller.consumer] == '1'", "by a name that is not written out"),
        ("caller.scopes == 'x'", "compares a list with a text"),
        ("caller.consumer > 3", "compares a text with a number"),
        ("!caller.consumer", "takes a text for true or false"),
        ("caller.anonymous && 'x'", "takes a text for true or false"),
        ("caller.scopes.exists(s, s == 'x')", "has a loop"),
        ("[1, 2].all(n, n > 0)", "has a loop"),
        ("{'a': 1} == {'a': 1}", "builds a map"),
        ("request.path.matches('^/(a+)+$')", "calls `matches`"),
        ("caller.consumer.startsWith(3)", "takes a number for a text: startsWith"),
        ("now() == 1", "calls `now`"),
        ("request.headers['X-Region'] == 'eu'", "hint: names of fields are in lower case: `x-region`"),
        ("request.headers['x region'] == 'eu'", "which is no name of a field"),
        ("request.headers[caller.consumer] == 'eu'", "by a name that is not written out"),
        ("caller.consumer in request.query", "by a name that is not written out"),
        ("size(request.headers) == 1", "takes `request.headers` for a value"),
        ("request.query == claims.x", "takes `request.query` for a value"),
        ("posture.sound", "speaks of `posture.sound`; hint: `posture` has `attested`, `claims`"),
    ] {
        let said = Condition::parse(text, TEMPLATE).expect_err(text);
        assert!(said.contains(why), "{text}: {said}");
    }
    let long = format!("caller.consumer == '{}'", "x".repeat(1024));
    assert_eq!(Condition::parse(&long, TEMPLATE).expect_err("too long"), "is longer than 1024 bytes");
}

/// A document that anybody wrote may carry a condition: reading it takes no more stack than a thread has, and no more time
/// than anybody waits.
#[test]
fn hostile_conditions_are_read_within_bounds() {
    let repeated = |first: &str, part: &str, last: &str| {
        let count = (check::BYTES_MAX - first.len() - last.len()) / part.len();
        format!("{first}{}{last}", part.repeat(count))
    };
    let texts = vec![
        repeated("", "(", ""),
        repeated("", "[", ""),
        repeated("", "{", ""),
        repeated("", "!", "true"),
        repeated("", "-", "1"),
        repeated("1", "+1", " == 1"),
        repeated("true", "&&true", ""),
        repeated("true", "||true", ""),
        repeated("true", "==true", ""),
        repeated("", "true?", "true"),
        repeated("claims", ".a", ""),
        repeated("claims", "[0]", ""),
        repeated("", "f(')'", ""),
        repeated("'", "\\n", "' == ''"),
        repeated("\u{1}", "\u{fffd}", ""),
        repeated("", "1 ", ""),
        repeated("", "a b", ""),
    ];
    let read = move || {
        let begun = clock::now();
        for text in &texts {
            // Whatever is said of it: nothing here is a condition that anybody needs.
            let _ = Condition::parse(text, TEMPLATE);
        }
        clock::now().duration_since(begun)
    };
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(read).expect("a thread");
    let took = thread.join().expect("no panic");
    assert!(took < std::time::Duration::from_secs(20), "{took:?}");
}

fn request(line: &str, fields: &str) -> Canonical {
    let bytes = format!("{line} HTTP/1.1\r\nHost: api.example.com\r\n{fields}\r\n");
    let decoded = HeadDecoder::default().request(bytes.as_bytes(), &Bounds::default());
    let (request, _) = decoded.expect("a head").expect("a whole head");
    let mut head = Head { request, wire: Wire::Http11, size: Size::None };
    Canonical::build(&mut head, &crate::callers::peer_in_tests(), &Rules::default()).expect("canonical")
}

fn proof() -> Proof {
    let consumer = Arc::new(Consumer { name: "acme".into(), apis: Grant::All });
    let scopes = Arc::new(["orders.read".into(), "orders.list".into()]);
    Proof {
        consumer,
        credential: "k1".into(),
        scopes,
        expires: None,
        fingerprint: None,
        claims: None,
        issued: None,
    }
}

#[test]
fn a_condition_holds_or_not_or_cannot_be_told() {
    let proof = proof();
    let request = request(
        "GET /customers/acme/orders/7?page=2&twice=1&twice=2",
        "X-Region: eu\r\nX-Twice: a\r\nX-Twice: a\r\n",
    );
    let members =
        json::parse_object(br#"{"sub":"app","level":2.5,"strong":true}"#, Limits { bytes: 1024, depth: 8 });
    let claims = Claims::new(members.expect("JSON")).expect("claims");
    let attested = Posture::Attested(Arc::new(claims));
    for (text, expected) in [
        ("true", Ok(true)),
        ("posture.attested && posture.claims.strong && posture.claims.level > 2.4", Ok(true)),
        ("posture.claims.weak", Err(())),
        ("caller.consumer == path.customer", Ok(true)),
        ("caller.consumer != path.customer", Ok(false)),
        ("caller.credential == 'k1' && !caller.anonymous", Ok(true)),
        ("'orders.read' in caller.scopes && !('admin' in caller.scopes)", Ok(true)),
        ("size(caller.scopes) == 2", Ok(true)),
        ("request.method == 'GET' && request.host == 'api.example.com'", Ok(true)),
        ("request.path.startsWith('/customers/')", Ok(true)),
        ("request.headers['x-region'] in ['eu', 'uk']", Ok(true)),
        ("int(request.query.page) < 3", Ok(true)),
        ("has(request.query.page) && !has(request.query.other)", Ok(true)),
        ("client.address == '192.0.2.7'", Ok(true)),
        ("has(claims.region)", Ok(false)),
        ("claims.region == 'eu'", Err(())),
        ("request.headers['x-other'] == 'x'", Err(())),
        ("request.headers['x-twice'] == 'a'", Err(())),
        ("request.query.twice == '1'", Err(())),
        ("has(request.query.twice)", Err(())),
        ("!('x-twice' in request.headers)", Err(())),
        ("caller.consumer == 'acme' || request.headers['x-twice'] == 'a'", Err(())),
        ("'x-region' in request.headers && !('x-other' in request.headers)", Ok(true)),
        ("int(request.headers['x-region']) == 1", Err(())),
        ("request.query.other == 'x' || caller.consumer == 'acme'", Ok(true)),
    ] {
        let condition = Condition::parse(text, TEMPLATE).unwrap_or_else(|why| panic!("{text}: {why}"));
        let asked = Asked {
            proof: Some(&proof),
            posture: &attested,
            request: &request,
            template: TEMPLATE,
            client: request.client(),
        };
        assert_eq!(condition.holds(&asked).map_err(|_| ()), expected, "{text}");
    }
    let posture = &Posture::Unknown;
    let nobody =
        Asked { proof: None, posture, request: &request, template: TEMPLATE, client: request.client() };
    let text = "caller.anonymous && caller.consumer == '' && !posture.attested";
    let condition = Condition::parse(text, TEMPLATE).expect("a condition");
    assert_eq!(condition.holds(&nobody), Ok(true));
}

#[test]
fn what_may_be_said_of_a_caller_before_anybody_calls() {
    let proof = proof();
    for (text, expected) in [
        ("caller.consumer == 'acme'", Some(true)),
        ("caller.consumer == 'other'", Some(false)),
        ("claims.region == 'eu'", Some(false)),
        ("caller.consumer == path.customer", None),
    ] {
        let condition = Condition::parse(text, TEMPLATE).expect("a condition");
        assert_eq!(condition.holds_for(Some(&proof)), expected, "{text}");
    }
}
