//! What a client wishes for: `Prefer` (RFC 7240) and `Accept` (RFC 9110).

use crate::media_type::essence;

/// Elements of a field that are read.
const ELEMENTS_MAX: usize = 32;

/// What `Prefer` says, in the words of Prism; other preferences are left out, as RFC 7240 asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// `code=404`.
    pub code: Option<u16>,
    /// `example=name`.
    pub example: Option<String>,
    /// `dynamic=true`: values are made even where there are examples.
    pub is_dynamic: bool,
}

/// What `Accept` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accept {
    /// Ranges in lower case, with their weight in thousandths.
    ranges: Vec<(String, u16)>,
}

impl Wish {
    /// Reads the lines of `Prefer`. Of a preference that stands twice the first counts.
    pub fn read<'l>(lines: impl Iterator<Item = &'l str>) -> Self {
        let mut wish = Self::default();
        let mut has_dynamic = false;
        for element in lines.flat_map(elements).take(ELEMENTS_MAX) {
            // Parameters of a preference are none of ours.
            let preference = pieces(&element, ';').next().unwrap_or_default().to_owned();
            let (name, value) = preference.split_once('=').unwrap_or((&preference, ""));
            let value = unquoted(value.trim());
            match name.trim().to_ascii_lowercase().as_str() {
                "code" if wish.code.is_none() => {
                    wish.code = value.parse().ok().filter(|code| (200..=599).contains(code));
                }
                "example" if wish.example.is_none() && !value.is_empty() => wish.example = Some(value),
                "dynamic" if !has_dynamic => {
                    has_dynamic = true;
                    wish.is_dynamic = value.eq_ignore_ascii_case("true");
                }
                _ => {}
            }
        }
        wish
    }

    /// What `Preference-Applied` says of an answer.
    pub(super) fn applied(&self, has_body: bool) -> Option<String> {
        let code = self.code.map(|code| format!("code={code}"));
        let example = self.example.as_ref().filter(|_| has_body);
        let is_token =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        // A name that would have to be quoted is known to whoever sent it.
        let example =
            example.map(|name| if is_token(name) { format!("example={name}") } else { "example".to_owned() });
        let dynamic =
            (self.is_dynamic && has_body && self.example.is_none()).then(|| "dynamic=true".to_owned());
        let all: Vec<String> = [code, example, dynamic].into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join(", "))
    }
}

impl Accept {
    /// Reads the lines of `Accept`. What is no range matches nothing.
    pub fn read<'l>(lines: impl Iterator<Item = &'l str>) -> Self {
        let ranges = lines.flat_map(elements).take(ELEMENTS_MAX).map(|element| {
            let mut parts = pieces(&element, ';').map(str::trim);
            let range = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| {
                let (name, value) = part.split_once('=')?;
                name.trim().eq_ignore_ascii_case("q").then(|| thousandths(value.trim()))
            });
            (range, weight.unwrap_or(1000))
        });
        Self { ranges: ranges.collect() }
    }

    /// How much a media type is wanted, by the most specific range that holds it; zero when it is not.
    pub(super) fn weight(&self, media_type: &str) -> u16 {
        if self.ranges.is_empty() {
            return 1000;
        }
        let essence = essence(media_type);
        let top = essence.split('/').next().unwrap_or_default();
        let held = self.ranges.iter().filter_map(|(range, weight)| {
            let rank = match range.split_once('/') {
                Some(("*", "*")) => 0,
                Some((own, "*")) if own == top => 1,
                Some(_) if *range == essence => 2,
                _ => return None,
            };
            Some((rank, *weight))
        });
        held.max_by_key(|(rank, weight): &(u8, u16)| (*rank, *weight)).map_or(0, |(_, weight)| weight)
    }
}

/// The elements of a list, commas within quotes left alone.
fn elements(line: &str) -> Vec<String> {
    pieces(line, ',').map(|piece| piece.trim().to_owned()).filter(|piece| !piece.is_empty()).collect()
}

fn pieces(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    text.split(move |character| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match character {
            '\\' if is_quoted && !was_escaped => is_escaped = true,
            '"' if !was_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        character == separator && !is_quoted
    })
}

fn unquoted(text: &str) -> String {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) => inner.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => text.to_owned(),
    }
}

/// A weight of three digits behind the point at most; what is none counts as wanted.
fn thousandths(text: &str) -> u16 {
    let weight = text.parse::<f64>().ok().filter(|weight| (0.0..=1.0).contains(weight));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
    weight.map_or(1000, |weight| (weight * 1000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use super::{Accept, Wish};

    #[test]
    fn preferences_are_those_of_prism() {
        let read = |lines: &[&str]| Wish::read(lines.iter().copied());
        let all = Wish { code: Some(404), example: Some("no dog".to_owned()), is_dynamic: true };
        assert_eq!(read(&["code=404, example=\"no dog\"; x=\"a,b\", dynamic=true"]), all);
        assert_eq!(
            read(&["respond-async, CODE = 404", "example=\"no dog\"", "dynamic=TRUE, dynamic=false"]),
            all
        );
        assert_eq!(read(&["code=abc, code=99, example=, dynamic"]), Wish::default());
        assert_eq!(all.applied(true).as_deref(), Some("code=404, example"));
        assert_eq!(all.applied(false).as_deref(), Some("code=404"));
        assert_eq!(Wish::default().applied(true), None);
    }

    #[test]
    fn the_most_specific_range_weighs() {
        let accept = Accept::read(["text/*;q=0.5, */*; q=0.1", "application/json;q=0"].into_iter());
        assert_eq!(accept.weight("text/plain; charset=utf-8"), 500);
        assert_eq!(accept.weight("application/json"), 0);
        assert_eq!(accept.weight("image/png"), 100);
        assert_eq!(Accept::read(["nonsense"].into_iter()).weight("text/plain"), 0);
        assert_eq!(Accept::default().weight("a/b"), 1000);
    }
}
