//! Machines of which some are needed, that share repair crews, wait as spares, and take over from each other: as a
//! Markov chain, since they are not independent.
//!
//! Without failover and with a crew for each it is the binomial; with one crew, the birth-death chain of Trivedi
//! (Probability and Statistics with Reliability, Queuing and Computer Science Applications, chapter 8).

use super::markov::Chain;
use super::up::Availability;

/// A group of alike machines. All lengths have one unit, whichever; each is the mean of an exponential law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group {
    /// How many are needed.
    pub need: u32,
    /// How many there are.
    pub of: u32,
    /// The mean time until one that works fails.
    pub mtbf: f64,
    /// The mean time of a repair; `None` when nothing is ever repaired.
    pub mttr: Option<f64>,
    /// How many can be repaired at a time.
    pub crews: u32,
    /// How fast spares fail, as a share of those that work: 1 hot, 0 cold.
    pub spare: f64,
    /// How many work at a time, the rest of those that are up being spares.
    pub active: u32,
    /// How long it takes until another has taken over from one that worked, detection included; meanwhile the group is
    /// down.
    pub takeover: f64,
    /// The chance that a takeover succeeds.
    pub coverage: Availability,
    /// How long the group stays down when it does not.
    pub manual: f64,
}

/// What a group comes to in the long run.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// The share of time with enough machines and no takeover under way.
    pub availability: Availability,
    /// How often it goes down, per unit of time.
    pub frequency: f64,
    /// How many machines have failed, on average.
    pub failed: f64,
}

/// What keeps the group from working, beside missing machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Nothing.
    Working,
    /// Another takes over.
    TakingOver,
    /// A takeover did not succeed.
    ByHand,
}

const MODES: [Mode; 3] = [Mode::Working, Mode::TakingOver, Mode::ByHand];

impl Group {
    /// So many of so many are needed, each has a repair crew, spares are hot and take over at once.
    pub fn new(need: u32, of: u32, mtbf: f64, mttr: Option<f64>) -> Group {
        let coverage = Availability::ALWAYS;
        Group { need, of, mtbf, mttr, crews: of, spare: 1.0, active: need, takeover: 0.0, coverage, manual: 0.0 }
    }

    /// The state with so many failed; the first of them all is all machines up and working.
    fn state(&self, failed: u32, mode: Mode) -> usize {
        mode as usize * (self.of as usize + 1) + failed as usize
    }

    fn states(&self) -> impl Iterator<Item = (usize, u32, Mode)> {
        let group = *self;
        MODES
            .into_iter()
            .flat_map(move |mode| (0..=group.of).map(move |failed| (group.state(failed, mode), failed, mode)))
    }

    fn is_up(&self, failed: u32, mode: Mode) -> bool {
        mode == Mode::Working && self.of - failed >= self.need
    }

    /// By state, whether the group is up.
    fn ups(&self) -> Vec<bool> {
        self.states().map(|(_, failed, mode)| self.is_up(failed, mode)).collect()
    }

    /// The chain of the group; it starts in state 0.
    fn chain(&self) -> Chain {
        let mut chain = Chain::new(self.states().count());
        for (state, failed, mode) in self.states() {
            self.add_failures(&mut chain, state, failed, mode);
            if let Some(mttr) = self.mttr.filter(|_| failed > 0) {
                chain.add(state, self.state(failed - 1, mode), f64::from(failed.min(self.crews)) / mttr);
            }
            match mode {
                Mode::Working => {}
                Mode::TakingOver if self.takeover > 0.0 => {
                    chain.add(state, self.state(failed, Mode::Working), self.coverage.up / self.takeover);
                    chain.add(state, self.state(failed, Mode::ByHand), self.coverage.down / self.takeover);
                }
                Mode::ByHand if self.manual > 0.0 => {
                    chain.add(state, self.state(failed, Mode::Working), 1.0 / self.manual);
                }
                // Nobody gets there.
                Mode::TakingOver | Mode::ByHand => chain.add(state, self.state(failed, Mode::Working), 1.0),
            }
        }
        chain
    }

