//! What happened, kept outside the run: each step, what it did, and what it told the judge.

use std::collections::BTreeSet;

use crate::actor::Message;
use crate::sim::{Entry, Sim, Step};

/// The steps of a run from its first event on, with all that [`Sim::record`] keeps.
#[derive(Clone, Debug)]
pub struct Trace<M: Message> {
    steps: Vec<Step>,
    entries: Vec<Entry>,
    notes: Vec<M::Note>,
    /// For each step, where its entries and notes end.
    ends: Vec<(u32, u32)>,
    /// For each step, the last that it caused; and the one before it of the same cause. None is zero.
    youngest: Vec<u32>,
    elder: Vec<u32>,
}

impl<M: Message> Trace<M> {
    /// Nothing yet.
    pub fn new() -> Self {
        Trace {
            steps: Vec::new(),
            entries: Vec::new(),
            notes: Vec::new(),
            ends: Vec::new(),
            youngest: Vec::new(),
            elder: Vec::new(),
        }
    }

    /// Takes the step that the run has just made; to be called after each step, from the first.
    pub fn push(&mut self, sim: &Sim<M>, step: &Step) {
        self.steps.push(*step);
        self.entries.extend_from_slice(sim.log());
        self.notes.extend_from_slice(sim.notes());
        self.ends.push((self.entries.len() as u32, self.notes.len() as u32));
        self.youngest.push(0);
        let parent = step.by.and_then(|by| self.youngest.get_mut(usize::try_from(by).ok()?.checked_sub(1)?));
        self.elder.push(parent.map_or(0, |youngest| std::mem::replace(youngest, step.number as u32)));
    }

    /// All steps, in order; the event of number n stands at place n − 1.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The step of that number, from 1.
    pub fn step(&self, number: u64) -> Option<&Step> {
        self.steps.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    fn span(&self, number: u64) -> Option<((u32, u32), (u32, u32))> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        let end = *self.ends.get(at)?;
        Some((if at == 0 { (0, 0) } else { self.ends[at - 1] }, end))
    }

    /// What the step of that number did.
    pub fn entries(&self, number: u64) -> &[Entry] {
        self.span(number).map_or(&[], |(from, to)| &self.entries[from.0 as usize..to.0 as usize])
    }

    /// What the step of that number told the judge.
    pub fn notes(&self, number: u64) -> &[M::Note] {
        self.span(number).map_or(&[], |(from, to)| &self.notes[from.1 as usize..to.1 as usize])
    }

    /// The events that this one made happen by what it sent, set or restarted, in order: those whose `by` it is.
    pub fn caused_by(&self, number: u64) -> Vec<u64> {
        let at = |list: &[u32], number: u64| {
            let event = *list.get(usize::try_from(number).ok()?.checked_sub(1)?)?;
            (event > 0).then_some(u64::from(event))
        };
        let mut caused: Vec<u64> =
            std::iter::successors(at(&self.youngest, number), |event| at(&self.elder, *event)).collect();
        caused.reverse();
        caused
    }

    /// The events that led to this one, itself included: what sent, set or caused it, and what its node had handled before.
    pub fn past(&self, number: u64) -> BTreeSet<u64> {
        let mut past = BTreeSet::new();
        self.add_past(&mut past, number);
        past
    }

    /// Adds an event and those that led to it to others; what is there already is not walked again. Whether any is new.
    pub fn add_past(&self, past: &mut BTreeSet<u64>, number: u64) -> bool {
        let before = past.len();
        let mut open = vec![number];
        while let Some(number) = open.pop() {
            if let Some(step) = self.step(number).filter(|_| past.insert(number)) {
                open.extend([step.before, step.by].into_iter().flatten());
            }
        }
        past.len() > before
    }

    /// The chain of events that made this one happen, itself last: only what sent, set or caused each.
    pub fn chain(&self, number: u64) -> Vec<u64> {
        let mut chain: Vec<u64> =
            std::iter::successors(self.step(number).map(|step| step.number), |number| self.step(*number)?.by).collect();
        chain.reverse();
        chain
    }
}

impl<M: Message> Default for Trace<M> {
    fn default() -> Self {
        Self::new()
    }
}
