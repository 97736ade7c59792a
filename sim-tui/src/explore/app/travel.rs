//! Going about in a run: forward and back, to what went wrong, to why.

use std::sync::Arc;

use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use sim_core::past::Grade;
use sim_core::{Instant, NodeId, Operation};

use super::super::keys::{Action, Screen};
use super::super::layout;
use super::super::look::Ink;
use super::super::told::{Ask, Cone, Facts, Filter, Snapshot, Step};
use super::commands::speed_in_words;
use super::{Act, App, Goal, Menu, Popup, PromptKind, RunView, SPEEDS, Walk};

impl App {
    /// What a key does where a run is seen.
    pub(super) fn travel(&mut self, action: Action) -> Vec<Act> {
        let here = self.run.as_ref().map_or(0, |run| run.cursor);
        match action {
            Action::RunPause => self.run_or_pause(),
            Action::Forward => self.step_by(1, true),
            Action::Back => self.step_by(1, false),
            Action::NextAnomaly => self.anomaly(true),
            Action::LastAnomaly => self.anomaly(false),
            Action::RunTo => self.run_to(),
            Action::RunBack => self.run_back(),
            Action::NextOnNode => self.on_node(true),
            Action::LastOnNode => self.on_node(false),
            Action::Start => self.to(0),
            Action::Edge => self.edge(),
            Action::GoTo => self.open(Popup::prompt(PromptKind::GoTo, "")),
            Action::Faster | Action::Slower => self.change_speed(action == Action::Faster),
            Action::Why => self.why(),
            Action::Effects => self.effects(),
            Action::Prove => self.prove(),
            Action::Shrink => self.long("shrinking", Ask::Shrink { event: here }),
            Action::Explain => self.long("explaining", Ask::Explain { event: here }),
            Action::Fault => self.open(Popup::FaultKeys),
            Action::Undo => self.edit(super::super::told::Edit::Undo),
            Action::Redo => self.edit(super::super::told::Edit::Redo),
            Action::Branch => self.branch(),
            Action::Branches => self.open(Popup::menu(Menu::Branches)),
            Action::Faults => self.open(Popup::menu(Menu::Faults)),
            Action::Search => self.open(Popup::prompt(PromptKind::Search, "")),
            Action::NextHit => self.hit(true),
            Action::LastHit => self.hit(false),
            Action::Filter => self.open(Popup::prompt(PromptKind::Filter, "")),
            Action::Mark => self.open(Popup::Mark { set: true }),
            Action::ToMark => self.open(Popup::Mark { set: false }),
            Action::HistoryBack => self.history(true),
            Action::HistoryOn => self.history(false),
            action => self.arrange(action),
        }
    }

    /// What a key does with how the run is shown.
    fn arrange(&mut self, action: Action) -> Vec<Act> {
        let page = i64::try_from(layout::list_height(self)).unwrap_or(20).max(2);
        let spacetime = self.screen == Screen::Spacetime;
        let wide = self.class() >= layout::Class::Medium;
        let on_fields = self.pane_is_inspector() && (wide || !spacetime);
        let Some(run) = &mut self.run else { return Vec::new() };
        match action {
            Action::Down | Action::Up if on_fields => run.move_field(if action == Action::Down { 1 } else { -1 }),
            Action::Down => return self.move_rows(1),
            Action::Up => return self.move_rows(-1),
            Action::HalfDown => return self.move_rows(page / 2),
            Action::HalfUp => return self.move_rows(-page / 2),
            Action::PageDown => return self.move_rows(page),
            Action::PageUp => return self.move_rows(-page),
            Action::Inspect if on_fields => {
                let field = run.looked.as_ref().and_then(|looked| looked.fields.get(run.field)).cloned();
                return field.map_or_else(Vec::new, |(field, _)| self.ask_changed(&field));
            }
            Action::Inspect => return self.follow(),
            Action::Fold => run.wanted.fold = !run.wanted.fold,
            Action::Cone => return self.next_cone(),
            Action::HideLane => return self.hide_lane(),
            Action::NextLane => run.lane = (run.lane + 1).min(run.snapshot.facts.nodes.len().saturating_sub(1)),
            Action::LastLane => run.lane = run.lane.saturating_sub(1),
            Action::Clocks => {
                run.clocks = !run.clocks;
                if run.snapshot.facts.clocks.iter().all(|clock| clock.is_exact()) {
                    return self.say("every node's clock shows true time");
                }
            }
            Action::ZoomIn => run.zoom(true),
            Action::ZoomOut => run.zoom(false),
            Action::ZoomFit => run.window = None,
            Action::LikeThis => return self.like_this(),
            Action::NextItem => run.next_item(1),
            Action::LastItem => run.next_item(-1),
            // Beside the rows there is one pane to be in, where there is room for it.
            Action::NextPane | Action::LastPane if spacetime => {
                run.pane = if run.pane == layout::MAIN && wide { layout::INSPECTOR } else { layout::MAIN };
            }
            Action::NextPane => run.pane = (run.pane + 1) % layout::PANES,
            Action::LastPane => run.pane = (run.pane + layout::PANES - 1) % layout::PANES,
            Action::Zoom => run.zoomed = !run.zoomed,
            _ => {}
        }
        Vec::new()
    }

