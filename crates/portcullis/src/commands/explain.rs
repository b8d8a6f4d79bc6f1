//! `portcullis explain`.

use crate::args::Explain;
use crate::output::Outcome;

pub(crate) fn explain(_explain: &Explain) -> anyhow::Result<Outcome> {
    anyhow::bail!("not built yet")
}
