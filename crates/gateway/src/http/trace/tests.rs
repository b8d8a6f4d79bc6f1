#![expect(clippy::string_slice, reason = "ASCII")]

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_http1::Fields;

use super::{Parents, STATE_BYTES_MAX, Span, Trace, Tracing};

const SAID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
const SPAN: u64 = 0xb7ad_6b71_6920_3331;

/// Numbers that are spread as random ones are.
fn begin() -> Trace {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Trace::begin(|| NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn fields(said: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in said {
        fields.push(name, value);
    }
    fields
}

fn joined(said: &[(&str, &str)], is_trusted: bool, parents: Parents) -> (Trace, Trace) {
    let before = begin();
    let mut after = before;
    after.join(&fields(said), is_trusted, &Tracing { parents, sample_below: 0 });
    (before, after)
}

#[test]
fn a_strangers_trace_is_restarted_linked_or_continued() {
    let said = [("traceparent", SAID), ("tracestate", "a=1")];
    let (before, after) = joined(&said, false, Parents::Restart);
    assert_eq!(before, after, "nothing of it is left");
    let (before, after) = joined(&said, false, Parents::Link);
    assert_eq!(after, Trace { link: Some(Span { trace: TRACE, span: SPAN }), ..before });
    for (is_trusted, parents) in [(false, Parents::Continue), (true, Parents::Restart), (true, Parents::Link)]
    {
        let (before, after) = joined(&said, is_trusted, parents);
        assert_eq!((after.own.trace, after.parent, after.link), (TRACE, Some(SPAN), None));
        assert_eq!(after.own.span, before.own.span, "the span is our own");
        assert!(after.sampled && after.keeps_state);
        let told = String::from_utf8(after.traceparent(after.own.span).value().to_vec()).unwrap();
        assert_eq!((&told[..36], &told[52..]), (&SAID[..36], "-01"));
        assert_ne!(told, SAID);
    }
}

#[test]
fn what_is_no_traceparent_begins_a_trace() {
    let zero_trace = SAID.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32));
    let zero_span = SAID.replace("b7ad6b7169203331", &"0".repeat(16));
    let (later, glued) = (SAID.replacen("00", "01", 1) + "-more", SAID.replacen("00", "01", 1) + "more");
    let cases: [(&str, bool); 12] = [
        (SAID, true),
        (&SAID.replacen("00", "01", 1), true),
        (&later, true),
        (&glued, false),
        (&(SAID.to_owned() + "-more"), false),
        (&SAID.replacen("00", "ff", 1), false),
        (&SAID.to_uppercase(), false),
        (&zero_trace, false),
        (&zero_span, false),
        (&SAID.replace('-', "_"), false),
        (&SAID[..54], false),
        ("", false),
    ];
    for (value, good) in cases {
        let (_, after) = joined(&[("traceparent", value), ("tracestate", "a=1")], true, Parents::Restart);
        assert_eq!((after.parent.is_some(), after.keeps_state), (good, good), "{value:?}");
    }
    let twice = [("traceparent", SAID), ("traceparent", SAID)];
    assert_eq!(joined(&twice, true, Parents::Restart).1.parent, None, "two have no reading");
}

#[test]
fn a_long_state_stays_behind_and_the_trace_goes_on() {
    for (len, kept) in [(STATE_BYTES_MAX, true), (STATE_BYTES_MAX + 1, false)] {
        let state = "x".repeat(len - 5);
        let said = [("traceparent", SAID), ("tracestate", "a=123"), ("tracestate", &state)];
        let (_, after) = joined(&said, true, Parents::Restart);
        assert_eq!((after.parent, after.keeps_state), (Some(SPAN), kept), "{len}");
    }
}

#[test]
fn the_share_of_new_traces_is_marked() {
    for (sample_below, least, most) in [(0, 0, 0), (u64::MAX / 4, 150, 350), (u64::MAX, 1000, 1000)] {
        let rules = Tracing { parents: Parents::Restart, sample_below };
        let marked = (0..1000).filter(|_| {
            let mut trace = begin();
            trace.join(&Fields::new(), false, &rules);
            trace.sampled
        });
        let marked = marked.count();
        assert!((least..=most).contains(&marked), "{marked}");
    }
}

#[test]
fn it_is_spelt_in_small_hexadecimal() {
    let own = Span { trace: TRACE, span: 0xf };
    let trace = Trace { own, parent: None, link: None, sampled: false, keeps_state: false };
    assert_eq!(
        trace.traceparent(trace.own.span).value(),
        b"00-0af7651916cd43dd8448eb211c80319c-000000000000000f-00"
    );
}
