use rustls::server::ProducesTickets;

use super::{Seal, ticketer};

#[test]
fn what_was_sealed_is_opened_and_nothing_else_is() {
    let (seal, other) = (Seal::new().expect("randomness"), Seal::new().expect("randomness"));
    let ticket = seal.encrypt(b"a session").expect("a ticket");
    assert_eq!(seal.decrypt(&ticket).as_deref(), Some(b"a session".as_slice()));
    assert_eq!(other.decrypt(&ticket), None, "another key");
    for length in 0..ticket.len() {
        assert_eq!(seal.decrypt(&ticket[..length]), None, "{length} of {} bytes", ticket.len());
    }
    for at in 0..ticket.len() {
        let mut other = ticket.clone();
        other[at] ^= 1;
        assert_eq!(seal.decrypt(&other), None, "byte {at} is another");
    }
    let longer = [ticket.as_slice(), b"x"].concat();
    assert_eq!(seal.decrypt(&longer), None);
}

#[test]
fn no_two_tickets_are_alike_and_none_shows_what_is_in_it() {
    let seal = Seal::new().expect("randomness");
    let tickets: Vec<_> = (0..100).map(|_| seal.encrypt(&[7; 64]).expect("a ticket")).collect();
    for (at, ticket) in tickets.iter().enumerate() {
        assert!(!ticket.windows(8).any(|bytes| bytes == [7; 8]));
        assert!(!tickets[..at].iter().any(|before| before[..12] == ticket[..12]), "a nonce twice");
    }
}

#[test]
fn a_ticketer_knows_its_own_tickets() {
    let (one, two) = (ticketer().expect("randomness"), ticketer().expect("randomness"));
    let ticket = one.encrypt(b"a session").expect("a ticket");
    assert_eq!(one.decrypt(&ticket).as_deref(), Some(b"a session".as_slice()));
    assert_eq!(two.decrypt(&ticket), None);
    assert!(one.enabled() && one.lifetime() == 12 * 60 * 60);
}
