use super::Schedule;

fn turns(weights: &[u16], count: usize) -> Vec<usize> {
    let schedule = Schedule::new(weights).expect("some weight");
    (0..count).map(|_| schedule.at(schedule.next())).collect()
}

#[test]
fn a_heavy_target_takes_its_turns_spread_out() {
    assert_eq!(turns(&[3, 1], 8), [0, 0, 1, 0, 0, 0, 1, 0]);
    assert_eq!(turns(&[5, 1, 1], 7), [0, 0, 1, 0, 2, 0, 0]);
}

#[test]
fn equal_weights_take_turns() {
    assert_eq!(turns(&[7, 7], 4), [0, 1, 0, 1]);
    assert_eq!(turns(&[1], 3), [0, 0, 0]);
}

#[test]
fn a_target_of_weight_zero_has_no_turn() {
    assert_eq!(turns(&[0, 2, 0], 3), [1, 1, 1]);
    assert!(Schedule::new(&[0, 0]).is_none());
    assert!(Schedule::new(&[]).is_none());
}

#[test]
fn large_weights_keep_their_proportion_within_the_bound() {
    let schedule = Schedule::new(&[60_000, 30_000, 1]).expect("weights");
    assert!(schedule.turns.len() <= super::TURNS_MAX + 3);
    let share = |target: u16| schedule.turns.iter().filter(|turn| **turn == target).count();
    assert!(share(0).abs_diff(2 * share(1)) <= 2);
    assert_eq!(share(2), 1);
}
