//! The engine behind the screen: it owns the runs, lets them happen, and hands over what never changes again.
//!
//! It takes one thing that is asked after the other and tells what came of each, always in that order; what takes long asks a
//! flag whether anybody still wants it. It knows no terminal: a test runs it on its own thread.

mod catalog;
mod lab;
mod look;
mod rows;
mod save;
mod session;
mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant as RealInstant;

use sim_core::{Instant, NodeId, Seed};
use sim_models::program::{NodeRef, Role};
use sim_models::why::Place;

use self::lab::Bench;
use self::session::{Base, Branch};
use super::told::{Ask, BranchLine, Edit, Facts, FaultLine, RemedyLine, SettingLine, Snapshot, Step, Told};
use crate::commands;

/// What the screen and the engine share beside their messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared {
    /// How many things were asked so far.
    asked: Arc<AtomicU64>,
    /// Up to which of them nobody wants to know any more.
    given_up: Arc<AtomicU64>,
    /// Which of them is at work.
    at_work: Arc<AtomicU64>,
    /// Events a second that the last slice of a run came to.
    pace: Arc<AtomicU64>,
}

impl Shared {
    /// Counts one more thing that is asked; to be called before it is sent.
    pub(crate) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives up what is at work, and what was asked and waits.
    pub(crate) fn give_up(&self) {
        self.given_up.store(self.asked.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed) >= self.at_work.load(Ordering::Relaxed)
    }

    /// How many events there is room for in so many milliseconds.
    pub(crate) fn room(&self, millis: u64) -> u64 {
        /// As long as nothing is known.
        const FIRST: u64 = 2_000;
        match self.pace.load(Ordering::Relaxed) {
            0 => FIRST,
            pace => (pace / 1_000 * millis).max(1),
        }
    }
}

/// The engine.
pub(crate) struct Engine {
    called: String,
    shared: Shared,
    branches: Vec<Branch>,
    current: usize,
    generations: u64,
    facts: Option<(u64, Arc<Facts>)>,
    walked: Vec<Step>,
    /// What the last walk began at: of a violation that an event made so, that event.
    walked_from: Place,
    walked_event: u64,
    /// What was listed last.
    rows: Option<Arc<super::told::Rows>>,
    labels: BTreeMap<u32, Arc<super::told::Label>>,
    /// What is in the availability lab.
    bench: Option<Bench>,
}

impl Engine {
    /// An engine with nothing open.
    pub(crate) fn new(called: &str, shared: Shared) -> Engine {
        Engine {
            called: called.to_owned(),
            shared,
            branches: Vec::new(),
            current: 0,
            generations: 0,
            facts: None,
            walked: Vec::new(),
            walked_from: Place::Violation,
            walked_event: 0,
            rows: None,
            labels: BTreeMap::new(),
            bench: None,
        }
    }

