//! Placeholder: route.
