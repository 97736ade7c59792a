//! See `faultline_tests::reading::draft`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| faultline_tests::reading::draft(text));
