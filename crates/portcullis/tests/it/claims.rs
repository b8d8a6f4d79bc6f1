//! What only a gateway may say, a client cannot say through it (rows 21 to 26).
//!
//! The names are gathered here from the catalogue and the documentation of products, not from the gateway's
//! own list: a name missing there fails here.

use portcullis_testkit::{Message, Request, Wire};

use crate::stage::{Findings, KEY, KEY_FIELD, Stage};

/// A value that must not arrive in any of the fields below.
const SPOOFED: &str = "spoofed-by-the-caller";

/// Fields from which backends take who called, from where, over which certificate, and for which target.
const CLAIMS: &[&str] = &[
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Protocol",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Path",
    "X-Forwarded-Uri",
    "X-Forwarded-Server",
    "X-Forwarded-Scheme",
    "X-Forwarded-Ssl",
    "X-Forwarded-By",
    "X-Forwarded-Method",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Access-Token",
    "X-Forwarded-Client-Cert",
    "X-Forwarded-Tls-Client-Cert",
    "X-Forwarded-Tls-Client-Cert-Info",
    "X-Forwarded",
    "X-Forward-For",
    "X-Real-IP",
    "X-Client-IP",
    "Client-IP",
    "True-Client-IP",
    "X-True-Client-IP",
    "X-Cluster-Client-IP",
    "X-Originating-IP",
    "X-Remote-IP",
    "X-Remote-Addr",
    "X-ProxyUser-Ip",
    "CF-Connecting-IP",
    "CF-Connecting-IPv6",
    "Fastly-Client-IP",
    "Fly-Client-IP",
    "X-Azure-ClientIP",
    "X-Azure-SocketIP",
    "X-Appengine-User-IP",
    "X-Envoy-External-Address",
    "Ali-CDN-Real-IP",
    "X-Original-URL",
    "X-Original-URI",
    "X-Original-Host",
    "X-Original-Method",
    "X-Rewrite-URL",
    "X-Envoy-Original-Path",
    "X-Host",
    "X-Forwarded-Uri",
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Scheme",
    "X-Url-Scheme",
    "Front-End-Https",
    "Client-Cert",
    "Client-Cert-Chain",
    "X-Client-Cert",
    "X-SSL-Client-Cert",
    "X-SSL-Client-DN",
    "X-SSL-Client-S-DN",
    "X-SSL-Client-Verify",
    "SSL-Client-Cert",
    "SSL-Client-Verify",
    "X-ARR-ClientCert",
    "X-Amzn-Mtls-Clientcert",
    "X-Amzn-Mtls-Clientcert-Subject",
    "X-Client-DN",
    "Remote-User",
    "X-Remote-User",
    "X-Remote-Group",
    "X-Remote-Extra-Scope",
    "Impersonate-User",
    "X-WebAuth-User",
    "X-Authenticated-User",
    "X-Authenticated-Userid",
    "X-Authenticated-Groups",
    "X-Authenticated-Scope",
    "X-Consumer-ID",
    "X-Consumer-Custom-ID",
    "X-Consumer-Username",
    "X-Consumer-Groups",
    "X-Credential-Identifier",
    "X-Credential-Username",
    "X-Anonymous-Consumer",
    "X-Userinfo",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Auth-Request-Groups",
    "X-Auth-Request-Redirect",
    "X-Authentik-Username",
    "X-Pomerium-Claim-Email",
    "X-Pomerium-Jwt-Assertion",
    "X-Amzn-Oidc-Identity",
    "X-Amzn-Oidc-Data",
    "X-Amzn-Oidc-Accesstoken",
    "X-Goog-Authenticated-User-Email",
    "X-Goog-Authenticated-User-ID",
    "X-Goog-IAP-JWT-Assertion",
    "X-MS-Client-Principal",
    "X-MS-Client-Principal-ID",
    "X-MS-Client-Principal-Name",
    "Cf-Access-Authenticated-User-Email",
    "Cf-Access-Jwt-Assertion",
    "X-Endpoint-API-UserInfo",
    "X-Apigateway-Api-Userinfo",
    "X-JWT-Assertion",
    "X-Jwt-Payload",
    "L5d-Client-Id",
    "SM-User",
    "IV-User",
    "OIDC-Claim-Sub",
    "Proxy",
    "X-Accel-Redirect",
    "X-Portcullis-Subject",
    "X-Portcullis-Consumer",
    "X-Portcullis-Anything",
    "Portcullis-Subject",
];

