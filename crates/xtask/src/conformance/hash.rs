//! FNV-1a: it tells two versions of the data apart, and nobody attacks it.

/// What a hash begins with.
pub(super) const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// A hash with more bytes.
pub(super) fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
