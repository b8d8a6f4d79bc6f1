//! Counters by a name that stands in the code: found without a lock, in a table of fixed size.

use std::sync::OnceLock;

/// Names a table holds. The lists in the code are far shorter; a name beyond counts as `other`.
const NAMES_MAX: usize = 256;
/// Places looked at for a name.
const PROBES_MAX: usize = 32;

/// Values by name, made at the name's first use.
#[derive(Debug)]
pub(super) struct Table<V> {
    slots: Box<[OnceLock<(&'static str, V)>]>,
    other: V,
}

impl<V: Default> Default for Table<V> {
    fn default() -> Self {
        Self { slots: (0..NAMES_MAX).map(|_| OnceLock::new()).collect(), other: V::default() }
    }
}

impl<V: Default> Table<V> {
    /// The value of `name`.
    pub(super) fn get(&self, name: &'static str) -> &V {
        let start = hash(name);
        for probe in 0..PROBES_MAX {
            let Some(slot) = self.slots.get(start.wrapping_add(probe) % NAMES_MAX) else { break };
            let (held, value) = slot.get_or_init(|| (name, V::default()));
            // PERF: mostly the very same text.
            if std::ptr::eq(*held, name) || *held == name {
                return value;
            }
        }
        &self.other
    }

    /// Every name and its value, in the order of the names, `other` last.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'static str, &V)> {
        let mut named: Vec<_> =
            self.slots.iter().filter_map(OnceLock::get).map(|(name, value)| (*name, value)).collect();
        named.sort_unstable_by_key(|(name, _)| *name);
        named.into_iter().chain([("other", &self.other)])
    }
}

/// The names are ours: nobody can choose them to collide.
// PERF: of three bytes and the length, which tell nearly all names of the code apart.
fn hash(name: &str) -> usize {
    let (name, len) = (name.as_bytes(), name.len());
    let byte = |at: usize| name.get(at).copied().map_or(0, usize::from);
    let ends = byte(0).wrapping_mul(31).wrapping_add(byte(len.saturating_sub(1)));
    ends.wrapping_mul(31).wrapping_add(byte(len / 2)).wrapping_mul(31).wrapping_add(len)
}
