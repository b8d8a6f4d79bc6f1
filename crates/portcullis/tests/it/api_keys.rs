//! Keys in fields, query parameters and cookies: who gets in, and that no backend and no record sees one.

use portcullis_testkit::{Request, Wire};

use crate::stage::{Findings, KEY, Stage};

/// Three APIs that ask for the same key at different places.
const CONFIG: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
consumers:
  tester:
    apis: ["*"]
    credentials:
      - { id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590" } }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  query: { base_path: /query, backend: recorder, auth: { api_key: { query: api_key } }, operations: { all: { match: "* /{rest*}" } } }
  cookie: { base_path: /cookie, backend: recorder, auth: { api_key: { cookie: key } }, operations: { all: { match: "* /{rest*}" } } }
  any:
    base_path: /any
    backend: recorder
    auth: { api_key: { header: x-key, query: key, cookie: key } }
    operations: { all: { match: "* /{rest*}" } }
  open: { backend: recorder, auth: none, operations: { all: { match: "* /{rest*}" } } }
"#;

/// What a request says, and what the backend is asked and told in `Cookie`; nothing where it is refused.
type Case<'a> = (&'a str, Option<&'a str>, Result<(&'a str, Option<&'a str>), u16>);

const CASES: &[Case<'_>] = &[
    ("/query/a?api_key=KEY", None, Ok(("/query/a", None))),
    ("/query/a?x=%41&api_key=KEY&y=+", None, Ok(("/query/a?x=%41&y=+", None))),
    ("/query/a?api%5Fkey=KEY&x=1", None, Ok(("/query/a?x=1", None))),
    ("/query/a", None, Err(401)),
    ("/query/a?API_KEY=KEY", None, Err(401)),
    ("/query/a?api_key=other", None, Err(401)),
    ("/query/a?api_key=", None, Err(401)),
    ("/query/a?api_key=KEY&api_key=KEY", None, Err(401)),
    ("/query/a?api_key=KEY&api%5fkey=KEY", None, Err(401)),
    ("/query/a?api_key=KEY;api_key=KEY", None, Err(401)),
    ("/cookie/a?q=1", Some("key=KEY"), Ok(("/cookie/a?q=1", None))),
    ("/cookie/a", Some("a=\"b c\"; key=KEY; d=e"), Ok(("/cookie/a", Some("a=\"b c\"; d=e")))),
    ("/cookie/a", Some("a=b; Key=1; key=KEY"), Ok(("/cookie/a", Some("a=b; Key=1")))),
    ("/cookie/a?key=KEY", None, Err(401)),
    ("/cookie/a", Some("key=KEY; key=KEY"), Err(401)),
    ("/cookie/a", Some("key=other"), Err(401)),
    ("/any/a?key=KEY", Some("a=b"), Ok(("/any/a", Some("a=b")))),
    ("/any/a", Some("key=KEY"), Ok(("/any/a", None))),
    ("/any/a?key=KEY", Some("key=KEY"), Err(401)),
    ("/any/a?key=other", Some("key=KEY"), Err(401)),
    ("/open/a?api_key=KEY", Some("key=KEY"), Ok(("/open/a?api_key=KEY", Some("key=KEY")))),
];

#[test]
fn a_key_opens_from_its_places_and_goes_no_further() {
    for wire in Wire::ALL {
        let stage = Stage::with(CONFIG);
        let mut findings = Findings::default();
        for (target, cookie, expected) in CASES {
            let with_key = |text: &str| text.replace("KEY", KEY);
            let mark = stage.backend.mark();
            let mut request = Request::get(with_key(target));
            if let Some(cookie) = cookie {
                request = request.field("Cookie", with_key(cookie));
            }
            let response = wire.send(stage.public(), &request);
            let arrived = stage.backend.since(mark);
            let got = match &arrived[..] {
                [] => Err(response.status),
                [one] => Ok((one.target(), one.text("cookie"))),
                _ => panic!("{target} arrived twice"),
            };
            let expected = expected.map(|(target, cookie)| (with_key(target), cookie.map(with_key)));
            let outcome = if got == expected { Ok(()) } else { Err(format!("{got:?}")) };
            findings.note(format!("{wire:?}: {target} {cookie:?}"), outcome);
        }
        findings.conclude(CASES.len());
        // Every exchange has left its record by the time the last one has.
        let last = wire.send(stage.public(), &Request::get("/query/last?api_key=x"));
        let id = last.text("x-request-id").expect("an id");
        stage.gateway.record("the last record", |record| record["request.id"] == id.as_str());
        let told = stage.gateway.stdout().all();
        let leak = told.iter().find(|line| line.contains(KEY));
        assert_eq!(leak, None, "{wire:?}: a record shows the key");
        let by_key = told.iter().any(|line| line.contains("\"portcullis.credential\":\"k1\""));
        assert!(by_key, "{wire:?}: no record names the credential: {told:?}");
    }
}
