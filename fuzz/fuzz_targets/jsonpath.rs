//! JSONPath: the check is `checks/jsonpath.rs`.

#![no_main]

#[path = "../checks/jsonpath.rs"]
mod jsonpath;

libfuzzer_sys::fuzz_target!(|data: &[u8]| jsonpath::check(data));
