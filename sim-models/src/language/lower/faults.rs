//! Reads the lines of `faults`; whom they name must be there, and what settings turn off is left out.

use sim_core::fault::{Decision, Disk, Nodes, Pace, Sides, Target, Verb, When};
use sim_core::{Duration, Fault, FaultError, Instant, Ratio};

use super::declare::REPLICAS_MAX;
use super::{Lower, known};
use crate::json::Span;
use crate::language::View;
use crate::problem::Problem;
use crate::program::{NodeDef, NodeRef, Program, Role, Room, Step, Verb as Verbs};

impl<'a> Lower<'a> {
    pub(super) fn schedule(&mut self) {
        self.make_room();
        for line in self.root.steps("faults") {
            let fault = self.fault_line(line);
            let fault = self.told(fault).filter(|fault| !fault.is_off());
            if let Some((_, message)) = fault.as_ref().and_then(|fault| diskless(fault, &self.program)) {
                self.problems.push(line.warning(message));
            }
            if let Some(message) = fault.as_ref().and_then(idle_share) {
                self.problems.push(line.warning(message));
            }
            self.program.faults.extend(fault);
        }
    }

    /// What a `scale` has come can be named by every line.
    fn make_room(&mut self) {
        let lines = self.root.steps("faults").filter_map(|line| line.text().ok()?.parse::<Fault>().ok());
        let scales: Vec<Fault> = lines.filter(|fault| strange_scale(fault, &self.program).is_none()).collect();
        self.program.make_room(&scales, Room::Scales);
    }

    fn fault_line(&self, line: View<'a>) -> Result<Fault, Problem> {
        let text = line.text()?;
        let fault: Fault =
            text.parse().map_err(|error: FaultError| line.error_at(place_of(&error), error.to_string()))?;
        self.check_fault(line, text, &fault)?;
        Ok(fault)
    }

    /// Whether all that a line names is there.
    pub(super) fn check_fault(&self, line: View<'a>, text: &str, fault: &Fault) -> Result<(), Problem> {
        let names = self.named.get_or_init(|| self.fault_names());
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // The fault as it prints may differ from the text, so that the word is looked for again.
        fault.check_names(&names).map_err(|error| line.error_at(word_in(text, &error.word), error.to_string()))?;
        let mut zones: Vec<&str> =
            self.program.nodes.iter().flat_map(|node| node.zones.iter().map(String::as_str)).collect();
        zones.sort_unstable();
        zones.dedup();
        fault.check_zones(&zones).map_err(|error| line.error_at(word_in(text, &error.word), error.to_string()))?;
        self.check_kind(line, text, fault)?;
        if let Some((role, message)) = strange_role(fault) {
            return Err(line.error_at(word_in(text, &role), message));
        }
        if let Some((name, message)) = strange_scale(fault, &self.program) {
            return Err(line.error_at(word_in(text, &name), message));
        }
        if let Some((reason, message)) = strange_reason(fault, &self.program) {
            return Err(line.error_at(word_in(text, &reason), message));
        }
        if let Some((step, message)) = strange_step(fault, &self.program) {
            return Err(line.error_at(word_in(text, &step), message));
        }
        if let Some((word, message)) = too_often(fault, self.program.until) {
            return Err(line.error_at(word_in(text, &word), message));
        }
        Ok(())
    }

    /// Each node, and behind it its replicas when there are several.
    fn fault_names(&self) -> Vec<String> {
        let numbered = |node: &NodeDef| (1..=node.most()).map(|number| format!("{}-{number}", node.name)).collect();
        let replicas = |node: &NodeDef| if node.most() == 1 { Vec::new() } else { numbered(node) };
        self.program.nodes.iter().flat_map(|node| [vec![node.name.clone()], replicas(node)].concat()).collect()
    }

    fn check_kind(&self, line: View<'a>, text: &str, fault: &Fault) -> Result<(), Problem> {
        let Some(kind) = kind_of(fault) else { return Ok(()) };
        let kinds = || self.program.kinds.iter().map(String::as_str);
        if kinds().any(|known| known == kind) {
            return Ok(());
        }
        let message = format!("no kind of message \"{kind}\"{}", known("kinds", kind, kinds()));
        Err(line.error_at(word_in(text, kind), message))
    }
}

