//! Texts from outside the document: `${env:NAME}` and `${file:path}`, and paths seen from the file they stand in.
//!
//! What cannot be resolved is an error and never an empty text. What was put in is marked, so that no message
//! shows it. The text put in is not looked through again.

use portcullis_openapi::source::{Mapping, Node, Pointer, Segment, Span, Value};

use super::Session;
use crate::config::desk::read_bounded;
use crate::config::patterns::matches;

/// Most bytes of a file that a value refers to.
const VALUE_BYTES_MAX: usize = 1 << 20;

/// Keys whose value is a path; a value with that beginning only, where there is one.
const PATHS: &[(&[&str], &str)] = &[
    (&["state"], ""),
    (&["issuers", "*", "jwks"], ""),
    (&["apis", "*", "openapi"], ""),
    (&["apis", "*", "overlays", "*"], ""),
    (&["apis", "*", "overlays", "*", "file"], ""),
    (&["telemetry", "access_log"], "file:"),
    (&["telemetry", "incidents"], "file:"),
];

/// Puts texts from outside in, everywhere.
pub(super) fn put_in(session: &mut Session<'_>, root: &mut Node) {
    walk(session, root, &mut Pointer::new());
}

fn walk(session: &mut Session<'_>, node: &mut Node, path: &mut Pointer) {
    let span = node.span;
    match &mut node.value {
        Value::String(text) if text.contains("${") => match resolve(session, text, span) {
            Ok((text, true)) => *node = Node::from_outside(text, span),
            Ok((text, false)) => node.value = Value::String(text.into()),
            Err((message, hint)) => {
                let finding = session.names.finding(span, &*path, message);
                session.findings.push(finding.with_hint(hint));
                return;
            }
        },
        Value::Sequence(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                path.push(Segment::Index(index));
                walk(session, item, path);
                path.pop();
            }
        }
        Value::Mapping(mapping) => walk_mapping(session, mapping, path),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    see_path(session, node, path);
}

fn walk_mapping(session: &mut Session<'_>, mapping: &mut Mapping, path: &mut Pointer) {
    for (key, node) in mapping.iter_mut() {
        path.push(Segment::Key(key.text.clone()));
        if key.text.contains("${env:") || key.text.contains("${file:") {
            let finding = session.names.finding(key.span, &*path, "a key cannot come from outside");
            session.findings.push(finding.with_hint("write the key out; only values may refer to outside"));
        }
        walk(session, node, path);
        path.pop();
    }
}

/// Makes a relative path one that can be opened from here, and watches what the configuration reads.
fn see_path(session: &mut Session<'_>, node: &mut Node, path: &Pointer) {
    let Some((pattern, prefix)) = PATHS.iter().find(|(pattern, _)| matches(pattern, path.segments())) else {
        return;
    };
    let Some(written) = node.as_str().and_then(|text| text.strip_prefix(prefix)) else { return };
    if written.is_empty() || written.contains("://") || (*pattern == ["state"] && written == "none") {
        return;
    }
    let seen = session.path(node.span.file, written);
    if ["apis", "issuers"].iter().any(|first| path.segments().first() == Some(&Segment::Key((*first).into())))
    {
        session.watch(seen.clone());
    }
    let text = format!("{prefix}{}", seen.display());
    *node = if node.is_from_outside() {
        Node::from_outside(text, node.span)
    } else {
        Node::new(Value::String(text.into()), node.span)
    };
}

type Refused = (String, String);

/// A text with every reference replaced, and whether there was one.
fn resolve(session: &mut Session<'_>, text: &str, span: Span) -> Result<(String, bool), Refused> {
    let mut resolved = String::new();
    let mut from_outside = false;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            // `$${` is a written-out `${`.
            resolved.push_str(before);
            resolved.push_str("${");
            rest = after;
            continue;
        }
        resolved.push_str(before);
        let (reference, after) = after.split_once('}').ok_or_else(|| {
            ("`${` is not closed".to_owned(), "write `$${` for the two characters".to_owned())
        })?;
        resolved.push_str(&fetch(session, reference, span)?);
        from_outside = true;
        rest = after;
    }
    resolved.push_str(rest);
    Ok((resolved, from_outside))
}

fn fetch(session: &mut Session<'_>, reference: &str, span: Span) -> Result<String, Refused> {
    match reference.split_once(':') {
        Some(("env", name)) if !name.is_empty() => {
            let value = (session.env)(name).ok_or_else(|| {
                (
                    format!("the environment variable {name} is not set"),
                    format!("set {name} where the gateway starts"),
                )
            })?;
            if value.is_empty() {
                let hint = "an unset secret must not pass for an empty one";
                return Err((format!("the environment variable {name} is empty"), hint.to_owned()));
            }
            Ok(value)
        }
        Some(("file", written)) if !written.is_empty() => {
            let path = session.path(span.file, written);
            session.watch(path.clone());
            let refused = |what: String| {
                (
                    format!("the file {written:?} {what}"),
                    "paths are relative to the file they stand in".to_owned(),
                )
            };
            let bytes = read_bounded(&path, VALUE_BYTES_MAX)
                .map_err(|error| refused(format!("cannot be read: {error}")))?;
            if bytes.len() > VALUE_BYTES_MAX {
                return Err(refused(format!("has more than {VALUE_BYTES_MAX} bytes")));
            }
            let text = String::from_utf8(bytes).map_err(|_| refused("is not UTF-8".to_owned()))?;
            // Editors and `echo` end a file with a line end that is no part of a secret.
            let text = text.strip_suffix('\n').unwrap_or(&text);
            let text = text.strip_suffix('\r').unwrap_or(text);
            if text.is_empty() {
                return Err(refused("is empty".to_owned()));
            }
            Ok(text.to_owned())
        }
        _ => Err((
            format!("`${{{reference}}}` is no reference"),
            "write `${env:NAME}` or `${file:path}`, or `$${` for the two characters".to_owned(),
        )),
    }
}