    fn run_or_pause(&mut self) -> Vec<Act> {
        let Some(run) = &mut self.run else { return Vec::new() };
        if run.running {
            self.pause();
            return Vec::new();
        }
        if let Some(over) = &run.snapshot.over {
            let over = over.clone();
            return self
                .say(format!("the run is over ({over}); g goes to its start, S turns a setting, f breaks something"));
        }
        run.go_on(Goal::None);
        Vec::new()
    }

    /// So many events on or back; at the newest one, on means that the next happens.
    pub(super) fn step_by(&mut self, count: u64, on: bool) -> Vec<Act> {
        self.pause();
        let Some(run) = &mut self.run else { return Vec::new() };
        let edge = run.snapshot.past.len();
        if !on {
            return self.to(self.run.as_ref().map_or(0, |run| run.cursor.saturating_sub(count)));
        }
        let wanted = run.cursor.saturating_add(count);
        if wanted <= edge {
            return self.to(wanted);
        }
        if run.snapshot.over.is_some() || run.busy {
            return self.to(edge);
        }
        run.cursor = edge;
        run.busy = true;
        let until = run.snapshot.facts.until.unwrap_or(Instant::NEVER);
        if wanted - edge > 10_000 {
            self.progress = Some("running there; Esc stops".to_owned());
        }
        vec![Act::Ask(Ask::Run { events: wanted - edge, until, stop_at_broken: true })]
    }

    /// To the next thing that went wrong: a broken property first of all.
    fn anomaly(&mut self, on: bool) -> Vec<Act> {
        self.pause();
        let Some(run) = &self.run else { return Vec::new() };
        let found = run.nearest(Grade::Broken, on).or_else(|| run.nearest(Grade::Trouble, on));
        match found {
            Some(event) if !run.snapshot.broken.iter().any(|broken| broken.event == event) => {
                self.go(event);
                return self.say("trouble here, no broken property; a goes to the next");
            }
            Some(event) => self.go(event),
            None if on && run.snapshot.over.is_none() => return self.run_to(),
            None => {
                let (way, edge) = (if on { "after" } else { "before" }, run.snapshot.past.len());
                let here = run.cursor;
                return self.say(format!("nothing went wrong {way} #{here}, in {} events", crate::text::count(edge)));
            }
        }
        self.focus_on_broken();
        Vec::new()
    }

    /// Follows the operation that a property broke for.
    fn focus_on_broken(&mut self) {
        let Some(run) = &mut self.run else { return };
        let broken = run.snapshot.broken.iter().find(|broken| broken.event == run.cursor);
        if let Some(broken) = broken {
            run.wanted.focus = broken.operation;
            let text = format!("{}: {}", broken.property, broken.detail);
            self.notice = Some((Ink::Broken, text));
        }
    }

