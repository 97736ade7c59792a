//! What may stand on the command line, as types: what got through here is well formed.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use sim_core::{Duration, Ratio, Seed};
use sim_models::stats::Confidence;

use crate::seeds::{Seeds, Shard};

/// Runs a whole distributed system inside one thread, breaks it on purpose, and gives the same run back from a seed.
#[derive(Debug, Parser)]
#[command(name = "faultline", version, arg_required_else_help = false)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// The commands, in the order in which help lists them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tells the 2 AM checkout from hunt to remedy, as text.
    Demo(Workers),
    /// Opens the terminal explorer.
    Explore {
        /// A scenario, a scenario file or a case file.
        #[arg(value_name = "SCENARIO or CASE")]
        what: Option<String>,
        /// Draws with ASCII only; so it does by itself where the locale has no UTF-8.
        #[arg(long)]
        ascii: bool,
        /// Writes down what happens to it, line by line, for a report.
        #[arg(long, value_name = "FILE")]
        record: Option<String>,
    },
    /// The keys of the explorer, and the names by which they can be typed after a colon.
    Keys(Output),
    /// Runs a scenario once: verdicts, rates, durations, metrics.
    Run(RunArgs),
    /// Runs a scenario with many seeds: the distinct failures, each with a case file.
    Hunt(HuntArgs),
    /// Puts together what hunts of shards printed: what one machine would have printed for all of them.
    Merge(MergeArgs),
    /// Runs a case again and says whether it comes out the same.
    Replay(ReplayArgs),
    /// Makes a failing case as small as it can be while it fails in the same way.
    Shrink(ShrinkArgs),
    /// Says why a case fails: what happened, who believed what, what was needed, what cures it.
    Explain(ExplainArgs),
    /// Runs several configurations on the same seeds: what differs, what it costs, how sure that is.
    Compare(CompareArgs),
    /// Runs a scenario with a setting over a range: how its metrics follow, and where they cross a line or turn.
    Sweep(SweepArgs),
    /// Measures whether a scenario and its remedies do what their file says of them.
    Verify(VerifyArgs),
    /// Runs scenarios under each kind of trouble there is: which it stands, which breaks it, which does not even touch it.
    Matrix(MatrixArgs),
    /// Works out the availability of an expression, exactly: nines, downtime, what matters most, what one more would give.
    Avail(AvailArgs),
    /// Lists the built-in scenarios.
    List(Output),
    /// Shows what a scenario is about: its settings, remedies, properties and metrics.
    Show(ShowArgs),
    /// Writes a small scenario file to begin with.
    New {
        /// The scenario's name; the file is NAME.json.
        name: String,
    },
    /// Checks scenario and case files without running them.
    Validate {
        /// Files, or names of built-in scenarios.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Prints the JSON Schema of scenario files, for editors.
    Schema,
    /// Lists the faults that can be written, with an example of each, or tells all about one.
    Faults {
        /// The fault, such as clog; all of them when absent.
        kind: Option<String>,
        /// Prints the whole reference as Markdown.
        #[arg(long, conflicts_with_all = ["kind", "json"])]
        markdown: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Lists the resilience policies of well-known libraries, or tells all about those of one.
    Policies {
        /// The library, such as resilience4j; all of them when absent.
        name: Option<String>,
        /// Prints the whole reference as Markdown.
        #[arg(long, conflicts_with_all = ["name", "json"])]
        markdown: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Prints completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Prints the manual page of the program or of one command.
    Man {
        /// The command; the program itself when absent.
        command: Option<String>,
    },
}

/// How the answer is printed.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Output {
    /// Prints one JSON document and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How many threads there may be.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Workers {
    /// Worker threads of a hunt, one run each at a time; all cores by default, four for each core at most. The result is the same
    /// with any number.
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = jobs)]
    pub(crate) jobs: Option<NonZeroUsize>,
}

