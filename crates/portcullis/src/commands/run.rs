//! `portcullis run`: serves by a configuration file.

use portcullis_gateway::config;
use portcullis_gateway::observe::lifecycle::{self, Format};

use crate::args::Run;
use crate::output::{Outcome, findings};
use crate::service::{Service, Signals, Source, Wishes};

/// Serves until told to end.
pub(crate) fn run(run: &Run) -> anyhow::Result<Outcome> {
    let log = lifecycle::init(Format::Auto)?;
    let path = &run.config.config;
    let loaded = config::load(path).map_err(|found| findings(&found))?;
    let wishes = Wishes { state_dir: run.state_dir.clone(), workers: run.workers };
    let signals = Signals::install()?;
    let (service, _doors) = Service::start(&loaded, Source::File(path.clone()), wishes, &log)?;
    service.wait(signals)?;
    Ok(Outcome::Good)
}
