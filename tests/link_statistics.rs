//! The physics of links against closed forms: each figure lies in a 99.9 % interval that is narrow.
//!
//! What takes long is ignored and says so: `cargo test --release --test link_statistics -- --ignored`.

use faultline_tests::closed_forms::confirm;
use faultline_tests::replications::{Figure, check};
use serde::Serialize;
use sim_core::{
    Actor, Bandwidth, Context, Dist, Duration, Event, Happening, Instant, Kind, Link, Message, NodeId, Purpose, Ratio,
    Seed, Sim, Stream, System, Timer, Transport,
};

const A: NodeId = NodeId(0);
const B: NodeId = NodeId(1);
/// Relative half-width of an interval, at most.
const WIDTH: f64 = 0.02;
const REPLICATIONS: u64 = 30;

/// A frame by number, or the answer to one.
#[derive(Clone, Copy, Debug, Hash, Serialize)]
enum Parcel {
    Frame(u32),
    Ack(u32),
}

impl Message for Parcel {
    type Note = ();
    type Shared = ();
    const KINDS: &'static [&'static str] = &["frame", "ack"];
    fn kind(&self) -> Kind {
        Kind(matches!(self, Parcel::Ack(_)).into())
    }
}

type Cx<'a> = Context<'a, Parcel>;

/// Sends so many frames to `b`, one after each gap.
#[derive(Clone, Serialize)]
struct Source {
    gap: Dist,
    left: u32,
    sent: u32,
    /// How many were reset.
    reset: u32,
}

impl Source {
    fn new(gap: Dist, left: u32) -> Self {
        Source { gap, left, sent: 0, reset: 0 }
    }
}

impl Actor<Parcel> for Source {
    fn handle(&mut self, event: Event<Parcel>, cx: &mut Cx<'_>) {
        match event {
            Event::Timer(_) => {
                cx.send(B, Parcel::Frame(self.sent));
                self.sent += 1;
            }
            Event::Start(_) => {}
            Event::Reset { .. } => return self.reset += 1,
            Event::Message { .. } | Event::Synced(..) | Event::Refused { .. } | Event::Stop { .. } => return,
        }
        if self.sent < self.left {
            let gap = cx.draw(Purpose::new("gap"), &self.gap);
            cx.set(Timer(0), gap);
        }
    }
}

/// Keeps what came and when; answers when it is to.
#[derive(Clone, Default, Serialize)]
struct Sink {
    heard: Vec<(u32, u64)>,
    answers: bool,
    in_order_only: bool,
    next: u32,
}

impl Actor<Parcel> for Sink {
    fn handle(&mut self, event: Event<Parcel>, cx: &mut Cx<'_>) {
        let Event::Message { from, msg: Parcel::Frame(number) } = event else { return };
        if self.in_order_only && number != self.next {
            return;
        }
        self.next = number + 1;
        self.heard.push((number, cx.now().nanos()));
        if self.answers {
            cx.send(from, Parcel::Ack(number));
        }
    }
}

fn system(
    source: impl Actor<Parcel> + Clone + Serialize + Send + Sync + 'static,
    sink: Sink,
    link: Link,
) -> System<Parcel> {
    let mut system = System::new();
    system.node("a", source);
    system.node("b", sink);
    system.link(A, B, link);
    system
}

fn ended(system: &System<Parcel>, seed: u64) -> Sim<Parcel> {
    let mut sim = system.start(Seed(seed)).expect("a system that starts");
    while sim.step().is_some() {}
    sim
}

