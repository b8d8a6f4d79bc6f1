use std::time::Duration;

use portcullis_http1::{Bounds, HeadDecoder, ResponseHead};

use super::kept_for;

const HALF_A_MINUTE: Duration = Duration::from_secs(30);

fn head(version: &str, lines: &str) -> ResponseHead {
    let text = format!("{version} 200 OK\r\n{lines}\r\n");
    let (head, _) = HeadDecoder::default()
        .response(text.as_bytes(), &Bounds::default())
        .expect("a valid head")
        .expect("a whole head");
    head
}

#[test]
fn the_backend_says_how_long_a_connection_lives() {
    for (version, lines, seconds) in [
        ("HTTP/1.1", "", Some(30)),
        ("HTTP/1.1", "Connection: keep-alive\r\n", Some(30)),
        ("HTTP/1.1", "Connection: x, Close\r\n", None),
        ("HTTP/1.1", "Connection: x\r\nconnection: close\r\n", None),
        ("HTTP/1.0", "Connection: keep-alive\r\n", None),
        ("HTTP/1.1", "Keep-Alive: timeout=5, max=100\r\n", Some(4)),
        ("HTTP/1.1", "Keep-Alive: max=3, timeout=0\r\n", Some(0)),
        ("HTTP/1.1", "Keep-Alive: timeout=75\r\n", Some(30)),
        ("HTTP/1.1", "Keep-Alive: timeout=soon\r\n", Some(30)),
    ] {
        let expected = seconds.map(Duration::from_secs);
        assert_eq!(kept_for(&head(version, lines), HALF_A_MINUTE), expected, "{version} {lines:?}");
    }
}