/// A scenario, and what is to be otherwise than its file says.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct What {
    /// A built-in scenario (see `list`) or a scenario file.
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: String,
    /// Turns a knob of the scenario, such as timeout=2s; `show` lists them.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// Applies a remedy or a variant that the scenario offers.
    #[arg(long, value_name = "NAME")]
    pub(crate) remedy: Vec<String>,
    /// Adds a fault, such as "1s..4s partition shop | gateway"; `faults` lists them.
    #[arg(long, value_name = "FAULT")]
    pub(crate) fault: Vec<String>,
    /// Adds faults drawn from the seed, inside what the scenario tolerates: as its nemesis says, or of every kind.
    #[arg(long)]
    pub(crate) nemesis: bool,
    /// Ends the run there, such as 30s.
    #[arg(long, value_name = "DURATION")]
    pub(crate) until: Option<Duration>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) what: What,
    /// The seed that the whole run follows from, decimal or after 0x hexadecimal.
    #[arg(long, value_name = "SEED", default_value = "0")]
    pub(crate) seed: Seed,
    /// Prints one line per event: number, time, node, what happened, the operation it was done for.
    #[arg(long)]
    pub(crate) trace: bool,
    /// Runs it once more in the same process, after something else, and compares the two event by event.
    #[arg(long)]
    pub(crate) check_determinism: bool,
    /// Leaves requests that were to begin earlier out of the estimates, such as 10s; they are counted apart.
    #[arg(long, value_name = "DURATION")]
    pub(crate) warmup: Option<Duration>,
    #[command(flatten)]
    pub(crate) rare: RareArgs,
    #[command(flatten)]
    pub(crate) pictures: Pictures,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) workers: Workers,
}

/// How well something rare is to be known.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Precisely {
    /// Of --rare: goes on until half the 95 % interval is such a share of the value.
    #[arg(long, value_name = "SHARE", default_value = "10%", allow_hyphen_values = true, value_parser = precision, requires = "rare")]
    pub(crate) precision: f64,
    /// Of --rare: the most events; what is known then is told.
    #[arg(long, value_name = "N", default_value_t = Precisely::USUAL.events, allow_hyphen_values = true,
        value_parser = clap::value_parser!(u64).range(1..), requires = "rare")]
    pub(crate) events: u64,
}

impl Precisely {
    /// What is so unless it is said otherwise.
    pub(crate) const USUAL: Precisely = Precisely { precision: 0.1, events: 1_000_000_000 };
}

/// A property that hardly ever breaks.
#[derive(Clone, Debug, Args)]
pub(crate) struct RareArgs {
    /// Instead of one run: estimates how probable it is that this property breaks in a run, however seldom that is, by forking the
    /// runs that come near it.
    #[arg(id = "rare", long = "rare", value_name = "PROPERTY",
        conflicts_with_all = ["trace", "check_determinism", "warmup", "plot", "html", "svg"])]
    pub(crate) property: Option<String>,
    /// How near a run is: a formula about the run that rises before the property breaks, such as db.waiting or orders.in_flight.
    /// [default: of what nodes and calls count, what leads there best]
    #[arg(long, value_name = "FORMULA", allow_hyphen_values = true, requires = "rare")]
    pub(crate) level: Option<String>,
    /// Of --rare: runs from each level in each replication. [default: 200, of long runs fewer, down to 10, so that half of
    /// --events is enough for thirty replications]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = clap::value_parser!(u32).range(1..=1_000_000), requires = "rare")]
    pub(crate) runs: Option<u32>,
    #[command(flatten)]
    pub(crate) precisely: Precisely,
}

