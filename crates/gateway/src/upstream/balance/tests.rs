#![expect(clippy::arithmetic_side_effects, reason = "tests fail loudly")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{Caller, seed};
use crate::clock::{self, Instant};
use crate::pipeline::UnderWay;
use crate::upstream::Backend;
use crate::upstream::spec::{Balance, TargetSpec};
use crate::upstream::tests::rig::spec;

const NOBODY: Caller<'static> = Caller::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));

fn backend(balance: Balance, weights: &[u16]) -> Backend {
    let mut spec = spec(1);
    spec.balance = balance;
    spec.targets = (1..)
        .zip(weights)
        .map(|(port, weight)| TargetSpec { port, weight: *weight, ..spec.targets[0].clone() })
        .collect();
    Backend::new(spec, 1).expect("a backend")
}

fn shares(counts: &[usize]) -> Vec<f64> {
    let all: usize = counts.iter().sum();
    counts.iter().map(|count| *count as f64 / all as f64).collect()
}

fn leave_out(backend: &Backend, at: usize, now: Instant) {
    for _ in 0..backend.spec().eject.failures {
        backend.targets()[at].standing.failed(now, now);
    }
}

/// A closed loop: `clients` requests are always under way, and target `at` takes `delays[at]` microseconds for each.
/// Whom the requests went to, and how long each took.
fn load(backend: &Backend, delays: &[u64], clients: usize, requests: usize) -> (Vec<usize>, Vec<u64>) {
    let born = clock::now();
    let mut counts = vec![0; delays.len()];
    let mut took = Vec::new();
    let mut ends: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut under_way: Vec<Option<(usize, u64, UnderWay)>> = Vec::new();
    let mut now = 0;
    for number in 0..requests {
        if ends.len() == clients {
            let Reverse((end, ended)) = ends.pop().expect("one under way");
            now = end;
            let (at, began, place) = under_way[ended].take().expect("it is under way");
            drop(place);
            let (began, end) = (born + Duration::from_micros(began), born + Duration::from_micros(end));
            backend.targets()[at].standing.answered(began, Some(end - began), end);
        }
        let at = backend.choose(NOBODY, born + Duration::from_micros(now), &[]).expect("a target");
        counts[at] += 1;
        // A little noise, the same in every run.
        let delay = delays[at] + delays[at] / 100 * (super::mix(number as u64) % 40);
        took.push(delay);
        ends.push(Reverse((now + delay, number)));
        under_way.push(Some((at, now, backend.targets()[at].standing.in_flight.enter())));
    }
    (counts, took)
}

fn p99(mut took: Vec<u64>) -> u64 {
    took.sort_unstable();
    took[took.len() * 99 / 100]
}

#[test]
fn weights_hold_within_two_percent() {
    for balance in [Balance::RoundRobin, Balance::LeastRequests, Balance::PeakEwma] {
        for weights in [[1, 1, 1], [3, 1, 1], [5, 3, 2], [1, 10, 9]] {
            for clients in [1, 2, 7, 32, 100] {
                let backend = backend(balance, &weights);
                let (counts, _) = load(&backend, &[5_000; 3], clients, 20_000);
                let all: u16 = weights.iter().sum();
                for (share, weight) in shares(&counts).into_iter().zip(weights) {
                    let due = f64::from(weight) / f64::from(all);
                    assert!((share - due).abs() < 0.02, "{balance:?} {weights:?} {clients}: {counts:?}");
                }
            }
        }
    }
}

#[test]
fn a_slow_target_does_not_make_the_slowest_hundredth() {
    for balance in [Balance::LeastRequests, Balance::PeakEwma] {
        for clients in [1, 4, 32, 200] {
            let (_, healthy) = load(&backend(balance, &[1; 3]), &[5_000; 3], clients, 20_000);
            let (counts, took) = load(&backend(balance, &[1; 3]), &[5_000, 50_000, 5_000], clients, 20_000);
            assert!(p99(took) <= 2 * p99(healthy), "{balance:?} {clients}: {counts:?}");
            assert!(counts[1] > 10, "{balance:?} {clients}: it is asked now and then: {counts:?}");
        }
    }
}

#[test]
fn a_target_that_is_fast_again_has_its_share_again() {
    for balance in [Balance::LeastRequests, Balance::PeakEwma] {
        let backend = backend(balance, &[1; 3]);
        load(&backend, &[5_000, 50_000, 5_000], 32, 20_000);
        load(&backend, &[5_000; 3], 32, 20_000);
        let (counts, _) = load(&backend, &[5_000; 3], 32, 20_000);
        let least = counts.iter().min().expect("three");
        assert!(*least > 6_000, "{balance:?}: {counts:?}");
    }
}

#[test]
fn the_least_busy_is_asked() {
    let backend = backend(Balance::LeastRequests, &[1; 3]);
    let now = clock::now();
    let _busy = [0, 0, 2].map(|at: usize| backend.targets()[at].standing.in_flight.enter());
    assert!((0..20).all(|_| backend.choose(NOBODY, now, &[]) == Some(1)));
    assert_eq!(backend.choose(NOBODY, now, &[1]), Some(2));
}

