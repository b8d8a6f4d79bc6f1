use std::net::TcpListener;
use std::thread;

use super::*;

/// RFC 7541 appendix C.
#[test]
fn the_examples_of_the_standard_are_read() {
    let hex = |text: &str| -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16).expect("hex");
        digits.chunks(2).map(pair).collect()
    };
    let shown = |fields: Fields| -> Vec<String> {
        let line =
            |(name, value): (Vec<u8>, Vec<u8>)| format!("{}={}", name.escape_ascii(), value.escape_ascii());
        fields.into_iter().map(line).collect()
    };
    let mut decoder = Decoder::default();
    for (block, expected) in [
        (
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            ":method=GET :scheme=http :path=/ :authority=www.example.com",
        ),
        (
            "8286 84be 5886 a8eb 1064 9cbf",
            ":method=GET :scheme=http :path=/ :authority=www.example.com cache-control=no-cache",
        ),
        (
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
            ":method=GET :scheme=https :path=/index.html :authority=www.example.com custom-key=custom-value",
        ),
    ] {
        assert_eq!(shown(decoder.decode(&hex(block)).expect("fields")).join(" "), expected);
    }
    assert_eq!(hpack::integer(0, 5, 10), [10]);
    assert_eq!(hpack::integer(0, 5, 1337), [31, 154, 10]);
}

#[test]
fn what_is_written_is_read() {
    let fields: Fields = vec![(b":path".to_vec(), vec![b'a'; 5000]), (b"x".to_vec(), b"\xff\x00".to_vec())];
    assert_eq!(Decoder::default().decode(&hpack::encode(&fields)), Ok(fields));
    let mut decoder = Decoder::default();
    let block = [hpack::literal_indexed(b"a", b"b"), hpack::indexed(62), hpack::table_size(0)].concat();
    assert_eq!(decoder.decode(&block).map(|fields| fields.len()), Ok(2));
    assert!(decoder.decode(&hpack::indexed(62)).is_err());
}

#[test]
fn frames_and_responses_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = thread::spawn(move || {
        let mut peer = raw::Client::over(listener.accept().expect("a client").0);
        assert_eq!(peer.bytes(PREFACE.len(), Deadline::soon()).expect("a preface"), PREFACE);
        let head = |status: &str| hpack::encode(&vec![(b":status".to_vec(), status.into())]);
        for frame in [
            Frame::new(kind::SETTINGS, 0, 0, []),
            Frame::new(kind::PING, 0, 0, [7; 8]),
            Frame::new(kind::HEADERS, flag::END_HEADERS, 1, head("103")),
            Frame::new(kind::HEADERS, flag::END_HEADERS, 3, head("204")),
            Frame::new(kind::HEADERS, flag::END_HEADERS, 1, head("200")),
            Frame::new(kind::DATA, flag::PADDED, 1, b"\x02hello\0\0"),
            Frame::new(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, hpack::literal(b"x-t", b"t")),
            Frame::new(kind::RST_STREAM, 0, 3, 8_u32.to_be_bytes()),
        ] {
            peer.send(frame.bytes());
        }
        peer // stays open until the client has read everything
    });
    let mut client = Client::connect(address);
    let (first, second) = (client.request(&Request::get("/a")), client.request(&Request::get("/b")));
    let response = client.response(first, Deadline::soon()).expect("a response");
    assert_eq!(
        (response.status, response.body.as_slice(), response.interim),
        (200, &b"hello"[..], vec![103])
    );
    assert_eq!(response.trailers, [(b"x-t".to_vec(), b"t".to_vec())]);
    let failure = client.response(second, Deadline::soon()).expect_err("a reset");
    assert_eq!(
        (failure.end, failure.partial.status),
        (End::Nonsense("RST_STREAM with code 8".to_owned()), 204)
    );
    drop(server.join());
    client.closed(Deadline::soon()).expect("a close");
}
