//! See `faultline_tests::reading::scenario`. Every second mutation knows JSON.
#![no_main]

use faultline_fuzz::mutated_json;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|text: &str| faultline_tests::reading::scenario(text));
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutated_json(data, size, max_size, seed) });
