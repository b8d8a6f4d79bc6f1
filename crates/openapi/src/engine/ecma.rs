//! Patterns as ECMA-262 reads them, where the engines below would read or take them otherwise.

/// One of the two is true at each place: ECMA-262's word characters are ASCII's.
const BOUNDARY: &str = "(?:(?<=[A-Za-z0-9_])(?![A-Za-z0-9_])|(?<![A-Za-z0-9_])(?=[A-Za-z0-9_]))";
const NO_BOUNDARY: &str = "(?:(?<=[A-Za-z0-9_])(?=[A-Za-z0-9_])|(?<![A-Za-z0-9_])(?![A-Za-z0-9_]))";

/// The same pattern with `\b` and `\B` spelt out; nothing if it has neither. The linear engine counts letters beyond
/// ASCII as letters there, so it is asked about ASCII alone.
pub(super) fn boundaries_spelt(pattern: &str) -> Option<String> {
    let mut spelt = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut in_class = false;
    let mut has_any = false;
    while let Some(c) = rest.chars().next() {
        let taken = if c == '\\' { escape(rest) } else { rest.get(..c.len_utf8()).unwrap_or(rest) };
        match taken {
            "[" => in_class = true,
            "]" => in_class = false,
            _ => {}
        }
        let meant = match taken {
            r"\b" if !in_class => BOUNDARY,
            r"\B" if !in_class => NO_BOUNDARY,
            taken => taken,
        };
        has_any |= meant != taken;
        spelt.push_str(meant);
        rest = rest.get(taken.len()..).unwrap_or_default();
    }
    has_any.then_some(spelt)
}

/// The same pattern within the grammar proper; nothing if Annex B would not help. Definitions write so, and browsers
/// take it, though the grammar proper does not.
///
/// Two things are mended, as B.1.2 says: a hyphen beside `\w` and its like in a class is a hyphen, and a brace that
/// begins no quantifier is a brace. What else is outside the grammar (`\A`, `\Z`, `\p{Punct}` and such, which other
/// engines understand) would mean letters there: nobody means that, so it stays unsupported.
pub(super) fn mended(pattern: &str) -> Option<String> {
    let mut mended = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut in_class = false;
    let mut is_set = false;
    while let Some(c) = rest.chars().next() {
        let behind = rest.get(c.len_utf8()..).unwrap_or_default();
        let was_set = std::mem::take(&mut is_set);
        let taken = match c {
            '\\' => {
                let escaped = escape(rest);
                is_set = in_class && is_set_escape(escaped);
                mended.push_str(escaped);
                escaped.len()
            }
            '[' if !in_class => {
                in_class = true;
                mended.push('[');
                let negated = behind.starts_with('^');
                if negated {
                    mended.push('^');
                }
                usize::from(negated).saturating_add(1)
            }
            ']' if in_class => {
                in_class = false;
                mended.push(']');
                1
            }
            '-' if in_class && ((was_set && !behind.starts_with(']')) || is_set_escape(escape(behind))) => {
                mended.push_str("\\-");
                1
            }
            '{' if !in_class => {
                let quantifier = quantifier(rest);
                mended.push_str(quantifier.unwrap_or("\\{"));
                quantifier.map_or(1, str::len)
            }
            '}' if !in_class => {
                mended.push_str("\\}");
                1
            }
            c => {
                mended.push(c);
                c.len_utf8()
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    (mended != pattern).then_some(mended)
}

/// An escape with what belongs to it, so that its braces are not taken for others.
fn escape(text: &str) -> &str {
    if !text.starts_with('\\') {
        return "";
    }
    let mut chars = text.char_indices().skip(1);
    let end = match chars.next() {
        Some((_, 'p' | 'P' | 'u' | 'k')) if text.get(2..3).is_some_and(|open| matches!(open, "{" | "<")) => {
            text.find(['}', '>']).map_or(2, |at| at.saturating_add(1))
        }
        Some((at, c)) => at.saturating_add(c.len_utf8()),
        None => 1,
    };
    text.get(..end).unwrap_or(text)
}

fn is_set_escape(escape: &str) -> bool {
    escape.starts_with('\\')
        && escape.chars().nth(1).is_some_and(|c| matches!(c, 'w' | 'W' | 'd' | 'D' | 's' | 'S' | 'p' | 'P'))
}

/// `{n}`, `{n,}` or `{n,m}` at the beginning.
fn quantifier(text: &str) -> Option<&str> {
    let end = text.find('}')?;
    let inside = text.get(1..end)?;
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!least.is_empty() && is_number(least) && is_number(most)).then(|| text.get(..=end)).flatten()
}
