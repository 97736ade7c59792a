//! What is too large for a command line: an expression with its names, or a diagram of blocks and the ways through
//! them, as a file.
//!
//! ```json
//! {"kind": "diagram", "let": {"link": "90%"},
//!  "blocks": {"a": "link", "b": "link", "c": "link", "d": "link", "bridge": "link"},
//!  "links": ["in -> a -> c -> out", "in -> b -> d -> out", "a -> bridge -> d", "b -> bridge -> c"]}
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use super::assembly::{Assembly, Builder, Drawn, Names, Piece, Role};
use super::block::Block;
use super::error::{AvailError, NoAlgebra};
use super::network::{End, Network};
use super::replica::{OneMore, gathered, second_of};
use super::up::Availability;
use super::wiring::{Gate, Wire};
use super::words::{is_name, share};
use crate::json::{Json, JsonValue, Key};
use crate::problem::{Problems, Source, Span, did_you_mean};

/// A file that was read.
#[derive(Clone, Debug)]
pub struct AvailFile {
    source: Arc<Source>,
    names: Names,
    /// Where the meaning of each name stands.
    meanings: BTreeMap<String, Span>,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Expression { block: Block, span: Span },
    Ways(Ways),
}

/// Blocks, and how one gets from one to another. The first two are where all ways begin and end; they never fail.
#[derive(Clone, Debug)]
struct Ways {
    names: Vec<String>,
    blocks: Vec<Option<(Block, Span)>>,
    links: Vec<Link>,
    common: Vec<Common>,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    from: usize,
    to: usize,
    /// Whether it can be gone both ways.
    both: bool,
    span: Span,
}

/// Blocks that have a cause of failure in common.
#[derive(Clone, Debug)]
struct Common {
    blocks: Vec<usize>,
    beta: Availability,
    span: Span,
}

const IN: usize = 0;
const OUT: usize = 1;
const KEYS: [&str; 9] = ["$schema", "faultline", "kind", "note", "let", "expression", "blocks", "links", "common"];

impl AvailFile {
    /// Reads a file.
    ///
    /// # Errors
    /// All mistakes, with their places.
    pub fn parse(file: &str, text: &str) -> Result<AvailFile, Problems> {
        let root = crate::json::parse(text).map_err(|errors| {
            let root = Json { span: Span::default(), value: JsonValue::Null };
            let mut problems = Problems::new(Source::new(file, text, root));
            errors.into_iter().for_each(|error| problems.error(error.span, error.message));
            problems
        })?;
        let source = Source::new(file, text, root);
        let mut reader = Reader { problems: Problems::new(Arc::clone(&source)), source: Arc::clone(&source) };
        match reader.file(source.root()) {
            Some((names, meanings, what)) if !reader.problems.has_errors() => {
                Ok(AvailFile { source, names, meanings, what })
            }
            Some(_) | None => Err(reader.problems),
        }
    }

    /// The names it binds.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The expression in it; `None` of a diagram.
    pub fn expression(&self) -> Option<&Block> {
        match &self.what {
            What::Expression { block, .. } => Some(block),
            What::Ways(_) => None,
        }
    }

    /// Looks at every block and every meaning, and takes them as they are left. Mistakes are still pointed at where the
    /// file has them.
    pub(super) fn each_block(&mut self, visit: &mut dyn FnMut(&str, &mut Block)) {
        match &mut self.what {
            What::Expression { block, .. } => visit("", block),
            What::Ways(ways) => {
                for (name, block) in ways.names.iter().zip(&mut ways.blocks) {
                    if let Some((block, _)) = block {
                        visit(name, block);
                    }
                }
            }
        }
        self.names.each_block(visit);
    }

    /// What one more of each block of a diagram would give, the best first: a second one with the same links,
    /// independent of the first but for what they have in common with others. What would be too large to be worked out
    /// is left out.
    pub(super) fn one_more(&self, known: &Assembly) -> Vec<OneMore> {
        let What::Ways(ways) = &self.what else { return Vec::new() };
        let blocks: Vec<Block> = ways.blocks.iter().flatten().map(|(block, _)| block.clone()).collect();
        let each = (0..).zip(ways.names.iter().zip(&ways.blocks));
        let mut seen: Vec<String> = Vec::new();
        let second = each.filter_map(|(at, (name, block))| {
            let (before, after, second) = second_of(name, &block.as_ref()?.0, &blocks)?;
            // What is numbered is one in all blocks that it stands for.
            let is_first = !seen.contains(&before);
            seen.push(before.clone());
            is_first.then_some((before, after, (at, second)))
        });
        gathered(second, |before, (at, second)| {
            known.with_second(before).or_else(|| {
                let mut changed = ways.clone();
                let span = changed.blocks.get(at)?.as_ref()?.1;
                changed.blocks[at] = Some((second, span));
                known.beside(changed.drawn(&self.names).ok()?)
            })
        })
    }

