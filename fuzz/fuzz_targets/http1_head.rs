#![no_main]

#[path = "../checks/http1_head.rs"]
mod http1_head;

libfuzzer_sys::fuzz_target!(|data: &[u8]| http1_head::check(data));