/// Fields that are the caller's own; they pass.
const OWN: &[&str] = &[
    "Accept",
    "Accept-Language",
    "Content-Type",
    "Content-Language",
    "If-None-Match",
    "User-Agent",
    "Referer",
    "Origin",
    "Cookie",
    "Range",
    "Prefer",
    "Idempotency-Key",
    "X-Request-Tag",
    "X-Custom",
    "X-Api-Version",
    "X-Requested-With",
    "X-Csrf-Token",
    "X-Trace-Hint",
    "X-Correlation-Id",
    "X-For",
    "X-Forest",
    "Clients",
    "Proxied",
    "Max-Forwards-Not",
];

/// Rows 21, 22 and 26: in the head, on open and on secured operations, alone and repeated.
#[test]
fn a_claim_does_not_arrive() {
    each_claim(|name| vec![name.to_owned(), name.to_ascii_lowercase(), name.to_ascii_uppercase()]);
}

/// Row 23: nor in a spelling that a backend may read as the same name.
#[test]
fn a_claim_in_disguise_does_not_arrive() {
    each_claim(|name| {
        let mixed = name.replacen('-', "_", 1);
        let names = [
            name.replace('-', "_"),
            name.replace('-', "."),
            mixed,
            name.replace('-', "_").to_ascii_uppercase(),
        ];
        names.into_iter().filter(|alias| alias != name).collect()
    });
}

fn each_claim(spellings: impl Fn(&str) -> Vec<String>) {
    for wire in Wire::ALL {
        let stage = Stage::start();
        let mut findings = Findings::default();
        for name in CLAIMS.iter().flat_map(|name| spellings(name)) {
            for target in ["/open", "/admin/x"] {
                let request = Request::get(target).field(KEY_FIELD, if target == "/open" { "" } else { KEY });
                let request = Request {
                    fields: request.fields.into_iter().filter(|f| !f.1.is_empty()).collect(),
                    ..request
                };
                let request = request.field(&name, SPOOFED).field("X-Mine", "mine").field(&name, SPOOFED);
                findings.note(format!("{wire:?} {name} at {target}"), not_believed(&stage, *wire, &request));
            }
        }
        findings.conclude(2 * CLAIMS.len());
        stage.expect_plain_backend_traffic();
    }
}

/// Refused, or arrived without the spoofed value; with the caller's own field if it arrived.
fn not_believed(stage: &Stage, wire: Wire, request: &Request) -> Result<(), String> {
    let mark = stage.backend.mark();
    let response = wire.try_send(stage.public(), request).map_err(|failure| failure.to_string())?;
    let arrived = stage.backend.since(mark);
    match (&arrived[..], response.status) {
        ([], 400) => Ok(()),
        ([message], 200) => spoofed(message).map_or(Ok(()), |line| Err(format!("arrived: {line}"))),
        _ => Err(format!("{response:?}")),
    }
}

/// The first line of `message` that says what the caller made up.
fn spoofed(message: &Message) -> Option<String> {
    let lines = message.fields.iter().chain(&message.trailers);
    let mut lines = lines.map(|(name, value)| format!("{}: {}", name.escape_ascii(), value.escape_ascii()));
    lines.find(|line| line.contains(SPOOFED))
}

/// Row 22: nor in trailers.
#[test]
fn a_claim_in_trailers_does_not_arrive() {
    for wire in Wire::ALL {
        let stage = Stage::start();
        let mut findings = Findings::default();
        for name in CLAIMS {
            let request = Request::post("/open", "body").trailer(name, SPOOFED).trailer("X-Mine", "mine");
            findings.note(format!("{wire:?} {name}"), not_believed(&stage, *wire, &request));
        }
        findings.conclude(CLAIMS.len());
        stage.expect_plain_backend_traffic();
    }
}

