//! Placeholder: refusal.
