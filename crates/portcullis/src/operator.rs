//! Asking a running gateway: where its admin API is, and what its answers mean to a command.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use portcullis_admin::client::{self, Afar, Answer, CallError};
use portcullis_gateway::secret::Secret;
use serde_json::Value;

use crate::args::Socket;
use crate::output::remark;
use crate::service;

/// Where the token stands, if it stands in no file.
const TOKEN: &str = "PORTCULLIS_TOKEN";
/// Bytes of a token's file, or of one of authorities.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A gateway that answers operators.
pub(crate) enum Running {
    /// On its admin socket.
    Here(PathBuf),
    /// On an address.
    Afar(Box<Afar>),
}

impl Socket {
    /// Finds it: where it was said to be, else through the configuration.
    pub(crate) fn find(&self) -> anyhow::Result<Running> {
        if let Some(socket) = &self.socket {
            return Ok(Running::Here(socket.clone()));
        }
        if let Some(url) = &self.admin {
            let token = match &self.token_file {
                Some(file) => Some(Secret::new(text(file)?.trim())),
                None => std::env::var(TOKEN).ok().filter(|token| !token.is_empty()).map(Secret::new),
            };
            let authorities = self.admin_ca.as_deref().map(text).transpose()?;
            let afar = Afar::new(url, authorities.as_deref(), token.as_ref())?;
            return Ok(Running::Afar(Box::new(afar)));
        }
        let socket = service::socket_of(&self.config.config, None)
            .context("the configuration leads to no admin socket; `--socket PATH` needs none")?;
        Ok(Running::Here(socket))
    }
}

/// A small file's text.
fn text(path: &Path) -> anyhow::Result<String> {
    let unreadable = || format!("{} cannot be read", path.display());
    let file = File::open(path).with_context(unreadable)?;
    let mut bytes = Vec::new();
    // What the file says of its length is nothing for a pipe, which may have no end.
    file.take(FILE_BYTES_MAX.saturating_add(1)).read_to_end(&mut bytes).with_context(unreadable)?;
    anyhow::ensure!(bytes.len() as u64 <= FILE_BYTES_MAX, "{} is larger than 1 MiB", path.display());
    String::from_utf8(bytes).with_context(unreadable)
}

impl Running {
    /// One call of the admin API, below `/api/v1`.
    pub(crate) fn call(&self, method: &str, path: &str, body: &[u8]) -> anyhow::Result<Answer> {
        Ok(self.ask(method, path, body)?)
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> Result<Answer, CallError> {
        let target = format!("/api/v1{path}");
        match self {
            Self::Here(socket) => client::call(socket, method, &target, body),
            Self::Afar(afar) => afar.call(method, &target, body),
        }
    }

    /// How it is.
    pub(crate) fn status(&self) -> anyhow::Result<Value> {
        json(&self.call("GET", "/status", b"")?)
    }

    /// Whether nobody answers here any more.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(
            self.ask("GET", "/status", b""),
            Err(CallError::Absent(_) | CallError::Answer(_) | CallError::Afar { .. })
        )
    }
}

/// The document of a good answer.
pub(crate) fn json(answer: &Answer) -> anyhow::Result<Value> {
    if answer.status >= 300 {
        let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let part = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
        anyhow::bail!("the gateway answers {}: {}: {}", answer.status, part("title"), part("detail"));
    }
    serde_json::from_slice(&answer.body).context("the gateway's answer is no JSON")
}

/// The document of a good answer; `None` where the gateway said no, and that was told.
pub(crate) fn document(answer: &Answer) -> anyhow::Result<Option<Value>> {
    if answer.status >= 300 {
        tell_refusal(answer);
        return Ok(None);
    }
    json(answer).map(Some)
}

/// Prints why the gateway said no: the problem's detail, and each of its errors on a line of its own.
pub(crate) fn tell_refusal(answer: &Answer) {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
    for error in problem.get("errors").and_then(Value::as_array).into_iter().flatten() {
        remark(error.as_str().unwrap_or_default());
    }
    remark(format_args!("refused: {}: {}", text("title"), text("detail")));
}
