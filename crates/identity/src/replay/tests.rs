use std::time::Duration;

use super::{Replays, Seen};

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn nothing_is_forgotten_within_the_window() {
    for begin in 0..40 {
        for after in 0..10 {
            let mut replays = Replays::new(at(10));
            // Others move the generations along.
            for other in 0..begin {
                assert_eq!(replays.judge([other as u8 + 100; 32], at(other), 100), Seen::First);
            }
            assert_eq!(replays.judge([1; 32], at(begin), 100), Seen::First);
            assert_eq!(replays.judge([2; 32], at(begin + after), 100), Seen::First);
            assert_eq!(replays.judge([1; 32], at(begin + after), 100), Seen::Before, "{begin} {after}");
        }
    }
}

#[test]
fn it_is_bounded_and_says_so() {
    let mut replays = Replays::new(at(10));
    assert!(replays.is_empty());
    assert_eq!(replays.judge([1; 32], at(0), 2), Seen::First);
    assert_eq!(replays.judge([2; 32], at(0), 2), Seen::First);
    assert_eq!(replays.judge([3; 32], at(9), 2), Seen::Full);
    assert_eq!(replays.judge([1; 32], at(9), 2), Seen::Before);
    assert_eq!(replays.judge([3; 32], at(10), 2), Seen::First);
    assert_eq!(replays.len(), 3);
    assert_eq!(replays.judge([1; 32], at(40), 2), Seen::First);
    assert_eq!(replays.len(), 1);
}
