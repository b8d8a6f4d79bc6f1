//! Beside the rows of `docs/parameters.md`.

mod page;
mod peers;
mod table;

use crate::value::{Builder, Limits};

#[test]
fn what_is_taken_back_leaves_no_trace() {
    let mut out = Builder::new(&Limits::REQUEST);
    out.begin_object().expect("an object");
    out.key("a").expect("a name");
    out.push_number("1").expect("a number");
    let mark = out.mark();
    for end in 0..3 {
        out.key("b").expect("the name is not there");
        out.begin_array().expect("an array");
        out.push_string("x").expect("a text");
        out.begin_object().expect("an object");
        // Left in whatever state.
        (0..end).try_for_each(|_| out.end()).ok();
        out.rollback(mark);
    }
    out.key("b").expect("the name is not there");
    out.push_null().expect("null");
    out.end().expect("whole");
    assert_eq!(page::json(out.finish().expect("whole").root()), r#"{"a":1,"b":null}"#);
}