    /// Lets every block fail by itself; whether any had a cause in common with others.
    pub(super) fn forget_common_causes(&mut self) -> bool {
        match &mut self.what {
            What::Expression { .. } => false,
            What::Ways(ways) => !std::mem::take(&mut ways.common).is_empty(),
        }
    }

    /// Works it out.
    ///
    /// # Errors
    /// As [`Assembly::of`], and when there is no way through a diagram, or a way that goes in circles.
    pub fn assembly(&self) -> Result<Assembly, Problems> {
        self.drawn()?.worked_out().map_err(|none| self.hard(&none))
    }

    /// Fills in its names and counts its components, without working anything out.
    ///
    /// # Errors
    /// As [`Drawn::of`], and when there is no way through a diagram, or a way that goes in circles.
    pub fn drawn(&self) -> Result<Drawn, Problems> {
        let drawn = match &self.what {
            What::Expression { block, span } => Drawn::of(block, &self.names).map_err(|error| (*span, error)),
            What::Ways(ways) => ways.drawn(&self.names),
        };
        drawn.map_err(|(span, error)| {
            let span = match &error.name {
                Some(name) => self.meanings.get(name).copied().unwrap_or(span),
                None => span,
            };
            self.problem(inside(&self.source, span, error.span), error.message)
        })
    }

    /// That it cannot be worked out, as a mistake of what it is about as a whole.
    pub fn hard(&self, none: &NoAlgebra) -> Problems {
        let span = match &self.what {
            What::Expression { span, .. } => *span,
            What::Ways(ways) => ways.whole(),
        };
        self.problem(span, none.to_string())
    }

    fn problem(&self, span: Span, message: String) -> Problems {
        let mut problems = Problems::new(Arc::clone(&self.source));
        problems.error(span, message);
        problems
    }
}

/// The place of a stretch of a text that stands at `span` of a file, quotes included.
fn inside(source: &Source, span: Span, of_text: Span) -> Span {
    let text = source.text().get(span.start + 1..span.end.saturating_sub(1)).unwrap_or_default();
    // What is not written as it is read, with \u0041 for A, is pointed at as a whole.
    if of_text.end == 0 || text.contains('\\') {
        span
    } else {
        Span::new(span.start + 1 + of_text.start, span.start + 1 + of_text.end)
    }
}

struct Reader {
    source: Arc<Source>,
    problems: Problems,
}

impl Reader {
    fn file(&mut self, root: &Json) -> Option<(Names, BTreeMap<String, Span>, What)> {
        if !matches!(root.value, JsonValue::Object(_)) {
            self.problems
                .error(root.span, "a diagram is an object with \"blocks\" and \"links\", or with an \"expression\"");
            return None;
        }
        for (key, _) in root.members().iter().filter(|(key, _)| !KEYS.contains(&key.name.as_str())) {
            let guess = did_you_mean(&key.name, KEYS);
            self.problems.error(key.span, format!("\"{}\" is unknown here{guess}", key.name));
        }
        let (mut names, mut meanings) = (Names::new(), BTreeMap::new());
        for (key, value) in root.get("let").map(Json::members).unwrap_or_default() {
            if let Some(text) = self.text(value) {
                meanings.insert(key.name.clone(), value.span);
                if let Err(error) = names.set(&key.name, text) {
                    let span =
                        if error.name.is_some() { key.span } else { inside(&self.source, value.span, error.span) };
                    self.problems.error(span, error.message);
                }
            }
        }
        let what = match (root.get("expression"), root.get("links")) {
            (Some(expression), None) => {
                self.block(expression).map(|block| What::Expression { block, span: expression.span })
            }
            (None, Some(links)) => Some(What::Ways(self.ways(root, links))),
            (Some(both), Some(_)) => {
                self.problems.error(both.span, "a file has an expression or links between blocks, not both");
                None
            }
            (None, None) => {
                self.problems
                    .error(root.span, "nothing is there to work out: \"expression\", or \"blocks\" and \"links\"");
                None
            }
        };
        what.map(|what| (names, meanings, what))
    }

