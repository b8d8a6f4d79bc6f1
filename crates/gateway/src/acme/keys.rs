//! Private keys of certificates, requests for them (PKCS #10), and the certificates that are proofs (RFC 8737 §3).

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::Spec;
use crate::config::AcmeKey;
use crate::secret::Secret;

/// A private key in PEM, and a request for a certificate for it in DER.
pub(super) struct Wanted {
    pub(super) key: Secret,
    pub(super) request: Vec<u8>,
}

/// A new key, and the request for a certificate for all names of `spec`.
pub(super) fn wanted(spec: &Spec) -> Result<Wanted, String> {
    let pair = match spec.key {
        AcmeKey::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        AcmeKey::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
        AcmeKey::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
    };
    let pair = pair.map_err(|error| error.to_string())?;
    let request = params(spec.names.iter().map(|name| name.to_string()).collect())?
        .serialize_request(&pair)
        .map_err(|error| error.to_string())?;
    Ok(Wanted { key: Secret::new(pair.serialize_pem()), request: request.der().to_vec() })
}

/// The certificate that proves `name` to whoever knows `authorization`, and its key.
pub(super) fn proof(
    name: &str,
    authorization: &[u8],
) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), String> {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| error.to_string())?;
    let mut params = params(vec![name.to_owned()])?;
    // Its digest has 32 bytes, as the extension must.
    let digest = digest(&SHA256, authorization);
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest.as_ref())];
    let certificate = params.self_signed(&pair).map_err(|error| error.to_string())?;
    Ok((certificate.der().clone(), PrivatePkcs8KeyDer::from(pair.serialize_der()).into()))
}

/// Names alone; a common name says nothing (RFC 9110 §4.3.4).
fn params(names: Vec<String>) -> Result<CertificateParams, String> {
    let mut params = CertificateParams::new(names).map_err(|error| error.to_string())?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params)
}
