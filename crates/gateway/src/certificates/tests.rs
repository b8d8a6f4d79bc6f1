use std::sync::Arc;
use std::time::Duration;

use portcullis_identity::sha256::digest;
use rcgen::{
    CertificateParams, CertificateRevocationListParams, CertifiedIssuer, KeyIdMethod, KeyPair, SerialNumber,
    date_time_ymd,
};

use super::{Certificate, Certificates, Role, in_configuration, series};
use crate::config;

fn days(count: u32) -> Duration {
    Duration::from_secs(86_400).saturating_mul(count)
}

fn notice() -> Vec<Duration> {
    vec![days(21), days(7), days(1)]
}

/// One that lives from day `begins` to day `ends`.
fn certificate(place: &str, begins: u32, ends: u32) -> Certificate {
    Certificate {
        role: Role::Server,
        place: place.into(),
        position: 0,
        subject: None,
        names: vec!["api.example.com".to_owned()],
        issuer: None,
        serial: None,
        sha256: digest(format!("{place}{begins}{ends}").as_bytes()),
        consumer: None,
        credential: None,
        begins: Some(days(begins)),
        ends: Some(days(ends)),
    }
}

#[test]
fn an_end_has_the_stage_of_the_shortest_time_that_has_begun() {
    let one = certificate("a", 0, 100);
    let stage = |day: u32| one.stage(&notice(), days(day));
    assert_eq!(stage(78), None);
    assert_eq!((stage(79), stage(92)), (Some(days(21)), Some(days(21))));
    assert_eq!((stage(93), stage(99)), (Some(days(7)), Some(days(1))));
    assert_eq!((stage(100), stage(500)), (Some(Duration::ZERO), Some(Duration::ZERO)));
    assert_eq!(one.stage(&[], days(99)), None, "nobody wants to be told");
    assert_eq!(one.stage(&[], days(100)), Some(Duration::ZERO), "but of the end itself");
    let left = |day: u32| one.days_left(days(day));
    assert_eq!((left(98), left(100), left(101)), (Some(2), Some(0), Some(-2)));
}

#[test]
fn what_is_renewed_each_week_is_not_told_of_all_the_time() {
    let week = certificate("a", 0, 7);
    assert_eq!(week.stage(&notice(), days(1)), None);
    assert_eq!(week.stage(&notice(), days(6)), Some(days(1)));
    let day = certificate("a", 0, 1);
    assert_eq!(day.stage(&notice(), Duration::from_secs(43_200)), None);
    assert_eq!(day.stage(&notice(), days(1)), Some(Duration::ZERO));
}

#[test]
fn each_stage_is_told_of_once_and_a_new_certificate_anew() {
    let certificates = Certificates::default();
    let told = |day: u32| {
        certificates.look(days(day));
        let mut told: Vec<Duration> = certificates.inner().told.values().copied().collect();
        told.sort();
        told
    };
    {
        let mut inner = certificates.inner();
        (inner.configured, inner.notice) = (vec![certificate("a", 0, 100)], notice());
        inner.observe = Some(crate::observe::Observe::default());
    }
    assert!(told(10).is_empty());
    assert_eq!(told(80), [days(21)]);
    assert_eq!(told(95), [days(7)]);
    assert_eq!(told(80), [days(7)], "a clock that is set back tells nothing again");
    certificates.inner().configured.push(certificate("a", 0, 102));
    assert_eq!(told(95), [days(7), days(7)]);
    certificates.inner().configured.clear();
    assert!(told(95).is_empty(), "what is not used any more is forgotten");
}

#[test]
fn a_place_has_one_series_which_is_of_the_first_to_end() {
    let all = [certificate("b", 0, 300), certificate("a", 0, 200), certificate("a", 0, 100)];
    let ends: Vec<(Arc<str>, u64)> =
        series(&all).into_iter().map(|one| (one.place, one.ends.as_secs() / 86_400)).collect();
    assert_eq!(ends, [("a".into(), 100), ("b".into(), 300)]);
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "clients");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

#[test]
fn certificates_are_found_wherever_a_configuration_names_them() {
    let issuer = authority();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["api.example.com".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2027, 1, 1));
    let own = params.signed_by(&key, &issuer).unwrap().pem();
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(2026, 1, 8),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&issuer).unwrap().pem().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("own.crt", &(own.clone() + &issuer.pem()));
    write("own.key", &(key.serialize_pem() + &own));
    write("ca.pem", &issuer.pem());
    write("crl.pem", &list);
    write(
        "portcullis.yaml",
        r#"version: 1
listeners:
  public:
    bind: 127.0.0.1:0
    tls:
      certificates: [{ cert: "${file:own.crt}", key: "${file:own.key}" }]
      client_certificates: { mode: require, ca: "${file:ca.pem}", crl: ["${file:crl.pem}"] }
  acme:
    bind: 127.0.0.1:0
    tls:
      certificates:
        - acme: { directory: https://ca.example/dir, names: [a.example.com], terms_agreed: true, ca: "${file:ca.pem}" }
      client_certificates: { mode: require, ca: "${file:ca.pem}" }
backends:
  b:
    targets: ["https://127.0.0.1:9"]
    tls: { ca: "${file:ca.pem}", client_certificate: { cert: "${file:own.crt}", key: "${file:own.key}" } }
apis: { a: { listen: [public], backend: b, auth: none, operations: { all: { match: "* /{rest*}" } } } }
"#,
    );
    let loaded = config::load(&folder.path().join("portcullis.yaml")).unwrap();
    let found = in_configuration(loaded.tree());
    let rows: Vec<(Role, &str, usize, &str)> =
        found.iter().map(|one| (one.role, &*one.place, one.position, one.name())).collect();
    let tls = "listeners.public.tls";
    let authority = "CN=clients";
    let expected = [
        (Role::Server, format!("{tls}.certificates[0].cert"), 0, "api.example.com"),
        (Role::Server, format!("{tls}.certificates[0].cert"), 1, authority),
        (Role::ClientAuthority, format!("{tls}.client_certificates.ca"), 0, authority),
        (Role::RevocationList, format!("{tls}.client_certificates.crl[0]"), 0, authority),
        (Role::ServerAuthority, "listeners.acme.tls.certificates[0].acme.ca".to_owned(), 0, authority),
        (Role::ClientAuthority, "listeners.acme.tls.client_certificates.ca".to_owned(), 0, authority),
        (Role::ServerAuthority, "backends.b.tls.ca".to_owned(), 0, authority),
        (Role::Client, "backends.b.tls.client_certificate.cert".to_owned(), 0, "api.example.com"),
        (Role::Client, "backends.b.tls.client_certificate.cert".to_owned(), 1, authority),
    ];
    let expected: Vec<(Role, &str, usize, &str)> =
        expected.iter().map(|(role, place, at, name)| (*role, &**place, *at, *name)).collect();
    assert_eq!(rows, expected);
    assert_eq!(found[0].ends, Some(Duration::from_secs(1_798_761_600)), "2027-01-01");
    assert_eq!(found[3].ends, Some(Duration::from_secs(1_767_830_400)), "2026-01-08");
    assert_eq!(found[0].issuer.as_deref(), Some(authority));
}
