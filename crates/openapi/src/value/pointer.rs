//! JSON Pointers (RFC 6901) of bounded length: their names may be the caller's own.

/// Beyond this many bytes a pointer is cut, and ends with `…`.
const BYTES_MAX: usize = 256;

/// A JSON Pointer while it grows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pointer {
    text: String,
    is_cut: bool,
}

impl Pointer {
    /// The root.
    pub fn new() -> Self {
        Self::default()
    }

    /// One member deeper.
    pub fn name(&mut self, name: &str) {
        self.put('/');
        for c in name.chars() {
            if self.is_cut {
                return;
            }
            match c {
                '~' => self.put_str("~0"),
                '/' => self.put_str("~1"),
                c if c.is_control() => self.put(char::REPLACEMENT_CHARACTER),
                c => self.put(c),
            }
        }
    }

    /// One element deeper.
    pub fn index(&mut self, index: usize) {
        self.put_str("/");
        self.put_str(&index.to_string());
    }

    /// A pointer that is escaped already, below this one.
    pub fn escaped(&mut self, below: &str) {
        for c in below.chars() {
            if self.is_cut {
                return;
            }
            self.put(if c.is_control() { char::REPLACEMENT_CHARACTER } else { c });
        }
    }

    /// As text.
    pub fn finish(self) -> Box<str> {
        self.text.into_boxed_str()
    }

    fn put_str(&mut self, text: &str) {
        for c in text.chars() {
            self.put(c);
        }
    }

    fn put(&mut self, c: char) {
        if self.is_cut {
            return;
        }
        if self.text.len() >= BYTES_MAX {
            self.is_cut = true;
            self.text.push('…');
        } else {
            self.text.push(c);
        }
    }
}