/// What is rare about an expression.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct RareAvailArgs {
    /// Instead of waiting for it: estimates how often the whole is down, and whether it is at some time of --simulate, however
    /// seldom that is, by making things fail more often and weighting what is seen.
    #[arg(id = "rare", long = "rare", requires = "simulate", conflicts_with_all = ["at", "slo", "chain", "tries", "lab"])]
    pub(crate) is_asked: bool,
    #[command(flatten)]
    pub(crate) precisely: Precisely,
    #[command(flatten)]
    pub(crate) workers: Workers,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct HuntArgs {
    #[command(flatten)]
    pub(crate) what: What,
    /// The seeds: N is 0..N, A..B leaves B out, and A.. goes on for as long as --for says. [default: 100]
    #[arg(long, value_name = "N or A..B")]
    pub(crate) seeds: Option<Seeds>,
    /// Only this seed.
    #[arg(long, value_name = "SEED", conflicts_with = "seeds")]
    pub(crate) seed: Option<Seed>,
    /// Only a part of the seeds: seed s is in shard s mod n + 1.
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// Ends the hunt after so long, such as 10m; it decides only how many seeds there are, from the first one on. What an earlier
    /// call took does not count, unless it was cut with the same --for. A range that has an end and is not finished goes on with
    /// the same command, with --for or without.
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) budget: Option<Duration>,
    /// Where the case files go, and the file from which the same command goes on when it was ended before its end.
    #[arg(long, value_name = "DIR", default_value = "./faultline-cases")]
    pub(crate) out: PathBuf,
    /// Begins anew, whatever an earlier hunt left to go on from.
    #[arg(long)]
    pub(crate) fresh: bool,
    #[command(flatten)]
    pub(crate) summaries: Summaries,
    #[command(flatten)]
    pub(crate) pictures: Pictures,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) workers: Workers,
}

