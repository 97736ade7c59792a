//! The two machines of the product that can be a queue: a service of a scenario file, and a station among actors in Rust.

use faultline_tests::scenarios::{over_seeds, written};
use serde::Serialize;
use serde_json::{Value, json};
use sim_core::{Actor, Context, Dist, Duration, Event, Instant, Kind, Message, NodeId, Purpose, Seed, System, Timer};
use sim_models::language::Choices;
use sim_models::message::{Note, Tone};
use sim_models::scenario::Model;
use sim_models::station::{Customer, Ending, Station};

use super::watch::{Limits, Replication, Watch, Window};

pub(crate) const REPLICATIONS: u64 = 30;

/// A queue as a scenario file: what its service is beside its steps, and what each customer does there.
#[derive(Clone)]
pub(crate) struct Desk {
    /// Such as `{"workers": 1}`.
    pub(crate) service: Value,
    /// The steps of one request.
    pub(crate) steps: Value,
    /// The steps of one customer.
    pub(crate) visit: Value,
}

impl Desk {
    /// A desk at which a customer asks once.
    pub(crate) fn new(service: Value, steps: Value) -> Self {
        Desk { service, steps, visit: json!([{"call": "desk.serve"}]) }
    }

    /// The model in which so many customers come per second until the window ends.
    pub(crate) fn model(&self, rate: f64, window: Window) -> Model {
        let mut desk = json!({"kind": "service", "endpoints": {"serve": self.steps}});
        let members = self.service.as_object().expect("clauses of a service").clone();
        desk.as_object_mut().expect("an object").extend(members);
        let scenario = json!({
            "faultline": 1,
            "name": "queue",
            "nodes": {"desk": desk},
            "workload": {"door": {
                "rate": format!("{rate}/s"), "spacing": "poisson", "for": format!("{}ns", window.to.nanos()),
                "each": "customer", "do": self.visit,
            }},
            // Whoever asks for a gauge is told of its changes.
            "metrics": {"longest": {"peak": "desk.busy"}},
        });
        written(&scenario).model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    /// All replications, as the gauges of the desk and the outcomes of the customers tell them.
    pub(crate) fn replicate(&self, rate: f64, window: Window, limits: &Limits) -> Vec<Replication> {
        let model = self.model(rate, window);
        over_seeds(REPLICATIONS, |seed| {
            let (mut sim, _) = model.start(seed);
            let mut watch = Watch::new(window, limits);
            while let Some(step) = sim.step() {
                watch.until(step.at);
                sim.notes().iter().for_each(|note| told(&mut watch, note, step.at));
            }
            watch.over()
        })
    }
}

/// What a note of a scenario says to who watches the desk.
pub(crate) fn told(watch: &mut Watch, note: &Note, now: Instant) {
    match note {
        Note::Gauge { busy, waiting, .. } => watch.changes(*busy, *waiting),
        Note::Finished { tone: Tone::Ok, since, .. } => watch.served(*since, now),
        Note::Finished { since, .. } => watch.turned_away(*since),
        _ => {}
    }
}

/// What is said at a counter of Rust actors.
#[derive(Clone, Hash, Serialize)]
pub(crate) enum Talk {
    Visit { rank: u32, came: Instant },
    Ended { rank: u32, came: Instant, ending: Ending },
}

/// What the door sees of a customer that comes back.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Back {
    pub(crate) rank: u32,
    pub(crate) came: Instant,
    pub(crate) ending: Ending,
}

impl Message for Talk {
    type Note = Back;
    type Shared = ();
    const KINDS: &'static [&'static str] = &["visit", "ended"];

    fn kind(&self) -> Kind {
        Kind(u16::from(matches!(self, Talk::Ended { .. })))
    }
}

impl Customer for Talk {
    fn rank(&self) -> Option<u32> {
        match self {
            Talk::Visit { rank, .. } => Some(*rank),
            Talk::Ended { .. } => None,
        }
    }

