//! Placeholder: tasks.
