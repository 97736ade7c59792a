//! What the keys do in the availability lab.

use std::sync::Arc;

use super::super::keys::{Action, Screen};
use super::super::lab::{Lab, LabAsk, SeenState};
use super::super::told::Ask;
use super::{Act, App, Popup, PromptKind};

/// The lab as it is looked at.
#[derive(Debug)]
pub(crate) struct LabView {
    pub(crate) told: Arc<Lab>,
    /// The knob that is selected.
    pub(crate) knob: usize,
    pub(crate) pane: Pane,
    pub(crate) zoomed: bool,
    /// How far each pane is scrolled, that of the knobs aside.
    pub(crate) scroll: [usize; 4],
    /// Figures that others are compared with.
    pub(crate) pinned: Option<Arc<Lab>>,
    /// Where it was opened.
    from: Screen,
}

/// A pane of the lab that the keys can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pane {
    Knobs,
    Figures,
    Blocks,
    Changes,
}

impl Pane {
    const ALL: [Pane; 4] = [Pane::Knobs, Pane::Figures, Pane::Blocks, Pane::Changes];

    fn beside(self, by: usize) -> Pane {
        Pane::ALL[(self as usize + by) % Pane::ALL.len()]
    }
}

impl LabView {
    /// How far this pane is scrolled.
    pub(crate) fn scrolled(&self, pane: Pane) -> usize {
        self.scroll[pane as usize]
    }

    /// More lines than this no pane has.
    fn lines(&self, pane: Pane) -> usize {
        fn pieces(piece: &sim_models::avail::Piece) -> usize {
            1 + piece.pieces.iter().map(pieces).sum::<usize>()
        }
        let worked = &self.told.worked;
        match pane {
            Pane::Knobs => worked.knobs.len(),
            Pane::Figures => 24 + 2 * worked.assumes.len(),
            Pane::Blocks => pieces(&worked.root),
            Pane::Changes => worked.changes.len() + worked.importance.len() + 2,
        }
    }
}

impl App {
    /// To the lab: of the run that is seen, else the one that was opened last, else one that is asked for.
    pub(super) fn show_lab(&mut self) -> Vec<Act> {
        match (self.screen, &self.lab, &self.run) {
            (Screen::Lab, ..) => Vec::new(),
            (Screen::Live | Screen::Spacetime, _, Some(_)) => {
                self.pause();
                vec![Act::Ask(Ask::Lab(LabAsk::OfRun))]
            }
            (_, Some(_), _) => {
                self.screen = Screen::Lab;
                Vec::new()
            }
            (_, None, Some(_)) => vec![Act::Ask(Ask::Lab(LabAsk::OfRun))],
            (_, None, None) => self.ask_for_lab(),
        }
    }

    /// Asks what to look at; the scenario that is selected stands there.
    pub(super) fn ask_for_lab(&mut self) -> Vec<Act> {
        let offers = self.picker.shown();
        let word = offers.get(self.picker.selected).map(|offer| offer.word.clone()).unwrap_or_default();
        self.open(Popup::prompt(PromptKind::Lab, &word))
    }

    pub(super) fn told_lab(&mut self, lab: Arc<Lab>, opened: bool, taken: bool) {
        if taken {
            self.tried = None;
        }
        if lab.seen.as_ref().is_none_or(|seen| seen.state != SeenState::Running) {
            self.progress = None;
        }
        if opened {
            let from = if self.screen == Screen::Lab { Screen::Scenarios } else { self.screen };
            let from = self.lab.as_ref().filter(|_| self.screen == Screen::Lab).map_or(from, |view| view.from);
            self.pause();
            self.screen = Screen::Lab;
            let view = LabView {
                told: lab,
                knob: 0,
                pane: Pane::Knobs,
                zoomed: false,
                scroll: [0; 4],
                pinned: self.lab.take().and_then(|view| view.pinned),
                from,
            };
            self.lab = Some(view);
        } else if let Some(view) = &mut self.lab {
            view.knob = view.knob.min(lab.worked.knobs.len().saturating_sub(1));
            view.told = lab;
        }
    }

    /// Back to where the lab was opened.
    pub(super) fn leave_lab(&mut self) -> Vec<Act> {
        let from = self.lab.as_ref().map_or(Screen::Scenarios, |view| view.from);
        self.show(if self.run.is_some() { from } else { Screen::Scenarios })
    }

    /// What is simulated is given up.
    pub(super) fn stop_simulating(&mut self) -> Vec<Act> {
        let runs = self.lab.as_ref().and_then(|view| view.told.seen.as_ref()).map(|seen| seen.state);
        let is_told = self.progress.take().is_some();
        if is_told || runs == Some(SeenState::Running) { vec![Act::GiveUp] } else { Vec::new() }
    }

    /// One thing at a time: the simulation, the pane alone, then what is pinned.
    pub(super) fn escape_in_lab(&mut self) -> Vec<Act> {
        let stops = self.stop_simulating();
        if !stops.is_empty() {
            return stops;
        }
        if let Some(view) = &mut self.lab
            && !std::mem::take(&mut view.zoomed)
        {
            view.pinned = None;
        }
        Vec::new()
    }

