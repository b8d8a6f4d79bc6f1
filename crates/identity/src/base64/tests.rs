use super::{decode_standard, decode_url, encode_standard, encode_url};

#[test]
fn every_length_comes_back() {
    for len in 0..300_usize {
        let bytes: Vec<u8> = (0..len).map(|at| (at * 197 + len * 31) as u8).collect();
        assert_eq!(decode_url(encode_url(&bytes).as_bytes()).as_ref(), Some(&bytes));
        assert_eq!(decode_standard(encode_standard(&bytes).as_bytes()).as_ref(), Some(&bytes));
    }
}

#[test]
fn known_spellings() {
    assert_eq!(encode_url(b"\xfb\xff\xfe"), "-__-");
    assert_eq!(encode_standard(b"\xfb\xff\xfe"), "+//+");
    assert_eq!(encode_standard(b"f"), "Zg==");
    assert_eq!(encode_url(b"fo"), "Zm8");
}

#[test]
fn a_value_has_one_spelling() {
    for text in ["Zg==", "Zh", "Zm9", "Z", "Zm9vY", "Zm 9", "Zm9v\n", "\u{feff}Zg", "+//+", "Zm9.", "Zm\09"] {
        assert_eq!(decode_url(text.as_bytes()), None, "{text:?}");
    }
    for text in ["Zg", "Zg=", "Zh==", "Zg===", "Zg==\n", "-__-", "====", "=", "==", "Zm9=", "Z=g="] {
        assert_eq!(decode_standard(text.as_bytes()), None, "{text:?}");
    }
}
