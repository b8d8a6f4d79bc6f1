//! Placeholder: authority.
