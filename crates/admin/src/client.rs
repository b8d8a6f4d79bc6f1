//! Calls a running gateway, for commands: one request, one answer, blocking.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, HOST, HeaderValue, UPGRADE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use portcullis_gateway::bounds::Bounds;
use portcullis_gateway::config::Dns;
use portcullis_gateway::config::values::Url;
use portcullis_gateway::fetch::{Call, FetchError, Remote};
use portcullis_gateway::secret::Secret;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::{runtime, time};

/// How long a call may take; a reload compiles whole definitions.
const CALL_PATIENCE: Duration = Duration::from_secs(120);
/// How long a probe may take.
const PROBE_PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer's body.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum CallError {
    /// Nobody listens.
    #[error("no gateway answers at `{0}`; is it running, and with this configuration?")]
    Absent(String),
    /// The socket belongs to somebody else.
    #[error("the admin socket `{path}` belongs to another user; run this as the gateway's own", path = .0.display())]
    Denied(PathBuf),
    /// What was given is no place of an admin API.
    #[error("`{0}` is no address of an admin API; write `https://host:port`")]
    Address(String),
    /// It would be asked in cleartext, over a network.
    #[error(
        "`{0}` is cleartext, which only a loopback address may be: a token would cross the network readably"
    )]
    Cleartext(String),
    /// What was given as a token cannot be one.
    #[error("what is given as a token is none")]
    Token,
    /// There is no way to it.
    #[error("ask the gateway at `{place}`: {reason}")]
    Afar {
        /// Where it is.
        place: String,
        /// Why not.
        reason: String,
    },
    /// What was asked for cannot stand in a request line.
    #[error("`{0}` cannot be asked for")]
    Target(String),
    /// The connection cannot be had.
    #[error("connect to the gateway: {0}")]
    Connect(io::Error),
    /// The answer took too long.
    #[error("the gateway did not answer in time")]
    Late,
    /// The answer is larger than any should be.
    #[error("the answer is larger than 64 MiB")]
    TooLarge,
    /// The answer is no HTTP, or broke off.
    #[error("read the gateway's answer: {0}")]
    Answer(String),
}

/// Calls the admin API over its socket.
///
/// # Errors
/// Why there is no answer. A status of 400 or above is an answer.
pub fn call(socket: &Path, method: &str, target: &str, body: &[u8]) -> Result<Answer, CallError> {
    let request = request(method, target, "localhost", body)?;
    finish(CALL_PATIENCE, async { ask(connect(socket).await?, request).await })
}

/// An admin API on an address, and how an operator is known there.
#[derive(Debug)]
pub struct Afar {
    remote: Remote,
    token: Option<HeaderValue>,
}

impl Afar {
    /// The one at `url`, for whom `authorities` may vouch, in PEM, or whoever the system trusts.
    ///
    /// # Errors
    /// Says what of it cannot be used.
    pub fn new(url: &str, authorities: Option<&str>, token: Option<&Secret>) -> Result<Self, CallError> {
        let refused = || CallError::Address(url.escape_default().to_string());
        let read: Url = serde_json::from_value(url.into()).map_err(|_| refused())?;
        if !matches!(&*read.path, "" | "/") {
            return Err(refused());
        }
        if !read.https && !read.is_loopback() {
            return Err(CallError::Cleartext(url.to_owned()));
        }
        let names = Dns::default().settings(&Bounds::default());
        let remote = Remote::trusting(read, names, authorities.map(Into::into));
        let remote =
            remote.map_err(|error| CallError::Afar { place: url.to_owned(), reason: error.to_string() })?;
        let token = token.map(|token| {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose().trim()))
                .map_err(|_| CallError::Token)?;
            value.set_sensitive(true);
            Ok(value)
        });
        Ok(Self { remote, token: token.transpose()? })
    }

    /// Calls it.
    ///
    /// # Errors
    /// Why there is no answer. A status of 400 or above is an answer.
    pub fn call(&self, method: &str, target: &str, body: &[u8]) -> Result<Answer, CallError> {
        let refused = || CallError::Target(target.escape_default().to_string());
        if !is_target(target) {
            return Err(refused());
        }
        let url = Url { path: target.into(), ..self.remote.url().clone() };
        let place = format!("{}:{}", url.host, url.port);
        let remote = self.remote.beside(url).map_err(|_| refused())?;
        let fields = self.token.iter().map(|token| (AUTHORIZATION, token.clone()));
        let call = Call {
            method: Method::from_bytes(method.as_bytes()).map_err(|_| refused())?,
            fields: fields.collect(),
            body: Bytes::copy_from_slice(body),
            within: CALL_PATIENCE,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        finish(CALL_PATIENCE, async {
            let answer = remote.call(call).await.map_err(|error| match error {
                FetchError::Unreachable(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    CallError::Absent(place.clone())
                }
                FetchError::Late(_) => CallError::Late,
                other => CallError::Afar { place: place.clone(), reason: other.to_string() },
            })?;
            Ok(Answer { status: answer.status().as_u16(), body: answer.into_body() })
        })
    }
}

