//! What an issuer says besides access tokens: its discovery document, ID tokens and logout tokens, whom claims name.

use std::sync::Arc;

use portcullis_identity::algorithm::Algorithm;
use portcullis_identity::claims::Claims;
use portcullis_identity::json::Object;
use portcullis_identity::jwt::{Refused, Rules, Unverified};

use super::Issuer;
use crate::pipeline::Consumer;

/// Why something an issuer is said to have signed does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSigned {
    /// It does not hold.
    Refused(Refused),
    /// Nobody can say: there are no keys, or no newer ones.
    Unavailable(&'static str),
}

impl Issuer {
    /// Its discovery document, once it was had.
    pub fn document(&self) -> Option<Arc<Object>> {
        self.keys.as_ref()?.document()
    }

    /// What a token says that is no access token, by `rules` of its own, and the algorithm it is signed by.
    ///
    /// # Errors
    /// Says why it does not count.
    pub async fn verify_signed(&self, token: &[u8], rules: &Rules) -> Result<(Claims, Algorithm), NotSigned> {
        let token = Unverified::read(token).map_err(NotSigned::Refused)?;
        let algorithm = token.algorithm();
        let (claims, _) = self.verify_by(token, rules).await?;
        Ok((claims, algorithm))
    }

    /// The consumer that claims of this issuer name.
    pub fn consumer_of(&self, claims: &Claims) -> Option<Arc<Consumer>> {
        self.consumer(claims.get(&self.spec.tokens.consumer_claim)?.as_text()?)
    }
}
