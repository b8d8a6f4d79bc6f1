use super::{ApiKey, PREFIX, digest, is_plausible};

#[test]
fn a_new_key_is_plausible_and_like_no_other() {
    let (one, other) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
    assert!(is_plausible(one.reveal().as_bytes()));
    assert_eq!(one.reveal().len(), PREFIX.len() + 43 + 6);
    assert_ne!(one.reveal(), other.reveal());
    assert_eq!(one.digest(), digest(one.reveal().as_bytes()));
}

#[test]
fn a_mistyped_key_is_not_plausible() {
    let key = ApiKey::generate().unwrap();
    for at in PREFIX.len()..key.reveal().len() {
        let mut typo = key.reveal().as_bytes().to_vec();
        typo[at] = if typo[at] == b'a' { b'b' } else { b'a' };
        assert!(!is_plausible(&typo), "a typo at {at} passes");
    }
    assert!(!is_plausible(&key.reveal().as_bytes()[..20]));
    assert!(!is_plausible(format!("{} ", key.reveal()).as_bytes()));
}

#[test]
fn keys_of_other_makers_are_left_to_the_lookup() {
    assert!(is_plausible(b"sk-legacy-123"));
}

#[test]
fn a_key_is_never_printed_by_accident() {
    assert_eq!(format!("{:?}", ApiKey::generate().unwrap()), "ApiKey(…)");
}
