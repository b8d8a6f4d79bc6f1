//! The `portcullis` command: argv, allocator, exit codes. What it does lives in `commands`.
//!
//! Exit codes: 0 good; 1 the answer is no (findings, or refused by a running gateway); 2 usage, or input that
//! cannot be read or is invalid.

mod args;
mod commands;
mod difference;
mod operator;
mod output;
mod overlay;
mod quick;
mod revisions;
mod sample;
mod sarif;
mod service;
mod standing;
mod subject;
mod table;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Verb};
use crate::output::Outcome;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match args.verb {
        Verb::Run(run) => commands::run::run(&run),
        Verb::Demo(demo) => commands::demo::demo(&demo),
        Verb::Mock(mock) => commands::mock::mock(&mock),
        Verb::Check(check) => commands::check::check(&check),
        Verb::Init(init) => commands::init::init(&init),
        Verb::Routes(routes) => commands::routes::routes(&routes),
        Verb::Coverage(coverage) => commands::coverage::coverage(&coverage),
        Verb::Keys(keys) => commands::keys::keys(&keys),
        Verb::Consumers(consumers) => commands::consumers::consumers(&consumers),
        Verb::Operators(operators) => commands::operators::operators(&operators),
        Verb::Explain(explain) => commands::explain::explain(&explain),
        Verb::Access(access) => commands::access::access(&access),
        Verb::Audit(audit) => commands::audit::audit(&audit),
        Verb::Lint(lint) => commands::lint::lint(&lint),
        Verb::Status(ask) => commands::status::status(&ask),
        Verb::Diff(diff) => commands::diff::diff(&diff),
        Verb::Apply(apply) => commands::apply::apply(&apply),
        Verb::Confirm(ask) => commands::apply::confirm(&ask),
        Verb::Rollback(rollback) => commands::apply::rollback(&rollback),
        Verb::Drain(drain) => commands::drain::drain(&drain),
        Verb::Certs(certs) => commands::certs::certs(&certs),
        Verb::Drift(ask) => commands::drift::drift(&ask),
        Verb::Bounds(bounds) => commands::bounds::bounds(&bounds),
        Verb::Schema => commands::schema::schema(),
        Verb::Healthcheck(healthcheck) => commands::healthcheck::healthcheck(&healthcheck),
        Verb::Completions(completions) => commands::completions::completions(&completions),
        Verb::Version => commands::version::version(),
    };
    match outcome {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(1),
        Err(error) => {
            output::complain(&error);
            ExitCode::from(2)
        }
    }
}
