use std::net::IpAddr;

use super::{ADDRESSES_MAX, CHAIN_MAX, Family, Reply, Unusable, WireName, question, read};

const ID: u16 = 0x1234;

/// Where the name of the question stands in every message.
const ASKED: &[u8] = &[0xc0, 12];

fn name(host: &str) -> WireName {
    WireName::of(host).expect("a name")
}

/// An answer to the question for `host` with these flags and records.
fn answer(host: &str, family: Family, flags: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let mut message = question(ID, &name(host), family);
    message[2..4].copy_from_slice(&flags.to_be_bytes());
    message[6..8].copy_from_slice(&u16::try_from(records.len()).expect("few").to_be_bytes());
    message.extend(records.concat());
    message
}

fn record(owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut record = owner.to_vec();
    record.extend(kind.to_be_bytes());
    record.extend(1_u16.to_be_bytes());
    record.extend(ttl.to_be_bytes());
    record.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
    record.extend(data);
    record
}

fn a(owner: &[u8], ttl: u32, octets: [u8; 4]) -> Vec<u8> {
    record(owner, 1, ttl, &octets)
}

fn wire(host: &str) -> Vec<u8> {
    name(host).0
}

fn judge(message: &[u8]) -> Result<Reply, &'static str> {
    read(message, ID, &name("orders.test"), Family::V4).map_err(|Unusable(why)| why)
}

fn addresses(addresses: &[&str], ttl: u32) -> Result<Reply, &'static str> {
    let addresses = addresses.iter().map(|text| text.parse().expect("an address")).collect();
    Ok(Reply::Addresses { addresses, ttl })
}

#[test]
fn a_question_is_what_everybody_asks() {
    let expected = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x06orders\x04test\0\0\x1c\0\x01";
    assert_eq!(question(ID, &name("Orders.TEST."), Family::V6), expected);
}

#[test]
fn names_that_no_message_can_bear_are_none() {
    let long = "a".repeat(64);
    let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "a".repeat(61));
    for host in ["", ".", "a..b", ".a", "a b", "ö.test", &long, &format!("{longest}a")] {
        assert!(WireName::of(host).is_none(), "{host}");
    }
    for host in ["a", "a.", "_srv.a-b.test", &longest] {
        assert!(WireName::of(host).is_some(), "{host}");
    }
}

#[test]
fn addresses_are_read_each_once_with_the_least_ttl() {
    let records =
        [a(ASKED, 60, [10, 0, 0, 1]), a(&wire("ORDERS.test"), 30, [10, 0, 0, 2]), a(ASKED, 5, [10, 0, 0, 1])];
    assert_eq!(
        judge(&answer("orders.test", Family::V4, 0x8180, &records)),
        addresses(&["10.0.0.1", "10.0.0.2"], 30)
    );
    let v6 = record(ASKED, 28, 9, &"fd00::1".parse::<std::net::Ipv6Addr>().expect("an address").octets());
    let message = answer("orders.test", Family::V6, 0x8180, &[v6]);
    let reply = read(&message, ID, &name("orders.test"), Family::V6);
    assert_eq!(reply.map_err(|Unusable(why)| why), addresses(&["fd00::1"], 9));
}

#[test]
fn aliases_are_followed_in_any_order_and_bound_the_ttl() {
    let alias = |from: &[u8], to: &str| record(from, 5, 7, &wire(to));
    let records = [
        a(&wire("c.test"), 60, [10, 0, 0, 3]),
        alias(&wire("b.test"), "c.test"),
        a(&wire("elsewhere.test"), 60, [10, 0, 0, 9]),
        alias(ASKED, "b.test"),
    ];
    assert_eq!(judge(&answer("orders.test", Family::V4, 0x8180, &records)), addresses(&["10.0.0.3"], 7));
    // An alias that leads nowhere, and aliases in a circle.
    assert_eq!(judge(&answer("orders.test", Family::V4, 0x8180, &records[3..])), Ok(Reply::NoAddress));
    let circle = [alias(ASKED, "b.test"), alias(&wire("b.test"), "orders.test")];
    assert_eq!(judge(&answer("orders.test", Family::V4, 0x8180, &circle)), Err("too many aliases"));
    for (length, expected) in
        [(CHAIN_MAX, addresses(&["10.0.0.3"], 7)), (CHAIN_MAX + 1, Err("too many aliases"))]
    {
        let link = |at: usize| if at == 0 { wire("orders.test") } else { wire(&format!("n{at}.test")) };
        let mut records: Vec<_> = (0..length).map(|at| record(&link(at), 5, 7, &link(at + 1))).collect();
        records.push(a(&link(length), 60, [10, 0, 0, 3]));
        assert_eq!(judge(&answer("orders.test", Family::V4, 0x8180, &records)), expected, "{length}");
    }
}

