//! A table of what was found out about texts that callers present, for one thread.
//!
//! Found by the whole of the bytes: by a hash with a random key, and then byte by byte, so that no two texts can be taken for
//! one. The table is bounded in bytes, in two halves: when one is full the other is emptied, and what is asked for in the older
//! one moves to the newer.

use foldhash::{HashMap, HashMapExt};

/// What was found out, by the texts.
pub struct Remembered<V> {
    young: HashMap<Box<[u8]>, V>,
    old: HashMap<Box<[u8]>, V>,
    young_bytes: usize,
    half_bytes: usize,
    copies: usize,
    cost: usize,
}

impl<V: Clone> Remembered<V> {
    /// Nothing yet, and never more than `bytes_max`: each entry counts for `copies` times its text, and `cost` besides.
    pub fn new(bytes_max: usize, copies: usize, cost: usize) -> Self {
        let (young, old) = (HashMap::new(), HashMap::new());
        Self { young, old, young_bytes: 0, half_bytes: bytes_max / 2, copies, cost }
    }

    /// What was found out about `text`.
    pub fn find(&mut self, text: &[u8]) -> Option<V> {
        if let Some(found) = self.young.get(text) {
            return Some(found.clone());
        }
        if self.old.is_empty() {
            return None;
        }
        let (text, found) = self.old.remove_entry(text)?;
        self.insert(text, found.clone());
        Some(found)
    }

    /// Remembers what was found out about `text`.
    pub fn insert(&mut self, text: Box<[u8]>, found: V) {
        let cost = text.len().saturating_mul(self.copies).saturating_add(self.cost);
        if self.young_bytes.saturating_add(cost) > self.half_bytes {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes = self.young_bytes.saturating_add(cost);
        if self.young.insert(text, found).is_some() {
            self.young_bytes = self.young_bytes.saturating_sub(cost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Remembered;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_makes_room() {
        const BYTES_MAX: usize = 1 << 20;
        let mut remembered = Remembered::new(BYTES_MAX, 1, 0);
        let text = |number: u32| format!("{number:01000}").into_bytes().into_boxed_slice();
        remembered.insert(text(0), 0);
        let many = u32::try_from(BYTES_MAX / 500).expect("a number");
        for number in 1..many {
            remembered.insert(text(number), number);
            assert_eq!(remembered.find(&text(0)), Some(0), "pushed out though asked for, at {number}");
        }
        assert_eq!(remembered.find(&text(1)), None);
        let held: usize = [&remembered.young, &remembered.old]
            .map(|half| half.keys().map(|key| key.len()).sum::<usize>())
            .iter()
            .sum();
        assert!(held <= BYTES_MAX, "{held} bytes");
    }
}
