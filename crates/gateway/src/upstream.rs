//! Placeholder.
use crate::pipeline::{Admitted, Answered, Context, Stop};
/// p
#[derive(Debug, Default)]
pub struct Upstreams;
impl Upstreams {
    /// p
    pub async fn forward(&self, admitted: Admitted, _cx: &mut Context) -> Result<Answered, Stop> {
        drop(admitted);
        std::future::pending().await
    }
}
