//! RFC 7541: tables, primitives and representations of field blocks.

use portcullis_testkit::h2::hpack::{indexed, integer, literal, literal_indexed, table_size, text};

use super::Expect::{Connection, Malformed, Served, TooLarge};
use super::{COMPRESSION, Case, block, get, joined, on_stream};

/// RFC 7541 §2 to §6.
pub(super) fn compression() -> Vec<Case> {
    let good = get("/");
    let behind = |bytes: &[u8]| block([&good[..], bytes].concat());
    let name_of = |index: usize, bits, pattern| [integer(pattern, bits, index), text(b"gzip")].concat();
    // `:authority` by its place in the static table, `gw.test` in Huffman code.
    let huffman = [0x41, 0x85, 0x9b, 0xc2, 0xe9, 0x2a, 0x13];
    let start = [0x82, 0x86, 0x84];
    // Two entries (§4.1: 32 bytes each beside their text) of 4096 bytes, and of one more.
    let old = literal_indexed(b"x-old", b"1");
    let filler = literal_indexed(b"x", &[b'y'; 4096 - (5 + 1 + 32) - (1 + 32) + 1]);
    let fitting = literal_indexed(b"x", &[b'y'; 4096 - (5 + 1 + 32) - (1 + 32)]);
    vec![
        ("2.3.1", "the static table", block([&start[..], &name_of(1, 6, 0x40)].concat()), Served(1)),
        (
            "2.3.2",
            "the dynamic table",
            joined![
                block([&start[..], &literal_indexed(b":authority", b"gw.test")].concat()),
                on_stream(block([&start[..], &indexed(62)].concat()), 3)
            ],
            Served(3),
        ),
        ("2.3.1", "the last entry of the static table", behind(&name_of(61, 6, 0x40)), Served(1)),
        (
            "2.3.2",
            "the newest entry stands first",
            joined![
                block([&good[..], &literal_indexed(b"x-a", b"1"), &literal_indexed(b"te", b"gzip")].concat()),
                on_stream(block([&good[..], &indexed(63)].concat()), 3)
            ],
            Served(3),
        ),
        (
            "2.3.2",
            "an older entry is found behind it",
            joined![
                block([&good[..], &literal_indexed(b"te", b"gzip"), &literal_indexed(b"x-b", b"1")].concat()),
                on_stream(block([&good[..], &indexed(63)].concat()), 3)
            ],
            Malformed(3),
        ),
        ("2.3.3", "an index behind the last entry", behind(&indexed(62)), Connection(COMPRESSION)),
        ("2.3.3", "a name behind the last entry", behind(&name_of(62, 4, 0)), Connection(COMPRESSION)),
        ("2.3.3", "an index beyond both tables", behind(&indexed(70)), Connection(COMPRESSION)),
        ("2.3.3", "a name beyond both tables", behind(&name_of(70, 6, 0x40)), Connection(COMPRESSION)),
        ("3.2", "a field cut in its middle", behind(&[0x00, 5, b'x']), Connection(COMPRESSION)),
        (
            "4.2",
            "a change of the table's size in front",
            block([&table_size(0)[..], &good].concat()),
            Served(1),
        ),
        (
            "4.2",
            "two changes of the table's size in front",
            block([&table_size(0)[..], &table_size(4096), &good].concat()),
            Served(1),
        ),
        (
            "4.2",
            "three changes of the table's size in front",
            block([&table_size(0)[..], &table_size(100), &table_size(4096), &good].concat()),
            Served(1),
        ),
        ("4.2", "a change of the table's size and nothing else", block(table_size(0)), Malformed(1)),
        (
            "4.2",
            "a change of the table's size between fields",
            block([&good[..], &table_size(4096), &literal(b"x-test", b"1")].concat()),
            Connection(COMPRESSION),
        ),
        (
            "4.3",
            "a table of nothing forgets",
            joined![
                block([&good[..], &literal_indexed(b"x-test", b"1")].concat()),
                on_stream(block([&table_size(0)[..], &table_size(4096), &good, &indexed(62)].concat()), 3)
            ],
            Connection(COMPRESSION),
        ),
        (
            "4.4",
            "the oldest entry leaves a full table",
            joined![
                block([&good[..], &old, &filler].concat()),
                on_stream(block([&good[..], &indexed(63)].concat()), 3)
            ],
            Connection(COMPRESSION),
        ),
        (
            "4.4",
            "entries that just fit stay",
            joined![
                block([&good[..], &old, &fitting].concat()),
                on_stream(block([&good[..], &indexed(63)].concat()), 3)
            ],
            Served(3),
        ),
        (
            "4.2",
            "a change of the table's size behind a field",
            behind(&table_size(0)),
            Connection(COMPRESSION),
        ),
        (
            "4.4",
            "an entry larger than the table empties it",
            joined![
                block(
                    [
                        &start[..],
                        &literal_indexed(b":authority", b"gw.test"),
                        &literal_indexed(b"x", &[b'y'; 5000])
                    ]
                    .concat()
                ),
                on_stream(block([&start[..], &indexed(62)].concat()), 3)
            ],
            Connection(COMPRESSION),
        ),
        (
            "5.1",
            "an integer of many bytes",
            behind(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]),
            Connection(COMPRESSION),
        ),
        (
            "5.1",
            "a length of many bytes",
            behind(&[0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
            Connection(COMPRESSION),
        ),
        ("5.1", "an integer that does not end", behind(&[0xff, 0x80]), Connection(COMPRESSION)),
        (
            "5.1",
            "an integer with a byte to spare",
            behind(&[0x0f, 0x81, 0x00, 0x04, b'g', b'z', b'i', b'p']),
            Served(1),
        ),
        ("5.2", "a string without Huffman code", behind(&literal(b"x-test", b"1")), Served(1)),
        ("5.2", "a string in Huffman code", block([&start[..], &huffman].concat()), Served(1)),
        ("5.2", "padding of three bits", behind(&[0x00, 0x01, b'x', 0x81, 0x1f]), Served(1)),
        (
            "5.2",
            "padding of seven bits",
            behind(&[0x00, 0x01, b'x', 0x84, 0x18, 0xc6, 0x31, 0xff]),
            Served(1),
        ),
        (
            "5.2",
            "padding of a whole byte",
            behind(&[0x00, 0x01, b'x', 0x82, 0x1f, 0xff]),
            Connection(COMPRESSION),
        ),
        ("5.2", "padding that is not ones", behind(&[0x00, 0x01, b'x', 0x81, 0x18]), Connection(COMPRESSION)),
        (
            "5.2",
            "a string of nothing but the end-of-string symbol's beginning",
            behind(&[0x00, 0x01, b'x', 0x81, 0xff]),
            Connection(COMPRESSION),
        ),
        (
            "5.2",
            "a name with padding that is not ones",
            behind(&[0x00, 0x81, 0x18, 0x01, b'x']),
            Connection(COMPRESSION),
        ),
        (
            "5.2",
            "a string with the end-of-string symbol",
            behind(&[0x00, 0x01, b'x', 0x84, 0xff, 0xff, 0xff, 0xff]),
            Connection(COMPRESSION),
        ),
        (
            "5.2",
            "a string longer than its block",
            behind(&[0x00, 0x01, b'x', 0x09, b'y']),
            Connection(COMPRESSION),
        ),
        ("6.1", "index zero", behind(&indexed(0)), Connection(COMPRESSION)),
        ("6.2.1", "a literal that is remembered", behind(&literal_indexed(b"x-test", b"1")), Served(1)),
        ("6.2.1", "a literal that is remembered, by a known name", behind(&name_of(16, 6, 0x40)), Served(1)),
        ("6.2.2", "a literal that is not remembered", behind(&literal(b"x-test", b"1")), Served(1)),
        (
            "6.2.2",
            "a literal that is not remembered, by a known name",
            behind(&name_of(16, 4, 0x00)),
            Served(1),
        ),
        (
            "6.2.3",
            "a literal that is never remembered",
            behind(&[&[0x10][..], &text(b"x-test"), &text(b"1")].concat()),
            Served(1),
        ),
        (
            "6.2.3",
            "a literal that is never remembered, by a known name",
            behind(&name_of(16, 4, 0x10)),
            Served(1),
        ),
        ("6.1", "an index of the static table", behind(&indexed(16)), Served(1)),
        ("6.3", "a table as large as allowed", block([&table_size(4096)[..], &good].concat()), Served(1)),
        (
            "6.3",
            "a table larger than allowed",
            block([&table_size(4097)[..], &good].concat()),
            Connection(COMPRESSION),
        ),
        (
            "10.5.1",
            "a list that unfolds",
            block([&good[..], &literal_indexed(b"x", &[b'y'; 3900]), &indexed(62).repeat(20)].concat()),
            TooLarge(1),
        ),
    ]
}
