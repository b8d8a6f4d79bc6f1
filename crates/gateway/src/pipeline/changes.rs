//! What somebody who was asked about a request wants changed of it, until it goes to its backend.
//!
//! Kept from the decision to the step that writes: between them the caller's credential is taken out, and fields that are
//! not declared. Whoever fills it has judged names and values.

use portcullis_http1::Fields;

use crate::http::claims;

/// Fields to be taken out, then fields to be added.
#[derive(Debug, Default)]
pub struct Changes {
    /// Names of fields that do not go on.
    pub remove: Vec<Box<str>>,
    /// Fields that the backend is told.
    pub add: Fields,
}

impl Changes {
    /// Carries them out.
    pub fn apply(&self, fields: &mut Fields) {
        for name in &self.remove {
            claims::remove_aliases(fields, name);
        }
        for field in self.add.iter() {
            fields.push(field.name, field.value);
        }
    }
}