    /// The chain, by state whether the group is up, and how much has gone wrong: more of it is a failure, less a
    /// repair.
    pub(super) fn jumps(&self) -> (Chain, Vec<bool>, Vec<u32>) {
        // A machine that fails counts for more than whatever becomes of a takeover at the same time.
        let wrong = self.states().map(|(_, failed, mode)| failed * MODES.len() as u32 + mode as u32);
        (self.chain(), self.ups(), wrong.collect())
    }

    fn add_failures(&self, chain: &mut Chain, state: usize, failed: u32, mode: Mode) {
        let up = self.of - failed;
        if up == 0 {
            return;
        }
        let working = up.min(self.active);
        let (of_working, of_spares) =
            (f64::from(working) / self.mtbf, f64::from(up - working) * self.spare / self.mtbf);
        chain.add(state, self.state(failed + 1, mode), of_spares);
        // Nobody can take over when too few are left, nor while somebody does already.
        if mode != Mode::Working || up <= self.need {
            chain.add(state, self.state(failed + 1, mode), of_working);
        } else if self.takeover > 0.0 {
            chain.add(state, self.state(failed + 1, Mode::TakingOver), of_working);
        } else {
            chain.add(state, self.state(failed + 1, Mode::Working), of_working * self.coverage.up);
            chain.add(state, self.state(failed + 1, Mode::ByHand), of_working * self.coverage.down);
        }
    }

    /// What it comes to in the long run; `None` when nothing is ever repaired.
    ///
    /// ```
    /// use sim_models::avail::Group;
    /// let pair = Group { crews: 1, ..Group::new(1, 2, 100.0, Some(4.0)) };
    /// // 2λ²/(μ² + 2λμ + 2λ²)
    /// assert!((pair.settled().unwrap().availability.down - 0.002_954_209_748_892_171_5).abs() < 1e-17);
    /// ```
    pub fn settled(&self) -> Option<Settled> {
        self.mttr?;
        let (chain, ups) = (self.chain(), self.ups());
        let steady = chain.steady()?;
        let share =
            |wanted: bool| steady.iter().zip(&ups).filter(|(_, up)| **up == wanted).map(|(share, _)| share).sum();
        let into_down =
            |state: usize| chain.ways(state).iter().filter(|(to, _)| !ups[*to]).map(|(_, rate)| rate).sum::<f64>();
        let frequency =
            (0..chain.len()).filter(|state| ups[*state]).map(|state| steady[state] * into_down(state)).sum();
        let failed = self.states().map(|(state, failed, _)| steady[state] * f64::from(failed)).sum();
        Some(Settled { availability: Availability { up: share(true), down: share(false) }, frequency, failed })
    }

    /// The mean time until it is down for the first time, from all machines up.
    ///
    /// ```
    /// use sim_models::avail::Group;
    /// assert_eq!(Group { spare: 0.0, ..Group::new(1, 2, 100.0, None) }.time_until_down(), Some(200.0));
    /// ```
    pub fn time_until_down(&self) -> Option<f64> {
        self.chain().time_until(0, &self.downs())
    }

    fn downs(&self) -> Vec<usize> {
        self.ups().iter().enumerate().filter(|(_, up)| !**up).map(|(state, _)| state).collect()
    }

    /// How likely it is up after so long, and the share of that time that it is up, from all machines up; `None` when
    /// more happens than can be followed.
    pub fn after(&self, time: f64) -> Option<(Availability, Availability)> {
        self.halves(time, 0)?.pop()
    }

    /// The same after so long, and after the half of it, and the half of that, so many times; the shortest first.
    pub(super) fn halves(&self, time: f64, halvings: u32) -> Option<Vec<(Availability, Availability)>> {
        let (all, ups) = (self.chain().halves(0, time, halvings)?, self.ups());
        let share =
            |of: &[f64], wanted: bool| of.iter().zip(&ups).filter(|(_, up)| **up == wanted).map(|(of, _)| of).sum();
        let availability = |of: &[f64]| Availability { up: share(of, true), down: share(of, false) };
        Some(all.iter().map(|after| (availability(&after.at), availability(&after.during))).collect())
    }

