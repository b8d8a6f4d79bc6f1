//! Reads one response, pulling lines and bytes as it needs them (RFC 9112 §4, §6).
//!
//! It goes on where it can and notes what is unusual: a test wants to know all of it, not the first thing.

use super::{Client, End, Failure};
use crate::exchange::{Fields, all};
use crate::{Deadline, Response};

/// Reads the final response to a request with `method`, noting 1xx responses before it.
pub(super) fn read(client: &mut Client, method: &str, deadline: Deadline) -> Result<Response, Failure> {
    let mut reader = Reader { client, deadline, response: Response::default() };
    let end = match reader.message(method) {
        Ok(()) => return Ok(reader.response),
        Err(end) => end,
    };
    Err(Failure { end, partial: Box::new(reader.response) })
}

struct Reader<'a> {
    client: &'a mut Client,
    deadline: Deadline,
    response: Response,
}

impl Reader<'_> {
    fn message(&mut self, method: &str) -> Result<(), End> {
        loop {
            let status = self.status()?;
            let fields = self.fields()?;
            if status == 101 || status >= 200 {
                self.response.status = status;
                self.response.fields = fields;
                break;
            }
            self.response.interim.push(status);
        }
        let status = self.response.status;
        if method == "HEAD" || status < 200 || status == 204 || status == 304 {
            return Ok(());
        }
        self.body()
    }

    fn status(&mut self) -> Result<u16, End> {
        let line = self.line()?;
        let text = String::from_utf8_lossy(&line).into_owned();
        let mut words = text.splitn(3, ' ');
        let (version, status) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if words.next().is_none() {
            self.odd("no space behind the status");
        }
        if version != "HTTP/1.1" {
            self.odd(&format!("version `{version}`"));
        }
        match status.parse() {
            Ok(number) if status.len() == 3 && version.starts_with("HTTP/1.") => Ok(number),
            _ => Err(End::Nonsense(format!("status line `{}`", line.escape_ascii()))),
        }
    }

    fn fields(&mut self) -> Result<Fields, End> {
        let mut fields = Fields::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(fields);
            }
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                return Err(End::Nonsense(format!("field line `{}`", line.escape_ascii())));
            };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
                self.odd(&format!("field name `{}`", name.escape_ascii()));
            }
            if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
                self.odd(&format!("control character in `{}`", line.escape_ascii()));
            }
            fields.push((name.to_vec(), value.to_vec()));
        }
    }

    fn body(&mut self) -> Result<(), End> {
        let lengths: Vec<Vec<u8>> = owned(&self.response.fields, "content-length");
        let codings: Vec<Vec<u8>> = owned(&self.response.fields, "transfer-encoding");
        if lengths.len() + codings.len() > 1 {
            self.odd("framed more than once");
        }
        if let Some(coding) = codings.first() {
            if !coding.eq_ignore_ascii_case(b"chunked") {
                return Err(End::Nonsense(format!("transfer coding `{}`", coding.escape_ascii())));
            }
            return self.chunks();
        }
        if let Some(length) = lengths.first() {
            let digits = length.iter().all(u8::is_ascii_digit) && !length.is_empty();
            let length =
                std::str::from_utf8(length).ok().and_then(|text| text.parse().ok()).filter(|_| digits);
            return match length {
                Some(length) => self.exactly(length),
                None => Err(End::Nonsense("content length that is no number".to_owned())),
            };
        }
        loop {
            let piece = std::mem::take(self.client.buffer());
            self.response.body.extend(piece);
            match self.client.more(self.deadline) {
                Ok(()) => {}
                Err(End::Closed) => return Ok(()),
                Err(end) => return Err(end),
            }
        }
    }

    fn chunks(&mut self) -> Result<(), End> {
        loop {
            let line = self.line()?;
            let text = std::str::from_utf8(&line).unwrap_or("?");
            let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            let Ok(size) = usize::from_str_radix(text, 16) else {
                return Err(End::Nonsense(format!("chunk size `{}`", line.escape_ascii())));
            };
            if !is_plain {
                self.odd(&format!("chunk size `{text}`"));
            }
            if size == 0 {
                self.response.trailers = self.fields()?;
                return Ok(());
            }
            self.exactly(size)?;
            if !self.line()?.is_empty() {
                return Err(End::Nonsense("no line end behind a chunk".to_owned()));
            }
        }
    }

    fn exactly(&mut self, count: usize) -> Result<(), End> {
        let mut missing = count;
        loop {
            let here = missing.min(self.client.buffer().len());
            let piece: Vec<u8> = self.client.buffer().drain(..here).collect();
            self.response.body.extend(piece);
            missing -= here;
            if missing == 0 {
                return Ok(());
            }
            self.client.more(self.deadline)?;
        }
    }

    fn line(&mut self) -> Result<Vec<u8>, End> {
        let mut seen = 0;
        loop {
            let buffer = self.client.buffer();
            if let Some(at) = buffer[seen..].iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = buffer.drain(..=seen + at).collect();
                line.pop();
                if line.pop_if(|byte| *byte == b'\r').is_none() {
                    self.odd("a line ends with a bare LF");
                }
                return Ok(line);
            }
            seen = buffer.len();
            if let Err(end) = self.client.more(self.deadline) {
                let rest = self.client.buffer();
                let half = !rest.is_empty() && end == End::Closed;
                return Err(if half { End::Nonsense(format!("`{}`", rest.escape_ascii())) } else { end });
            }
        }
    }

    fn odd(&mut self, what: &str) {
        self.response.oddities.push(what.to_owned());
    }
}

fn owned(fields: &Fields, name: &str) -> Vec<Vec<u8>> {
    all(fields, name).into_iter().map(<[u8]>::to_vec).collect()
}