/// What a hunt or a merge writes beside its report.
#[derive(Clone, Debug, Args)]
pub(crate) struct Summaries {
    /// Writes a summary in Markdown, as for the page of a CI job.
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Writes a summary as JUnit XML: a test case per property and per way to fail.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

/// Pictures of what a command found.
#[derive(Clone, Debug, Args)]
pub(crate) struct Pictures {
    /// Draws pictures below the report.
    #[arg(long, conflicts_with = "json")]
    pub(crate) plot: bool,
    /// Draws with ASCII only; so it does by itself where the locale has no UTF-8.
    #[arg(long, requires = "plot")]
    pub(crate) ascii: bool,
    /// Writes the report with its pictures as one HTML page, which needs no network and holds the JSON document too.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Writes each picture as an SVG file.
    #[arg(long, value_name = "DIR")]
    pub(crate) svg: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct MergeArgs {
    /// What `hunt --json` printed for each shard, in any order; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<String>,
    /// Exits as the hunt would: 1 when something failed, 4 when nothing did and a shard is missing or unfinished.
    #[arg(long)]
    pub(crate) exit_code: bool,
    #[command(flatten)]
    pub(crate) summaries: Summaries,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ReplayArgs {
    /// A case file, as `hunt` writes them.
    #[arg(value_name = "CASE")]
    pub(crate) case: String,
    /// Judges the case afresh instead of comparing it with what it expects.
    #[arg(long)]
    pub(crate) no_expect: bool,
    /// Runs the case's decisions, faults, seed and settings on this scenario instead of the one inside the case.
    #[arg(long, value_name = "SCENARIO")]
    pub(crate) scenario: Option<String>,
    /// Shows one event of the replay, by its number, and how every node stood behind it.
    #[arg(long, value_name = "EVENT", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "no_expect")]
    pub(crate) at: Option<u64>,
    /// Finds the event that made a field of a node's state what it is where the case failed, or after the event of --at: a
    /// node and a JSON pointer, such as gateway/requests or api-1/memory/0.
    #[arg(long, value_name = "NODE/FIELD", conflicts_with = "no_expect")]
    pub(crate) last_change: Option<String>,
    /// Runs it once more in the same process, after something else, and compares the two event by event.
    #[arg(long, conflicts_with_all = ["at", "last_change"])]
    pub(crate) check_determinism: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ShrinkArgs {
    /// A failing case file, as `hunt` writes them.
    #[arg(value_name = "CASE")]
    pub(crate) case: String,
    /// Where the small case goes.
    #[arg(short, value_name = "FILE")]
    pub(crate) output_file: String,
    /// How many replays it may take.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) replays: u64,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A failing case file, as `hunt` and `shrink` write them.
    #[arg(value_name = "CASE")]
    pub(crate) case: String,
    /// Writes the smallest failing case there, beside explaining it.
    #[arg(short, value_name = "FILE")]
    pub(crate) output_file: Option<String>,
    /// Writes Markdown, to paste into a bug report.
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
    /// How many replays shrinking may take.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) replays: u64,
    /// With how many seeds each remedy is tried; by default as many as fit into 3 million events, from 10 to 200.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: Option<u64>,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) workers: Workers,
}

/// How many seeds tell something, and how sure it is to be.
#[derive(Clone, Debug, Args)]
pub(crate) struct Evidence {
    /// The seeds that every configuration runs with: N is 0..N, A..B leaves B out. [default: 100; with --until-known at most 10000]
    #[arg(long, value_name = "N or A..B")]
    pub(crate) seeds: Option<Seeds>,
    /// Goes on until a metric is known so well: p99=2% is two percent of its value either way, double_charged=5 five orders.
    #[arg(long, value_name = "METRIC=PRECISION")]
    pub(crate) until_known: Option<String>,
    /// How often an interval is to cover the truth.
    #[arg(long, value_name = "SHARE", default_value = "95%", value_parser = confidence)]
    pub(crate) confidence: Confidence,
    /// Leaves requests that were to begin earlier out of latency and availability, such as 10s; they are counted apart.
    #[arg(long, value_name = "DURATION")]
    pub(crate) warmup: Option<Duration>,
    /// A metric to look at: of the scenario, a counter such as gateway.calls, or failing, availability, p50, p90, p99, p999, unanswered,
    /// calls. May be given several times. [default: all of the scenario's, failing, availability, p50, p99, calls]
    #[arg(long, value_name = "NAME")]
    pub(crate) metric: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CompareArgs {
    /// What is compared with: a built-in scenario (see `list`), a scenario file or a case file.
    #[command(flatten)]
    pub(crate) what: What,
    /// Another configuration: a remedy or variant, name=value, a fault, several of these with commas between them; or a scenario or case
    /// file. May be given several times.
    #[arg(long, value_name = "CONFIGURATION")]
    pub(crate) with: Vec<String>,
    /// Selects the configuration in which this metric is lowest on average.
    #[arg(long, value_name = "METRIC")]
    pub(crate) lowest: Option<String>,
    /// Selects the configuration in which this metric is highest on average.
    #[arg(long, value_name = "METRIC", conflicts_with = "lowest")]
    pub(crate) highest: Option<String>,
    #[command(flatten)]
    pub(crate) evidence: Evidence,
    #[command(flatten)]
    pub(crate) pictures: Pictures,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) workers: Workers,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SweepArgs {
    #[command(flatten)]
    pub(crate) what: What,
    /// A setting and its values: timeout=500ms..5s, also with by 500ms, times 2 or in 20 behind it, or timeout=1s,2s,5s. Twice: every pair.
    #[arg(long, value_name = "NAME=FROM..TO", required = true)]
    pub(crate) vary: Vec<String>,
    /// Finds the value at which a metric comes to a number: "double_charged = 100".
    #[arg(long, value_name = "METRIC = NUMBER")]
    pub(crate) threshold: Option<String>,
    /// Finds the value at which a metric turns: where its curve is furthest from the straight line between its ends.
    #[arg(long, value_name = "METRIC", conflicts_with = "threshold")]
    pub(crate) knee: Option<String>,
    /// How closely a threshold or knee is located, in the unit of the setting. [default: a hundredth of the range]
    #[arg(long, value_name = "VALUE")]
    pub(crate) precision: Option<String>,
    /// Writes the table as comma-separated values.
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) evidence: Evidence,
    #[command(flatten)]
    pub(crate) pictures: Pictures,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) workers: Workers,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A built-in scenario (see `list`) or a scenario file.
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: String,
    /// The seeds that every configuration runs with: N is 0..N, A..B leaves B out.
    #[arg(long, value_name = "N or A..B", default_value = "50")]
    pub(crate) seeds: Seeds,
    /// How often an interval is to cover the truth.
    #[arg(long, value_name = "SHARE", default_value = "95%", value_parser = confidence)]
    pub(crate) confidence: Confidence,
    #[command(flatten)]
    pub(crate) pictures: Pictures,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) workers: Workers,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct MatrixArgs {
    /// Built-in scenarios (see `list`) or scenario files; all that are built in when none is named.
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<String>,
    /// The seeds that every kind of trouble is drawn from: N is 0..N, A..B leaves B out.
    #[arg(long, value_name = "N or A..B", default_value = "20")]
    pub(crate) seeds: Seeds,
    /// Ends each run there, unless its scenario ends sooner.
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub(crate) until: Duration,
    /// Prints a page of Markdown.
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) workers: Workers,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct AvailArgs {
    /// An expression: a * b is series, a | b parallel, 2of3(db) a quorum, (99.9%)^10 ten in series, mtbf=720h/mttr=1h a component;
    /// each mention of a name is another component, auth#1 is one and the same. Or a JSON file with an expression or a diagram, or a scenario.
    #[arg(value_name = "EXPRESSION, FILE or SCENARIO")]
    pub(crate) what: String,
    /// Says what a name means, such as db=99.95% or app=mtbf=30d/mttr=1h. May be given several times.
    #[arg(long = "let", value_name = "NAME=MEANING")]
    pub(crate) bound: Vec<String>,
    /// Of a scenario: the endpoint that is to answer, such as shop.checkout. [default: all that its first workload asks]
    #[arg(long, value_name = "NODE.ENDPOINT")]
    pub(crate) endpoint: Option<String>,
    /// Tells how likely it is up so long after everything was up, and how much of the time until then. May be given several times.
    #[arg(long, value_name = "LENGTH", allow_hyphen_values = true)]
    pub(crate) at: Vec<String>,
    /// Compares with an objective: the error budget, how fast it is used up, when to alert.
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true)]
    pub(crate) slo: Option<String>,
    /// The window of the objective.
    #[arg(long, value_name = "LENGTH", default_value = "30d", requires = "slo", allow_hyphen_values = true)]
    pub(crate) window: String,
    /// Puts so many of it in series, such as 1,3,5,10, beside the rule that adds up downtimes.
    #[arg(long, value_name = "N,…", allow_hyphen_values = true, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) chain: Vec<u32>,
    /// What requests meet that are tried so often.
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) tries: Option<u32>,
    /// How long it is from the first to the last try.
    #[arg(long, value_name = "LENGTH", default_value = "0s", requires = "tries", allow_hyphen_values = true)]
    pub(crate) over: String,
    /// Lets everything fail and come back for so long, such as 10000y, and puts what is seen beside the algebra.
    #[arg(long, value_name = "LENGTH", allow_hyphen_values = true)]
    pub(crate) simulate: Option<String>,
    /// What the dice of --simulate follow from, decimal or after 0x hexadecimal.
    #[arg(long, value_name = "SEED", default_value = "0", requires = "simulate", allow_hyphen_values = true)]
    pub(crate) seed: Seed,
    /// Opens the availability lab of the explorer with it, where every figure can be turned.
    #[arg(long, conflicts_with_all = ["json", "plot", "html", "svg", "csv", "at", "slo", "chain", "tries", "simulate", "requests"])]
    pub(crate) lab: bool,
    /// Writes the blocks with what they come to as a table; with --simulate and --requests also what was seen of the whole, with
    /// --rare that alone.
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) pictures: Pictures,
    /// Tells what the simulated downtime is made of: what sharing, common causes, waiting for crews, spares, failover and people
    /// add to what independent parts would be down, and what is left.
    #[arg(long, requires = "simulate", conflicts_with = "rare")]
    pub(crate) reconcile: bool,
    /// Of a scenario: runs it with so many seeds, and tells what its requests met beside the outages: other tries that outlast
    /// them, losses under way, and all that fails while nothing is down.
    #[arg(long, value_name = "RUNS", allow_hyphen_values = true, value_parser = clap::value_parser!(u32).range(2..=100_000), conflicts_with = "rare")]
    pub(crate) requests: Option<u32>,
    #[command(flatten)]
    pub(crate) rare: RareAvailArgs,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ShowArgs {
    /// A built-in scenario (see `list`) or a scenario file.
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: String,
    /// Prints the scenario file itself, to copy and change.
    #[arg(long, conflicts_with = "json")]
    pub(crate) source: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

fn jobs(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| format!("\"{text}\" is not a number of workers; it is a number from 1"))
}