fn heard(sim: &Sim<Parcel>) -> &[(u32, u64)] {
    &sim.actor::<Sink>(B).expect("a sink").heard
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn ratio(share: f64) -> Ratio {
    Ratio::new((share * 1e9).round() as u64, 1_000_000_000).expect("a share")
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    sum / n
}

// ── Latency ──

/// A length in milliseconds, and the share of frames that take longer.
type Tail = (f64, f64);

#[test]
fn latencies_have_the_quantiles_of_their_distribution() {
    const FRAMES: u32 = 20_000;
    let percent = |n| Ratio::new(n, 100).unwrap();
    let z90 = 1.281_551_565_544_600_4;
    let cases: [(&str, Dist, &[Tail]); 6] = [
        ("uniform", Dist::uniform(ms(20), ms(120)).unwrap(), &[(70.0, 0.5), (110.0, 0.1)]),
        ("exponential", Dist::Exponential(ms(100)), &[(69.314_718, 0.5), (230.258_509, 0.1), (460.517_019, 0.01)]),
        ("lognormal", Dist::log_normal(ms(300), 0.8).unwrap(), &[(300.0, 0.5), (300.0 * libm::exp(0.8 * z90), 0.1)]),
        (
            "pareto",
            Dist::pareto(ms(100), 3.0).unwrap(),
            &[(100.0 * libm::cbrt(2.0), 0.5), (100.0 * libm::cbrt(10.0), 0.1)],
        ),
        (
            "table",
            Dist::table(vec![(percent(50), ms(10)), (percent(90), ms(50)), (percent(100), ms(250))]).unwrap(),
            &[(30.0, 0.3)],
        ),
        (
            "mix",
            Dist::mix(vec![
                (percent(80), Dist::uniform(ms(10), ms(20)).unwrap()),
                (percent(20), Dist::uniform(ms(100), ms(200)).unwrap()),
            ])
            .unwrap(),
            &[(15.0, 0.6), (150.0, 0.1)],
        ),
    ];
    let mut figures = Vec::new();
    for (name, dist, quantiles) in cases {
        let took: Vec<Vec<f64>> = (0..REPLICATIONS)
            .map(|seed| {
                let link = Link::with_latency(dist.clone());
                let sim = ended(&system(Source::new(Dist::Constant(ms(1)), FRAMES), Sink::default(), link), seed);
                heard(&sim).iter().map(|(number, at)| *at as f64 / 1e6 - f64::from(number + 1)).collect()
            })
            .collect();
        for (quantile, beyond) in quantiles {
            let share =
                |took: &Vec<f64>, limit: f64| took.iter().filter(|ms| **ms > limit).count() as f64 / took.len() as f64;
            let shares: Vec<[f64; 3]> =
                took.iter().map(|took| [1.0 - WIDTH, 1.0, 1.0 + WIDTH].map(|by| share(took, by * quantile))).collect();
            let name = format!("{name}, exceeded by {:.1} %", 100.0 * beyond);
            figures.push(Figure::quantile(name, &shares, (*quantile, *beyond), WIDTH));
        }
    }
    check("latency", &figures);
}

// ── Bursts ──

/// Sampled each 10 ms, Gilbert's chain in continuous time is one of two states; see `sim-core/src/burst.rs`.
#[test]
fn bursts_lose_the_share_and_have_the_length_of_gilberts_chain() {
    let (bad, good, step) = (20.0, 180.0, 10.0);
    let memory = libm::exp(-(1.0 / bad + 1.0 / good) * step);
    let back = good / (bad + good) * (1.0 - memory);
    let (mut shares, mut lengths) = (Vec::new(), Vec::new());
    for seed in 0..REPLICATIONS {
        let mut system = system(Source::new(Dist::Constant(ms(10)), 100_000), Sink::default(), Link::default());
        system.fault("burst-loss a->b 100% bad ~20ms good ~180ms".parse().unwrap());
        let sim = ended(&system, seed);
        let mut lost = vec![true; 100_000];
        heard(&sim).iter().for_each(|(number, _)| lost[*number as usize] = false);
        shares.push(lost.iter().filter(|lost| **lost).count() as f64 / 1e5);
        lengths.push(mean(lost.chunk_by(|a, b| a == b).filter(|run| run[0]).map(|run| run.len() as f64)));
    }
    let figures = [
        Figure::new("share lost", shares, bad / (bad + good), WIDTH),
        Figure::new("lost in a row", lengths, 1.0 / back, WIDTH),
    ];
    check("bursts", &figures);
}

// ── Faults that come again ──

/// Gaps and lengths are exponential: both means, and the share of gaps beyond the mean, which is 1/e.
#[test]
fn faults_that_come_about_every_so_often_are_a_poisson_process() {
    let (mut gaps, mut lengths, mut beyond) = (Vec::new(), Vec::new(), Vec::new());
    for seed in 0..REPLICATIONS {
        let mut system = system(Source::new(Dist::ZERO, 0), Sink::default(), Link::default());
        system.fault("0s..70000s crash b every ~10s for ~1s".parse().unwrap());
        let mut sim = system.start(Seed(seed)).unwrap();
        let (mut since, mut all, mut held) = (Instant::ZERO, Vec::new(), Vec::new());
        while let Some(step) = sim.step() {
            let to = match step.what {
                Happening::FaultBegan { .. } => &mut all,
                Happening::FaultEnded { .. } => &mut held,
                _ => continue,
            };
            to.push(step.at.since(since).as_secs_f64());
            since = step.at;
        }
        // The first six thousand: to stop at an instant would prefer short ones.
        let (all, held) = (&all[..6_000], &held[..6_000]);
        gaps.push(mean(all.iter().copied()));
        lengths.push(mean(held.iter().copied()));
        beyond.push(all.iter().filter(|gap| **gap > 10.0).count() as f64 / all.len() as f64);
    }
    let figures = [
        Figure::new("gap", gaps, 10.0, WIDTH),
        Figure::new("length", lengths, 1.0, WIDTH),
        Figure::new("gaps beyond their mean", beyond, libm::exp(-1.0), WIDTH),
    ];
    check("crashes", &figures);
}

// ── Lines ──

/// M/D/1/B: load, room (the one in service included), and the share that is blocked.
const BLOCKING: [(f64, usize, f64); 6] = [
    (0.5, 2, 0.09627447624478791),
    (0.8, 5, 0.03529039643618077),
    (0.9, 5, 0.06436189718550277),
    (0.9, 10, 0.01663174782894645),
    (0.95, 20, 0.008068649642799679),
    (1.1, 10, 0.10683005111786945),
];

/// The share that finds no room in M/D/1/B, by the chain embedded at departures: π of those left behind, scaled by 1 / (π₀ + ρ)
/// (Gross and Harris, Fundamentals of Queueing Theory, section 5.1.8).
fn blocked(load: f64, room: usize) -> f64 {
    // Arrivals in one service, and the chain from bottom to top: each departure leaves one fewer and those that came.
    let mut came = vec![libm::exp(-load)];
    for n in 1..room {
        came.push(came[n - 1] * load / n as f64);
    }
    let mut left = vec![1.0];
    for n in 0..room - 1 {
        let below: f64 = (1..=n).map(|from| left[from] * came[n - from + 1]).sum();
        left.push((left[n] - left[0] * came[n] - below) / came[0]);
    }
    let nobody = 1.0 / left.iter().sum::<f64>();
    1.0 - 1.0 / (nobody + load)
}

fn dropped(load: f64, room: usize, frames: u32) -> Figure {
    let gap = Dist::Exponential(Duration::from_nanos_f64(1e9 / load));
    let queue = u32::try_from(room).unwrap() - 1;
    let link = Link { bandwidth: Bandwidth::new(1_000), size: 1_000, queue: Some(queue), ..Link::default() };
    let system = system(Source::new(gap, frames), Sink::default(), link);
    let shares = (0..REPLICATIONS).map(|seed| 1.0 - heard(&ended(&system, seed)).len() as f64 / f64::from(frames));
    Figure::new(format!("load {load}, room {room}"), shares.collect(), blocked(load, room), WIDTH)
}

#[test]
fn a_full_line_drops_as_m_d_1_b_blocks() {
    for (load, room, figure) in BLOCKING {
        confirm(&format!("load {load}, room {room}"), blocked(load, room), figure);
    }
    check("M/D/1/B", &[dropped(0.5, 2, 40_000), dropped(1.1, 10, 150_000)]);
}

#[test]
#[ignore = "two hundred million frames"]
fn long_a_full_line_drops_as_m_d_1_b_blocks() {
    let frames = [50_000, 300_000, 300_000, 1_500_000, 7_000_000, 400_000];
    let figures: Vec<Figure> =
        BLOCKING.iter().zip(frames).map(|((load, room, _), frames)| dropped(*load, *room, frames)).collect();
    check("M/D/1/B", &figures);
}

/// Keeps so many frames on their way.
#[derive(Clone, Serialize)]
struct Windowed {
    window: u32,
    sent: u32,
    acked: u32,
}

impl Actor<Parcel> for Windowed {
    fn handle(&mut self, event: Event<Parcel>, cx: &mut Cx<'_>) {
        self.acked += u32::from(matches!(event, Event::Message { .. }));
        while self.sent < self.acked + self.window {
            cx.send(B, Parcel::Frame(self.sent));
            self.sent += 1;
        }
    }
}

/// Bytes per second that come through in the second ten seconds, with half of the round trip each way.
fn throughput(bandwidth: Option<u64>, round_trip: Duration, window: u32, size: u32) -> f64 {
    let way = Dist::Constant(Duration::from_nanos(round_trip.nanos() / 2));
    let link = Link { bandwidth: bandwidth.and_then(Bandwidth::new), size, ..Link::with_latency(way.clone()) };
    let sink = Sink { answers: true, ..Sink::default() };
    let mut system = system(Windowed { window, sent: 0, acked: 0 }, sink, link);
    system.link(B, A, Link::with_latency(way));
    let mut sim = system.start(Seed(1)).unwrap();
    while sim.step_before("20s".parse().unwrap()).is_some() {}
    let late = heard(&sim).iter().filter(|(_, at)| *at >= 10_000_000_000).count();
    late as f64 * f64::from(size) / 10.0
}

#[test]
fn a_window_of_bandwidth_times_delay_fills_a_link_and_half_of_it_fills_half() {
    // 1 Gb/s at 100 ms and at 70 ms, 10 Gb/s at 40 ms; frames of a thousandth of the product, and one more for the one that is
    // being sent.
    for (bandwidth, round_trip, product) in
        [(125_000_000u64, 100, 12_500_000u32), (125_000_000, 70, 8_750_000), (1_250_000_000, 40, 50_000_000)]
    {
        assert_eq!(bandwidth * round_trip / 1_000, u64::from(product));
        let through = |window| throughput(Some(bandwidth), ms(round_trip), window, product / 1_000) / bandwidth as f64;
        let exactly = |share: f64, expected: f64| assert!((share - expected).abs() < 2e-3, "{share}, not {expected}");
        exactly(through(1_001), 1.0);
        exactly(through(3_000), 1.0);
        exactly(through(500), 500.0 / 1_001.0);
    }
    // 64 KiB at 100 ms, whatever the link carries.
    let bits = 8.0 * throughput(None, ms(100), 64, 1_024);
    assert!((bits - 5_242_880.0).abs() < 1.0, "{bits}");
}

// ── Automatic repeat request ──

/// A frame takes 1 ms to send and 10 ms to arrive: a = 10.
const FRAME: u64 = 1;
const ROUND: u64 = 21;

/// What a sender does about a frame that was not answered within a round.
#[derive(Clone, Copy, PartialEq, Serialize)]
enum Repeat {
    GoBack,
    Selective,
}

/// Sends a frame each millisecond, as far as so many may be unanswered.
#[derive(Clone, Serialize)]
struct Repeater {
    how: Repeat,
    window: usize,
    ticks: u32,
    tick: u32,
    next: u32,
    /// Frames that are not answered yet, and when they were last sent, in the order in which they were.
    open: std::collections::VecDeque<(u32, u32)>,
}

impl Actor<Parcel> for Repeater {
    fn handle(&mut self, event: Event<Parcel>, cx: &mut Cx<'_>) {
        match event {
            Event::Start(_) | Event::Timer(_) => {}
            Event::Message { msg: Parcel::Ack(number), .. } => return self.open.retain(|(open, _)| *open != number),
            _ => return,
        }
        let late = self.open.front().copied().filter(|(_, sent)| self.tick - sent >= ROUND as u32);
        let frame = match (late, self.how) {
            (Some((number, _)), Repeat::Selective) => {
                self.open.pop_front();
                Some(number)
            }
            (Some((number, _)), Repeat::GoBack) => {
                self.open.clear();
                self.next = number + 1;
                Some(number)
            }
            (None, _) if self.open.len() < self.window => {
                self.next += 1;
                Some(self.next - 1)
            }
            (None, _) => None,
        };
        if let Some(number) = frame {
            self.open.push_back((number, self.tick));
            cx.send(B, Parcel::Frame(number));
        }
        self.tick += 1;
        if self.tick < self.ticks {
            cx.set(Timer(0), ms(FRAME));
        }
    }
}

/// The share of a link that frames use which had not been there before, by replication.
fn used(how: Repeat, window: usize, loss: f64, ticks: u32) -> Vec<f64> {
    let link = Link {
        bandwidth: Bandwidth::new(1_000_000),
        size: 1_000,
        loss: ratio(loss),
        ..Link::with_latency(Dist::Constant(ms(10)))
    };
    let sink = Sink { answers: true, in_order_only: how == Repeat::GoBack, ..Sink::default() };
    let repeater = Repeater { how, window, ticks, tick: 0, next: 0, open: std::collections::VecDeque::new() };
    let mut system = system(repeater, sink, link);
    system.link(B, A, Link::with_latency(Dist::Constant(ms(10))));
    let use_of = (0..REPLICATIONS).map(|seed| {
        let sim = ended(&system, seed);
        let new: std::collections::BTreeSet<u32> = heard(&sim).iter().map(|(number, _)| *number).collect();
        new.len() as f64 / f64::from(ticks)
    });
    use_of.collect()
}

#[test]
fn repeat_requests_use_a_link_as_the_textbook_says() {
    let a = 10.0;
    let mut figures = Vec::new();
    for (how, window, share) in [
        (Repeat::Selective, 1, 1.0 / 21.0),
        (Repeat::Selective, 7, 1.0 / 3.0),
        (Repeat::Selective, 21, 1.0),
        (Repeat::GoBack, 21, 1.0),
    ] {
        confirm("without loss", used(how, window, 0.0, 2_100)[0], share);
    }
    let figure = |how, window, loss, ticks, truth| {
        let name = match how {
            Repeat::GoBack => "go back",
            Repeat::Selective => "selective",
        };
        Figure::new(format!("{name}, window {window}, loss {loss}"), used(how, window, loss, ticks), truth, WIDTH)
    };
    let table = [(0.01, [0.047142857142857146, 0.33, 0.99, 0.825]), (0.1, [0.04285714285714286, 0.3, 0.9, 0.3])];
    for (loss, [one, seven, whole, back]) in table {
        confirm("stop and wait", (1.0 - loss) / (1.0 + 2.0 * a), one);
        confirm("a window of seven", 7.0 * (1.0 - loss) / (1.0 + 2.0 * a), seven);
        confirm("a whole window", 1.0 - loss, whole);
        confirm("go back", (1.0 - loss) / (1.0 + 2.0 * a * loss), back);
        // Stop and wait is a window of one.
        figures.push(figure(Repeat::Selective, 1, loss, 42_000, one));
        figures.push(figure(Repeat::Selective, 7, loss, 21_000, seven));
        figures.push(figure(Repeat::Selective, 21, loss, 21_000, whole));
        figures.push(figure(Repeat::GoBack, 21, loss, 42_000, back));
    }
    check("a = 10", &figures);
}

// ── Retransmission ──

/// Frames over a stream with this loss, so far apart that none waits for another: how many seconds each took, of those that
/// arrived, and how many were given up.
fn over_a_stream(loss: f64, stream: Stream, frames: u32, seed: u64) -> (Vec<u32>, u32) {
    let link = Link { loss: ratio(loss), transport: Transport::Stream(stream), ..Link::default() };
    let gap = Duration::from_secs(2_000);
    let sim = ended(&system(Source::new(Dist::Constant(gap), frames), Sink::default(), link), seed);
    let extra = |&(number, at): &(u32, u64)| ((at - u64::from(number + 1) * gap.nanos()) / 1_000_000_000) as u32;
    (heard(&sim).iter().map(extra).collect(), sim.actor::<Source>(A).unwrap().reset)
}

const SECOND: Duration = Duration::from_secs(1);

/// A wait that stays: the seconds that a frame took are its retransmissions.
const STEADY: Stream = Stream { retransmit: SECOND, max: SECOND, tries: 1_000 };
/// A wait that doubles up to a minute, eight times.
const DOUBLING: Stream = Stream { retransmit: SECOND, max: Duration::from_secs(60), tries: 8 };

fn steady(loss: f64, frames: u32, more_than_three: bool) -> Vec<Figure> {
    let all: Vec<Vec<u32>> = (0..REPLICATIONS).map(|seed| over_a_stream(loss, STEADY, frames, seed).0).collect();
    let of = |figure: &dyn Fn(&[u32]) -> f64| all.iter().map(|extra| figure(extra)).collect::<Vec<f64>>();
    let middle = |extra: &[u32]| mean(extra.iter().map(|it| f64::from(*it)));
    let truth = loss / (1.0 - loss);
    let mut figures = vec![
        Figure::new(format!("transmissions at {loss}"), of(&|extra| 1.0 + middle(extra)), 1.0 / (1.0 - loss), WIDTH),
        Figure::new(format!("extra seconds at {loss}"), of(&middle), truth, WIDTH),
        Figure::new(
            format!("their variance at {loss}"),
            of(&|extra| mean(extra.iter().map(|it| (f64::from(*it) - truth) * (f64::from(*it) - truth)))),
            loss / ((1.0 - loss) * (1.0 - loss)),
            WIDTH,
        ),
    ];
    if more_than_three {
        let share = |extra: &[u32]| mean(extra.iter().map(|it| f64::from(u8::from(*it > 2))));
        figures.push(Figure::new(format!("more than three at {loss}"), of(&share), loss * loss * loss, WIDTH));
    }
    figures
}

/// Loss; how often a frame is sent on average, the variance of that, the share sent more than three times, and what
/// waits add that stay and that double for ever (Bertsekas and Gallager, Data Networks, section 2.4: the geometric law).
const GEOMETRIC: [(f64, [f64; 5]); 3] = [
    (0.01, [1.0101010101010102, 0.010203040506070809, 1e-6, 0.010101010101010102, 0.01020408163265306]),
    (0.1, [1.1111111111111112, 0.12345679012345678, 0.001, 0.1111111111111111, 0.125]),
    (0.3, [1.4285714285714286, 0.6122448979591837, 0.027, 0.42857142857142855, 0.75]),
];

#[test]
fn the_figures_of_retransmission_are_those_of_the_geometric_law() {
    for (loss, [sent, variance, more_than_three, steady, doubling]) in GEOMETRIC {
        let law = || (1..=500).map(|n| (f64::from(n), (1.0 - loss) * libm::pow(loss, f64::from(n - 1))));
        let mean = |of: &dyn Fn(f64) -> f64| law().map(|(n, chance)| chance * of(n)).sum::<f64>();
        confirm("sent", mean(&|n| n), sent);
        confirm("variance", mean(&|n| (n - sent) * (n - sent)), variance);
        confirm("more than three", mean(&|n| f64::from(u8::from(n > 3.0))), more_than_three);
        confirm("a wait that stays", mean(&|n| n - 1.0), steady);
        confirm("a wait that doubles", mean(&|n| libm::exp2(n - 1.0) - 1.0), doubling);
    }
    // 99 of 100 are sent at most so often. At 0.1 that is exactly the share of those that are sent at most twice.
    let share = |loss: f64, times| 1.0 - libm::pow(loss, times);
    assert!(share(0.01, 1.0) >= 0.99 && share(0.3, 3.0) < 0.99 && share(0.3, 4.0) >= 0.99);
    confirm("at most twice", share(0.1, 2.0), 0.99);
}

/// The mean of what doubling up to the cap adds to those that arrive, and the share that is given up.
fn doubled(loss: f64) -> (f64, f64) {
    let (mut extra, mut wait, mut chance, mut sum, mut all) = (0.0, 1.0, 1.0 - loss, 0.0, 0.0);
    for _ in 0..=DOUBLING.tries {
        sum += chance * extra;
        all += chance;
        chance *= loss;
        extra += wait;
        wait = f64::min(2.0 * wait, 60.0);
    }
    // What is left after the last try, without the rounding of one less all others.
    (sum / all, chance / (1.0 - loss))
}

fn doubling(loss: f64, frames: u32, width: f64) -> Figure {
    let extra = |seed| mean(over_a_stream(loss, DOUBLING, frames, seed).0.iter().map(|it| f64::from(*it)));
    Figure::new(format!("doubling at {loss}"), (0..REPLICATIONS).map(extra).collect(), doubled(loss).0, width)
}

#[test]
fn a_stream_sends_again_as_often_as_is_lost() {
    check("retransmission", &steady(0.1, 40_000, false));
    check("retransmission", &steady(0.3, 150_000, true));
}

#[test]
fn a_wait_that_doubles_up_to_its_cap_adds_what_the_series_says() {
    confirm("at 0.01", doubled(0.01).0, 0.010204081632605817);
    confirm("at 0.1", doubled(0.1).0, 0.12499841712499841);
    confirm("at 0.3", doubled(0.3).0, 0.728478949651166);
    // Without a cap and for ever: p / (1 - 2p); eight times at 0.1 are as good as that.
    assert!((doubled(0.1).0 - 0.1 / 0.8).abs() < 2e-6 && (doubled(0.01).0 - 0.01 / 0.98).abs() < 1e-12);
    check("doubling", &[doubling(0.1, 40_000, WIDTH), doubling(0.3, 30_000, 0.03)]);
}

#[test]
fn a_stream_gives_up_as_often_as_all_its_tries_are_lost() {
    confirm("at 0.01", doubled(0.01).1, 1e-18);
    confirm("at 0.1", doubled(0.1).1, 1e-9);
    confirm("at 0.3", doubled(0.3).1, 1.9683e-5);
    // At 0.3 one in fifty thousand is given up; at 0.7 one in twenty-five, by the same law.
    let share = |seed| f64::from(over_a_stream(0.7, DOUBLING, 50_000, seed).1) / 50_000.0;
    check("giving up", &[Figure::new("at 0.7", (0..REPLICATIONS).map(share).collect(), 0.7f64.powi(9), 0.03)]);
}

#[test]
#[ignore = "a hundred million frames"]
fn long_a_stream_sends_again_as_often_as_is_lost() {
    check("retransmission", &steady(0.01, 600_000, false));
    check("retransmission", &steady(0.1, 2_400_000, true));
    check("doubling", &[doubling(0.01, 600_000, WIDTH)]);
    let share = |seed| f64::from(over_a_stream(0.5, DOUBLING, 1_500_000, seed).1) / 1_500_000.0;
    check("giving up", &[Figure::new("at 0.5", (0..REPLICATIONS).map(share).collect(), 0.5f64.powi(9), 0.03)]);
}
