//! A text that must not be seen: never shown by `Debug`, never written by serde.
//!
//! There is no `Display`, no `Serialize` and no comparison on purpose: whoever needs the text calls
//! [`Secret::expose`], and that word is easy to find in a review.

use std::fmt;

/// A secret text.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// Takes the text in.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
        assert_eq!(Secret::new("hunter2").expose(), "hunter2");
    }
}
