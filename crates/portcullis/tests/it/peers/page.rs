//! `requests.md` beside this file as definitions, requests and what is made of them, and `docs/peers.md`, which has of them those on
//! which the three differ.
//!
//! A section has one definition, in a block or by the name of an example, and a table of requests. A request is written in spans of
//! code: its method and target, then fields (`Name: value`) and short names of media types, then its body, or the parts of a form.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};

use portcullis_testkit::Request;

/// What one of the three made of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Status(u16),
    /// The definition is none to it.
    CannotLoad,
    /// The connection ended.
    NoAnswer,
}

/// What outcomes are compared by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    Passes,
    /// With a reason, among which is that it cannot be judged (501).
    Refused,
    /// By an error of its own.
    Fails,
    CannotLoad,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    Class(Class),
    /// A peer by the letter of a standard, from which the gateway deviates for a reason.
    Theirs,
    /// No standard says, or it lets both do.
    Either,
}

pub(super) struct Row {
    pub(super) line: usize,
    pub(super) written: String,
    pub(super) request: Request,
    /// Ours, express-openapi-validator's, openapi-core's.
    pub(super) expected: [Outcome; 3],
    pub(super) right: Option<Right>,
    pub(super) why: String,
}

pub(super) struct Section {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) definition: String,
    pub(super) example: Option<String>,
    pub(super) rows: Vec<Row>,
}

pub(super) struct Page {
    lines: Vec<String>,
    /// Why somebody is right, by its name.
    pub(super) reasons: BTreeMap<String, String>,
    pub(super) sections: Vec<Section>,
}

const SHORT: &[(&str, &str)] = &[
    ("json", "application/json"),
    ("form", "application/x-www-form-urlencoded"),
    ("text", "text/plain"),
    ("bytes", "application/octet-stream"),
    ("multipart", "multipart/form-data; boundary=b"),
];

impl Page {
    pub(super) fn read() -> Self {
        let text = fs::read_to_string(file()).expect("the page is there");
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut page = Self { lines: Vec::new(), reasons: BTreeMap::new(), sections: Vec::new() };
        let mut is_block = false;
        for (line, written) in lines.iter().enumerate() {
            if written.starts_with("```") {
                is_block = written == "```yaml";
            } else if let Some(title) = written.strip_prefix("## ") {
                page.sections.push(Section::new(page.sections.len(), title));
            } else if is_block {
                let section = page.sections.last_mut().expect("a block stands in a section");
                section.definition += &format!("{written}\n");
            } else if let Some(example) = written.strip_prefix("The example `") {
                let section = page.sections.last_mut().expect("an example stands in a section");
                section.example = example.split('`').next().map(str::to_owned);
            } else {
                page.row(line, written);
            }
        }
        page.sections.retain(|section| !section.rows.is_empty());
        page.sections.iter_mut().for_each(Section::complete);
        page.lines = lines;
        page
    }

    fn row(&mut self, line: usize, written: &str) {
        match &*cells(written) {
            [reason, what] if reason.starts_with('`') => {
                self.reasons.insert(reason.trim_matches('`').to_owned(), what.clone());
            }
            [request, ours, express, core, right, why] if request.starts_with('`') => {
                let section = self.sections.last_mut().expect("a row stands in a section");
                section.rows.push(Row {
                    line,
                    written: request.clone(),
                    request: self::request(request, &section.name),
                    expected: [ours, express, core].map(|cell| Outcome::read(cell)),
                    right: Right::read(right),
                    why: why.trim_matches('`').to_owned(),
                });
            }
            [first, ..] if first.starts_with('`') => {
                panic!("line {}: a row of so many cells is none", line + 1)
            }
            _ => {}
        }
    }

    /// Every row, with whether its definition is none to the gateway.
    pub(super) fn rows(&self) -> impl Iterator<Item = (bool, &Row)> {
        self.sections.iter().flat_map(|section| {
            let is_refused_by_us = section.is_refused_by_us();
            section.rows.iter().map(move |row| (is_refused_by_us, row))
        })
    }

    /// Writes what came out into the page, where that is asked for.
    pub(super) fn update(&mut self, outcomes: &[[Outcome; 3]]) {
        if std::env::var_os("UPDATE").is_none() {
            return;
        }
        let mut lines = std::mem::take(&mut self.lines);
        let rows = self.sections.iter_mut().flat_map(|section| &mut section.rows);
        for (row, found) in rows.zip(outcomes) {
            row.expected = *found;
            let mut written = cells(&lines[row.line]);
            for (cell, outcome) in written[1..4].iter_mut().zip(found) {
                *cell = outcome.to_string();
            }
            let written: Vec<String> = written.iter().map(|cell| cell.replace('|', "\\|")).collect();
            lines[row.line] = format!("| {} |", written.join(" | ")).replace("  ", " ");
        }
        fs::write(file(), lines.join("\n") + "\n").expect("the page can be written");
    }

    /// # Panics
    /// When one is not.
    pub(super) fn every_reason_is_used(&self) {
        let rows = self.sections.iter().flat_map(|section| &section.rows);
        let used: BTreeSet<&String> = rows.map(|row| &row.why).collect();
        let unused: Vec<&String> = self.reasons.keys().filter(|reason| !used.contains(reason)).collect();
        assert!(unused.is_empty(), "reasons that no row gives: {unused:?}");
    }
}

impl Section {
    fn new(index: usize, title: &str) -> Self {
        Self {
            name: format!("d{index}"),
            title: title.to_owned(),
            definition: String::new(),
            example: None,
            rows: Vec::new(),
        }
    }

