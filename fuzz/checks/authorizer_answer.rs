//! Answers of authorizers by gRPC: any bytes are judged to an end; what lets pass says nothing that it may not say, and no
//! value that ends its line; the same bytes behind a no are no yes.

use std::sync::Arc;

use portcullis_gateway::authorizers::messages::answer;
use portcullis_gateway::authorizers::spec::{AuthorizerSpec, Speaks, Told};
use portcullis_gateway::authorizers::{Ruling, SAID_BYTES_MAX};
use portcullis_gateway::config::values::Url;
use portcullis_gateway::dns;

const TO_BACKEND: [&str; 2] = ["x-user", "x-groups"];
const WITH_ANSWER: [&str; 2] = ["x-answered", "set-cookie"];

/// Panics when `data` breaks a promise.
pub(crate) fn check(data: &[u8]) {
    let spec = spec();
    match answer(data, &spec) {
        Ok(Ruling::Allowed(changes)) => {
            for (fields, names) in [(&changes.add, TO_BACKEND), (&changes.answer, WITH_ANSWER)] {
                let mut bytes = 0_usize;
                for field in fields.iter() {
                    let name = std::str::from_utf8(field.name).expect("a name");
                    assert!(names.contains(&name), "{name} was not named");
                    stays_in_its_line(field.value);
                    bytes = bytes.strict_add(field.name.len()).strict_add(field.value.len());
                }
                assert!(bytes <= SAID_BYTES_MAX);
            }
            for name in &changes.remove {
                assert!(
                    !name.is_empty()
                        && !name.starts_with("content-")
                        && name.bytes().all(|b| b.is_ascii_graphic())
                );
            }
            // A status that refuses makes it no yes: `status` is member 1, and `code` 7.
            let refused = [b"\x0a\x02\x08\x07", data].concat();
            assert!(!matches!(answer(&refused, &spec), Ok(Ruling::Allowed(_))), "a no became a yes");
            assert!(!data.is_empty(), "nothing was a yes");
        }
        Ok(Ruling::Denied(denial)) => {
            let status = denial.status.as_u16();
            assert!(matches!(status, 301..=303 | 307 | 308 | 400..=599), "{status}");
            denial.fields.iter().for_each(|field| stays_in_its_line(field.value));
        }
        Ok(Ruling::Away(_) | Ruling::Unclear(_)) | Err(_) => {}
    }
}

fn stays_in_its_line(value: &[u8]) {
    assert!(value.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f)), "{value:?}");
}

fn spec() -> AuthorizerSpec {
    let names = |names: [&str; 2]| names.iter().map(|name| Box::from(*name)).collect::<Vec<Box<str>>>();
    AuthorizerSpec {
        name: Arc::from("policy"),
        speaks: Speaks::Grpc,
        url: Url { https: false, host: "127.0.0.1".into(), port: 1, path: "/".into() },
        ca: None,
        names: dns::Settings::default(),
        timeout: std::time::Duration::from_secs(1),
        calls: 1,
        lets_through: false,
        told: Told::Any,
        tells_credential: false,
        context: Vec::new(),
        to_backend: names(TO_BACKEND),
        with_answer: names(WITH_ANSWER),
        to_client: Vec::new(),
    }
}
