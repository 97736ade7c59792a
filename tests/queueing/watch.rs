//! What one replication sees of a queue between two instants: how long it held how many, and how customers fared.

use std::collections::VecDeque;

use sim_core::{Duration, Instant};

/// From when to when a replication is watched: what comes before is warm-up. Seconds of the run are units of the mean service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

impl Window {
    /// So many units of service in all replications together, each of which also runs a tenth more before it is watched.
    pub(crate) fn of(units: f64, replications: u64) -> Self {
        let length = Duration::from_nanos_f64(units / replications as f64 * 1e9);
        let from = Instant::ZERO + Duration::from_nanos(length.nanos() / 10);
        Window { from, to: from + length }
    }

    pub(crate) fn seconds(self) -> f64 {
        self.to.since(self.from).as_secs_f64()
    }

    /// Whether who comes at this instant is counted.
    pub(crate) fn holds(self, at: Instant) -> bool {
        self.from <= at && at < self.to
    }
}

/// Lengths of time: how many, how long, how many longer than this and that.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    sum: u128,
    /// Longer than nothing.
    positive: u64,
    limits: Vec<u64>,
    /// By how many limits a length exceeds.
    exceeding: Vec<u64>,
}

impl Tally {
    /// Limits in seconds, rising.
    fn new(limits: &[f64]) -> Self {
        let nanos = limits.iter().map(|limit| Duration::from_nanos_f64(limit * 1e9).nanos()).collect();
        Tally { count: 0, sum: 0, positive: 0, limits: nanos, exceeding: vec![0; limits.len() + 1] }
    }

    pub(crate) fn add(&mut self, length: Duration) {
        self.count += 1;
        self.sum += u128::from(length.nanos());
        self.positive += u64::from(!length.is_zero());
        self.exceeding[self.limits.partition_point(|limit| *limit < length.nanos())] += 1;
    }

    pub(crate) fn mean(&self) -> f64 {
        self.sum as f64 / 1e9 / self.count as f64
    }

    pub(crate) fn share_positive(&self) -> f64 {
        self.positive as f64 / self.count as f64
    }

    /// The share that is longer than the limit of this number.
    pub(crate) fn share_beyond(&self, limit: usize) -> f64 {
        self.exceeding[limit + 1..].iter().sum::<u64>() as f64 / self.count as f64
    }
}

/// What is asked of waits and stays: beyond which times they are counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) waits: Vec<f64>,
    pub(crate) stays: Vec<f64>,
}

/// A replication that is over.
#[derive(Clone, Debug)]
pub(crate) struct Replication {
    pub(crate) seconds: f64,
    /// By number in the system: for how many nanoseconds it was so.
    time_at: Vec<u64>,
    waiting_area: u128,
    /// The waits of who was not turned away.
    pub(crate) waits: Tally,
    /// The whole stays of who was served.
    pub(crate) stays: Tally,
    /// The services of who was served, and their squares, in seconds, where there is one server.
    services: [f64; 2],
    pub(crate) came: u64,
    pub(crate) turned_away: u64,
    pub(crate) gave_up: u64,
    /// Who left served while the system was watched.
    left: u64,
    /// How often the system became empty.
    emptied: u64,
}

impl Replication {
    /// The average over time of a function of the number in the system.
    pub(crate) fn over_time(&self, of: impl Fn(usize) -> f64) -> f64 {
        let whole: u64 = self.time_at.iter().sum();
        let held = self.time_at.iter().enumerate().filter(|(_, time)| **time > 0);
        held.map(|(n, time)| of(n) * *time as f64).sum::<f64>() / whole as f64
    }

    /// The average number in the system.
    pub(crate) fn number(&self) -> f64 {
        self.over_time(|n| n as f64)
    }

    /// The average number in line.
    pub(crate) fn waiting(&self) -> f64 {
        self.waiting_area as f64 / 1e9 / self.seconds
    }

    /// The customers per second, and the first two moments of their services, as they happened to be.
    pub(crate) fn inputs(&self) -> [f64; 3] {
        let count = self.stays.count as f64;
        [self.came as f64 / self.seconds, self.services[0] / count, self.services[1] / count]
    }

    pub(crate) fn throughput(&self) -> f64 {
        self.left as f64 / self.seconds
    }

    pub(crate) fn share_turned_away(&self) -> f64 {
        self.turned_away as f64 / self.came as f64
    }

    pub(crate) fn share_gave_up(&self) -> f64 {
        self.gave_up as f64 / self.came as f64
    }

    /// The mean length of a busy period.
    pub(crate) fn busy_period(&self) -> f64 {
        self.over_time(|n| f64::from(u8::from(n > 0))) * self.seconds / self.emptied as f64
    }
}

