//! How many exchanges something has under way, counted by guards.
//!
//! A guard lives as long as its exchange, whose end may be the last byte of an answer, a client that left, or a
//! panic: whatever drops the exchange gives its place back. One that has left can be used for the next exchange.

use std::sync::Arc;

use crate::tally::Tally;

/// A number of exchanges under way at something that has a name.
#[derive(Debug)]
pub struct InFlight(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    name: Arc<str>,
    number: Tally<1>,
}

/// One exchange under way, until it is dropped or has left.
#[derive(Debug)]
pub struct UnderWay {
    at: Arc<Counted>,
    has_left: bool,
}

impl InFlight {
    /// None yet at what is called `name`.
    pub fn at(name: &Arc<str>) -> Self {
        Self::by(name, Tally::default())
    }

    /// The same, where each exchange is to be told how many there are.
    // PERF: then every core would read what all others have written, line by line.
    pub fn asked_by_each(name: &Arc<str>) -> Self {
        Self::by(name, Tally::in_one())
    }

    fn by(name: &Arc<str>, number: Tally<1>) -> Self {
        Self(Arc::new(Counted { name: Arc::clone(name), number }))
    }

    /// Counts one until the answer is dropped.
    pub fn enter(&self) -> UnderWay {
        let mut entering = UnderWay { at: Arc::clone(&self.0), has_left: true };
        entering.come();
        entering
    }

    /// The same, with the guard of an exchange before if it was here.
    // PERF: no copy of an `Arc` and none to drop, which are two locked instructions.
    pub fn enter_with(&self, guard: &mut Option<UnderWay>) {
        match guard {
            Some(guard) if Arc::ptr_eq(&guard.at, &self.0) => guard.come(),
            _ => *guard = Some(self.enter()),
        }
    }

    /// How many are under way now.
    pub fn now(&self) -> usize {
        usize::try_from(self.0.number.level(0)).unwrap_or(usize::MAX)
    }
}

impl UnderWay {
    /// What it is at, or was.
    pub fn name(&self) -> &str {
        &self.at.name
    }

    /// Is counted no more.
    pub fn leave(&mut self) {
        if !self.has_left {
            self.has_left = true;
            self.at.number.subtract(0, 1);
        }
    }

    /// Is counted, once.
    fn come(&mut self) {
        if self.has_left {
            self.has_left = false;
            self.at.number.add(0, 1);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::InFlight;

    #[test]
    fn one_is_counted_until_it_leaves_or_is_dropped() {
        for here in [InFlight::at(&"here".into()), InFlight::asked_by_each(&"here".into())] {
            let (one, mut other) = (here.enter(), here.enter());
            assert_eq!((here.now(), one.name()), (2, "here"));
            other.leave();
            other.leave();
            assert_eq!((here.now(), other.name()), (1, "here"));
            drop((one, other));
            assert_eq!(here.now(), 0);
        }
    }

    #[test]
    fn a_guard_is_used_again_where_it_was() {
        let (here, there) = (InFlight::at(&"here".into()), InFlight::at(&"there".into()));
        let now = || (here.now(), there.now());
        let mut guard = None;
        here.enter_with(&mut guard);
        here.enter_with(&mut guard);
        assert_eq!(now(), (1, 0), "who is here already does not come again");
        there.enter_with(&mut guard);
        assert_eq!((now(), guard.as_ref().map(|guard| guard.name())), ((0, 1), Some("there")));
        let left = |guard: &mut Option<super::UnderWay>| guard.as_mut().expect("a guard").leave();
        left(&mut guard);
        assert_eq!(now(), (0, 0));
        there.enter_with(&mut guard);
        assert_eq!(now(), (0, 1));
        left(&mut guard);
        here.enter_with(&mut guard);
        assert_eq!(now(), (1, 0), "who has left is not counted out again");
        drop(guard);
        assert_eq!(now(), (0, 0));
    }

    #[test]
    fn who_is_dropped_by_another_thread_is_counted_no_more() {
        let here = InFlight::at(&"here".into());
        let guards: Vec<_> = std::thread::scope(|scope| {
            let enter = || {
                crate::tally::claim();
                here.enter()
            };
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(enter)).collect();
            threads.into_iter().map(|thread| thread.join().expect("a guard")).collect()
        });
        assert_eq!(here.now(), 3);
        drop(guards);
        assert_eq!(here.now(), 0);
    }
}
