//! What several targets share.

use std::sync::LazyLock;

use faultline_tests::mutation::mutated;
use libfuzzer_sys::fuzzer_mutate;

static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let dictionary = include_str!("../words.dict");
    dictionary.lines().filter_map(|line| Some(line.strip_prefix('"')?.strip_suffix('"')?.to_owned())).collect()
});

/// One half is libFuzzer's own way with bytes; the other keeps JSON what it is, and gets further in.
pub fn mutated_json(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    match std::str::from_utf8(&data[..size]) {
        Ok(text) if seed % 2 == 0 => {
            let text = mutated(text, &WORDS, u64::from(seed));
            let length = text.len().min(max_size);
            data[..length].copy_from_slice(&text.as_bytes()[..length]);
            length
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
}