    /// The chance that it has not been down even once after so long, from all machines up.
    pub fn survives(&self, time: f64) -> Option<Availability> {
        let whole = self.chain();
        let (ups, downs) = (self.ups(), self.downs());
        let mut chain = Chain::new(whole.len());
        for state in (0..whole.len()).filter(|state| ups[*state]) {
            whole.ways(state).iter().for_each(|(to, rate)| chain.add(state, *to, *rate));
        }
        let after = chain.after(0, time)?;
        let down = downs.iter().map(|state| after.at[*state]).sum();
        let up = after.at.iter().zip(&ups).filter(|(_, up)| **up).map(|(chance, _)| chance).sum();
        Some(Availability { up, down })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crew_for_each_is_the_binomial() {
        for (need, of) in [(1, 1), (1, 2), (2, 3), (3, 5), (4, 7), (1, 9)] {
            let got = Group::new(need, of, 100.0, Some(4.0)).settled().unwrap();
            let one = Availability::of_lengths(100.0, 4.0).unwrap();
            let order: Vec<u32> = (0..of).collect();
            let mut diagram = crate::avail::bdd::Diagram::new(&order, 1_000);
            let ways: Vec<_> = (0..of).map(|part| diagram.part(part).unwrap()).collect();
            let whole = diagram.at_least(need as usize, &ways).unwrap();
            let expected = diagram.chances(&vec![one; of as usize]).of(whole);
            assert!((got.availability.down / expected.down - 1.0).abs() < 1e-13, "{need} of {of}");
            assert!((got.failed - f64::from(of) * one.down).abs() < 1e-12);
        }
    }

    #[test]
    fn a_failover_of_a_leader_costs_its_length_each_time() {
        // Failovers of the one that works, and two of three down at once.
        let group = Group { active: 1, takeover: 1.8, ..Group::new(2, 3, 30.0 * 86_400.0, Some(60.0)) };
        let got = group.settled().unwrap();
        let (often, down) = (1.0 / (30.0 * 86_400.0), 60.0 / (30.0 * 86_400.0));
        let expected = 1.8 * often + 3.0 * down * down;
        assert!((got.availability.down / expected - 1.0).abs() < 1e-4, "{got:?}");
    }

    /// What takes over in seconds and fails once in a month turns a million times as fast as it changes.
    #[test]
    fn a_group_that_takes_over_at_once_is_known_after_years() {
        let year = 365.0 * 86_400.0;
        let group = Group { active: 1, takeover: 1.8, ..Group::new(2, 3, 30.0 * 86_400.0, Some(3_600.0)) };
        let settled = group.settled().unwrap().availability.down;
        let (at, during) = group.after(year).unwrap();
        assert!((at.down / settled - 1.0).abs() < 1e-11, "{} {settled}", at.down);
        assert!((during.down / settled - 1.0).abs() < 1e-3, "{} {settled}", during.down);
        // Exponential but for the first hours.
        let (lasts, mean) = (group.survives(year).unwrap(), group.time_until_down().unwrap());
        assert!((-libm::log(lasts.up) * mean / year - 1.0).abs() < 1e-3, "{lasts:?}");
        assert!((lasts.up + lasts.down - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_takeover_that_fails_waits_for_hands() {
        let group = Group {
            takeover: 90.0,
            coverage: Availability::of_down(0.02).unwrap(),
            manual: 7_200.0,
            ..Group::new(1, 2, 30.0 * 86_400.0, Some(1.0))
        };
        // Spares that are repaired at once: each failure costs 90 s and 2 % of 7200 s.
        let outage = 234.0;
        let expected = outage / (30.0 * 86_400.0 + outage);
        assert!((group.settled().unwrap().availability.down / expected - 1.0).abs() < 1e-4);
    }
}
