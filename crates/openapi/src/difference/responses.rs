//! Responses. A status that is new is read by its class, as HTTP asks readers to; a success that is gone is what callers
//! wait for.

use super::bodies::{best, media_type};
use super::{Comparison, Spans, parameters};
use crate::definition::{Header, Operation, Response, Status};
use crate::schema::Direction;

pub(super) fn compare(comparison: &mut Comparison<'_, '_>, old: &Operation, new: &Operation) {
    for before in &old.responses {
        comparison.part(part(before.status), |comparison| match counterpart(&new.responses, before.status) {
            Some(after) => response(comparison, before, after),
            None => removed(comparison, before, new),
        });
    }
    for after in &new.responses {
        if old.responses.iter().any(|before| before.status == after.status) {
            continue;
        }
        comparison.part(part(after.status), |comparison| match counterpart(&old.responses, after.status) {
            // It was spoken of by its class or as the default: what is sent must still be of that kind.
            Some(before) => response(comparison, before, after),
            None => added(comparison, after),
        });
    }
}

fn removed(comparison: &mut Comparison<'_, '_>, old: &Response, new: &Operation) {
    let spans = Spans::both(old.span, new.span);
    if is_success(old.status) {
        comparison.breaking("response-removed", spans, "is not documented any more: callers wait for it");
    } else {
        comparison.safe("response-removed", spans, "is not documented any more");
    }
}

fn added(comparison: &mut Comparison<'_, '_>, new: &Response) {
    let spans = Spans::new(new.span);
    match new.status {
        Status::Code(400..) | Status::Class(4..) | Status::Default => {
            comparison.safe("response-added", spans, "is new; a caller reads it by its class");
        }
        Status::Code(_) | Status::Class(_) => {
            comparison.unknown("response-added", spans, "is new, and no error: callers may not expect it");
        }
    }
}

fn response(comparison: &mut Comparison<'_, '_>, old: &Response, new: &Response) {
    let spans = Spans::both(old.span, new.span);
    headers(comparison, &old.headers, &new.headers, spans);
    let status = part(new.status);
    for before in old.content.iter() {
        comparison.part(format!("{status} {}", before.range), |comparison| {
            match best(&new.content, &before.range) {
                Some(after) => media_type(comparison, before, after, Direction::Response),
                None => {
                    let spans = Spans { old: Some(before.span), new: spans.new };
                    comparison.breaking("media-type-removed", spans, "is not sent any more");
                }
            }
        });
    }
    for after in new.content.iter() {
        if best(&old.content, &after.range).is_none() {
            let spans = Spans { old: spans.old, new: Some(after.span) };
            comparison.part(format!("{status} {}", after.range), |comparison| {
                comparison.safe("media-type-added", spans, "may be sent, too, to who asks for it");
            });
        }
    }
}

fn headers(comparison: &mut Comparison<'_, '_>, old: &[Header], new: &[Header], spans: Spans) {
    let part = comparison.subject.part.clone();
    for before in old {
        let after = new.iter().find(|after| after.name.eq_ignore_ascii_case(&before.name));
        comparison.part(format!("{part} header `{}`", before.name), |comparison| match after {
            Some(after) => {
                let spans = Spans::both(before.span, after.span);
                match (before.is_required, after.is_required) {
                    (true, false) => comparison.breaking("header-not-promised", spans, "may be missing now"),
                    (false, true) => comparison.safe("header-requirement", spans, "is always there now"),
                    _ => {}
                }
                parameters::value(comparison, &before.value, &after.value, Direction::Response, spans);
            }
            None if before.is_required => {
                let spans = Spans { old: Some(before.span), new: spans.new };
                comparison.breaking("header-removed", spans, "is not sent any more");
            }
            None => {
                let spans = Spans { old: Some(before.span), new: spans.new };
                comparison.safe("header-removed", spans, "is not documented any more; it was not promised");
            }
        });
    }
    for after in new {
        if !old.iter().any(|before| before.name.eq_ignore_ascii_case(&after.name)) {
            comparison.part(format!("{part} header `{}`", after.name), |comparison| {
                comparison.safe("header-added", Spans::new(after.span), "is new");
            });
        }
    }
}

/// What documents a status: itself, its class, else the default.
fn counterpart(all: &[Response], status: Status) -> Option<&Response> {
    let class = match status {
        Status::Code(code) => u8::try_from(code / 100).ok().map(Status::Class),
        Status::Class(_) | Status::Default => None,
    };
    let wanted = [Some(status), class, Some(Status::Default)];
    wanted.into_iter().flatten().find_map(|wanted| all.iter().find(|response| response.status == wanted))
}

fn is_success(status: Status) -> bool {
    matches!(status, Status::Code(200..=299) | Status::Class(2))
}

fn part(status: Status) -> String {
    format!("response {status}")
}
