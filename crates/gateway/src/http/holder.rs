//! What a client's certificate says of its holder: names to look it up by, and when it counts.
//!
//! Read once for each connection, from the certificate that the handshake verified, and only where somebody asks.
//! Names are spelled as whoever writes a configuration reads them: DNS names in lower case, addresses as addresses, the
//! subject as RFC 4514 says, its last part first. The subject's common name alone stands for nobody.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// The holder of a client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its subject alternative names: DNS names, mail addresses, URIs and IP addresses.
    pub sans: Vec<Box<str>>,
    /// Its subject, as RFC 4514 spells it; `None` when that is empty.
    pub subject: Option<Box<str>>,
    /// Its SPIFFE id: of a certificate with this URI and no other (SPIFFE X.509-SVID §2).
    pub spiffe: Option<Box<str>>,
    /// When the certificate begins to count, since 1970.
    pub begins: Duration,
    /// When it ends.
    pub ends: Duration,
}

impl Holder {
    /// Reads a certificate in DER.
    pub fn of(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let alternatives = certificate.subject_alternative_name().ok()?;
        let names = alternatives.map_or(&[][..], |found| &found.value.general_names);
        let uris: Vec<&str> = names.iter().filter_map(uri).collect();
        let spiffe = match *uris {
            [id] if id.starts_with("spiffe://") => Some(id.into()),
            _ => None,
        };
        let validity = certificate.validity();
        let seconds = |time: i64| Duration::from_secs(u64::try_from(time).unwrap_or_default());
        Some(Self {
            sans: names.iter().filter_map(spell).collect(),
            subject: subject(certificate.subject()).filter(|subject| !subject.is_empty()).map(Into::into),
            spiffe,
            begins: seconds(validity.not_before.timestamp()),
            ends: seconds(validity.not_after.timestamp()),
        })
    }
}

fn uri<'a>(name: &GeneralName<'a>) -> Option<&'a str> {
    match name {
        GeneralName::URI(uri) => Some(uri),
        _ => None,
    }
}

fn spell(name: &GeneralName<'_>) -> Option<Box<str>> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase().into()),
        GeneralName::RFC822Name(name) | GeneralName::URI(name) => Some((*name).into()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(|octets| Ipv4Addr::from(octets).to_string());
            let v6 = <[u8; 16]>::try_from(*bytes).map(|octets| Ipv6Addr::from(octets).to_string());
            v4.or(v6).ok().map(Into::into)
        }
        _ => None,
    }
}

/// A name, for people: as RFC 4514 spells it, where it has such a spelling. `None` when it is empty.
pub(crate) fn spelled(name: &X509Name<'_>) -> Option<String> {
    subject(name).or_else(|| Some(name.to_string())).filter(|text| !text.is_empty())
}

/// A name as RFC 4514 §2 spells it. `None` for one that has no such spelling.
fn subject(name: &X509Name<'_>) -> Option<String> {
    let mut text = String::new();
    // RFC 4514 §2.1: the last part first.
    let parts: Vec<_> = name.iter_rdn().collect();
    for part in parts.into_iter().rev() {
        if !text.is_empty() {
            text.push(',');
        }
        for (at, attribute) in part.iter().enumerate() {
            if at > 0 {
                text.push('+');
            }
            push(attribute, &mut text)?;
        }
    }
    Some(text)
}

/// The short names of RFC 4514 §3.
const SHORT: [(&str, &str); 9] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

fn push(attribute: &AttributeTypeAndValue<'_>, text: &mut String) -> Option<()> {
    let kind = attribute.attr_type().to_id_string();
    let short = SHORT.iter().find(|(id, _)| *id == kind).map(|(_, short)| *short);
    text.push_str(short.unwrap_or(&kind));
    text.push('=');
    let value = short.and_then(|_| attribute.as_str().ok())?;
    let last = value.chars().count().saturating_sub(1);
    for (at, character) in value.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => text.extend(['\\', character]),
            ' ' if at == 0 || at == last => text.push_str("\\ "),
            '#' if at == 0 => text.push_str("\\#"),
            _ if character.is_control() => write!(text, "\\{:02X}", u32::from(character)).ok()?,
            _ => text.push(character),
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::Holder;

    fn holder(sans: Vec<SanType>, subject: &[(DnType, &str)]) -> Holder {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in subject {
            params.distinguished_name.push(kind.clone(), *value);
        }
        params.subject_alt_names = sans;
        let certificate = params.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate");
        Holder::of(certificate.der()).expect("readable")
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().expect("ASCII"))
    }

    #[test]
    fn names_are_spelled_as_configurations_write_them() {
        let dns = SanType::DnsName("Shop.Example.com".try_into().expect("ASCII"));
        let mail = SanType::Rfc822Name("a@example.com".try_into().expect("ASCII"));
        let address = SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let found = holder(
            vec![dns, mail, address, uri("spiffe://example.com/shop")],
            &[
                (DnType::CountryName, "DE"),
                (DnType::OrganizationName, "A, B + C"),
                (DnType::CommonName, " shop"),
            ],
        );
        let sans: Vec<&str> = found.sans.iter().map(|name| &**name).collect();
        assert_eq!(sans, ["shop.example.com", "a@example.com", "127.0.0.1", "spiffe://example.com/shop"]);
        assert_eq!(found.subject.as_deref(), Some("CN=\\ shop,O=A\\, B \\+ C,C=DE"));
        assert_eq!(found.spiffe.as_deref(), Some("spiffe://example.com/shop"));
        assert!(found.begins < found.ends);
    }

    #[test]
    fn a_spiffe_id_stands_alone() {
        let two = holder(vec![uri("spiffe://a/b"), uri("https://a/b")], &[]);
        assert_eq!((two.spiffe, two.subject), (None, None));
        assert_eq!(holder(vec![uri("https://a/b")], &[]).spiffe, None);
    }
}
