//! See `faultline_tests::reading::fault`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| faultline_tests::reading::fault(text));
