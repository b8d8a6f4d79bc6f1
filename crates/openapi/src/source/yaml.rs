//! YAML 1.2 with the core schema, built from the parser's events.
//!
//! The tree is built with a stack of our own instead of recursion, and what an alias stands for is copied under
//! the same bounds as everything else: a short text that would unfold into a huge tree ("billion laughs")
//! ends at the node bound.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span as EventSpan, Tag};

use super::json::twice;
use super::{FileId, Files, Finding, Key, Mapping, Node, Number, Reading, Span, Value};

pub(super) fn parse(
    files: &Files,
    file: FileId,
    text: &str,
    reading: &Reading,
) -> Result<Node, Vec<Finding>> {
    if let Some(finding) = not_printable(files, file, text) {
        return Err(vec![finding]);
    }
    let mut builder = Builder {
        files,
        file,
        reading,
        nodes: 0,
        copies: 0,
        open: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        duplicates: Vec::new(),
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let taken = match event {
            Ok((event, at)) => builder.take(event, at),
            Err(error) => Err(syntax(files, file, text, &error)),
        };
        if let Err(finding) = taken {
            builder.duplicates.push(finding);
            break;
        }
    }
    if !builder.duplicates.is_empty() {
        return Err(builder.duplicates);
    }
    let empty = Node::new(Value::Null, Span { file, line: 1, column: 1 });
    Ok(builder.root.map_or(empty, |built| built.node))
}

/// YAML 1.2.2 §5.1: control characters stand in no document, escaped ones in double quotes apart.
fn not_printable(files: &Files, file: FileId, text: &str) -> Option<Finding> {
    let is_printable = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..);
    let at = text.find(|c| !is_printable(c))?;
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
    let message = "not YAML: a control character stands here";
    Some(
        files
            .finding(Span::new(file, line, column), "", message)
            .with_hint("write it escaped, in double quotes"),
    )
}

/// The parser's own complaint, with the usual suspect named.
fn syntax(files: &Files, file: FileId, text: &str, error: &ScanError) -> Finding {
    let line = text.lines().nth(error.marker().line().saturating_sub(1)).unwrap_or_default();
    let indent = line.get(..line.len().saturating_sub(line.trim_start().len())).unwrap_or_default();
    let hint = if indent.contains('\t') {
        Some("this line is indented with a tab; YAML takes spaces only".to_owned())
    } else {
        line.contains("${").then(|| "put a text with braces in quotes".to_owned())
    };
    files.finding(span(file, *error.marker()), "", format!("not YAML: {}", error.info())).with_hint_if(hint)
}

fn span(file: FileId, marker: Marker) -> Span {
    Span::new(file, marker.line(), marker.col().saturating_add(1))
}

struct Builder<'a> {
    files: &'a Files,
    file: FileId,
    reading: &'a Reading,
    nodes: usize,
    /// Nodes kept a second time because an anchor names them.
    copies: usize,
    open: Vec<Frame>,
    anchors: HashMap<usize, Built>,
    root: Option<Built>,
    duplicates: Vec<Finding>,
}

/// A finished node, with what an alias to it costs.
#[derive(Clone)]
struct Built {
    node: Node,
    /// Nodes within, itself included.
    nodes: usize,
    /// Levels below it.
    height: usize,
}

/// A mapping or sequence that is not finished yet.
struct Frame {
    kind: Kind,
    span: Span,
    anchor: usize,
    /// The count of nodes before it.
    nodes_before: usize,
    height: usize,
}

