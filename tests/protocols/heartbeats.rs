//! A watcher that suspects whoever it has not heard of for too long: how soon after a crash, and how often for nothing.

use faultline_tests::replications::{Figure, check};
use faultline_tests::scenarios::over_seeds;
use serde::Serialize;
use sim_core::{
    Actor, Context, Dist, Duration, Event, Instant, Kind, Link, Message, NodeId, Purpose, Ratio, System, Timer,
};

use super::{to_the_end, up_to};

/// A sign of life.
#[derive(Clone, Copy, Debug, Hash, Serialize)]
struct Beat;

/// The watcher has not heard of a node for too long.
#[derive(Clone, Copy, Debug, Hash)]
struct Suspects;

impl Message for Beat {
    type Note = Suspects;
    type Shared = ();
    const KINDS: &'static [&'static str] = &["beat"];
    fn kind(&self) -> Kind {
        Kind(0)
    }
}

const WATCHER: NodeId = NodeId(0);
const SECOND: Duration = Duration::from_secs(1);

/// Says each second that it is alive, from an instant of its own in the first second on.
#[derive(Clone, Serialize)]
struct Alive {
    beats: u64,
}

impl Actor<Beat> for Alive {
    fn handle(&mut self, event: Event<Beat>, cx: &mut Context<'_, Beat>) {
        match event {
            Event::Start(_) => {
                let phase = cx.draw(Purpose::new("phase"), &up_to(SECOND));
                cx.set(Timer(0), phase);
            }
            Event::Timer(_) if self.beats > 0 => {
                self.beats -= 1;
                cx.send(WATCHER, Beat);
                cx.set(Timer(0), SECOND);
            }
            _ => {}
        }
    }
}

/// Suspects a node so long after it last heard of it, and perhaps again after so much more of silence.
#[derive(Clone, Serialize)]
struct Watcher {
    timeout: Duration,
    again: Option<Duration>,
}

impl Actor<Beat> for Watcher {
    fn handle(&mut self, event: Event<Beat>, cx: &mut Context<'_, Beat>) {
        match event {
            Event::Message { from, .. } => cx.set(Timer(from.0), self.timeout),
            Event::Timer(timer) => {
                cx.note(Suspects);
                if let Some(again) = self.again {
                    cx.set(timer, again);
                }
            }
            _ => {}
        }
    }
}

/// Replications of a watch over so many nodes, all of which crash at 2 s: how long each crash goes unseen, in seconds.
fn unseen(replications: u64, nodes: u32) -> Vec<Vec<f64>> {
    let crash: Instant = "2s".parse().expect("an instant");
    let mut system = System::new();
    system.node("watcher", Watcher { timeout: Duration::from_secs(5), again: None });
    for node in 1..=nodes {
        system.node(&format!("n{node}"), Alive { beats: u64::MAX });
    }
    system.fault("2s.. crash n*".parse().expect("a fault"));
    let prepared = system.prepare().expect("the faults name what is there");
    over_seeds(replications, |seed| {
        let (mut sim, mut unseen) = (prepared.start(seed), Vec::new());
        to_the_end(&mut sim, |sim, step| {
            unseen.extend(sim.notes().iter().map(|Suspects| step.at.since(crash).as_secs_f64()));
        });
        unseen
    })
}

/// A22. A beat each second, a timeout of five since the last one, and crashes that are uniform between two beats:
/// unseen for 5 s less a uniform second.
fn detection(replications: u64, nodes: u32) {
    let all = unseen(replications, nodes);
    let of = |figure: fn(&f64) -> f64| -> Vec<f64> {
        all.iter().map(|unseen| unseen.iter().map(figure).sum::<f64>() / unseen.len() as f64).collect()
    };
    assert!(all.iter().all(|unseen| unseen.len() == nodes as usize), "each crash is seen, once");
    assert!(
        all.iter().flatten().all(|unseen| (4.0..=5.0).contains(unseen)),
        "after 4 s at the earliest, 5 at the latest"
    );
    let figures = [
        Figure::new("seconds unseen", of(|unseen| *unseen), 4.5, 0.01),
        Figure::new("longer than 4.9 s", of(|unseen| f64::from(u8::from(*unseen > 4.9))), 0.1, 0.01),
    ];
    check("detection", &figures);
}

#[test]
fn a_crash_goes_unseen_for_the_timeout_less_a_part_of_a_beat() {
    detection(100, 15_000);
}

/// A23. Beats of which each tenth is lost: how many until so many in a row are, and the watcher errs. After Feller, An
/// Introduction to Probability Theory and Its Applications I, XIII.7: p⁻¹ + p⁻² + … + p⁻ᵏ.
fn false_alarms(losses: u32, beats: u64) -> Figure {
    let each = 10.0f64;
    let until = (1..=losses).map(|power| libm::pow(each, power.into())).sum();
    let mut system = System::new();
    // Half a second after the last of them was due; after so many more, half a second after the last of those.
    let silence = SECOND.saturating_mul(losses.into());
    let timeout = silence.saturating_add(Duration::from_millis(500));
    system.node("watcher", Watcher { timeout, again: Some(silence) });
    let alive = system.node("n1", Alive { beats });
    system.link(alive, WATCHER, Link { loss: Ratio::new(1, 10).expect("a share"), ..Link::with_latency(Dist::ZERO) });
    let prepared = system.prepare().expect("no faults");
    let end = Instant::ZERO + Duration::from_secs(beats);
    let between = over_seeds(30, |seed| {
        let (mut sim, mut alarms) = (prepared.start(seed), 0u64);
        while sim.step_before(end).is_some() {
            alarms += sim.notes().len() as u64;
        }
        beats as f64 / alarms as f64
    });
    Figure::new(format!("{losses} in a row"), between, until, 0.02)
}

#[test]
fn a_watcher_errs_as_often_as_two_beats_in_a_row_are_lost() {
    check("beats until a false alarm", &[false_alarms(2, 250_000)]);
}

#[test]
#[ignore = "long: 60 million beats"]
fn long_a_watcher_errs_as_often_as_three_beats_in_a_row_are_lost() {
    check("beats until a false alarm", &[false_alarms(3, 2_000_000)]);
}