    fn text<'j>(&mut self, value: &'j Json) -> Option<&'j str> {
        if value.as_text().is_none() {
            self.problems.error(value.span, "a text is wanted here, in quotes");
        }
        value.as_text()
    }

    fn block(&mut self, value: &Json) -> Option<Block> {
        let text = self.text(value)?;
        let read = Block::parse(text);
        read.map_err(|error| self.problems.error(inside(&self.source, value.span, error.span), error.message)).ok()
    }

    fn list<'j>(&mut self, value: &'j Json) -> &'j [Json] {
        match &value.value {
            JsonValue::List(items) => items,
            _ => {
                self.problems.error(value.span, "a list is wanted here");
                &[]
            }
        }
    }

    fn ways(&mut self, root: &Json, links: &Json) -> Ways {
        let mut ways = Ways {
            names: vec!["in".to_owned(), "out".to_owned()],
            blocks: vec![None, None],
            links: Vec::new(),
            common: Vec::new(),
        };
        for (Key { name, span }, value) in root.get("blocks").map(Json::members).unwrap_or_default() {
            if name == "in" || name == "out" || !is_name(name) {
                let message = format!(
                    "\"{name}\" cannot name a block: a letter, then letters, digits, _ and -; \"in\" and \"out\" are the ends"
                );
                self.problems.error(*span, message);
            }
            // What cannot be read is there all the same, for links to it to be no other mistake.
            let block = self.block(value);
            ways.names.push(name.clone());
            ways.blocks.push(block.map(|block| (block, value.span)));
        }
        for item in self.list(links) {
            if let Some(text) = self.text(item) {
                self.links(text, item.span, &mut ways);
            }
        }
        for item in root.get("common").map(|common| self.list(common)).unwrap_or_default() {
            let common = self.common(item, &ways);
            ways.common.extend(common);
        }
        ways
    }

    fn named(&mut self, name: &str, span: Span, ways: &Ways) -> Option<usize> {
        let found = ways.names.iter().position(|known| known == name);
        if found.is_none() {
            let guess = did_you_mean(name, ways.names.iter().map(String::as_str));
            self.problems.error(span, format!("there is no block \"{name}\"{guess}"));
        }
        found
    }

    /// `in -> a -> b <-> c`
    fn links(&mut self, text: &str, span: Span, ways: &mut Ways) {
        let mut before: Option<(usize, bool)> = None;
        let mut rest = text;
        loop {
            let at = text.len() - rest.len();
            let arrow = rest.find("->");
            let end = arrow.map_or(rest.len(), |arrow| if rest[..arrow].ends_with('<') { arrow - 1 } else { arrow });
            let name = rest[..end].trim();
            let begin = at + rest[..end].find(name).unwrap_or(0);
            let place = inside(&self.source, span, Span::new(begin, begin + name.len().max(1)));
            if name.is_empty() {
                self.problems
                    .error(place, "a link is written \"a -> b\", or \"a <-> b\" when it can be gone both ways");
                return;
            }
            let Some(to) = self.named(name, place, ways) else { return };
            if let Some((from, both)) = before {
                ways.links.push(Link { from, to, both, span: place });
            }
            let Some(arrow) = arrow else {
                if before.is_none() {
                    self.problems
                        .error(place, "a link is written \"a -> b\", or \"a <-> b\" when it can be gone both ways");
                }
                return;
            };
            before = Some((to, end < arrow));
            rest = &rest[arrow + 2..];
        }
    }

    fn common(&mut self, item: &Json, ways: &Ways) -> Option<Common> {
        let (Some(blocks), Some(beta)) = (item.get("blocks"), item.get("beta")) else {
            self.problems.error(item.span, "a common cause is written {\"blocks\": [\"a\", \"b\"], \"beta\": \"10%\"}");
            return None;
        };
        let text = self.text(beta)?;
        let read = share(text, Span::new(0, text.len()));
        let beta = read.map_err(|error| self.problems.error(beta.span, error.message)).ok()?.value();
        let mut named = Vec::new();
        for block in self.list(blocks) {
            named.push(self.text(block).map(str::to_owned).and_then(|name| self.named(&name, block.span, ways))?);
        }
        if named.len() < 2 || named.contains(&IN) || named.contains(&OUT) {
            self.problems.error(blocks.span, "at least two blocks have a cause in common, and the ends never fail");
            return None;
        }
        Some(Common { blocks: named, beta, span: item.span })
    }
}

