//! What can be typed after a colon: the names of all keys, a few commands with a value, and faults as lines.

use sim_core::{Fault, Instant, Seed};

use super::super::keys::{self, Screen};
use super::super::lab::LabAsk;
use super::super::look::Theme;
use super::super::told::{Ask, Edit, Filter, Speed};
use super::{Act, App, Exit, Popup, RunView, SPEEDS};
use crate::text;

/// The commands with a value: name, value, what it does.
pub(crate) const COMMANDS: &[(&str, &str, &str)] = &[
    ("open", "NAME or FILE", "open a scenario or case"),
    (
        "lab",
        "EXPRESSION, FILE or SCENARIO",
        "the availability lab of it: edge * 2of3(db) --let edge=99.99% --let db=mtbf=30d/mttr=1h",
    ),
    ("fault", "LINE", "add a fault: 1s..4s crash gateway; the word itself can be omitted"),
    ("set", "NAME=VALUE", "turn a setting"),
    ("remedy", "NAME", "switch a remedy or variant on or off"),
    ("seed", "N", "run another seed"),
    ("goto", "4.3s or #4163", "go to an instant or an event"),
    ("filter", "node=a kind=b op=order/17", "keep only events that match"),
    ("find", "WORD", "search for a word"),
    ("forward", "N", "so many events forward"),
    ("back", "N", "so many events back"),
    ("speed", "1s, 10s, flat-out", "simulated time in a second of real time"),
    ("theme", "auto, mono, contrast, okabe-ito", "colours"),
    ("changed", "FIELD", "which event last changed a field of the node's state"),
    ("turn", "KNOB=VALUE", "in the lab: turn a knob, by its name"),
    ("export", "[FILE]", "in the lab: write it as a page with its pictures, and as a table"),
    ("save", "[FILE]", "write the run as a case"),
    ("branch-to", "N", "go on with branch N, from 0"),
    ("keys", "", "all keys"),
    ("quit", "", "quit"),
];

impl App {
    /// Does what a line says; what is wrong with it otherwise.
    pub(super) fn command(&mut self, line: &str) -> Result<Vec<Act>, String> {
        let (name, value) = line.split_once(char::is_whitespace).map_or((line, ""), |(name, rest)| (name, rest.trim()));
        match name {
            "" => return Ok(Vec::new()),
            "open" if !value.is_empty() => return Ok(self.open_word(value)),
            "lab" if !value.is_empty() => return Ok(vec![Act::Ask(Ask::Lab(LabAsk::Open(value.to_owned())))]),
            "theme" => return self.set_theme(value),
            "keys" => return Ok(self.open(Popup::help())),
            "q" | "quit" => return Ok(vec![Act::Quit(Exit::Quit)]),
            // For whoever looks after the terminal: see what a panic leaves behind.
            "debug-panic" => return Ok(vec![Act::Panic(value.to_owned())]),
            _ => {}
        }
        if self.screen == Screen::Lab
            && let Some(done) = self.command_in_lab(name, value)
        {
            return done;
        }
        let is_place = line.starts_with('#') || line.parse::<sim_core::Duration>().is_ok();
        if is_place && self.run.is_some() && self.screen.is_of_run() {
            return self.go_to(line);
        }
        if self.run.is_some()
            && self.screen.is_of_run()
            && let Some(done) = self.command_on_run(name, value)
        {
            return done;
        }
        if value.is_empty()
            && let Some(acts) = self.by_name(name)
        {
            return Ok(acts);
        }
        self.as_fault(line).unwrap_or_else(|| Err(self.unknown(name)))
    }

    fn command_on_run(&mut self, name: &str, value: &str) -> Option<Result<Vec<Act>, String>> {
        if value.is_empty() && name != "save" {
            return None;
        }
        Some(match name {
            "fault" => self.add_fault(value),
            "set" => match value.split_once('=') {
                Some((name, value)) => {
                    let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
                    Ok(self.edit(Edit::Set { name: name.trim().to_owned(), value }))
                }
                None => Err(format!("\"{value}\" sets nothing; write name=value, such as set timeout=1s")),
            },
            "remedy" => Ok(self.edit(Edit::Remedy(value.to_owned()))),
            "seed" => value
                .parse::<Seed>()
                .map(|seed| self.edit(Edit::Seed(seed)))
                .map_err(|_| format!("\"{value}\" is no seed: a number, or 0x…")),
            "goto" => self.go_to(value),
            "filter" => self.filter(value),
            "find" => self.search(value),
            "forward" | "back" => match value.parse::<u64>() {
                Ok(count) => Ok(self.step_by(count, name == "forward")),
                Err(_) => Err(format!("\"{value}\" is no number of events")),
            },
            "speed" => self.set_speed(value),
            "changed" => Ok(self.ask_changed(value)),
            "save" => Ok(vec![Act::Ask(Ask::Save((!value.is_empty()).then(|| value.to_owned())))]),
            "branch-to" => match value.parse::<usize>() {
                Ok(branch) => Ok(vec![Act::Ask(Ask::Switch(branch))]),
                Err(_) => Err(format!("\"{value}\" is no number of a branch")),
            },
            _ => return None,
        })
    }

    /// A line that begins like a fault is one: with a time or with a verb.
    fn as_fault(&mut self, line: &str) -> Option<Result<Vec<Act>, String>> {
        let first = line.split_whitespace().next()?;
        let is_verb = sim_core::fault::VERBS.iter().any(|entry| entry.name == first);
        let is_time = first.starts_with(|letter: char| letter.is_ascii_digit());
        (is_verb || is_time).then(|| match &self.run {
            Some(_) => self.add_fault(line),
            None => Err("open a scenario first; a fault breaks a run".to_owned()),
        })
    }

