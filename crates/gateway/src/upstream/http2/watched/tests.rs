use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::{FRAMES_MAX, Watched};

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
}

/// Whether a backend that has been sent `earned` frames of content may say `said`.
async fn passes(earned: usize, said: &[u8]) -> bool {
    let (ours, mut theirs) = duplex(1 << 22);
    let mut watched = Watched::new(ours, 8);
    watched.write_all(crate::http::frames::PREFACE).await.expect("room");
    watched.write_all(&frame(0, 0, &[0; 1024]).repeat(earned)).await.expect("room");
    theirs.write_all(said).await.expect("room");
    drop(theirs);
    let mut read = Vec::new();
    watched.read_to_end(&mut read).await.is_ok_and(|count| count == said.len())
}

#[tokio::test]
async fn frames_that_are_no_answer_are_counted() {
    let many = FRAMES_MAX as usize;
    for (name, frame) in [
        ("ping", frame(6, 0, &[0; 8])),
        ("settings", frame(4, 0, &[])),
        ("window", frame(8, 0, &[0, 0, 0, 1])),
        ("priority", frame(2, 0, &[0; 5])),
        ("reset", frame(3, 0, &[0; 4])),
        ("unknown", frame(99, 0, &[0; 20])),
        ("empty content", frame(0, 0, &[])),
        ("head", frame(1, 4, &[0x88])),
    ] {
        assert!(passes(0, &frame.repeat(many)).await, "{name}: as many as may be");
        assert!(!passes(0, &frame.repeat(many + 1)).await, "{name}: one more");
        // Sent 1000 KiB, it may take them in in small steps.
        assert!(passes(1000, &frame.repeat(many + 5000)).await, "{name}: earned");
        assert!(!passes(1000, &frame.repeat(many + 5001)).await, "{name}: one more than earned");
    }
}

#[tokio::test]
async fn content_is_not_counted() {
    let many = FRAMES_MAX as usize * 2;
    assert!(passes(0, &frame(0, 0, b"content").repeat(many)).await);
    assert!(passes(0, &frame(0, 1, &[]).repeat(many)).await);
}

#[tokio::test]
async fn a_request_earns_its_answer_and_the_interim_ones_before_it() {
    let head = frame(1, 4, &[0x88]);
    let (ours, mut theirs) = duplex(1 << 22);
    let mut watched = Watched::new(ours, 8);
    watched.write_all(crate::http::frames::PREFACE).await.expect("room");
    watched.write_all(&head.repeat(1000)).await.expect("room");
    let answers = head.repeat(1000 * 10);
    theirs.write_all(&answers).await.expect("room");
    drop(theirs);
    let mut read = Vec::new();
    assert_eq!(watched.read_to_end(&mut read).await.expect("all of it"), answers.len());
}
