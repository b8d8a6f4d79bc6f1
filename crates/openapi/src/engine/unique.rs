//! `uniqueItems`: by hashes, and by comparison where hashes are equal.

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use foldhash::quality::RandomState;

use crate::value::{Kind, Value};

use super::meter::Meter;

/// Seeded once per process. Whoever guesses it gains comparisons, which are metered.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// With no more elements than these, comparing each with each is quickest.
const COMPARED_MAX: usize = 8;

/// Whether no two elements are equal. False as well once the meter is spent, which refuses the value.
pub(super) fn is_unique(array: Value<'_>, meter: &Meter) -> bool {
    if array.len() <= COMPARED_MAX {
        let mut rest = array.items();
        while let Some(item) = rest.next() {
            if rest.clone().any(|other| equal(item, other, meter)) {
                return false;
            }
        }
        return !meter.is_spent();
    }
    let mut hashes: Vec<(u64, Value<'_>)> = array.items().map(|item| (hash(item, meter), item)).collect();
    hashes.sort_unstable_by_key(|(hash, _)| *hash);
    for run in hashes.chunk_by(|(a, _), (b, _)| a == b) {
        let mut rest = run.iter();
        while let Some((_, item)) = rest.next() {
            if rest.as_slice().iter().any(|(_, other)| equal(*item, *other, meter)) {
                return false;
            }
        }
    }
    !meter.is_spent()
}

/// Equal for equal values. As deep as the tape is, which is bounded.
fn hash(value: Value<'_>, meter: &Meter) -> u64 {
    if !meter.step() {
        return 0;
    }
    let mut hasher = SEED.build_hasher();
    match value.kind() {
        Kind::Null => hasher.write_u8(0),
        Kind::Boolean => hasher.write_u8(if value.as_bool() == Some(true) { 2 } else { 1 }),
        Kind::Number => {
            hasher.write_u8(3);
            for byte in value.as_number().iter().flat_map(|number| number.canonical()) {
                hasher.write_u8(byte);
            }
        }
        Kind::String => {
            hasher.write_u8(4);
            hasher.write(value.as_str().unwrap_or_default().as_bytes());
        }
        Kind::Array => {
            hasher.write_u8(5);
            for item in value.items() {
                hasher.write_u64(hash(item, meter));
            }
        }
        Kind::Object => {
            hasher.write_u8(6);
            // The order of members says nothing, so their hashes are added.
            let members = value.members().fold(0_u64, |sum, member| {
                let mut one = SEED.build_hasher();
                one.write(member.name().as_bytes());
                one.write_u64(hash(member.value(), meter));
                sum.wrapping_add(one.finish())
            });
            hasher.write_u64(members);
        }
    }
    hasher.finish()
}

fn equal(a: Value<'_>, b: Value<'_>, meter: &Meter) -> bool {
    if !meter.step() || a.kind() != b.kind() || a.len() != b.len() {
        return false;
    }
    match a.kind() {
        Kind::Null => true,
        Kind::Boolean => a.as_bool() == b.as_bool(),
        Kind::Number => a.as_number() == b.as_number(),
        Kind::String => a.as_str() == b.as_str(),
        Kind::Array => a.items().zip(b.items()).all(|(a, b)| equal(a, b, meter)),
        Kind::Object => a
            .members()
            .all(|member| b.get(member.name()).is_some_and(|other| equal(member.value(), other, meter))),
    }
}
