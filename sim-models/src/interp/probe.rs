//! How the platform of a replica asks it how it is: startup, liveness and readiness, with the meaning they have in Kubernetes
//! (`pkg/kubelet/prober/worker.go`).
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
    /// Whether it asks if the process has started.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    startup: bool,
    /// Whether it is not sent: until the process has started, and of the one that asks that, from then on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    rests: bool,
    /// Successes in a row, where more than one is needed.
    #[serde(skip_serializing_if = "super::service::is_none")]
    successes: u32,
    /// When the process began, where it is asked whether it has started.
    #[serde(skip_serializing_if = "is_beginning")]
    begun: Instant,
}

fn is_beginning(instant: &Instant) -> bool {
    *instant == Instant::ZERO
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
    let written = [
        (Watch::Liveness, false, &def.liveness),
        (Watch::Readiness, false, &def.readiness),
        // Until the process has started nothing else watches whether it lives.
        (Watch::Liveness, true, &def.startup_probe),
    ];
    let fresh = |watch, startup| Probe {
        watch,
        number: 0,
        out: None,
        sent: Instant::ZERO,
        failures: 0,
        owed: false,
        deadline: Instant::NEVER,
        startup,
        rests: false,
        successes: 0,
        begun: Instant::ZERO,
    };
    written.into_iter().filter(|(.., def)| def.is_some()).map(|(watch, startup, _)| fresh(watch, startup)).collect()
}

impl Probe {
    /// What it is, how many were sent, and how many of the last have failed in a row.
    pub(super) fn seen(&self) -> (&'static str, u64, u32) {
        (self.word(), self.number, self.failures)
    }

    const fn word(&self) -> &'static str {
        match self.watch {
            _ if self.startup => "startup",
            Watch::Liveness => "liveness",
            Watch::Readiness => "readiness",
        }
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

    /// How long it is to a probe, when the process began so long ago: the clock of the probes ticks from its start on, and the delay is
    /// only looked at when it ticks.
    fn until_tick(&self, begun: Duration) -> Duration {
        let from = begun.max(self.delay).nanos();
        let ticks = from.div_ceil(self.every.nanos());
        Duration::from_nanos(ticks.saturating_mul(self.every.nanos()) - begun.nanos())
    }
}

impl Service {
    /// Begins to be probed: at once, as Kubernetes does without an initial delay; first of all whether it has started, where it is
    /// asked that.
    pub(super) fn start_probes(&mut self, cx: &mut Cx<'_>, program: &Program) {
        let asked = self.probes.iter().any(|probe| probe.startup);
        for place in 0..self.probes.len() {
            let Some(def) = self.probe_def(program, place) else { continue };
            let probe = &mut self.probes[place];
            if asked {
                (probe.begun, probe.rests) = (cx.now(), !probe.startup);
            }
            if probe.rests {
                continue;
            }
            let wait = def.until_tick(Duration::ZERO);
            self.content(cx, place, wait.saturating_add(def.patience()));
            let due = Alarm::Probe { place: place as u8, what: ProbeAlarm::Due };
            if wait.is_zero() {
                self.alarm(cx, def.every, due);
                self.send_probe(cx, program, place);
            } else {
                self.alarm(cx, wait, due);
            }
        }
    }

    /// It has started: from now on the other probes are sent. That of readiness comes at once, since somebody waits for it (the
    /// worker's `manualTriggerCh`), that of liveness when its clock ticks next.
    fn started(&mut self, cx: &mut Cx<'_>, program: &Program) {
        cx.watch(Watch::Liveness, Duration::FOREVER);
        for place in 0..self.probes.len() {
            let Some(def) = self.probe_def(program, place) else { continue };
            let probe = &mut self.probes[place];
            probe.rests = probe.startup;
            if probe.startup {
                continue;
            }
            let (begun, at_once) = (cx.now().since(probe.begun), probe.watch == Watch::Readiness);
            // A tick of this very instant found that it had not started.
            let moment = Duration::from_nanos(1);
            let wait = def.until_tick(begun.saturating_add(moment)).saturating_add(moment);
            let alarm = |what| Alarm::Probe { place: place as u8, what };
            self.alarm(cx, wait, alarm(ProbeAlarm::Due));
            if at_once && begun >= def.delay {
                self.content(cx, place, def.patience());
                self.alarm(cx, Duration::ZERO, alarm(ProbeAlarm::Owed));
            } else {
                self.content(cx, place, wait.saturating_add(def.patience()));
            }
        }
    }

    fn probe_def<'p>(&self, program: &'p Program, place: usize) -> Option<&'p ProbeDef> {
        let def = program.service(self.me)?;
        let probe = self.probes.get(place)?;
        match probe.watch {
            _ if probe.startup => def.startup_probe.as_ref(),
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
        let rests = self.probes[place].rests;
        match what {
            ProbeAlarm::Due | ProbeAlarm::Owed if rests => {}
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
                self.heard_probe(cx, program, place, false);
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
        let root = probe.word();
        let endpoint = program.endpoint(def.endpoint);
        let cause = Cause::root(root, &endpoint.name, u64::from(cx.life())).then(probe.number);
        let probing = Probing { place: place as u8, number: probe.number };
        let request = Request::new(def.endpoint, endpoint.kind, cause, Env::empty(program), cx.now());
        let request = Request { expires: cx.now() + def.timeout, probe: Some(probing), ..request };
        cx.because(cause);
        if self.boots() {
            return self.probed(cx, program, probing, false);
        }
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
        let probe = &mut self.probes[place];
        if probe.number != probing.number {
            return;
        }
        let Some(timer) = probe.out.take() else { return };
        self.disarm(cx, timer);
        self.heard_probe(cx, program, place, ok);
    }

    fn heard_probe(&mut self, cx: &mut Cx<'_>, program: &Program, place: usize, ok: bool) {
        let Some(def) = self.probe_def(program, place) else { return };
        let probe = &mut self.probes[place];
        if std::mem::take(&mut probe.owed) {
            // After this event, so that nobody runs inside of another.
            self.alarm(cx, Duration::ZERO, Alarm::Probe { place: place as u8, what: ProbeAlarm::Owed });
        }
        let probe = &mut self.probes[place];
        if !ok {
            probe.successes = 0;
            probe.failures = probe.failures.saturating_add(1);
            // At its deadline the platform has found out by itself.
            if probe.failures == def.failures && cx.now() < probe.deadline {
                cx.watch(probe.watch, Duration::ZERO);
            }
            return;
        }
        probe.failures = 0;
        if probe.startup {
            return self.started(cx, program);
        }
        if def.successes > 1 {
            probe.successes = probe.successes.saturating_add(1);
        }
        let next = (probe.sent + def.every).since(cx.now());
        if probe.watch == Watch::Readiness && (def.successes <= 1 || probe.successes >= def.successes) {
            cx.ready();
        }
        self.content(cx, place, next.saturating_add(def.patience()));
    }
}