enum Kind {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<(Key, Node)>, key: Option<(Key, bool)>, merged: Vec<(Key, Node)> },
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, at: EventSpan) -> Result<(), Finding> {
        let here = span(self.file, at.start);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => match self.root {
                None => Ok(()),
                Some(_) => Err(self
                    .finding(here, "a second document begins here")
                    .with_hint("one file holds one document; put the other into a file of its own")),
            },
            Event::Alias(anchor) => self.alias(anchor, here),
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag.as_deref(), here),
            Event::SequenceStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", here)?;
                self.open(Kind::Sequence(Vec::new()), anchor, here)
            }
            Event::MappingStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", here)?;
                self.open(Kind::Mapping { entries: Vec::new(), key: None, merged: Vec::new() }, anchor, here)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(here),
        }
    }

    fn finding(&self, span: Span, message: impl Into<String>) -> Finding {
        self.files.finding(span, "", message)
    }

    /// Counts nodes before they are made.
    fn count(&mut self, nodes: usize, here: Span) -> Result<(), Finding> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.bounded(here)
    }

    fn bounded(&self, here: Span) -> Result<(), Finding> {
        if self.nodes.saturating_add(self.copies) > self.reading.nodes_max {
            let message = format!("the document has more than {} values", self.reading.nodes_max);
            return Err(self
                .finding(here, message)
                .with_hint("each alias counts with all that it stands for"));
        }
        Ok(())
    }

    /// Refuses what would stand deeper than the bound.
    fn deep(&self, height: usize, here: Span) -> Result<(), Finding> {
        if self.open.len().saturating_add(height) > self.reading.depth_max {
            return Err(self.finding(here, format!("nested more than {} deep", self.reading.depth_max)));
        }
        Ok(())
    }

    fn open(&mut self, kind: Kind, anchor: usize, here: Span) -> Result<(), Finding> {
        if matches!(self.open.last(), Some(Frame { kind: Kind::Mapping { key: None, .. }, .. })) {
            return Err(self.finding(here, "a key must be a text, not a list or a mapping"));
        }
        self.deep(0, here)?;
        let nodes_before = self.nodes;
        self.count(1, here)?;
        self.open.push(Frame { kind, span: here, anchor, nodes_before, height: 0 });
        Ok(())
    }

    fn close(&mut self, here: Span) -> Result<(), Finding> {
        let Some(frame) = self.open.pop() else {
            return Err(self.finding(here, "not YAML: an end without a beginning"));
        };
        let value = match frame.kind {
            Kind::Sequence(items) => Value::Sequence(items),
            Kind::Mapping { mut entries, merged, .. } => {
                merge(&mut entries, merged);
                let Self { files, duplicates, .. } = self;
                let note = |first: &Key, again: &Key| duplicates.push(twice(files, first, again));
                Value::Mapping(Mapping::new(entries, note))
            }
        };
        let nodes = self.nodes.saturating_sub(frame.nodes_before);
        let built =
            Built { node: Node::new(value, frame.span), nodes, height: frame.height.saturating_add(1) };
        self.finish(built, frame.anchor)
    }

    fn alias(&mut self, anchor: usize, here: Span) -> Result<(), Finding> {
        let Some(built) = self.anchors.get(&anchor) else {
            return Err(self.finding(here, "the alias stands within what it refers to"));
        };
        let (nodes, height) = (built.nodes, built.height);
        self.deep(height, here)?;
        self.count(nodes, here)?;
        match self.anchors.get(&anchor).cloned() {
            Some(built) => self.finish(built, 0),
            None => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        here: Span,
    ) -> Result<(), Finding> {
        self.count(1, here)?;
        let plain = style == ScalarStyle::Plain;
        if let Some(Frame { kind: Kind::Mapping { key: slot @ None, .. }, .. }) = self.open.last_mut() {
            if plain && text.is_empty() {
                return Err(self.finding(here, "a key is missing"));
            }
            // Keys are texts whatever they look like: `200:`, `true:`, `"200":`.
            let key = Key { text: text.as_ref().into(), span: here };
            if anchor != 0 {
                let node = Node::new(Value::String(key.text.clone()), here);
                *slot = Some((key, plain));
                self.copies = self.copies.saturating_add(1);
                self.anchors.insert(anchor, Built { node, nodes: 1, height: 0 });
                return Ok(());
            }
            *slot = Some((key, plain));
            return Ok(());
        }
        let value = self.resolve(&text, plain, tag, here)?;
        // Nothing was written: point at the key that has no value.
        let here = match self.open.last() {
            Some(Frame { kind: Kind::Mapping { key: Some((key, _)), .. }, .. })
                if plain && text.is_empty() && tag.is_none() =>
            {
                key.span
            }
            _ => here,
        };
        self.finish(Built { node: Node::new(value, here), nodes: 1, height: 0 }, anchor)
    }

    /// Puts a finished node where it belongs.
    fn finish(&mut self, built: Built, anchor: usize) -> Result<(), Finding> {
        if anchor != 0 {
            self.copies = self.copies.saturating_add(built.nodes);
            self.bounded(built.node.span)?;
            self.anchors.insert(anchor, built.clone());
        }
        let span = built.node.span;
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(built);
            return Ok(());
        };
        frame.height = frame.height.max(built.height);
        match &mut frame.kind {
            Kind::Sequence(items) => items.push(built.node),
            Kind::Mapping { entries, key, merged } => match (key.take(), built.node.value) {
                (None, Value::String(text)) => *key = Some((Key { text, span }, false)),
                (None, Value::Number(number)) => {
                    *key = Some((Key { text: number.as_str().into(), span }, false));
                }
                (None, _) => return Err(self.finding(span, "a key must be a text")),
                (Some((key, true)), value) if &*key.text == "<<" => {
                    let Some(more) = self.reading.merge_keys.then(|| mappings(value)).flatten() else {
                        return Err(self.not_merged(key.span));
                    };
                    merged.extend(more);
                }
                (Some((key, _)), value) => entries.push((key, Node::new(value, span))),
            },
        }
        Ok(())
    }

    fn not_merged(&self, span: Span) -> Finding {
        if self.reading.merge_keys {
            self.finding(span, "`<<` takes a mapping or a list of mappings")
        } else {
            self.finding(span, "the merge key `<<` is not read here")
                .with_hint("write the keys out, or use an alias for the whole value")
        }
    }

    fn collection_tag(&self, tag: Option<&Tag>, kind: &str, here: Span) -> Result<(), Finding> {
        match tag {
            None => Ok(()),
            Some(tag) if tag.is_yaml_core_schema() && tag.suffix == kind => Ok(()),
            Some(tag) => Err(self.unknown_tag(tag, here)),
        }
    }

    fn unknown_tag(&self, tag: &Tag, here: Span) -> Finding {
        let tag = super::node::shorten(&tag.to_string(), 60);
        self.finding(here, format!("the tag `{tag}` is not understood here"))
    }

    /// The core schema (YAML 1.2.2 §10.3.2).
    fn resolve(&self, text: &str, plain: bool, tag: Option<&Tag>, here: Span) -> Result<Value, Finding> {
        let Some(tag) = tag else {
            return Ok(if plain { core(text) } else { Value::String(text.into()) });
        };
        let non_specific =
            tag.handle.is_empty() && tag.suffix == "!" || tag.handle == "!" && tag.suffix.is_empty();
        if non_specific || tag.is_yaml_core_schema() && tag.suffix == "str" {
            return Ok(Value::String(text.into()));
        }
        if !tag.is_yaml_core_schema() {
            return Err(self.unknown_tag(tag, here));
        }
        let value = core(text);
        let fits = match (&value, tag.suffix.as_str()) {
            (Value::Null, "null") | (Value::Bool(_), "bool") | (Value::Number(_), "float") => true,
            (Value::Number(number), "int") => number.as_i64().is_some() || number.as_u64().is_some(),
            _ => false,
        };
        if fits { Ok(value) } else { Err(self.unknown_tag(tag, here)) }
    }
}

