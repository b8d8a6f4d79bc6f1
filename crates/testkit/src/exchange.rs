//! A request and its reply as tests speak of them: the same for both wires.
//!
//! Tables of cases are written once in these words and sent over each wire in turn. What only one wire can
//! say (raw bytes, frames) is said with [`crate::raw`] instead.

use std::fmt;
use std::net::SocketAddr;

use crate::raw::{Client, Failure};
use crate::{Deadline, h2};

/// Field lines in order, with duplicates.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A request that is well-formed on any wire.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// `Host`, or `:authority`.
    pub authority: String,
    /// Path and query, as bytes.
    pub target: Vec<u8>,
    /// Fields, without those that frame the message.
    pub fields: Fields,
    /// Its body.
    pub body: Vec<u8>,
    /// Trailer fields.
    pub trailers: Fields,
}

/// A final response.
#[derive(Clone, Default)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its fields in order, spelled as they came.
    pub fields: Fields,
    /// Its body.
    pub body: Vec<u8>,
    /// Trailer fields.
    pub trailers: Fields,
    /// Statuses of the 1xx responses before it.
    pub interim: Vec<u16>,
    /// What is unusual about its bytes; empty for a plain response.
    pub oddities: Vec<String>,
}

/// The wires a gateway speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

impl Wire {
    /// Every wire that tables are run over.
    pub const ALL: &[Self] = &[Self::Http1, Self::Http2];

    /// Sends `request` on a new connection and reads the reply.
    ///
    /// # Errors
    /// When no whole response comes.
    pub fn try_send(self, address: SocketAddr, request: &Request) -> Result<Response, Failure> {
        match self {
            Self::Http1 => {
                let mut client = Client::connect(address);
                client.send(request.http1());
                client.response(&request.method, Deadline::soon())
            }
            Self::Http2 => {
                let mut client = h2::Client::connect(address);
                let stream = client.request(request);
                client.response(stream, Deadline::soon())
            }
        }
    }

    /// Sends `request` on a new connection and reads the reply.
    ///
    /// # Panics
    /// When no whole response comes.
    pub fn send(self, address: SocketAddr, request: &Request) -> Response {
        match self.try_send(address, request) {
            Ok(response) => response,
            Err(failure) => panic!("{self:?}: no response to {request:?}: {failure}"),
        }
    }
}

impl Request {
    /// A request without fields and body to `gw.test`.
    pub fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        Self {
            method: method.to_owned(),
            authority: "gw.test".to_owned(),
            target: target.as_ref().to_vec(),
            fields: Vec::new(),
            body: Vec::new(),
            trailers: Vec::new(),
        }
    }

    /// A GET.
    pub fn get(target: impl AsRef<[u8]>) -> Self {
        Self::new("GET", target)
    }

    /// A POST with a body.
    pub fn post(target: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Self {
        Self { body: body.as_ref().to_vec(), ..Self::new("POST", target) }
    }

    /// With this authority.
    #[must_use]
    pub fn host(mut self, authority: &str) -> Self {
        authority.clone_into(&mut self.authority);
        self
    }

    /// With one more field line.
    #[must_use]
    pub fn field(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// With one more trailer field.
    #[must_use]
    pub fn trailer(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.trailers.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// Its bytes on an HTTP/1.1 connection.
    pub fn http1(&self) -> Vec<u8> {
        let mut bytes = self.method.clone().into_bytes();
        bytes.push(b' ');
        bytes.extend(&self.target);
        bytes.extend(b" HTTP/1.1\r\n");
        push_line(&mut bytes, b"Host", self.authority.as_bytes());
        for (name, value) in &self.fields {
            push_line(&mut bytes, name, value);
        }
        if !self.trailers.is_empty() {
            push_line(&mut bytes, b"Transfer-Encoding", b"chunked");
            bytes.extend(b"\r\n");
            if !self.body.is_empty() {
                bytes.extend(format!("{:x}\r\n", self.body.len()).bytes());
                bytes.extend(&self.body);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n");
            for (name, value) in &self.trailers {
                push_line(&mut bytes, name, value);
            }
            bytes.extend(b"\r\n");
            return bytes;
        }
        if !self.body.is_empty() || ["POST", "PUT", "PATCH"].contains(&self.method.as_str()) {
            push_line(&mut bytes, b"Content-Length", self.body.len().to_string().as_bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }
}

fn push_line(bytes: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    bytes.extend(name);
    bytes.extend(b": ");
    bytes.extend(value);
    bytes.extend(b"\r\n");
}

impl Response {
    /// The values of every line called `name`, without case.
    pub fn all(&self, name: &str) -> Vec<&[u8]> {
        all(&self.fields, name)
    }

    /// The value of the first line called `name`, as text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.all(name).first().map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> serde_json::Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("no JSON in {self:?}: {error}"),
        }
    }

    /// The `code` of the problem document it carries; `None` when it carries none.
    pub fn problem(&self) -> Option<String> {
        let is_problem = self.text("content-type").is_some_and(|t| t.starts_with("application/problem+json"));
        let document: serde_json::Value = serde_json::from_slice(&self.body).ok().filter(|_| is_problem)?;
        Some(document.get("code")?.as_str()?.to_owned())
    }

    /// The status, and the problem's code if there is one.
    pub fn verdict(&self) -> (u16, Option<String>) {
        (self.status, self.problem())
    }
}

/// The values of every line called `name`, without case.
pub fn all<'a>(fields: &'a Fields, name: &str) -> Vec<&'a [u8]> {
    let named = fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
    named.map(|(_, value)| value.as_slice()).collect()
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.fields {
            writeln!(f, "{}: {}", name.escape_ascii(), value.escape_ascii())?;
        }
        let shown = self.body.get(..600).unwrap_or(&self.body);
        write!(f, "\n{} ({} bytes)", shown.escape_ascii(), self.body.len())?;
        if !self.oddities.is_empty() {
            write!(f, "\noddities: {:?}", self.oddities)?;
        }
        Ok(())
    }
}
