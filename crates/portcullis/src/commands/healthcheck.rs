//! `portcullis healthcheck`: asks `/readyz`, for containers without a shell.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::args::Healthcheck;
use crate::output::{Outcome, remark, say};

/// How long the gateway may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Good when the gateway says it is ready.
pub(crate) fn healthcheck(healthcheck: &Healthcheck) -> anyhow::Result<Outcome> {
    match ask(healthcheck) {
        Ok(answer) if answer.starts_with("HTTP/1.1 200 ") => {
            say("ready");
            Ok(Outcome::Good)
        }
        Ok(answer) => {
            remark(format_args!("not ready: {}", answer.lines().next().unwrap_or("no answer")));
            Ok(Outcome::No)
        }
        Err(error) => {
            remark(format_args!("not ready: {error}"));
            Ok(Outcome::No)
        }
    }
}

fn ask(healthcheck: &Healthcheck) -> std::io::Result<String> {
    const ANSWER_BYTES_MAX: u64 = 16 * 1024;
    let mut stream = TcpStream::connect_timeout(&healthcheck.probes, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", healthcheck.probes)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
