use super::{Frames, Sender, Violation, acceptance, close_frame};

/// Follows `bytes` at once and byte by byte; both must say the same.
fn follow(sender: Sender, bytes: &[u8]) -> Result<bool, Violation> {
    let mut whole = Frames::new(sender);
    let at_once = whole.advance(bytes).map(|()| whole.is_between());
    let mut split = Frames::new(sender);
    let byte_by_byte = bytes.iter().try_for_each(|byte| split.advance(&[*byte])).map(|()| split.is_between());
    assert_eq!(at_once, byte_by_byte, "{bytes:?}");
    at_once
}

fn frame(first: u8, payload: usize) -> Vec<u8> {
    let mut frame = vec![first];
    match payload {
        0..=125 => frame.push(payload as u8),
        126..=0xffff => {
            frame.push(126);
            frame.extend((payload as u16).to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend((payload as u64).to_be_bytes());
        }
    }
    frame.extend(vec![b'x'; payload]);
    frame
}

#[test]
fn boundaries_are_found_for_every_form_of_length() {
    for payload in [0, 1, 125, 126, 127, 0xffff, 0x1_0000, 70_000] {
        assert_eq!(follow(Sender::Server, &frame(0x82, payload)), Ok(true), "{payload}");
        if payload > 0 {
            let whole = frame(0x82, payload);
            assert_eq!(follow(Sender::Server, &whole[..whole.len() - 1]), Ok(false), "{payload}");
        }
    }
    assert_eq!(follow(Sender::Client, &[0x81, 0x81, 1, 2, 3, 4, b'x' ^ 1]), Ok(true));
}

#[test]
fn control_frames_may_stand_within_a_message() {
    let bytes = [frame(0x01, 3), frame(0x89, 2), frame(0x00, 3), frame(0x80, 3), frame(0x81, 1)].concat();
    assert_eq!(follow(Sender::Server, &bytes), Ok(true));
}

#[test]
fn what_is_no_frame_is_a_violation() {
    let cases: &[(Sender, Vec<u8>, Violation)] = &[
        (Sender::Server, vec![0x81, 0x81, 0, 0, 0, 0, 1], Violation::Mask),
        (Sender::Client, frame(0x81, 1), Violation::Mask),
        (Sender::Server, frame(0x83, 0), Violation::Opcode),
        (Sender::Server, frame(0x8b, 0), Violation::Opcode),
        (Sender::Server, frame(0x09, 0), Violation::Control),
        (Sender::Server, frame(0x89, 126), Violation::Control),
        (Sender::Server, frame(0x80, 0), Violation::Fragment),
        (Sender::Server, [frame(0x01, 0), frame(0x81, 0)].concat(), Violation::Fragment),
        (Sender::Server, vec![0x82, 126, 0, 125], Violation::Length),
        (Sender::Server, vec![0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], Violation::Length),
        (Sender::Server, vec![0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], Violation::Length),
        (Sender::Server, [frame(0x88, 0), frame(0x81, 0)].concat(), Violation::AfterClose),
        (Sender::Client, b"GET / HTTP/1.1\r\n".to_vec(), Violation::Mask),
    ];
    for (sender, bytes, violation) in cases {
        assert_eq!(follow(*sender, bytes), Err(*violation), "{bytes:?}");
    }
}

#[test]
fn our_own_close_frames_are_frames() {
    for sender in [Sender::Client, Sender::Server] {
        let mut frames = Frames::new(sender);
        frames.advance(&close_frame(sender, 1001)).unwrap();
        assert!(frames.is_closed());
    }
}

/// The example of RFC 6455 §1.3, and answers computed elsewhere.
#[test]
fn a_key_has_one_answer() {
    for (key, answer) in [
        ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="),
        ("/////////////////////w==", "XXpj4jYzLM2yUE0C7TIgMwTQh2g="),
    ] {
        assert_eq!(acceptance(key.as_bytes()), answer, "{key}");
    }
}
