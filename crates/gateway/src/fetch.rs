//! Calls the gateway makes on its own account: to collectors and issuers. Never what a client sends.
//!
//! A call is one request on a connection of its own. Most such calls are rare, so keeping connections would save little, and
//! would bring a pool with its own ways to go stale. Whoever calls for requests, such as an issuer that is asked about each
//! token, says so: [`Remote::keeping`]. A kept connection that turns out to be stale costs a second try on a new one, so
//! such a call must be one that may arrive twice. hyper's client speaks HTTP/1.1: its leniency toward answers harms
//! nobody here, for an answer is read by us alone and passed on to no one.
//!
//! A call runs on whatever runtime awaits it and spawns nothing: dropped, it is over, and its connection with it. A kept
//! connection belongs to the thread that made it.
//!
//! A name is asked for with each call, as `dns` asks, without a thread that waits; the last addresses count when it does
//! not resolve.
//!
//! Whoever speaks gRPC is asked over HTTP/2 ([`Remote::speaking_http2`]), one call a connection (`fetch/http2.rs`).
//!
//! # Limits
//! Each call names its time and the bytes of answer it will read; the head of an answer has hyper's own bound, 100 fields
//! in 400 KiB. At most [`ADDRESSES_MAX`] addresses of a name are tried, within that time. Of one remote
//! [`KEPT_MAX`] connections of all threads are kept, for [`KEPT_FOR`].
//!
//! # Threats
//! Whom to call comes from the operator alone, never from a request. A redirect is an answer like any other and is not
//! followed; no proxy of the environment is asked. Over TLS the other side is always authenticated.

mod http2;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, crypto};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::clock::{self, Instant};
use crate::config::Certificate;
use crate::config::values::Url;
use crate::dns;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;
/// Connections of one remote that are kept.
const KEPT_MAX: usize = 32;
/// How long an unused connection is kept.
const KEPT_FOR: Duration = Duration::from_secs(15);

/// One other side, and what calling it needs.
#[derive(Debug, Clone)]
pub struct Remote {
    url: Url,
    names: dns::Settings,
    /// The addresses its name had last.
    last: Arc<Mutex<Vec<IpAddr>>>,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Whoever may vouch for the other side, if that is not the system's affair.
    authorities: Option<Arc<str>>,
    kept: Option<Arc<Kept>>,
    speaks_http2: bool,
}

/// Connections that wait for the next call.
#[derive(Default)]
struct Kept(Mutex<Vec<Connection>>);

/// One connection, of whatever kind.
struct Connection {
    sender: Sender,
    /// What drives it, until it has ended.
    driver: Option<Driver>,
    /// Whose runtime it belongs to.
    thread: ThreadId,
    since: Instant,
}

type Driver = Pin<Box<dyn Future<Output = Result<(), FetchError>> + Send>>;

/// What takes requests of a connection.
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(h2::client::SendRequest<Bytes>),
}

/// An answer, with its trailers.
type Answer = (Response<Bytes>, HeaderMap);

/// What is said in one call.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Fields beside those that frame the body. `Host` is the remote's own, unless another stands here.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
    /// How long the call may take as a whole.
    pub within: Duration,
    /// Most bytes of the answer's body.
    pub answer_bytes_max: usize,
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It did not come in time.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// There is no connection.
    #[error("cannot connect: {0}")]
    Unreachable(io::Error),
    /// The other side cannot be trusted.
    #[error("cannot speak TLS with it: {0}")]
    Untrusted(io::Error),
    /// The connection broke, or what came is not HTTP.
    #[error("no HTTP answer: {0}")]
    Broken(hyper::Error),
    /// The stream or its connection broke, or what came is not HTTP/2.
    #[error("no answer of HTTP/2: {0}")]
    Reset(h2::Error),
    /// The answer's body broke off, or is larger than asked for.
    #[error("no whole answer: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
}