/// Row 24: naming the gateway's own fields in `Connection` does not take them away.
#[test]
fn the_gateways_own_fields_cannot_be_stripped() {
    let stage = Stage::start();
    let mut findings = Findings::default();
    for named in [
        "X-Forwarded-For",
        "x-forwarded-proto",
        "X-Forwarded-Host",
        "Forwarded",
        "Via",
        "Host",
        "X-Request-Id",
        "Traceparent",
        "Content-Length",
        "Transfer-Encoding",
        "Content-Type",
        "X-Portcullis-Subject",
    ] {
        for connection in [named.to_owned(), format!("close, {named}"), format!("{named}, keep-alive")] {
            let mark = stage.backend.mark();
            let request = Request::post("/open", "body")
                .field("Content-Type", "text/plain")
                .field("Connection", &connection);
            let response = Wire::Http1.send(stage.public(), &request);
            let outcome = match &stage.backend.since(mark)[..] {
                [] if response.status == 400 => Ok(()),
                [message] if response.status == 200 => is_whole(message),
                arrived => Err(format!("{response:?} and {arrived:?}")),
            };
            findings.note(format!("Connection: {connection}"), outcome);
        }
    }
    findings.conclude(36);
    stage.expect_plain_backend_traffic();
}

fn is_whole(message: &Message) -> Result<(), String> {
    let fine = message.text("x-forwarded-for").as_deref() == Some("127.0.0.1")
        && message.text("x-forwarded-proto").as_deref() == Some("http")
        && message.text("content-type").as_deref() == Some("text/plain")
        && message.all("host").len() == 1
        && message.body == b"body";
    if fine { Ok(()) } else { Err(format!("{message:?}")) }
}

/// Row 24: what is hop-by-hop ends here, named or not.
#[test]
fn hop_by_hop_fields_end_here() {
    let stage = Stage::start();
    let request = Request::get("/open")
        .field("Connection", "X-Hop, keep-alive")
        .field("X-Hop", "1")
        .field("Keep-Alive", "timeout=5")
        .field("Proxy-Connection", "keep-alive")
        .field("Proxy-Authorization", "Basic eDp4")
        .field("TE", "trailers")
        .field("X-Mine", "mine");
    assert_eq!(Wire::Http1.send(stage.public(), &request).status, 200);
    let message = stage.backend.expect("the request", |m| m.target == b"/open");
    for name in ["x-hop", "keep-alive", "proxy-connection", "proxy-authorization"] {
        assert!(message.all(name).is_empty(), "`{name}` arrived: {message:?}");
    }
    // What the gateway itself wants of this backend (RFC 9110 §10.1.4): it passes trailers on.
    assert_eq!((message.all("te"), message.all("connection")), (vec![&b"trailers"[..]], vec![&b"te"[..]]));
    assert_eq!(message.all("x-mine"), [b"mine"]);
    stage.expect_plain_backend_traffic();
}

/// Row 25: repeated fields arrive as they were sent; none is picked, dropped or glued.
#[test]
fn repeated_fields_stay_repeated() {
    for wire in Wire::ALL {
        let stage = Stage::start();
        let request = Request::get("/open")
            .field("X-Part", "user")
            .field("X-Other", "1")
            .field("X-Part", "admin, user");
        assert_eq!(wire.send(stage.public(), &request).status, 200);
        let message = stage.backend.expect("the request", |m| m.target == b"/open");
        assert_eq!(message.all("x-part"), [&b"user"[..], b"admin, user"], "{wire:?}");
    }
}

/// The neighbours: a caller's own fields pass, once and unchanged.
#[test]
fn a_callers_own_fields_pass() {
    for wire in Wire::ALL {
        let stage = Stage::start();
        let mut request = Request::get("/open");
        for name in OWN {
            request = request.field(name, format!("value of {name}"));
        }
        let response = wire.send(stage.public(), &request);
        assert_eq!(response.status, 200, "{wire:?}: {response:?}");
        let message = stage.backend.expect("the request", |m| m.target == b"/open");
        for name in OWN {
            assert_eq!(message.all(name), [format!("value of {name}").as_bytes()], "{wire:?}: {message:?}");
        }
        stage.expect_plain_backend_traffic();
    }
}
