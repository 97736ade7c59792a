//! Randomness belongs to the thing decided, not to the order in which things are decided.
//!
//! Every random answer is `mix(key, lineage)`: the key comes from the seed and from the names of who is concerned, the
//! lineage says what caused the thing. Nothing here counts, so a message more, a node more or a fault less leaves every other
//! answer as it was.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use xxhash_rust::const_xxh3::xxh3_64;

/// The number a whole run follows from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seed(pub u64);

/// Why something happens: the key for every die it casts, and the operation it is done for.
///
/// Small and plain, so that an actor can keep it beside a queued piece of work and go on with it later
/// ([`Context::because`](crate::Context::because)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// A hash of everything that led here.
    pub lineage: u64,
    /// What a client wanted done, if this is done for one.
    pub operation: Operation,
}

/// What a client wants done: a class of operations and a number in it, such as `order/17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Operation(u64);

/// A class of operations, such as `order`; made by [`Names::class`](crate::Names::class).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Class(pub u16);

/// What an answer is for: one number is drawn per purpose, so that a second question does not change the first answer.
#[derive(Clone, Copy, Debug, Eq)]
pub struct Purpose {
    name: &'static str,
    key: u64,
}

/// A text as 64 bits, the same on every platform and for ever.
pub const fn name_hash(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}

const SALT: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xD6E8_FEB8_6659_FD93];

/// Two numbers as one that depends on every bit of both; not symmetric.
///
/// Two rounds of a folded 128-bit product, the construction of wyhash64. The tests below hold it to chi-square and
/// correlation over neighbouring inputs.
#[inline]
pub const fn mix(a: u64, b: u64) -> u64 {
    let product = ((a ^ SALT[0]) as u128).wrapping_mul((b ^ SALT[1]) as u128);
    let product = ((product as u64 ^ SALT[0]) as u128).wrapping_mul(((product >> 64) as u64 ^ SALT[1]) as u128);
    product as u64 ^ (product >> 64) as u64
}

impl Seed {
    /// The key of one entity: 64 bits of a ChaCha8 stream whose 256-bit key is the seed and the entity's name.
    pub fn key(self, entity: u64) -> u64 {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&self.0.to_le_bytes());
        key[8..16].copy_from_slice(&entity.to_le_bytes());
        ChaCha8Rng::from_seed(key).next_u64()
    }
}

impl std::str::FromStr for Seed {
    type Err = String;

    /// Reads a decimal number or, after `0x`, a hexadecimal one.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = |t: &str, radix| match t.starts_with('+') {
            true => None,
            false => u64::from_str_radix(t, radix).ok(),
        };
        let number = match text.strip_prefix("0x") {
            Some(hexadecimal) => digits(hexadecimal, 16),
            None => digits(text, 10),
        };
        let error =
            || format!("\"{text}\" is not a seed; a seed is a number below 2^64, decimal or after 0x hexadecimal");
        number.map(Seed).ok_or_else(error)
    }
}

impl std::fmt::Display for Seed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.0)
    }
}

impl Operation {
    /// Not done for anyone: elections, heartbeats, compaction.
    pub const NONE: Operation = Operation(u64::MAX);

    /// The operation of that number in its class. Numbers above 2⁴⁸ − 1 wrap.
    pub const fn new(class: Class, number: u64) -> Self {
        Operation(((class.0 as u64) << 48) | (number & 0xFFFF_FFFF_FFFF))
    }

    /// Its class and number, or `None` for [`Operation::NONE`].
    pub const fn parts(self) -> Option<(Class, u64)> {
        if self.0 == u64::MAX { None } else { Some((Class((self.0 >> 48) as u16), self.0 & 0xFFFF_FFFF_FFFF)) }
    }
}

impl Cause {
    /// A root that nothing else in the run can reach: a life of a node, a fault, an operation.
    pub const fn root(what: &str, name: &str, number: u64) -> Self {
        let lineage = mix(mix(name_hash(what), name_hash(name)), number);
        Cause { lineage, operation: Operation::NONE }
    }

    /// What follows from this by way of `step`: another place of a program, another try.
    #[inline]
    pub const fn then(self, step: u64) -> Self {
        Cause { lineage: mix(self.lineage, step), operation: self.operation }
    }
}

impl Cause {
    /// The cause of the first envelope of its kind that is sent this way in one handling that goes on with this cause: by it the
    /// answer to a request is known. Nodes by the names of their dice, which replicas share.
    pub const fn envelope(self, from: &str, to: &str, kind: &str) -> Self {
        let lineage = mix(self.lineage, letter_key(name_hash(from), name_hash(to), name_hash(kind)));
        Cause { lineage, operation: self.operation }
    }
}

/// What tells apart the envelopes that are sent in one handling: who, to whom, what, as hashes of their names.
#[inline]
pub(crate) const fn letter_key(from: u64, to: u64, kind: u64) -> u64 {
    from ^ to.rotate_left(32) ^ kind
}

impl PartialEq for Purpose {
    #[inline]
    fn eq(&self, other: &Purpose) -> bool {
        self.key == other.key
    }
}

impl Purpose {
    /// A purpose by its name; two with one name are one.
    pub const fn new(name: &'static str) -> Self {
        Purpose { name, key: name_hash(name) }
    }

    /// The word that case files use.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The number that enters the dice.
    #[inline]
    pub(crate) const fn key(self) -> u64 {
        self.key
    }
}

