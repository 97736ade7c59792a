//! What does it cost to look at a run of a million events: to draw it, to move in it, to let it go on, to open it?
//!
//! Frames stand beside the same cells written without any thought, the kept run beside the same run judged and not kept.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group};
use faultline_benches::{interleaved, rate};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use sim_core::{Seed, Stop};
use sim_models::builtin;
use sim_models::language::Choices;
use sim_models::scenario::Model;
use sim_tui::explore::headless::Headless;

const SIZES: [(u16, u16); 2] = [(160, 48), (80, 24)];
/// 1,105,303 events in all.
const ORDERS: &str = "90000";
/// Here 1,000,000 of them have happened, and the run is not over.
const LATE: &str = "8200s";
/// How long the terminal leaves an engine that goes flat out alone before it asks for what there is to show.
const SLICE: Duration = Duration::from_millis(33);
/// About what happens in 25 ms.
const EVENTS_OF_A_SLICE: u64 = 25_000;

/// The checkout at night, before anything has happened.
fn long(size: (u16, u16)) -> Headless {
    orders(size, ORDERS)
}

fn orders(size: (u16, u16), orders: &str) -> Headless {
    let story = builtin::story().expect("it is right");
    let mut explorer = Headless::open(size, Some(&story.scenario));
    explorer.press("space");
    for name in story.settings.keys() {
        explorer.command(&format!("set {name}={orders}"));
    }
    explorer
}

/// A run of a million events that could go on.
fn late(size: (u16, u16)) -> Headless {
    let mut explorer = long(size);
    explorer.command(&format!("goto {LATE}"));
    let edge = explorer.cursor().map_or(0, |(_, edge)| edge);
    assert!(edge >= 1_000_000, "only {edge} events");
    explorer
}

fn buffer((width, height): (u16, u16)) -> Buffer {
    Buffer::empty(Rect::new(0, 0, width, height))
}

fn settings(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(700));
}

/// What there is to see, and the keys from one to the next.
const VIEWS: [(&str, &str); 11] = [
    ("live, at the newest event", "2 G"),
    ("live, at a violation", "g a a a"),
    ("the same with help", "?"),
    ("the same with settings", "esc S"),
    ("spacetime, folded", "esc 3"),
    ("spacetime, following an operation", "enter"),
    ("spacetime, after a walk", "w w w"),
    ("spacetime, every event", "esc x"),
    ("spacetime, every event, with a cone", "c"),
    ("spacetime, the cone alone", "x"),
    ("spacetime, what is like one event", "esc #"),
];

fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame");
    settings(&mut group);
    for size in SIZES {
        let at = format!("{}x{}", size.0, size.1);
        let mut buffer = buffer(size);
        let line = "x".repeat(usize::from(size.0));
        group.bench_function(BenchmarkId::new("yardstick: every cell written once", &at), |b| {
            b.iter(|| {
                for y in 0..size.1 {
                    let style = Style::new().fg(Color::Indexed(y as u8 % 8));
                    buffer.set_stringn(0, y, black_box(&line), usize::from(size.0), style);
                }
            });
        });
        let mut frame = |name: &str, explorer: &Headless| {
            group.bench_function(BenchmarkId::new(name, &at), |b| {
                b.iter(|| {
                    buffer.reset();
                    explorer.draw_into(&mut buffer);
                });
            });
        };
        frame("scenarios", &Headless::open(size, None));
        let mut explorer = late(size);
        explorer.command("speed flat-out");
        explorer.press("space");
        explorer.wake(SLICE, EVENTS_OF_A_SLICE);
        frame("live, while it runs flat out", &explorer);
        explorer.press("space");
        for (name, keys) in VIEWS {
            explorer.press(keys);
            frame(name, &explorer);
        }
    }
    group.finish();
}

/// Keys that are pressed again and again, and those that bring back what they did.
const KEYS: [(&str, &str, &str); 12] = [
    ("j and k, live", "2", "j k"),
    ("l and h, live", "2", "l h"),
    ("j and k, spacetime, folded", "3", "j k"),
    ("l and h, spacetime, every event", "3 x", "l h"),
    ("ctrl-d and ctrl-u, every event", "3", "ctrl-d ctrl-u"),
    ("zoom in and out", "x 2", "+ -"),
    ("fold and unfold", "3", "x x"),
    ("next anomaly and back", "3", "a backspace"),
    ("follow and all", "3", "enter enter"),
    ("cone, all four", "3", "c c c c"),
    ("why, walked once, and back", "3", "w W"),
    ("tab and back", "2", "tab S-tab"),
];