fn precision(text: &str) -> Result<f64, String> {
    let share = text.parse::<Ratio>().ok().map(|ratio| ratio.as_f64()).filter(|share| *share > 0.0 && *share < 1.0);
    share.ok_or_else(|| format!("\"{text}\" is not a precision; it is a share of the value, such as 10% or 2%"))
}

fn confidence(text: &str) -> Result<Confidence, String> {
    let share = text.parse::<Ratio>().ok().and_then(|ratio| Confidence::new(ratio.as_f64()));
    share.ok_or_else(|| format!("\"{text}\" is not a confidence; it is a share below 100%, such as 95% or 99.9%"))
}

impl Workers {
    /// The number asked for, else one per core. So many that they would only wait for each other are not made.
    pub(crate) fn count(self) -> usize {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.jobs.unwrap_or(cores).get().min(cores.get().saturating_mul(4))
    }
}

const EXITS: &str = "\
Exit codes:
  0    it held, or the work is done
  1    broken, stuck, panicked, or (of a hunt) something that was never seen
  2    usage or bad input
  3    a replay came out differently
  4    out of limits, or unknown
  130  interrupted";

const VERIFIED: &str = "Exit codes: 0 all came out, 1 something did not, 2 bad input, 130 interrupted";

const JUDGED: &str = "Exit codes: 0 held, 1 broken, stuck or panicked, 2 bad input, 4 out of limits, 130 interrupted";

