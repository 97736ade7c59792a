//! What a breaker remembers of calls that have ended: the last so many, or those of the last so many buckets of time.

use std::collections::VecDeque;

use serde::Serialize;

/// How one call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub(super) enum Mark {
    Ok,
    Failed,
    SlowOk,
    SlowFailed,
}

impl Mark {
    const fn failed(self) -> u32 {
        matches!(self, Mark::Failed | Mark::SlowFailed) as u32
    }

    const fn slow(self) -> u32 {
        matches!(self, Mark::SlowOk | Mark::SlowFailed) as u32
    }
}

/// How many calls, and how many of them failed or were slow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub(super) struct Counts {
    pub(super) total: u32,
    pub(super) failed: u32,
    pub(super) slow: u32,
}

impl Counts {
    pub(super) fn add(&mut self, mark: Mark) {
        self.total += 1;
        self.failed += mark.failed();
        self.slow += mark.slow();
    }

    fn remove(&mut self, mark: Mark) {
        self.total -= 1;
        self.failed -= mark.failed();
        self.slow -= mark.slow();
    }

    /// Takes a whole piece in.
    pub(super) fn put(&mut self, other: Counts) {
        self.total += other.total;
        self.failed += other.failed;
        self.slow += other.slow;
    }

    pub(super) fn less(&mut self, other: Counts) {
        self.total -= other.total;
        self.failed -= other.failed;
        self.slow -= other.slow;
    }
}

/// The last so many calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(super) struct LastCalls {
    size: u32,
    calls: VecDeque<Mark>,
    counts: Counts,
}

impl LastCalls {
    pub(super) fn new(size: u32) -> Self {
        LastCalls { size, calls: VecDeque::new(), counts: Counts::default() }
    }

    #[inline]
    pub(super) fn record(&mut self, mark: Mark) {
        if self.calls.len() >= self.size as usize
            && let Some(oldest) = self.calls.pop_front()
        {
            self.counts.remove(oldest);
        }
        self.calls.push_back(mark);
        self.counts.add(mark);
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn size(&self) -> u32 {
        self.size
    }
}

/// Buckets of time, of which the last so many count; the newest is filled.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(super) struct Buckets {
    /// The newest last; those that are not there are empty.
    buckets: VecDeque<Counts>,
    most: u32,
    sum: Counts,
}

impl Buckets {
    pub(super) fn new(most: u32) -> Self {
        Buckets { buckets: VecDeque::from([Counts::default()]), most, sum: Counts::default() }
    }

    /// So many new buckets have begun.
    pub(super) fn turn(&mut self, times: u64) {
        if times >= u64::from(self.most) {
            return *self = Buckets::new(self.most);
        }
        for _ in 0..times {
            self.buckets.push_back(Counts::default());
            if self.buckets.len() > self.most as usize
                && let Some(oldest) = self.buckets.pop_front()
            {
                self.sum.less(oldest);
            }
        }
    }

    /// Changes the newest bucket, and the sum with it.
    pub(super) fn change(&mut self, change: impl Fn(&mut Counts)) {
        if let Some(newest) = self.buckets.back_mut() {
            change(newest);
        }
        change(&mut self.sum);
    }

    pub(super) fn record(&mut self, mark: Mark) {
        self.change(|counts| counts.add(mark));
    }

    pub(super) fn counts(&self) -> Counts {
        self.sum
    }
}
