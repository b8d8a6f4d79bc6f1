//! Where in a path parameters of style `matrix` may stand: `/cars/;color=blue`.
//!
//! `;` is the classic trick of path confusion: a servlet container cuts it and what follows off each segment, so that
//! `/admin;x` is `/admin` to it and `/x/;y/` is `/x//`. Canonicalisation therefore refuses a segment of which nothing would
//! be left, and routing one that would lead elsewhere without it. A definition may declare that a parameter is written so
//! (RFC 6570 §3.2.7). Then, and only at the place of that parameter in the template of that operation, what begins with
//! `;` is the parameter; the contract of the operation judges all of it.

use http::Method;
use portcullis_openapi::matcher::{Match, Matcher, MatcherBuilder, Methods, Span};
use portcullis_openapi::template::Template;
use smallvec::SmallVec;

/// The parameters of a template that are written in the style.
#[derive(Debug)]
pub struct MatrixPlaces {
    template: Matcher<()>,
    /// A bit for each of the template's parameters.
    // Invariant: a template has no more parameters than there are bits (`Template::PARAMETERS_MAX`).
    declared: u32,
}

/// Where such parameters stand in a path.
pub type Places = SmallVec<[Span; 2]>;

impl MatrixPlaces {
    /// Those of a template that `declared` counts; `None` where there are none. A greedy one is never among them: it would
    /// take segments of which nobody declared anything.
    pub fn new(template: &Template, declared: impl Iterator<Item = usize>) -> Option<Self> {
        let last = template.parameters().len().checked_sub(1)?;
        let mut bits = 0_u32;
        for at in declared.filter(|at| *at < last || (*at == last && !template.is_greedy())) {
            bits |= 1_u32.checked_shl(u32::try_from(at).unwrap_or(u32::MAX)).unwrap_or(0);
        }
        if bits == 0 {
            return None;
        }
        let mut builder = MatcherBuilder::new();
        builder.insert(Methods::Any, template.clone(), ()).ok()?;
        Some(Self { template: builder.build().ok()?, declared: bits })
    }

    /// Where in a path that the template matches such parameters stand and begin with `;`.
    pub fn of(&self, path: &str) -> Places {
        let Match::Found { parameters, .. } = self.template.find(&Method::GET, path) else {
            return Places::new();
        };
        let is_declared = |at: usize| {
            u32::try_from(at)
                .ok()
                .and_then(|at| self.declared.checked_shr(at))
                .is_some_and(|bits| bits & 1 == 1)
        };
        let is_one = |span: &Span| span.of(path).is_some_and(|text| text.starts_with(';'));
        let spans = parameters.into_spans().into_iter().enumerate();
        spans.filter(|(at, span)| is_declared(*at) && is_one(span)).map(|(_, span)| span).collect()
    }
}

/// Whether each segment of a path that begins with `;` is at one of these places.
pub fn are_all(path: &str, places: &Places) -> bool {
    let mut bare = path.as_bytes().windows(2).enumerate().filter(|(_, pair)| *pair == b"/;");
    bare.all(|(slash, _)| places.iter().any(|place| place.start == slash.saturating_add(1)))
}

#[cfg(test)]
mod tests;