    fn run_to(&mut self) -> Vec<Act> {
        let Some(run) = &mut self.run else { return Vec::new() };
        if let Some(event) = run.nearest(Grade::Broken, true) {
            self.pause();
            self.go(event);
            self.focus_on_broken();
            return Vec::new();
        }
        if run.snapshot.over.is_some() {
            return self.say("no property breaks after this; the run is over");
        }
        run.go_on(Goal::Broken);
        self.say("running on to the next broken property; Space pauses")
    }

    fn run_back(&mut self) -> Vec<Act> {
        self.pause();
        let found = self.run.as_ref().and_then(|run| run.nearest(Grade::Broken, false));
        match found {
            Some(event) => {
                self.go(event);
                self.focus_on_broken();
                Vec::new()
            }
            None => self.say("no property broke before this"),
        }
    }

    fn on_node(&mut self, on: bool) -> Vec<Act> {
        self.pause();
        let found = self.run.as_ref().and_then(|run| {
            let events = run.snapshot.past.of_node(run.node_here()?);
            if on {
                events.get(events.partition_point(|it| u64::from(*it) <= run.cursor))
            } else {
                events.get(events.partition_point(|it| u64::from(*it) < run.cursor).checked_sub(1)?)
            }
            .map(|it| u64::from(*it))
        });
        match found {
            Some(event) => self.to(event),
            None => self.say("no other event on this node that way, as far as the run has come"),
        }
    }

    fn edge(&mut self) -> Vec<Act> {
        let Some(run) = &mut self.run else { return Vec::new() };
        let edge = run.snapshot.past.len();
        if run.cursor < edge || run.snapshot.over.is_some() {
            return self.to(edge);
        }
        run.go_on(Goal::End);
        self.say("running to the end; Space pauses")
    }

    fn change_speed(&mut self, faster: bool) -> Vec<Act> {
        let Some(run) = &mut self.run else { return Vec::new() };
        run.speed = if faster { (run.speed + 1).min(SPEEDS.len() - 1) } else { run.speed.saturating_sub(1) };
        let speed = speed_in_words(SPEEDS[run.speed]);
        self.say(format!("speed: {speed}"))
    }

    /// Goes to an event, and remembers where it was.
    fn to(&mut self, event: u64) -> Vec<Act> {
        self.pause();
        self.go(event);
        Vec::new()
    }

    pub(super) fn go(&mut self, event: u64) {
        let rows = layout::list_height(self) as u16;
        let Some(run) = &mut self.run else { return };
        if event == run.cursor {
            return;
        }
        run.been.push(run.cursor);
        run.been_on.clear();
        run.cursor = event.min(run.snapshot.past.len());
        if rows > 0 {
            run.cursor_row = rows * 3 / 5;
        }
        run.field = 0;
    }

    fn history(&mut self, back: bool) -> Vec<Act> {
        self.pause();
        let Some(run) = &mut self.run else { return Vec::new() };
        let here = run.cursor;
        let (from, to) = if back { (&mut run.been, &mut run.been_on) } else { (&mut run.been_on, &mut run.been) };
        match from.pop() {
            Some(event) => {
                to.push(here);
                run.cursor = event.min(run.snapshot.past.len());
                Vec::new()
            }
            None => self.say("you have been nowhere else that way"),
        }
    }

    /// So many rows down or up.
    fn move_rows(&mut self, rows: i64) -> Vec<Act> {
        self.pause();
        let height = layout::list_height(self) as u16;
        let Some(run) = &mut self.run else { return Vec::new() };
        for _ in 0..rows.unsigned_abs() {
            let listing = run.listing();
            let next = if rows > 0 { listing.after(run.cursor) } else { listing.before(run.cursor) };
            let Some(next) = next else { break };
            let (low, high) = (run.cursor.min(next), run.cursor.max(next));
            let fold = u16::from(high - low > 1);
            let lines = 1 + fold;
            run.cursor = next;
            let row =
                if rows > 0 { run.cursor_row.saturating_add(lines) } else { run.cursor_row.saturating_sub(lines) };
            run.cursor_row = row.clamp(2, height.saturating_sub(3).max(2));
        }
        Vec::new()
    }

