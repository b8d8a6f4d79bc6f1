//! An authority of ACME that does as it is told: a good one at `/NAME/dir` for every NAME, but for what a test says of it.
//!
//! It believes every name at once and verifies no signature: the real pebble does. A step of NAME may be answered otherwise: the
//! directory `dir`, `nonce`, `account`, `order` (made), `look` (at an order), `authz`, `chal`, `final` and `cert`. Of a request
//! for a certificate nothing is read but its key, a point on P-256.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::certificates::Authority;
use crate::provider::{Answer, Asked, request, say};
use crate::tokens::{base64url_decoded, now};

/// What an authority answers in place of the right thing.
#[derive(Debug, Clone)]
pub enum Instead {
    /// This.
    Says(Answer),
    /// The right thing, with these texts of it replaced.
    Replaced(Vec<(String, String)>),
    /// A document with this member.
    Member(&'static str, Value),
    /// The right head, with this status and these fields, and the right document.
    Head(u16, Vec<(&'static str, String)>),
    /// No nonce.
    NoNonce,
    /// The certificate of another key.
    OtherKey,
    /// A certificate for other names.
    OtherNames,
    /// So many certificates.
    Chain(usize),
}

/// The authority; it stops answering when this value is gone.
#[derive(Debug)]
pub struct Acme {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    base: String,
    front: Authority,
    root: Authority,
    tls: Arc<ServerConfig>,
    state: Mutex<State>,
    is_over: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    instead: HashMap<(String, String), Instead>,
    asked: HashMap<(String, String), usize>,
    orders: HashMap<String, Order>,
    validity: Validity,
    nonces: usize,
}

#[derive(Debug, Default, Clone)]
struct Order {
    names: Vec<String>,
    proven: Vec<bool>,
    point: Vec<u8>,
    is_final: bool,
}

/// Seconds before and after now for which certificates hold.
#[derive(Debug, Clone, Copy)]
struct Validity(u64, u64);

impl Default for Validity {
    fn default() -> Self {
        Self(60, 86_400)
    }
}

/// What is answered.
struct Reply {
    status: u16,
    fields: Vec<(&'static str, String)>,
    body: String,
}

impl Acme {
    /// A good one.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let front = Authority::new("the authority's front");
        let pair = front.server(&["127.0.0.1"]);
        let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes());
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("a chain");
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let tls =
            builder.expect("versions").with_no_client_auth().with_single_cert(chain, key).expect("a pair");
        let shared = Arc::new(Shared {
            base: format!("https://{address}"),
            front,
            root: Authority::new("the authority"),
            tls: Arc::new(tls),
            state: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if own.is_over.load(Ordering::Acquire) {
                    return;
                }
                let (Ok(stream), own) = (stream, Arc::clone(&own)) else { continue };
                thread::spawn(move || own.serve(stream));
            }
        });
        Self { address, shared }
    }

    /// The URL of the directory called `name`.
    pub fn directory(&self, name: &str) -> String {
        format!("{}/{name}/dir", self.shared.base)
    }

    /// Who vouches for its directories, in PEM.
    pub fn front(&self) -> String {
        self.shared.front.pem()
    }

    /// Who vouches for what it gives, in PEM.
    pub fn root(&self) -> String {
        self.shared.root.pem()
    }

    /// From now on this is what comes of `step` at `name`.
    pub fn instead(&self, name: &str, step: &str, instead: Instead) {
        self.shared.state().instead.insert((name.to_owned(), step.to_owned()), instead);
    }

    /// From now on `name` is a good one at `step` again.
    pub fn mends(&self, name: &str, step: &str) {
        self.shared.state().instead.remove(&(name.to_owned(), step.to_owned()));
    }

    /// From now on certificates hold for so many seconds before and after the moment they are given.
    pub fn gives_for(&self, before: u64, after: u64) {
        self.shared.state().validity = Validity(before, after);
    }

    /// How often `step` came at `name`.
    pub fn asked(&self, name: &str, step: &str) -> usize {
        self.shared.state().asked.get(&(name.to_owned(), step.to_owned())).copied().unwrap_or_default()
    }
}

impl Drop for Acme {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        // Wakes who waits for connections.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream) -> Option<()> {
        drop(stream.set_read_timeout(Some(Duration::from_secs(60))));
        let connection = ServerConnection::new(Arc::clone(&self.tls)).ok()?;
        let mut stream = StreamOwned::new(connection, stream);
        let asked = request(&mut stream, &mut Vec::new())?;
        let path = asked.line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut parts = path.split('/').skip(1);
        let (name, step) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let number = parts.next().and_then(|number| number.parse().ok()).unwrap_or(0);
        let key = (name.to_owned(), step.to_owned());
        let instead = {
            let mut state = self.state();
            *state.asked.entry(key.clone()).or_default() += 1;
            state.instead.get(&key).cloned()
        };
        let answer = match instead {
            Some(Instead::Says(answer)) => answer,
            instead => Answer::Raw(self.reply(name, step, number, &asked, instead)),
        };
        let _ = say(&mut stream, answer, &self.is_over);
        stream.conn.send_close_notify();
        drop(std::io::Write::flush(&mut stream));
        Some(())
    }

