//! Passwords: hashed by argon2id, with the least work that OWASP names first (19 MiB, two passes, one lane).

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// Shortest and longest password that is taken.
const LENGTH: std::ops::RangeInclusive<usize> = 12..=256;

/// The hash of a password, as a PHC string.
///
/// # Errors
/// Says why it is no password.
pub(super) fn hash(password: &str) -> Result<String, String> {
    if !LENGTH.contains(&password.len()) {
        return Err(format!("a password has {} to {} bytes", LENGTH.start(), LENGTH.end()));
    }
    let mut salt = [0_u8; 16];
    SystemRandom::new().fill(&mut salt).map_err(|_| "the system gave no randomness")?;
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT);
    let hash =
        hasher.hash_password_with_salt(password.as_bytes(), &salt).map_err(|error| error.to_string())?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::hash;
    use crate::config::values::Argon2;

    #[test]
    fn a_hash_of_ours_is_one_that_loads() {
        let phc = hash("correct horse battery").unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert_eq!(Argon2::parse(&phc).unwrap().as_str(), phc);
        assert!(hash("short").is_err());
    }
}
