//! What each backend is told of who calls: `backends.*.credentials` to policies, shared by the operations of a backend.

use std::sync::Arc;

use portcullis_openapi::source::Pointer;

use super::Compiler;
use crate::config::{BackendBasic, BackendCredentials as Settings, FieldValue};
use crate::pipeline::{Handover, Policy};
use crate::policies::backend_credentials::{BackendCredentials, Says, What};
use crate::secret::Secret;

impl Compiler<'_> {
    /// Those of every backend, in order of the configuration.
    pub(super) fn credentials(&mut self) {
        let config = self.config;
        for (name, backend) in &config.backends {
            let path = Pointer::new().key("backends").key(name).key("credentials");
            let made = backend.credentials.as_ref().map(|settings| {
                let place = self.place(&path.to_string());
                Arc::new(BackendCredentials::new(says(settings), settings.pass_through, place))
            });
            self.credentials.push(made);
        }
    }

    /// Ends the chain of an operation with what its backend is told, and says what that asks of every request.
    pub(super) fn hand_over(
        &self,
        backend: usize,
        chain: &mut Vec<Arc<dyn Policy>>,
    ) -> Option<Arc<Handover>> {
        let credentials = self.credentials.get(backend)?.as_ref()?;
        chain.push(Arc::clone(credentials) as Arc<dyn Policy>);
        Some(Arc::clone(credentials.handover()))
    }
}

/// Every field that needs no more than what is known.
fn says(settings: &Settings) -> Vec<Says> {
    let mut says = Vec::new();
    if let Some(basic) = &settings.basic {
        says.push(Says { name: "authorization".into(), what: What::Text(user_and_password(basic)) });
    }
    if let Some(key) = &settings.api_key {
        let text = match &key.prefix {
            Some(prefix) => Secret::new(format!("{prefix} {}", key.key.expose())),
            None => key.key.clone(),
        };
        says.push(Says { name: key.header.as_str().into(), what: What::Text(text) });
    }
    for (name, value) in &settings.fields {
        let what = match value {
            FieldValue::Text(text) => What::Text(text.clone()),
            FieldValue::Of(fact, absent) => What::Of(fact.clone(), *absent),
        };
        says.push(Says { name: name.as_str().into(), what });
    }
    says
}

/// `Basic` and what follows it (RFC 7617 §2).
fn user_and_password(basic: &BackendBasic) -> Secret {
    let pair = format!("{}:{}", basic.user, basic.password.expose());
    Secret::new(format!("Basic {}", base64(pair.as_bytes())))
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3).saturating_mul(4));
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4_usize {
            let digit = bits >> (18_usize.saturating_sub(place.saturating_mul(6))) & 63;
            let digit = DIGITS.get(digit as usize).copied().unwrap_or_default();
            text.push(if place > group.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_that_of_the_standard() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
            ("Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ];
        for (plain, encoded) in vectors {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
