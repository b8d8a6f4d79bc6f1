//! Placeholder: observe.
