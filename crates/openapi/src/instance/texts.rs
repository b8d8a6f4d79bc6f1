//! Texts by format, expression and length.

use super::Manner;
use super::merged::Merged;
use super::patterns;
use super::random::Random;

/// Characters of a text that may have any number.
const USUAL: u64 = 8;

/// A text that fits what is said of it; of several expressions the first.
pub(super) fn make(
    merged: &Merged<'_>,
    random: &mut Random,
    manner: Manner,
    bytes_max: usize,
) -> Result<String, String> {
    let (least, most) = (merged.least("minLength"), merged.most("maxLength"));
    if usize::try_from(least).map_or(true, |least| least > bytes_max) {
        return Err("the text would be too long".to_owned());
    }
    if most.is_some_and(|most| most < least) {
        return Err("no text has such a length".to_owned());
    }
    if let Some(pattern) = merged.texts("pattern").next() {
        return patterns::make(pattern, least, most, random);
    }
    if let Some(text) = merged.texts("format").find_map(|format| by_format(format, random)) {
        return Ok(text);
    }
    let wanted = match manner {
        Manner::Least => least,
        Manner::Edge if random.flip() => most.filter(|most| *most <= 256).unwrap_or(least),
        _ => least.max(USUAL),
    };
    let wanted = most.map_or(wanted, |most| wanted.min(most));
    Ok(random.word(usize::try_from(wanted).unwrap_or(0)))
}

/// A text of a format that is known, whatever length is asked for: no other would be one.
fn by_format(format: &str, random: &mut Random) -> Option<String> {
    let day = |random: &mut Random| {
        format!("20{:02}-{:02}-{:02}", random.within(20, 39), random.within(1, 12), random.within(1, 28))
    };
    let time = |random: &mut Random| {
        format!("{:02}:{:02}:{:02}Z", random.below(24), random.below(60), random.below(60))
    };
    Some(match format {
        "date" => day(random),
        "date-time" => format!("{}T{}", day(random), time(random)),
        "time" => time(random),
        "duration" => format!("P{}D", random.within(1, 30)),
        "uuid" => format!(
            "{}-{}-4{}-a{}-{}",
            random.hex(8),
            random.hex(4),
            random.hex(3),
            random.hex(3),
            random.hex(12)
        ),
        "email" | "idn-email" => format!("{}@example.com", random.word(6)),
        "hostname" | "idn-hostname" => format!("{}.example.com", random.word(6)),
        "ipv4" => format!("192.0.2.{}", random.within(1, 254)),
        "ipv6" => format!("2001:db8::{:x}", random.within(1, 65_000)),
        "uri" | "iri" | "url" => format!("https://example.com/{}", random.word(6)),
        "uri-reference" | "iri-reference" => format!("/{}", random.word(6)),
        "uri-template" => format!("https://example.com/{}/{{id}}", random.word(6)),
        "json-pointer" => format!("/{}", random.word(6)),
        "relative-json-pointer" => "1".to_owned(),
        "regex" => format!("^{}$", random.word(4)),
        // Four letters stand for three bytes, so a word of that length is one.
        "byte" | "base64" | "base64url" => random.word(8),
        _ => return None,
    })
}
