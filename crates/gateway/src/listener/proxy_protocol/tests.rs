use super::{SIGNATURE, V2_BYTES_MAX, read};

/// What a header says, and what is left for the next reader.
async fn check(bytes: &[u8]) -> (String, usize) {
    let mut rest = bytes;
    let said = match read(&mut rest).await {
        Ok(Some(ends)) => format!("{} to {}", ends.source, ends.destination),
        Ok(None) => "itself".to_owned(),
        Err(_) => "refused".to_owned(),
    };
    (said, rest.len())
}

fn v2(command: u8, family: u8, length: usize, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(length).expect("short").to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, rest].concat()
}

#[tokio::test]
async fn version_1_is_one_strict_line() {
    for (line, said) in [
        ("PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\r\n", "192.0.2.1:4711 to 198.51.100.2:443"),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            "255.255.255.255:65535 to 255.255.255.255:65535",
        ),
        ("PROXY TCP6 2001:db8::1 2001:db8::2 1 0\r\n", "[2001:db8::1]:1 to [2001:db8::2]:0"),
        ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "192.0.2.1:1 to [::1]:2"),
        ("PROXY UNKNOWN\r\n", "itself"),
        ("PROXY UNKNOWN whatever it likes to say\r\n", "itself"),
        ("PROXY UNKNOWN\n", "refused"),
        ("PROXY UNKNOWNS\r\n", "refused"),
        ("PROXY UNKNOWN a\rb\r\n", "refused"),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\n", "refused"),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 4711 443 \r\n", "refused"),
        ("PROXY  TCP4 192.0.2.1 198.51.100.2 4711 443\r\n", "refused"),
        ("PROXY TCP4 192.0.2.1  198.51.100.2 4711 443\r\n", "refused"),
        ("PROXY TCP4\t192.0.2.1 198.51.100.2 4711 443\r\n", "refused"),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 4711\r\n", "refused"),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 4711 443 1\r\n", "refused"),
        ("PROXY TCP4 192.0.2.01 198.51.100.2 4711 443\r\n", "refused"),
        ("PROXY TCP4 192.0.2 198.51.100.2 4711 443\r\n", "refused"),
        ("PROXY TCP4 ::1 ::2 4711 443\r\n", "refused"),
        ("PROXY TCP6 192.0.2.1 198.51.100.2 4711 443\r\n", "refused"),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n", "refused"),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 +1 443\r\n", "refused"),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 01 443\r\n", "refused"),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n", "refused"),
        ("PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n", "refused"),
        ("proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n", "refused"),
        ("GET / HTTP/1.1\r\nHost: gw.test\r\n\r\n", "refused"),
        ("PROXY TCP4 192.0.2.1 198.51", "refused"),
        ("", "refused"),
    ] {
        assert_eq!(check(line.as_bytes()).await.0, said, "{line:?}");
    }
    let long = |fill: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(fill));
    assert_eq!(long(91).len(), 107);
    assert_eq!(check(long(91).as_bytes()).await.0, "itself");
    assert_eq!(check(long(92).as_bytes()).await.0, "refused");
}

#[tokio::test]
async fn version_2_is_read_to_its_last_byte() {
    let ipv4 = [192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x67, 0x01, 0xbb];
    let mut ipv6 = [0; 36];
    ipv6[15] = 1;
    ipv6[31] = 2;
    ipv6[33] = 7;
    ipv6[35] = 8;
    let mut with_tlv = ipv4.to_vec();
    with_tlv.extend([0x04, 0, 2, 9, 9, 0x02, 0, 0]);
    let mut cut_tlv = ipv4.to_vec();
    cut_tlv.extend([0x04, 0, 3, 9, 9]);
    for (bytes, said) in [
        (v2(0x21, 0x11, 12, &ipv4), "192.0.2.1:4711 to 198.51.100.2:443"),
        (v2(0x21, 0x21, 36, &ipv6), "[::1]:7 to [::2]:8"),
        (v2(0x21, 0x11, with_tlv.len(), &with_tlv), "192.0.2.1:4711 to 198.51.100.2:443"),
        (v2(0x20, 0x00, 0, &[]), "itself"),
        (v2(0x20, 0x11, 12, &ipv4), "itself"),
        (v2(0x20, 0xff, 3, &[1, 2, 3]), "itself"),
        (v2(0x21, 0x00, 0, &[]), "itself"),
        (v2(0x21, 0x11, 11, &ipv4[..11]), "refused"),
        (v2(0x21, 0x11, 13, &[&ipv4[..], &[0]].concat()), "refused"),
        (v2(0x21, 0x11, cut_tlv.len(), &cut_tlv), "refused"),
        (v2(0x21, 0x21, 12, &ipv4), "refused"),
        (v2(0x21, 0x12, 12, &ipv4), "refused"),
        (v2(0x21, 0x31, 216, &[0; 216]), "refused"),
        (v2(0x22, 0x11, 12, &ipv4), "refused"),
        (v2(0x11, 0x11, 12, &ipv4), "refused"),
        (v2(0x21, 0x11, 12, &ipv4[..8]), "refused"),
        (v2(0x20, 0x00, V2_BYTES_MAX, &[0; V2_BYTES_MAX]), "itself"),
        (v2(0x20, 0x00, V2_BYTES_MAX + 1, &[0; V2_BYTES_MAX + 1]), "refused"),
    ] {
        assert_eq!(check(&bytes).await.0, said, "{bytes:x?}");
    }
}

#[tokio::test]
async fn nothing_behind_the_header_is_taken() {
    let tail = b"GET / HTTP/1.1\r\n";
    for header in [b"PROXY UNKNOWN\r\n".to_vec(), v2(0x20, 0, 0, &[]), v2(0x20, 0, 5, &[1, 2, 3, 4, 5])] {
        let bytes = [&header[..], tail].concat();
        assert_eq!(check(&bytes).await, ("itself".to_owned(), tail.len()));
    }
}
