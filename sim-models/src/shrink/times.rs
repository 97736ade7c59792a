//! Makes the times that are left shorter, then round: a person reads `1.4s`, not `1.403261588s`.

use sim_core::fault::{Decision, Ruling, Timed, Value, Verb, When};
use sim_core::{Duration, Fault, Instant};

use super::{Candidate, Trial};

/// A time in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The length that a decision gives.
    Length,
    /// How far a delay spreads.
    Spread,
    /// How much longer envelopes take.
    More,
    /// The beginning of an interval, counted from the start of the run; it is shortened towards the end.
    Begin,
    /// The end of an interval; it is as long as the distance to its beginning.
    End,
}

/// In this order: what a part is shortened to depends on those before it.
const PARTS: [Part; 5] = [Part::Length, Part::Spread, Part::More, Part::Begin, Part::End];

impl Candidate {
    /// Halves what can be halved, then writes each time with few digits, as long as it fails so.
    pub(super) fn ease_times(&mut self, trial: &mut Trial<'_>) {
        for index in 0..self.lines.len() {
            for part in PARTS {
                while self.try_line(trial, index, halved(&self.lines[index], part)) {}
                for digits in part.digits() {
                    let round = part.rounded(&self.lines[index], *digits);
                    if round.as_ref() == Some(&self.lines[index]) || self.try_line(trial, index, round) {
                        break;
                    }
                }
            }
        }
    }

    /// Takes another line in the place of one, if it still fails so.
    fn try_line(&mut self, trial: &mut Trial<'_>, index: usize, line: Option<Fault>) -> bool {
        let Some(line) = line.filter(|line| !line.is_off() && *line != self.lines[index]) else { return false };
        let mut lines = self.lines.clone();
        lines[index] = line;
        let fails = trial.fails(&self.with(&lines, self.only.clone())) == Some(true);
        if fails {
            self.lines = lines;
        }
        fails
    }
}

/// No interval is made shorter than this: who reads it wants to know that a moment is enough, not how short a moment is.
pub(crate) const MOMENT: Duration = Duration::from_millis(1);

/// A line with one of its times half as long; none when it has no such time, or one too short to be halved.
fn halved(line: &Fault, part: Part) -> Option<Fault> {
    let time = part.of(line)?;
    if let (Part::End | Part::Begin, Fault::Timed(timed)) = (part, line)
        && timed.when.end()?.since(timed.when.begin()).nanos() < 2 * MOMENT.nanos()
    {
        return None;
    }
    let half = match (part, line) {
        (Part::End, Fault::Timed(timed)) => {
            let begin = timed.when.begin();
            begin.since(Instant::ZERO).saturating_add(half(timed.when.end()?.since(begin)))
        }
        (Part::Begin, Fault::Timed(timed)) => {
            let end = timed.when.end()?;
            (end - half(end.since(timed.when.begin()))).since(Instant::ZERO)
        }
        _ => half(time),
    };
    (half != time).then(|| part.with(line, half))?
}

fn half(length: Duration) -> Duration {
    Duration::from_nanos(length.nanos() / 2)
}

impl Part {
    /// How many digits are tried, one after the other.
    fn digits(self) -> &'static [u32] {
        match self {
            Part::End => &[1, 2, 3],
            Part::Length | Part::Spread | Part::More | Part::Begin => &[2, 3],
        }
    }

    /// The line with this time rounded: of a beginning, the interval moves with it; of an end, it is the length that is rounded.
    fn rounded(self, line: &Fault, digits: u32) -> Option<Fault> {
        let time = self.of(line)?;
        let length = |timed: &Timed| timed.when.end().map(|end| end.since(timed.when.begin()));
        match (self, line) {
            (Part::Begin, Fault::Timed(timed)) => {
                let (begin, length) = (rounded(time, digits), length(timed)?);
                Part::End.with(&self.with(line, begin)?, begin.saturating_add(length))
            }
            (Part::End, Fault::Timed(timed)) => {
                let begin = timed.when.begin().since(Instant::ZERO);
                self.with(line, begin.saturating_add(rounded(length(timed)?, digits)))
            }
            _ => self.with(line, rounded(time, digits)),
        }
    }

    /// This time of a line, if it has it; instants as the distance from the start of the run.
    pub fn of(self, line: &Fault) -> Option<Duration> {
        match (self, line) {
            (Part::Length, Fault::Decision(Decision::Draw { value: Value::Length(length), .. })) => Some(*length),
            (
                Part::Length,
                Fault::Decision(Decision::Envelope {
                    ruling: Ruling::Late(length) | Ruling::Twice(length) | Ruling::Alter(_, length),
                    ..
                }),
            ) => Some(*length),
            (Part::Spread, Fault::Timed(Timed { verb: Verb::Delay { spread, .. }, .. })) => Some(*spread),
            (Part::More, Fault::Timed(Timed { verb: Verb::Delay { more, .. }, .. })) => Some(*more),
            (Part::End, Fault::Timed(Timed { when: When::Between(_, end), .. })) => Some(end.since(Instant::ZERO)),
            (Part::Begin, Fault::Timed(Timed { when: When::Between(begin, _), .. })) => {
                Some(begin.since(Instant::ZERO))
            }
            _ => None,
        }
    }

    /// The line with another time in this place; none when it has no such time.
    pub fn with(self, line: &Fault, to: Duration) -> Option<Fault> {
        let mut line = line.clone();
        let at = Instant::ZERO + to;
        match (self, &mut line) {
            (Part::Length, Fault::Decision(Decision::Draw { value: Value::Length(length), .. }))
            | (
                Part::Length,
                Fault::Decision(Decision::Envelope {
                    ruling: Ruling::Late(length) | Ruling::Twice(length) | Ruling::Alter(_, length),
                    ..
                }),
            ) => *length = to,
            (Part::Spread, Fault::Timed(Timed { verb: Verb::Delay { spread, .. }, .. })) => *spread = to,
            (Part::More, Fault::Timed(Timed { verb: Verb::Delay { more, .. }, .. })) => *more = to,
            (Part::End, Fault::Timed(Timed { when: When::Between(_, end), .. })) => *end = at,
            (Part::Begin, Fault::Timed(Timed { when: When::Between(begin, _), .. })) => *begin = at,
            _ => return None,
        }
        Some(line)
    }
}

/// The nearest length with so many digits that are not nought.
pub fn rounded(length: Duration, digits: u32) -> Duration {
    let nanos = length.nanos();
    let Some(size) = nanos.checked_ilog10() else { return length };
    let unit = 10u64.pow((size + 1).saturating_sub(digits));
    Duration::from_nanos((nanos.saturating_add(unit / 2) / unit).saturating_mul(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_rounded_to_the_nearest() {
        let nanos = Duration::from_nanos;
        assert_eq!(rounded(nanos(1_403_261_588), 2), nanos(1_400_000_000));
        assert_eq!(rounded(nanos(996), 2), nanos(1_000));
        assert_eq!((rounded(nanos(7), 2), rounded(nanos(0), 2)), (nanos(7), nanos(0)));
    }

    #[test]
    fn an_interval_is_halved_from_either_side() {
        let line: Fault = "1s..4s cut a->b".parse().unwrap();
        assert_eq!(halved(&line, Part::End).unwrap().to_string(), "1s..2.5s cut a->b");
        assert_eq!(halved(&line, Part::Begin).unwrap().to_string(), "2.5s..4s cut a->b");
        assert_eq!(halved(&line, Part::More), None);
        assert_eq!(halved(&"1s.. cut a->b".parse().unwrap(), Part::End), None);
    }
}
