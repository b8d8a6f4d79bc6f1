#![expect(clippy::arithmetic_side_effects, reason = "tests fail loudly")]

use std::time::Duration;

use super::{Breaker, Change, PROBES_GOOD, PROBES_MAX};
use crate::clock::{self, Instant};
use crate::upstream::spec::BreakerSpec;

const TIME: Duration = Duration::from_secs(5);

fn breaker() -> Breaker {
    Breaker::new(BreakerSpec { failures: 5_000, time: TIME, requests: 20 }, clock::now())
}

fn at(breaker: &Breaker, millis: u64) -> Instant {
    breaker.born + Duration::from_millis(millis)
}

/// `count` exchanges that end so at `millis`; the last change they made.
fn end(breaker: &Breaker, count: u32, has_failed: bool, millis: u64) -> Option<Change> {
    let now = at(breaker, millis);
    (0..count).filter_map(|_| breaker.enter(now).ok()?.settle(has_failed, now)).last()
}

fn opened() -> Breaker {
    let breaker = breaker();
    assert_eq!(end(&breaker, 20, true, 100), Some(Change::Opened(TIME)));
    breaker
}

#[test]
fn it_takes_the_minimum_of_requests_and_the_share() {
    let few = breaker();
    assert_eq!(end(&few, 19, true, 0), None);
    assert!(!few.is_open());
    let half = breaker();
    assert_eq!(end(&half, 20, false, 0), None);
    assert_eq!(end(&half, 19, true, 0), None, "19 of 39");
    assert_eq!(end(&half, 1, true, 0), Some(Change::Opened(TIME)), "20 of 40");
    assert!(half.is_open());
}

#[test]
fn what_was_long_ago_counts_no_more() {
    let breaker = breaker();
    end(&breaker, 19, true, 0);
    assert_eq!(end(&breaker, 1, true, 10_000), None, "the first second is out of the window");
    assert_eq!(end(&breaker, 18, true, 19_999), None);
    assert_eq!(end(&breaker, 1, true, 19_999), Some(Change::Opened(TIME)));
}

#[test]
fn an_open_circuit_says_how_long() {
    let breaker = opened();
    let wait = |millis| breaker.enter(at(&breaker, millis)).map(drop);
    assert_eq!(wait(100), Err(TIME));
    assert_eq!(wait(4_100), Err(Duration::from_secs(1)));
    assert_eq!(wait(5_099), Err(Duration::from_millis(1)));
    assert_eq!(wait(5_100), Ok(()));
    assert_eq!(breaker.totals(), (1, 3));
}

#[test]
fn on_trial_a_few_pass_at_once_and_a_few_answers_close_it() {
    let breaker = opened();
    let now = at(&breaker, 5_100);
    let mut passes: Vec<_> = (0..PROBES_MAX).map(|_| breaker.enter(now).expect("a probe")).collect();
    assert_eq!(breaker.enter(now).map(drop), Err(Duration::ZERO));
    drop(passes.pop());
    passes.push(breaker.enter(now).expect("the place of one that went away"));
    for good in 1..=PROBES_GOOD {
        let change = passes.remove(0).settle(false, now);
        assert_eq!(change, (good == PROBES_GOOD).then_some(Change::Closed));
    }
    assert!(!breaker.is_open());
    assert_eq!(passes.remove(0).settle(true, now), None, "too late to say anything");
    assert!(!breaker.is_open());
    assert_eq!(end(&breaker, 19, true, 5_200), None, "the count began anew");
}

#[test]
fn a_failure_on_trial_opens_it_again() {
    let breaker = opened();
    let now = at(&breaker, 6_000);
    let late = breaker.enter(now).expect("a probe");
    assert_eq!(breaker.enter(now).expect("a probe").settle(false, now), None);
    assert_eq!(breaker.enter(now).expect("a probe").settle(true, now), Some(Change::Opened(TIME)));
    assert_eq!(late.settle(false, now), None);
    assert_eq!(breaker.enter(now).map(drop), Err(TIME));
    let now = at(&breaker, 11_000);
    for _ in 1..PROBES_GOOD {
        assert_eq!(breaker.enter(now).expect("a probe").settle(false, now), None, "counted anew");
    }
    assert_eq!(breaker.enter(now).expect("a probe").settle(false, now), Some(Change::Closed));
}

#[test]
fn requests_under_way_when_it_opened_say_nothing() {
    let breaker = breaker();
    let now = at(&breaker, 100);
    let before = breaker.enter(now).expect("a pass");
    end(&breaker, 20, true, 100);
    assert_eq!(before.settle(true, at(&breaker, 200)), None);
    assert_eq!(breaker.enter(at(&breaker, 200)).map(drop), Err(TIME - Duration::from_millis(100)));
    assert_eq!(breaker.totals().0, 1);
}