/// Why a URL can never be called.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// What was given as authorities is none.
    #[error("`ca` is no list of certificates in PEM")]
    Authorities,
    /// The system trusts nobody.
    #[error("the system has no trusted authorities; name a file of them in `SSL_CERT_FILE`")]
    NoAuthority,
    /// What we are to present cannot be presented.
    #[error("`client_certificate` cannot be presented: {0}")]
    Certificate(String),
    /// TLS cannot be spoken at all.
    #[error("no version of TLS can be spoken: {0}")]
    Versions(rustls::Error),
    /// The host is no name that a certificate can bear.
    #[error("`{0}` is no name that a certificate can bear")]
    ServerName(Box<str>),
    /// The path and query are no request target.
    #[error("`{0}` is no path that can be asked for")]
    Path(Box<str>),
}

impl Remote {
    /// The one at `url`, whose name is resolved as `names` say. Over `https`, whoever the system trusts may vouch for it.
    ///
    /// # Errors
    /// Says why it can never be called.
    pub fn new(url: Url, names: dns::Settings) -> Result<Self, RemoteError> {
        Self::trusting(url, names, None)
    }

    /// The same; over `https`, whoever `authorities` names in PEM may vouch for it, and nobody else.
    ///
    /// # Errors
    /// Says why it can never be called.
    pub fn trusting(
        url: Url,
        names: dns::Settings,
        authorities: Option<Arc<str>>,
    ) -> Result<Self, RemoteError> {
        Self::with(url, names, authorities, None)
    }

    /// The same; over `https` we present `certificate` where the other side asks for one (RFC 8705).
    ///
    /// # Errors
    /// Says why it can never be called.
    pub fn presenting(
        url: Url,
        names: dns::Settings,
        authorities: Option<Arc<str>>,
        certificate: &Certificate,
    ) -> Result<Self, RemoteError> {
        let config = client_config(authorities.as_deref(), Some(certificate))?;
        Self::with(url, names, authorities, Some(config))
    }

    /// The one at `url`, with what TLS needs, if that was read already.
    fn with(
        url: Url,
        names: dns::Settings,
        authorities: Option<Arc<str>>,
        known: Option<Arc<ClientConfig>>,
    ) -> Result<Self, RemoteError> {
        url.path.parse::<http::uri::PathAndQuery>().map_err(|_| RemoteError::Path(url.path.clone()))?;
        let mut tls = None;
        if url.https {
            let config = known.map_or_else(|| client_config(authorities.as_deref(), None), Ok)?;
            let name = ServerName::try_from(url.host.to_string());
            tls = Some((config, name.map_err(|_| RemoteError::ServerName(url.host.clone()))?));
        }
        Ok(Self { url, names, last: Arc::default(), tls, authorities, kept: None, speaks_http2: false })
    }

    /// Another place that the same may vouch for. Who that is, is not read anew.
    ///
    /// # Errors
    /// Says why it can never be called.
    pub fn beside(&self, url: Url) -> Result<Self, RemoteError> {
        let known = self.tls.as_ref().map(|(config, _)| Arc::clone(config));
        Self::with(url, self.names.clone(), self.authorities.clone(), known)
    }

    /// The same, which keeps its connections for the next call.
    #[must_use]
    pub fn keeping(self) -> Self {
        Self { kept: Some(Arc::default()), ..self }
    }

    /// The same, asked over HTTP/2: by ALPN over TLS, else by prior knowledge.
    #[must_use]
    pub fn speaking_http2(mut self) -> Self {
        self.speaks_http2 = true;
        self.tls = self.tls.map(|(config, name)| {
            let mut config = ClientConfig::clone(&config);
            config.alpn_protocols = vec![b"h2".to_vec()];
            (Arc::new(config), name)
        });
        self
    }

    /// Where it is.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Makes one call and reads the whole answer.
    ///
    /// # Errors
    /// Says why there is none.
    pub async fn call(&self, call: Call) -> Result<Response<Bytes>, FetchError> {
        // It was judged when the remote was made.
        self.call_at(self.url.path.parse().unwrap_or_default(), call).await
    }

