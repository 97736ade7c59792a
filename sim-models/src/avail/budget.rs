//! What an objective leaves to fail, how fast that is used up, and when somebody is to be woken.

use super::up::Availability;

/// What an objective leaves to fail in a window.
///
/// ```
/// use sim_models::avail::{Availability, Budget};
/// let slo = Availability::of_down(0.001).unwrap();
/// let budget = Budget::new(slo, 30.0 * 86_400.0);
/// assert_eq!(budget.seconds().round(), 2_592.0);
/// assert_eq!(budget.burn_rate(Availability::of_down(0.01).unwrap()).round(), 10.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// The objective.
    pub slo: Availability,
    /// The window it is for, in seconds; 30 days are usual.
    pub window: f64,
}

/// How urgent an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Somebody is woken.
    Page,
    /// Somebody looks at it the next working day.
    Ticket,
}

/// An alert on two windows: the long one says that it matters, the short one that it still goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alert {
    /// How urgent it is.
    pub urgency: Urgency,
    /// The long window in seconds.
    pub long: f64,
    /// The short window in seconds, a twelfth of the long one.
    pub short: f64,
    /// The share of the budget that is gone when the long window fills at just this rate.
    pub spent: f64,
    /// How many times faster than allowed the budget is used up.
    pub burn_rate: f64,
    /// The share of failures in both windows from which on it fires.
    pub threshold: f64,
}

impl Budget {
    /// The budget of an objective for so many seconds.
    pub fn new(slo: Availability, window: f64) -> Budget {
        Budget { slo, window }
    }

    /// Seconds down that the objective allows in its window.
    pub fn seconds(&self) -> f64 {
        self.slo.down * self.window
    }

    /// How many times faster than allowed such an availability uses the budget up; 1 uses up all of it, infinite where
    /// nothing is allowed.
    pub fn burn_rate(&self, got: Availability) -> f64 {
        if got.down == 0.0 { 0.0 } else { got.down / self.slo.down }
    }

    /// The alerts that the Site Reliability Workbook (Google, 2018, chapter 5, table 5-8) recommends to begin with: 2 %
    /// of the budget in an hour and 5 % in six hours are paged, 10 % in three days are a ticket. For another window
    /// than 30 days the shares stay and the rates follow; those are left out that look back further than the window,
    /// and those that would fire at less than the rate which the objective allows.
    pub fn alerts(&self) -> Vec<Alert> {
        /// What is less than one only by rounding.
        const ONE: f64 = 1.0 - 1e-9;
        const HOUR: f64 = 3_600.0;
        let alert = |urgency, hours: f64, spent: f64| {
            let (long, burn_rate) = (hours * HOUR, spent * self.window / (hours * HOUR));
            Alert { urgency, long, short: long / 12.0, spent, burn_rate, threshold: burn_rate * self.slo.down }
        };
        [alert(Urgency::Page, 1.0, 0.02), alert(Urgency::Page, 6.0, 0.05), alert(Urgency::Ticket, 72.0, 0.1)]
            .into_iter()
            .filter(|alert| alert.long <= self.window && alert.burn_rate >= ONE)
            .collect()
    }
}

impl Alert {
    /// Seconds from the beginning of an outage that fails such a share of requests until it fires; `None` when that is
    /// too few, or the threshold more than all of them.
    pub fn fires_after(&self, failing: f64) -> Option<f64> {
        // The long window has to fill up to the threshold; the short one, at the same threshold, is sooner.
        (failing >= self.threshold && failing <= 1.0).then(|| self.long * self.threshold / failing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_alerts_come_out() {
        let budget = Budget::new(Availability::of_down(0.001).unwrap(), 30.0 * 86_400.0);
        let rates = |days: f64| -> Vec<f64> {
            let alerts = Budget::new(budget.slo, days * 86_400.0).alerts();
            alerts.iter().map(|alert| (alert.burn_rate * 10.0).round() / 10.0).collect()
        };
        assert_eq!(rates(30.0), [14.4, 6.0, 1.0]);
        // A ticket at a third of what is allowed would never rest, and none looks back further than there is to look.
        assert_eq!(rates(7.0), [3.4, 1.4]);
        assert_eq!(rates(1.0 / 24.0), [0.0; 0]);
        let shorts: Vec<f64> = budget.alerts().iter().map(|alert| alert.short / 60.0).collect();
        assert_eq!(shorts, [5.0, 30.0, 360.0]);
        // An outage of everything is paged after 14.4 of a thousand parts of an hour, 51.84 s.
        assert_eq!((budget.alerts()[0].fires_after(1.0).unwrap() * 100.0).round(), 5_184.0);
        assert_eq!(budget.alerts()[0].fires_after(0.01), None);
    }
}
