//! Placeholder: body.