    fn answer(&self, ending: Ending) -> Option<Talk> {
        match self {
            Talk::Visit { rank, came } => Some(Talk::Ended { rank: *rank, came: *came, ending }),
            Talk::Ended { .. } => None,
        }
    }
}

const ARRIVAL: Purpose = Purpose::new("arrival");

/// Where customers of one rank come from: Poisson, until an instant.
#[derive(Clone, Serialize)]
struct Door {
    station: NodeId,
    rank: u32,
    class: sim_core::Class,
    gap: Dist,
    until: Instant,
    begun: u64,
}

impl Door {
    /// The next customer is drawn by its own number, so that no other shifts it.
    fn plan(&mut self, cx: &mut Context<'_, Talk>) {
        cx.begin(self.class, self.begun + 1);
        let gap = cx.draw(ARRIVAL, &self.gap);
        if cx.now() + gap < self.until {
            cx.set(Timer(0), gap);
        }
    }
}

impl Actor<Talk> for Door {
    fn handle(&mut self, event: Event<Talk>, cx: &mut Context<'_, Talk>) {
        match event {
            Event::Start(_) => self.plan(cx),
            Event::Timer(_) => {
                self.begun += 1;
                cx.begin(self.class, self.begun);
                cx.send(self.station, Talk::Visit { rank: self.rank, came: cx.now() });
                self.plan(cx);
            }
            Event::Message { msg: Talk::Ended { rank, came, ending }, .. } => cx.note(Back { rank, came, ending }),
            _ => {}
        }
    }
}

const STATION: NodeId = NodeId(0);
const DOORS: [&str; 2] = ["first", "second"];

/// A station, and a door for each rank through which so many come per second.
pub(crate) fn counter(station: Station<Talk>, rates: &[f64], until: Instant) -> System<Talk> {
    let mut system = System::new();
    system.node("station", station);
    for (rank, (rate, name)) in rates.iter().zip(DOORS).enumerate() {
        let gap = Dist::Exponential(Duration::from_nanos_f64(1e9 / rate));
        let class = system.class(name);
        system.node(name, Door { station: STATION, rank: rank as u32, class, gap, until, begun: 0 });
    }
    system
}

/// All replications of a station, each as seen of all customers, and then of those of each rank.
pub(crate) fn replicate(
    station: &Station<Talk>,
    rates: &[f64],
    window: Window,
    limits: &Limits,
) -> Vec<Vec<Replication>> {
    let prepared = counter(station.clone(), rates, window.to).prepare().expect("no faults");
    over_seeds(REPLICATIONS, |seed: Seed| {
        let mut sim = prepared.start(seed);
        let mut watches: Vec<Watch> = (0..=rates.len()).map(|_| Watch::new(window, limits)).collect();
        while let Some(step) = sim.step() {
            if step.node() == Some(STATION) {
                let station = sim.actor::<Station<Talk>>(STATION).expect("the station");
                watches[0].until(step.at);
                watches[0].is(station.busy(), station.waiting());
            }
            for Back { rank, came, ending } in sim.notes() {
                told_back(&mut watches[0], *came, *ending, step.at);
                told_back(&mut watches[*rank as usize + 1], *came, *ending, step.at);
            }
        }
        watches.into_iter().map(Watch::over).collect()
    })
}

fn told_back(watch: &mut Watch, came: Instant, ending: Ending, now: Instant) {
    match ending {
        Ending::Served { waited } => {
            watch.waited(came, waited);
            watch.worked(came, now.since(came + waited));
            watch.served(came, now);
        }
        Ending::TurnedAway => watch.turned_away(came),
        Ending::GaveUp { waited } => {
            watch.waited(came, waited);
            watch.gave_up(came);
        }
    }
}

/// A station with one door, of all customers.
pub(crate) fn replicate_one(station: &Station<Talk>, rate: f64, window: Window, limits: &Limits) -> Vec<Replication> {
    replicate(station, &[rate], window, limits).into_iter().map(|mut seen| seen.swap_remove(0)).collect()
}