#[test]
fn whoever_is_left_out_or_was_tried_is_not_asked_and_the_others_share_alike() {
    for balance in [Balance::RoundRobin, Balance::LeastRequests, Balance::PeakEwma, Balance::Hash] {
        let backend = backend(balance, &[1; 3]);
        let now = clock::now();
        leave_out(&backend, 1, now);
        let mut counts = [0_usize; 3];
        for number in 0..3_000_u32 {
            let caller = Caller::Address(IpAddr::V4(number.into()));
            counts[backend.choose(caller, now, &[]).expect("a target")] += 1;
        }
        assert_eq!(backend.choose(NOBODY, now, &[0]), Some(2));
        // The only one left is asked although it is left out.
        assert_eq!(backend.choose(NOBODY, now, &[0, 2]), Some(1));
        assert_eq!(backend.choose(NOBODY, now, &[0, 1, 2]), None);
        assert_eq!(counts[1], 0, "{balance:?}");
        assert!(counts[0].abs_diff(counts[2]) < 150, "{balance:?} {counts:?}");
    }
}

#[test]
fn when_all_are_left_out_all_are_asked() {
    for balance in [Balance::RoundRobin, Balance::LeastRequests, Balance::PeakEwma, Balance::Hash] {
        let backend = backend(balance, &[1; 3]);
        let now = clock::now();
        (0..3).for_each(|at| leave_out(&backend, at, now));
        let mut counts = [0_usize; 3];
        for number in 0..300_u32 {
            let caller = Caller::Address(IpAddr::V4(number.into()));
            counts[backend.choose(caller, now, &[]).expect("a target")] += 1;
        }
        assert!(counts.iter().all(|count| *count > 60), "{balance:?} {counts:?}");
    }
}

#[test]
fn a_target_that_was_let_in_again_starts_slowly() {
    for balance in [Balance::RoundRobin, Balance::LeastRequests, Balance::PeakEwma, Balance::Hash] {
        let backend = backend(balance, &[1; 2]);
        let now = clock::now();
        leave_out(&backend, 1, now);
        let share = |millis: u64| {
            let now = now + Duration::from_millis(millis);
            let asked = |number: u32| backend.choose(Caller::Address(IpAddr::V4(number.into())), now, &[]);
            (0..4_000).filter(|number| asked(*number) == Some(1)).count()
        };
        let (first, later, full) = (share(5_100), share(10_000), share(15_001));
        assert!((50..400).contains(&first), "{balance:?} {first}");
        assert!((600..1_700).contains(&later), "{balance:?} {later}");
        assert!((1_850..2_150).contains(&full), "{balance:?} {full}");
    }
}

#[test]
fn the_same_caller_has_the_same_target_in_every_process() {
    // Written down once: a change of these numbers moves every caller of every installation.
    assert_eq!(seed("http://127.0.0.1:1"), 880_142_223_171_255_375);
    let backend = backend(Balance::Hash, &[1; 5]);
    let now = clock::now();
    let callers = ["partner", "mobile-app", "internal", "batch", ""];
    let chosen = callers.map(|name| backend.choose(Caller::Consumer(name), now, &[]).expect("a target"));
    assert_eq!(chosen, [4, 1, 3, 0, 0]);
    for name in callers {
        let first = backend.choose(Caller::Consumer(name), now, &[]);
        assert!((0..20).all(|_| backend.choose(Caller::Consumer(name), now, &[]) == first));
    }
}

#[test]
fn a_target_more_moves_its_own_callers_only() {
    let now = clock::now();
    for count in [2_usize, 3, 10, 50] {
        let before = backend(Balance::Hash, &vec![1; count]);
        let after = backend(Balance::Hash, &vec![1; count + 1]);
        let mut moved = 0;
        for number in 0..20_000_u32 {
            let caller = Caller::Address(IpAddr::V4(number.into()));
            let (old, new) = (before.choose(caller, now, &[]), after.choose(caller, now, &[]));
            if old != new {
                assert_eq!(new, Some(count), "it moves to the new one or not at all");
                moved += 1;
            }
        }
        let share = f64::from(moved) / 20_000.0;
        assert!(share <= 1.2 / (count + 1) as f64, "{count}: {share}");
    }
}

#[test]
fn heavy_targets_have_more_callers() {
    let backend = backend(Balance::Hash, &[6, 3, 1]);
    let now = clock::now();
    let mut counts = [0; 3];
    for number in 0..50_000_u32 {
        let caller = Caller::Address(IpAddr::V4(number.into()));
        counts[backend.choose(caller, now, &[]).expect("a target")] += 1;
    }
    for (share, due) in shares(&counts).into_iter().zip([0.6, 0.3, 0.1]) {
        assert!((share - due).abs() < 0.02, "{counts:?}");
    }
}