/// What a fault from outside the file names that the program does not have, beside nodes: a kind of message, a class of operations.
pub(crate) fn stranger(fault: &Fault, program: &Program) -> Option<String> {
    let kinds = || program.kinds.iter().map(String::as_str);
    if let Some(kind) = kind_of(fault).filter(|kind| !kinds().any(|known| known == *kind)) {
        return Some(format!("no kind of message \"{kind}\"{}", known("kinds", kind, kinds())));
    }
    let strange =
        strange_role(fault).or_else(|| strange_reason(fault, program)).or_else(|| strange_step(fault, program));
    let strange = strange.or_else(|| strange_scale(fault, program)).or_else(|| too_often(fault, program.until));
    if let Some((_, message)) = strange {
        return Some(message);
    }
    let classes = || program.classes.iter().map(String::as_str);
    let class = class_of(fault).filter(|class| !classes().any(|known| known == *class))?;
    Some(format!("no operation \"{class}\"{}", known("operations", class, classes())))
}

/// The service whose notes of transactions and sagas a fault about disks leaves as they are, because they lie on none, and what is to be
/// done about that.
pub(crate) fn diskless(fault: &Fault, program: &Program) -> Option<(NodeRef, String)> {
    let Fault::Timed(timed) = fault else { return None };
    let does = match &timed.verb {
        Verb::PowerLoss { .. } => "a power loss is a crash there",
        Verb::Crash { disk: Disk::Wiped | Disk::Swapped, .. } => "no more than a crash happens there",
        Verb::Disk { .. } => "nothing happens there",
        _ => return None,
    };
    let nodes = timed.verb.target().and_then(Target::nodes)?;
    let is_struck = |node: &NodeDef| {
        let mut replicas = 1..=node.most();
        nodes.covers(&node.name, node.zone(1))
            || replicas.any(|number| nodes.covers(&format!("{}-{number}", node.name), node.zone(number)))
    };
    let has_disk = |node: &NodeDef| match &node.role {
        Role::Store(def) => !def.volatile,
        Role::Service(def) => def.log.is_some(),
        Role::Queue(_) | Role::Workload(_) => false,
    };
    if program.nodes.iter().any(|node| has_disk(node) && is_struck(node)) {
        return None;
    }
    let notes = |step: &&Step| match &step.verb {
        Verbs::Transaction { protocol, .. } => protocol.is_some(),
        Verbs::Saga(def) => def.log.is_some(),
        _ => false,
    };
    let mut noting = program.steps.iter().filter(notes).map(|step| program.endpoint(step.endpoint).node);
    let node = noting.find(|node| is_struck(program.node(*node)))?;
    let name = &program.node(node).name;
    let message = format!(
        "what {name} notes of its transactions and sagas lies on no disk, and no fault takes it: {does}; give {name} \
         a \"log\": {{\"sync\": \"5ms\"}}"
    );
    Some((node, message))
}

/// The role that a fault is about, which nobody in a scenario has.
fn strange_role(fault: &Fault) -> Option<(String, String)> {
    let Fault::Timed(timed) = fault else { return None };
    let isolated = match &timed.verb {
        Verb::Partition { sides: Sides::Isolate(target), .. } => Some(target),
        _ => None,
    };
    let Target::The(role) = timed.verb.target().or(isolated)? else { return None };
    let message = format!(
        "nobody is \"the {role}\": nodes of a scenario have no roles, actors in Rust take them (Context::role)"
    );
    Some((role.to_string(), message))
}

/// How often a fault may begin in a run: at a million events a second that is minutes.
const TURNS_MAX: u64 = 100_000_000;

/// What a fault that comes again so soon that the run would never end says of that, and what is wrong.
fn too_often(fault: &Fault, until: Option<Instant>) -> Option<(String, String)> {
    let Fault::Timed(timed) = fault else { return None };
    let peace = timed.every.filter(|_| !timed.verb.is_paced() && timed.trigger.is_none())?;
    let turn = peace.mean().saturating_add(timed.length.map_or(Duration::ZERO, Pace::mean));
    let (from, to) = match timed.when {
        When::Always => (Instant::ZERO, None),
        When::At(at) | When::From(at) => (at, None),
        When::Between(from, to) => (from, Some(to)),
    };
    // What nothing ends is over within a day, as far as anybody can tell.
    let end = to.into_iter().chain(until).min().unwrap_or(from + Duration::from_secs(86_400));
    let turns = end.since(from).nanos() / turn.nanos().max(1);
    (turns > TURNS_MAX).then(|| {
        let message = format!(
            "every {turn} it begins again, {turns} times, and such a run comes to no end; {TURNS_MAX} times are the most, so write longer lengths"
        );
        ("every".to_owned(), message)
    })
}

/// A deploy of so many at a time without a pace is one of all at once.
pub(crate) fn idle_share(fault: &Fault) -> Option<String> {
    let Fault::Timed(timed) = fault else { return None };
    let Verb::Deploy { share: Some(share), .. } = &timed.verb else { return None };
    (timed.every.is_none() && *share != Ratio::ONE).then(|| {
        format!("\"by {share}\" says nothing without a pace: all groups go at one instant; write \"every 60s\" behind it, or leave it out")
    })
}