fn keys(c: &mut Criterion) {
    let size = SIZES[0];
    let mut group = c.benchmark_group("key and frame");
    settings(&mut group);
    let mut buffer = buffer(size);
    let mut explorer = late(size);
    explorer.press("G A A A");
    for (name, first, keys) in KEYS {
        explorer.press(first);
        let count = keys.split_whitespace().count() as u64;
        group.throughput(Throughput::Elements(count));
        group.bench_function(name, |b| {
            b.iter(|| {
                for key in keys.split_whitespace() {
                    explorer.press(key);
                    buffer.reset();
                    explorer.draw_into(&mut buffer);
                }
            });
        });
    }
    group.throughput(Throughput::Elements(1));
    // Far apart and never where it was before, as somebody goes who jumps about.
    let mut place = 1_u64;
    let mut far = |explorer: &mut Headless, line: &str| {
        place = (place + 618_033) % 1_000_000;
        explorer.command(&line.replace('N', &place.to_string()));
        explorer.draw_into(&mut buffer);
    };
    for (name, screen) in [("to a new place, live", "2"), ("to a new place, spacetime", "3")] {
        explorer.press(screen);
        group.bench_function(name, |b| b.iter(|| far(&mut explorer, "goto #N")));
    }
    group.bench_function("to a new place, why, there", |b| {
        b.iter(|| {
            far(&mut explorer, "goto #N");
            explorer.press("w");
        });
    });
    explorer.press("g");
    let late = format!("find {}/80000", model().program().classes[0]);
    group.bench_function("search for what is last", |b| b.iter(|| explorer.command(&late)));
    group.finish();
}

/// What it costs to hand over what there is, however little has happened since.
fn slices(c: &mut Criterion) {
    let mut group = c.benchmark_group("slice");
    settings(&mut group);
    for (name, instant) in [("1 event, 100,000 before", "820s"), ("1 event, 1,000,000 before", LATE)] {
        let mut explorer = long(SIZES[0]);
        explorer.command(&format!("goto {instant}"));
        explorer.command("speed flat-out");
        explorer.press("space");
        group.bench_function(name, |b| b.iter(|| explorer.wake(SLICE, 1)));
    }
    group.finish();
}

fn openings(c: &mut Criterion) {
    let mut group = c.benchmark_group("open");
    settings(&mut group);
    group.bench_function("the list", |b| b.iter(|| Headless::open(SIZES[0], None).draw()));
    let story = builtin::story().expect("it is right").scenario;
    group.bench_function("a scenario", |b| b.iter(|| Headless::open(SIZES[0], Some(&story)).draw()));
    group.finish();
}

criterion_group!(benches, frames, keys, slices, openings);

fn model() -> Model {
    let story = builtin::story().expect("it is right");
    let scenario = builtin::scenario(&story.scenario).expect("it is built in").expect("it is right");
    let choices = story.settings.keys().fold(Choices::none(), |choices, name| choices.set(name, ORDERS));
    scenario.model(&choices).expect("it is right")
}

/// The run from end to end, in slices, as the explorer shows it; how many events.
fn explored(draw: bool) -> u64 {
    let mut explorer = long(SIZES[0]);
    explorer.command("speed flat-out");
    let mut buffer = buffer(SIZES[0]);
    // To the newest event, and from there to the end, whatever breaks.
    explorer.press("G");
    if !explorer.is_running() {
        explorer.press("G");
    }
    while explorer.is_running() {
        explorer.wake(SLICE, EVENTS_OF_A_SLICE);
        if draw {
            buffer.reset();
            explorer.draw_into(&mut buffer);
        }
    }
    let edge = explorer.cursor().map_or(0, |(_, edge)| edge);
    assert!(edge >= 1_000_000, "only {edge} events");
    edge
}

/// What keeping costs, from rounds in turn.
fn table() {
    let model = model();
    let plain = || black_box(model.run(Seed(0), Stop::AtEnd)).outcome.events;
    println!("\nflat out beside the same run judged and not kept: events per second, ratio (median, least, most)");
    println!("judged and not kept {:>10.0}/s", rate(&mut { plain }));
    for (name, draw) in [("kept, in slices", false), ("kept and drawn", true)] {
        let [median, least, most] = interleaved(7, plain, || explored(draw));
        println!("{name:<19} {:>10.0}/s  {median:.2}  ({least:.2} to {most:.2})", rate(&mut || explored(draw)));
    }
    let begin = Instant::now();
    let late = late(SIZES[0]);
    println!("a million events at once, opened and drawn: {:.2} s", begin.elapsed().as_secs_f64());
    println!("\nmoving in a million events of 90,000 orders");
    moves(late);
    println!("\nmoving in 122,760 events of 10,000 orders");
    let mut usual = orders(SIZES[0], "10000");
    usual.command("goto 3600s");
    moves(usual);
}

/// How long it takes to be elsewhere.
fn moves(mut explorer: Headless) {
    let edge = explorer.cursor().map_or(0, |(_, edge)| edge);
    let mut spread = |name: &str, press: &mut dyn FnMut(&mut Headless, u64)| {
        let mut times: Vec<f64> = (0..100)
            .map(|round| {
                let begin = Instant::now();
                press(&mut explorer, round);
                black_box(explorer.draw());
                begin.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("{name:<34} median {:.2} ms, 95 % {:.2} ms, longest {:.2} ms", times[50], times[95], times[99]);
    };
    spread("to a new place", &mut |it, round| it.command(&format!("goto #{}", (round + 1) * 618_033 % edge)));
    spread("back one event after that", &mut |it, _| it.press("h"));
    spread("back one row after that", &mut |it, _| it.press("k"));
}

fn main() {
    benches();
    table();
    Criterion::default().configure_from_args().final_summary();
}
