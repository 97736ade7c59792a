//! How one of several is chosen where it takes more than a die or a count: turns by weight, and a ring of hashes.

use serde::Serialize;
use sim_core::seed::{mix, name_hash};

/// Smooth weighted round robin, as nginx has it (`ngx_http_upstream_round_robin.c`): of weights 5, 1 and 1 the turns are
/// a a b a c a a, and not five times a in a row.
///
/// Each time, everybody who is there gains its weight; whoever has most then has the turn, and pays what all have gained. Of
/// several who have as much the first has it, as in nginx: what they have had before tells them apart the next time. What
/// somebody has gained stays while it is away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Smooth {
    /// By place: what it has gained, less what it has paid.
    gained: Vec<i64>,
}

impl Smooth {
    /// The place of the one whose turn it is, of these places and weights; `None` when nobody weighs anything.
    pub fn turn(&mut self, there: &[(usize, u32)]) -> Option<usize> {
        let mut best: Option<usize> = None;
        let mut total = 0;
        for (place, weight) in there.iter().filter(|(_, weight)| *weight > 0) {
            if self.gained.len() <= *place {
                self.gained.resize(place + 1, 0);
            }
            self.gained[*place] += i64::from(*weight);
            total += i64::from(*weight);
            if best.is_none_or(|best| self.gained[*place] > self.gained[best]) {
                best = Some(*place);
            }
        }
        self.gained[best?] -= total;
        best
    }
}

/// Points on a circle, each of which belongs to somebody: a key belongs to whoever has the next point (Karger et al.,
/// Consistent Hashing and Random Trees, 1997).
///
/// Somebody more takes keys of each of the others, and gives them back when it goes; nobody else's keys move.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    /// Where it is, and whose, in the order of the circle.
    points: Vec<(u64, u32)>,
}

/// How many places there are on the circle, 2⁶⁴.
const CIRCLE: f64 = 18_446_744_073_709_551_616.0;

impl Ring {
    /// So many points of each, which follow from its name alone.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>, points: u32) -> Self {
        let of = |(place, name): (usize, &'n str)| {
            let name = name_hash(name);
            (0..points).map(move |number| (mix(name, u64::from(number)), place as u32))
        };
        let mut points: Vec<(u64, u32)> = names.into_iter().enumerate().flat_map(of).collect();
        points.sort_unstable();
        Ring { points }
    }

    /// The place of the one to whom a key belongs, among those that are there; `None` when nobody is.
    pub fn of(&self, key: u64, there: impl Fn(usize) -> bool) -> Option<usize> {
        let from = self.points.partition_point(|(at, _)| *at < key);
        let around = self.points[from..].iter().chain(&self.points[..from]);
        around.map(|(_, place)| *place as usize).find(|place| there(*place))
    }

    /// The share of all keys that belongs to each of so many, by place.
    pub fn shares(&self, count: usize) -> Vec<f64> {
        let mut shares = vec![0.0; count];
        let Some(mut before) = self.points.last().map(|(at, _)| *at) else { return shares };
        for (at, place) in &self.points {
            let arc = at.wrapping_sub(before);
            // One point alone has the whole circle.
            shares[*place as usize] += if self.points.len() == 1 { 1.0 } else { arc as f64 / CIRCLE };
            before = *at;
        }
        shares
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn turns(weights: &[u32], count: usize) -> String {
        let there: Vec<(usize, u32)> = weights.iter().copied().enumerate().collect();
        let mut smooth = Smooth::default();
        (0..count).map(|_| smooth.turn(&there).map_or('-', |place| (b'a' + place as u8) as char)).collect()
    }

    #[test]
    fn turns_by_weight_are_those_of_nginx() {
        // The example of the commit that brought it (52327e0627f4).
        assert_eq!(turns(&[5, 1, 1], 14), "aabacaaaabacaa");
        assert_eq!(turns(&[1, 1, 1], 6), "abcabc");
        assert_eq!(turns(&[0, 2, 1], 6), "bcbbcb");
        assert_eq!(turns(&[0, 0], 2), "--");
    }

    proptest! {
        #[test]
        fn in_as_many_turns_as_all_weigh_each_has_its_weight(weights in prop::collection::vec(0u32..9, 1..7)) {
            let total: u32 = weights.iter().sum();
            let all = turns(&weights, total as usize);
            for (place, weight) in weights.iter().enumerate() {
                let name = (b'a' + place as u8) as char;
                prop_assert_eq!(all.matches(name).count(), *weight as usize);
            }
        }

        #[test]
        fn on_a_ring_only_the_keys_of_whoever_goes_belong_to_another(keys in prop::collection::vec(any::<u64>(), 50), gone in 0usize..5) {
            let names = ["a-1", "a-2", "a-3", "a-4", "a-5"];
            let ring = Ring::new(names, 40);
            for key in keys {
                let (before, after) = (ring.of(key, |_| true).unwrap(), ring.of(key, |place| place != gone).unwrap());
                prop_assert!(before == after || before == gone);
                // A ring that never had it says the same.
                let without = Ring::new(names.into_iter().filter(|name| *name != names[gone]), 40);
                prop_assert_eq!(without.of(key, |_| true).unwrap(), if after > gone { after - 1 } else { after });
            }
        }
    }

    #[test]
    fn nobody_has_a_key_when_nobody_is_there() {
        assert_eq!(Ring::new(["a", "b"], 3).of(7, |_| false), None);
        assert_eq!(Ring::default().of(7, |_| true), None);
        assert_eq!(Ring::new(["a"], 1).shares(1), [1.0]);
    }

    /// A key that hashes to a point of the circle belongs to it as often as the arc before it is long.
    #[test]
    fn shares_are_those_of_the_keys() {
        let names: Vec<String> = (1..=5).map(|number| format!("kv-{number}")).collect();
        let ring = Ring::new(names.iter().map(String::as_str), 20);
        let shares = ring.shares(5);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        let mut counts = [0.0; 5];
        for key in 0..100_000 {
            counts[ring.of(mix(key, 1), |_| true).unwrap()] += 1.0 / 100_000.0;
        }
        for (share, count) in shares.iter().zip(counts) {
            assert!((share - count).abs() < 4.0 * libm::sqrt(0.25 / 100_000.0), "{shares:?} {counts:?}");
        }
    }
}
