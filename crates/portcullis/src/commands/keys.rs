//! `portcullis keys`: makes keys for the configuration, and keeps those of the store.

use std::io::{self, BufRead, Read};

use anyhow::Context;
use portcullis_identity::api_key::ApiKey;
use serde_json::{Value, json};

use crate::args::{Keys, KeysVerb, Means, NewKey, OfCredential};
use crate::commands::consumers;
use crate::output::{Outcome, remark, say};

/// Dispatches.
pub(crate) fn keys(keys: &Keys) -> anyhow::Result<Outcome> {
    match &keys.verb {
        KeysVerb::New(new) => make(new),
        KeysVerb::Add(add) => {
            let (kind, name) = add.means.kind();
            let body = json!({
                "kind": kind, "name": name, "id": add.id, "scopes": add.scopes, "addresses": add.addresses,
                "password": add.means.password()?, "with_certificate": add.with_certificate,
                "expires": add.expires, "not_before": add.not_before,
            });
            let path = format!("/consumers/{}/credentials", add.of.consumer);
            let tell = if name.is_none() { tell_key } else { tell_credential };
            consumers::ask(&add.of.ask, "POST", &path, Some(&body), tell)
        }
        KeysVerb::List(of) => consumers::ask(
            &of.ask,
            "GET",
            &format!("/consumers/{}", of.consumer),
            None,
            consumers::tell_credentials,
        ),
        KeysVerb::Rotate(rotate) => {
            let path = path(&rotate.of, &format!("rotate?overlap_ms={}", rotate.overlap.as_millis()));
            consumers::ask(&rotate.of.ask, "POST", &path, None, tell_key)
        }
        KeysVerb::Expire(expire) => {
            let body = json!({ "expires": expire.at });
            consumers::ask(&expire.of.ask, "POST", &path(&expire.of, "expire"), Some(&body), tell_end)
        }
        KeysVerb::Revoke(of) => consumers::ask(&of.ask, "POST", &path(of, "revoke"), None, tell_end),
    }
}

impl Means {
    /// Its kind in the admin API, and what it is proven by, unless that is a key, which is made.
    fn kind(&self) -> (&'static str, Option<&str>) {
        let named =
            [("basic", &self.user), ("san", &self.san), ("subject", &self.subject), ("spiffe", &self.spiffe)];
        let found = named.into_iter().find_map(|(kind, name)| Some((kind, Some(name.as_deref()?))));
        found.unwrap_or(("api_key", None))
    }

    /// A user's password: never an argument, which others on this machine can read.
    fn password(&self) -> anyhow::Result<Option<String>> {
        if self.user.is_none() {
            return Ok(None);
        }
        let mut line = String::new();
        // Nothing longer is a password.
        io::stdin().lock().take(4_096).read_line(&mut line).context("standard input cannot be read")?;
        let password = line.trim_end_matches(['\r', '\n']);
        anyhow::ensure!(!password.is_empty(), "the password is read from standard input, and there is none");
        Ok(Some(password.to_owned()))
    }
}

/// A credential that has nothing to show.
fn tell_credential(made: &Value) {
    let text = |name: &str| made.get(name).and_then(Value::as_str).unwrap_or_default();
    say(format_args!("{} {} of {}", text("kind"), text("id"), text("consumer")));
}

fn path(of: &OfCredential, act: &str) -> String {
    format!("/consumers/{}/credentials/{}/{act}", of.consumer, of.id)
}

/// A key, which is shown this once.
fn tell_key(made: &Value) {
    let text = |name: &str| made.get(name).and_then(Value::as_str).unwrap_or_default();
    remark(format_args!(
        "Key `{}` of `{}`. It is shown once: give it to the caller; the gateway keeps only its SHA-256.",
        text("id"),
        text("consumer")
    ));
    if let Some(old) = made.get("replaces") {
        let part = |name: &str| old.get(name).and_then(Value::as_str).unwrap_or_default();
        remark(format_args!("`{}` goes on until {}.", part("id"), part("expires")));
    }
    say(text("key"));
}

fn tell_end(credential: &Value) {
    let text = |name: &str| credential.get(name).and_then(Value::as_str);
    match (text("revoked"), text("expires")) {
        (Some(at), _) => say(format_args!("{}: revoked at {at}", text("id").unwrap_or_default())),
        (None, Some(at)) => say(format_args!("{}: ends at {at}", text("id").unwrap_or_default())),
        (None, None) => {}
    }
}

fn make(new: &NewKey) -> anyhow::Result<Outcome> {
    let key = ApiKey::generate().map_err(|_| anyhow::anyhow!("the system gave no randomness"))?;
    let apis: &[String] = if new.apis.is_empty() { &["*".to_owned()] } else { &new.apis };
    if new.json {
        say(json!({
            "key": key.reveal(),
            "consumer": new.consumer, "id": new.id, "apis": apis, "scopes": new.scopes,
            "sha256": key.digest().to_string(),
        }));
        return Ok(Outcome::Good);
    }
    remark("This key is shown once. Give it to the caller; the gateway keeps only its SHA-256.");
    say(key.reveal());
    remark("");
    remark("Paste into the configuration:");
    say("");
    say(block(new, apis, &key.digest().to_string()));
    Ok(Outcome::Good)
}

/// The block of configuration for a key. Names are written as JSON strings, which YAML reads as they are.
fn block(new: &NewKey, apis: &[String], sha256: &str) -> String {
    let list = |names: &[String]| json!(names).to_string().replace(',', ", ");
    let scopes =
        if new.scopes.is_empty() { String::new() } else { format!(", scopes: {}", list(&new.scopes)) };
    format!(
        "consumers:\n  {}:\n    apis: {}\n    credentials:\n      - {{ id: {}, api_key: {{ sha256: \"{sha256}\"{scopes} }} }}",
        json!(new.consumer),
        list(apis),
        json!(new.id),
    )
}
