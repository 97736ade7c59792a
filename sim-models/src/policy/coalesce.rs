//! One flight for each key: who wants what somebody is fetching already waits for that, and shares whatever comes of it.

use std::collections::BTreeMap;

use serde::Serialize;

/// The flights under way, by key, with those who wait for each in the order in which they came.
///
/// One process knows of its own flights and of no others: ten replicas fetch a key ten times.
///
/// ```
/// use sim_models::policy::coalesce::{Flights, Joined};
/// let mut flights = Flights::default();
/// assert_eq!([flights.join("book", 1), flights.join("book", 2), flights.join("lamp", 3)], [
///     Joined::Leads, Joined::Waits, Joined::Leads,
/// ]);
/// assert_eq!(flights.land(&"book"), [2]);
/// assert_eq!(flights.join("book", 4), Joined::Leads);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Flights<K: Ord, W> {
    flights: BTreeMap<K, Vec<W>>,
}

/// What becomes of one who wants a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// It fetches.
    Leads,
    /// It waits for the one that fetches.
    Waits,
}

impl<K: Ord, W> Default for Flights<K, W> {
    fn default() -> Self {
        Flights { flights: BTreeMap::new() }
    }
}

impl<K: Ord, W: PartialEq> Flights<K, W> {
    /// Somebody wants a key.
    pub fn join(&mut self, key: K, who: W) -> Joined {
        match self.flights.get_mut(&key) {
            Some(waiting) => {
                waiting.push(who);
                Joined::Waits
            }
            None => {
                self.flights.insert(key, Vec::new());
                Joined::Leads
            }
        }
    }

    /// Whoever led has an outcome, good or bad: those who share it. The next one leads anew.
    pub fn land(&mut self, key: &K) -> Vec<W> {
        self.flights.remove(key).unwrap_or_default()
    }

    /// One that waits gives up; the flight goes on. Whether it waited: whose flight has landed waits no longer.
    pub fn leave(&mut self, key: &K, who: &W) -> bool {
        let Some(waiting) = self.flights.get_mut(key) else { return false };
        let before = waiting.len();
        waiting.retain(|other| other != who);
        waiting.len() < before
    }

    /// Those who wait for what others fetch.
    pub fn waiting(&self) -> usize {
        self.flights.values().map(Vec::len).sum()
    }

    /// Flights under way.
    pub fn len(&self) -> usize {
        self.flights.len()
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_shared_like_a_success_and_the_next_one_leads_anew() {
        let mut flights = Flights::default();
        assert_eq!(flights.join('k', 0), Joined::Leads);
        (1..=3).for_each(|who| assert_eq!(flights.join('k', who), Joined::Waits));
        assert_eq!(flights.land(&'k'), [1, 2, 3]);
        assert!(flights.is_empty());
        assert_eq!(flights.join('k', 9), Joined::Leads);
    }

    #[test]
    fn who_gives_up_waiting_is_told_nothing_and_the_flight_goes_on() {
        let mut flights = Flights::default();
        flights.join('k', 0);
        flights.join('k', 1);
        flights.join('k', 2);
        assert_eq!([flights.leave(&'k', &1), flights.leave(&'k', &1)], [true, false]);
        assert_eq!((flights.len(), flights.land(&'k')), (1, vec![2]));
    }
}
