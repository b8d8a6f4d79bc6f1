//! A map that is read without a lock while it changes.
//!
//! It is cut into parts, each immutable behind an atomic pointer. A change copies the parts it touches: with
//! a hundred thousand entries some four hundred of them, a few microseconds of work, instead of all. A persistent map (a
//! tree whose versions share their branches) would copy less, and make every look-up of every request longer.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use foldhash::fast::RandomState;
use foldhash::{HashMap, HashMapExt};

/// How many parts a table has.
const PARTS: usize = 256;

type Part<K, V> = HashMap<K, V>;

/// The map.
pub(super) struct Table<K, V> {
    parts: Box<[ArcSwapOption<Part<K, V>>]>,
    /// Tells the part of a key. Seeded: nobody outside can fill one part.
    hasher: RandomState,
}

/// What a table becomes. Later changes see the earlier ones; whoever looks into the table sees none until `commit`.
pub(super) struct Draft<'a, K, V> {
    table: &'a Table<K, V>,
    parts: HashMap<usize, Part<K, V>>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        let parts = std::iter::repeat_with(ArcSwapOption::empty).take(PARTS).collect();
        Self { parts, hasher: RandomState::default() }
    }
}

impl<K: Hash + Eq, V> Table<K, V> {
    /// Looks at the value of `key`, if there is one.
    pub(super) fn get<Q, T>(&self, key: &Q, look: impl FnOnce(&V) -> T) -> Option<T>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let part = self.parts.get(self.part_of(key))?.load();
        part.as_ref()?.get(key).map(look)
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.parts.iter().filter_map(|part| part.load().as_ref().map(|part| part.len())).sum()
    }

    /// Looks at every value.
    pub(super) fn each(&self, mut look: impl FnMut(&V)) {
        for part in &self.parts {
            // The whole part, whatever is put in its place meanwhile.
            if let Some(part) = part.load_full() {
                part.values().for_each(&mut look);
            }
        }
    }

    /// Begins a change. One at a time, or one of them is lost.
    pub(super) fn draft(&self) -> Draft<'_, K, V> {
        Draft { table: self, parts: HashMap::new() }
    }

    fn part_of<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        usize::try_from(self.hasher.hash_one(key)).unwrap_or_default() % PARTS
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Draft<'_, K, V> {
    pub(super) fn insert(&mut self, key: K, value: V) {
        self.part(&key).insert(key, value);
    }

    /// Inserts unless the key is there already. Says whether it did.
    pub(super) fn insert_new(&mut self, key: K, value: &V) -> bool {
        let part = self.part(&key);
        if part.contains_key(&key) {
            return false;
        }
        part.insert(key, value.clone()).is_none()
    }

    pub(super) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.part(key).remove(key)
    }

    pub(super) fn commit(self) {
        for (at, part) in self.parts {
            if let Some(place) = self.table.parts.get(at) {
                place.store((!part.is_empty()).then(|| Arc::new(part)));
            }
        }
    }

    /// A copy of the part that `key` belongs to, to be changed.
    fn part<Q: Hash + ?Sized>(&mut self, key: &Q) -> &mut Part<K, V> {
        let at = self.table.part_of(key);
        let table = self.table;
        self.parts.entry(at).or_insert_with(|| {
            let part = table.parts.get(at).and_then(|part| part.load_full());
            part.map_or_else(Part::new, |part| (*part).clone())
        })
    }
}

impl<K: Hash + Eq, V> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("len", &self.len()).finish_non_exhaustive()
    }
}
