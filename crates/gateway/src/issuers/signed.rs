//! What an issuer says besides access tokens: its discovery document, ID tokens and logout tokens, whom claims name.

use std::sync::Arc;

use portcullis_identity::algorithm::Algorithm;
use portcullis_identity::claims::Claims;
use portcullis_identity::json::Object;
use portcullis_identity::jwt::{Refused, Rules, Unverified};

use super::keys::Renewed;
use super::{CONSUMER_BYTES_MAX, Issuer};
use crate::pipeline::Consumer;
use crate::pipeline::consumer::Grant;

/// Why something an issuer is said to have signed does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSigned {
    /// It does not hold.
    Refused(Refused),
    /// Nobody can say: there are no keys, or no newer ones.
    Unavailable,
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
        let algorithm = Unverified::read(token).map_err(NotSigned::Refused)?.algorithm();
        let claims = match self.verify_now(token, rules) {
            Ok((claims, _)) => claims,
            Err(Some(Refused::UnknownKey) | None) => {
                let renewed = match &self.keys {
                    Some(keys) => keys.renewed().await,
                    None => Renewed::Unknown,
                };
                match (self.verify_now(token, rules), renewed) {
                    (Ok((claims, _)), _) => claims,
                    (Err(Some(Refused::UnknownKey)), Renewed::Unknown) | (Err(None), _) => {
                        return Err(NotSigned::Unavailable);
                    }
                    (Err(Some(why)), _) => return Err(NotSigned::Refused(why)),
                }
            }
            Err(Some(why)) => return Err(NotSigned::Refused(why)),
        };
        Ok((claims, algorithm))
    }

    /// The consumer that claims of this issuer name.
    pub fn consumer_of(&self, claims: &Claims) -> Option<Arc<Consumer>> {
        let name = claims.get(&self.spec.tokens.consumer_claim).and_then(|value| value.as_text())?;
        let is_name =
            !name.is_empty() && name.len() <= CONSUMER_BYTES_MAX && !name.contains(char::is_control);
        is_name.then(|| {
            Arc::new(Consumer { name: format!("{}/{name}", self.spec.name).into(), apis: Grant::All })
        })
    }
}
