//! A Rust file as the rules read it: the text, and the same text with comments and literals blanked out.
//!
//! Rules search the masked text, so that a word in a comment or a string never counts as code. Masking keeps
//! every line and column in place. A full parser lost: the rules ask for paths, braces and attributes, and a
//! lexer of one page answers that without a dependency.

use std::collections::HashSet;
use std::ops::Range;

/// One Rust file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Path from the repository's root, with `/`.
    pub(crate) path: String,
    /// The file as it is.
    pub(crate) text: String,
    /// The file with the inside of comments, strings and character literals replaced by spaces.
    pub(crate) masked: String,
    tests: Vec<Range<usize>>,
    /// Whether another file declares this one below `#[cfg(test)]`.
    is_declared_for_tests: bool,
}

impl Source {
    /// Reads `text`, which stands at `path`.
    pub(crate) fn new(path: String, text: String) -> Self {
        let masked = Mask::of(&text);
        let tests = test_ranges(&masked);
        Self { path, text, masked, tests, is_declared_for_tests: false }
    }

    /// Marks the files that others declare for tests alone.
    pub(crate) fn mark_tests(sources: &mut [Self]) {
        let declared: HashSet<String> = sources.iter().flat_map(Self::modules_for_tests).collect();
        for source in sources {
            source.is_declared_for_tests = declared.contains(&source.path);
        }
    }

    /// The paths of the files that this one declares by `#[cfg(test)] mod name;`.
    fn modules_for_tests(&self) -> Vec<String> {
        let folder = match self.path.rsplit_once('/') {
            Some((folder, "lib.rs" | "main.rs")) => folder,
            _ => self.path.trim_end_matches(".rs"),
        };
        let declared = self.tests.iter().filter_map(|range| {
            let item = self.masked.get(range.clone())?.strip_suffix(';')?;
            let (_, module) = item.rsplit_once("mod ")?;
            Some(format!("{folder}/{module}.rs"))
        });
        declared.collect()
    }

    /// The crate's folder name, when the file belongs to one of ours.
    pub(crate) fn krate(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// Path below the crate's `src`, when it is there: `http/body.rs`.
    pub(crate) fn below_src(&self) -> Option<&str> {
        let (_, rest) = self.path.strip_prefix("crates/")?.split_once('/')?;
        rest.strip_prefix("src/")
    }

    /// Whether the whole file is test code.
    pub(crate) fn is_test_file(&self) -> bool {
        self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
            || self.is_declared_for_tests
            || self.masked.contains("#![cfg(test)]")
            || self.krate() == Some("testkit")
    }

    /// Whether the byte at `offset` is test code.
    pub(crate) fn is_test(&self, offset: usize) -> bool {
        self.is_test_file() || self.tests.iter().any(|range| range.contains(&offset))
    }

    /// The line of `offset`, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.masked.bytes().take(offset).filter(|byte| *byte == b'\n').count().saturating_add(1)
    }

    /// Every offset where `word` stands in code.
    pub(crate) fn find<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.masked.match_indices(word).map(|(offset, _)| offset)
    }

    /// The masked text from `offset` on.
    pub(crate) fn rest(&self, offset: usize) -> &str {
        self.masked.get(offset..).unwrap_or_default()
    }

    /// Whether `offset` begins a word: what stands before it is no part of an identifier or path.
    pub(crate) fn begins_word(&self, offset: usize) -> bool {
        let before = offset.checked_sub(1).and_then(|at| self.masked.as_bytes().get(at));
        !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'$'))
    }
}