/// Watches a queue while it runs.
pub(crate) struct Watch {
    window: Window,
    last: Instant,
    busy: usize,
    waiting: usize,
    line: VecDeque<Instant>,
    called: Option<Instant>,
    /// Of a single worker: whom it serves, by when that one came and was begun with.
    serves: Option<(Instant, Instant)>,
    seen: Replication,
}

impl Watch {
    pub(crate) fn new(window: Window, limits: &Limits) -> Self {
        let seen = Replication {
            seconds: window.seconds(),
            time_at: Vec::new(),
            waiting_area: 0,
            waits: Tally::new(&limits.waits),
            stays: Tally::new(&limits.stays),
            services: [0.0; 2],
            came: 0,
            turned_away: 0,
            gave_up: 0,
            left: 0,
            emptied: 0,
        };
        Watch {
            window,
            last: Instant::ZERO,
            busy: 0,
            waiting: 0,
            line: VecDeque::new(),
            called: None,
            serves: None,
            seen,
        }
    }

    /// Time passes: the queue has been as it is until now.
    pub(crate) fn until(&mut self, now: Instant) {
        let (from, to) = (self.last.max(self.window.from), now.min(self.window.to));
        self.last = now;
        if from >= to {
            return;
        }
        let (here, time) = (self.busy + self.waiting, to.since(from).nanos());
        if self.seen.time_at.len() <= here {
            self.seen.time_at.resize(here + 1, 0);
        }
        self.seen.time_at[here] += time;
        self.seen.waiting_area += u128::from(time) * self.waiting as u128;
    }

    /// From this instant on so many are served and so many wait.
    pub(crate) fn is(&mut self, busy: usize, waiting: usize) {
        let watched = self.window.holds(self.last);
        self.seen.left += u64::from(watched && busy + waiting < self.busy + self.waiting);
        self.seen.emptied += u64::from(watched && busy + waiting == 0 && self.busy + self.waiting > 0);
        (self.busy, self.waiting) = (busy, waiting);
    }

    /// What a gauge of a service says: so many more busy, so many more in line. The line is in order of arrival, so the one who is
    /// called is the one who has waited longest.
    pub(crate) fn changes(&mut self, busy: i32, waiting: i32) {
        let now = self.last;
        match (busy, waiting) {
            (0, 1) => {
                self.line.push_back(now);
                self.is(self.busy, self.waiting + 1);
            }
            // Between the line and the worker nobody is nowhere: the worker's gauge follows at once.
            (0, -1) => self.called = self.line.pop_front(),
            (1, 0) => {
                let called = self.called.take();
                let came = called.unwrap_or(now);
                self.waited(came, now.since(came));
                self.serves = Some((came, now));
                self.is(self.busy + 1, self.waiting - usize::from(called.is_some()));
            }
            (-1, 0) => {
                if let Some((came, begun)) = self.serves.take() {
                    self.worked(came, now.since(begun));
                }
                self.is(self.busy - 1, self.waiting);
            }
            other => panic!("a gauge changes by one, not by {other:?}"),
        }
    }

    /// How many are there, and how many of them wait.
    pub(crate) fn here(&self) -> (usize, usize) {
        (self.busy + self.waiting, self.waiting)
    }

    /// Somebody who came then is served, and goes now.
    pub(crate) fn served(&mut self, came: Instant, now: Instant) {
        if self.window.holds(came) {
            self.seen.came += 1;
            self.seen.stays.add(now.since(came));
        }
    }

    /// Somebody who came then was served for so long.
    pub(crate) fn worked(&mut self, came: Instant, service: Duration) {
        if self.window.holds(came) {
            let seconds = service.as_secs_f64();
            self.seen.services[0] += seconds;
            self.seen.services[1] += seconds * seconds;
        }
    }

    /// Somebody who came then waits no longer.
    pub(crate) fn waited(&mut self, came: Instant, wait: Duration) {
        if self.window.holds(came) {
            self.seen.waits.add(wait);
        }
    }

    /// Somebody who came then is turned away.
    pub(crate) fn turned_away(&mut self, came: Instant) {
        let counts = u64::from(self.window.holds(came));
        self.seen.came += counts;
        self.seen.turned_away += counts;
    }

    /// Somebody who came then leaves without being served.
    pub(crate) fn gave_up(&mut self, came: Instant) {
        let counts = u64::from(self.window.holds(came));
        self.seen.came += counts;
        self.seen.gave_up += counts;
    }

    /// What was seen, when nobody is there any more.
    pub(crate) fn over(self) -> Replication {
        assert_eq!((self.busy, self.waiting), (0, 0), "somebody is left in the queue");
        self.seen
    }
}
