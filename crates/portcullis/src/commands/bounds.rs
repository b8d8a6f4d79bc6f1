//! `portcullis bounds`: every bound of the data plane in one table.

use portcullis_gateway::bounds::Bounds;

use crate::args::Inspect;
use crate::output::{Outcome, say};
use crate::table;

/// Prints the table.
pub(crate) fn bounds(inspect: &Inspect) -> anyhow::Result<Outcome> {
    if inspect.json {
        say(serde_json::to_string_pretty(&table::bounds())?);
        return Ok(Outcome::Good);
    }
    for row in Bounds::table() {
        say(format_args!("{:<26} {:>10}  {}", row.key, row.default.to_string(), row.protects));
    }
    Ok(Outcome::Good)
}
