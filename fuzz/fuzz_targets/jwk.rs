#![no_main]

#[path = "../checks/jwk.rs"]
mod jwk;

libfuzzer_sys::fuzz_target!(|data: &[u8]| jwk::check(data));