    /// To an instant or an event, `4.3s` or `#4163`.
    pub(super) fn go_to(&mut self, line: &str) -> Result<Vec<Act>, String> {
        if let Some(number) = line.strip_prefix('#') {
            let event: u64 = number.parse().map_err(|_| format!("\"{line}\" is no event; write #4163"))?;
            let edge = self.run.as_ref().map_or(0, |run| run.snapshot.past.len());
            if event > edge {
                return Err(format!("#{event} has not happened; the newest event is #{edge}"));
            }
            return Ok(self.to(event));
        }
        // The screen writes instants in seconds without saying so each time; so may whoever types one.
        let length = line.parse().or_else(|_| format!("{line}s").parse());
        let length: sim_core::Duration =
            length.map_err(|_| format!("\"{line}\" is no instant; write 4.3s, or #4163 for an event"))?;
        Ok(self.go_to_instant(Instant::ZERO + length))
    }

    /// To the last event that is not later; where time has not come so far, the run goes on to there.
    pub(super) fn go_to_instant(&mut self, at: Instant) -> Vec<Act> {
        self.pause();
        let Some(run) = &mut self.run else { return Vec::new() };
        if at > run.snapshot.at && run.snapshot.over.is_none() && !run.busy {
            run.busy = true;
            run.cursor = run.snapshot.past.len();
            run.clock = at;
            self.progress = Some("running there; Esc stops".to_owned());
            return vec![Act::Ask(Ask::Run { events: u64::MAX, until: at, stop_at_broken: false })];
        }
        let event = run.snapshot.past.last_until(at);
        self.to(event)
    }

    /// One cause back, of what is looked at or along the way that is being walked.
    fn why(&mut self) -> Vec<Act> {
        self.pause();
        let Some(run) = &mut self.run else { return Vec::new() };
        let here = run.cursor;
        if let Some(walk) = &mut run.walk
            && walk.stands_at() == Some(here)
        {
            let next = walk.at.map_or(0, |at| at + 1);
            match walk.steps.get(next).cloned() {
                Some(step) => {
                    walk.at = Some(next);
                    return self.stand_on(&step);
                }
                None => {
                    return self.say("this is where it began; p proves the last link, W goes back, Esc ends the walk");
                }
            }
        }
        if here == 0 {
            return self.say("nothing has happened yet");
        }
        match &mut run.asking {
            // Whoever presses faster than the answer comes is not held back.
            Some((event, again)) if *event == here => {
                *again += 1;
                Vec::new()
            }
            asking => {
                *asking = Some((here, 0));
                vec![Act::Ask(Ask::Walk { event: here })]
            }
        }
    }

    pub(super) fn told_walk(&mut self, event: u64, steps: Arc<[Step]>) -> Vec<Act> {
        let again = self.run.as_mut().and_then(|run| run.asking.take()).map_or(0, |(_, again)| again);
        let Some(run) = self.run.as_mut().filter(|run| run.cursor == event) else { return Vec::new() };
        let at = again.min(steps.len().saturating_sub(1));
        let Some(first) = steps.get(at).cloned() else {
            return self.say("this is where it began: nothing caused it");
        };
        run.walk = Some(Walk { from: event, steps, at: Some(at), proofs: std::collections::BTreeMap::new() });
        self.stand_on(&first)
    }

    fn stand_on(&mut self, step: &Step) -> Vec<Act> {
        if let Some(event) = step.event {
            self.go(event);
        }
        // The pane that says why shows the step in words.
        Vec::new()
    }

    /// One step back towards where why was asked; without a walk, on to what this caused.
    fn effects(&mut self) -> Vec<Act> {
        self.pause();
        let Some(run) = &mut self.run else { return Vec::new() };
        let here = run.cursor;
        let Some(walk) = run.walk.as_mut().filter(|walk| walk.stands_at() == Some(here)) else {
            return vec![Act::Ask(Ask::Effects { event: here })];
        };
        match walk.at {
            None => vec![Act::Ask(Ask::Effects { event: here })],
            Some(0) => {
                walk.at = None;
                let from = walk.from;
                self.to(from)
            }
            Some(at) => {
                walk.at = Some(at - 1);
                let step = walk.steps[at - 1].clone();
                self.stand_on(&step)
            }
        }
    }