impl Ways {
    fn drawn(&self, names: &Names) -> Result<Drawn, (Span, AvailError)> {
        let order = self.order();
        self.check(&order)?;
        let mut builder = Builder::new(names);
        let (mut pieces, mut up): (Vec<Piece>, Vec<Option<Wire>>) = (Vec::new(), vec![None; self.names.len()]);
        let mut blocks = Vec::new();
        for at in order {
            let Some((block, span)) = &self.blocks[at] else { continue };
            let mut piece = builder.piece(block).map_err(|error| (*span, error))?;
            piece = builder.called(piece, &self.names[at]);
            up[at] = Some(piece.wire());
            pieces.push(piece);
            blocks.push(at);
        }
        for common in &self.common {
            let members: Vec<Wire> = common.blocks.iter().filter_map(|at| up[*at]).collect();
            let cause = builder
                .common(&members, common.beta)
                .map_err(|message| (common.span, AvailError::new(Span::default(), message)))?;
            for at in &common.blocks {
                up[*at] = up[*at].map(|own| builder.wiring.gate(Gate::All(vec![own, cause])));
            }
        }
        let network = Network::new(blocks.len(), self.steps_between(&blocks));
        let wires = blocks.iter().filter_map(|at| up[*at]).collect();
        let wire = builder.wiring.gate(Gate::Through(network, wires));
        let label = format!("a way through {} blocks", pieces.len());
        Ok(builder.finished(Piece::new(label, Role::Ways, pieces, wire)))
    }

    /// Each way from one block to the next, blocks by their places in a list.
    fn steps_between(&self, blocks: &[usize]) -> impl Iterator<Item = (End, End)> {
        let mut ends: Vec<Option<End>> = vec![None; self.names.len()];
        (ends[IN], ends[OUT]) = (Some(End::In), Some(End::Out));
        for (place, block) in blocks.iter().enumerate() {
            ends[*block] = Some(End::Block(place));
        }
        self.steps().filter_map(move |(from, to)| ends[from].zip(ends[to]))
    }

    /// Where the file speaks of links, for mistakes that are of no single one.
    fn whole(&self) -> Span {
        self.links.first().map(|link| link.span).unwrap_or_default()
    }

    /// Each way from one block to the next, those that go both ways twice.
    fn steps(&self) -> impl Iterator<Item = (usize, usize)> {
        self.links
            .iter()
            .flat_map(|link| [Some((link.from, link.to)), link.both.then_some((link.to, link.from))])
            .flatten()
    }

    /// By block, those that come next.
    fn next(&self, steps: impl Iterator<Item = (usize, usize)>) -> Vec<Vec<usize>> {
        let mut next = vec![Vec::new(); self.names.len()];
        steps.for_each(|(from, to)| next[from].push(to));
        next
    }

    /// The blocks that can be reached, the nearest first.
    fn order(&self) -> Vec<usize> {
        self.reached(IN, self.steps())
    }

    /// Those that such steps lead to from a block on, the nearest first.
    fn reached(&self, from: usize, steps: impl Iterator<Item = (usize, usize)>) -> Vec<usize> {
        let next = self.next(steps);
        let (mut order, mut seen, mut at) = (vec![from], vec![false; self.names.len()], 0);
        seen[from] = true;
        while let Some(block) = order.get(at).copied() {
            for to in &next[block] {
                if !std::mem::replace(&mut seen[*to], true) {
                    order.push(*to);
                }
            }
            at += 1;
        }
        order
    }

