//! The little DER that keys come in: SubjectPublicKeyInfo and RSAPublicKey. Anything but the shortest spelling is refused.

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const NULL: &[u8] = &[0x05, 0x00];

/// A public key by what its algorithm identifier says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PublicKey<'a> {
    /// Modulus and exponent without leading zeros.
    Rsa { modulus: &'a [u8], exponent: &'a [u8] },
    /// A point on the curve of that name.
    Ec { curve: Curve, point: &'a [u8] },
    /// 32 bytes.
    Ed25519(&'a [u8]),
}

/// The curves that signatures are taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

/// Reads a SubjectPublicKeyInfo (RFC 5280 §4.1).
pub(crate) fn public_key(spki: &[u8]) -> Option<PublicKey<'_>> {
    let (whole, []) = take(SEQUENCE, spki)? else { return None };
    let (algorithm, rest) = take(SEQUENCE, whole)?;
    let (key, []) = take(BIT_STRING, rest)? else { return None };
    let [0, key @ ..] = key else { return None };
    let (name, parameters) = take(OBJECT_IDENTIFIER, algorithm)?;
    match name {
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01] if parameters == NULL => {
            let (modulus, exponent) = rsa_public_key(key)?;
            Some(PublicKey::Rsa { modulus, exponent })
        }
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01] => {
            let (curve, []) = take(OBJECT_IDENTIFIER, parameters)? else { return None };
            let curve = match curve {
                [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] => Curve::P256,
                [0x2b, 0x81, 0x04, 0x00, 0x22] => Curve::P384,
                [0x2b, 0x81, 0x04, 0x00, 0x23] => Curve::P521,
                _ => return None,
            };
            Some(PublicKey::Ec { curve, point: key })
        }
        [0x2b, 0x65, 0x70] if parameters.is_empty() => Some(PublicKey::Ed25519(key)),
        _ => None,
    }
}

/// Reads an RSAPublicKey (RFC 8017 §A.1.1): modulus and exponent.
pub(crate) fn rsa_public_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (key, []) = take(SEQUENCE, der)? else { return None };
    let (modulus, rest) = take(INTEGER, key)?;
    let (exponent, []) = take(INTEGER, rest)? else { return None };
    Some((positive(modulus)?, positive(exponent)?))
}

fn positive(integer: &[u8]) -> Option<&[u8]> {
    match integer {
        [0, rest @ ..] if rest.first().is_some_and(|first| *first > 0x7f) => Some(rest),
        [1..=0x7f, ..] => Some(integer),
        _ => None,
    }
}

/// The content of the next element, which must be of the kind `tag`, and what follows it.
fn take(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = match der {
        [kind, len @ 0..=0x7f, rest @ ..] if *kind == tag => (usize::from(*len), rest),
        [kind, 0x81, len @ 0x80..=0xff, rest @ ..] if *kind == tag => (usize::from(*len), rest),
        [kind, 0x82, high @ 1..=0xff, low, rest @ ..] if *kind == tag => {
            (usize::from(u16::from_be_bytes([*high, *low])), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(len)
}