/// The identifier at the front of `text`, empty when there is none.
pub(crate) fn identifier(text: &str) -> &str {
    let end = text.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_'));
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// Length of the balanced block that starts with the first `{` of `text`, up to and with its `}`.
pub(crate) fn block_len(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth = depth.saturating_add(1),
            b'}' if depth == 1 => return Some(at.saturating_add(1)),
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Length of the item at the front of `text`: to its `;` or to the end of its block, whichever comes first.
fn item_len(text: &str) -> usize {
    let brace = text.find('{');
    let semicolon = text.find(';').map(|at| at.saturating_add(1));
    match (brace, semicolon) {
        (Some(brace), Some(semicolon)) if semicolon < brace => semicolon,
        (Some(_), _) => block_len(text).unwrap_or(text.len()),
        (None, semicolon) => semicolon.unwrap_or(text.len()),
    }
}

fn test_ranges(masked: &str) -> Vec<Range<usize>> {
    let marks = ["#[cfg(test)]", "#[cfg(all(test", "#[test]"];
    let starts = marks.iter().flat_map(|mark| masked.match_indices(mark));
    starts
        .map(|(start, _)| {
            let length = item_len(masked.get(start..).unwrap_or_default());
            start..start.saturating_add(length)
        })
        .collect()
}

/// The lexer: walks the text once and copies it, blanking what is not code.
struct Mask<'a> {
    text: &'a [u8],
    at: usize,
    out: Vec<u8>,
}

impl<'a> Mask<'a> {
    fn of(text: &'a str) -> String {
        let mut mask = Mask { text: text.as_bytes(), at: 0, out: Vec::with_capacity(text.len()) };
        while let Some(byte) = mask.peek(0) {
            mask.step(byte);
        }
        String::from_utf8_lossy(&mask.out).into_owned()
    }

    fn step(&mut self, byte: u8) {
        match byte {
            b'/' if self.peek(1) == Some(b'/') => self.blank_while(|byte| byte != b'\n'),
            b'/' if self.peek(1) == Some(b'*') => self.block_comment(),
            b'"' => self.string(),
            b'r' if !self.after_identifier() => self.raw_string(),
            b'\'' => self.quote(),
            _ => self.keep(1),
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at.saturating_add(ahead)).copied()
    }

    /// `br"…"` is raw too; in `for"…"` or `_r"…"` the `r` belongs to a word.
    fn after_identifier(&self) -> bool {
        let before = self.out.last().copied();
        if matches!(before, Some(b'b' | b'c')) {
            let earlier = self.out.iter().rev().nth(1);
            return earlier.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        }
        before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }

    fn keep(&mut self, count: usize) {
        for _ in 0..count {
            if let Some(byte) = self.peek(0) {
                self.out.push(byte);
                self.at = self.at.saturating_add(1);
            }
        }
    }

    fn blank(&mut self, count: usize) {
        for _ in 0..count {
            if let Some(byte) = self.peek(0) {
                self.out.push(if byte == b'\n' { b'\n' } else { b' ' });
                self.at = self.at.saturating_add(1);
            }
        }
    }

    fn blank_while(&mut self, keep_on: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&keep_on) {
            self.blank(1);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth = depth.saturating_add(1);
                    self.blank(2);
                }
                (Some(b'*'), Some(b'/')) => {
                    depth = depth.saturating_sub(1);
                    self.blank(2);
                    if depth == 0 {
                        return;
                    }
                }
                (Some(_), _) => self.blank(1),
                (None, _) => return,
            }
        }
    }

    fn string(&mut self) {
        self.keep(1);
        loop {
            match self.peek(0) {
                Some(b'\\') => self.blank(2),
                Some(b'"') | None => return self.keep(1),
                Some(_) => self.blank(1),
            }
        }
    }

    fn raw_string(&mut self) {
        let hashes =
            self.text.iter().skip(self.at.saturating_add(1)).take_while(|byte| **byte == b'#').count();
        if self.peek(hashes.saturating_add(1)) != Some(b'"') {
            return self.keep(1);
        }
        self.keep(hashes.saturating_add(2));
        let end: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
        while self.peek(0).is_some() && !self.text.get(self.at..).unwrap_or_default().starts_with(&end) {
            self.blank(1);
        }
        self.keep(end.len());
    }

    /// A character literal, or the tick of a lifetime.
    fn quote(&mut self) {
        if self.peek(1) == Some(b'\\') {
            self.keep(1);
            self.blank(2);
            self.blank_while(|byte| byte != b'\'');
            return self.keep(1);
        }
        // A character has at most four bytes; a lifetime has no closing tick right behind one character.
        let rest = self.text.get(self.at.saturating_add(1)..).unwrap_or_default();
        let width = rest.first().map_or(1, |byte| match byte {
            0xf0.. => 4,
            0xe0.. => 3,
            0xc0.. => 2,
            _ => 1,
        });
        self.keep(1);
        if rest.get(width) == Some(&b'\'') {
            self.blank(width);
            self.keep(1);
        }
    }
}
