//! JSON: what passes, `serde_json` reads the same, and written again it is the same; what `serde_json` reads is refused only
//! for depth, size or a member that stands twice.

use portcullis_identity::json::{Limits, Refused, Value, parse};

const LIMITS: Limits = Limits { bytes: 1 << 16, depth: 32 };

/// Panics when `data` breaks a promise.
pub(crate) fn check(data: &[u8]) {
    let theirs = serde_json::from_slice::<serde_json::Value>(data);
    match parse(data, LIMITS) {
        Ok(value) => {
            let written = value.to_string();
            assert_eq!(parse(written.as_bytes(), LIMITS).as_ref(), Ok(&value), "written otherwise");
            // A number beyond a float is none for others.
            if let Ok(theirs) = theirs {
                assert!(is_same(&value, &theirs), "read otherwise");
            } else {
                assert!(written.contains(['e', 'E']) || data.len() > 300, "others refuse it");
            }
        }
        Err(why) => {
            let is_bounded = matches!(why, Refused::Duplicate | Refused::TooDeep | Refused::TooLong);
            assert!(is_bounded || theirs.is_err(), "refused without need: {why}");
        }
    }
}

fn is_same(ours: &Value, theirs: &serde_json::Value) -> bool {
    match (ours, theirs) {
        (Value::Null, serde_json::Value::Null) => true,
        (Value::Bool(ours), serde_json::Value::Bool(theirs)) => ours == theirs,
        (Value::Text(ours), serde_json::Value::String(theirs)) => **ours == **theirs,
        (Value::Number(ours), serde_json::Value::Number(theirs)) => {
            ours.as_u64().is_none_or(|ours| theirs.as_u64() == Some(ours))
        }
        (Value::Array(ours), serde_json::Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| is_same(ours, theirs))
        }
        (Value::Object(ours), serde_json::Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .all(|(name, ours)| theirs.get(name).is_some_and(|theirs| is_same(ours, theirs)))
        }
        _ => false,
    }
}
