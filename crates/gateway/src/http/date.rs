//! The current time as `Date` wants it (RFC 9110 §5.6.7), spelled at most once a second per thread.

use std::cell::RefCell;
use std::time::{Duration, UNIX_EPOCH};

use crate::clock;

/// An IMF-fixdate.
#[derive(Clone, Copy)]
pub struct Date([u8; 29]);

impl Date {
    /// Its text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Now.
pub fn now() -> Date {
    thread_local! { static LAST: RefCell<(u64, Date)> = const { RefCell::new((u64::MAX, Date([b' '; 29]))) }; }
    let seconds = clock::wall().as_secs();
    LAST.with_borrow_mut(|(at, date)| {
        if *at != seconds {
            let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH);
            let text = httpdate::fmt_http_date(time);
            if let Ok(spelled) = <[u8; 29]>::try_from(text.as_bytes()) {
                (*at, *date) = (seconds, Date(spelled));
            }
        }
        *date
    })
}
