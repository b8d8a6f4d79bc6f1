//! What the process itself does, on standard error: starts, reloads, what an operator should act on.
//!
//! JSON lines when a machine reads, plain lines when a person does. Events go through the same queue as records
//! do: a terminal that is scrolled up, or a full pipe, stops no request. `PORTCULLIS_LOG` sets the level; what
//! libraries say below a warning shows only at `trace`.

use std::env;
use std::fmt::{self, Debug, Write as _};
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::json::{Line, is_hidden};
use super::names::{self, Stream};
use super::sink::output::Target;
use super::sink::{Counts, Sink};
use super::timestamp;
use crate::clock;

/// The environment variable that sets the level.
pub const LEVEL_VARIABLE: &str = "PORTCULLIS_LOG";
/// Bytes of lines that wait for standard error.
const QUEUE_BYTES: usize = 1 << 20;
/// How long a process that ends waits for its last lines.
pub const LAST_WORDS: Duration = Duration::from_secs(1);
/// How our own modules' names begin.
const OURS: &str = "portcullis";

/// How lines are spelt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Plain on a terminal, else JSON.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Plain,
}

/// The running log. Dropping it waits for what was said last, for at most [`LAST_WORDS`].
#[derive(Debug)]
pub struct Log {
    output: Output,
}

/// Where lines go, and what is lost on the way.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub(super) sink: Arc<Sink>,
    pub(super) counts: Arc<Counts>,
}

/// Why the log cannot start.
#[derive(Debug, Error)]
pub enum LogError {
    /// The level is no level.
    #[error("`{LEVEL_VARIABLE}`: expected off, error, warn, info, debug or trace")]
    Level,
    /// Standard error is not usable.
    #[error("open standard error: {0}")]
    Open(#[from] io::Error),
    /// There is one already.
    #[error("start the log: another one is running")]
    Running,
}

/// Starts the log of the process.
pub fn init(format: Format) -> Result<Log, LogError> {
    let level = match env::var(LEVEL_VARIABLE) {
        Ok(word) if !word.is_empty() => word.parse().map_err(|_| LogError::Level)?,
        _ => LevelFilter::INFO,
    };
    let is_terminal = io::stderr().is_terminal();
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
    let spelling = match format {
        Format::Json => Spelling::Json,
        Format::Auto if !is_terminal => Spelling::Json,
        Format::Auto | Format::Plain => {
            Spelling::Plain { is_coloured: is_terminal && !is_dumb && !is_set("NO_COLOR") }
        }
    };
    let output = Output { sink: Arc::new(Sink::open(&Target::Stderr, QUEUE_BYTES)?), counts: Arc::default() };
    output.sink.attach(&output.counts);
    let lines = Lines { output: output.clone(), spelling, level };
    tracing::subscriber::set_global_default(Registry::default().with(lines))
        .map_err(|_| LogError::Running)?;
    Ok(Log { output })
}

impl Log {
    /// Waits until all that was said is written, at most for `patience`.
    pub fn flush(&self, patience: Duration) -> bool {
        self.output.sink.flush(patience)
    }

    /// Its output, for streams that go to standard error too.
    pub(super) fn output(&self) -> &Output {
        &self.output
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.flush(LAST_WORDS);
    }
}

#[derive(Debug)]
struct Lines {
    output: Output,
    spelling: Spelling,
    level: LevelFilter,
}

#[derive(Debug, Clone, Copy)]
enum Spelling {
    Json,
    Plain { is_coloured: bool },
}

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let is_told = metadata.target().starts_with(OURS) || self.level == LevelFilter::TRACE;
        let level = if is_told { self.level } else { self.level.min(LevelFilter::WARN) };
        *metadata.level() <= level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut facts = Facts::default();
        event.record(&mut facts);
        let (level, target) = (event.metadata().level(), event.metadata().target());
        // Formatted before the queue is touched: `Debug` of a value is anyone's code.
        let mut line = Vec::with_capacity(256);
        match self.spelling {
            Spelling::Json => json(&mut line, clock::wall(), *level, target, &facts),
            Spelling::Plain { is_coloured } => plain(&mut line, clock::wall(), *level, &facts, is_coloured),
        }
        self.output.sink.push(&self.output.counts, |out| out.extend_from_slice(&line));
    }
}

/// What an event says.
#[derive(Debug, Default)]
struct Facts {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Visit for Facts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // Writing to a `String` does not fail; a `Debug` that fails by itself leaves what it wrote.
        let _ = write!(text, "{value:?}");
        self.put(field, text);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, value.to_string());
    }
}

impl Facts {
    fn put(&mut self, field: &Field, value: String) {
        if field.name() == names::MESSAGE.name {
            self.message = value;
        } else {
            self.others.push((field.name(), value));
        }
    }
}

fn json(out: &mut Vec<u8>, wall: Duration, level: Level, target: &str, facts: &Facts) {
    let mut line = Line::begin(out, wall, level.as_str(), Stream::Lifecycle);
    line.text(names::MESSAGE, &facts.message);
    line.text(names::LOGGER, target);
    for (name, value) in &facts.others {
        line.other(name, value);
    }
    line.end();
}

fn plain(out: &mut Vec<u8>, wall: Duration, level: Level, facts: &Facts, is_coloured: bool) {
    let (colour, bold, reset) = match (is_coloured, level) {
        (false, _) => ("", "", ""),
        (true, Level::ERROR) => ("\u{1b}[31m", "\u{1b}[1m", "\u{1b}[0m"),
        (true, Level::WARN) => ("\u{1b}[33m", "\u{1b}[1m", "\u{1b}[0m"),
        (true, Level::INFO) => ("\u{1b}[32m", "\u{1b}[1m", "\u{1b}[0m"),
        (true, _) => ("\u{1b}[2m", "\u{1b}[1m", "\u{1b}[0m"),
    };
    let mut text = String::with_capacity(128);
    let message = Visible(&facts.message);
    // Writing to a `String` does not fail.
    let _ = write!(text, "{} {colour}{level:>5}{reset} {bold}{message}{reset}", timestamp::format(wall));
    for (name, value) in &facts.others {
        let _ = write!(text, " {name}={}", Visible(value));
    }
    text.push('\n');
    out.extend_from_slice(text.as_bytes());
}

/// Text that cannot drive a terminal.
struct Visible<'a>(&'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| {
            if is_hidden(letter) { write!(f, "{}", letter.escape_unicode()) } else { f.write_char(letter) }
        })
    }
}

#[cfg(test)]
mod tests;