    /// Adds what a block leaves out.
    fn complete(&mut self) {
        let mut whole = String::new();
        if !self.definition.starts_with("openapi:") {
            whole += "openapi: 3.0.3\n";
        }
        let mut rest = self.definition.as_str();
        if let Some((version, others)) =
            rest.split_once('\n').filter(|(line, _)| line.starts_with("openapi:"))
        {
            whole += &format!("{version}\n");
            rest = others;
        }
        whole += "info: { title: Peers, version: \"1\" }\n";
        if !rest.contains("servers:") {
            whole += &format!("servers: [{{ url: /{} }}]\n", self.name);
        }
        whole += rest;
        self.definition =
            whole.replace("$ok", "responses: { \"200\": { description: ok } }").replace("$base", &self.name);
    }

    /// Where the gateway is told to serve it: `base_path` decides there, and no server of the document.
    pub(super) fn base_path(&self) -> String {
        let version = if self.definition.contains("{version}") { "/v1" } else { "" };
        format!("/{}{version}", self.name)
    }

    pub(super) fn is_refused_by_us(&self) -> bool {
        self.rows.iter().all(|row| row.expected[0] == Outcome::CannotLoad)
    }
}

impl Outcome {
    fn read(cell: &str) -> Self {
        match cell {
            "no load" => Self::CannotLoad,
            "no answer" => Self::NoAnswer,
            _ => Self::Status(cell.parse().unwrap_or_default()),
        }
    }

    pub(super) fn class(self) -> Class {
        match self {
            Self::Status(200..=299) => Class::Passes,
            Self::Status(400..=499 | 501) => Class::Refused,
            Self::Status(_) | Self::NoAnswer => Class::Fails,
            Self::CannotLoad => Class::CannotLoad,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::CannotLoad => f.write_str("no load"),
            Self::NoAnswer => f.write_str("no answer"),
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passes => "passes",
            Self::Refused => "refused",
            Self::Fails => "fails",
            Self::CannotLoad => "no load",
        })
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(class) => fmt::Display::fmt(class, f),
            Self::Theirs => f.write_str("theirs"),
            Self::Either => f.write_str("either"),
        }
    }
}

impl Right {
    /// # Panics
    /// At another word.
    fn read(cell: &str) -> Option<Self> {
        match cell {
            "" => None,
            "theirs" => Some(Self::Theirs),
            "either" => Some(Self::Either),
            "passes" => Some(Self::Class(Class::Passes)),
            "refused" => Some(Self::Class(Class::Refused)),
            "no load" => Some(Self::Class(Class::CannotLoad)),
            other => panic!("`{other}` is no verdict: passes, refused, no load, theirs, either"),
        }
    }
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/peers/requests.md")
}

/// The cells of a row of a table; `\|` is a bar.
fn cells(line: &str) -> Vec<String> {
    let Some(row) = line.strip_prefix('|').and_then(|row| row.strip_suffix('|')) else { return Vec::new() };
    let row = row.replace("\\|", "\u{1}");
    row.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
}

/// The request that these spans of code write, below the base path of its section.
///
/// # Panics
/// When it begins with no method and target.
fn request(written: &str, base: &str) -> Request {
    let mut spans = written.split('`').skip(1).step_by(2);
    let first = spans.next().expect("a method and a target");
    let (method, target) = first.split_once(' ').expect("a method and a target");
    let mut request = Request::new(method, [b"/", base.as_bytes(), &expanded(target)].concat());
    let mut is_multipart = false;
    for span in spans {
        let field = span.split_once(": ").filter(|(name, _)| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        });
        if let Some((_, media_type)) = SHORT.iter().find(|(short, _)| *short == span) {
            is_multipart = span == "multipart";
            request = request.field("Content-Type", media_type);
        } else if is_multipart {
            part(&mut request.body, span);
        } else if let Some((name, value)) = field {
            request = request.field(name, expanded(value));
        } else {
            request.body = expanded(span);
        }
    }
    if is_multipart {
        request.body.extend(b"--b--\r\n");
    }
    request
}

/// One part of a form: `name=content`, `name@file name=content`, with `(media/type)` before the sign if it has one.
fn part(body: &mut Vec<u8>, written: &str) {
    let (head, content) = written.split_once('=').expect("a name and a content");
    let (head, media_type) =
        head.split_once(" (").map_or((head, ""), |(head, rest)| (head, rest.trim_end_matches(')')));
    let (name, file) = head.split_once('@').unwrap_or((head, ""));
    let mut lines = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"");
    if !file.is_empty() {
        write!(lines, "; filename=\"{file}\"").expect("memory");
    }
    if !media_type.is_empty() {
        write!(lines, "\r\nContent-Type: {media_type}").expect("memory");
    }
    body.extend(lines.bytes().chain(*b"\r\n\r\n"));
    body.extend(expanded(content));
    body.extend(b"\r\n");
}

/// The bytes of a span: `‹1f8b›` are bytes in hexadecimal, `‹[×100›` is a text so many times.
fn expanded(span: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = span;
    while let Some((before, after)) = rest.split_once('‹') {
        bytes.extend(before.bytes());
        let (inside, behind) = after.split_once('›').expect("‹ ends with ›");
        match inside.rsplit_once('×') {
            Some((text, times)) => bytes.extend(text.repeat(times.parse().expect("a number")).bytes()),
            None => bytes.extend(inside.as_bytes().chunks(2).map(|pair| {
                let pair = std::str::from_utf8(pair).expect("hexadecimal");
                u8::from_str_radix(pair, 16).expect("hexadecimal")
            })),
        }
        rest = behind;
    }
    bytes.extend(rest.bytes());
    bytes
}