    /// What a key does in the lab.
    pub(super) fn in_lab(&mut self, action: Action) -> Vec<Act> {
        let page = i64::from(self.size.1 / 2).max(2);
        match action {
            Action::KnobMore => return self.step_knob(true),
            Action::KnobLess => return self.step_knob(false),
            Action::KnobValue => return self.type_knob(),
            Action::KnobFirst => return self.knob_as_at_first(),
            Action::MoreYears => return self.more_years(),
            Action::Export => return vec![Act::Ask(Ask::Lab(LabAsk::Export(None)))],
            Action::Pin => return self.pin(),
            Action::Down => self.move_in_lab(1),
            Action::Up => self.move_in_lab(-1),
            Action::HalfDown => self.move_in_lab(page / 2),
            Action::HalfUp => self.move_in_lab(-page / 2),
            Action::PageDown => self.move_in_lab(page),
            Action::PageUp => self.move_in_lab(-page),
            _ => {}
        }
        let Some(view) = &mut self.lab else { return Vec::new() };
        match action {
            Action::NextPane => view.pane = view.pane.beside(1),
            Action::LastPane => view.pane = view.pane.beside(Pane::ALL.len() - 1),
            Action::Zoom => view.zoomed = !view.zoomed,
            Action::Sensitivity => {
                let is_shown = view.zoomed && view.pane == Pane::Changes;
                view.zoomed = !is_shown;
                view.pane = if is_shown { Pane::Knobs } else { Pane::Changes };
            }
            _ => {}
        }
        Vec::new()
    }

    pub(super) fn move_in_lab(&mut self, by: i64) {
        let Some(view) = &mut self.lab else { return };
        let last = view.lines(view.pane).saturating_sub(1) as i64;
        let place = if view.pane == Pane::Knobs { &mut view.knob } else { &mut view.scroll[view.pane as usize] };
        *place = (*place as i64 + by).clamp(0, last.max(0)) as usize;
    }

    fn step_knob(&mut self, up: bool) -> Vec<Act> {
        let Some(knob) = self.selected_knob() else { return self.complain("nothing here can be turned") };
        self.ask_anew(LabAsk::Step { knob: knob.0, up })
    }

    fn type_knob(&mut self) -> Vec<Act> {
        let Some((knob, value)) = self.selected_knob() else { return self.complain("nothing here can be turned") };
        self.open(Popup::prompt(PromptKind::Knob(knob), &value))
    }

    /// The knob as it was at first; when it is so already, all of them.
    fn knob_as_at_first(&mut self) -> Vec<Act> {
        let Some(view) = &self.lab else { return Vec::new() };
        let knobs = &view.told.worked.knobs;
        let is_turned = |knob: &&super::super::lab::KnobLine| knob.value != knob.first;
        let here = knobs.get(view.knob).filter(is_turned);
        let turned: Vec<String> = here
            .map_or_else(|| knobs.iter().filter(is_turned).collect(), |knob| vec![knob])
            .iter()
            .map(|knob| knob.id.clone())
            .collect();
        if turned.is_empty() {
            return self.say("every knob stands as it did at first");
        }
        turned.into_iter().flat_map(|knob| self.ask_anew(LabAsk::Turn { knob, value: None })).collect()
    }

    fn selected_knob(&self) -> Option<(String, String)> {
        let view = self.lab.as_ref()?;
        view.told.worked.knobs.get(view.knob).map(|knob| (knob.id.clone(), knob.value.clone()))
    }

    /// Turns a knob; none: to what it was at first.
    pub(super) fn turn_knob(&mut self, knob: &str, value: Option<&str>) -> Vec<Act> {
        self.ask_anew(LabAsk::Turn { knob: knob.to_owned(), value: value.map(str::to_owned) })
    }

    /// What is simulated with the knobs as they were is of no use any more.
    fn ask_anew(&mut self, ask: LabAsk) -> Vec<Act> {
        let mut acts = self.stop_simulating();
        acts.push(Act::Ask(Ask::Lab(ask)));
        acts
    }

    fn more_years(&mut self) -> Vec<Act> {
        let Some(view) = &self.lab else { return Vec::new() };
        if let Some(why) = &view.told.worked.unsimulated {
            let why = why.clone();
            return self.complain(why);
        }
        if self.progress.is_some() {
            return self.say("it is being simulated already; Esc stops it");
        }
        vec![Act::Ask(Ask::Lab(LabAsk::More))]
    }

    fn pin(&mut self) -> Vec<Act> {
        let Some(view) = &mut self.lab else { return Vec::new() };
        if view.pinned.take().is_some() {
            return self.say("nothing is pinned any more");
        }
        view.pinned = Some(view.told.clone());
        self.say("pinned: what is turned from here on is compared with these figures")
    }

    /// What a line asks for that only the lab knows.
    pub(super) fn command_in_lab(&mut self, name: &str, value: &str) -> Option<Result<Vec<Act>, String>> {
        Some(match name {
            "turn" | "set" if !value.is_empty() => match value.split_once('=') {
                Some((knob, value)) => match self.knob_named(knob.trim()) {
                    Some(knob) => Ok(self.turn_knob(&knob, Some(value.trim()).filter(|value| !value.is_empty()))),
                    None => Err(format!("no knob \"{}\"{}", knob.trim(), self.knob_like(knob.trim()))),
                },
                None => Err(format!("\"{value}\" turns nothing; write KNOB=VALUE, such as turn db mttr=15m")),
            },
            "export" => Ok(vec![Act::Ask(Ask::Lab(LabAsk::Export((!value.is_empty()).then(|| value.to_owned()))))]),
            _ => return None,
        })
    }

    fn knob_named(&self, name: &str) -> Option<String> {
        let knobs = &self.lab.as_ref()?.told.worked.knobs;
        knobs.iter().find(|knob| knob.label == name || knob.id == name).map(|knob| knob.id.clone())
    }

    fn knob_like(&self, name: &str) -> String {
        let knobs = self.lab.iter().flat_map(|view| view.told.worked.knobs.iter());
        sim_models::problem::did_you_mean(name, knobs.map(|knob| knob.label.as_str()))
    }
}