    /// Whether a word names something that can be opened.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check(word: &str, called: &str) -> Result<(), String> {
        let (base, seed) = Base::of(word, called)?;
        Branch::open("main", base, seed, 0).map(|_| ())
    }

    /// Does what is asked and tells what came of it; at least one thing for each.
    pub(crate) fn take(&mut self, ask: Ask, tell: &mut dyn FnMut(Told)) {
        self.shared.at_work.fetch_add(1, Ordering::Relaxed);
        if let Err(words) = self.answer(ask, tell) {
            tell(Told::Failed(words));
        }
    }

    fn answer(&mut self, ask: Ask, tell: &mut dyn FnMut(Told)) -> Result<(), String> {
        match ask {
            Ask::Catalog => tell(Told::Catalog(catalog::offers(&self.called).into())),
            Ask::Open { word, seed } => self.open(&word, seed, tell)?,
            Ask::Run { events, until, stop_at_broken } => self.run(events, until, stop_at_broken, tell)?,
            Ask::Look { event, whose, light } => {
                let look = look::look(&mut self.here()?.kept, event, whose, light);
                tell(Told::Look(Arc::new(look)));
            }
            Ask::Labels(events) => tell(self.labels(&events)?),
            Ask::Rows(wanted) => {
                let known = self.rows.take();
                let rows = Arc::new(rows::rows(&self.here()?.kept, wanted, known.as_deref()));
                self.rows = Some(rows.clone());
                tell(Told::Rows(rows));
            }
            Ask::Walk { event } => self.walk(event, tell)?,
            Ask::Effects { event } => {
                let past = self.here()?.kept.timeline.past();
                tell(Told::Effects { event, caused: past.caused_by(event, past.len()) });
            }
            Ask::Prove(index) => self.prove(index, tell)?,
            Ask::Changed { event, node, field } => self.changed(event, node, &field, tell)?,
            Ask::Find { word, from, forward } => self.find(&word, from, forward, tell)?,
            Ask::Edit(edit) => self.edit(&edit, tell)?,
            Ask::Branch { event } => self.branch(event, tell)?,
            Ask::Switch(branch) => self.switch(branch, tell)?,
            Ask::Shrink { event } => self.shrink(event, tell)?,
            Ask::Explain { event } => self.explain(event, tell)?,
            Ask::Repro { event } => tell(Told::Repro(self.leave(event)?.ok_or("nothing is open")?)),
            Ask::Save(path) => {
                let edge = self.here()?.kept.edge().events;
                let (path, _) = self.save(path.as_deref(), edge)?;
                tell(Told::Said(format!("written: {path}")));
            }
            Ask::Lab(ask) => self.lab(ask, tell)?,
        }
        Ok(())
    }

    fn here(&mut self) -> Result<&mut Branch, String> {
        self.branches.get_mut(self.current).ok_or_else(|| "nothing is open".to_owned())
    }

    fn next_generation(&mut self) -> u64 {
        self.generations += 1;
        self.generations
    }

    fn open(&mut self, word: &str, seed: Option<Seed>, tell: &mut dyn FnMut(Told)) -> Result<(), String> {
        let (base, own) = Base::of(word, &self.called)?;
        let generation = self.next_generation();
        let branch = Branch::open("main", base, seed.unwrap_or(own), generation)?;
        self.branches = vec![branch];
        self.current = 0;
        self.tell_run(true, None, tell)
    }

    fn run(
        &mut self,
        events: u64,
        until: Instant,
        stop_at_broken: bool,
        tell: &mut dyn FnMut(Told),
    ) -> Result<(), String> {
        /// A slice of a run after which what was asked meanwhile has its turn; at least this many events.
        const SLICE: u64 = 1_000;
        let shared = self.shared.clone();
        let kept = &mut self.here()?.kept;
        let (began, first) = (RealInstant::now(), kept.edge().events);
        let mut broke = None;
        while broke.is_none() && kept.timeline.over().is_none() && !shared.is_given_up() {
            let done = kept.edge().events - first;
            let Some(left) = events.checked_sub(done).filter(|left| *left > 0) else { break };
            broke = kept.advance(left.min(SLICE), until, stop_at_broken);
            if kept.edge().events - first == done {
                break;
            }
        }
        let (ran, took) = (kept.edge().events - first, began.elapsed().as_nanos().max(1));
        if ran >= SLICE {
            let pace = u128::from(ran) * 1_000_000_000 / took;
            shared.pace.store(u64::try_from(pace).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
        }
        let snapshot = self.snapshot()?;
        tell(Told::Run { snapshot, opened: false, broke, late: ran >= events });
        Ok(())
    }

    fn edit(&mut self, edit: &Edit, tell: &mut dyn FnMut(Told)) -> Result<(), String> {
        let generation = self.next_generation();
        let current = self.current;
        let branch = self.here()?;
        let (edge, digest) = (branch.kept.edge(), branch.kept.timeline.live().sim.digest());
        // Whoever breaks the past keeps the future that was there.
        let past = match edit {
            // Whether its question has come up already, only another run can tell.
            Edit::Fault { fault: sim_core::Fault::Decision(_), at } => (edge.events > 0).then_some(*at),
            Edit::Heal { at } if *at <= edge.at => Some(branch.kept.timeline.past().last_before(*at)),
            Edit::Fault { fault: sim_core::Fault::Timed(timed), at } => {
                let begin = timed.when.begin();
                // A future that was made by breaking the past may be broken again.
                let is_own = branch.parted_at().is_some_and(|parted| begin > parted);
                (begin <= edge.at && edge.events > 0 && !is_own).then_some(*at)
            }
            _ => None,
        };
        if let Some(event) = past {
            let name = format!("branch {}", self.branches.len());
            let branch = &self.branches[current];
            let mut parted = branch.parted(&name, (current, event), generation);
            // The new future is as long as the old one: what it comes to is compared with it.
            parted.kept.advance_to(&branch.kept.stand());
            let generation = self.next_generation();
            parted.edit(edit, generation)?;
            parted.breaks_the_past = true;
            self.branches.push(parted);
            self.current = self.branches.len() - 1;
            self.tell_run(false, None, tell)?;
            tell(Told::Go {
                event: Some(event),
                words: format!("this changes the past, so it is {name}; B goes back to the future that was"),
            });
            return Ok(());
        }
        branch.edit(edit, generation)?;
        let kept = &branch.kept;
        let same = kept.edge().events == edge.events && kept.timeline.live().sim.digest() == digest;
        let done = match edit {
            Edit::Fault { fault, .. } => format!("recorded: {fault}"),
            Edit::Heal { .. } => "healed what you broke".to_owned(),
            Edit::Undo => branch.last_undone().map_or_else(String::new, |fault| format!("taken back: {fault}")),
            Edit::Redo => branch.hand.last().map_or_else(String::new, |fault| format!("put in again: {fault}")),
            Edit::Set { name, value: Some(value) } => format!("{name} = {value}"),
            Edit::Set { name, value: None } => format!("{name} at its default"),
            Edit::Remedy(name) => {
                let on = branch.choices.remedies.contains(name);
                format!("{name} {}", if on { "on" } else { "off" })
            }
            Edit::Seed(seed) => format!("seed {seed}"),
        };
        let past = if same { "what happened so far is as it was" } else { "the run was made again up to here" };
        self.tell_run(false, None, tell)?;
        tell(Told::Said(format!("{done}; {past}")));
        Ok(())
    }

    fn branch(&mut self, event: u64, tell: &mut dyn FnMut(Told)) -> Result<(), String> {
        let generation = self.next_generation();
        let current = self.current;
        let name = format!("branch {}", self.branches.len());
        let parted = self.here()?.parted(&name, (current, event), generation);
        self.branches.push(parted);
        self.current = self.branches.len() - 1;
        self.tell_run(false, None, tell)?;
        tell(Told::Said(format!("{name}, from #{event}; B lists them")));
        Ok(())
    }

    fn switch(&mut self, branch: usize, tell: &mut dyn FnMut(Told)) -> Result<(), String> {
        if branch >= self.branches.len() {
            return Err(format!("there is no branch {branch}; there are {}", self.branches.len()));
        }
        self.current = branch;
        self.facts = None;
        self.tell_run(false, None, tell)?;
        let name = self.branches[branch].name.clone();
        tell(Told::Said(format!("on {name}")));
        Ok(())
    }

    /// Tells how the run stands.
    fn tell_run(&mut self, opened: bool, broke: Option<u64>, tell: &mut dyn FnMut(Told)) -> Result<(), String> {
        let snapshot = self.snapshot()?;
        tell(Told::Run { snapshot, opened, broke, late: false });
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Arc<Snapshot>, String> {
        let facts = self.facts()?;
        let kept = &self.here()?.kept;
        let snapshot = Snapshot {
            generation: kept.generation,
            facts,
            past: kept.timeline.past().clone(),
            red: kept.red.clone(),
            at: kept.edge().at,
            over: kept.over(),
            broken: kept.broken.clone().into(),
            touched: kept.timeline.live().sim.touched(),
            exact: kept.exact,
        };
        Ok(Arc::new(snapshot))
    }

    /// What does not change while the run goes on; worked out once for each run and again when branches come.
    fn facts(&mut self) -> Result<Arc<Facts>, String> {
        let generation = self.here()?.kept.generation;
        let count = self.branches.len();
        match &mut self.facts {
            Some((of, facts)) if *of == generation && facts.branches.len() == count => {
                // Only the branch that is on goes on, and says how far it has come.
                let line = line_of_branch(&self.branches[self.current]);
                if facts.branches[self.current] != line {
                    Arc::make_mut(facts).branches[self.current] = line;
                }
                Ok(facts.clone())
            }
            _ => {
                self.labels.clear();
                let facts = Arc::new(self.worked_out()?);
                self.facts = Some((generation, facts.clone()));
                Ok(facts)
            }
        }
    }

    fn worked_out(&mut self) -> Result<Facts, String> {
        let branches = self.branches.iter().map(line_of_branch).collect();
        let command = self.command()?;
        let current = self.current;
        let branch = self.here()?;
        let model = &branch.kept.model;
        let program = model.program();
        let sim = &branch.kept.timeline.live().sim;
        let names = sim.names();
        let is_workload = |node: &&NodeRef| matches!(program.node(**node).role, Role::Workload(_));
        let all: Vec<NodeRef> = (0..program.nodes.len()).map(|node| NodeRef(node as u16)).collect();
        let workloads = all.iter().filter(is_workload).copied().collect();
        let by_hand = model.faults().len() - branch.hand.len().min(model.faults().len());
        let fault = |(place, fault): (usize, &sim_core::Fault)| FaultLine {
            text: fault.to_string(),
            by_hand: place >= by_hand,
            begins: match fault {
                sim_core::Fault::Timed(timed) => timed.trigger.is_none().then_some(timed.when.begin()),
                sim_core::Fault::Decision(_) => None,
            },
        };
        let scenario = branch.base.document()?;
        let (settings, remedies) = knobs(&scenario, branch);
        Ok(Facts {
            scenario: model.name(),
            seed: branch.seed,
            nodes: names.nodes().to_vec(),
            kinds: names.kinds().to_vec(),
            classes: names.classes().to_vec(),
            topology: sim_models::topology::Topology::of(program),
            declared: program.nodes.iter().map(|node| (node.name.clone(), node.replicas.clone())).collect(),
            workloads,
            clocks: (0..names.nodes().len() as u32).map(|node| sim.clocks(NodeId(node))).collect(),
            until: model.until(),
            faults: model.faults().iter().enumerate().map(fault).collect(),
            settings,
            remedies,
            branch: current,
            branches,
            undo: branch.undo(),
            command,
        })
    }

    /// The command line that runs the same.
    fn command(&mut self) -> Result<String, String> {
        let called = self.called.clone();
        let branch = self.here()?;
        let mut words = match &branch.base {
            Base::Scenario { word, .. } => ["run", word, "--seed"].map(str::to_owned).to_vec(),
            Base::Case { file, .. } => ["explore", file].map(str::to_owned).to_vec(),
        };
        if let Base::Scenario { .. } = &branch.base {
            words.push(branch.seed.to_string());
            let flag = |name: &str, value: String| [name.to_owned(), value];
            words.extend(branch.choices.remedies.iter().flat_map(|name| flag("--remedy", name.clone())));
            let settings = branch.choices.settings.iter().map(|(name, text)| format!("{name}={text}"));
            words.extend(settings.flat_map(|line| flag("--set", line)));
            words.extend(branch.hand.iter().flat_map(|fault| flag("--fault", fault.to_string())));
        }
        Ok(commands::line(&called, words.iter().map(String::as_str)))
    }

    fn find(&mut self, word: &str, from: u64, forward: bool, tell: &mut dyn FnMut(Told)) -> Result<(), String> {
        let facts = self.facts()?;
        let past = self.here()?.kept.timeline.past().clone();
        let found = rows::find(&past, &facts, word, from, forward);
        let way = if forward { "after" } else { "before" };
        tell(match found {
            Some(event) => Told::Go { event: Some(event), words: format!("/{word}: n next, N before") },
            None => Told::Said(format!("no \"{word}\" {way} #{from}; nodes, kinds and operations are searched")),
        });
        Ok(())
    }
}

fn line_of_branch(branch: &Branch) -> BranchLine {
    let kept = &branch.kept;
    let edge = kept.edge();
    let broken: Vec<&str> = kept.broken.iter().map(|broken| broken.property.as_str()).collect();
    let broken = if broken.is_empty() { "nothing broke".to_owned() } else { format!("broke: {}", broken.join(", ")) };
    BranchLine {
        name: branch.name.clone(),
        standing: format!("{} events, {broken}", crate::text::count(edge.events)),
        from: branch.from,
        digest: kept.timeline.live().sim.digest().to_string(),
    }
}

/// Settings and remedies as they are turned.
fn knobs(scenario: &sim_models::scenario::Scenario, branch: &Branch) -> (Vec<SettingLine>, Vec<RemedyLine>) {
    let settings = scenario.document().settings();
    let values = branch.kept.model.settings();
    let value = |name: &str| values.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone());
    let setting = |it: &sim_models::language::Setting| SettingLine {
        name: it.name.clone(),
        value: value(&it.name).unwrap_or_else(|| it.default.clone()),
        default: it.default.clone(),
        range: crate::reference::range(it),
        about: it.about.clone().unwrap_or_default(),
    };
    let remedy = |it: &sim_models::language::Remedy| RemedyLine {
        name: it.name.clone(),
        about: crate::reference::about_remedy(scenario, it),
        on: branch.choices.remedies.contains(&it.name),
    };
    (settings.iter().map(setting).collect(), settings.remedies().map(remedy).collect())
}
