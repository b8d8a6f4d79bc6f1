//! `portcullis keys new`: makes a key, shows it once, prints the block to paste.

use portcullis_identity::api_key::ApiKey;
use serde_json::json;

use crate::args::{Keys, KeysVerb, NewKey};
use crate::output::{Outcome, remark, say};

/// Dispatches.
pub(crate) fn keys(keys: &Keys) -> anyhow::Result<Outcome> {
    match &keys.verb {
        KeysVerb::New(new) => make(new),
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
