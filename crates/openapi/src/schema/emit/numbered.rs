//! Values by numbers, so that a view of a schema is small and quickly compared.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

/// Each value once; 0 is the one that says nothing.
#[derive(Debug)]
pub(super) struct Numbered<T> {
    numbers: HashMap<T, u32, RandomState>,
    values: Vec<T>,
}

impl<T: Clone + Default + Eq + Hash> Default for Numbered<T> {
    fn default() -> Self {
        Self { numbers: HashMap::from_iter([(T::default(), 0)]), values: vec![T::default()] }
    }
}

impl<T: Clone + Eq + Hash> Numbered<T> {
    /// The number of a value.
    pub(super) fn number(&mut self, value: T) -> u32 {
        if let Some(known) = self.numbers.get(&value) {
            return *known;
        }
        let number = u32::try_from(self.values.len()).unwrap_or_default();
        self.numbers.insert(value.clone(), number);
        self.values.push(value);
        number
    }

    /// The value of a number.
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.values.get(usize::try_from(number).ok()?)
    }
}
