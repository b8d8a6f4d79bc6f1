//! The PROXY protocol before a request: whose word is taken, what it says, and what everybody else gets: nothing.

use portcullis_testkit::certificates::Authority;
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::h2::{Client as Http2, request_fields};
use portcullis_testkit::tls::{Choices, Tls};
use portcullis_testkit::{Deadline, Request, Wire};

use crate::stage::{CONFIG, Findings, Stage, executable};

/// A listener that requires the header, from `trusted` proxies.
fn config(trusted: &str) -> String {
    let plain = "{ bind: 127.0.0.1:0, protocols: [http1, http2] }";
    let listener = format!(
        "{{ bind: 127.0.0.1:0, proxy_protocol: require, protocols: [http1, http2], trusted_proxies: [{trusted}] }}"
    );
    let config = CONFIG.replace(plain, &listener);
    assert_ne!(config, CONFIG);
    config
}

/// A header of version 2: the signature, this command and family, this length, these bytes.
fn v2(command: u8, family: u8, length: u16, rest: &[u8]) -> Vec<u8> {
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length.to_be_bytes(), rest].concat()
}

const V4: &[u8] = &[10, 1, 2, 3, 127, 0, 0, 1, 0x12, 0x34, 0, 80];
const V6: &[u8] =
    b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x12\x34\0\x50";
/// An extension: the name of the host (type 2) of nine bytes.
const EXTENSION: &[u8] = b"\x02\0\x09evil.test";