/// What stands below the help of a command; `{}` is the program as it was called.
fn afterword(command: &str) -> String {
    let (examples, exits): (&[&str], &str) = match command {
        "" => (&["list", "run checkout", "hunt checkout --seeds 200", "show checkout"], EXITS),
        "demo" => (&["demo"], ""),
        "explore" => (&["explore checkout"], ""),
        "run" => (
            &[
                "run checkout",
                "run checkout --seed 7 --set timeout=2s",
                "run checkout --remedy key-per-order --fault \"10s..20s partition shop | gateway\" --json",
                "run shop.json --rare \"never more than 40 in line\" --level db.waiting",
            ],
            JUDGED,
        ),
        "hunt" => (
            &[
                "hunt checkout --seeds 1000",
                "hunt checkout --for 10m",
                "hunt my-scenario.json --seeds 5000..6000 --shard 1/4 --json",
            ],
            "Exit codes: 0 held, 1 failed or never seen, 2 bad input, 4 out of limits, 130 interrupted",
        ),
        "merge" => (
            &["merge shard-*.json", "merge shard-*.json --markdown summary.md --exit-code"],
            "Exit codes: 0 merged, 2 bad input or shards of different hunts; --exit-code: as hunt",
        ),
        "replay" => (
            &["replay faultline-cases/checkout-charged-at-most-once-0.json"],
            "Exit codes: 0 same verdict, property, digest, 3 otherwise, 2 bad input; --no-expect: as run",
        ),
        "shrink" => (
            &["shrink faultline-cases/checkout-charged-at-most-once-0.json -o small.json"],
            "Exit codes: 0 shrunk, 2 bad input or a case that does not fail, 130 interrupted",
        ),
        "explain" => (
            &[
                "explain faultline-cases/checkout-charged-at-most-once-0.json",
                "explain small.json --markdown > report.md",
            ],
            "Exit codes: 0 explained, 2 bad input or a case that does not fail, 130 interrupted",
        ),
        "compare" => (
            &[
                "compare checkout --with key-per-order",
                "compare checkout --with timeout=2s --with \"key-per-order, timeout=2s\" --seeds 500",
                "compare checkout --with key-per-order --until-known p99=2%",
            ],
            "Exit codes: 0 compared, 2 bad input, 130 interrupted",
        ),
        "sweep" => (
            &[
                "sweep checkout --vary timeout=500ms..3s --metric double_charged --metric p99",
                "sweep checkout --vary \"timeout=250ms..4s times 2\" --vary tries=1,2,3 --csv sweep.csv",
                "sweep checkout --vary timeout=500ms..5s --threshold \"double_charged = 100\" --precision 20ms",
            ],
            "Exit codes: 0 swept, 2 bad input, 130 interrupted",
        ),
        "verify" => (&["verify checkout", "verify my-shop.json --seeds 200"], VERIFIED),
        "avail" => (
            &[
                "avail \"99.9% * (99% | 99%) * 2of3(99.5%)\"",
                "avail \"app * auth#1 | app * auth#1\" --let app=99.9% --let auth=99%",
                "avail \"2of3(mtbf=30d/mttr=1h, crews=1, active=1, failover=1800ms)\" --slo 99.9%",
                "avail \"2of3(mtbf=30d/mttr=1h, crews=1)\" --simulate 10000y",
                "avail \"3of5(mtbf=30d/mttr=1h)\" --simulate 1y --rare",
                "avail 99.9% --chain 1,3,5,10",
                "avail checkout --let gateway=99.5%",
            ],
            "",
        ),
        "list" => (&["list"], ""),
        "show" => (&["show checkout", "show checkout --source > mine.json"], ""),
        "new" => (&["new shop"], ""),
        "validate" => (&["validate shop.json"], "Exit codes: 0 all can run, warnings or not, 2 one cannot"),
        "schema" => (&["schema > faultline.schema.json"], ""),
        "faults" => (&["faults"], ""),
        "policies" => (&["policies", "policies resilience4j"], ""),
        "completions" => (&["completions bash"], ""),
        "man" => (&["man | man -l -", "man run | man -l -"], ""),
        _ => (&[], ""),
    };
    let mut text = String::new();
    if !examples.is_empty() {
        text.push_str(if examples.len() == 1 { "Example:\n" } else { "Examples:\n" });
        text.extend(examples.iter().map(|example| format!("  {{}} {example}\n")));
    }
    if !exits.is_empty() {
        text.push_str(&format!("\n{exits}\n"));
    }
    text.trim_end().to_owned()
}

