#![no_main]

#[path = "../checks/http1_chunked.rs"]
mod http1_chunked;

libfuzzer_sys::fuzz_target!(|data: &[u8]| http1_chunked::check(data));