    fn unknown(&self, name: &str) -> String {
        if let Some((_, value, about)) = COMMANDS.iter().find(|(known, value, _)| *known == name && !value.is_empty()) {
            return match &self.run {
                Some(_) => format!("{name} {value}: {about}"),
                None => format!("{name} {value}: {about}; open a scenario first"),
            };
        }
        let names = keys::of(self.screen).into_iter().map(|binding| binding.name);
        let known = names.chain(COMMANDS.iter().map(|(name, ..)| *name));
        format!("no command \"{name}\"{}; ? lists them", sim_models::problem::did_you_mean(name, known))
    }

    fn open_word(&mut self, word: &str) -> Vec<Act> {
        self.opening = Some(super::Opening::Run);
        vec![Act::Ask(Ask::Open { word: word.to_owned(), seed: None })]
    }

    fn set_theme(&mut self, name: &str) -> Result<Vec<Act>, String> {
        match Theme::ALL.iter().find(|theme| theme.name() == name) {
            Some(theme) => {
                self.look.theme = *theme;
                Ok(Vec::new())
            }
            None => {
                let known: Vec<&str> = Theme::ALL.iter().map(|theme| theme.name()).collect();
                Err(format!("\"{name}\" is no theme; there are {}", known.join(", ")))
            }
        }
    }

    fn set_speed(&mut self, value: &str) -> Result<Vec<Act>, String> {
        let wanted = match value {
            "flat-out" => Some(SPEEDS.len() - 1),
            _ => {
                let per_second: sim_core::Duration = value.parse().map_err(|error| format!("{error}"))?;
                SPEEDS.iter().position(|speed| matches!(speed, Speed::Times(time) if *time >= per_second))
            }
        };
        if let Some(run) = &mut self.run {
            run.speed = wanted.unwrap_or(SPEEDS.len() - 1);
            let speed = speed_in_words(SPEEDS[run.speed]);
            self.say(format!("speed: {speed}"));
        }
        Ok(Vec::new())
    }

    /// Adds a fault, at the event that is looked at.
    pub(super) fn add_fault(&mut self, line: &str) -> Result<Vec<Act>, String> {
        let fault: Fault = line.parse().map_err(|error: sim_core::FaultError| error.to_string())?;
        let Some(run) = &self.run else { return Ok(Vec::new()) };
        let at = run.cursor;
        Ok(self.edit(Edit::Fault { fault, at }))
    }

    /// The same fault for every node, that of the event first: its node, and whom that one asks.
    pub(super) fn fault_lines(&self, write: impl Fn(&str, &str) -> String) -> Vec<String> {
        let Some(run) = &self.run else { return Vec::new() };
        let facts = &run.snapshot.facts;
        let begins = next_millisecond(run.now());
        let ends = begins + sim_core::Duration::from_secs(2);
        let here = run.node_here().map(|node| facts.nodes[node.0 as usize].clone());
        let mut names: Vec<String> = here.into_iter().chain(facts.nodes.iter().cloned()).collect();
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        let line = |name: &String| {
            let asked = facts.asked_by(name).unwrap_or_else(|| "*".to_owned());
            format!("{begins}..{ends} {}", write(name, &asked))
        };
        names.iter().map(line).collect()
    }

    /// Ends what was added by hand and never ends.
    pub(super) fn heal(&mut self) -> Vec<Act> {
        let Some(run) = &self.run else { return Vec::new() };
        let at = next_millisecond(run.now());
        self.edit(Edit::Heal { at })
    }

    /// Keeps only events that match a line such as `node=a kind=b op=order/17`.
    pub(super) fn filter(&mut self, line: &str) -> Result<Vec<Act>, String> {
        let Some(run) = &mut self.run else { return Ok(Vec::new()) };
        run.wanted.filter = read_filter(line, run)?;
        Ok(Vec::new())
    }
}

/// The first whole millisecond that is still to come.
fn next_millisecond(now: Instant) -> Instant {
    const MILLI: u64 = 1_000_000;
    Instant::from_nanos((now.nanos() / MILLI + 1) * MILLI)
}

fn read_filter(line: &str, run: &RunView) -> Result<Filter, String> {
    let facts = &run.snapshot.facts;
    let mut filter = Filter::default();
    for word in line.split_whitespace() {
        let (what, value) = word.split_once('=').unwrap_or(("", word));
        let node = || facts.nodes.iter().position(|name| name == value).map(|at| sim_core::NodeId(at as u32));
        let kind = || facts.kinds.iter().position(|name| name == value).map(|at| at as u16);
        let operation = || facts.operation_of(value);
        match what {
            "node" => filter.node = Some(node().ok_or_else(|| no("node", value, &facts.nodes))?),
            "kind" => filter.kind = Some(kind().ok_or_else(|| no("kind", value, &facts.kinds))?),
            "op" => filter.operation = Some(operation().ok_or_else(|| no("operation", value, &facts.classes))?),
            "" if node().is_some() => filter.node = node(),
            "" if kind().is_some() => filter.kind = kind(),
            "" if operation().is_some() => filter.operation = operation(),
            _ => return Err(format!("\"{word}\" keeps nothing; write node=NAME, kind=NAME or op={}/1", facts.class())),
        }
    }
    Ok(filter)
}

fn no(what: &str, value: &str, known: &[String]) -> String {
    format!("no {what} \"{value}\"; there are {}", known.join(", "))
}

/// How fast that is, for people.
pub(crate) fn speed_in_words(speed: Speed) -> String {
    match speed {
        Speed::FlatOut => "flat out".to_owned(),
        Speed::Times(per_second) if per_second.nanos() == 1_000_000_000 => "real time".to_owned(),
        Speed::Times(per_second) => format!("{} in 1 s", text::length(per_second.nanos())),
    }
}
