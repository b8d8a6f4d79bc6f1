//! Placeholder: upstream.
