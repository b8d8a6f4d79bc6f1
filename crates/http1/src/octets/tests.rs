use super::*;

#[test]
fn a_value_ends_at_every_control_but_tab_wherever_it_stands() {
    for byte in 0..=255u8 {
        for place in 0..20 {
            let mut text = vec![b'v'; 20];
            text[place] = byte;
            let ends = (byte < 0x20 && byte != b'\t') || byte == 0x7f;
            assert_eq!(text_run(&text), if ends { place } else { 20 }, "{byte:#x} at {place}");
            assert_eq!(is_text_byte(byte), !ends, "{byte:#x}");
            for length in [place + 1, 20] {
                let plain = !ends && byte != b'\t';
                assert_eq!(is_plain_text(&text[..length]), plain, "{byte:#x} at {place} of {length}");
            }
        }
    }
}

#[test]
fn the_first_of_several_controls_is_found() {
    assert_eq!(text_run(b"\xff\xa0\x7f\x01\x00abc"), 2);
    assert_eq!(text_run(b"\t\t \t\xe9\x80\x1f\r"), 6);
    assert_eq!(text_run(b""), 0);
}

#[test]
fn texts_are_the_same_but_for_the_case_of_letters() {
    for length in 1..20 {
        for (one, other) in
            (0..=255u8).flat_map(|one| [(one, one ^ 0x20), (one, one), (one, one ^ 0x80), (one, b'z')])
        {
            let (mut left, mut right) = (vec![b'Q'; length], vec![b'q'; length]);
            for place in [0, length / 2, length - 1] {
                (left[place], right[place]) = (one, other);
                assert_eq!(is_same(&left, &right), left.eq_ignore_ascii_case(&right), "{left:?} {right:?}");
                (left[place], right[place]) = (b'x', b'X');
            }
        }
    }
    assert!(!is_same(b"a", b"ab") && is_same(b"", b""));
}

#[test]
fn tokens_and_targets_are_those_of_the_grammar() {
    let tokens: Vec<u8> = (0..=255).filter(|&byte| is_token_byte(byte)).collect();
    assert_eq!(tokens, b"!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~");
    let refused: Vec<u8> = (0..=255).filter(|&byte| !is_target_byte(byte)).collect();
    let expected: Vec<u8> = (0..=0x20).chain([b'#']).chain(0x7f..=0xff).collect();
    assert_eq!(refused, expected);
    for byte in 0..=255u8 {
        for place in 0..20 {
            let mut text = vec![b'v'; 20];
            text[place] = byte;
            assert_eq!(is_token(&text), is_token_byte(byte), "{byte:#x} at {place}");
            assert_eq!(
                token_run(&text),
                if is_token_byte(byte) { 20 } else { place },
                "{byte:#x} at {place}"
            );
            assert_eq!(is_target(&text), is_target_byte(byte), "{byte:#x} at {place}");
            assert_eq!(
                target_run(&text),
                if is_target_byte(byte) { 20 } else { place },
                "{byte:#x} at {place}"
            );
        }
    }
}
