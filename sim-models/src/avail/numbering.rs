//! Things are numbered as they come, and the same thing comes to the same number: a table of their hashes, in which one looks for a
//! thing and never goes from one to the next, so that nothing hangs on the order in which they lie.

/// Numbers from 0, by the hashes of what they stand for; the things themselves are kept by whoever asks.
#[derive(Debug)]
pub(super) struct Numbering {
    /// A power of two, at most half of them taken.
    slots: Vec<Slot>,
    count: u32,
}

/// Half a hash, and a number; the last one where it is free.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    number: u32,
}

const FREE: Slot = Slot { hash: 0, number: u32::MAX };

/// Whether a thing was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// It has this number.
    Known(u32),
    /// It has this number from now on, which is how many there were.
    Fresh(u32),
}

impl Number {
    pub(super) fn number(self) -> u32 {
        let (Number::Known(number) | Number::Fresh(number)) = self;
        number
    }
}

impl Numbering {
    pub(super) fn new() -> Numbering {
        Numbering { slots: vec![FREE; 64], count: 0 }
    }

    /// The number of a thing with that hash; `is` says whether it is the one of a number.
    pub(super) fn of(&mut self, hash: u64, is: impl Fn(u32) -> bool) -> Number {
        if self.slots.len() < 2 * (self.count as usize + 1) {
            self.grow();
        }
        let half = (hash >> 32) as u32;
        let mut at = self.first(half);
        while self.slots[at].number != FREE.number {
            let slot = self.slots[at];
            if slot.hash == half && is(slot.number) {
                return Number::Known(slot.number);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        let number = self.count;
        self.slots[at] = Slot { hash: half, number };
        self.count += 1;
        Number::Fresh(number)
    }

    fn first(&self, hash: u32) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.slots);
        self.slots = vec![FREE; 4 * old.len()];
        for slot in old.into_iter().filter(|slot| slot.number != FREE.number) {
            let mut at = self.first(slot.hash);
            while self.slots[at].number != FREE.number {
                at = (at + 1) & (self.slots.len() - 1);
            }
            self.slots[at] = slot;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_thing_has_the_same_number_whatever_its_hash_is_shared_with() {
        let (mut numbering, mut things) = (Numbering::new(), Vec::new());
        // Seven hashes for a thousand things.
        for round in 0..2 {
            for thing in 0..1_000u64 {
                let number = numbering.of((thing % 7) << 32, |number| things[number as usize] == thing);
                match number {
                    Number::Fresh(_) => things.push(thing),
                    Number::Known(_) => assert_eq!(round, 1),
                }
                assert_eq!(u64::from(number.number()), thing);
            }
        }
    }
}
