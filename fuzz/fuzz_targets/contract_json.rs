#![no_main]

#[path = "../checks/contract_json.rs"]
mod contract_json;

libfuzzer_sys::fuzz_target!(|data: &[u8]| contract_json::check(data));
