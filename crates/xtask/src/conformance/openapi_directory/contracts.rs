//! What of published definitions is enforced: each is compiled into a contract, as the gateway does at its start.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use portcullis_openapi::contract::{Contract, Gap, Options};
use portcullis_openapi::definition::Definition;

/// Kinds of gaps that are printed.
const KINDS_SHOWN: usize = 25;

/// What compiling comes to.
#[derive(Debug, Default)]
pub(super) struct Contracts {
    compiled: usize,
    /// Documents that do not compile, with the reason.
    pub(super) refused: Vec<String>,
    operations: usize,
    /// Operations of which everything is enforced.
    whole: usize,
    /// Operations of which every constraint of requests is.
    requests_whole: usize,
    /// Operations of which no request can be judged.
    uncovered: usize,
    gaps: BTreeMap<String, usize>,
    elapsed: Duration,
    slowest: (Duration, String),
}

impl Contracts {
    pub(super) fn document(&mut self, name: &str, definition: &Definition) {
        #[expect(clippy::disallowed_methods, reason = "a chore may read the clock")]
        let start = Instant::now();
        let contract = Contract::compile(definition, &Options::default());
        let elapsed = start.elapsed();
        self.elapsed = self.elapsed.saturating_add(elapsed);
        if elapsed > self.slowest.0 {
            self.slowest = (elapsed, name.to_owned());
        }
        match contract {
            Ok(contract) => self.contract(&contract),
            Err(findings) => {
                let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
                self.refused.push(format!("{name}: {}", findings.join("; ")));
            }
        }
    }

    fn contract(&mut self, contract: &Contract) {
        self.compiled = self.compiled.saturating_add(1);
        for index in 0..contract.coverage().operations.len() {
            let Some(operation) = contract.operation(index) else { continue };
            let add = |count: &mut usize, one: bool| *count = count.saturating_add(usize::from(one));
            add(&mut self.operations, true);
            add(&mut self.whole, operation.gaps().is_empty());
            add(&mut self.requests_whole, operation.request_gaps().next().is_none());
            add(&mut self.uncovered, operation.has_request_gap());
            for gap in operation.gaps() {
                add(self.gaps.entry(kind(gap)).or_default(), true);
            }
        }
    }

    pub(super) fn score(&self, score: &mut String) {
        for (key, count) in [
            ("contracts_compiled", self.compiled),
            ("contracts_refused", self.refused.len()),
            ("contract_operations", self.operations),
            ("contract_operations_whole", self.whole),
            ("contract_operations_with_whole_requests", self.requests_whole),
            ("contract_operations_of_which_no_request_is_judged", self.uncovered),
        ] {
            writeln!(score, "{key} = {count}").unwrap_or_default();
        }
    }

    pub(super) fn print(&self) {
        println!(
            "contracts    {:>7}  compiled, {} refused; {:.1} s, slowest {} with {:.2} s",
            self.compiled,
            self.refused.len(),
            self.elapsed.as_secs_f64(),
            self.slowest.1,
            self.slowest.0.as_secs_f64()
        );
        println!(
            "             {:>7}  operations of them, {} whole, {} with whole requests, {} of which no request is judged",
            self.operations, self.whole, self.requests_whole, self.uncovered
        );
        let mut gaps: Vec<_> = self.gaps.iter().collect();
        gaps.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (kind, count) in gaps.into_iter().take(KINDS_SHOWN) {
            println!("{count:>20}  {kind}");
        }
    }
}

/// A gap without what only its own document says: names and values.
fn kind(gap: &Gap) -> String {
    let mut kind = format!("{}: ", gap.side);
    let mut quote = None;
    for c in gap.why.chars() {
        match (quote, c) {
            (None, '`' | '"') => {
                quote = Some(c);
                kind.push('…');
            }
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, c) => kind.push(if c.is_ascii_digit() { '…' } else { c }),
        }
    }
    kind
}