#[test]
fn a_trusted_proxy_names_the_client() {
    let stage = Stage::with(&config("127.0.0.0/8"));
    let mapped = [&[0; 10][..], &[255, 255, 10, 1, 2, 3], &V6[..16], &[0, 1, 0, 2]].concat();
    let mut findings = Findings::default();
    for (name, header, client) in [
        ("v1, IPv4", b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 80\r\n".to_vec(), "198.51.100.7"),
        ("v1, IPv6", b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 80\r\n".to_vec(), "2001:db8::7"),
        ("v1, the proxy for itself", b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (
            "v1, an unknown family with addresses",
            b"PROXY UNKNOWN 2001:db8::7 2001:db8::1 4711 80\r\n".to_vec(),
            "127.0.0.1",
        ),
        ("v2, IPv4", v2(0x21, 0x11, 12, V4), "10.1.2.3"),
        ("v2, IPv6", v2(0x21, 0x21, 36, V6), "2001:db8::7"),
        ("v2, IPv4 in IPv6", v2(0x21, 0x21, 36, &mapped), "10.1.2.3"),
        ("v2, extensions", v2(0x21, 0x11, 24, &[V4, EXTENSION].concat()), "10.1.2.3"),
        ("v2, the proxy for itself", v2(0x20, 0x00, 0, &[]), "127.0.0.1"),
        ("v2, the proxy for itself, with addresses", v2(0x20, 0x11, 12, V4), "127.0.0.1"),
        ("v2, an unspecified family", v2(0x21, 0x00, 0, &[]), "127.0.0.1"),
    ] {
        for wire in Wire::ALL {
            findings.note(format!("{name} over {wire:?}"), names(&stage, *wire, &header, client));
        }
    }
    findings.conclude(22);
    stage.expect_plain_backend_traffic();
}

/// Says the header in two pieces, then a request: what the backend is told, and what is recorded.
fn names(stage: &Stage, wire: Wire, header: &[u8], client: &str) -> Result<(), String> {
    let mark = stage.backend.mark();
    // A proxy that is trusted to name the client by connection has no clients who may name another.
    let request = Request::get("/").field("x-forwarded-for", "203.0.113.9");
    let mut connection = stage.connect();
    connection.send(&header[..7]);
    connection.send(&header[7..]);
    let response = match wire {
        Wire::Http1 => {
            connection.send(request.http1());
            connection.response("GET", stage.soon())
        }
        Wire::Http2 => {
            let mut connection = Http2::silent(connection);
            connection.open(&[]);
            let stream = connection.request(&request);
            connection.response(stream, stage.soon())
        }
    };
    let response = response.map_err(|failure| failure.to_string())?;
    if response.status != 200 {
        return Err(format!("{response:?}"));
    }
    let id = response.text("x-request-id").ok_or("no id")?;
    let record = stage.gateway.record("its record", |record| record["request.id"] == *id);
    let arrived = stage.backend.since(mark);
    let told = arrived[0].all("x-forwarded-for");
    let is_trusted = client == "127.0.0.1";
    // Whoever speaks for itself is the trusted proxy, and its word on others is taken.
    let expected = if is_trusted { "203.0.113.9" } else { client };
    if record["client.address"] != expected {
        return Err(format!("recorded as {}", record["client.address"]));
    }
    if told.last().and_then(|told| std::str::from_utf8(told).ok()?.split(", ").next()) != Some(expected) {
        return Err(format!("told {told:?}"));
    }
    Ok(())
}

#[test]
fn who_does_not_begin_with_a_good_header_gets_nothing() {
    let stage = Stage::with(&config("127.0.0.0/8"));
    let mut findings = Findings::default();
    for (name, header) in [
        ("none", Vec::new()),
        ("v1 without an end", b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 80\n".to_vec()),
        ("v1 with a port too few", b"PROXY TCP4 198.51.100.7 192.0.2.1 4711\r\n".to_vec()),
        ("v1 with a word too many", b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 80 x\r\n".to_vec()),
        ("v1 with two spaces", b"PROXY TCP4  198.51.100.7 192.0.2.1 4711 80\r\n".to_vec()),
        ("v1 with another family's address", b"PROXY TCP4 2001:db8::7 192.0.2.1 4711 80\r\n".to_vec()),
        ("v1 of a family that is none", b"PROXY UDP4 198.51.100.7 192.0.2.1 4711 80\r\n".to_vec()),
        ("v1 with a port that is none", b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 65536\r\n".to_vec()),
        ("v1 with a signed port", b"PROXY TCP4 198.51.100.7 192.0.2.1 +4711 80\r\n".to_vec()),
        ("v1 with an address that is none", b"PROXY TCP4 198.51.100.700 192.0.2.1 4711 80\r\n".to_vec()),
        ("v1 in lower case", b"proxy tcp4 198.51.100.7 192.0.2.1 4711 80\r\n".to_vec()),
        ("v1 of nothing", b"PROXY\r\n".to_vec()),
        ("v1 that does not end", [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200], b"\r\n"].concat()),
        ("v1 behind a space", b" PROXY TCP4 198.51.100.7 192.0.2.1 4711 80\r\n".to_vec()),
        ("v2 of version 1", v2(0x11, 0x11, 12, V4)),
        ("v2 with an unknown command", v2(0x22, 0x11, 12, V4)),
        ("v2 over UDP", v2(0x21, 0x12, 12, V4)),
        ("v2 over a Unix socket", v2(0x21, 0x31, 216, &[0; 216])),
        ("v2 with half an address", v2(0x21, 0x11, 6, &V4[..6])),
        ("v2 with IPv4 addresses for IPv6", v2(0x21, 0x21, 12, V4)),
        ("v2 with half an extension", v2(0x21, 0x11, 17, &[V4, &EXTENSION[..5]].concat())),
        ("v2 that is longer than any", v2(0x21, 0x11, 65_535, &[0; 65_535])),
        (
            "v2 with a signature that is none",
            [b"\r\n\r\n\0\r\nQUIT\r", &v2(0x21, 0x11, 12, V4)[12..]].concat(),
        ),
        ("v1 twice", b"PROXY UNKNOWN\r\nPROXY TCP4 198.51.100.7 192.0.2.1 4711 80\r\n".to_vec()),
    ] {
        let mark = stage.backend.mark();
        let mut connection = stage.connect();
        connection.send(&header);
        connection.send(Request::get("/").http1());
        // A second header is read as the request it is not, and may be told so.
        let closed = match connection.response("GET", stage.soon()) {
            Ok(response) if response.status == 400 && name == "v1 twice" => Ok(()),
            Ok(response) => Err(format!("answered {response:?}")),
            Err(failure) if failure.partial.status == 0 => {
                connection.closed(Deadline::soon()).map_err(|end| format!("not closed: {end}"))
            }
            Err(failure) => Err(failure.to_string()),
        };
        let arrived = stage.backend.since(mark).len();
        findings.note(name, closed.and(if arrived == 0 { Ok(()) } else { Err("it arrived".to_owned()) }));
    }
    findings.conclude(24);
}

#[test]
fn the_word_of_a_stranger_is_not_taken() {
    let stage = Stage::with(&config("10.0.0.0/8"));
    for header in [b"PROXY TCP4 10.0.0.7 192.0.2.1 4711 80\r\n".to_vec(), v2(0x21, 0x11, 12, V4), Vec::new()]
    {
        let mut connection = stage.connect();
        connection.send([&header[..], &Request::get("/").http1()].concat());
        connection.closed(stage.soon()).expect("closed without a word");
    }
    assert!(stage.backend.messages().is_empty());
}

/// The header is cleartext before TLS, and TLS is judged behind it.
#[test]
fn the_header_stands_before_tls() {
    let authority = Authority::new("tests");
    let pair = authority.server(&["gw.test"]);
    let tls = r#"tls: { certificates: [ { cert: "${file:gw.crt}", key: "${file:gw.key}" } ] }"#;
    let stage = Stage::built(|backend| {
        let config = config("127.0.0.0/8")
            .replace("proxy_protocol: require", &format!("proxy_protocol: require, {tls}"));
        Builder::new(executable(), config.replace("BACKEND", backend))
            .file("gw.crt", &*pair.certificate)
            .file("gw.key", &*pair.key)
    });
    for (protocol, header) in [
        ("http/1.1", b"PROXY TCP4 10.1.2.3 192.0.2.1 4711 443\r\n".to_vec()),
        ("http/1.1", v2(0x21, 0x11, 12, V4)),
        ("h2", b"PROXY TCP4 10.1.2.3 192.0.2.1 4711 443\r\n".to_vec()),
        ("h2", v2(0x21, 0x11, 12, V4)),
    ] {
        let tls = Tls::new(&authority.pem(), &Choices { protocols: &[protocol], ..Choices::default() });
        let (mut connection, handshake) =
            tls.connect_behind(stage.public(), &header, "gw.test").expect("a handshake");
        assert_eq!(handshake.protocol.as_deref(), Some(protocol.as_bytes()));
        let mark = stage.backend.mark();
        let request = Request::get("/");
        let response = if protocol == "h2" {
            let mut connection = Http2::silent(connection);
            connection.open(&[]);
            let mut fields = request_fields(&request);
            fields[1].1 = b"https".to_vec();
            let stream = connection.stream();
            connection.fields(stream, &fields, true);
            connection.response(stream, stage.soon())
        } else {
            connection.send(request.http1());
            connection.response("GET", stage.soon())
        };
        assert_eq!(response.expect("an answer").status, 200, "{protocol}");
        let arrived = stage.backend.since(mark);
        assert_eq!(arrived[0].all("x-forwarded-for"), [b"10.1.2.3"], "{protocol}");
        assert_eq!(arrived[0].all("x-forwarded-proto"), [b"https"], "{protocol}");
    }
    let tls = Tls::new(&authority.pem(), &Choices::default());
    assert!(tls.connect(stage.public(), "gw.test").is_err(), "TLS without the header");
}

/// Where the header is not asked for, it is a request that breaks the grammar.
#[test]
fn without_being_asked_the_header_is_no_header() {
    let stage = Stage::start();
    for header in [b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 80\r\n".to_vec(), v2(0x21, 0x11, 12, V4)] {
        let mut connection = stage.connect();
        connection.send([&header[..], &Request::get("/").http1()].concat());
        let response = connection.response("GET", stage.soon()).expect("a refusal");
        assert_eq!(response.status, 400);
        connection.closed(stage.soon()).expect("closed");
    }
    assert!(stage.backend.messages().is_empty());
}

#[test]
fn a_listener_that_trusts_nobody_does_not_load() {
    let config = config("").replace(", trusted_proxies: []", "").replace("BACKEND", "127.0.0.1:9");
    let output = Builder::new(executable(), config).run(&["check"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("listeners.public.proxy_protocol"), "{said}");
}
