use std::time::Duration;

use super::{Replays, Seen};

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn nothing_is_forgotten_within_the_window() {
    for begin in 0..40 {
        for after in 0..10 {
            let mut replays = Replays::new(at(10), 100);
            // Others move the generations along.
            for other in 0..begin {
                assert_eq!(replays.judge([other as u8 + 100; 32], at(other)), Seen::First);
            }
            assert_eq!(replays.judge([1; 32], at(begin)), Seen::First);
            assert_eq!(replays.judge([2; 32], at(begin + after)), Seen::First);
            assert_eq!(replays.judge([1; 32], at(begin + after)), Seen::Before, "{begin} {after}");
        }
    }
}

#[test]
fn it_is_bounded_and_says_so() {
    let mut replays = Replays::new(at(10), 2);
    assert!(replays.is_empty());
    assert_eq!(replays.judge([1; 32], at(0)), Seen::First);
    assert_eq!(replays.judge([2; 32], at(0)), Seen::First);
    assert_eq!(replays.judge([3; 32], at(9)), Seen::Full);
    assert_eq!(replays.judge([1; 32], at(9)), Seen::Before);
    assert_eq!(replays.judge([3; 32], at(10)), Seen::First);
    assert_eq!(replays.len(), 3);
    assert_eq!(replays.judge([1; 32], at(40)), Seen::First);
    assert_eq!(replays.len(), 1);
}
