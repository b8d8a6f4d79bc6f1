//! Hashes of passwords.

use std::fmt;

use super::Written;

/// Memory times passes below which a hash is weak: the least of those that OWASP names (7 MiB, five passes).
const WORK_MIN: u64 = 7 * 1024 * 5;
/// Most memory one verification may take, in KiB.
const MEMORY_KIB_MAX: u64 = 64 * 1024;
/// Most passes, and most lanes, of one verification.
const PASSES_MAX: u64 = 10;

/// A password's hash by argon2id, as a PHC string such as `$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Argon2(Box<str>);

impl Argon2 {
    /// The PHC string.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads one, wherever it comes from.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        <Self as Written>::read(text)
    }
}

impl Written for Argon2 {
    const NAME: &'static str = "Argon2";
    const EXPECTED: &'static str = "a password's hash by argon2id, a PHC string";
    const PATTERN: &'static str =
        r"\$argon2id\$v=19\$m=[0-9]+,t=[0-9]+,p=[0-9]+\$[A-Za-z0-9+/]{11,64}\$[A-Za-z0-9+/]{22,86}";

    fn read(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('$').collect();
        let [before, "argon2id", "v=19", work, salt, hash] = *parts.as_slice() else {
            return Err("it reads `$argon2id$v=19$m=…,t=…,p=…$salt$hash`".to_owned());
        };
        let is_base64 = |text: &str, least: usize, most: usize| {
            (least..=most).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
        };
        if !before.is_empty() || !is_base64(salt, 11, 64) || !is_base64(hash, 22, 86) {
            return Err("salt and hash are in base64 without padding, of 8 and 16 bytes or more".to_owned());
        }
        let mut numbers = work.split(',').zip(["m=", "t=", "p="]).map(|(part, name)| {
            part.strip_prefix(name).and_then(|number| number.parse::<u64>().ok()).unwrap_or_default()
        });
        let (memory, passes, lanes) = (
            numbers.next().unwrap_or_default(),
            numbers.next().unwrap_or_default(),
            numbers.next().unwrap_or_default(),
        );
        if work.split(',').count() != 3 || memory.saturating_mul(passes) < WORK_MIN || lanes == 0 {
            return Err(format!("at least {WORK_MIN} KiB of memory times passes, such as `m=19456,t=2,p=1`"));
        }
        if memory > MEMORY_KIB_MAX || passes > PASSES_MAX || lanes > PASSES_MAX {
            return Err(format!("at most {MEMORY_KIB_MAX} KiB of memory, {PASSES_MAX} passes and lanes"));
        }
        Ok(Self(text.into()))
    }
}

/// Not shown: whoever reads logs need not guess passwords at leisure.
impl fmt::Debug for Argon2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Argon2(…)")
    }
}