/// The command line as clap knows it, its examples written with the program's name as it was called.
pub(crate) fn command(called: &str) -> clap::Command {
    let called = called.to_owned();
    let dress = move |command: clap::Command, name: &str| command.after_help(afterword(name).replace("{}", &called));
    dress(Cli::command(), "").mut_subcommands(|sub| {
        let name = sub.get_name().to_owned();
        dress(sub, &name)
    })
}

/// Reads the command line; help and mistakes are printed, and end the program.
pub(crate) fn parse(called: &str) -> Cli {
    let matches = command(called).bin_name(called).try_get_matches().unwrap_or_else(|error| {
        if let Some(told) = negative(&error, std::env::args().skip(1)) {
            eprintln!("{told}");
            std::process::exit(2);
        }
        error.exit()
    });
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// What is wrong with an expression that begins with a minus: not that it is no option, for which it was taken.
fn negative(error: &clap::Error, mut words: impl Iterator<Item = String>) -> Option<String> {
    if error.kind() != clap::error::ErrorKind::UnknownArgument || words.next()? != "avail" {
        return None;
    }
    let is_number = |word: &String| {
        word.strip_prefix('-')
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit() || first == '.'))
    };
    let word = words.find(is_number)?;
    let wrong = sim_models::avail::Block::parse(&word).err()?;
    Some(wrong.pointed_at("expression", &word).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_below_nothing_is_no_option() {
        let told = |words: &[&str]| {
            let error = command("faultline").try_get_matches_from([&["faultline"], words].concat()).unwrap_err();
            negative(&error, words.iter().map(|word| (*word).to_owned()))
        };
        let wrong = told(&["avail", "-5%"]).unwrap();
        assert!(wrong.starts_with("expression:1:1: -5% is below nothing; a share is between 0% and 100%"), "{wrong}");
        assert_eq!(told(&["avail", "--bogus", "99%"]), None);
        assert_eq!(told(&["run", "-5"]), None);
    }

    #[test]
    fn the_command_line_is_sound() {
        command("faultline").debug_assert();
    }
}
