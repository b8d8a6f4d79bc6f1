//! What `routes`, `bounds` and `certs` print as JSON, from a file or from a running gateway.

use std::sync::Arc;
use std::time::Duration;

use portcullis_gateway::bounds::Bounds;
use portcullis_gateway::certificates::Certificate;
use portcullis_gateway::pipeline::Operation;
use serde_json::{Value, json};

/// The published operations.
pub(crate) fn routes(operations: &[Arc<Operation>]) -> Value {
    let row = |operation: &Arc<Operation>| {
        json!({
            "method": &*operation.method,
            "path": &*operation.template,
            "api": &*operation.api,
            "operation": &*operation.name,
            "auth": operation.authentication.to_string(),
            "place": &*operation.place,
        })
    };
    operations.iter().map(row).collect()
}

/// The bounds of the data plane.
pub(crate) fn bounds() -> Value {
    let row = |row: &portcullis_gateway::bounds::BoundRow| {
        json!({
            "key": row.key,
            "default": row.default.to_string(),
            "least": row.least.to_string(),
            "most": row.most.to_string(),
            "unit": row.unit,
            "per_operation": row.per_operation,
            "protects": row.protects,
        })
    };
    Bounds::table().iter().map(row).collect()
}

/// The certificates that are used or trusted, with the days they have left.
pub(crate) fn certificates(all: &[Certificate], now: Duration) -> Value {
    let row = |one: &Certificate| {
        let mut row = json!(one);
        if let (Some(row), Some(days)) = (row.as_object_mut(), one.days_left(now)) {
            row.insert("days_left".to_owned(), days.into());
        }
        row
    };
    all.iter().map(row).collect()
}
