#![no_main]

#[path = "../checks/contract_parameters.rs"]
mod contract_parameters;

libfuzzer_sys::fuzz_target!(|data: &[u8]| contract_parameters::check(data));
