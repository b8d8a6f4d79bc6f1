use std::time::Duration;

use super::{Excess, Ledger, WINDOW, begins_with_pseudo};
use crate::bounds::Bounds;
use crate::http::frames::{ACK, END_HEADERS, END_STREAM, Frame, Kind, PADDED, WITH_PRIORITY};

fn frame(kind: Kind, flags: u8, stream: u32, length: usize, peek: &[u8]) -> Frame {
    Frame { kind, flags, stream, length, peek: peek.into() }
}

/// A ledger that has seen the client's SETTINGS.
fn ledger(resets: u32, control: u32) -> Ledger {
    let bounds = Bounds { h2_resets: resets, h2_control_frames: control, ..Bounds::default() };
    let mut ledger = Ledger::new(&bounds);
    ledger.tick();
    ledger.received(&frame(Kind::Settings, 0, 0, 0, &[]));
    ledger
}

#[tokio::test(start_paused = true)]
async fn each_kind_is_counted_for_itself_and_only_within_its_window() {
    for (kind, length, excess) in [
        (Kind::Ping, 8, Excess::Pings),
        (Kind::GoAway, 8, Excess::Others),
        (Kind::Priority, 5, Excess::Priorities),
        (Kind::WindowUpdate, 4, Excess::WindowUpdates),
        (Kind::Data, 0, Excess::EmptyData),
        (Kind::Other, 4, Excess::Others),
    ] {
        let mut ledger = ledger(2, 10);
        let one = frame(kind, 0, 1, length, &[]);
        for _ in 0..10 {
            ledger.received(&one);
        }
        assert_eq!(ledger.excess(), None, "{kind:?}");
        tokio::time::advance(WINDOW - Duration::from_millis(1)).await;
        ledger.tick();
        ledger.received(&one);
        assert_eq!(ledger.excess(), Some(excess), "{kind:?}");
    }
    let mut ledger = ledger(2, 10);
    for _ in 0..5 {
        for _ in 0..9 {
            ledger.received(&frame(Kind::Ping, 0, 0, 8, &[]));
            ledger.received(&frame(Kind::Settings, ACK, 0, 0, &[]));
        }
        tokio::time::advance(WINDOW).await;
        ledger.tick();
    }
    assert_eq!(ledger.excess(), None);
}

#[tokio::test]
async fn data_counts_as_empty_only_without_content_and_end() {
    let mut ledger = ledger(2, 1);
    for (flags, length, peek) in
        [(0, 1, &[][..]), (END_STREAM, 0, &[]), (PADDED, 8, &[6]), (PADDED | END_STREAM, 8, &[7])]
    {
        ledger.received(&frame(Kind::Data, flags, 1, length, peek));
    }
    ledger.received(&frame(Kind::Data, 0, 1, 0, &[]));
    assert_eq!(ledger.excess(), None);
    ledger.received(&frame(Kind::Data, PADDED, 1, 8, &[7]));
    assert_eq!(ledger.excess(), Some(Excess::EmptyData));
}

#[tokio::test]
async fn what_we_send_earns_the_client_its_answers() {
    let mut ledger = ledger(0, 1);
    ledger.sent(&frame(Kind::Data, END_STREAM, 1, 3 * 1024, &[]));
    for _ in 0..9 {
        ledger.received(&frame(Kind::WindowUpdate, 0, 1, 4, &[]));
    }
    ledger.received(&frame(Kind::Ping, 0, 0, 8, &[]));
    ledger.received(&frame(Kind::Ping, 0, 0, 8, &[]));
    ledger.received(&frame(Kind::Reset, 0, 1, 4, &[0, 0, 0, 8]));
    assert_eq!(ledger.excess(), None);
    ledger.received(&frame(Kind::WindowUpdate, 0, 1, 4, &[]));
    assert_eq!(ledger.excess(), Some(Excess::WindowUpdates));
}

#[tokio::test]
async fn resets_that_the_client_provoked_are_its_own() {
    for (code, counts) in [(0, false), (1, true), (2, false), (3, true), (5, true), (7, false), (8, true)] {
        let mut ledger = ledger(0, 1);
        ledger.sent(&frame(Kind::Reset, 0, 1, 4, &[0, 0, 0, code]));
        assert_eq!(ledger.excess(), counts.then_some(Excess::Faults), "{code}");
    }
    let mut ledger = ledger(3, 1);
    ledger.blame(3);
    assert_eq!(ledger.excess(), None);
    ledger.blame(1);
    assert_eq!(ledger.excess(), Some(Excess::Faults));
}

#[tokio::test]
async fn a_refusal_earns_nothing() {
    let mut ledger = ledger(3, 1);
    for _ in 0..4 {
        ledger.blame(1);
        ledger.sent(&frame(Kind::Headers, END_STREAM | END_HEADERS, 1, 20, &[]));
    }
    assert_eq!(ledger.excess(), Some(Excess::Faults));
}

