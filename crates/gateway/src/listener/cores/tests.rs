use super::{Cores, Seat};

fn counts(seats: &[Seat], cores: usize) -> Vec<usize> {
    (0..cores).map(|core| seats.iter().filter(|seat| seat.core() == core).count()).collect()
}

#[test]
fn whoever_accepts_no_core_has_an_eighth_more_than_the_mean() {
    // Which core accepts the next connection: always the first, two of three times the first, in turn.
    let accepting: [fn(usize) -> usize; 3] = [|_| 0, |number| usize::from(number % 3 == 2), |number| number];
    for cores in [1, 2, 3, 8, 64] {
        for accepts in accepting {
            let (all, _inboxes) = Cores::new(cores);
            let seats: Vec<Seat> =
                (0..1000).map(|number| all.seat(accepts(number).min(number % cores))).collect();
            let counts = counts(&seats, cores);
            let most = counts.iter().max().expect("cores");
            assert!(most * cores * 8 <= 1000 * 9 + cores * 8, "{cores} cores: {counts:?}");
        }
    }
}

#[test]
fn a_core_within_the_mean_keeps_what_it_accepts() {
    let (cores, _inboxes) = Cores::new(2);
    let seats: Vec<Seat> = (0..100).map(|number| cores.seat(number % 2)).collect();
    assert_eq!(counts(&seats, 2), [50, 50]);
    assert_eq!(seats.iter().enumerate().filter(|(number, seat)| seat.core() != number % 2).count(), 0);
}

#[test]
fn a_connection_that_ends_makes_room_on_its_core() {
    let (cores, _inboxes) = Cores::new(2);
    let mut seats: Vec<Seat> = (0..100).map(|number| cores.seat(number % 2)).collect();
    seats.retain(|seat| seat.core() == 0);
    let next = cores.seat(0);
    assert_eq!(next.core(), 1, "core 0 has all");
}

#[tokio::test(start_paused = true)]
async fn a_core_that_does_not_turn_is_handed_nothing() {
    let (cores, _inboxes) = Cores::new(3);
    tokio::time::advance(super::SILENT_AFTER).await;
    cores.beat(0);
    cores.beat(2);
    let seats: Vec<Seat> = (0..30).map(|_| cores.seat(0)).collect();
    assert_eq!(counts(&seats, 3)[1], 0);
    assert!(counts(&seats, 3)[2] > 10);
}
