//! Answers of name servers: any bytes are read to an end within the bounds; an answer counts for its own question only;
//! what is cut short is no answer that says more.

use portcullis_gateway::dns::message::{ADDRESSES_MAX, Family, Reply, WireName, question, read};

/// Panics when `data` breaks a promise.
pub(crate) fn check(data: &[u8]) {
    let id = data.get(..2).map_or(0, |id| u16::from_be_bytes([id[0], id[1]]));
    let name = WireName::of("orders.test").expect("a name");
    for family in [Family::V4, Family::V6] {
        judge(data, id, &name, family);
        // The same behind the question, so that the records are reached.
        let mut whole = question(id, &name, family);
        whole[2] = 0x81;
        whole[7] = u8::try_from(data.len() / 12).unwrap_or(u8::MAX);
        whole.extend_from_slice(data);
        judge(&whole, id, &name, family);
        assert!(read(&whole, id.wrapping_add(1), &name, family).is_err());
        let other = WireName::of("orders.tesu").expect("a name");
        assert!(read(&whole, id, &other, family).is_err());
    }
    // A name that can be written is the same one in any case and with its last dot.
    if let Ok(host) = std::str::from_utf8(data)
        && let Some(name) = WireName::of(host)
    {
        assert_eq!(WireName::of(&host.to_ascii_uppercase()), Some(name.clone()));
        let message = question(id, &name, Family::V4);
        assert!(message.len() <= 12 + 255 + 4);
        assert!(read(&message, id, &name, Family::V4).is_err(), "a question is no answer");
    }
}

fn judge(message: &[u8], id: u16, name: &WireName, family: Family) {
    let reply = read(message, id, name, family);
    if let Ok(Reply::Addresses { addresses, ttl }) = &reply {
        assert!(!addresses.is_empty() && addresses.len() <= ADDRESSES_MAX && *ttl < u32::MAX);
        for address in addresses {
            assert_eq!(address.is_ipv4(), family == Family::V4);
            assert!(!address.is_unspecified() && !address.is_multicast());
            assert_eq!(addresses.iter().filter(|other| *other == address).count(), 1);
        }
        assert_eq!(
            read(&[message, b"behind"].concat(), id, name, family),
            reply,
            "what stands behind it counts for nothing"
        );
    }
}
