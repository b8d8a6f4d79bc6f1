//! Certificates that live as long as a test: an authority, and what it signs.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PublicKeyData, RevokedCertParams, SanType, SerialNumber, SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::tokens::{base64url, now};

/// An authority that nobody else trusts.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its chain and key, in PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// Its serial number, for revocation.
    pub serial: u64,
    /// Its public key, as DER.
    pub public_key: Vec<u8>,
}

impl Pair {
    /// The SHA-256 of the certificate as tokens carry it (RFC 8705 §3.1).
    ///
    /// # Panics
    /// When the certificate cannot be read.
    pub fn thumbprint(&self) -> String {
        let leaf = CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate");
        base64url(digest(&SHA256, &leaf).as_ref())
    }
}

/// A key of which only the public part is known.
struct Point<'a>(&'a [u8]);

impl PublicKeyData for Point<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// Whether a certificate holds today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// It does.
    Now,
    /// It did once.
    Past,
    /// It will.
    Future,
    /// It does, for so many days more.
    Days(u32),
}

impl Pair {
    /// The SHA-256 of its public key in base 64, by which browsers are told which key to trust.
    pub fn pin(&self) -> String {
        base64(digest(&SHA256, &self.public_key).as_ref())
    }
}

/// RFC 4648 §4.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for piece in bytes.chunks(3) {
        let bits = (0..3).fold(0_usize, |bits, at| bits << 8 | usize::from(*piece.get(at).unwrap_or(&0)));
        for digit in 0..4 {
            let is_there = digit <= piece.len();
            text.push(if is_there { char::from(DIGITS[bits >> (18 - 6 * digit) & 63]) } else { '=' });
        }
    }
    text
}

impl Authority {
    /// A new one, called `name`.
    ///
    /// # Panics
    /// When the library refuses, which it has no reason to.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("an authority") }
    }

    /// Its own certificate in PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server's certificate for these names.
    pub fn server(&self, names: &[&str]) -> Pair {
        self.server_valid(names, Validity::Now)
    }

    /// A server's certificate for these names, valid then.
    pub fn server_valid(&self, names: &[&str], validity: Validity) -> Pair {
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).expect("names");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params, validity)
    }

    /// A client's certificate for this URI, such as `spiffe://example.com/partner`.
    pub fn client(&self, uri: &str) -> Pair {
        self.client_valid(uri, Validity::Now)
    }

    /// A client's certificate for this URI, valid then.
    pub fn client_valid(&self, uri: &str, validity: Validity) -> Pair {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("ASCII"))];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, validity)
    }

    /// A server's certificate in PEM for these names, whose key is the point `point` on P-256 (uncompressed), valid from and
    /// until then, in seconds since 1970.
    ///
    /// # Panics
    /// When the library refuses.
    pub fn certify(&self, names: &[String], point: &[u8], (from, until): (u64, u64)) -> String {
        let mut params = CertificateParams::new(names.to_vec()).expect("names");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let since_1970 = |seconds| date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
        (params.not_before, params.not_after) = (since_1970(from), since_1970(until));
        let serial: [u8; 8] = digest(&SHA256, point).as_ref()[..8].try_into().expect("8 bytes");
        params.serial_number = Some(SerialNumber::from(u64::from_be_bytes(serial) >> 1));
        params.use_authority_key_identifier_extension = true;
        params.signed_by(&Point(point), &self.issuer).expect("a certificate").pem()
    }

    /// A list that revokes these serial numbers, in PEM.
    pub fn revoke(&self, serials: &[u64]) -> String {
        self.revoke_until(serials, Duration::from_secs(3_786_912_000))
    }

    /// Such a list that must have been replaced in so many days, and not before.
    pub fn revoke_for(&self, serials: &[u64], days: u32) -> String {
        self.revoke_until(serials, in_days(days))
    }

    /// Such a list that should have been replaced long ago.
    pub fn revoke_too_long(&self, serials: &[u64]) -> String {
        self.revoke_until(serials, Duration::from_secs(1_600_000_000))
    }

    fn revoke_until(&self, serials: &[u64], until: Duration) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(1970, 1, 1) + until,
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).expect("a list");
        list.pem().expect("PEM")
    }

    fn sign(&self, mut params: CertificateParams, validity: Validity) -> Pair {
        let years = |from, to| (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        (params.not_before, params.not_after) = match validity {
            Validity::Now => years(2020, 2090),
            Validity::Past => years(2000, 2001),
            Validity::Future => years(2080, 2090),
            Validity::Days(days) => (date_time_ymd(2020, 1, 1), date_time_ymd(1970, 1, 1) + in_days(days)),
        };
        let key = KeyPair::generate().expect("a key");
        // Serial numbers only have to differ within this authority; keys are random.
        let digest = key
            .public_key_raw()
            .iter()
            .fold(7_u64, |hash, byte| hash.wrapping_mul(1_099_511_628_211) ^ u64::from(*byte));
        let serial = digest >> 1;
        params.serial_number = Some(SerialNumber::from(serial));
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let public_key = key.subject_public_key_info();
        Pair { certificate: certificate.pem(), key: key.serialize_pem(), serial, public_key }
    }
}

/// A little more than so many days from now, since 1970.
fn in_days(days: u32) -> Duration {
    Duration::from_secs(now() + u64::from(days) * 86_400 + 3_600)
}
