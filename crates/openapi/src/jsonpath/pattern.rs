//! I-Regexp (RFC 9485) as the patterns of a linear-time engine.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

/// Largest compiled pattern, in bytes.
const SIZE_MAX: usize = 1 << 20;

/// Compiles a pattern for whole texts, or for a part of them; nothing when it is none.
pub(super) fn compile(pattern: &str, whole: bool) -> Option<Regex> {
    let translated = translate(pattern)?;
    let anchored = if whole { format!(r"\A(?:{translated})\z") } else { translated };
    RegexBuilder::new(&anchored).size_limit(SIZE_MAX).nest_limit(64).build().ok()
}

/// RFC 9485 §5; the engine's own extensions are refused, its operators within classes escaped.
fn translate(pattern: &str) -> Option<String> {
    let mut out = String::with_capacity(pattern.len().saturating_add(16));
    let mut chars = pattern.chars().peekable();
    // Whether a quantifier may follow: not behind another, and not behind nothing.
    let mut quantifiable = false;
    while let Some(c) = chars.next() {
        match c {
            '.' => out.push_str(r"[^\n\r]"),
            '\\' => escape(&mut chars, &mut out)?,
            '[' => class(&mut chars, &mut out)?,
            '*' | '+' | '?' => {
                if !quantifiable {
                    return None;
                }
                out.push(c);
            }
            '{' => {
                if !quantifiable {
                    return None;
                }
                count(&mut chars, &mut out)?;
            }
            ']' | '}' => return None,
            _ => out.push(c),
        }
        quantifiable = !matches!(c, '*' | '+' | '?' | '{' | '(' | '|' | '^' | '$');
    }
    Some(out)
}

/// `{2}`, `{2,}`, `{2,3}`; the brace is taken already.
fn count(chars: &mut Peekable<Chars<'_>>, out: &mut String) -> Option<()> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            '}' => break,
            c if c.is_ascii_digit() || c == ',' => text.push(c),
            _ => return None,
        }
    }
    let (least, most) = text.split_once(',').unwrap_or((&text, ""));
    if least.is_empty() || most.contains(',') {
        return None;
    }
    out.push('{');
    out.push_str(&text);
    out.push('}');
    Some(())
}

fn escape(chars: &mut Peekable<Chars<'_>>, out: &mut String) -> Option<()> {
    let c = chars.next()?;
    match c {
        'n' | 'r' | 't' | '(' | ')' | '*' | '+' | '-' | '.' | '?' | '[' | '\\' | ']' | '^' | '{' | '|'
        | '}' | '$' => {
            out.push('\\');
            out.push(c);
        }
        'p' | 'P' => {
            out.push('\\');
            out.push(c);
            if chars.next()? != '{' {
                return None;
            }
            out.push('{');
            loop {
                let c = chars.next()?;
                out.push(c);
                match c {
                    '}' => break,
                    _ if c.is_ascii_alphabetic() => {}
                    _ => return None,
                }
            }
        }
        _ => return None,
    }
    Some(())
}

/// A class, of which the first bracket is taken already.
fn class(chars: &mut Peekable<Chars<'_>>, out: &mut String) -> Option<()> {
    out.push('[');
    if chars.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let mut is_empty = true;
    let mut last = ' ';
    loop {
        let c = chars.next()?;
        match c {
            ']' if !is_empty => break,
            ']' | '[' => return None,
            '\\' => escape(chars, out)?,
            // `--` would be a difference, `&&` and `~~` an intersection and a symmetric difference.
            '-' if last == '-' => return None,
            '&' | '~' | '^' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
        (is_empty, last) = (false, if c == '\\' { ' ' } else { c });
    }
    out.push(']');
    Some(())
}
