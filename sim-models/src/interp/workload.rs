//! When the operations of a workload begin: at a rate, whatever becomes of them, or user by user.

use serde::Serialize;
use sim_core::{Dist, Duration, Instant, Purpose};

use super::service::{Cx, Service};
use super::thread::Alarm;
use crate::program::{NodeRef, PaceDef, Program, Role, WorkloadDef};

const ARRIVAL: Purpose = Purpose::new("arrival");
const THINK: Purpose = Purpose::new("think");

/// How far a workload has come.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Generator {
    /// Operations begun.
    pub(super) begun: u64,
    /// For an open workload: the instant of the next operation since its start, in stages of unequal rates.
    at: Duration,
    /// For a closed one: how many operations each user has begun.
    rounds: Vec<u64>,
    end: Option<Instant>,
}

impl Generator {
    pub(super) fn new(def: &WorkloadDef) -> Self {
        let users = match &def.pace {
            PaceDef::Closed { users, .. } => *users as usize,
            PaceDef::Open { .. } => 0,
        };
        let end = def.length.map(|length| def.start + length);
        Generator { begun: 0, at: Duration::ZERO, rounds: vec![0; users], end }
    }

    fn has_more(&self, def: &WorkloadDef) -> bool {
        def.limit.is_none_or(|limit| self.begun < limit)
    }

    /// What to wait for at the start.
    pub(super) fn first(&mut self, program: &Program, me: NodeRef, cx: &mut Cx<'_>) -> Vec<(Duration, Alarm)> {
        let Role::Workload(def) = &program.node(me).role else { return Vec::new() };
        match &def.pace {
            PaceDef::Open { even, .. } => {
                let gap = if *even { Some(Duration::ZERO) } else { self.gap(def, cx, 1) };
                gap.and_then(|gap| self.arrival_after(def, cx, gap)).into_iter().collect()
            }
            PaceDef::Closed { users, .. } => (0..*users).filter_map(|user| self.thought(def, cx, user)).collect(),
        }
    }

    /// How long after the one before the operation of this number comes; drawn for that operation, so that no other shifts it.
    fn gap(&mut self, def: &WorkloadDef, cx: &mut Cx<'_>, number: u64) -> Option<Duration> {
        let PaceDef::Open { stages, even } = &def.pace else { return None };
        cx.begin(def.class, number);
        // In units of mean gaps, times 10⁹: a stage uses them up at its own rate.
        let unit = Duration::from_secs(1);
        let share = if *even { unit } else { cx.draw(ARRIVAL, &Dist::Exponential(unit)) };
        // Under a rush it uses them up faster.
        advance(stages, self.at, cx.rush().shrink(share))
    }

    fn arrival_after(&mut self, def: &WorkloadDef, cx: &Cx<'_>, gap: Duration) -> Option<(Duration, Alarm)> {
        self.at = self.at.saturating_add(gap);
        let at = def.start + self.at;
        let over = self.end.is_some_and(|end| at >= end) || !self.has_more(def);
        (!over).then(|| (at.since(cx.now()), Alarm::Arrival))
    }

    fn thought(&mut self, def: &WorkloadDef, cx: &mut Cx<'_>, user: u32) -> Option<(Duration, Alarm)> {
        let PaceDef::Closed { think, .. } = &def.pace else { return None };
        cx.begin(def.class, self.number(user));
        let begin = def.start.max(cx.now()) + cx.draw(THINK, think);
        let over = self.end.is_some_and(|end| begin >= end) || !self.has_more(def);
        (!over).then(|| (begin.since(cx.now()), Alarm::Thought { user }))
    }

    /// The number of a user's next operation: users take turns, so that one who is slow shifts no number of another.
    fn number(&self, user: u32) -> u64 {
        self.rounds[user as usize] * self.rounds.len() as u64 + u64::from(user) + 1
    }
}

/// The time from `at` in which the stages yield `share` (10⁹ for one operation); `None` when they end before.
fn advance(stages: &[(u64, Option<Duration>)], at: Duration, share: Duration) -> Option<Duration> {
    // Operations per 10⁹ s, so that share × 10⁹ / rate is in nanoseconds.
    const SCALE: u128 = 1_000_000_000;
    let (mut left, mut gap, mut begin) = (u128::from(share.nanos()) * SCALE, 0u128, 0u64);
    for (rate, length) in stages {
        let end = length.map_or(u64::MAX, |length| begin.saturating_add(length.nanos()));
        let from = begin.max(at.nanos());
        begin = end;
        if from >= end {
            continue;
        }
        let room = u128::from(end - from);
        let rate = u128::from(*rate);
        if rate > 0 && (left / rate < room || length.is_none()) {
            return Some(Duration::from_nanos(u64::try_from(gap + left / rate).unwrap_or(u64::MAX)));
        }
        left = left.saturating_sub(room * rate);
        gap += room;
    }
    None
}

impl Service {
    /// The next operation of an open workload begins, and the one after it is planned. A workload that stood still has
    /// it begin late, and counts it from when it was due: who leaves that wait out measures least when it matters most
    /// (coordinated omission).
    pub(super) fn arrival(&mut self, cx: &mut Cx<'_>, program: &Program) {
        let Role::Workload(def) = &program.node(self.me).role else { return };
        let Some(generator) = &mut self.generator else { return };
        generator.begun += 1;
        let number = generator.begun;
        let due = def.start + generator.at;
        if let Some((after, alarm)) =
            generator.gap(def, cx, number + 1).and_then(|gap| generator.arrival_after(def, cx, gap))
        {
            self.alarm(cx, after, alarm);
        }
        self.begin_operation(cx, program, number, None, due.min(cx.now()));
    }

    /// A user of a closed workload begins an operation.
    pub(super) fn user_asks(&mut self, cx: &mut Cx<'_>, program: &Program, user: u32) {
        let Role::Workload(def) = &program.node(self.me).role else { return };
        let Some(generator) = &mut self.generator else { return };
        if !generator.has_more(def) {
            return;
        }
        let number = generator.number(user);
        generator.begun += 1;
        generator.rounds[user as usize] += 1;
        self.begin_operation(cx, program, number, Some(user), cx.now());
    }

    /// An operation is over; a user of a closed workload thinks before the next.
    pub(super) fn operation_over(&mut self, cx: &mut Cx<'_>, program: &Program, user: Option<u32>) {
        let (Role::Workload(def), Some(user)) = (&program.node(self.me).role, user) else { return };
        let next = self.generator.as_mut().and_then(|generator| generator.thought(def, cx, user));
        if let Some((after, alarm)) = next {
            self.alarm(cx, after, alarm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_use_up_a_share_each_at_its_rate() {
        let second = Duration::from_secs(1);
        let per_second = |n: u64| n * 1_000_000_000;
        let stages = [(per_second(10), Some(second)), (0, Some(second)), (per_second(1), None)];
        let from = |millis| advance(&stages, Duration::from_millis(millis), second);
        assert_eq!(from(0), Some(Duration::from_millis(100)));
        assert_eq!(from(950), Some(Duration::from_millis(50 + 1000 + 500)));
        assert_eq!(from(5000), Some(second));
        assert_eq!(advance(&stages[..1], Duration::from_millis(950), second), None);
    }
}
