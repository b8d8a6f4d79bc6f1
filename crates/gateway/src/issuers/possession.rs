//! Proofs that the presenter of a token holds the key it was issued to (DPoP, RFC 9449), each good once.
//!
//! The proof itself is the engine's to judge (crate `identity`); here is what the process remembers for it: which proofs it
//! has seen, and the secret that its nonces are made with. Both are one for the process, so that no reload forgets a proof.
//!
//! # Limits
//! A proof may be [`AGE_MAX`] old, and clocks [`LEEWAY`] apart. `bounds.proofs_remembered` proofs are remembered for that
//! long, twice at most; when there are more, nobody can say whether one is new: 503.
//!
//! # Threats
//! Another process, on another machine or after a hand-over, has a memory of its own. Nonces are made with a secret that only
//! the process has, and so is every proof with one of them good at that process alone: it cannot be replayed at another. A
//! memory shared by all nodes would have a request wait for it, or come late. Without nonces a proof that was listened to is
//! good once at each process, for [`AGE_MAX`].

use std::sync::LazyLock;
use std::time::Duration;

use portcullis_identity::algorithm::Algorithms;
use portcullis_identity::dpop::{self, Nonces, Refused, Request, Rules};
use portcullis_identity::replay::Seen;

use crate::clock;
use crate::once::Once;

/// How old a proof may be.
pub const AGE_MAX: Duration = Duration::from_secs(60);
/// How far a client's clock may be from ours.
pub const LEEWAY: Duration = Duration::from_secs(5);
/// How long a nonce is good at least.
pub const NONCE_PERIOD: Duration = Duration::from_secs(120);
/// How long a proof could be presented again.
const WINDOW: Duration =
    Duration::from_secs(AGE_MAX.as_secs().saturating_add(LEEWAY.as_secs().saturating_mul(2)));

static SEEN: LazyLock<Once> = LazyLock::new(|| Once::new(WINDOW));
/// `None` when the system gave no randomness: then no nonce is good.
static NONCES: LazyLock<Option<Nonces>> = LazyLock::new(|| Nonces::random(NONCE_PERIOD));

/// Why possession is not proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unproven {
    /// The proof does not hold, and why.
    Proof(&'static str),
    /// It lacks a nonce; this is one.
    Nonce(String),
    /// Nobody can say whether it is new, or give a nonce.
    Unknown(&'static str),
}

/// Judges `proof` for `request`, once; at most `remembered` of them are.
///
/// # Errors
/// Possession is not proven.
pub fn judge(proof: &[u8], request: Request<'_>, needs_nonce: bool, remembered: u32) -> Result<(), Unproven> {
    let rules = Rules { algorithms: Algorithms::ASYMMETRIC, age_max: AGE_MAX, leeway: LEEWAY };
    let now = clock::wall();
    let nonces = match (&*NONCES, needs_nonce) {
        (_, false) => None,
        (Some(nonces), true) => Some(nonces),
        (None, true) => return Err(Unproven::Unknown("there is no nonce to give")),
    };
    let proof = match dpop::verify(proof, request, &rules, nonces, now) {
        Ok(proof) => proof,
        Err(Refused::Nonce) => {
            return Err(Unproven::Nonce(nonces.map(|nonces| nonces.current(now)).unwrap_or_default()));
        }
        Err(why) => return Err(Unproven::Proof(why.as_str())),
    };
    match SEEN.judge(proof.replay_digest(), remembered) {
        Seen::First => Ok(()),
        Seen::Before => Err(Unproven::Proof("the proof was used before")),
        Seen::Full => Err(Unproven::Unknown("more proofs than can be remembered")),
    }
}

/// The algorithms of proofs, as `algs` names them.
pub fn algorithms() -> String {
    let names: Vec<&str> = Algorithms::ASYMMETRIC.iter().map(|algorithm| algorithm.name()).collect();
    names.join(" ")
}
