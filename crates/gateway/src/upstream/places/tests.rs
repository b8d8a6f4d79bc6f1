use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::{Busy, Places};
use crate::clock;
use crate::http::deadline::Deadline;
use crate::upstream::spec::ConcurrencySpec;

fn places(queue: u32, wait: Duration) -> Places {
    Places::new(ConcurrencySpec { max: 1, queue, wait })
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_place_that_comes_free_goes_to_whoever_waits_first() {
    let places = places(2, LONG);
    let held = places.take().expect("a place");
    assert!(places.take().is_none());
    let (mut one, mut other) = (Deadline::new(), Deadline::new());
    let (mut first, mut second) = (pin!(places.wait(&mut one, None)), pin!(places.wait(&mut other, None)));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut cx).is_pending() && second.as_mut().poll(&mut cx).is_pending());
    assert_eq!(places.waiting(), 2);
    let mut third = Deadline::new();
    assert_eq!(places.wait(&mut third, None).await.map(drop), Err(Busy::Queue));
    drop(held);
    assert!(places.take().is_none(), "those who wait go first");
    let Poll::Ready(Ok(held)) = first.as_mut().poll(&mut cx) else { panic!("the first has it") };
    assert!(second.as_mut().poll(&mut cx).is_pending());
    drop(held);
    assert!(second.as_mut().poll(&mut cx).is_ready());
    assert_eq!((places.waiting(), places.refused()), (0, 1));
}

#[tokio::test]
async fn who_goes_away_leaves_the_line() {
    let places = places(1, LONG);
    let held = places.take().expect("a place");
    {
        let mut deadline = Deadline::new();
        let mut waiting = pin!(places.wait(&mut deadline, None));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(places.waiting(), 1);
    }
    assert_eq!(places.waiting(), 0);
    drop(held);
    assert!(places.take().is_some(), "nobody has it who is not there");
}

#[tokio::test]
async fn the_wait_is_bounded_by_its_own_time_and_by_the_exchange() {
    for (wait, due) in [
        (Duration::from_millis(20), None),
        (LONG, clock::now().checked_add(Duration::from_millis(20))),
        (Duration::ZERO, None),
    ] {
        let places = places(1, wait);
        let _held = places.take().expect("a place");
        let mut deadline = Deadline::new();
        assert_eq!(places.wait(&mut deadline, due).await.map(drop), Err(Busy::Wait));
        assert_eq!((places.waiting(), places.refused()), (0, 1));
    }
}