/// Counts the how-manieth of each thing within one handling; starting anew costs nothing.
#[derive(Debug, Default)]
pub(crate) struct Ordinals {
    /// The first few things, and how often each was asked for: most handlings ask for no more.
    few: [(u64, u32); FEW],
    used: usize,
    many: Table,
}

const FEW: usize = 8;

impl Ordinals {
    /// Forgets everything counted so far.
    #[inline]
    pub(crate) fn restart(&mut self) {
        if self.used == FEW {
            self.many.restart();
        }
        self.used = 0;
    }

    /// How often `thing` was asked for before, since the last restart.
    #[inline(always)]
    pub(crate) fn next(&mut self, thing: u64) -> u32 {
        if let Some((_, count)) = self.few.iter_mut().take(self.used).find(|(known, _)| *known == thing) {
            *count += 1;
            return *count - 1;
        }
        match self.few.get_mut(self.used) {
            None => self.many.next(thing),
            Some(place) => {
                *place = (thing, 1);
                self.used += 1;
                0
            }
        }
    }
}

/// Counts any number of things, in a table with open addressing.
#[derive(Debug, Default)]
struct Table {
    slots: Vec<(u64, u32, u32)>,
    generation: u32,
    filled: usize,
}

impl Table {
    #[cold]
    fn restart(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.filled = 0;
        if self.generation == 0 {
            self.slots.fill((0, 0, 0));
            self.generation = 1;
        }
    }

    #[cold]
    fn next(&mut self, thing: u64) -> u32 {
        if self.filled * 2 >= self.slots.len() {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut at = thing as usize & mask;
        loop {
            let slot = &mut self.slots[at];
            if slot.1 != self.generation {
                *slot = (thing, self.generation, 1);
                self.filled += 1;
                return 0;
            }
            if slot.0 == thing {
                slot.2 += 1;
                return slot.2 - 1;
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.slots);
        self.slots = vec![(0, 0, 0); (old.len() * 2).max(32)];
        if self.generation == 0 {
            self.generation = 1;
        }
        let (generation, mask) = (self.generation, self.slots.len() - 1);
        for slot in old.into_iter().filter(|slot| slot.1 == generation) {
            let mut at = slot.0 as usize & mask;
            while self.slots[at].1 == generation {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pearson's statistic of `values` in 256 cells by their top byte; 255 degrees of freedom, 99.99 % below 347.
    fn chi_square(values: impl Iterator<Item = u64>) -> f64 {
        let mut cells = [0u32; 256];
        let mut n = 0u32;
        for value in values {
            cells[(value >> 56) as usize] += 1;
            n += 1;
        }
        let expected = f64::from(n) / 256.0;
        cells.iter().map(|&c| (f64::from(c) - expected) * (f64::from(c) - expected) / expected).sum()
    }

    #[test]
    fn neighbouring_lineages_keys_and_names_give_uniform_dice() {
        for key in [0, 1, 2, u64::MAX, Seed(1).key(7)] {
            assert!(chi_square((0..100_000).map(|i| mix(key, i))) < 347.0, "lineages under key {key}");
            assert!(chi_square((0..100_000).map(|i| mix(i, key))) < 347.0, "keys over lineage {key}");
        }
        assert!(chi_square((0..100_000).map(|i| Seed(i).key(1))) < 347.0);
        assert!(chi_square((0..100_000).map(|i| Seed(1).key(name_hash(&format!("node-{i}"))))) < 347.0);
        assert!(chi_square((0..100_000).map(|i| Cause::root("operation", "order", i).lineage)) < 347.0);
        assert!(chi_square((0..100_000).map(|i| mix(Cause::root("a", "b", i).lineage, 3) << 8)) < 347.0);
    }

    #[test]
    fn neighbouring_keys_are_not_correlated() {
        for distance in [1, 2, 64, 1 << 32, 1 << 63] {
            let n = 100_000u64;
            let unit = |bits: u64| (bits >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
            let sum: f64 = (0..n).map(|i| unit(mix(5, i)) * unit(mix(5 ^ distance, i))).sum();
            // The product of two uniforms on [-1/2, 1/2] has variance 1/144.
            let z = sum / libm::sqrt(n as f64 / 144.0);
            assert!(z.abs() < 4.0, "distance {distance}: z = {z}");
        }
    }

    #[test]
    fn every_bit_of_an_input_flips_half_of_the_output() {
        for bit in 0..64 {
            let flipped: u32 = (0..2_000u64).map(|i| (mix(i, 9) ^ mix(i ^ (1 << bit), 9)).count_ones()).sum();
            let mean = f64::from(flipped) / 2_000.0;
            assert!((31.0..33.0).contains(&mean), "bit {bit}: {mean}");
        }
    }

    #[test]
    fn ordinals_count_each_thing_for_itself() {
        let mut ordinals = Ordinals::default();
        for round in 0..3 {
            ordinals.restart();
            for thing in 0..100u64 {
                assert_eq!(ordinals.next(thing * 64), 0, "round {round}");
                assert_eq!(ordinals.next(thing * 64), 1);
            }
            assert_eq!(ordinals.next(0), 2);
        }
    }

    #[test]
    fn an_operation_keeps_its_class_and_number() {
        assert_eq!(Operation::new(Class(3), 17).parts(), Some((Class(3), 17)));
        assert_eq!(Operation::NONE.parts(), None);
    }
}