#[test]
fn answers_without_addresses_say_which_kind_they_are() {
    let text = record(ASKED, 16, 60, b"\x02hi");
    let other_class = {
        let mut record = a(ASKED, 60, [10, 0, 0, 1]);
        record[5] = 3;
        record
    };
    for (flags, records, expected) in [
        (0x8180, vec![], Reply::NoAddress),
        (0x8180, vec![text, other_class], Reply::NoAddress),
        (0x8180, vec![a(ASKED, 1, [0, 0, 0, 0]), a(ASKED, 1, [224, 0, 0, 1])], Reply::NoAddress),
        (0x8183, vec![], Reply::NoName),
        (0x8182, vec![], Reply::Failed(2)),
        (0x8185, vec![], Reply::Failed(5)),
        (0x8380, vec![], Reply::Truncated),
    ] {
        assert_eq!(judge(&answer("orders.test", Family::V4, flags, &records)), Ok(expected), "{flags:x}");
    }
}

#[test]
fn what_answers_another_question_is_no_answer() {
    let good = answer("orders.test", Family::V4, 0x8180, &[a(ASKED, 60, [10, 0, 0, 1])]);
    assert!(judge(&good).is_ok());
    let mut other_id = good.clone();
    other_id[1] ^= 1;
    let mut no_answer = good.clone();
    no_answer[2] &= 0x7f;
    let mut notify = good.clone();
    notify[2] |= 0x20;
    let mut two_questions = good.clone();
    two_questions[5] = 2;
    let other_name = answer("orders.tesu", Family::V4, 0x8180, &[a(ASKED, 60, [10, 0, 0, 1])]);
    let other_kind = answer("orders.test", Family::V6, 0x8180, &[a(ASKED, 60, [10, 0, 0, 1])]);
    for (message, expected) in [
        (other_id, "another id"),
        (no_answer, "no answer to a question"),
        (notify, "no answer to a question"),
        (two_questions, "an answer to another question"),
        (other_name, "an answer to another question"),
        (other_kind, "an answer to another question"),
    ] {
        assert_eq!(judge(&message), Err(expected));
    }
}

#[test]
fn what_is_not_well_formed_is_no_answer() {
    let good = answer("orders.test", Family::V4, 0x8180, &[a(ASKED, 60, [10, 0, 0, 1])]);
    for length in 0..good.len() {
        assert!(judge(&good[..length]).is_err(), "{length} bytes");
    }
    let of = |records: &[Vec<u8>]| judge(&answer("orders.test", Family::V4, 0x8180, records));
    let at = u8::try_from(good.len() - 16).expect("short");
    for (records, expected) in [
        // A pointer to itself, one forwards, one into the head.
        (vec![a(&[0xc0, at], 60, [1; 4])], "a name that goes in circles"),
        (vec![a(&[0xc0, 200], 60, [1; 4])], "a name that goes in circles"),
        (vec![a(&[0xc0, 3], 60, [1; 4])], "a name that goes in circles"),
        (vec![a(&[0x40, 0], 60, [1; 4])], "a label of an unknown kind"),
        (vec![record(ASKED, 1, 60, &[1; 5])], "an address of the wrong length"),
        (vec![record(ASKED, 5, 60, b"\x01ab")], "a label of an unknown kind"),
        (vec![record(ASKED, 5, 60, b"\x01a\0b"), a(ASKED, 60, [1; 4])], "an alias of the wrong length"),
        (vec![a(ASKED, 60, [1; 4]); 257], "too many records"),
    ] {
        assert_eq!(of(&records), Err(expected));
    }
    let long: Vec<u8> = (0..5).flat_map(|_| [&[63][..], &[b'a'; 63]].concat()).chain([0]).collect();
    assert_eq!(of(&[a(&long, 60, [1; 4])]), Err("a name that is too long"));
}

#[test]
fn more_addresses_than_anybody_tries_are_left_out() {
    let records: Vec<_> = (0..100).map(|last| a(ASKED, 60, [10, 0, 0, last])).collect();
    let Ok(Reply::Addresses { addresses, .. }) = judge(&answer("orders.test", Family::V4, 0x8180, &records))
    else {
        panic!("addresses")
    };
    assert_eq!(addresses.len(), ADDRESSES_MAX);
    assert_eq!(addresses[0], IpAddr::from([10, 0, 0, 0]));
}

#[test]
fn a_ttl_with_its_highest_bit_is_none() {
    assert_eq!(
        judge(&answer("orders.test", Family::V4, 0x8180, &[a(ASKED, 0x8000_0001, [10, 0, 0, 1])])),
        addresses(&["10.0.0.1"], 0)
    );
}