    pub(super) fn told_effects(&mut self, event: u64, caused: &[u64]) -> Vec<Act> {
        if self.run.as_ref().is_none_or(|run| run.cursor != event) {
            return Vec::new();
        }
        match caused {
            [] => self.say("it caused nothing that has happened yet"),
            [first, rest @ ..] => {
                self.go(*first);
                let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
                self.say(format!("#{event} caused #{first}{more}; Backspace goes back"))
            }
        }
    }

    fn prove(&mut self) -> Vec<Act> {
        let at = self.run.as_ref().and_then(|run| run.walk.as_ref()).and_then(|walk| walk.at);
        match at {
            Some(index) => self.long("replaying without it", Ask::Prove(index)),
            None => self.say("w first: p proves the link from what you stand on to what it caused"),
        }
    }

    /// A work that takes a while; Esc gives it up.
    fn long(&mut self, words: &str, ask: Ask) -> Vec<Act> {
        self.pause();
        self.progress = Some(format!("{words}; Esc gives up"));
        vec![Act::Ask(ask)]
    }

    fn branch(&mut self) -> Vec<Act> {
        self.pause();
        let event = self.run.as_ref().map_or(0, |run| run.cursor);
        vec![Act::Ask(Ask::Branch { event })]
    }

    /// Shows every event of the operation that this event belongs to; the same again, no longer.
    fn follow(&mut self) -> Vec<Act> {
        let Some(run) = &mut self.run else { return Vec::new() };
        let of = run.operation_here();
        let Some(operation) = of.filter(|of| of.parts().is_some()) else {
            return self.say("this event belongs to no operation; w asks why it happened");
        };
        if run.wanted.focus == Some(operation) {
            run.wanted.focus = None;
            return self.say("all operations again");
        }
        run.wanted.focus = Some(operation);
        let name = run.snapshot.facts.operation(operation);
        if self.screen == Screen::Live {
            self.screen = Screen::Spacetime;
        }
        self.say(format!("following {name}: every event of it has a row; Enter again ends that"))
    }

    fn next_cone(&mut self) -> Vec<Act> {
        let Some(run) = &mut self.run else { return Vec::new() };
        let here = run.cursor;
        run.wanted.cone = match run.wanted.cone {
            Some((event, Cone::Past)) if event == here => Some((here, Cone::Future)),
            Some((event, Cone::Future)) if event == here => Some((here, Cone::Both)),
            Some((event, Cone::Both)) if event == here => None,
            _ => Some((here, Cone::Past)),
        };
        Vec::new()
    }

    fn hide_lane(&mut self) -> Vec<Act> {
        let Some(run) = &mut self.run else { return Vec::new() };
        let shown = run.snapshot.facts.nodes.len() - run.hidden.len();
        match run.node_here().map(|node| node.0) {
            Some(node) if shown > 1 && run.hidden.insert(node) => {}
            _ => run.hidden.clear(),
        }
        Vec::new()
    }

    fn like_this(&mut self) -> Vec<Act> {
        let Some(run) = &mut self.run else { return Vec::new() };
        if run.wanted.filter != Filter::default() {
            run.wanted.filter = Filter::default();
            return self.say("every event again");
        }
        let kind = run.snapshot.past.step(run.cursor).and_then(|step| super::super::words::kind(&step.what));
        run.wanted.filter = Filter { node: run.node_here(), kind: kind.map(|kind| kind.0), operation: None };
        self.say("only events like this one; # again ends that")
    }

    /// Searches forward for a word.
    pub(super) fn search(&mut self, word: &str) -> Result<Vec<Act>, String> {
        if word.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(run) = &mut self.run {
            word.clone_into(&mut run.word);
        }
        Ok(self.hit(true))
    }

