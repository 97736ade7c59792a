//! Availability and unavailability are kept side by side, because one minus the other forgets every nine beyond the
//! fifteenth.

/// How likely something is up, and how likely it is down. The two add up to one, and each is exact to rounding on its
/// own: what is down one time in 10¹⁸ is still told from what is never down.
///
/// ```
/// use sim_models::avail::Availability;
/// let replica = Availability::of_down(1e-9).unwrap();
/// assert_eq!(replica.or(replica).down, 1e-18);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Availability {
    /// The share of time, or the chance, of being up.
    pub up: f64,
    /// The share of time, or the chance, of being down.
    pub down: f64,
}

impl Availability {
    /// What never fails.
    pub const ALWAYS: Availability = Availability { up: 1.0, down: 0.0 };
    /// What never works.
    pub const NEVER: Availability = Availability { up: 0.0, down: 1.0 };

    /// What is down for that share of time; `None` when it is no share.
    pub fn of_down(down: f64) -> Option<Availability> {
        (0.0..=1.0).contains(&down).then_some(Availability { up: 1.0 - down, down })
    }

    /// What is up for `up` of every `up + down`, such as hours between failures and hours of repair; `None` unless both
    /// are finite, neither is negative and their sum is not nothing.
    ///
    /// ```
    /// use sim_models::avail::Availability;
    /// assert_eq!(Availability::of_lengths(719.0, 1.0).unwrap().down, 1.0 / 720.0);
    /// assert_eq!(Availability::of_lengths(0.0, 0.0), None);
    /// ```
    pub fn of_lengths(up: f64, down: f64) -> Option<Availability> {
        let all = up + down;
        let right = up >= 0.0 && down >= 0.0 && all > 0.0 && all.is_finite();
        right.then(|| Availability { up: up / all, down: down / all })
    }

    /// Both, independent of each other.
    pub fn and(self, other: Availability) -> Availability {
        Availability { up: self.up * other.up, down: self.down + self.up * other.down }
    }

    /// At least one of the two, independent of each other.
    pub fn or(self, other: Availability) -> Availability {
        self.swapped().and(other.swapped()).swapped()
    }

    /// This chance decides which of two other ones holds.
    pub fn choose(self, when_up: Availability, when_down: Availability) -> Availability {
        Availability {
            up: self.up * when_up.up + self.down * when_down.up,
            down: self.up * when_up.down + self.down * when_down.down,
        }
    }

    fn swapped(self) -> Availability {
        Availability { up: self.down, down: self.up }
    }

    /// How many nines: 99.95 % has 3.3. The count is −log₁₀ of the unavailability, so it has a fraction; infinite for
    /// what never fails.
    ///
    /// ```
    /// use sim_models::avail::Availability;
    /// assert_eq!(Availability::of_down(0.001).unwrap().nines(), 3.0);
    /// ```
    pub fn nines(self) -> f64 {
        // Without the minus, nothing down would be minus infinity, and all the time down minus zero.
        if self.down >= 1.0 { 0.0 } else { -libm::log10(self.down) }
    }

    /// Seconds down in such a period.
    pub fn downtime_seconds(self, period: Period) -> f64 {
        self.down * period.seconds()
    }
}

/// The periods that agreements speak of. A month has 30 days and a year 365, as in the published tables of cloud
/// vendors (Microsoft, Azure Well-Architected Framework, reliability metrics).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// 365 days.
    Year,
    /// 30 days.
    Month,
    /// 7 days.
    Week,
    /// 24 hours.
    Day,
}

impl Period {
    /// From the longest to the shortest.
    pub const ALL: [Period; 4] = [Period::Year, Period::Month, Period::Week, Period::Day];

    /// How long it is.
    pub const fn seconds(self) -> f64 {
        self.days() as f64 * 86_400.0
    }

    /// How many days it has.
    pub const fn days(self) -> u32 {
        match self {
            Period::Year => 365,
            Period::Month => 30,
            Period::Week => 7,
            Period::Day => 1,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Period::Year => "year",
            Period::Month => "month",
            Period::Week => "week",
            Period::Day => "day",
        }
    }

    /// The period of that name.
    pub fn named(name: &str) -> Option<Period> {
        Period::ALL.into_iter().find(|period| period.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_beyond_fifteen_nines() {
        let block = Availability::of_down(1e-6).unwrap();
        let three = block.or(block).or(block);
        assert_eq!(three.up, 1.0);
        assert!((three.down / 1e-18 - 1.0).abs() < 1e-15);
        assert!((three.nines() - 18.0).abs() < 1e-12);
        assert!((three.and(three).down / 2e-18 - 1.0).abs() < 1e-15);
    }

    #[test]
    fn nines_of_the_extremes_are_numbers() {
        assert_eq!(Availability::ALWAYS.nines(), f64::INFINITY);
        assert_eq!(Availability::NEVER.nines().to_bits(), 0.0f64.to_bits());
    }
}
