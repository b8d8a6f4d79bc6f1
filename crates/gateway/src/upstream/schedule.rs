//! The order in which targets take their turns: weighted, smooth, computed once.
//!
//! The smooth weighted round robin of nginx, unrolled: a target of weight 3 beside one of weight 1 is asked
//! `A A B A`, not `A A A B`. One atomic step chooses; nothing is locked, and a single target needs not even that.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Turns until the order repeats. Weights are shrunk, with their proportions kept as well as may be, until they
/// fit.
const TURNS_MAX: usize = 1024;

/// Whose turn it is.
#[derive(Debug)]
pub(super) struct Schedule {
    turns: Box<[u16]>,
    next: AtomicUsize,
}

impl Schedule {
    /// The order for targets of these weights; nothing when no target has one.
    pub(super) fn new(weights: &[u16]) -> Option<Self> {
        let weights = shrink(weights);
        let total: i64 = weights.iter().sum();
        if total <= 0 {
            return None;
        }
        let mut credit = vec![0_i64; weights.len()];
        let mut turns = Vec::new();
        for _ in 0..total {
            for (credit, weight) in credit.iter_mut().zip(&weights) {
                *credit = credit.saturating_add(*weight);
            }
            // The richest, the first of equals.
            let mut richest: Option<(usize, i64)> = None;
            for (at, held) in credit.iter().enumerate() {
                if richest.is_none_or(|(_, most)| *held > most) {
                    richest = Some((at, *held));
                }
            }
            let (turn, _) = richest?;
            if let Some(credit) = credit.get_mut(turn) {
                *credit = credit.saturating_sub(total);
            }
            turns.push(u16::try_from(turn).ok()?);
        }
        Some(Self { turns: turns.into(), next: AtomicUsize::new(0) })
    }

    /// Takes the next turn and says which it is; turns are counted from 0, without an end.
    pub(super) fn next(&self) -> usize {
        match self.turns.len() {
            0 | 1 => 0,
            _ => self.next.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// The index of the target whose turn `turn` is.
    pub(super) fn at(&self, turn: usize) -> usize {
        let turn = turn.checked_rem(self.turns.len()).unwrap_or_default();
        usize::from(self.turns.get(turn).copied().unwrap_or_default())
    }

    /// Turns until the order repeats.
    pub(super) fn len(&self) -> usize {
        self.turns.len()
    }
}

/// Divides by the greatest common divisor, then by whatever makes the sum fit; no weight is lost to rounding.
fn shrink(weights: &[u16]) -> Vec<i64> {
    let divisor = weights.iter().fold(0, |divisor, weight| common(divisor, u64::from(*weight))).max(1);
    let total: u64 = weights.iter().map(|weight| u64::from(*weight).div_euclid(divisor)).sum();
    let excess = total.div_ceil(TURNS_MAX as u64).max(1);
    let step = divisor.saturating_mul(excess);
    weights
        .iter()
        .map(|weight| match *weight {
            0 => 0,
            weight => i64::try_from(u64::from(weight).div_euclid(step).max(1)).unwrap_or(1),
        })
        .collect()
}

fn common(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common(b, a.rem_euclid(b)) }
}

#[cfg(test)]
mod tests;
