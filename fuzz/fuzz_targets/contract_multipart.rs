//! Multipart bodies: the check is `checks/contract_multipart.rs`.

#![no_main]

#[path = "../checks/contract_multipart.rs"]
mod contract_multipart;

libfuzzer_sys::fuzz_target!(|data: &[u8]| contract_multipart::check(data));
