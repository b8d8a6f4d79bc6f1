//! Placeholder: secret.
