//! Placeholder: bounds.