    fn hit(&mut self, forward: bool) -> Vec<Act> {
        self.pause();
        let Some(run) = &self.run else { return Vec::new() };
        if run.word.is_empty() {
            return self.say("/ searches for a word first");
        }
        vec![Act::Ask(Ask::Find { word: run.word.clone(), from: run.cursor, forward })]
    }

    /// Asks which event last changed a field of the state that is shown.
    pub(super) fn ask_changed(&mut self, field: &str) -> Vec<Act> {
        let Some(run) = &self.run else { return Vec::new() };
        match run.looked.as_ref().and_then(|looked| looked.whose) {
            Some(node) => {
                let ask = Ask::Changed { event: run.cursor, node, field: field.to_owned() };
                self.long("looking for the last change", ask)
            }
            None => self.say("no node's state is shown here; ] chooses a node"),
        }
    }

    pub(super) fn mark(&mut self, chord: &str, set: bool) -> Vec<Act> {
        let mut letters = chord.chars();
        let (Some(letter), None) = (letters.next(), letters.next()) else {
            return self.complain("a mark is one letter");
        };
        let Some(run) = &mut self.run else { return Vec::new() };
        if set {
            let here = run.cursor;
            run.marks.insert(letter, here);
            return self.say(format!("mark {letter} at #{here}; ' and {letter} goes there"));
        }
        match run.marks.get(&letter).copied() {
            Some(event) => self.to(event),
            None => self.complain(format!("there is no mark {letter}; m and a letter sets one")),
        }
    }

