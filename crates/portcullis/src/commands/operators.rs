//! `portcullis operators`: tokens for those who may operate the gateway over the network.

use portcullis_gateway::config::values::Expiry;
use portcullis_identity::api_key::ApiKey;
use serde_json::json;

use crate::args::{NewOperator, OperatorRole, Operators, OperatorsVerb};
use crate::output::{Outcome, remark, say};

/// Dispatches.
pub(crate) fn operators(operators: &Operators) -> anyhow::Result<Outcome> {
    match &operators.verb {
        OperatorsVerb::New(new) => make(new),
    }
}

fn make(new: &NewOperator) -> anyhow::Result<Outcome> {
    if let Some(end) = &new.expires {
        serde_json::from_value::<Expiry>(end.as_str().into())
            .map_err(|error| anyhow::anyhow!("--expires: {error}"))?;
    }
    let token =
        ApiKey::generate_for_operator().map_err(|_| anyhow::anyhow!("the system gave no randomness"))?;
    let digest = token.digest().to_string();
    if new.json {
        say(json!({
            "token": token.reveal(), "name": new.name, "role": new.role.as_str(), "id": new.id,
            "sha256": digest, "expires": new.expires,
        }));
        return Ok(Outcome::Good);
    }
    remark("This token is shown once. Give it to the operator; the gateway keeps only its SHA-256.");
    say(token.reveal());
    remark("");
    remark("Paste into the configuration:");
    say("");
    say(block(new, &digest));
    Ok(Outcome::Good)
}

/// The block of configuration for a token. Names are written as JSON strings, which YAML reads as they are.
fn block(new: &NewOperator, sha256: &str) -> String {
    let expires = new.expires.as_ref().map(|end| format!(", expires: {}", json!(end))).unwrap_or_default();
    format!(
        "admin:\n  operators:\n    {}:\n      role: {}\n      credentials:\n        - {{ id: {}, token: {{ sha256: \"{sha256}\"{expires} }} }}",
        json!(new.name),
        new.role.as_str(),
        json!(new.id),
    )
}

impl OperatorRole {
    fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Security => "security",
        }
    }
}
