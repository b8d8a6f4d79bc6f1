//! Numbers that every core counts up for itself, and that are added up when somebody reads them.
//!
//! A number that all cores write costs each of them a locked instruction, and a line of memory that another core has. So
//! each thread that serves has a line of its own in each tally, where it alone writes: an ordinary addition does. All other
//! threads have one line in common, as have those that serve beyond the number of lines; that one is added to as any shared
//! number is. Whoever adds, nothing is lost.
//!
//! A sum takes a look at each line. What is read as often as it is written had better be [in one line](Tally::in_one).
//!
//! # Limits
//! As many lines as cores the process may use, at most [`CORES_MAX`], and the common one. Each takes 64 bytes.

use std::array;
use std::cell::Cell;
use std::iter;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

/// Threads with a line of their own: with the common one a tally takes 4 KiB at most, and there is one for each control,
/// problem, backend and target.
const CORES_MAX: usize = 63;

/// Lines of a tally.
static LINES: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from).min(CORES_MAX).saturating_add(1));

/// The line that is nobody's own.
const COMMON: usize = 0;

/// No line of any tally.
const NONE: usize = usize::MAX;

thread_local! {
    // Invariant: no two threads have the same, other than `NONE`; only `claim` writes it.
    static OWN: Cell<usize> = const { Cell::new(NONE) };
}

/// Gives the calling thread a line of its own in every tally there is and will be, if one is left. For threads that serve, of
/// which there are as many as cores: a line is never given to another one.
pub fn claim() {
    static NEXT: AtomicUsize = AtomicUsize::new(COMMON + 1);
    if OWN.get() == NONE {
        OWN.set(NEXT.fetch_add(1, Ordering::Relaxed));
    }
}

/// `N` numbers that belong together.
#[derive(Debug)]
pub struct Tally<const N: usize> {
    // Invariant: never empty.
    lines: Box<[Line<N>]>,
}

/// What one thread adds to.
// PERF: not in one line of memory with what another core writes.
#[derive(Debug)]
#[repr(align(64))]
struct Line<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Self::of(*LINES)
    }
}

impl<const N: usize> Tally<N> {
    /// With the common line alone, for what is read as often as it is written.
    pub fn in_one() -> Self {
        Self::of(1)
    }

    fn of(lines: usize) -> Self {
        let line = || Line(array::from_fn(|_| AtomicU64::new(0)));
        Self { lines: iter::repeat_with(line).take(lines).collect() }
    }

    /// Adds `more` to one of the numbers; to none where there are not so many.
    pub fn add(&self, which: usize, more: u64) {
        if let Some(line) = self.lines.get(OWN.get()) {
            let Some(number) = line.0.get(which) else { return };
            // PERF: nobody else writes here, so that nothing comes between reading and writing: 8 ns less than a locked addition.
            number.store(number.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
        } else if let Some(number) = self.lines.get(COMMON).and_then(|line| line.0.get(which)) {
            number.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// Takes `less` from one of the numbers. Whoever added it may have been another thread.
    pub fn subtract(&self, which: usize, less: u64) {
        self.add(which, less.wrapping_neg());
    }

    /// The numbers now, of those that are only added to.
    pub fn sums(&self) -> [u64; N] {
        array::from_fn(|which| self.sum(which))
    }

    /// One of the numbers now, if it is taken from as well.
    pub fn level(&self, which: usize) -> u64 {
        let sum = self.sum(which);
        // Where one thread takes what another one has added, in lines of their own, somebody who reads the line of the other
        // one too early and that of the one late enough finds less than nothing. It is gone a moment later.
        if sum.cast_signed() < 0 { 0 } else { sum }
    }

    fn sum(&self, which: usize) -> u64 {
        let numbers = self.lines.iter().filter_map(|line| line.0.get(which));
        numbers.fold(0, |sum, number| sum.wrapping_add(number.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::{CORES_MAX, LINES, Line, NONE, OWN, Tally, claim};

    /// Has `work` done by threads that have a line of their own and by as many that have none, all at once.
    fn by_both_kinds(work: impl Fn() + Sync) {
        thread::scope(|scope| {
            for own in [1, 2, 3, NONE, NONE, NONE, 4, 77] {
                let work = &work;
                scope.spawn(move || {
                    OWN.set(own);
                    work();
                });
            }
        });
    }

    #[test]
    fn nothing_is_lost_whoever_adds() {
        for lines in [1, 2, 4, 5] {
            let tally = Tally::<3>::of(lines);
            by_both_kinds(|| {
                for round in 0..20_000_u64 {
                    tally.add(0, 1);
                    tally.add(2, round % 3);
                    tally.add(3, 1);
                }
            });
            assert_eq!(tally.sums(), [8 * 20_000, 0, 8 * 19_999], "{lines}");
        }
    }

    #[test]
    fn what_one_adds_another_one_may_take() {
        let tally = Tally::<1>::of(3);
        by_both_kinds(|| {
            for _ in 0..1_000 {
                tally.add(0, 2);
            }
        });
        assert_eq!(tally.level(0), 16_000);
        for _ in 0..16_000 {
            tally.subtract(0, 1);
        }
        assert_eq!((tally.level(0), tally.sums()), (0, [0]));
        tally.subtract(0, 1);
        assert_eq!(tally.level(0), 0, "never less than nothing");
        tally.add(0, 2);
        assert_eq!(tally.level(0), 1);
    }

    #[test]
    fn each_thread_that_claims_has_a_line_of_its_own() {
        let own = || {
            claim();
            let first = OWN.get();
            claim();
            assert_eq!(OWN.get(), first, "it is given one");
            first
        };
        let owns: Vec<usize> = thread::scope(|scope| {
            let threads: Vec<_> = (0..2 * CORES_MAX).map(|_| scope.spawn(own)).collect();
            threads.into_iter().map(|thread| thread.join().expect("a line")).collect()
        });
        assert_eq!(owns.iter().collect::<HashSet<_>>().len(), owns.len());
        assert!(owns.iter().all(|own| *own != 0 && *own != NONE));
        let others = thread::scope(|scope| scope.spawn(|| OWN.get()).join().expect("none"));
        assert_eq!(others, NONE);
        assert!((2..=CORES_MAX + 1).contains(&*LINES) && Tally::<1>::default().lines.len() == *LINES);
        assert_eq!((size_of::<Line<6>>(), align_of::<Line<1>>()), (64, 64));
    }
}
