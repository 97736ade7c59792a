//! How many instructions does an event cost? A measure without noise, beside the times: it shows a regression that a busy machine
//! hides.
//!
//! The benchmark starts itself under valgrind (callgrind), runs each piece of work for a few and for many events, and divides the
//! difference. Where valgrind is missing it says so and ends. It fails when an event costs more than a tenth above what is
//! noted here; the figures belong to the compiler named in docs/performance.md.

use std::process::{Command, ExitCode};

use faultline_benches::peers::{Trace, peers, run};
use faultline_benches::{hops, plain::Plain, raft};
use sim_core::{Instant, Seed};

/// A piece of work, by its name: so many events of it.
type Work = (&'static str, fn(u64), u64);

/// With the instructions an event costs, as noted; 0 of what is only a yardstick.
const WORKS: &[Work] = &[
    ("plain loop, 2 nodes", |n| _ = Plain::new(2, 1).run(n), 0),
    ("message path, 2 nodes", |n| _ = run(&peers(2, false), n, Trace::Off), NOTED[0]),
    ("plain loop, 64 nodes", |n| _ = Plain::new(64, 1).run(n), 0),
    ("message path, 64 nodes", |n| _ = run(&peers(64, false), n, Trace::Off), NOTED[1]),
    ("the same, trace kept", |n| _ = run(&peers(64, false), n, Trace::Kept), NOTED[2]),
    ("PHOLD 1,024, heap", |n| _ = hops::heap(1_024, n), 0),
    ("PHOLD 1,024, queue", |n| _ = hops::wheel(1_024, n), NOTED[3]),
    ("PHOLD 1,024, through actors", |n| _ = hops::run(&hops::actors(1_024, 1_024), n), NOTED[4]),
    ("cluster, events", cluster, NOTED[5]),
    ("cluster, copies", copies, NOTED[6]),
];

/// Rust 1.95 on x86-64.
const NOTED: [u64; 7] = [831, 875, 1124, 302, 872, 935, 7402];

fn cluster(events: u64) {
    let mut sim = raft::cluster(true).start(Seed(1));
    (0..events).for_each(|_| _ = std::hint::black_box(sim.step()));
}

fn copies(copies: u64) {
    let mut sim = raft::cluster(true).start(Seed(1));
    while sim.step_before(Instant::from_nanos(10_000_000_000)).is_some() {}
    (0..copies).for_each(|_| _ = std::hint::black_box(sim.clone()));
}

/// All instructions of this program as it does so much of one work.
fn count(place: usize, amount: u64) -> Option<u64> {
    let program = std::env::current_exe().ok()?;
    let (place, amount) = (place.to_string(), amount.to_string());
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["--work", &place, &amount])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    let line = text.lines().find(|line| line.contains("Collected"))?;
    line.split_whitespace().last()?.parse().ok()
}

fn measure() -> ExitCode {
    const FEW: u64 = 10_000;
    const MANY: u64 = 60_000;
    let mut worse = false;
    println!("{:>32}  instructions   noted", "an event of");
    for (place, (name, _, noted)) in WORKS.iter().enumerate() {
        let (Some(few), Some(many)) = (count(place, FEW), count(place, MANY)) else {
            println!("instructions are counted by valgrind, which is not here; nothing was measured");
            return ExitCode::SUCCESS;
        };
        let each = (many - few) / (MANY - FEW);
        let is_worse = *noted > 0 && each > noted + noted / 10;
        worse |= is_worse;
        println!("{name:>32}  {each:>12}   {noted:>5}{}", if is_worse { "   MORE THAN A TENTH ABOVE" } else { "" });
    }
    if worse { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let number = |at: usize| args.get(at).and_then(|arg| arg.parse::<u64>().ok());
    match (args.get(1).map(String::as_str), number(2), number(3)) {
        (Some("--work"), Some(place), Some(amount)) => {
            WORKS[place as usize].1(amount);
            ExitCode::SUCCESS
        }
        _ => measure(),
    }
}
