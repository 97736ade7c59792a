//! Tells the first story as text: what goes wrong, in which order, why, what cures it, and how to see it again.
//!
//! The story itself is data ([`builtin::story`]): no name of the scenario stands in here.

use std::io::{self, Write};
use std::ops::ControlFlow;

use sim_core::hunt::Tally;
use sim_core::{Limits, NodeId, Seed, Stop, Trace, run};
use sim_models::builtin::{self, Story};
use sim_models::language::Choices;
use sim_models::message::Msg;
use sim_models::narrate::{Moment, What, narrate};
use sim_models::program::Role;
use sim_models::scenario::{Model, Run, Scenario};

use crate::commands;
use crate::diagram::{diagram, seconds};
use crate::hunt::{Orders, hunt};
use crate::interrupt::Interrupt;
use crate::report::{Bad, bad};
use crate::seeds::{SeedList, Seeds};
use crate::text;

/// A failing run, with all that happened in it.
struct Failing {
    seed: u64,
    property: String,
    detail: String,
    event: u64,
    trace: Trace<Msg>,
}

/// Tells the story on `out`; printed commands start with `called`, the program as it was called.
///
/// # Errors
/// When `out` does not take it. A reader who has seen enough is none.
pub(crate) fn demo(called: &str, jobs: usize, out: &mut dyn Write) -> Result<(), Bad> {
    match tell(called, jobs, out) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(bad!("{error}")),
        _ => Ok(()),
    }
}

fn tell(called: &str, jobs: usize, out: &mut dyn Write) -> io::Result<()> {
    let story = builtin::story().map_err(io::Error::other)?;
    let scenario = builtin::scenario(&story.scenario).ok_or_else(|| io::Error::other("the story has no scenario"))?;
    let scenario = scenario.map_err(io::Error::other)?;
    let sick = model(&scenario, &story, None)?;
    let cured = model(&scenario, &story, Some(&story.remedy))?;

    writeln!(out, "{}\n\n{}", scenario.text_of("title"), text::wrapped(&scenario.text_of("about")))?;
    let tally = hunted(&sick, story.seeds, jobs);
    let smallest = tally.failures.iter().min_by_key(|(_, failure)| failure.seed);
    let Some((signature, failure)) = smallest else {
        return writeln!(out, "\nAll {} runs held, which is not how this story goes.", story.seeds);
    };
    let failing = failing(&sick, failure.seed);
    heading(out, &format!("1. What happens, in {} small runs, each from a seed of its own", story.seeds))?;
    writeln!(out, "{} of {} runs break \"{}\".", count(&tally, &signature.property), tally.seeds, signature.property)?;
    let changed = story.settings.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>();
    writeln!(out, "Each run is small ({}); the smallest seed that breaks is {}.", changed.join(", "), failing.seed)?;

    show_failing(out, &sick, &failing)?;
    show_remedy(out, &scenario, &story, &tally, &hunted(&cured, story.seeds, jobs))?;
    show_large(out, &scenario, &story)?;

    heading(out, "5. See it again")?;
    let settings: Vec<String> = story.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let (seed, seeds) = (failing.seed.to_string(), story.seeds.to_string());
    let command = |words: &[&str]| {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        commands::line(called, words[..2].iter().copied().chain(settings).chain(words[2..].iter().copied()))
    };
    writeln!(out, "The very same run, as often as you like:")?;
    writeln!(out, "  {}", command(&["run", &story.scenario, "--seed", &seed]))?;
    writeln!(out, "All the ways to fail, each with a case file that replays for ever:")?;
    writeln!(out, "  {}", command(&["hunt", &story.scenario, "--seeds", &seeds]))?;
    writeln!(out, "Other stories, and how to write your own:")?;
    writeln!(out, "  {}", commands::line(called, ["list"]))?;
    writeln!(out, "  {}", commands::line(called, ["--help"]))
}

/// How many runs break a property, in whatever way.
fn count(tally: &Tally, property: &str) -> u64 {
    let broken = tally.failures.iter().filter(|(signature, _)| signature.property == property);
    broken.map(|(_, failure)| failure.count).sum()
}

fn hunted(model: &Model, seeds: u64, jobs: usize) -> Tally {
    let seeds = SeedList::all(Seeds { from: 0, to: Some(seeds) });
    let mut tally = Tally::default();
    hunt(&Orders::new(model, &seeds, jobs, &Interrupt::listen()), |news| {
        tally = std::mem::take(&mut tally).merge(news.tally());
        ControlFlow::Continue(())
    });
    tally
}

fn model(scenario: &Scenario, story: &Story, remedy: Option<&str>) -> io::Result<Model> {
    let choices = remedy.map_or_else(Choices::none, |remedy| Choices::none().remedy(remedy));
    let choices = story.settings.iter().fold(choices, |choices, (name, value)| choices.set(name, value));
    scenario.model(&choices).map_err(io::Error::other)
}

/// The same run once more, with everything kept.
fn failing(model: &Model, seed: u64) -> Failing {
    let (mut sim, mut judge) = model.start(Seed(seed));
    sim.record(true);
    let mut trace = Trace::new();
    let outcome = run(&mut sim, &mut judge, &model.course(Stop::AtViolation, Limits::default()), |sim, step| {
        trace.push(sim, step);
        ControlFlow::Continue(())
    });
    let broken = outcome.properties.iter().find(|judged| Some(&judged.name) == outcome.stopped_at.as_ref());
    let (detail, event) = broken.map(|b| (b.detail.clone(), b.event)).unwrap_or_default();
    let property = outcome.stopped_at.clone().unwrap_or_default();
    Failing { seed, property, detail, event: event.unwrap_or(outcome.events), trace }
}

