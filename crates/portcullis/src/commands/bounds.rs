//! `portcullis bounds`: every bound of the data plane in one table.

use portcullis_gateway::bounds::Bounds;
use serde_json::json;

use crate::args::Inspect;
use crate::output::{Outcome, say};

/// Prints the table.
pub(crate) fn bounds(inspect: &Inspect) -> anyhow::Result<Outcome> {
    let table = Bounds::table();
    if inspect.json {
        let rows: Vec<_> = table
            .iter()
            .map(|row| {
                json!({
                    "key": row.key, "default": row.default.to_string(), "least": row.least.to_string(),
                    "most": row.most.to_string(), "unit": row.unit, "per_operation": row.per_operation,
                    "protects": row.protects,
                })
            })
            .collect();
        say(serde_json::to_string_pretty(&rows)?);
        return Ok(Outcome::Good);
    }
    for row in table {
        say(format_args!("{:<26} {:>10}  {}", row.key, row.default.to_string(), row.protects));
    }
    Ok(Outcome::Good)
}
