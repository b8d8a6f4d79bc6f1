//! Asking a running gateway: where its admin socket is, and what its answers mean to a command.

use std::path::PathBuf;

use anyhow::Context;
use portcullis_admin::client::{self, Answer};
use serde_json::Value;

use crate::args::Socket;
use crate::output::remark;
use crate::service;

/// A gateway that answers operators.
pub(crate) struct Running {
    socket: PathBuf,
}

impl Socket {
    /// Finds it: by the path that was given, else through the configuration.
    pub(crate) fn find(&self) -> anyhow::Result<Running> {
        let socket = match &self.socket {
            Some(socket) => socket.clone(),
            None => service::socket_of(&self.config.config, None)
                .context("the configuration leads to no admin socket; `--socket PATH` needs none")?,
        };
        Ok(Running { socket })
    }
}

impl Running {
    /// One call of the admin API, below `/api/v1`.
    pub(crate) fn call(&self, method: &str, path: &str, body: &[u8]) -> anyhow::Result<Answer> {
        Ok(client::call(&self.socket, method, &format!("/api/v1{path}"), body)?)
    }

    /// How it is.
    pub(crate) fn status(&self) -> anyhow::Result<Value> {
        json(&self.call("GET", "/status", b"")?)
    }

    /// Whether nobody answers here any more.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(
            client::call(&self.socket, "GET", "/api/v1/status", b""),
            Err(client::CallError::Absent(_) | client::CallError::Answer(_))
        )
    }
}

/// The document of a good answer.
pub(crate) fn json(answer: &Answer) -> anyhow::Result<Value> {
    anyhow::ensure!(answer.status < 300, "the gateway answers {}", answer.status);
    serde_json::from_slice(&answer.body).context("the gateway's answer is no JSON")
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
