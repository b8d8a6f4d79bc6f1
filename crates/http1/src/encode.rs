//! Placeholder: encode.