fn show_failing(out: &mut dyn Write, model: &Model, failing: &Failing) -> io::Result<()> {
    let program = model.program();
    let Some(step) = failing.trace.step(failing.event) else { return Ok(()) };
    let mut moments = narrate(&failing.trace, program, step.cause.operation, failing.event);
    let nodes = told(model, &moments);
    let seen = |node: NodeId| nodes.iter().any(|(known, _)| *known == node);
    moments.retain(|moment| {
        seen(moment.node)
            && match moment.what {
                What::Arrived { from, .. } => seen(from),
                What::Sent { to, .. } => seen(to),
                What::Cell { .. } => false,
                _ => true,
            }
    });
    heading(out, &format!("2. The run of seed {}, as it happened to one of them", failing.seed))?;
    for line in diagram(&moments, &nodes, 80) {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "{:>6} {:>9} \"{}\" is broken: {}", "", "", failing.property, failing.detail)?;

    heading(out, "3. Why")?;
    let mut asked: Vec<(NodeId, NodeId, &str)> = Vec::new();
    for moment in &moments {
        let mut nth = 0;
        if let What::Arrived { from, word, answer: false, .. } = &moment.what {
            asked.push((*from, moment.node, word));
            nth = asked.iter().filter(|one| **one == (*from, moment.node, word.as_str())).count();
        }
        let name = |node| program.replica_name(node);
        if let Some(sentence) = moment.sentence(nth, &name) {
            writeln!(out, "{:>6} {:>9}  {sentence}.", format!("#{}", moment.event), seconds(moment))?;
        }
    }
    let end = failing.trace.steps().last().map_or(failing.event, |step| step.number);
    writeln!(out, "\n# is the number of an event; the run was cut at #{end}, where the property broke.")
}

/// The nodes that are drawn: services and workloads, and stores only where a fact was recorded.
fn told(model: &Model, moments: &[Moment]) -> Vec<(NodeId, String)> {
    let program = model.program();
    let mut nodes: Vec<NodeId> = Vec::new();
    for moment in moments {
        let is_store = matches!(program.node(program.replicas[moment.node.0 as usize].0).role, Role::Store(_));
        let told = !is_store || matches!(moment.what, What::Fact { .. });
        if told && !nodes.contains(&moment.node) {
            nodes.push(moment.node);
        }
    }
    nodes.into_iter().map(|node| (node, program.replica_name(node))).collect()
}

fn show_remedy(out: &mut dyn Write, scenario: &Scenario, story: &Story, sick: &Tally, cured: &Tally) -> io::Result<()> {
    heading(out, "4. What cures it")?;
    let about = remedy_about(scenario, &story.remedy);
    writeln!(out, "Remedy \"{}\": {about}.", story.remedy)?;
    let failing = |tally: &Tally| tally.failures.values().map(|failure| failure.count).sum::<u64>();
    writeln!(out, "The same {} seeds: {} failed before, {} fail now.", story.seeds, failing(sick), failing(cured))?;
    if failing(cured) == 0 {
        // Clopper and Pearson (1934): with no failure in n, the upper end of the 95 % interval is 1 − 0.05^(1/n), about 3/n.
        let bound = 1.0 - 0.05_f64.powf(1.0 / story.seeds as f64);
        writeln!(
            out,
            "None in {} is not never: with 95 % confidence, fewer than {:.1} % of such runs.",
            story.seeds,
            bound * 100.0
        )?;
    }
    Ok(())
}

fn remedy_about(scenario: &Scenario, remedy: &str) -> String {
    let root = scenario.document().root();
    let about = root.members_of("remedies").find(|(name, _)| name.name == remedy);
    let about =
        about.and_then(|(_, view)| view.optional("about", |view| view.text().map(str::to_owned)).ok().flatten());
    about.unwrap_or_else(|| "see its settings".to_owned())
}

/// The whole scenario once, with and without the remedy, by the metrics that its file expects something of.
fn show_large(out: &mut dyn Write, scenario: &Scenario, story: &Story) -> io::Result<()> {
    let run = |remedy: Option<&str>| -> io::Result<(Model, Run)> {
        let choices = remedy.map_or_else(Choices::none, |remedy| Choices::none().remedy(remedy));
        let model = scenario.model(&choices).map_err(io::Error::other)?;
        let run = model.run(Seed(0), Stop::AtEnd);
        Ok((model, run))
    };
    let ((model, before), (_, after)) = (run(None)?, run(Some(&story.remedy))?);
    let requests = text::count(before.requests.total);
    writeln!(out, "\nAt full size ({requests} requests, seed 0):   as it is     with the remedy")?;
    let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), text::number);
    for (name, _) in &model.program().expect {
        let of = |run: &Run| run.metrics.iter().find(|(known, _)| known == name).and_then(|(_, value)| *value);
        writeln!(out, "  {name:<38} {:>10} {:>19}", shown(of(&before)), shown(of(&after)))?;
    }
    Ok(())
}

fn heading(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "\n{text}\n{}", "─".repeat(text.chars().count()))
}
