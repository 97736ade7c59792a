//! How the platform of a replica asks it how it is: liveness and readiness, with the meaning they have in Kubernetes
//! (`pkg/kubelet/prober`).
//!
//! A probe is a request to the process like any other. It waits for a worker where all are busy, is turned away where the line is
//! full, and holds its worker after nobody waits for it any more; but it crosses no link, since whoever asks stands beside the process,
//! and it is none of the calls that are counted. The process keeps the count of its failures for its platform, and a
//! [watch](Watch) of the platform ends when the last of them would: so a process that is frozen, which counts nothing, is found out
//! at the same instant as one that hangs.

use serde::Serialize;
use sim_core::{Cause, Duration, Instant, Watch};

use super::service::{Cx, Service};
use super::thread::{Alarm, Env, Request};
use crate::program::{ProbeDef, Program, ServiceDef};
use crate::slab::Key;

/// How one of the probes stands.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Probe {
    watch: Watch,
    /// How many were sent.
    number: u64,
    /// The timer of the one that is out.
    out: Option<Key>,
    /// When the last one was sent.
    sent: Instant,
    /// Failures in a row.
    failures: u32,
    /// Whether another one was due while the last was out.
    owed: bool,
    /// When the platform finds the process unfit, if it hears nothing more.
    deadline: Instant,
}

/// A probe by its place among those of the service, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Probing {
    place: u8,
    number: u64,
}

/// What a timer of a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum ProbeAlarm {
    /// The next one is due.
    Due,
    /// One that was due while the last was out can be sent.
    Owed,
    /// The one that is out has taken too long.
    Late,
}

/// Those that the file asks for.
pub(super) fn probes(def: &ServiceDef) -> Vec<Probe> {
    let written = [(Watch::Liveness, &def.liveness), (Watch::Readiness, &def.readiness)];
    let (sent, deadline) = (Instant::ZERO, Instant::NEVER);
    let probe = |watch| Probe { watch, number: 0, out: None, sent, failures: 0, owed: false, deadline };
    written.into_iter().filter(|(_, def)| def.is_some()).map(|(watch, _)| probe(watch)).collect()
}

impl Probe {
    /// What it is, how many were sent, and how many of the last have failed in a row.
    pub(super) fn seen(&self) -> (&'static str, u64, u32) {
        (word(self.watch), self.number, self.failures)
    }
}

const fn word(watch: Watch) -> &'static str {
    match watch {
        Watch::Liveness => "liveness",
        Watch::Readiness => "readiness",
    }
}

impl ProbeDef {
    /// From one that fails to the next, when nothing is heard: a ticker that is late ticks at once.
    fn step(&self) -> Duration {
        self.every.max(self.timeout)
    }

    /// From when a probe is sent to when it and those behind it have failed.
    fn patience(&self) -> Duration {
        self.step().saturating_mul(u64::from(self.failures) - 1).saturating_add(self.timeout)
    }
}

impl Service {
    /// Begins to be probed: at once, as Kubernetes does without an initial delay.
    pub(super) fn start_probes(&mut self, cx: &mut Cx<'_>, program: &Program) {
        for place in 0..self.probes.len() {
            let Some(def) = self.probe_def(program, place) else { continue };
            self.content(cx, place, def.patience());
            self.alarm(cx, def.every, Alarm::Probe { place: place as u8, what: ProbeAlarm::Due });
            self.send_probe(cx, program, place);
        }
    }

    fn probe_def<'p>(&self, program: &'p Program, place: usize) -> Option<&'p ProbeDef> {
        let def = program.service(self.me)?;
        match self.probes.get(place)?.watch {
            Watch::Liveness => def.liveness.as_ref(),
            Watch::Readiness => def.readiness.as_ref(),
        }
    }

    /// The platform is content for so long.
    fn content(&mut self, cx: &mut Cx<'_>, place: usize, length: Duration) {
        let probe = &mut self.probes[place];
        probe.deadline = cx.now() + length;
        cx.watch(probe.watch, length);
    }

    pub(super) fn probe_rings(&mut self, cx: &mut Cx<'_>, program: &Program, place: u8, what: ProbeAlarm) {
        let place = usize::from(place);
        let Some(def) = self.probe_def(program, place) else { return };
        match what {
            ProbeAlarm::Due => {
                self.alarm(cx, def.every, Alarm::Probe { place: place as u8, what });
                if self.probes[place].out.is_some() {
                    self.probes[place].owed = true;
                } else {
                    self.send_probe(cx, program, place);
                }
            }
            ProbeAlarm::Owed => self.send_probe(cx, program, place),
            ProbeAlarm::Late => {
                self.probes[place].out = None;
                self.heard_probe(cx, def, place, false);
            }
        }
    }

    /// Asks, unless the process is about to stop: then its platform asks no more.
    fn send_probe(&mut self, cx: &mut Cx<'_>, program: &Program, place: usize) {
        let Some(def) = self.probe_def(program, place).filter(|_| !self.is_leaving()) else { return };
        // Set first: an answer at the very instant of the timeout is late.
        let timer = self.alarm(cx, def.timeout, Alarm::Probe { place: place as u8, what: ProbeAlarm::Late });
        let probe = &mut self.probes[place];
        probe.number += 1;
        (probe.out, probe.sent) = (Some(timer), cx.now());
        let root = word(probe.watch);
        let endpoint = program.endpoint(def.endpoint);
        let cause = Cause::root(root, &endpoint.name, u64::from(cx.life())).then(probe.number);
        let probing = Probing { place: place as u8, number: probe.number };
        let request = Request::new(def.endpoint, endpoint.kind, cause, Env::empty(program), cx.now());
        let request = Request { expires: cx.now() + def.timeout, probe: Some(probing), ..request };
        cx.because(cause);
        match cx.service(&endpoint.name) {
            sim_core::Service::Served => {
                let key = self.requests.insert(request);
                self.admit(cx, program, key, false);
            }
            sim_core::Service::Hangs => _ = self.requests.insert(request),
            sim_core::Service::Fails(_) => self.probed(cx, program, probing, false),
        }
    }

    /// A probe has come to this; one that has taken too long has failed already.
    pub(super) fn probed(&mut self, cx: &mut Cx<'_>, program: &Program, probing: Probing, ok: bool) {
        let place = usize::from(probing.place);
        let Some(def) = self.probe_def(program, place) else { return };
        let probe = &mut self.probes[place];
        if probe.number != probing.number {
            return;
        }
        let Some(timer) = probe.out.take() else { return };
        self.disarm(cx, timer);
        self.heard_probe(cx, def, place, ok);
    }

    fn heard_probe(&mut self, cx: &mut Cx<'_>, def: &ProbeDef, place: usize, ok: bool) {
        let probe = &mut self.probes[place];
        if std::mem::take(&mut probe.owed) {
            // After this event, so that nobody runs inside of another.
            self.alarm(cx, Duration::ZERO, Alarm::Probe { place: place as u8, what: ProbeAlarm::Owed });
        }
        let probe = &mut self.probes[place];
        if !ok {
            probe.failures = probe.failures.saturating_add(1);
            // At its deadline the platform has found out by itself.
            if probe.failures == def.failures && cx.now() < probe.deadline {
                cx.watch(probe.watch, Duration::ZERO);
            }
            return;
        }
        probe.failures = 0;
        let next = (probe.sent + def.every).since(cx.now());
        if probe.watch == Watch::Readiness {
            cx.ready();
        }
        self.content(cx, place, next.saturating_add(def.patience()));
    }
}