    fn pane_is_inspector(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.pane == layout::INSPECTOR)
    }

    pub(super) fn moused(&mut self, mouse: MouseEvent) -> Vec<Act> {
        if self.mouse && self.popups.is_empty() && self.screen == Screen::Lab {
            match mouse.kind {
                MouseEventKind::ScrollDown => self.move_in_lab(3),
                MouseEventKind::ScrollUp => self.move_in_lab(-3),
                _ => {}
            }
        }
        if !self.mouse || self.run.is_none() || !self.popups.is_empty() || !self.screen.is_of_run() {
            return Vec::new();
        }
        match mouse.kind {
            MouseEventKind::ScrollDown => self.move_rows(3),
            MouseEventKind::ScrollUp => self.move_rows(-3),
            MouseEventKind::Down(MouseButton::Left) => match layout::event_at(self, mouse.column, mouse.row) {
                Some(event) => self.to(event),
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }
}

impl Walk {
    /// The event that the walk stands at.
    fn stands_at(&self) -> Option<u64> {
        match self.at {
            None => Some(self.from),
            // A step without an event of its own is stood on where the one before it is.
            Some(at) => self.steps[..=at].iter().rev().find_map(|step| step.event).or(Some(self.from)),
        }
    }
}

impl RunView {
    /// The length that a timeline of it has.
    pub(crate) fn whole(&self) -> Instant {
        self.snapshot.whole(if self.running { self.clock } else { Instant::ZERO })
    }

    fn go_on(&mut self, goal: Goal) {
        self.cursor = self.snapshot.past.len();
        self.clock = self.clock.max(self.snapshot.at);
        self.running = true;
        self.goal = goal;
    }

    /// Where time stands at the cursor.
    pub(crate) fn now(&self) -> Instant {
        self.snapshot.past.at(self.cursor).unwrap_or(Instant::ZERO)
    }

    /// The node of the event at the cursor.
    pub(crate) fn node_here(&self) -> Option<NodeId> {
        self.snapshot.past.step(self.cursor).and_then(|step| step.node())
    }

    /// The operation of the event at the cursor.
    pub(crate) fn operation_here(&self) -> Option<Operation> {
        self.snapshot.past.step(self.cursor).map(|step| step.cause.operation)
    }

    /// The nearest event of at least that grade, after or before the cursor.
    fn nearest(&self, grade: Grade, on: bool) -> Option<u64> {
        if grade == Grade::Broken {
            // What is only judged at the end breaks at an event that looked like any other when it happened.
            let mut events = self.snapshot.broken.iter().map(|broken| broken.event);
            return if on { events.find(|it| *it > self.cursor) } else { events.rfind(|it| *it < self.cursor) };
        }
        let events = self.snapshot.past.graded(grade);
        let at = if on {
            events.partition_point(|it| u64::from(*it) <= self.cursor)
        } else {
            events.partition_point(|it| u64::from(*it) < self.cursor).checked_sub(1)?
        };
        events.get(at).map(|it| u64::from(*it))
    }

    fn move_field(&mut self, by: isize) {
        let count = self.looked.as_ref().map_or(0, |looked| looked.fields.len());
        self.field = self.field.saturating_add_signed(by).min(count.saturating_sub(1));
    }

    /// The next node whose state is shown; in the pane of rates, the next workload.
    fn next_item(&mut self, by: isize) {
        let count = self.snapshot.facts.nodes.len();
        if self.pane == layout::RATES {
            let workloads = 1 + self.snapshot.facts.workloads.len();
            self.workload = (self.workload + workloads).saturating_add_signed(by) % workloads;
            return;
        }
        let shown = self.looked.as_ref().and_then(|looked| looked.whose).or_else(|| self.node_here());
        let here = shown.map_or(0, |node| node.0 as usize);
        self.whose = Some(NodeId(((here + count).saturating_add_signed(by) % count) as u32));
        self.field = 0;
    }

    /// Half or twice as much time on the timeline, around the cursor.
    fn zoom(&mut self, closer: bool) {
        let whole = self.whole();
        let (from, to) = self.window.unwrap_or((Instant::ZERO, whole));
        let length = to.nanos() - from.nanos();
        let length = if closer { (length / 2).max(1_000) } else { length.saturating_mul(2) };
        // Halves are rounded, so as many doublings come back to a few nanoseconds less than the whole.
        if length >= whole.nanos() - whole.nanos() / 1_000 {
            self.window = None;
            return;
        }
        let from = self.now().nanos().saturating_sub(length / 2).min(whole.nanos() - length);
        self.window = Some((Instant::from_nanos(from), Instant::from_nanos(from + length)));
    }
}

impl Snapshot {
    /// The length that a timeline of it has: all of a run that is over. One that goes on is shown up to the next power of two
    /// of milliseconds, so that there is something to see of a long run when it begins, and the scale seldom jumps.
    pub(crate) fn whole(&self, clock: Instant) -> Instant {
        const LEAST: u64 = 1_000_000;
        let now = self.at.max(clock).nanos();
        if self.over.is_some() {
            return Instant::from_nanos(now.max(LEAST));
        }
        let room = (now / LEAST + 1).next_power_of_two().saturating_mul(LEAST);
        let end = self.facts.until.map_or(u64::MAX, Instant::nanos);
        Instant::from_nanos(room.min(end).max(now).max(LEAST))
    }
}

impl Facts {
    /// An operation as people write it.
    pub(crate) fn operation(&self, operation: Operation) -> String {
        match operation.parts() {
            Some((class, number)) => {
                format!("{}/{number}", self.classes.get(class.0 as usize).map_or("?", String::as_str))
            }
            None => String::new(),
        }
    }

    /// The operation that people write so.
    pub(crate) fn operation_of(&self, text: &str) -> Option<Operation> {
        let (class, number) = text.rsplit_once('/')?;
        let class = self.classes.iter().position(|name| name == class)?;
        Some(Operation::new(sim_core::Class(u16::try_from(class).ok()?), number.parse().ok()?))
    }

    /// What operations are called here, to show how one is written.
    pub(crate) fn class(&self) -> &str {
        self.classes.first().map_or("order", String::as_str)
    }

    /// A node that this one asks, if it asks any.
    pub(crate) fn asked_by(&self, node: &str) -> Option<String> {
        let of = |it: &NodeId| self.nodes[it.0 as usize] == node;
        let from = self.declared.iter().position(|(_, replicas)| replicas.iter().any(of))?;
        let route = self.topology.routes.iter().find(|route| route.from.0 as usize == from)?;
        let (_, replicas) = &self.declared[route.to.0 as usize];
        replicas.first().map(|it| self.nodes[it.0 as usize].clone())
    }
}
