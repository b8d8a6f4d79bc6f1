//! Coded content: the check is `checks/contract_coding.rs`.

#![no_main]

#[path = "../checks/contract_coding.rs"]
mod contract_coding;

libfuzzer_sys::fuzz_target!(|data: &[u8]| contract_coding::check(data));