/// Adds what `<<` brought, as far as the mapping does not say so itself.
fn merge(entries: &mut Vec<(Key, Node)>, merged: Vec<(Key, Node)>) {
    if merged.is_empty() {
        return;
    }
    let mut own: HashSet<Box<str>> = entries.iter().map(|(key, _)| key.text.clone()).collect();
    entries.extend(merged.into_iter().filter(|(key, _)| own.insert(key.text.clone())));
}

/// What `<<` brings: the entries of a mapping or of several, of which the earlier win.
fn mappings(value: Value) -> Option<Vec<(Key, Node)>> {
    match value {
        Value::Mapping(mapping) => Some(mapping.into_entries()),
        Value::Sequence(items) => {
            let mut all: Vec<(Key, Node)> = Vec::new();
            for item in items {
                match item.value {
                    Value::Mapping(mapping) => all.extend(mapping.into_entries()),
                    _ => return None,
                }
            }
            Some(all)
        }
        _ => None,
    }
}

/// What a plain text means.
fn core(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_number(text) => Value::Number(Number::new(text)),
        _ => Value::String(text.into()),
    }
}

fn is_number(text: &str) -> bool {
    if let Some(digits) = text.strip_prefix("0x") {
        return !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return !digits.is_empty() && digits.bytes().all(|b| matches!(b, b'0'..=b'7'));
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    // `.5` and `5.` are numbers, `.` is none.
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}
