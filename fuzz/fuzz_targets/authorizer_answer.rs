#![no_main]

#[path = "../checks/authorizer_answer.rs"]
mod authorizer_answer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| authorizer_answer::check(data));
