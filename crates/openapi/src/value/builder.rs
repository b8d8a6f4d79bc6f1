//! Values made from what arrives as text: parameters and forms.

use super::fault::{Fault, Reason};
use super::limits::Limits;
use super::memory::{Entry, Open, Tape, What};
use super::number;
use super::writer::{Writer, to_u32};

/// Builds one value, under the limits and rules that [`super::parse`] keeps. Texts are copied onto the tape, so
/// nothing has to outlive it, and nothing is allocated per value once the thread's memory has grown.
pub struct Builder {
    writer: Writer<'static>,
    /// Whether a name stands there whose value is to come.
    is_named: bool,
    is_done: bool,
}

impl Builder {
    /// Begins.
    pub fn new(limits: &Limits) -> Self {
        Self { writer: Writer::new("", limits), is_named: false, is_done: false }
    }

    /// What it keeps within.
    pub(crate) fn limits(&self) -> &Limits {
        self.writer.limits()
    }

    /// `null`
    pub fn push_null(&mut self) -> Result<(), Fault> {
        self.push(|_| Ok(Entry::new(What::Null)))
    }

    /// A boolean
    pub fn push_bool(&mut self, value: bool) -> Result<(), Fault> {
        self.push(|_| Ok(Entry::new(if value { What::True } else { What::False })))
    }

    /// A number, if the text is one by RFC 8259.
    pub fn push_number(&mut self, text: &str) -> Result<(), Fault> {
        self.push(|writer| {
            let len = number::measure(text, writer.limits().number_digits).map_err(|(reason, _)| reason)?;
            if len != text.len() {
                return Err(Reason::Syntax("expected a number"));
            }
            own(writer, What::BuiltNumber, text)
        })
    }

    /// A string
    pub fn push_string(&mut self, text: &str) -> Result<(), Fault> {
        self.push(|writer| own(writer, What::OwnString, text))
    }

    /// An array; what is pushed next is in it.
    pub fn begin_array(&mut self) -> Result<(), Fault> {
        self.begin(false)
    }

    /// An object; names and values follow by turns.
    pub fn begin_object(&mut self) -> Result<(), Fault> {
        self.begin(true)
    }

    /// The array or object that was begun last is whole.
    pub fn end(&mut self) -> Result<(), Fault> {
        if self.is_named {
            return Err(self.fault(Reason::Syntax("a name has no value")));
        }
        self.writer.close(0).map_err(|(reason, _)| self.fault(reason))?;
        self.is_done = self.writer.is_in_object().is_none();
        Ok(())
    }

    /// The name of the value that is pushed next.
    pub fn key(&mut self, name: &str) -> Result<(), Fault> {
        if self.is_named || self.writer.is_in_object() != Some(true) {
            return Err(self.fault(Reason::Syntax("no name is expected")));
        }
        let named = own(&mut self.writer, What::OwnName, name).and_then(|entry| self.writer.name(entry));
        self.is_named = true;
        named.map_err(|reason| self.fault(reason))
    }

    /// The value, whole.
    pub fn finish(self) -> Result<Tape<'static>, Fault> {
        if self.is_done {
            Ok(self.writer.finish())
        } else {
            Err(self.fault(Reason::Syntax("expected a value")))
        }
    }

    fn begin(&mut self, is_object: bool) -> Result<(), Fault> {
        self.expect_value()?;
        self.writer.begin().and_then(|()| self.writer.open(is_object, 0)).map_err(|reason| self.fault(reason))
    }

    fn push(
        &mut self,
        entry: impl FnOnce(&mut Writer<'static>) -> Result<Entry, Reason>,
    ) -> Result<(), Fault> {
        self.expect_value()?;
        let entry = self.writer.begin().and_then(|()| entry(&mut self.writer));
        match entry {
            Ok(entry) => self.writer.scalar(entry),
            Err(reason) => return Err(self.fault(reason)),
        }
        self.is_done = self.writer.is_in_object().is_none();
        Ok(())
    }

    fn expect_value(&mut self) -> Result<(), Fault> {
        if self.is_done || (self.writer.is_in_object() == Some(true) && !self.is_named) {
            return Err(self.fault(Reason::Syntax("no value is expected")));
        }
        self.is_named = false;
        Ok(())
    }

    fn fault(&self, reason: Reason) -> Fault {
        self.writer.fault(reason, 0)
    }
}

fn own(writer: &mut Writer<'static>, what: What, text: &str) -> Result<Entry, Reason> {
    if text.len() > writer.limits().string {
        return Err(Reason::String);
    }
    let first = to_u32(writer.memory.texts.len())?;
    writer.memory.texts.push_str(text);
    Ok(Entry { first, second: to_u32(text.len())?, ..Entry::new(what) })
}

/// Where a tape stood, for [`Builder::rollback`].
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    entries: usize,
    texts: usize,
    names: usize,
    depth: usize,
    open: Option<Open>,
    values: usize,
    is_named: bool,
    is_done: bool,
}

impl Builder {
    /// Where the tape stands.
    pub fn mark(&self) -> Mark {
        let memory = &self.writer.memory;
        Mark {
            entries: memory.entries.len(),
            texts: memory.texts.len(),
            names: memory.names.len(),
            depth: memory.open.len(),
            open: memory.open.last().copied(),
            values: self.writer.values,
            is_named: self.is_named,
            is_done: self.is_done,
        }
    }

    /// Takes off the tape what came behind a mark, whole or not. What was open at the mark must be open still.
    pub fn rollback(&mut self, mark: Mark) {
        let memory = &mut self.writer.memory;
        memory.entries.truncate(mark.entries);
        memory.texts.truncate(mark.texts);
        memory.names.truncate(mark.names);
        memory.open.truncate(mark.depth);
        if let (Some(open), Some(last)) = (mark.open, memory.open.last_mut()) {
            *last = open;
        }
        self.writer.values = mark.values;
        (self.is_named, self.is_done) = (mark.is_named, mark.is_done);
    }
}