    fn check(&self, order: &[usize]) -> Result<(), (Span, AvailError)> {
        let wrong = |span: Span, message: String| Err((span, AvailError::new(Span::default(), message)));
        if !order.contains(&OUT) {
            return wrong(self.whole(), "no way leads from in to out".to_owned());
        }
        let lost = (2..self.names.len()).find(|at| !order.contains(at));
        if let Some((at, Some((_, span)))) = lost.map(|at| (at, &self.blocks[at])) {
            return wrong(*span, format!("no way leads from in to {}", self.names[at]));
        }
        let back = self.reached(OUT, self.steps().map(|(from, to)| (to, from)));
        let stuck = (2..self.names.len()).find(|at| !back.contains(at));
        if let Some((at, Some((_, span)))) = stuck.map(|at| (at, &self.blocks[at])) {
            let name = &self.names[at];
            return wrong(
                *span,
                format!("no way leads from {name} to out, so nothing needs it; link it, or leave it out"),
            );
        }
        if let Some((link, circle)) = self.circle() {
            let names: Vec<&str> = circle.iter().map(|at| self.names[*at].as_str()).collect();
            return wrong(
                link.span,
                format!(
                    "this goes in a circle: {}; a link that can be gone both ways is written a <-> b",
                    names.join(" -> ")
                ),
            );
        }
        Ok(())
    }

    /// A circle of links that go one way, from its first link in the file's order.
    fn circle(&self) -> Option<(Link, Vec<usize>)> {
        let one_way = || self.links.iter().copied().filter(|link| !link.both);
        let next = self.next(one_way().map(|link| (link.from, link.to)));
        let in_circles = self.in_circles(&next);
        one_way().filter(|link| in_circles[link.from] && in_circles[link.to]).find_map(|link| {
            // From where it leads back to where it comes from, the shortest way.
            let mut came: Vec<Option<usize>> = vec![None; self.names.len()];
            let mut found = vec![link.to];
            let mut at = 0;
            while let Some(block) = found.get(at).copied() {
                if block == link.from {
                    let mut circle = vec![block];
                    while let Some(before) = circle.last().filter(|last| **last != link.to).and_then(|last| came[*last])
                    {
                        circle.push(before);
                    }
                    circle.push(link.from);
                    circle.reverse();
                    return Some((link, circle));
                }
                for to in next[block].iter().filter(|to| in_circles[**to] && **to != link.to) {
                    if came[*to].is_none() {
                        came[*to] = Some(block);
                        found.push(*to);
                    }
                }
                at += 1;
            }
            None
        })
    }

