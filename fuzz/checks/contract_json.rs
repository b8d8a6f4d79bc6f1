//! JSON on the tape: what passes, `serde_json` reads the same, and built again it is the same; what `serde_json` reads is
//! refused only for a bound, a name that stands twice, or a number that a double cannot hold.

use portcullis_openapi::value::{Builder, Fault, Kind, Limits, Reason, Value, parse};
use serde_json::Value as Theirs;

const LIMITS: Limits =
    Limits { depth: 40, string: 2048, array: 600, members: 80, number_digits: 50, values: 5000 };

/// Panics when `data` breaks a promise.
pub(crate) fn check(data: &[u8]) {
    let theirs = serde_json::from_slice::<Theirs>(data);
    match parse(data, &LIMITS) {
        Ok(tape) => {
            let theirs = theirs.expect("others refuse it");
            let root = tape.root();
            assert!(is_same(root, &theirs), "read otherwise");
            let raw = root.raw().expect("it was read");
            assert!(
                parse(raw.as_bytes(), &LIMITS).is_ok_and(|again| is_same(again.root(), &theirs)),
                "its own text is read otherwise"
            );
            let mut builder = Builder::new(&LIMITS);
            build(root, &mut builder).expect("built again");
            let built = builder.finish().expect("whole");
            assert!(is_same(built.root(), &theirs), "built otherwise");
        }
        Err(fault) => {
            assert!(fault.offset <= data.len() && fault.pointer.len() < 300, "out of bounds");
            match fault.reason {
                Reason::Duplicate => assert!(data.contains(&b':')),
                Reason::Range => assert!(data.iter().any(|byte| matches!(byte, b'e' | b'E'))),
                reason if reason.is_limit() => {}
                reason => assert!(theirs.is_err(), "refused without need: {reason}"),
            }
        }
    }
}

fn is_same(ours: Value<'_>, theirs: &Theirs) -> bool {
    match theirs {
        Theirs::Null => ours.is_null(),
        Theirs::Bool(theirs) => ours.as_bool() == Some(*theirs),
        Theirs::String(theirs) => ours.as_str() == Some(theirs),
        Theirs::Number(theirs) => ours.as_number().is_some_and(|ours| {
            theirs.as_u64().is_none_or(|theirs| ours.as_u64() == Some(theirs))
                && theirs.as_i64().is_none_or(|theirs| ours.as_i64() == Some(theirs))
                && theirs.as_f64() == Some(ours.as_f64_near())
                && ours.as_f64_exact().is_none_or(|ours| theirs.as_f64() == Some(ours))
        }),
        Theirs::Array(theirs) => {
            ours.kind() == Kind::Array
                && ours.len() == theirs.len()
                && ours.items().zip(theirs).all(|(ours, theirs)| is_same(ours, theirs))
        }
        Theirs::Object(theirs) => {
            ours.kind() == Kind::Object
                && ours.len() == theirs.len()
                && ours.members().count() == theirs.len()
                && theirs
                    .iter()
                    .all(|(name, theirs)| ours.get(name).is_some_and(|ours| is_same(ours, theirs)))
        }
    }
}

fn build(value: Value<'_>, builder: &mut Builder) -> Result<(), Fault> {
    match value.kind() {
        Kind::Null => builder.push_null(),
        Kind::Boolean => builder.push_bool(value.as_bool() == Some(true)),
        Kind::Number => builder.push_number(value.as_number().map_or("", |number| number.as_str())),
        Kind::String => builder.push_string(value.as_str().unwrap_or_default()),
        Kind::Array => {
            builder.begin_array()?;
            value.items().try_for_each(|item| build(item, builder))?;
            builder.end()
        }
        Kind::Object => {
            builder.begin_object()?;
            value.members().try_for_each(|member| {
                builder.key(member.name())?;
                build(member.value(), builder)
            })?;
            builder.end()
        }
    }
}
