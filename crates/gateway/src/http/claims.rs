//! Placeholder: claims.