#[tokio::test]
async fn a_frame_has_the_size_of_its_kind() {
    for (kind, flags, length, is_right) in [
        (Kind::Data, 0, 0, true),
        (Kind::Data, PADDED, 1, true),
        (Kind::Data, PADDED, 0, false),
        (Kind::Headers, WITH_PRIORITY, 5, true),
        (Kind::Headers, WITH_PRIORITY, 4, false),
        (Kind::Headers, WITH_PRIORITY | PADDED, 5, false),
        (Kind::Priority, 0, 5, true),
        (Kind::Priority, 0, 4, false),
        (Kind::Priority, 0, 6, false),
        (Kind::Reset, 0, 4, true),
        (Kind::Reset, 0, 3, false),
        (Kind::Settings, 0, 12, true),
        (Kind::Settings, 0, 11, false),
        (Kind::Settings, ACK, 0, true),
        (Kind::Settings, ACK, 6, false),
        (Kind::Ping, 0, 8, true),
        (Kind::Ping, ACK, 7, false),
        (Kind::GoAway, 0, 8, true),
        (Kind::GoAway, 0, 20, true),
        (Kind::GoAway, 0, 7, false),
        (Kind::WindowUpdate, 0, 4, true),
        (Kind::WindowUpdate, 0, 5, false),
        (Kind::Other, 0, 3, true),
    ] {
        let mut ledger = ledger(2, 10);
        ledger.received(&frame(kind, flags, 1, length, &[]));
        let expected = (!is_right).then_some(Excess::FrameSize);
        assert_eq!(ledger.excess(), expected, "{kind:?} {flags:x} {length}");
    }
}

#[tokio::test]
async fn a_window_has_an_end() {
    for (values, expected) in [
        (&[0, 4, 0x7f, 0xff, 0xff, 0xff][..], None),
        (&[0, 4, 0x80, 0, 0, 0], Some(Excess::WindowSize)),
        (&[0, 3, 0x80, 0, 0, 0], None),
        (&[0, 3, 0, 0, 0, 4, 0, 4, 0xff, 0, 0, 0], Some(Excess::WindowSize)),
    ] {
        let mut ledger = ledger(2, 10);
        ledger.received(&frame(Kind::Settings, 0, 0, values.len(), values));
        assert_eq!(ledger.excess(), expected, "{values:x?}");
    }
}

#[tokio::test]
async fn a_head_has_only_so_many_fragments() {
    let mut ledger = Ledger::new(&Bounds { h2_continuations: 2, ..Bounds::default() });
    ledger.received(&frame(Kind::Settings, 0, 0, 0, &[]));
    for stream in [1, 3] {
        ledger.received(&frame(Kind::Headers, 0, stream, 1, &[0x82]));
        assert!(ledger.is_head_open());
        ledger.received(&frame(Kind::Continuation, 0, stream, 1, &[]));
        ledger.received(&frame(Kind::Continuation, END_HEADERS, stream, 1, &[]));
        assert!(!ledger.is_head_open());
    }
    assert_eq!((ledger.excess(), ledger.requests(), ledger.heads()), (None, 2, 2));
    ledger.received(&frame(Kind::Continuation, 0, 3, 1, &[]));
    assert_eq!(ledger.excess(), Some(Excess::Continuations));
}

#[tokio::test]
async fn settings_come_first() {
    for (first, expected) in [
        (frame(Kind::Settings, 0, 0, 6, &[]), None),
        (frame(Kind::Settings, ACK, 0, 0, &[]), Some(Excess::SettingsMissing)),
        (frame(Kind::Headers, END_HEADERS, 1, 1, &[0x82]), Some(Excess::SettingsMissing)),
        (frame(Kind::Ping, 0, 0, 8, &[]), Some(Excess::SettingsMissing)),
    ] {
        let mut ledger = Ledger::new(&Bounds::default());
        ledger.received(&first);
        assert_eq!(ledger.excess(), expected, "{first:?}");
    }
}

#[tokio::test]
async fn trailers_have_no_pseudo_header_fields() {
    let head =
        |flags, stream, peek: &[u8]| frame(Kind::Headers, flags | END_HEADERS, stream, peek.len(), peek);
    for (flags, peek, expected) in [
        (END_STREAM, &[0x00, 1, b'a', 1, b'b'][..], None),
        (END_STREAM, &[0x84], Some(Excess::PseudoInTrailers)),
        (END_STREAM | PADDED, &[1, 0x84, 0], Some(Excess::PseudoInTrailers)),
        (WITH_PRIORITY, &[0, 0, 0, 0, 9, 0x84], Some(Excess::PseudoInTrailers)),
        (WITH_PRIORITY | PADDED, &[0, 0, 0, 0, 0, 9, 0x90], None),
    ] {
        let mut ledger = ledger(2, 10);
        ledger.received(&head(0, 1, &[0x82]));
        ledger.received(&head(flags, 1, peek));
        assert_eq!(ledger.excess(), expected, "{flags:x} {peek:x?}");
    }
}

#[test]
fn pseudo_header_fields_are_known_by_their_representation() {
    for (block, expected) in [
        (&[][..], false),
        // Indexed: `:authority` to `:status`, then `accept-charset`, then the dynamic table.
        (&[0x81], true),
        (&[0x8e], true),
        (&[0x8f], false),
        (&[0xbe], false),
        (&[0x80], false),
        // A literal with the name of an entry, in all three representations.
        (&[0x44, 1, b'/'], true),
        (&[0x04, 1, b'/'], true),
        (&[0x14, 1, b'/'], true),
        (&[0x0f, 0, 1, b'/'], false),
        (&[0x50, 1, b'/'], false),
        // A literal with a name of its own, plain and in Huffman code.
        (&[0x00, 5, b':', b'p'], true),
        (&[0x40, 5, b'p', b':'], false),
        (&[0x10, 0x84, 0xb9, 0x58], true),
        (&[0x10, 0x84, 0x35, 0x23], false),
        (&[0x00], false),
        (&[0x00, 0], false),
        // Behind a change of the table's size.
        (&[0x20, 0x84], true),
        (&[0x3f, 0xe1, 0x1f, 0x84], true),
        (&[0x3f, 0xe1, 0x1f, 0x90], false),
    ] {
        assert_eq!(begins_with_pseudo(block), expected, "{block:x?}");
    }
}