    /// The same at another path.
    ///
    /// # Errors
    /// Says why there is no answer.
    pub async fn call_at(&self, path: Uri, call: Call) -> Result<Response<Bytes>, FetchError> {
        self.call_with_trailers(path, call).await.map(|(answer, _)| answer)
    }

    /// The same, with the trailers of the answer.
    ///
    /// # Errors
    /// Says why there is no answer.
    pub async fn call_with_trailers(
        &self,
        path: Uri,
        call: Call,
    ) -> Result<(Response<Bytes>, HeaderMap), FetchError> {
        let within = call.within;
        let answer = self.answer(&path, &call);
        tokio::time::timeout(within, answer).await.map_err(|_| FetchError::Late(within))?
    }

    async fn answer(&self, path: &Uri, call: &Call) -> Result<Answer, FetchError> {
        while let Some(connection) = self.kept.as_ref().and_then(|kept| kept.take()) {
            match self.speak(connection, path, call).await {
                // The other side had closed it, or did so just now.
                Err(FetchError::Broken(_) | FetchError::Reset(_)) => {}
                answer => return answer,
            }
        }
        let connection = self.open().await?;
        self.speak(connection, path, call).await
    }

    async fn open(&self) -> Result<Connection, FetchError> {
        let stream = self.connect().await.map_err(FetchError::Unreachable)?;
        match &self.tls {
            None => Connection::over(stream, self.speaks_http2).await,
            Some((config, name)) => {
                let connector = TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(name.clone(), stream).await.map_err(FetchError::Untrusted)?;
                if self.speaks_http2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                    return Err(FetchError::Untrusted(io::Error::other("it does not agree on HTTP/2")));
                }
                Connection::over(stream, self.speaks_http2).await
            }
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in self.addresses().await?.into_iter().take(ADDRESSES_MAX) {
            match TcpStream::connect((address, self.url.port)).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn addresses(&self) -> io::Result<Vec<IpAddr>> {
        if let Ok(address) = self.url.host.parse() {
            return Ok(vec![address]);
        }
        let found = dns::addresses(&self.names, &self.url.host).await;
        // Nothing can be left half done in there.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Ok(addresses) => last.clone_from(&addresses),
            Err(error) if last.is_empty() => return Err(error),
            Err(_) => {}
        }
        Ok(last.clone())
    }

    async fn speak(&self, mut connection: Connection, path: &Uri, call: &Call) -> Result<Answer, FetchError> {
        let mut request = Request::new(call.body.clone());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = path.clone();
        for (name, value) in &call.fields {
            request.headers_mut().append(name, value.clone());
        }
        if self.speaks_http2 {
            let scheme = if self.url.https { "https" } else { "http" };
            let target = path.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
            *request.uri_mut() =
                format!("{scheme}://{}{target}", self.url.authority()).parse().unwrap_or_default();
        } else if !request.headers().contains_key(header::HOST)
            && let Ok(authority) = self.url.authority().parse()
        {
            request.headers_mut().insert(header::HOST, authority);
        }
        if self.kept.is_none() && !self.speaks_http2 {
            request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let answer = connection.exchange(request, call.answer_bytes_max).await;
        if let (Ok(_), Some(kept)) = (&answer, &self.kept) {
            kept.put(connection);
        }
        answer
    }
}

impl Connection {
    /// Whether it has not ended, as far as is known.
    fn is_open(&self) -> bool {
        let is_closed = match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            // The driver alone knows.
            Sender::Http2(_) => false,
        };
        self.driver.is_some() && !is_closed
    }

    async fn over<S>(stream: S, speaks_http2: bool) -> Result<Self, FetchError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, driver): (Sender, Driver) = if speaks_http2 {
            let (sender, driver) = http2::over(stream).await?;
            (Sender::Http2(sender), driver)
        } else {
            let (sender, driver) =
                http1::handshake(TokioIo::new(stream)).await.map_err(FetchError::Broken)?;
            (Sender::Http1(sender), Box::pin(async move { driver.await.map_err(FetchError::Broken) }))
        };
        let thread = thread::current().id();
        Ok(Self { sender, driver: Some(driver), thread, since: clock::now() })
    }

    async fn exchange(
        &mut self,
        request: Request<Bytes>,
        answer_bytes_max: usize,
    ) -> Result<Answer, FetchError> {
        let Self { sender, driver, .. } = self;
        let exchange = async {
            let sender = match sender {
                Sender::Http1(sender) => sender,
                Sender::Http2(sender) => return http2::exchange(sender, request, answer_bytes_max).await,
            };
            sender.ready().await.map_err(FetchError::Broken)?;
            let request = request.map(Full::new);
            let (head, body) = sender.send_request(request).await.map_err(FetchError::Broken)?.into_parts();
            let body = Limited::new(body, answer_bytes_max).collect().await.map_err(FetchError::Body)?;
            let trailers = body.trailers().cloned().unwrap_or_default();
            Ok((Response::from_parts(head, body.to_bytes()), trailers))
        };
        let mut exchange = pin!(exchange);
        if let Some(running) = driver {
            tokio::select! {
                answer = &mut exchange => return answer,
                ended = running => ended?,
            }
        }
        // What was read before its end is still to be had; what it had not taken up by then is told so by its end alone, and
        // would wait for ever.
        *driver = None;
        exchange.await
    }
}

