//! Numbers within bounds, on steps.

use serde_json::{Number, Value};

use super::Manner;
use super::merged::Merged;
use super::random::Random;

/// Numbers that a schema takes.
pub(super) struct Range {
    least: Option<f64>,
    most: Option<f64>,
    is_least_out: bool,
    is_most_out: bool,
    steps: Vec<f64>,
    is_integer: bool,
}

/// How far from an end that is given a number lies where the other is not.
const REACH: f64 = 100.0;

/// Beyond, not every integer can be told by a float.
const INTEGER_MAX: f64 = 9_007_199_254_740_992.0;

impl Range {
    /// What the schemas say. A format that names a width bounds, too.
    pub(super) fn of(merged: &Merged<'_>, is_integer: bool) -> Self {
        let numbers = |keyword: &str| merged.each(keyword).filter_map(Value::as_f64).collect::<Vec<_>>();
        let top = |all: Vec<f64>| all.into_iter().reduce(f64::max);
        let bottom = |all: Vec<f64>| all.into_iter().reduce(f64::min);
        let (least, above) = (top(numbers("minimum")), top(numbers("exclusiveMinimum")));
        let (most, below) = (bottom(numbers("maximum")), bottom(numbers("exclusiveMaximum")));
        let is_least_out = above.is_some_and(|above| least.is_none_or(|least| above >= least));
        let is_most_out = below.is_some_and(|below| most.is_none_or(|most| below <= most));
        let steps = numbers("multipleOf").into_iter().filter(|step| *step > 0.0).collect();
        let least = if is_least_out { above } else { least };
        let most = if is_most_out { below } else { most };
        Self { least, most, is_least_out, is_most_out, steps, is_integer }
    }

    /// One of them.
    pub(super) fn pick(&self, random: &mut Random, manner: Manner) -> Option<Number> {
        let step = self.step();
        let (low, high) = self.ends();
        let lowest = (low / step).ceil();
        let lowest = if self.is_least_out && lowest * step <= low { lowest + 1.0 } else { lowest };
        let highest = (high / step).floor();
        let highest = if self.is_most_out && highest * step >= high { highest - 1.0 } else { highest };
        if lowest > highest {
            return self.between(low, high);
        }
        let count = highest - lowest;
        let drawn = match manner {
            Manner::Least => 0.0_f64.clamp(lowest, highest),
            Manner::Edge => match random.below(3) {
                0 => lowest,
                1 => highest,
                _ => 0.0_f64.clamp(lowest, highest),
            },
            Manner::Most | Manner::Some | Manner::Exemplary => {
                // Small numbers read well; wide ranges are not used to their ends.
                let reach = count.min(REACH);
                let start = if lowest <= 0.0 && highest >= 0.0 {
                    0.0_f64.min(highest - reach).max(lowest)
                } else {
                    lowest
                };
                start + fraction(random, reach)
            }
        };
        let half = drawn + 0.5;
        let is_free = !self.is_integer && self.steps.is_empty();
        if is_free && half < highest && matches!(manner, Manner::Some | Manner::Edge) && random.flip() {
            return self.number(half);
        }
        self.number(drawn * step)
    }

    /// The distance of neighbours: one for integers and where nothing is said, else what is said.
    fn step(&self) -> f64 {
        let said = self.steps.iter().copied().reduce(common);
        match (said, self.is_integer) {
            (Some(step), true) => common(step, 1.0),
            (Some(step), false) => step,
            (None, _) => 1.0,
        }
    }

    fn ends(&self) -> (f64, f64) {
        let reach = REACH * self.step();
        match (self.least, self.most) {
            (Some(least), Some(most)) => (least, most),
            (Some(least), None) => (least, least + reach),
            (None, Some(most)) => (if most > 0.0 { 0.0 } else { most - reach }, most),
            (None, None) => (0.0, reach),
        }
    }

    /// Where no step lies in the range, its middle may.
    fn between(&self, low: f64, high: f64) -> Option<Number> {
        let is_free = self.steps.is_empty() && !self.is_integer && low <= high;
        is_free.then(|| f64::midpoint(low, high)).and_then(Number::from_f64)
    }

    fn number(&self, value: f64) -> Option<Number> {
        let is_exact = value.fract() == 0.0 && value.abs() <= INTEGER_MAX;
        if is_exact || (self.is_integer && value.abs() <= 9.2e18) {
            #[expect(clippy::cast_possible_truncation, reason = "checked to fit")]
            return Some((value as i64).into());
        }
        Number::from_f64(value)
    }
}

/// A whole number from zero to `reach`.
fn fraction(random: &mut Random, reach: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most `REACH`")]
    let end = (reach as usize).saturating_add(1);
    u32::try_from(random.below(end)).map_or(0.0, f64::from)
}

/// A common multiple, the least where both are whole.
fn common(one: f64, other: f64) -> f64 {
    let (mut a, mut b) = (one, other);
    // Euclid's, on few digits; it ends since the rest falls.
    for _ in 0..64 {
        if b.abs() < 1e-9 {
            break;
        }
        (a, b) = (b, a % b);
    }
    if a.abs() < 1e-9 { one * other } else { one / a * other }
}
