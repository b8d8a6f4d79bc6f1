//! One order, from its names to its chain of certificates (RFC 8555 §7.4 and §7.5).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use portcullis_identity::base64::encode_url;
use portcullis_identity::json::Object;
use portcullis_identity::jwt::SigningKey;

use super::answers::{self, Authorization, AuthorizationStatus, Challenge, Order, OrderStatus};
use super::session::{Said, Session, place_of, put_off};
use super::{Failure, Spec, keys};
use crate::config::AcmeChallenge;
use crate::config::values::Url;
use crate::fetch::Remote;
use crate::http::tls::managed::{Managed, Proving};

/// Until it is looked again how something stands; doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
/// Most time until then, whatever the authority says.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// How often it is looked.
const LOOKS_MAX: u32 = 60;

/// Orders a certificate for the request `request`, proves that its names are ours, and brings its chain.
pub(super) async fn run(
    spec: &Spec,
    managed: &Arc<Managed>,
    remote: &Remote,
    account: &SigningKey,
    request: &[u8],
) -> Result<String, Failure> {
    let mut session = Session::open(spec, remote, account).await?;
    let names = spec.names.iter().map(|name| Object::new().with("type", "dns").with("value", &**name));
    let wish = Object::new().with("identifiers", names.collect::<Vec<_>>());
    let new_order = session.directory.new_order.clone();
    let answer =
        session.post(&new_order, Said::Document(&wish)).await.map_err(|why| why.about("the order"))?;
    let (_, place) = place_of(&answer, &spec.directory)?;
    let order = read(&answer, spec)?;
    let mut proven: Vec<String> = Vec::new();
    for authorization in &order.authorizations {
        let name = prove(&mut session, spec, managed, authorization, &proven).await?;
        proven.push(name);
    }
    let order = settled(&mut session, spec, &place, order, OrderStatus::Ready).await?;
    let order = if order.status == OrderStatus::Ready {
        let wish = Object::new().with("csr", encode_url(request));
        let answer = session.post(&order.finalize, Said::Document(&wish)).await;
        let order = read(&answer.map_err(|why| why.about("the order's end"))?, spec)?;
        settled(&mut session, spec, &place, order, OrderStatus::Valid).await?
    } else {
        order
    };
    let certificate = order.certificate.ok_or_else(|| Failure::refused("an order without a certificate"))?;
    session.chain(&certificate).await.map_err(|why| why.about("the certificate"))
}

fn read(answer: &Response<Bytes>, spec: &Spec) -> Result<Order, Failure> {
    answers::order(answer.body(), &spec.directory, &spec.names).map_err(Failure::refused)
}

/// The order once it has come to `wanted`, or beyond.
async fn settled(
    session: &mut Session<'_>,
    spec: &Spec,
    place: &Url,
    mut order: Order,
    wanted: OrderStatus,
) -> Result<Order, Failure> {
    let mut looks = Looks::default();
    loop {
        match order.status {
            OrderStatus::Invalid => {
                let why = order.error.as_deref().unwrap_or("without a reason");
                return Err(Failure::refused(format!("the order came to nothing: {why}")));
            }
            OrderStatus::Valid => return Ok(order),
            status if status == wanted => return Ok(order),
            OrderStatus::Pending | OrderStatus::Ready | OrderStatus::Processing => {}
        }
        let answer = looks.again(session, place, "the order").await?;
        order = read(&answer, spec)?;
    }
}

/// Has the authority see that the name of an authorization is ours. Says which name it was.
async fn prove(
    session: &mut Session<'_>,
    spec: &Spec,
    managed: &Arc<Managed>,
    place: &Url,
    proven: &[String],
) -> Result<String, Failure> {
    let answer =
        session.post(place, Said::Nothing).await.map_err(|failure| failure.about("an authorization"))?;
    let Authorization { name, status, challenge } = authorization(&answer, spec)?;
    if proven.contains(&name) || !spec.names.iter().any(|own| **own == *name) {
        return Err(Failure::refused("an authorization of a name that was not asked for"));
    }
    match status {
        AuthorizationStatus::Valid => return Ok(name),
        AuthorizationStatus::Over => return Err(refusal(&name, challenge.as_ref())),
        AuthorizationStatus::Pending => {}
    }
    let kind = kind(spec.challenge);
    let Some(challenge) = challenge else {
        return Err(Failure::refused(format!("the authority has no challenge `{kind}` for `{name}`")));
    };
    // Shown until the authority has decided, whatever becomes of it.
    let _proving = show(session, spec, managed, &name, &challenge)?;
    let nothing = Object::new();
    let said = session.post(&challenge.url, Said::Document(&nothing)).await;
    said.map_err(|failure| failure.about("a challenge"))?;
    let mut looks = Looks::default();
    loop {
        let answer = looks.again(session, place, "an authorization").await?;
        let seen = authorization(&answer, spec)?;
        match seen.status {
            _ if seen.name != name => return Err(Failure::refused("an authorization that changed its name")),
            AuthorizationStatus::Valid => return Ok(name),
            AuthorizationStatus::Over => return Err(refusal(&name, seen.challenge.as_ref())),
            AuthorizationStatus::Pending => {}
        }
    }
}

fn show(
    session: &Session<'_>,
    spec: &Spec,
    managed: &Arc<Managed>,
    name: &str,
    challenge: &Challenge,
) -> Result<Proving, Failure> {
    let content = session.authorization_of(&challenge.token);
    if spec.challenge == AcmeChallenge::Http01 {
        return Ok(managed.prove_by_answer(name, &challenge.token, content));
    }
    let (chain, key) = keys::proof(name, content.as_bytes()).map_err(Failure::away)?;
    managed.prove_by_handshake(name, chain, &key).map_err(|error| Failure::away(error.to_string()))
}

fn authorization(answer: &Response<Bytes>, spec: &Spec) -> Result<Authorization, Failure> {
    answers::authorization(answer.body(), &spec.directory, kind(spec.challenge)).map_err(Failure::refused)
}

fn refusal(name: &str, challenge: Option<&Challenge>) -> Failure {
    let why = challenge.and_then(|challenge| challenge.error.as_deref()).unwrap_or("without a reason");
    Failure::refused(format!("the authority does not believe that `{name}` leads here: {why}"))
}

fn kind(challenge: AcmeChallenge) -> &'static str {
    match challenge {
        AcmeChallenge::TlsAlpn01 => "tls-alpn-01",
        AcmeChallenge::Http01 => "http-01",
    }
}

/// Looks at something until it has changed, with growing pauses.
struct Looks {
    left: u32,
    pause: Duration,
}

impl Default for Looks {
    fn default() -> Self {
        Self { left: LOOKS_MAX, pause: PAUSE_FIRST }
    }
}

impl Looks {
    async fn again(
        &mut self,
        session: &mut Session<'_>,
        place: &Url,
        what: &str,
    ) -> Result<Response<Bytes>, Failure> {
        self.left =
            self.left.checked_sub(1).ok_or_else(|| Failure::away(format!("{what} takes too long")))?;
        tokio::time::sleep(self.pause).await;
        let answer = session.post(place, Said::Nothing).await.map_err(|failure| failure.about(what))?;
        self.pause = self.pause.saturating_mul(2).max(put_off(&answer).unwrap_or_default()).min(PAUSE_MAX);
        Ok(answer)
    }
}
