//! See `faultline_tests::reading::expression`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| faultline_tests::reading::expression(text));