    /// The bytes of the right reply, or of one that is as `instead` says.
    fn reply(
        &self,
        name: &str,
        step: &str,
        number: usize,
        asked: &Asked,
        instead: Option<Instead>,
    ) -> Vec<u8> {
        let mut reply = self.right(name, step, number, asked, instead.as_ref());
        let nonce = {
            let mut state = self.state();
            state.nonces += 1;
            format!("nonce-{}", state.nonces)
        };
        let mut has_nonce = step != "dir";
        match instead {
            Some(Instead::Replaced(texts)) => {
                for (old, new) in texts {
                    assert!(reply.body.contains(&old), "{old} is not in {}", reply.body);
                    reply.body = reply.body.replace(&old, &new);
                }
            }
            Some(Instead::Member(member, value)) => {
                let mut document: Value = serde_json::from_str(&reply.body).expect("a document");
                document[member] = value;
                reply.body = document.to_string();
            }
            Some(Instead::Head(status, fields)) => {
                reply.status = status;
                reply.fields.retain(|(name, _)| fields.iter().all(|(other, _)| other != name));
                reply.fields.extend(fields);
            }
            Some(Instead::NoNonce) => has_nonce = false,
            Some(Instead::Says(_) | Instead::OtherKey | Instead::OtherNames | Instead::Chain(_)) | None => {}
        }
        if has_nonce {
            reply.fields.push(("Replay-Nonce", nonce));
        }
        let fields: String =
            reply.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let (status, length) = (reply.status, reply.body.len());
        let body = if asked.line.starts_with("HEAD ") { "" } else { &reply.body };
        format!(
            "HTTP/1.1 {status} Said\r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }

    fn right(
        &self,
        name: &str,
        step: &str,
        number: usize,
        asked: &Asked,
        instead: Option<&Instead>,
    ) -> Reply {
        let at = |step: &str| format!("{}/{name}/{step}", self.base);
        let json = ("Content-Type", "application/json".to_owned());
        let said = |status, more: Option<(&'static str, String)>, body: Value| Reply {
            status,
            fields: std::iter::once(json.clone()).chain(more).collect(),
            body: body.to_string(),
        };
        let mut state = self.state();
        let order = state.orders.entry(name.to_owned()).or_default();
        match step {
            "dir" => said(
                200,
                None,
                json!({ "newNonce": at("nonce"), "newAccount": at("account"), "newOrder": at("order"), "meta": {} }),
            ),
            "nonce" => Reply { status: 200, fields: Vec::new(), body: String::new() },
            "account" => {
                let place = ("Location", at("account/1"));
                said(201, Some(place), json!({ "status": "valid" }))
            }
            "order" => {
                let wish = payload(&asked.body);
                let names = wish["identifiers"].as_array().into_iter().flatten();
                order.names = names.filter_map(|one| one["value"].as_str().map(str::to_owned)).collect();
                order.proven = vec![false; order.names.len()];
                order.is_final = false;
                let place = ("Location", at("look"));
                said(201, Some(place), self.order(name, order))
            }
            "look" => said(200, None, self.order(name, order)),
            "authz" => {
                let status = if order.proven.get(number) == Some(&true) { "valid" } else { "pending" };
                let challenge = |kind: &str| {
                    let token = format!("token-{number}-0123456789abcdef");
                    json!({ "type": kind, "url": at(&format!("chal/{number}")), "token": token, "status": "pending" })
                };
                let value = order.names.get(number).cloned().unwrap_or_default();
                let challenges = [challenge("dns-01"), challenge("tls-alpn-01"), challenge("http-01")];
                let identifier = json!({ "type": "dns", "value": value });
                said(
                    200,
                    None,
                    json!({ "status": status, "identifier": identifier, "challenges": challenges }),
                )
            }
            "chal" => {
                if let Some(proven) = order.proven.get_mut(number) {
                    *proven = true;
                }
                said(200, None, json!({ "status": "processing" }))
            }
            "final" => {
                let request =
                    payload(&asked.body)["csr"].as_str().and_then(base64url_decoded).unwrap_or_default();
                order.point = point(&request);
                order.is_final = true;
                said(200, None, self.order(name, order))
            }
            "cert" => {
                let (order, validity) = (order.clone(), state.validity);
                drop(state);
                let kind = ("Content-Type", "application/pem-certificate-chain".to_owned());
                Reply { status: 200, fields: vec![kind], body: self.chain(&order, validity, instead) }
            }
            _ => said(404, None, json!({})),
        }
    }

    fn order(&self, name: &str, order: &Order) -> Value {
        let at = |step: &str| format!("{}/{name}/{step}", self.base);
        let is_proven = order.proven.iter().all(|proven| *proven);
        let status = if order.is_final {
            "valid"
        } else if is_proven {
            "ready"
        } else {
            "pending"
        };
        let identifiers: Vec<Value> =
            order.names.iter().map(|name| json!({ "type": "dns", "value": name })).collect();
        let places: Vec<String> =
            (0..order.names.len()).map(|number| at(&format!("authz/{number}"))).collect();
        let mut document = json!({
            "status": status, "identifiers": identifiers, "authorizations": places, "finalize": at("final"),
        });
        if order.is_final {
            document["certificate"] = at("cert").into();
        }
        document
    }

    fn chain(&self, order: &Order, Validity(before, after): Validity, instead: Option<&Instead>) -> String {
        let now = now();
        let validity = (now - before, now + after);
        let strange = ["strange.acme.test".to_owned()];
        let names = if matches!(instead, Some(Instead::OtherNames)) { &strange[..] } else { &order.names };
        let leaf = match instead {
            Some(Instead::OtherKey) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                self.root.server(&names).certificate
            }
            _ => self.root.certify(names, &order.point, validity),
        };
        let more = if let Some(Instead::Chain(count)) = instead { *count } else { 0 };
        std::iter::once(leaf).chain((0..more).map(|_| self.root.pem())).collect()
    }
}

/// The payload of a flattened JWS.
fn payload(body: &str) -> Value {
    let document: Value = serde_json::from_str(body).unwrap_or_default();
    let payload = document["payload"].as_str().and_then(base64url_decoded).unwrap_or_default();
    serde_json::from_slice(&payload).unwrap_or_default()
}

/// The point on P-256 in a request for a certificate: a bit string of 65 bytes whose first is 4.
fn point(request: &[u8]) -> Vec<u8> {
    let at = request.windows(4).position(|four| four == [0x03, 0x42, 0x00, 0x04]);
    at.and_then(|at| request.get(at + 3..at + 68)).unwrap_or_default().to_vec()
}
