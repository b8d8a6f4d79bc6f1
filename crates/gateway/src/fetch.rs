//! Calls the gateway makes on its own account: to collectors, later to issuers and webhooks. Never on the data path.
//!
//! A call is one request on a connection of its own. Such calls are rare, so keeping connections would save little, and
//! would bring a pool with its own ways to go stale. hyper's client speaks HTTP/1.1: its leniency toward answers harms
//! nobody here, for an answer is read by us alone and passed on to no one.
//!
//! A call runs on whatever runtime awaits it and spawns nothing: dropped, it is over.
//!
//! A name is asked for with each call, as `dns` asks, without a thread that waits; the last addresses count when it does
//! not resolve.
//!
//! # Limits
//! Each call names its time and the bytes of answer it will read; the head of an answer has hyper's own bound, 100 fields
//! in 400 KiB. At most [`ADDRESSES_MAX`] addresses of a name are tried, within that time.
//!
//! # Threats
//! Whom to call comes from the operator alone, never from a request. A redirect is an answer like any other and is not
//! followed; no proxy of the environment is asked. Over TLS the other side is always authenticated.

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, crypto};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::values::Url;
use crate::dns;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// One other side, and what calling it needs.
#[derive(Debug, Clone)]
pub struct Remote {
    url: Url,
    names: dns::Settings,
    /// The addresses its name had last.
    last: Arc<Mutex<Vec<IpAddr>>>,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// What is said in one call.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Fields beside `Host` and those that frame the body.
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
    /// The answer's body broke off, or is larger than asked for.
    #[error("no whole answer: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
}

/// Why a URL can never be called.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The system trusts nobody.
    #[error("the system has no trusted authorities; name a file of them in `SSL_CERT_FILE`")]
    NoAuthority,
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
        url.path.parse::<http::uri::PathAndQuery>().map_err(|_| RemoteError::Path(url.path.clone()))?;
        let tls = if url.https { Some(tls(&url)?) } else { None };
        Ok(Self { url, names, last: Arc::default(), tls })
    }

    /// Makes one call and reads the whole answer.
    ///
    /// # Errors
    /// Says why there is none.
    pub async fn call(&self, call: Call) -> Result<Response<Bytes>, FetchError> {
        let within = call.within;
        tokio::time::timeout(within, self.answer(call)).await.map_err(|_| FetchError::Late(within))?
    }

    async fn answer(&self, call: Call) -> Result<Response<Bytes>, FetchError> {
        let stream = self.connect().await.map_err(FetchError::Unreachable)?;
        match &self.tls {
            None => self.speak(stream, call).await,
            Some((config, name)) => {
                let connector = TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(name.clone(), stream).await.map_err(FetchError::Untrusted)?;
                self.speak(stream, call).await
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

    async fn speak<S>(&self, stream: S, call: Call) -> Result<Response<Bytes>, FetchError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut request = Request::new(Full::new(call.body));
        *request.method_mut() = call.method;
        // Both were judged when the remote was made: a path that parses, an authority that came out of a URL.
        *request.uri_mut() = self.url.path.parse().unwrap_or_default();
        request.headers_mut().extend(call.fields);
        if let Ok(authority) = self.url.authority().parse() {
            request.headers_mut().insert(header::HOST, authority);
        }
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(FetchError::Broken)?;
        let exchange = async {
            let (head, body) = sender.send_request(request).await.map_err(FetchError::Broken)?.into_parts();
            let body = Limited::new(body, call.answer_bytes_max).collect().await.map_err(FetchError::Body)?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
        tokio::select! {
            answer = &mut exchange => return answer,
            // What was read before its end is still to be had.
            ended = &mut connection => ended.map_err(FetchError::Broken)?,
        }
        exchange.await
    }
}

/// Whom the system trusts, `SSL_CERT_FILE` included.
pub fn system_authorities() -> RootCertStore {
    let mut store = RootCertStore::empty();
    // One unreadable file among a system's hundred does not take the others away.
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    store
}

fn tls(url: &Url) -> Result<(Arc<ClientConfig>, ServerName<'static>), RemoteError> {
    let authorities = system_authorities();
    if authorities.is_empty() {
        return Err(RemoteError::NoAuthority);
    }
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(RemoteError::Versions)?
        .with_root_certificates(authorities)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name =
        ServerName::try_from(url.host.to_string()).map_err(|_| RemoteError::ServerName(url.host.clone()))?;
    Ok((Arc::new(config), name))
}

#[cfg(test)]
mod tests;
