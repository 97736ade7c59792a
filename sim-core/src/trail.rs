//! How a digest grew, one byte per so many events: enough to name the first event at which two runs part.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// At most this many bytes are kept; a longer run keeps every second, every fourth, and so on.
const BYTES: usize = 4096;

/// A byte of the rolling digest after every so many events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    every: u64,
    bytes: Vec<u8>,
    count: u64,
}

/// Where two runs part: after all events up to `after`, at or before event `by`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// The last event known to be equal.
    pub after: u64,
    /// The first event known to differ: the next one, when every event left a byte.
    pub by: u64,
}

/// The written form: `{"every": 1, "digests": "a1b2…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenTrail {
    /// Events per byte.
    pub every: u64,
    /// The bytes, in hexadecimal.
    pub digests: String,
}

impl Default for Trail {
    fn default() -> Self {
        Trail { every: 1, bytes: Vec::new(), count: 0 }
    }
}

impl Trail {
    /// Takes the digest after one more event.
    #[inline]
    pub fn push(&mut self, digest: Digest) {
        self.count += 1;
        if self.count & (self.every - 1) == 0 {
            self.keep(digest.0 as u8);
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.bytes.len() == BYTES {
            // The byte at place i stands for event (i + 1) × every, so the odd places stay.
            self.bytes = self.bytes.iter().copied().skip(1).step_by(2).collect();
            self.every *= 2;
            if self.count & (self.every - 1) != 0 {
                return;
            }
        }
        self.bytes.push(byte);
    }

    /// How many events it covers.
    pub fn events(&self) -> u64 {
        self.count
    }

    /// Where this run parts from the one that left `other`; `None` when nothing of either contradicts the other.
    pub fn divergence(&self, other: &Trail) -> Option<Divergence> {
        let every = self.every.max(other.every);
        let at = |trail: &Trail, event: u64| trail.bytes.get((event / trail.every) as usize - 1).copied();
        let mut event = every;
        while let (Some(a), Some(b)) = (at(self, event), at(other, event)) {
            if a != b {
                return Some(Divergence { after: event - every, by: event });
            }
            event += every;
        }
        let shorter = self.count.min(other.count);
        (self.count != other.count).then_some(Divergence { after: event - every, by: shorter + 1 })
    }

    /// The form that case files keep; the number of events stands in them by itself.
    pub fn written(&self) -> WrittenTrail {
        WrittenTrail { every: self.every, digests: self.bytes.iter().map(|byte| format!("{byte:02x}")).collect() }
    }

    /// Reads the form that case files keep, for a run of `events` events; when nobody knows how many, of as many as it covers.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(written: &WrittenTrail, events: Option<u64>) -> Result<Trail, String> {
        if !written.every.is_power_of_two() {
            return Err(format!("\"every\" is {}; it is a power of two", written.every));
        }
        let digits = written.digests.as_bytes();
        let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(|pair| byte(pair).filter(|_| pair.len() == 2)).collect();
        let bytes = bytes.ok_or("\"digests\" is not made of pairs of hexadecimal digits")?;
        let covered = (bytes.len() as u64).saturating_mul(written.every);
        let events = events.unwrap_or(covered);
        if bytes.len() as u64 != events / written.every {
            let wanted = events / written.every;
            return Err(format!("\"digests\" has {} bytes; {events} events leave {wanted}", bytes.len()));
        }
        Ok(Trail { every: written.every, bytes, count: events })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::mix;

    fn trail(events: u64, twist: u64) -> Trail {
        let mut trail = Trail::default();
        for event in 1..=events {
            trail.push(Digest(mix(event, u64::from(event >= twist))));
        }
        trail
    }

    #[test]
    fn a_short_trail_names_the_first_event_that_differs() {
        for twist in [1, 17, 4000] {
            let found = trail(4050, u64::MAX).divergence(&trail(4050, twist)).unwrap();
            // One byte in 256 agrees by chance, so the named event may be a few later; never earlier.
            assert!(found.by >= twist && found.by < twist + 4, "{twist}: {found:?}");
        }
        assert_eq!(trail(4000, u64::MAX).divergence(&trail(4000, u64::MAX)), None);
    }

    #[test]
    fn a_long_trail_names_the_stretch() {
        let found = trail(1_000_000, u64::MAX).divergence(&trail(1_000_000, 700_000)).unwrap();
        assert!(found.after < 700_000 && found.by >= 700_000 && found.by - found.after <= 512, "{found:?}");
    }

    #[test]
    fn a_run_that_ends_early_parts_there() {
        assert_eq!(trail(10, u64::MAX).divergence(&trail(12, u64::MAX)), Some(Divergence { after: 10, by: 11 }));
        let found = trail(5000, u64::MAX).divergence(&trail(100_000, u64::MAX)).unwrap();
        assert_eq!(found.by, 5001);
    }

    #[test]
    fn what_is_written_reads_back() {
        for events in [0, 1, 4095, 4096, 4097, 8192, 8193, 100_000] {
            let trail = trail(events, u64::MAX);
            assert_eq!(Trail::read(&trail.written(), Some(events)), Ok(trail), "{events}");
        }
        let mut written = trail(10, u64::MAX).written();
        written.digests.pop();
        assert!(Trail::read(&written, Some(10)).is_err());
        assert!(Trail::read(&WrittenTrail { every: 3, digests: String::new() }, None).is_err());
    }
}