    /// By block, whether it lies on a circle or behind one: those to which no step leads are taken away until none is
    /// left.
    fn in_circles(&self, next: &[Vec<usize>]) -> Vec<bool> {
        let mut into = vec![0; self.names.len()];
        next.iter().flatten().for_each(|to| into[*to] += 1);
        let mut left = vec![true; self.names.len()];
        let mut free: Vec<usize> = (0..into.len()).filter(|block| into[*block] == 0).collect();
        while let Some(block) = free.pop() {
            left[block] = false;
            for to in &next[block] {
                into[*to] -= 1;
                if into[*to] == 0 {
                    free.push(*to);
                }
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRIDGE: &str = r#"{"kind": "diagram", "let": {"link": "90%"},
        "blocks": {"a": "link", "b": "link", "c": "link", "d": "link", "bridge": "link"},
        "links": ["in -> a -> c -> out", "in -> b -> d -> out", "a -> bridge -> d", "b -> bridge -> c"]}"#;

    fn down(text: &str) -> f64 {
        AvailFile::parse("x.json", text).and_then(|file| file.assembly()).map(|all| all.availability().down).unwrap()
    }

    fn told(text: &str) -> String {
        AvailFile::parse("x.json", text).and_then(|file| file.assembly()).unwrap_err().to_string()
    }

    #[test]
    fn a_bridge_is_gone_both_ways() {
        assert!((down(BRIDGE) - (1.0 - 0.97848)).abs() < 1e-15);
        let both = BRIDGE
            .replace("\"a -> bridge -> d\", \"b -> bridge -> c\"", "\"a <-> bridge <-> d\", \"b <-> bridge <-> c\"");
        assert!((down(&both) - (1.0 - 0.97848)).abs() < 1e-15);
    }

    #[test]
    fn an_expression_may_stand_in_a_file() {
        assert_eq!(down(r#"{"expression": "a | a", "let": {"a": "99%"}}"#), 1e-4);
    }

    #[test]
    fn a_common_cause_strikes_all() {
        let text = r#"{"blocks": {"a": "99%", "b": "99%"}, "links": ["in -> a -> out", "in -> b -> out"],
            "common": [{"blocks": ["a", "b"], "beta": "10%"}]}"#;
        let own = 0.009 / (0.99 + 0.009);
        let common = 0.001 / (0.99 + 0.001);
        assert!((down(text) - (common + (1.0 - common) * own * own)).abs() < 1e-15);
    }

    #[test]
    fn a_part_that_two_blocks_share_keeps_its_name_and_others_theirs() {
        let text = r#"{"let": {"p": "90%", "q": "80%"}, "blocks": {"a": "p#1", "b": "q", "c": "p#1"},
            "links": ["in -> a -> b -> c -> out"]}"#;
        let all = AvailFile::parse("x.json", text).unwrap().assembly().unwrap();
        let labels: Vec<&str> = all.components().iter().map(|component| component.label.as_str()).collect();
        assert_eq!(labels, ["p#1", "b"]);
        assert!((all.availability().up - 0.72).abs() < 1e-15);
    }

    #[test]
    fn one_more_of_a_block_has_the_same_links_and_causes() {
        let text = r#"{"blocks": {"a": "99%", "b": "99%", "c": "2of3(90%)", "d": "95% * 95%"},
            "links": ["in -> a -> c -> d -> out", "in -> b -> c"],
            "common": [{"blocks": ["a", "b"], "beta": "10%"}]}"#;
        let file = AvailFile::parse("x.json", text).unwrap();
        let told = file.one_more(&file.assembly().unwrap());
        let names: Vec<String> = told.iter().map(|more| format!("{} → {}", more.before, more.after)).collect();
        assert_eq!(names, ["d → d | d", "c → 2of4(90%)", "a → a | a", "b → b | b"]);
        // Three of which one is enough, and what strikes all of them.
        let (own, common) = (0.009 / 0.999, 0.001 / 0.991);
        let pair = 1.0 - (1.0 - common) * (1.0 - own * own * own);
        let wanted = 1.0 - (1.0 - pair) * (0.9 * 0.9 * (3.0 - 2.0 * 0.9)) * 0.95 * 0.95;
        assert!((told[2].availability.down / wanted - 1.0).abs() < 1e-12, "{} {wanted}", told[2].availability.down);
        let two = 1.0 - 0.0975 * 0.0975;
        let wanted = 1.0 - (1.0 - common) * (1.0 - own * own) * (0.9 * 0.9 * (3.0 - 2.0 * 0.9)) * two;
        assert!((told[0].availability.down / wanted - 1.0).abs() < 1e-12, "{} {wanted}", told[0].availability.down);
    }

    #[test]
    fn a_share_that_is_none_is_one_mistake() {
        let wrong = told(&BRIDGE.replace("\"a\": \"link\"", "\"a\": \"190%\""));
        assert!(wrong.contains("190% is above 100%") && !wrong.contains("no block"), "{wrong}");
        assert_eq!(wrong.matches("x.json:").count(), 1, "{wrong}");
    }

    #[test]
    fn mistakes_are_pointed_at() {
        let circle = BRIDGE.replace("\"b -> bridge -> c\"", "\"d -> bridge\"");
        assert!(told(&circle).contains("this goes in a circle: bridge -> d -> bridge"), "{}", told(&circle));
        let cases = [
            (BRIDGE.replace("in -> a -> c", "in -> a -> e"), "there is no block \"e\""),
            (BRIDGE.replace("\"90%\"", "\"190%\""), "above 100%"),
            (BRIDGE.replace("\"a\": \"link\"", "\"a\": \"lnk\""), "did you mean \"link\"?"),
            (BRIDGE.replace("-> out", "-> b"), "no way leads from in to out"),
            (BRIDGE.replace("\"blocks\"", "\"block\""), "did you mean \"blocks\"?"),
            (BRIDGE.replace("\"d\": \"link\"", "\"d\": \"link\", \"x\": \"link\""), "no way leads from in to x"),
            (
                BRIDGE
                    .replace("\"d\": \"link\"", "\"d\": \"link\", \"x\": \"99%\"")
                    .replace("b -> bridge -> c", "a -> x"),
                "no way leads from x to out, so nothing needs it",
            ),
            (r#"{"expression": ""}"#.to_owned(), "nothing is there"),
            (r#"{"expression": "a", "let": {"a": "b", "b": "2of3(a)"}}"#.to_owned(), "made of itself: a → b → a"),
            ("{}".to_owned(), "nothing is there to work out"),
            ("{".to_owned(), "x.json:1:"),
        ];
        for (text, part) in cases {
            assert!(told(&text).contains(part), "{text}\n{}", told(&text));
        }
    }
}
