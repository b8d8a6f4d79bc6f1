#![no_main]

#[path = "../checks/contract_differential.rs"]
mod contract_differential;

libfuzzer_sys::fuzz_target!(|data: &[u8]| contract_differential::check(data));
