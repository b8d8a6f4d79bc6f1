//! Placeholder: policies.