impl Kept {
    /// One of this thread that is not too old.
    fn take(&self) -> Option<Connection> {
        let (now, own) = (clock::now(), thread::current().id());
        // Nothing can be left half done in there.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|one| now.saturating_duration_since(one.since) < KEPT_FOR && one.is_open());
        let at = kept.iter().rposition(|one| one.thread == own)?;
        Some(kept.swap_remove(at))
    }

    fn put(&self, connection: Connection) {
        if !connection.is_open() {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.remove(0);
        }
        kept.push(Connection { since: clock::now(), ..connection });
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").finish_non_exhaustive()
    }
}

/// Whether an answer says that its body is of `media_type`, whatever its parameters and in whatever case.
pub fn is_of_type(answer: &Response<Bytes>, media_type: &str) -> bool {
    let said = answer.headers().get(header::CONTENT_TYPE).and_then(|said| said.to_str().ok());
    let said = said.and_then(|said| said.split(';').next()).unwrap_or_default().trim();
    said.eq_ignore_ascii_case(media_type)
}

/// Whom the system trusts, `SSL_CERT_FILE` included.
pub fn system_authorities() -> RootCertStore {
    let mut store = RootCertStore::empty();
    // One unreadable file among a system's hundred does not take the others away.
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    store
}

fn client_config(
    authorities: Option<&str>,
    certificate: Option<&Certificate>,
) -> Result<Arc<ClientConfig>, RemoteError> {
    let authorities = match authorities {
        None => system_authorities(),
        Some(pem) => named_authorities(pem)?,
    };
    if authorities.is_empty() {
        return Err(RemoteError::NoAuthority);
    }
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(RemoteError::Versions)?
        .with_root_certificates(authorities);
    let mut config = match certificate {
        None => builder.with_no_client_auth(),
        Some(Certificate { cert, key }) => {
            let wrong = |what: &str| RemoteError::Certificate(what.to_owned());
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(cert.as_bytes()).collect();
            let chain = chain.map_err(|_| wrong("`cert` is no list of certificates in PEM"))?;
            let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes());
            let key = key.map_err(|_| wrong("`key` is no private key in PEM"))?;
            let config = builder.with_client_auth_cert(chain, key);
            config.map_err(|error| RemoteError::Certificate(error.to_string()))?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn named_authorities(pem: &str) -> Result<RootCertStore, RemoteError> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| RemoteError::Authorities)?;
        store.add(certificate).map_err(|_| RemoteError::Authorities)?;
    }
    if store.is_empty() { Err(RemoteError::Authorities) } else { Ok(store) }
}

#[cfg(test)]
mod tests;
