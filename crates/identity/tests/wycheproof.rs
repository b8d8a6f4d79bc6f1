//! Project Wycheproof's vectors through keys as they are taken in: what must not verify does not, what must, does.

use portcullis_identity::algorithm::Algorithm;
use portcullis_identity::jwk::Key;
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

/// One vector as it came out.
fn judge(
    key: Option<&Key>,
    algorithm: Algorithm,
    (msg, sig): (&[u8], &[u8]),
    result: TestResult,
    name: &str,
) -> usize {
    let is_good = key.is_some_and(|key| key.verify(algorithm, msg, sig));
    match result {
        TestResult::Valid => assert!(is_good, "{name} must verify"),
        TestResult::Invalid => assert!(!is_good, "{name} must not verify"),
        TestResult::Acceptable => {}
    }
    1
}

#[test]
fn ecdsa_vectors_hold() {
    let mut count = 0;
    for (set, algorithm) in [
        (ecdsa::TestName::EcdsaSecp256r1Sha256P1363, Algorithm::ES256),
        (ecdsa::TestName::EcdsaSecp384r1Sha384P1363, Algorithm::ES384),
        (ecdsa::TestName::EcdsaSecp521r1Sha512P1363, Algorithm::ES512),
    ] {
        for group in ecdsa::TestSet::load(set).unwrap().test_groups {
            let key = Key::from_spki(&group.der).ok();
            for test in &group.tests {
                let name = format!("{algorithm} {}", test.tc_id);
                count += judge(key.as_ref(), algorithm, (&test.msg, &test.sig), test.result, &name);
            }
        }
    }
    println!("{count} vectors");
    assert!(count > 600, "{count}");
}

#[test]
fn eddsa_vectors_hold() {
    let mut count = 0;
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let key = Key::from_spki(&group.der).ok();
        for test in &group.tests {
            let name = format!("Ed25519 {}", test.tc_id);
            count += judge(key.as_ref(), Algorithm::EdDSA, (&test.msg, &test.sig), test.result, &name);
        }
    }
    println!("{count} vectors");
    assert!(count > 100, "{count}");
}

#[test]
fn rsa_vectors_hold() {
    let mut count = 0;
    for (set, algorithm) in [
        (rsa_pkcs1_verify::TestName::Rsa2048Sha256, Algorithm::RS256),
        (rsa_pkcs1_verify::TestName::Rsa3072Sha384, Algorithm::RS384),
        (rsa_pkcs1_verify::TestName::Rsa4096Sha512, Algorithm::RS512),
    ] {
        for group in rsa_pkcs1_verify::TestSet::load(set).unwrap().test_groups {
            let key = Key::from_spki(&group.der).ok();
            for test in &group.tests {
                let name = format!("{algorithm} {}", test.tc_id);
                count += judge(key.as_ref(), algorithm, (&test.msg, &test.sig), test.result, &name);
            }
        }
    }
    for (set, algorithm) in [
        (rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1SaltLen32, Algorithm::PS256),
        (rsa_pss_verify::TestName::RsaPss2048Sha384Mgf1SaltLen48, Algorithm::PS384),
        (rsa_pss_verify::TestName::RsaPss4096Sha512Mgf1SaltLen64, Algorithm::PS512),
    ] {
        for group in rsa_pss_verify::TestSet::load(set).unwrap().test_groups {
            let key = Key::from_spki(&group.der).ok();
            for test in &group.tests {
                let name = format!("{algorithm} {}", test.tc_id);
                count += judge(key.as_ref(), algorithm, (&test.msg, &test.sig), test.result, &name);
            }
        }
    }
    println!("{count} vectors");
    assert!(count > 1_000, "{count}");
}
