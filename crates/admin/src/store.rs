//! Consumers and credentials, as the admin API offers them.
//!
//! Whatever is asked here waits for the store, for a bounded time; nothing else of the gateway does.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use portcullis_gateway::store::{
    Command, NewConsumer, NewCredential, NewEnd, OVERLAP_MAX, Store, StoreError,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::{parameter, query};
use crate::caller::Caller;
use crate::reply::{
    self, Reply, STORE_AWAY, STORE_CONFLICT, STORE_MISSING, STORE_NONE, STORE_WISH_UNREADABLE,
};

/// What may be asked of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreAct {
    List,
    Show,
    Put,
    Delete,
    Add,
    Rotate,
    Expire,
    Revoke,
    Audit,
}

impl StoreAct {
    /// The parameter of its query, if it has one, as an OpenAPI document says it.
    pub(crate) fn query(self) -> Option<Value> {
        let most = u64::try_from(OVERLAP_MAX.as_millis()).unwrap_or(u64::MAX);
        Some(match self {
            Self::List => query("after", json!({ "type": "string" }), "The last name that is known already."),
            Self::Put => query("new", json!({ "type": "boolean" }), "Whether it must be new."),
            Self::Rotate => query(
                "overlap_ms",
                json!({ "type": "integer", "minimum": 0, "maximum": most, "default": 0 }),
                "Milliseconds for which the old key goes on.",
            ),
            Self::Audit => {
                query("before", json!({ "type": "integer" }), "The last revision that is known already.")
            }
            Self::Show | Self::Delete | Self::Add | Self::Expire | Self::Revoke => return None,
        })
    }

    /// The schema of its body, if it takes one.
    pub(crate) fn body(self) -> Option<Value> {
        let texts = || json!({ "type": "array", "items": { "type": "string" } });
        let time = || json!({ "type": "string", "description": "A day such as 2027-06-30, or an instant such as 2027-06-30T12:00:00Z." });
        match self {
            Self::Put => Some(json!({
                "type": "object", "required": ["apis"], "additionalProperties": false,
                "properties": { "apis": { "type": "array", "minItems": 1, "items": { "type": "string" }, "description": "Names of APIs, or `*` alone." } },
            })),
            Self::Add => Some(json!({
                "type": "object", "required": ["kind"], "additionalProperties": false,
                "properties": {
                    "kind": { "enum": ["api_key", "basic", "san", "subject", "spiffe"] },
                    "id": { "type": "string" },
                    "name": { "type": "string", "description": "The user, or what the certificate says of its holder." },
                    "password": { "type": "string", "minLength": 12, "maxLength": 256 },
                    "scopes": texts(), "addresses": texts(),
                    "with_certificate": { "type": "string", "pattern": "^[0-9a-fA-F]{64}$" },
                    "not_before": time(), "expires": time(),
                },
            })),
            Self::Expire => Some(json!({
                "type": "object", "required": ["expires"], "additionalProperties": false,
                "properties": { "expires": time() },
            })),
            Self::List | Self::Show | Self::Delete | Self::Rotate | Self::Revoke | Self::Audit => None,
        }
    }
}

/// Asks the store.
pub(crate) async fn answer(
    store: Option<Store>,
    act: StoreAct,
    ids: &[&str],
    query: &str,
    body: &Bytes,
    caller: &Caller,
) -> Reply {
    let Some(store) = store else {
        return reply::problem(
            &STORE_NONE.with("with `state: none` and without `stores.durable` nothing is kept"),
        );
    };
    let command = match command(act, ids, query, body) {
        Ok(command) => command,
        Err(reason) => return reply::problem(&STORE_WISH_UNREADABLE.with(reason)),
    };
    match store.ask(command, caller.name()).await {
        Ok(answer) => reply::json(StatusCode::OK, &answer),
        Err(error) => {
            let kind = match &error {
                StoreError::Away(_) | StoreError::Busy => &STORE_AWAY,
                StoreError::Conflict(_) => &STORE_CONFLICT,
                StoreError::Missing(_) => &STORE_MISSING,
                StoreError::Invalid(_) => &STORE_WISH_UNREADABLE,
            };
            reply::problem(&kind.with(error.to_string()))
        }
    }
}

fn command(act: StoreAct, ids: &[&str], query: &str, body: &Bytes) -> Result<Command, String> {
    let id = |at: usize| ids.get(at).map(|id| (*id).to_owned()).unwrap_or_default();
    let number = |name: &str| match parameter(query, name) {
        None => Ok(None),
        Some(text) => text.parse::<u32>().map(Some).map_err(|_| format!("`{name}` is a whole number")),
    };
    Ok(match act {
        StoreAct::List => Command::List { after: parameter(query, "after").unwrap_or_default().to_owned() },
        StoreAct::Show => Command::Show(id(0)),
        StoreAct::Put => {
            let must_be_new = match parameter(query, "new") {
                None | Some("false") => false,
                Some("true") => true,
                Some(_) => return Err("`new` is true or false".to_owned()),
            };
            Command::Put { name: id(0), grant: read::<NewConsumer>(body)?, must_be_new }
        }
        StoreAct::Delete => Command::Delete(id(0)),
        StoreAct::Add => Command::Add(id(0), read::<NewCredential>(body)?),
        StoreAct::Rotate => {
            let overlap = match parameter(query, "overlap_ms").map(str::parse::<u64>) {
                None => Duration::ZERO,
                Some(Ok(millis)) => Duration::from_millis(millis),
                Some(Err(_)) => return Err("`overlap_ms` is a whole number of milliseconds".to_owned()),
            };
            Command::Rotate { consumer: id(0), id: id(1), overlap }
        }
        StoreAct::Expire => Command::Expire(id(0), id(1), read::<NewEnd>(body)?),
        StoreAct::Revoke => Command::Revoke(id(0), id(1)),
        StoreAct::Audit => Command::Audit { before: number("before")?.map(i64::from) },
    })
}

/// SECURITY: an error of serde's may quote the value, which may be a password; it says the place alone.
fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        let is_about_names = text.starts_with("unknown field") || text.starts_with("missing field");
        if is_about_names {
            text
        } else {
            format!("the body is not as the OpenAPI document says, at column {}", error.column())
        }
    })
}
