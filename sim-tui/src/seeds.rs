//! Which seeds a hunt judges, in which order, so that shards and breaks of a hunt lose none and judge none twice.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sim_core::Seed;

/// The seeds of a hunt, or of a shard of it, in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeedList {
    first: u64,
    step: u64,
    count: u64,
    range: Seeds,
}

/// Seeds from one up to, and without, another; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Seeds {
    pub(crate) from: u64,
    /// Left out; none: for as long as there is time.
    pub(crate) to: Option<u64>,
}

/// Every n-th seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Shard {
    /// Which, from 1.
    pub(crate) index: u64,
    /// Of how many.
    pub(crate) of: u64,
}

impl SeedList {
    /// All seeds of a range.
    pub(crate) fn all(range: Seeds) -> SeedList {
        SeedList::of(range, None)
    }

    /// Those of a shard.
    pub(crate) fn of(range: Seeds, shard: Option<Shard>) -> SeedList {
        let Shard { index, of } = shard.unwrap_or(Shard::WHOLE);
        let (wanted, end) = (index - 1, range.end());
        let residue = range.from % of;
        let ahead = if wanted >= residue { wanted - residue } else { of - (residue - wanted) };
        let first = range.from.checked_add(ahead).filter(|first| *first < end);
        let count = first.map_or(0, |first| (end - 1 - first) / of + 1);
        SeedList { first: first.unwrap_or(range.from), step: of, count, range }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The seed at a place, from 0.
    pub(crate) fn seed(&self, place: u64) -> Seed {
        Seed(self.first + place * self.step)
    }

    /// Whether a seed is among the first so many.
    pub(crate) fn has(&self, seed: u64, done: u64) -> bool {
        let ahead = seed.checked_sub(self.first).filter(|ahead| ahead.is_multiple_of(self.step));
        ahead.is_some_and(|ahead| ahead / self.step < done)
    }

    /// The end of the range of which, as far as it is in this list, the first `done` seeds are all.
    pub(crate) fn covered_to(&self, done: u64) -> u64 {
        match done {
            0 if self.count > 0 => self.range.from,
            done if done >= self.count => self.range.end(),
            done => self.seed(done - 1).0 + 1,
        }
    }

    /// That range in words: `0..137`.
    pub(crate) fn covered(&self, done: u64) -> String {
        format!("{}..{}", self.range.from, self.covered_to(done))
    }

    /// What is left after the first `done` seeds; none when nothing is.
    pub(crate) fn rest(&self, done: u64) -> Option<Seeds> {
        (done < self.count).then(|| Seeds { from: self.covered_to(done), to: self.range.to })
    }
}

impl Seeds {
    /// The first that is left out.
    pub(crate) fn end(self) -> u64 {
        self.to.unwrap_or(u64::MAX)
    }
}

impl Shard {
    /// All of it.
    pub(crate) const WHOLE: Shard = Shard { index: 1, of: 1 };
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once("..").unwrap_or(("0", text));
        let from = from.parse::<Seed>()?.0;
        if to.is_empty() && text.ends_with("..") {
            let none = format!("no seed is in {from}..: the largest is left out");
            return if from == u64::MAX { Err(none) } else { Ok(Seeds { from, to: None }) };
        }
        let to = to.parse::<Seed>()?.0;
        match from.cmp(&to) {
            std::cmp::Ordering::Less => Ok(Seeds { from, to: Some(to) }),
            std::cmp::Ordering::Equal => Err(format!("no seed is in {from}..{to}: the last is left out")),
            std::cmp::Ordering::Greater => Err(format!("{from}..{to} is reversed; write {to}..{from}")),
        }
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Some(to) => write!(out, "{}..{to}", self.from),
            None => write!(out, "{}..", self.from),
        }
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Shard { index, of }),
            _ => Err(format!("\"{text}\" is not a shard; write i/n with i from 1 to n, such as 1/4")),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.index, self.of)
    }
}

macro_rules! text_in_json {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }
        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        }
    };
}
text_in_json!(Seeds);
text_in_json!(Shard);

#[cfg(test)]
mod tests {
    use super::*;

    fn seeds(from: u64, to: u64) -> Seeds {
        Seeds { from, to: Some(to) }
    }

    #[test]
    fn seeds_are_a_number_or_a_range_that_is_not_empty() {
        assert_eq!("3".parse(), Ok(seeds(0, 3)));
        assert_eq!("0x10..20".parse(), Ok(seeds(16, 20)));
        assert_eq!("7..".parse(), Ok(Seeds { from: 7, to: None }));
        for (text, error) in [
            ("0", "no seed is in 0..0: the last is left out"),
            ("5..5", "no seed is in 5..5: the last is left out"),
            ("7..5", "7..5 is reversed; write 5..7"),
            ("18446744073709551615..", "no seed is in 18446744073709551615..: the largest is left out"),
            ("..5", "\"\" is not a seed; a seed is a number below 2^64, decimal or after 0x hexadecimal"),
            ("", "\"\" is not a seed; a seed is a number below 2^64, decimal or after 0x hexadecimal"),
        ] {
            assert_eq!(text.parse::<Seeds>(), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn shards_count_from_one() {
        assert_eq!("4/4".parse(), Ok(Shard { index: 4, of: 4 }));
        for text in ["0/4", "5/4", "1", "1/0", "a/b"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn shards_have_every_seed_once() {
        for (from, to) in [(0, 1), (0, 10), (3, 17), (u64::MAX - 5, u64::MAX)] {
            for of in 1..6 {
                let lists: Vec<SeedList> =
                    (1..=of).map(|index| SeedList::of(seeds(from, to), Some(Shard { index, of }))).collect();
                let all = lists.iter().flat_map(|list| (0..list.count).map(|place| list.seed(place).0));
                let mut all: Vec<u64> = all.collect();
                all.sort_unstable();
                assert_eq!(all, (from..to).collect::<Vec<u64>>(), "{from}..{to} by {of}");
                assert!(all.iter().all(|seed| lists.iter().filter(|list| list.has(*seed, list.count)).count() == 1));
            }
        }
        let list = SeedList::of(seeds(0, 10), Some(Shard { index: 2, of: 4 }));
        assert_eq!((list.seed(1), list.has(5, 2), list.has(5, 1), list.has(6, 9)), (Seed(5), true, false, false));
        assert_eq!(SeedList::of(seeds(7, 9), Some(Shard { index: u64::MAX, of: u64::MAX })).count, 0);
    }

    #[test]
    fn what_was_done_is_a_range_from_the_beginning() {
        let list = SeedList::of(seeds(0, 10), Some(Shard { index: 2, of: 4 }));
        assert_eq!([0, 1, 2, 3].map(|done| list.covered(done)), ["0..0", "0..2", "0..6", "0..10"]);
        assert_eq!(list.rest(1), Some(seeds(2, 10)));
        assert_eq!(list.rest(3), None);
        assert_eq!(SeedList::all(Seeds { from: 5, to: None }).rest(2), Some(Seeds { from: 7, to: None }));
    }
}
