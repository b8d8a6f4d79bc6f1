//! The compact form of a signed token (RFC 7515 §7.1), taken apart without believing any of it.
//!
//! What a header may say is little: which algorithm it claims, which key it asks for and which kind of token it is.
//! Whatever would make a reader fetch, derive, decrypt, decompress or trust something because the token says so is a
//! reason to refuse, before any key is touched.

use memchr::{memchr, memchr_iter};

use crate::algorithm::Algorithm;
use crate::base64::{decode_url, decode_url_onto};
use crate::json::{self, Limits, Object, Value};
use crate::jwk::KID_BYTES_MAX;
use crate::jwt::{Refused, Said};

/// The size of a token.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

const DEPTH_MAX: usize = 16;
const LIMITS: Limits = Limits { bytes: TOKEN_BYTES_MAX, depth: DEPTH_MAX };

/// Members that carry or name a key: a token that brings its own key proves nothing (RFC 8725 §3.10). `x5t` and
/// `x5t#S256` only describe one and are left unread.
const KEYS: [&str; 4] = ["jwk", "jku", "x5u", "x5c"];
/// Members of encrypted tokens, among them the work factor of PBES2.
const ENCRYPTED: [&str; 8] = ["enc", "zip", "p2c", "p2s", "epk", "apu", "apv", "tag"];

/// A token taken apart.
pub(crate) struct Parts<'t> {
    pub(crate) header: Header,
    /// What is signed: both first segments with the dot between them.
    pub(crate) input: &'t [u8],
    pub(crate) payload: Object,
    pub(crate) signature: Vec<u8>,
}

/// The members of a header that are heard.
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<Box<str>>,
    pub(crate) typ: Option<Box<str>>,
    /// The embedded key, only where one was asked for.
    pub(crate) jwk: Option<Object>,
}

/// Whether a header has a key in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Embedded {
    /// It must have none.
    Refused,
    /// It must have a `jwk`: a proof of possession (RFC 9449 §4.2).
    Demanded,
}

/// What `token` says at a look, shown to `judge`. `None`: it is not spelt as most are, and [`read`] has to tell.
pub(crate) fn look<T>(token: &[u8], judge: impl FnOnce(&Said<'_>) -> T) -> Option<T> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (header, rest) = split(token)?;
    let (payload, _) = split(rest)?;
    // PERF: one allocation, and the only one.
    let mut bytes = Vec::with_capacity(token.len());
    decode_url_onto(header, &mut bytes)?;
    let header_end = bytes.len();
    decode_url_onto(payload, &mut bytes)?;
    let (header, payload) = bytes.split_at_checked(header_end)?;
    let mut said = Said::default();
    json::look(header, LIMITS, |name, value| {
        if name == "kid" {
            said.kid = value.plain_text();
        }
    })
    .ok()?;
    json::look(payload, LIMITS, |name, value| match name {
        "iss" => said.issuer = value.plain_text(),
        "exp" => said.expires = value.as_seconds(),
        _ => {}
    })
    .ok()?;
    Some(judge(&said))
}

/// Takes `token` apart.
pub(crate) fn read(token: &[u8], embedded: Embedded) -> Result<Parts<'_>, Refused> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Refused::TooLong);
    }
    let (header, rest) = split(token).ok_or(Refused::NotThreeSegments)?;
    let (payload, signature) = split(rest).ok_or(Refused::NotThreeSegments)?;
    match memchr_iter(b'.', signature).count() {
        0 => {}
        2 => return Err(Refused::Encrypted),
        _ => return Err(Refused::NotThreeSegments),
    }
    let header = decode_url(header).ok_or(Refused::Encoding)?;
    let header = json::parse_object(&header, LIMITS).map_err(Refused::Header)?;
    let header = Header::read(header, embedded)?;
    let signature = decode_url(signature).ok_or(Refused::Encoding)?;
    let input_len = token.len().saturating_sub(rest.len()).saturating_add(payload.len());
    let payload = decode_url(payload).ok_or(Refused::Encoding)?;
    let payload = json::parse_object(&payload, LIMITS).map_err(Refused::Payload)?;
    Ok(Parts { header, input: token.get(..input_len).unwrap_or_default(), payload, signature })
}

impl Header {
    fn read(mut members: Object, embedded: Embedded) -> Result<Self, Refused> {
        // RFC 7515 §4.1.11: we understand no extension, so any is unknown. `b64` counts only with `crit`.
        if members.has("crit") || members.has("b64") {
            return Err(Refused::Critical);
        }
        if ENCRYPTED.iter().any(|name| members.has(name)) {
            return Err(Refused::Encrypted);
        }
        let jwk = match embedded {
            Embedded::Refused => None,
            Embedded::Demanded => match members.remove("jwk") {
                Some(Value::Object(jwk)) => Some(jwk),
                _ => return Err(Refused::EmbeddedKey),
            },
        };
        if KEYS.iter().any(|name| members.has(name)) {
            return Err(Refused::EmbeddedKey);
        }
        let algorithm = text(&members, "alg")?.ok_or(Refused::Algorithm)?;
        let algorithm = Algorithm::from_name(algorithm).ok_or(Refused::Algorithm)?;
        // RFC 7519 §5.2: a token within a token.
        if text(&members, "cty")?.is_some_and(|kind| kind.to_ascii_lowercase().ends_with("jwt")) {
            return Err(Refused::Encrypted);
        }
        let kid = text(&members, "kid")?;
        if kid.is_some_and(|kid| kid.len() > KID_BYTES_MAX) {
            return Err(Refused::Header(json::Refused::TooLong));
        }
        let typ = text(&members, "typ")?;
        Ok(Self { algorithm, kid: kid.map(Into::into), typ: typ.map(Into::into), jwk })
    }

    /// The kind of token, without the prefix that RFC 7515 §4.1.9 lets one leave out.
    pub(crate) fn kind(&self) -> Option<&str> {
        let typ = self.typ.as_deref()?;
        match typ.split_at_checked("application/".len()) {
            Some((prefix, kind)) if prefix.eq_ignore_ascii_case("application/") => Some(kind),
            _ => Some(typ),
        }
    }
}

/// What stands before and after the first dot.
fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr(b'.', text)?;
    let (before, rest) = text.split_at_checked(at)?;
    Some((before, rest.get(1..)?))
}

fn text<'a>(members: &'a Object, name: &str) -> Result<Option<&'a str>, Refused> {
    members.get(name).map(|value| value.as_text().ok_or(Refused::Header(json::Refused::Syntax))).transpose()
}
