//! The answer that leaves: status, fields, body, whoever made it.

use http::StatusCode;
use portcullis_http1::Fields;

use super::Body;

/// A reply on its way to the client. Connection fields and framing are the wire's business and not in here.
#[derive(Debug)]
pub struct Reply {
    /// The final status; interim answers travel apart.
    pub status: StatusCode,
    /// End-to-end fields, in order.
    pub fields: Fields,
    /// The content.
    pub body: Body,
}
