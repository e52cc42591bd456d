#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rollgate_properties::http1_raw(data));
