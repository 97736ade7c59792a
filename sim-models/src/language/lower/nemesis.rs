//! Reads what may go wrong when it is asked for, and what the system is meant to bear.

use sim_core::draft::Draft;
use sim_core::nemesis::{Drafts, Heal, Nemesis};
use sim_core::tolerance::{Copies, Down, Tolerance};
use sim_core::{Fault, Instant};

use super::{Lower, known};
use crate::json::Span;
use crate::language::view::View;
use crate::problem::Problem;

impl<'a> Lower<'a> {
    /// Reads `tolerates` and `nemesis`; without the second there is a general one, that draws from every kind of trouble.
    pub(super) fn nemesis(&mut self) {
        let tolerance = self.root.optional("tolerates", |view| self.tolerance(view));
        let tolerance = self.told(tolerance).flatten().unwrap_or_default();
        let until = self.program.until.unwrap_or(DEFAULT_END);
        let mut nemesis = Nemesis { tolerance, ..Nemesis::general(until) };
        if let Some(view) = self.root.field("nemesis") {
            let read = self.declared(view, &mut nemesis);
            self.told(read);
        }
        self.program.nemesis = nemesis;
    }

    fn declared(&mut self, view: View<'a>, nemesis: &mut Nemesis) -> Result<(), Problem> {
        let mut drafts = Vec::new();
        for line in view.steps("draws") {
            let draft = self.draft(line);
            drafts.extend(self.told(draft));
        }
        // Without any the general ones stay.
        if let Some(draws) = view.field("draws") {
            if draws.items().next().is_none() {
                return Err(draws.error("a nemesis draws from one fault or more, such as \"crash db for 1s..30s\""));
            }
            nemesis.drafts = Drafts::Declared(drafts);
            nemesis.faults = (1, 1);
        }
        nemesis.faults = view.or("faults", nemesis.faults, View::int_range)?;
        if let Some(faults) = view.field("faults").filter(|_| nemesis.faults.1 > Nemesis::MOST) {
            let message = format!("a nemesis draws {} faults for one run at most", Nemesis::MOST);
            return Err(faults.error(message));
        }
        nemesis.between = view.or("between", nemesis.between, View::duration_range)?;
        if view.optional("heal", View::text)? == Some("core") {
            nemesis.heal = Heal::Core;
        }
        Ok(())
    }

    fn draft(&self, line: View<'a>) -> Result<Draft, Problem> {
        let text = line.text()?;
        let draft: Draft = text.parse().map_err(|error: sim_core::draft::DraftError| {
            line.error_at(Span::new(error.place.start, error.place.end), error.message)
        })?;
        self.check_fault(line, text, &Fault::Timed(draft.drawn(|_| 0)))?;
        Ok(draft)
    }

    fn tolerance(&self, view: View<'a>) -> Result<Tolerance, Problem> {
        let mut tolerance = Tolerance::default();
        if view.optional("down", |down| Ok(down.text().is_ok()))? == Some(true) {
            let of_each = self.program.nodes.iter().filter(|node| node.count > 1);
            let minority = of_each.filter_map(|node| Some((node.name.parse().ok()?, Down::Minority)));
            tolerance.down.extend(minority);
        }
        for (key, count) in view.members_of("down") {
            if !self.program.nodes.iter().any(|node| node.name == key.name) {
                let nodes = self.program.nodes.iter().map(|node| node.name.as_str());
                let message = format!("no node \"{}\"{}", key.name, known("nodes", &key.name, nodes));
                return Err(self.configured.error(key.span, message));
            }
            let down = if count.text().is_ok_and(|word| word == "minority") {
                Down::Minority
            } else {
                Down::Count(count.count()?)
            };
            tolerance.down.extend(key.name.parse().ok().map(|pattern| (pattern, down)));
        }
        tolerance.loss = view.optional("loss", View::ratio)?;
        tolerance.clock = view.optional("clock", View::duration)?;
        tolerance.disk = view.optional("disk", View::text)?.map(|word| match word {
            "none" => Copies::None,
            _ => Copies::One,
        });
        Ok(tolerance)
    }
}

/// Where the trouble of a scenario without an end is thought to end.
const DEFAULT_END: Instant = Instant::from_nanos(60_000_000_000);