/// SECURITY: a request id comes from whoever types; one that could end the request line is refused.
fn is_target(target: &str) -> bool {
    target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Asks for another protocol over the admin socket. The outcome is the connection, which speaks it and has said nothing
/// yet, or the answer of whoever does not.
///
/// # Errors
/// Why there is no answer.
pub(crate) fn upgrade(
    socket: &Path,
    target: &str,
    protocol: &str,
) -> Result<Result<std::os::unix::net::UnixStream, Answer>, CallError> {
    let mut request = request("POST", target, "localhost", b"")?;
    let value = HeaderValue::from_str(protocol).map_err(|_| CallError::Target(protocol.to_owned()))?;
    request.headers_mut().insert(UPGRADE, value);
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    finish(CALL_PATIENCE, async {
        let broken = |error: hyper::Error| CallError::Answer(error.to_string());
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(connect(socket).await?)).await.map_err(broken)?;
        let answer = async move {
            let mut response = sender.send_request(request).await.map_err(broken)?;
            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                return Ok(Err(whole(response).await?));
            }
            let upgraded = hyper::upgrade::on(&mut response).await.map_err(broken)?;
            let parts = upgraded.downcast::<TokioIo<UnixStream>>();
            let parts = parts.map_err(|_| CallError::Answer("the connection is another".to_owned()))?;
            Ok(Ok(parts.io.into_inner().into_std().map_err(CallError::Connect)?))
        };
        let (answer, _) = tokio::join!(answer, connection.with_upgrades());
        answer
    })
}

/// Asks a probe.
///
/// # Errors
/// Why there is no answer. A status of 400 or above is an answer.
pub fn probe(address: SocketAddr, target: &str) -> Result<Answer, CallError> {
    let request = request("GET", target, &address.to_string(), b"")?;
    finish(PROBE_PATIENCE, async {
        let stream = TcpStream::connect(address).await.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => CallError::Absent(address.to_string()),
            _ => CallError::Connect(error),
        })?;
        ask(stream, request).await
    })
}

fn request(method: &str, target: &str, host: &str, body: &[u8]) -> Result<Request<Full<Bytes>>, CallError> {
    let refused = || CallError::Target(target.escape_default().to_string());
    if !is_target(target) {
        return Err(refused());
    }
    let request =
        Request::builder().method(method).uri(target).header(HOST, host).header(CONNECTION, "close");
    request.body(Full::new(Bytes::copy_from_slice(body))).map_err(|_| refused())
}

async fn connect(socket: &Path) -> Result<UnixStream, CallError> {
    UnixStream::connect(socket).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            CallError::Absent(socket.display().to_string())
        }
        io::ErrorKind::PermissionDenied => CallError::Denied(socket.to_owned()),
        _ => CallError::Connect(error),
    })
}

/// Drives `conversation` to its end, within `patience`.
fn finish<T>(
    patience: Duration,
    conversation: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(CallError::Connect)?;
    runtime.block_on(async { time::timeout(patience, conversation).await.unwrap_or(Err(CallError::Late)) })
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Answer, CallError> {
    let broken = |error: hyper::Error| CallError::Answer(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let answer = async move { whole(sender.send_request(request).await.map_err(broken)?).await };
    // The connection must be driven while the answer is awaited; how it ends, the answer shows.
    let (answer, _) = tokio::join!(answer, connection);
    answer
}

async fn whole(response: Response<Incoming>) -> Result<Answer, CallError> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            CallError::TooLarge
        } else {
            CallError::Answer(error.to_string())
        }
    })?;
    Ok(Answer { status: head.status.as_u16(), body: body.to_bytes() })
}
