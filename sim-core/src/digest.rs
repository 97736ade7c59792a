//! One number that stands for everything that happened, so that two runs can be compared at a glance.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::BufWriter;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::Xxh3;

use crate::seed::mix;

/// The fingerprint of a run up to some event: equal digests, equal runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Digest(pub u64);

/// Folds what it is told into one number, word by word; independent of the width of `usize` and the order of bytes.
///
/// But for slices of whole numbers: the standard library hashes those as the bytes that they are in memory, so that a
/// `Vec<usize>` in a message counts differently on machines of 32 bits. Derive `Hash` for messages without such lists, or keep
/// `u8`, text and structs in them.
#[derive(Clone, Copy, Debug)]
pub struct Fold(u64);

impl Fold {
    /// A fold that starts from what was folded before.
    #[inline]
    pub fn from(digest: Digest) -> Self {
        Fold(digest.0)
    }

    /// One more word.
    #[inline]
    pub fn word(&mut self, word: u64) {
        // One folded product a word: a digest compares runs, it casts no dice.
        let product = u128::from(self.0 ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        self.0 = (product as u64 ^ (product >> 64) as u64).rotate_left(23) ^ word;
    }

    /// What it amounts to so far.
    #[inline]
    pub fn digest(self) -> Digest {
        Digest(self.0)
    }
}

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        mix(self.0, 0)
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
        self.word(bytes.len() as u64);
    }
    #[inline]
    fn write_u8(&mut self, word: u8) {
        self.word(u64::from(word));
    }
    #[inline]
    fn write_u16(&mut self, word: u16) {
        self.word(u64::from(word));
    }
    #[inline]
    fn write_u32(&mut self, word: u32) {
        self.word(u64::from(word));
    }
    #[inline]
    fn write_u64(&mut self, word: u64) {
        self.word(word);
    }
    fn write_u128(&mut self, word: u128) {
        self.word(word as u64);
        self.word((word >> 64) as u64);
    }
    #[inline]
    fn write_usize(&mut self, word: usize) {
        self.word(word as u64);
    }
    #[inline]
    fn write_i8(&mut self, word: i8) {
        self.word(i64::from(word) as u64);
    }
    #[inline]
    fn write_i16(&mut self, word: i16) {
        self.word(i64::from(word) as u64);
    }
    #[inline]
    fn write_i32(&mut self, word: i32) {
        self.word(i64::from(word) as u64);
    }
    #[inline]
    fn write_i64(&mut self, word: i64) {
        self.word(word as u64);
    }
    #[inline]
    fn write_isize(&mut self, word: isize) {
        // Derived `Hash` writes the discriminant of an enum as isize.
        self.word(word as i64 as u64);
    }
}

/// The fingerprint of anything that can be hashed.
pub fn fingerprint(thing: &impl Hash) -> u64 {
    let mut fold = Fold(0);
    thing.hash(&mut fold);
    fold.finish()
}

/// The fingerprint of a serialisable state, by its JSON: what the inspector shows is what is compared.
///
/// # Errors
/// When the state does not serialise to JSON (a map whose keys are no text, a failing `Serialize`).
pub fn state_fingerprint(state: &impl Serialize) -> Result<u64, serde_json::Error> {
    struct Sink(Xxh3);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    // JSON is written in words of a few bytes; the hash takes them by blocks.
    let mut sink = BufWriter::with_capacity(1 << 12, Sink(Xxh3::new()));
    serde_json::to_writer(&mut sink, state)?;
    let sink = sink.into_inner().map_err(|error| serde_json::Error::io(error.into_error()))?;
    Ok(sink.0.digest())
}

/// The length of a state's JSON in bytes, as far as it can be written.
pub(crate) fn json_len(state: &impl Serialize) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // A state that does not serialise is counted up to where it fails: this is an estimate.
    _ = serde_json::to_writer(&mut counter, state);
    counter.0
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

impl FromStr for Digest {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            u64::from_str_radix(text, 16).map(Digest).map_err(|e| e.to_string())
        } else {
            Err(format!("\"{text}\" is not a digest; a digest is 16 hexadecimal digits"))
        }
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_apart_what_differs_and_reads_back() {
        assert_ne!(fingerprint(&(1u8, 2u32)), fingerprint(&(2u8, 1u32)));
        assert_ne!(fingerprint(&"ab"), fingerprint(&"ba"));
        assert_eq!(fingerprint(&7usize), fingerprint(&7u64));
        let digest = Digest(0x0123_4567_89ab_cdef);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("123".parse::<Digest>().is_err());
    }
}
