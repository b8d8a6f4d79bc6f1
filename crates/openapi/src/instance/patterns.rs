//! Texts that an expression matches, made from its syntax tree. What the parser does not know (look-around,
//! back-references) is refused by name: nothing is guessed.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::random::Random;

/// How often a text is made anew, with longer repetitions, until its length fits.
const TRIES: u32 = 24;

/// Repetitions beyond the least that are drawn where the expression sets no end.
const EXTRA_MAX: u32 = 64;

/// Longest text made from an expression.
const CHARS_MAX: usize = 8 << 10;

/// A text that `pattern` matches somewhere, of a length within bounds where one is found.
pub(super) fn make(
    pattern: &str,
    least: u64,
    most: Option<u64>,
    random: &mut Random,
) -> Result<String, String> {
    let tree = regex_syntax::Parser::new()
        .parse(pattern)
        .map_err(|_| format!("no text is made from the expression `{}`", shortened(pattern)))?;
    let mut closest = None;
    for attempt in 0..TRIES {
        // The first is as short as can be, later ones grow.
        let mut writer =
            Writer { text: String::new(), chars: 0, extra: attempt.saturating_mul(3).min(EXTRA_MAX), random };
        if !writer.write(&tree) {
            continue;
        }
        let text = writer.text;
        let chars = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        if chars >= least && most.is_none_or(|most| chars <= most) {
            return Ok(text);
        }
        closest = Some((text, chars));
    }
    match closest {
        // An expression that is tied to neither end takes anything around its match.
        Some((text, chars)) if chars < least && !is_tied(&tree) => {
            let more = usize::try_from(least.saturating_sub(chars)).unwrap_or(0).min(CHARS_MAX);
            Ok(text + &random.word(more))
        }
        _ => Err(format!("no text of the expression `{}` has such a length", shortened(pattern))),
    }
}

struct Writer<'r> {
    text: String,
    chars: usize,
    extra: u32,
    random: &'r mut Random,
}

impl Writer<'_> {
    /// Whether the part could be written.
    fn write(&mut self, part: &Hir) -> bool {
        match part.kind() {
            // That positions hold is seen by the validator.
            HirKind::Empty | HirKind::Look(_) => true,
            HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
                Ok(text) => self.push(text),
                Err(_) => false,
            },
            HirKind::Class(class) => match self.character(class) {
                Some(character) => self.push(character.encode_utf8(&mut [0; 4])),
                None => false,
            },
            HirKind::Repetition(repetition) => {
                let most = repetition.max.unwrap_or(u32::MAX);
                let room = most.saturating_sub(repetition.min).min(self.extra);
                let more = self.random.below(usize::try_from(room).unwrap_or(0).saturating_add(1));
                let times = usize::try_from(repetition.min).unwrap_or(0).saturating_add(more);
                times <= CHARS_MAX && (0..times).all(|_| self.write(&repetition.sub))
            }
            HirKind::Capture(capture) => self.write(&capture.sub),
            HirKind::Concat(parts) => parts.iter().all(|part| self.write(part)),
            HirKind::Alternation(parts) => {
                let index = self.random.below(parts.len());
                parts.get(index).is_some_and(|part| self.write(part))
            }
        }
    }

    fn push(&mut self, text: &str) -> bool {
        self.chars = self.chars.saturating_add(text.chars().count());
        self.text.push_str(text);
        self.chars <= CHARS_MAX
    }

    /// One of a class: a letter or digit where it has some, else what can be seen, else anything.
    fn character(&mut self, class: &Class) -> Option<char> {
        let class = match class {
            Class::Unicode(class) => class.clone(),
            Class::Bytes(class) => class.to_unicode_class()?,
        };
        let ranges = || class.iter().map(|range| (range.start(), range.end()));
        const READABLE: [(char, char); 5] = [('a', 'z'), ('0', '9'), ('A', 'Z'), ('!', '~'), (' ', ' ')];
        // Mostly from the first that has some, now and then from a later one, so that all of them are met.
        let skip = if self.random.below(3) == 0 { self.random.below(READABLE.len()) } else { 0 };
        let preferred = READABLE.iter().cycle().skip(skip).take(READABLE.len());
        for (low, high) in preferred {
            let within: Vec<char> =
                (*low..=*high).filter(|c| ranges().any(|(start, end)| (start..=end).contains(c))).collect();
            if !within.is_empty() {
                return within.get(self.random.below(within.len())).copied();
            }
        }
        let all: Vec<(char, char)> = ranges().collect();
        all.get(self.random.below(all.len())).map(|(start, _)| *start)
    }
}

/// Whether the expression speaks of an end of the text.
fn is_tied(tree: &Hir) -> bool {
    let looks = tree.properties().look_set();
    looks.contains(regex_syntax::hir::Look::End) || looks.contains(regex_syntax::hir::Look::Start)
}

fn shortened(pattern: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    match pattern.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", pattern.get(..end).unwrap_or_default()),
        None => pattern.to_owned(),
    }
}