/// The node that is scaled, and what is wrong with that.
fn strange_scale(fault: &Fault, program: &Program) -> Option<(String, String)> {
    let Fault::Timed(timed) = fault else { return None };
    let Verb::Scale { target, count } = &timed.verb else { return None };
    let name = target.nodes()?.to_string();
    // Whether there is such a node at all is checked as of every fault.
    let node = program.nodes.iter().find(|node| node.name == name || name.starts_with(&format!("{}-", node.name)))?;
    let message = if node.name != name {
        format!("\"{name}\" is one replica; write \"scale {} {count}\"", node.name)
    } else if !matches!(node.role, Role::Service(_)) {
        format!("{name} is no service, and only the replicas of a service are scaled")
    } else if u64::from(*count) > REPLICAS_MAX {
        format!("{count} replicas are too many; a node has at most {REPLICAS_MAX}")
    } else {
        return None;
    };
    Some((name, message))
}

/// The reason that a `fail` gives, and what is wrong with it: neither the system nor the file has it.
fn strange_reason(fault: &Fault, program: &Program) -> Option<(String, String)> {
    let Fault::Timed(timed) = fault else { return None };
    let Verb::Fail { reason: Some(reason), .. } = &timed.verb else { return None };
    let reason = reason.as_str();
    if program.reason_named(reason).is_some() {
        return None;
    }
    let names = program.reasons.iter().map(String::as_str);
    Some((reason.to_owned(), format!("no reason \"{reason}\"{}", known("reasons", reason, names))))
}

/// The step at which a fault waits, and what is wrong with it: none of the nodes that the fault names has such a step.
fn strange_step(fault: &Fault, program: &Program) -> Option<(String, String)> {
    let Fault::Timed(timed) = fault else { return None };
    let step = timed.trigger.as_ref()?.step.as_str();
    // Every node passes there as it asks its disk for a sync.
    if step == "sync" {
        return None;
    }
    let nodes = timed.verb.target().and_then(Target::nodes);
    // A replica's name stands for its node too.
    let replica_is = |node: &NodeDef, nodes: &Nodes| {
        (1..=node.most()).any(|number| nodes.covers(&format!("{}-{number}", node.name), node.zone(number)))
    };
    let is_meant =
        |node: &NodeDef| nodes.is_none_or(|nodes| nodes.covers(&node.name, node.zone(1)) || replica_is(node, nodes));
    let owner = |it: &Step| program.node(program.endpoint(it.endpoint).node);
    let named = || program.steps.iter().filter(|it| it.is_called(step));
    if named().any(|it| is_meant(owner(it))) {
        return None;
    }
    let message = match named().next() {
        Some(it) => format!("\"{step}\" is a step of {0}; a fault that waits there strikes {0}", owner(it).name),
        None => {
            let names = program.step_names(is_meant);
            format!("no step \"{step}\"{}", known("steps", step, names.iter().map(String::as_str)))
        }
    };
    Some((step.to_owned(), message))
}

fn class_of(fault: &Fault) -> Option<&str> {
    let (Fault::Decision(Decision::Envelope { nth, .. }) | Fault::Decision(Decision::Draw { nth, .. })) = fault else {
        return None;
    };
    nth.operation.as_ref().map(|operation| operation.class.as_str())
}

fn kind_of(fault: &Fault) -> Option<&str> {
    let kind = match fault {
        Fault::Timed(timed) => timed.verb.kind()?,
        Fault::Decision(Decision::Envelope { kind, .. }) => kind,
        Fault::Decision(Decision::Draw { .. }) => return None,
    };
    Some(kind.as_str())
}

/// The stretch of the line, in bytes, that the error is about.
fn place_of(error: &FaultError) -> Span {
    let start = error.text.char_indices().nth(error.column - 1).map_or(error.text.len(), |(at, _)| at);
    Span::new(start, start + error.word.len())
}

/// Where a word stands alone in a line; the whole line when it is not there as it is.
fn word_in(text: &str, word: &str) -> Span {
    let belongs = |c: char| c.is_alphanumeric() || matches!(c, '_' | '*');
    let alone = |at: &usize| !text[..*at].ends_with(belongs) && !text[at + word.len()..].starts_with(belongs);
    match text.match_indices(word).map(|(at, _)| at).find(alone) {
        Some(at) => Span::new(at, at + word.len()),
        None => Span::new(0, text.len()),
    }
}
