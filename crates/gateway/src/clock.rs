//! Placeholder: clock.
