#![expect(clippy::arithmetic_side_effects, reason = "tests fail loudly")]

use std::time::Duration;

use super::{EjectSpec, FULL_SHARE, HealthSpec, Standing, Turn};
use crate::clock::{self, Instant};
use crate::pipeline::InFlight;

const RULES: EjectSpec = EjectSpec {
    failures: 3,
    time: Duration::from_secs(5),
    time_max: Duration::from_secs(20),
    slow_start: Duration::from_secs(10),
};

struct Rig {
    standing: Standing,
    born: Instant,
}

impl Rig {
    fn new(rules: EjectSpec) -> Self {
        let born = clock::now();
        Self { standing: Standing::new(InFlight::at(&"target".into()), rules, false, born), born }
    }

    fn at(&self, millis: u64) -> Instant {
        self.born + Duration::from_millis(millis)
    }

    fn fails(&self, millis: u64) -> Option<u64> {
        self.standing.failed(self.at(millis), self.at(millis)).map(|time| time.as_secs())
    }

    fn answers(&self, millis: u64) {
        self.standing.answered(self.at(millis), None, self.at(millis));
    }

    fn checks(&self, millis: u64, is_good: bool) -> Option<Turn> {
        let rules = HealthSpec {
            path: "/healthz".to_owned(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            healthy: 2,
            unhealthy: 3,
            status: Vec::new(),
        };
        self.standing.checked(is_good, &rules, self.at(millis))
    }

    fn share(&self, millis: u64) -> u64 {
        self.standing.share(self.at(millis))
    }
}

#[test]
fn failures_in_a_row_leave_it_out_and_an_answer_between_does_not() {
    let rig = Rig::new(RULES);
    for _ in 0..10 {
        assert_eq!((rig.fails(10), rig.fails(10)), (None, None));
        rig.answers(10);
    }
    assert_eq!(rig.share(10), FULL_SHARE);
    assert_eq!((rig.fails(20), rig.fails(20), rig.fails(20)), (None, None, Some(5)));
    assert_eq!((rig.share(20), rig.share(5_019)), (0, 0));
    assert_eq!(rig.standing.totals(), (23, 1));
}

#[test]
fn its_share_grows_when_it_is_let_in_again() {
    let rig = Rig::new(RULES);
    for _ in 0..3 {
        rig.fails(1_000);
    }
    let shares = [5_999, 6_000, 8_500, 11_000, 15_990, 16_000].map(|at| rig.share(at));
    assert_eq!(shares, [0, 16, 64, 128, 255, FULL_SHARE]);
}

#[test]
fn failing_on_its_return_doubles_the_time_up_to_the_most() {
    let rig = Rig::new(RULES);
    rig.fails(0);
    rig.fails(0);
    assert_eq!(rig.fails(0), Some(5));
    assert_eq!(rig.fails(5_001), Some(10));
    assert_eq!(rig.fails(15_002), Some(20));
    assert_eq!(rig.fails(35_003), Some(20));
    // Well for as long as it was out: begun anew.
    assert_eq!((rig.fails(76_000), rig.fails(76_000), rig.fails(76_000)), (None, None, Some(5)));
}

#[test]
fn a_request_from_before_says_nothing_new() {
    let rig = Rig::new(RULES);
    for _ in 0..3 {
        rig.fails(100);
    }
    let late = rig.standing.failed(rig.at(50), rig.at(9_000));
    assert_eq!(late, None);
    rig.standing.answered(rig.at(50), None, rig.at(200));
    assert_eq!(rig.share(200), 0, "what was asked before says nothing of now");
}

#[test]
fn an_answer_for_lack_of_others_lets_it_in() {
    let rig = Rig::new(RULES);
    for _ in 0..3 {
        rig.fails(100);
    }
    rig.answers(1_000);
    assert!(rig.share(1_000) > 0);
}

#[test]
fn without_a_number_of_failures_it_is_never_left_out() {
    let rig = Rig::new(EjectSpec { failures: 0, ..RULES });
    assert!((0..100).all(|at| rig.fails(at).is_none()));
    assert_eq!(rig.share(100), FULL_SHARE);
}

#[test]
fn latency_is_an_average_that_one_answer_moves_little() {
    let rig = Rig::new(RULES);
    let sample = |millis, took| rig.standing.sample(Duration::from_millis(took), rig.at(millis));
    let latency = |millis| rig.standing.latency(rig.at(millis));
    sample(1, 70);
    (2..4).for_each(|at| sample(at, 10));
    assert_eq!(latency(4), None, "a few answers are no average");
    sample(4, 10);
    assert!(latency(4).is_some_and(|latency| latency.abs_diff(25_000) < 500), "the mean at first");
    (5..200).for_each(|at| sample(at, 10));
    assert!(latency(200).is_some_and(|latency| latency < 10_200));
    sample(201, 170);
    assert!(latency(201).is_some_and(|latency| latency.abs_diff(20_000) < 500));
    // After a silence, old answers say less, and at last nothing.
    sample(5_000, 40);
    assert!(latency(5_000).is_some_and(|latency| latency.abs_diff(30_000) < 500));
    assert_eq!(latency(35_000), None);
}

#[test]
fn a_peak_is_seen_at_once() {
    let born = clock::now();
    let standing = Standing::new(InFlight::at(&"target".into()), RULES, true, born);
    let sample = |took| standing.sample(Duration::from_millis(took), born);
    (0..20).for_each(|_| sample(10));
    sample(90);
    assert_eq!(standing.latency(born), Some(90_000));
    sample(10);
    assert_eq!(standing.latency(born), Some(85_000));
}

#[test]
fn failed_checks_in_a_row_leave_it_out_and_good_ones_let_it_in_slowly() {
    let rig = Rig::new(RULES);
    assert_eq!(rig.checks(0, true), None);
    for millis in [1, 2, 10, 11] {
        assert_eq!(rig.checks(millis, false), None);
        assert_eq!(rig.checks(millis, millis % 10 == 2), None, "two in a row are not three");
        assert_eq!(rig.checks(millis, true), None);
    }
    assert_eq!((rig.checks(20, false), rig.checks(20, false), rig.share(20)), (None, None, FULL_SHARE));
    assert_eq!((rig.checks(21, false), rig.share(21)), (Some(Turn::Out), 0));
    assert_eq!((rig.checks(22, false), rig.share(100_000)), (None, 0));
    assert_eq!((rig.checks(100_000, true), rig.share(100_000)), (None, 0));
    assert_eq!(rig.checks(100_000, true), Some(Turn::In));
    let shares = [100_000, 105_000, 110_000].map(|millis| rig.share(millis));
    assert_eq!((shares[1], shares[2]), (FULL_SHARE / 2, FULL_SHARE));
    assert!(shares[0] > 0 && shares[0] < FULL_SHARE / 8);
    assert_eq!(rig.checks(110_001, true), None);
}

#[test]
fn before_the_first_good_check_one_failure_is_enough_and_nobody_waits_for_it() {
    let rig = Rig::new(RULES);
    assert_eq!(rig.share(0), FULL_SHARE);
    assert_eq!((rig.checks(1, false), rig.share(1)), (Some(Turn::Out), 0));
    rig.standing.forget_checks();
    assert_eq!((rig.share(2), rig.checks(2, false)), (FULL_SHARE, Some(Turn::Out)));
}

#[test]
fn good_checks_end_the_first_ejection_and_no_later_one() {
    let rig = Rig::new(RULES);
    for millis in 0..5 {
        rig.checks(millis, true);
    }
    assert_eq!((rig.fails(10), rig.fails(10), rig.fails(10)), (None, None, Some(5)));
    assert_eq!((rig.checks(11, true), rig.share(11)), (None, 0), "those before count for nothing");
    assert_eq!(rig.checks(12, true), Some(Turn::In));
    assert!(rig.share(12) > 0);
    // Again on its return: now it serves its time.
    assert_eq!(rig.fails(13), Some(10));
    for millis in 14..30 {
        assert_eq!((rig.checks(millis, true), rig.share(millis)), (None, 0));
    }
    assert!(rig.share(10_013) > 0);
}

#[test]
fn a_target_that_fails_checks_and_requests_needs_both_to_be_over() {
    let rig = Rig::new(RULES);
    rig.checks(0, true);
    assert_eq!((rig.fails(10), rig.fails(10), rig.fails(10)), (None, None, Some(5)));
    assert_eq!(
        (rig.checks(11, false), rig.checks(12, false), rig.checks(13, false)),
        (None, None, Some(Turn::Out))
    );
    assert_eq!(rig.share(60_000), 0);
    rig.checks(60_000, true);
    assert_eq!(rig.checks(60_001, true), Some(Turn::In));
    assert!(rig.share(60_001) < FULL_SHARE && rig.share(60_001) > 0);
}
