#![expect(clippy::arithmetic_side_effects, reason = "tests fail loudly")]

use std::thread;
use std::time::Duration;

use super::{Account, Budget, FLOOR, PAUSE_FIRST, PAUSE_MAX, SEEN_BITS, Tries, WHOLE, pause};
use crate::clock;
use crate::upstream::spec::RetrySpec;

fn budget(percent: u32) -> Budget {
    Budget::new(RetrySpec { max: 3, budget: percent * 100 }, clock::now())
}

/// Requests that all want to be repeated; how many are.
fn repeated(budget: &Budget, requests: u64, after: Duration) -> u64 {
    let now = budget.born + after;
    (0..requests).filter(|_| budget.spend(&mut budget.begin(), now)).count() as u64
}

#[test]
fn repetitions_are_a_share_of_requests_and_a_few_more() {
    for percent in [0, 1, 10, 20, 100] {
        let budget = budget(percent);
        let spent = repeated(&budget, 1_000, Duration::ZERO);
        let share = 1_000 * u64::from(percent) / 100;
        assert!(spent <= share + FLOOR && spent >= share, "{percent} %: {spent}");
        assert_eq!(budget.totals(), (spent, 1_000 - spent));
    }
}

#[test]
fn good_times_save_up_no_more_than_the_floor() {
    let budget = budget(10);
    for _ in 0..50_000_000 % 1_000_003 {
        budget.begin();
    }
    let mut tries = Tries { left: u8::MAX, again: 0 };
    let spent = (0..100).filter(|_| budget.spend(&mut tries, budget.born)).count() as u64;
    assert_eq!(spent, FLOOR);
}

#[test]
fn a_second_earns_one_whatever_the_traffic() {
    let budget = budget(0);
    assert_eq!(repeated(&budget, 50, Duration::ZERO), FLOOR);
    assert_eq!(repeated(&budget, 50, Duration::from_secs(3)), 3);
    assert_eq!(repeated(&budget, 50, Duration::from_secs(3)), 0);
    assert_eq!(repeated(&budget, 50, Duration::from_secs(3_600)), FLOOR);
}

#[test]
fn one_request_is_repeated_as_often_as_max_says() {
    let budget = budget(100);
    let mut tries = budget.begin();
    let spent = (0..9).filter(|_| budget.spend(&mut tries, budget.born)).count();
    assert_eq!((spent, tries.again, tries.is_left()), (3, 3, false));
    assert_eq!(budget.totals(), (3, 0), "what `max` forbids asks no budget");
}

#[test]
fn cores_that_spend_at_once_spend_no_more() {
    let budget = budget(10);
    let spent: u64 = thread::scope(|scope| {
        let run = || repeated(&budget, 5_000, Duration::ZERO);
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a count")).sum()
    });
    assert!(spent <= 2_000 + FLOOR, "{spent}");
}

#[test]
fn who_is_late_earns_nothing() {
    let account = Account { saved: 0, seen: 100, second: 5 };
    let earned = |requests, second| account.earn(requests, second, 1_000).saved;
    assert_eq!((earned(99, 5), earned(100, 4), earned(0, 0)), (0, 0, 0));
    assert_eq!((earned(101, 5), earned(100, 6)), (1_000, WHOLE));
    let ahead = account.earn(99, 4, 1_000);
    assert_eq!((ahead.seen, ahead.second), (100, 5), "nor does it turn anything back");
    let round = Account { saved: 0, seen: (1 << SEEN_BITS) - 1, second: 5 };
    assert_eq!(round.earn(1 << SEEN_BITS, 5, 1_000).saved, 1_000);
}

#[test]
fn pauses_grow_to_a_bound_and_are_spread() {
    for times in 0..40 {
        for random in [0, 1, u64::MAX / 3, u64::MAX] {
            let longest = PAUSE_FIRST.saturating_mul(1 << times.min(10)).min(PAUSE_MAX);
            let pause = pause(times, random);
            assert!(pause >= longest / 2 && pause <= longest, "{times} {random}: {pause:?}");
        }
    }
    assert_ne!(pause(3, 1), pause(3, 70_000));
}
