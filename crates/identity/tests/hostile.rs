//! Tokens that attackers make, by the classes of attack that verifiers fell for: each is refused for the reason it should
//! be, none takes long, and the nearest good token passes.

#![expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test, as it should")]

#[cfg(test)]
#[path = "hostile/made.rs"]
mod made;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use portcullis_identity::jwt::{Refused, Said, verify};

#[test]
fn every_hostile_token_is_refused_for_its_reason() {
    let stage = made::Stage::new();
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut slowest = (Duration::ZERO, String::new());
    let cases = stage.cases();
    for case in &cases {
        *classes.entry(case.class).or_default() += 1;
        let begun = begin();
        let verdict = verify(&case.token, &stage.keys, &stage.rules, made::NOW);
        let took = begun.elapsed();
        if took > slowest.0 {
            slowest = (took, case.name.clone());
        }
        match verdict {
            Err(why) if case.reasons.contains(&why) => {}
            other => wrong.push(format!("{}: {}: {:?}", case.class, case.name, other.map(|_| "accepted"))),
        }
    }
    println!("{} tokens, {classes:?}, slowest {slowest:?}", cases.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(cases.len() >= 250, "{}", cases.len());
    assert!(slowest.0 < Duration::from_millis(50), "{slowest:?}");
}

#[test]
fn the_nearest_good_tokens_pass() {
    let stage = made::Stage::new();
    for (name, token) in stage.good() {
        let verdict = verify(token.as_bytes(), &stage.keys, &stage.rules, made::NOW);
        assert!(verdict.is_ok(), "{name}: {verdict:?}");
    }
}

/// Every byte of a good token matters, and so does every cut.
#[test]
fn a_good_token_has_no_good_neighbour() {
    let stage = made::Stage::new();
    for (name, token) in stage.good() {
        let token = token.into_bytes();
        for at in 0..token.len() {
            for other in [b'A', b'_', b'.', b'=', token[at] ^ 1, token[at] ^ 0x20] {
                let mut changed = token.clone();
                changed[at] = other;
                // Of ECDSA's signatures one value has one spelling, so that no neighbour is good by chance.
                let verdict = verify(&changed, &stage.keys, &stage.rules, made::NOW);
                assert!(verdict.is_err() || changed == token, "{name} at {at}");
            }
            let cut = verify(&token[..at], &stage.keys, &stage.rules, made::NOW);
            assert!(cut.is_err(), "{name} cut at {at}");
        }
    }
}

/// Whatever a look refuses would not have held.
#[test]
fn a_look_refuses_no_token_that_holds() {
    let stage = made::Stage::new();
    let refused = |token: &[u8]| {
        let looked = Said::of(token, |said| {
            said.is_over(&stage.rules, made::NOW) || said.is_of_other_key(&stage.keys)
        });
        looked.unwrap_or(false)
    };
    for (name, token) in stage.good() {
        assert!(!refused(token.as_bytes()), "{name}");
    }
    let seen = stage.cases().iter().filter(|case| refused(&case.token)).count();
    println!("{seen} hostile tokens are refused by a look");
    assert!(seen > 0);
}

#[test]
fn a_reason_has_words() {
    for why in [Refused::Expired, Refused::Signature, Refused::ClaimType("exp")] {
        assert!(!why.as_str().is_empty());
    }
}

#[expect(clippy::disallowed_methods, reason = "how long judging takes is what is judged")]
fn begin() -> Instant {
    Instant::now()
}
