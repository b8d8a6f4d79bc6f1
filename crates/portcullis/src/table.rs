//! What `routes`, `bounds`, `certs` and `drift` print as JSON, from a file or from a running gateway.

use std::sync::Arc;
use std::time::Duration;

use portcullis_gateway::bounds::Bounds;
use portcullis_gateway::certificates::Certificate;
use portcullis_gateway::observe::{Observe, timestamp};
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

/// How what is asked and answered drifts from what is declared.
pub(crate) fn drift(operations: &[Arc<Operation>], observe: &Observe) -> Value {
    let with = |operation: &Operation, more: Value| {
        let mut row = json!({
            "api": &*operation.api,
            "operation": &*operation.name,
            "method": &*operation.method,
            "path": &*operation.template,
        });
        if let (Some(row), Value::Object(more)) = (row.as_object_mut(), more) {
            row.extend(more);
        }
        row
    };
    let (mut zombie, mut deprecated, mut undeclared) = (Vec::new(), Vec::new(), Vec::new());
    let mut undeclared_forgotten = 0_u64;
    for operation in operations.iter().filter(|operation| !operation.is_ours()) {
        let metrics = &operation.metrics;
        match metrics.used() {
            None => {
                let since = json!({ "published_since": timestamp::format(metrics.begun()) });
                zombie.push(with(operation, since));
            }
            Some(seen) if metrics.is_deprecated() => deprecated.push(with(operation, json!(seen))),
            Some(_) => {}
        }
        let (seen, forgotten) = metrics.undeclared_names();
        undeclared_forgotten = undeclared_forgotten.saturating_add(forgotten);
        undeclared.extend(seen.iter().map(|name| with(operation, json!(name))));
    }
    let (shadow, shadow_forgotten) = observe.shadow();
    json!({
        "shadow": shadow,
        "shadow_forgotten": shadow_forgotten,
        "zombie": zombie,
        "deprecated": deprecated,
        "undeclared": undeclared,
        "undeclared_forgotten": undeclared_forgotten,
    })
}
