//! What somebody who was asked about a request wants changed of it, until it goes to its backend, and of the answer.
//!
//! Kept from the decision to the step that writes: between them the caller's credential is taken out, and fields that are
//! not declared. Whoever fills it has judged names and values.

use portcullis_http1::Fields;

use crate::http::claims;

/// Fields to be taken out of the request, fields to be added to it, fields to be added to its answer.
#[derive(Debug, Default)]
pub struct Changes {
    /// Names of fields that do not go on.
    pub remove: Vec<Box<str>>,
    /// Fields that the backend is told.
    pub add: Fields,
    /// Fields that the client is told with the backend's answer.
    pub answer: Fields,
}

impl Changes {
    /// Carries out those of the request.
    pub fn apply(&self, fields: &mut Fields) {
        for name in &self.remove {
            claims::remove_aliases(fields, name);
        }
        for field in self.add.iter() {
            fields.push(field.name, field.value);
        }
    }
}
