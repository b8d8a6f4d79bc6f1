//! The current time as `Date` wants it (RFC 9110 §5.6.7), spelled at most once a second per thread.

use std::cell::RefCell;
use std::time::{Duration, UNIX_EPOCH};

use portcullis_http1::{Label, Lines};

use crate::clock;

/// A second and how it is spelled: an IMF-fixdate, and the line of a head.
struct Spelled {
    second: u64,
    date: String,
    line: Lines,
}

/// Now, as an IMF-fixdate.
pub fn with_now<T>(then: impl FnOnce(&str) -> T) -> T {
    with_spelled(|now| then(&now.date))
}

/// Now, as the line that a head of HTTP/1.1 has of it.
pub fn with_line<T>(then: impl FnOnce(&Lines) -> T) -> T {
    with_spelled(|now| then(&now.line))
}

fn with_spelled<T>(then: impl FnOnce(&Spelled) -> T) -> T {
    thread_local! { static LAST: RefCell<Option<Spelled>> = const { RefCell::new(None) }; }
    let second = clock::wall().as_secs();
    LAST.with_borrow_mut(|last| match last {
        Some(last) if last.second == second => then(last),
        _ => then(last.insert(spell(second))),
    })
}

fn spell(second: u64) -> Spelled {
    const DATE: Label = Label::new("date: ");
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(second)).unwrap_or(UNIX_EPOCH);
    let date = httpdate::fmt_http_date(time);
    let line = Lines::of(&[(DATE, date.as_bytes())]);
    Spelled { second, date, line }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_second_is_spelled_as_http_wants_it() {
        let spelled = super::spell(784_111_777);
        assert_eq!(spelled.date, "Sun, 06 Nov 1994 08:49:37 GMT");
        let line = spelled.line.iter().next().expect("a line");
        assert_eq!((line.name, line.value), (&b"date"[..], spelled.date.as_bytes()));
    }
}
