//! What one more of something would give, one change at a time.

use super::assembly::{Assembly, Drawn, Names};
use super::block::{Block, Kind, Quorum};
use super::importance::{are_same, but_for_rounding, ranges};
use super::up::Availability;

/// A change to an expression or a diagram, and what the whole then comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct OneMore {
    /// What there is now.
    pub before: String,
    /// What there would be in its place.
    pub after: String,
    /// At which of the places where it is written, counted from 1; where there are several, any one of them gives the
    /// same.
    pub places: Vec<usize>,
    /// How many places there are where just that is written.
    pub of: usize,
    /// The whole with it.
    pub availability: Availability,
}

impl OneMore {
    /// Which place is meant, where it matters: `2nd of 2`.
    ///
    /// ```
    /// use sim_models::avail::{Block, Names, one_more};
    /// let block = Block::parse("99% * 90% | 99%").unwrap();
    /// let told = one_more(&block, &Names::new());
    /// let places: Vec<_> = told.iter().map(|more| (more.before.as_str(), more.place())).collect();
    /// let (first, second) = (Some("1st of 2".to_owned()), Some("2nd of 2".to_owned()));
    /// assert_eq!(places, [("99%", second), ("90%", None), ("99%", first)]);
    /// ```
    pub fn place(&self) -> Option<String> {
        (self.places.len() < self.of).then(|| format!("{} of {}", ranges(&self.places), self.of))
    }

    /// What there is now, and where: `a (2nd of 2)`.
    pub fn title(&self) -> String {
        self.place().map_or_else(|| self.before.clone(), |place| format!("{} ({place})", self.before))
    }
}

/// More places than this are not tried.
pub(super) const PLACES_MAX: usize = 100;

/// What one more of each block would give, the best first, each at one place alone: of a group one more member with as
/// many needed as before, of anything else a second one beside it, independent of the first; of a power, of one of its
/// blocks. A numbered block is one and gets its second wherever it stands. What would be too large to be worked out is
/// left out.
///
/// ```
/// use sim_models::avail::{Block, Names, one_more};
/// let block = Block::parse("99.9% * 1of2(99%)").unwrap();
/// let best = &one_more(&block, &Names::new())[0];
/// assert_eq!((best.before.as_str(), best.after.as_str()), ("99.9%", "99.9% | 99.9%"));
/// ```
pub fn one_more(block: &Block, names: &Names) -> Vec<OneMore> {
    Assembly::of(block, names).map(|known| one_more_than(&known, block, names)).unwrap_or_default()
}

/// The same of a whole that is worked out already.
pub(super) fn one_more_than(known: &Assembly, block: &Block, names: &Names) -> Vec<OneMore> {
    let everywhere = numbered(block).into_iter().filter_map(|one| doubled_everywhere(block, &one));
    let tried =
        changes(block).into_iter().chain(everywhere).map(|Change { before, after, whole }| (before, after, whole));
    gathered(tried, |before, whole| known.with_second(before).or_else(|| known.beside(Drawn::of(&whole, names).ok()?)))
}

/// Works out changes, and puts together those of the same thing that give the same, the best first.
pub(super) fn gathered<W>(
    changes: impl Iterator<Item = (String, String, W)>,
    comes_to: impl Fn(&str, W) -> Option<Availability>,
) -> Vec<OneMore> {
    let mut all: Vec<OneMore> = Vec::new();
    let mut written: Vec<String> = Vec::new();
    for (nth, (before, after, whole)) in changes.enumerate() {
        let place = written.iter().filter(|known| **known == before).count() + 1;
        written.push(before.clone());
        let Some(availability) = (nth < PLACES_MAX).then(|| comes_to(&before, whole)).flatten() else { continue };
        let same = |more: &&mut OneMore| {
            more.before == before && more.after == after && are_same(more.availability.down, availability.down)
        };
        match all.iter_mut().find(same) {
            Some(known) => known.places.push(place),
            None => all.push(OneMore { before, after, places: vec![place], of: 1, availability }),
        }
    }
    for more in &mut all {
        more.of = written.iter().filter(|known| **known == more.before).count();
    }
    all.sort_by(|a, b| but_for_rounding(a.availability).total_cmp(&but_for_rounding(b.availability)));
    all
}

struct Change {
    before: String,
    after: String,
    whole: Block,
}

impl Change {
    fn within(self, wrap: impl FnOnce(Block) -> Kind, block: &Block) -> Change {
        Change { whole: Block { span: block.span, kind: wrap(self.whole) }, ..self }
    }
}

/// One change for each place where something is mentioned.
fn changes(block: &Block) -> Vec<Change> {
    match &block.kind {
        // It is changed everywhere at once.
        Kind::Name { shared: Some(_), .. } => Vec::new(),
        Kind::Name { shared: None, .. } | Kind::Part(_) => vec![doubled(block)],
        Kind::Series(blocks) => of_each(blocks, block, Kind::Series),
        Kind::Parallel(blocks) => of_each(blocks, block, Kind::Parallel),
        Kind::Copies(one, count) => changes(one)
            .into_iter()
            .map(|change| change.within(|changed| one_of_copies(one, *count, changed), block))
            .collect(),
        Kind::Quorum(quorum) if quorum.blocks.len() == 1 => {
            let larger = Quorum { of: quorum.of.saturating_add(1), ..quorum.clone() };
            let whole = Block { span: block.span, kind: Kind::Quorum(larger) };
            vec![Change { before: block.to_string(), after: whole.to_string(), whole }]
        }
        Kind::Quorum(quorum) => {
            let whole = |blocks| Kind::Quorum(Quorum { blocks, ..quorum.clone() });
            of_each(&quorum.blocks, block, whole)
        }
    }
}

/// One of so many in series is another, the others stay.
fn one_of_copies(one: &Block, count: u32, changed: Block) -> Kind {
    let rest = |count| Block { span: one.span, kind: Kind::Copies(Box::new(one.clone()), count) };
    match count {
        0 | 1 => changed.kind,
        2 => Kind::Series(vec![changed, one.clone()]),
        _ => Kind::Series(vec![changed, rest(count - 1)]),
    }
}

fn of_each(blocks: &[Block], whole: &Block, kind: impl Fn(Vec<Block>) -> Kind) -> Vec<Change> {
    let of_one = |(at, one): (usize, &Block)| {
        let kind = &kind;
        changes(one).into_iter().map(move |change| {
            change.within(
                |changed| {
                    let mut all = blocks.to_vec();
                    all[at] = changed;
                    kind(all)
                },
                whole,
            )
        })
    };
    blocks.iter().enumerate().flat_map(of_one).collect()
}

/// Two of it.
fn doubled(block: &Block) -> Change {
    let whole = Block { span: block.span, kind: Kind::Parallel(vec![block.clone(), block.clone()]) };
    Change { before: block.to_string(), after: whole.to_string(), whole }
}

/// A numbered block is one wherever it stands: it gets its double everywhere, and that has a number of its own.
fn doubled_everywhere(block: &Block, one: &Block) -> Option<Change> {
    let pair = with_twin(one, &numbered(block))?;
    let whole = replaced(block, one, &pair);
    Some(Change { before: one.to_string(), after: pair.to_string(), whole })
}

/// A numbered block and a second one with a number that none of those has.
fn with_twin(one: &Block, known: &[Block]) -> Option<Block> {
    let Kind::Name { name, shared: Some(_) } = &one.kind else { return None };
    let number = |block: &Block| match &block.kind {
        Kind::Name { name: of, shared } if of == name => *shared,
        _ => None,
    };
    let free = known.iter().filter_map(number).max()?.checked_add(1)?;
    let twin = Block { span: one.span, kind: Kind::Name { name: name.clone(), shared: Some(free) } };
    Some(Block { span: one.span, kind: Kind::Parallel(vec![one.clone(), twin]) })
}

/// What there is of a block in a diagram, and what there would be with one more: a second one beside it, of a group one
/// more member, of a numbered one its double.
pub(super) fn second_of(name: &str, block: &Block, all: &[Block]) -> Option<(String, String, Block)> {
    if let Some(pair) = with_twin(block, &all.iter().flat_map(numbered).collect::<Vec<_>>()) {
        return Some((block.to_string(), pair.to_string(), pair));
    }
    match &block.kind {
        Kind::Quorum(quorum) if quorum.blocks.len() == 1 => {
            let Change { after, whole, .. } = changes(block).pop()?;
            Some((name.to_owned(), after, whole))
        }
        _ => Some((name.to_owned(), format!("{name} | {name}"), doubled(block).whole)),
    }
}

/// Each numbered block once.
fn numbered(block: &Block) -> Vec<Block> {
    let mut all = Vec::new();
    collect(block, &mut all);
    all
}

fn collect(block: &Block, all: &mut Vec<Block>) {
    match &block.kind {
        Kind::Name { shared: None, .. } | Kind::Part(_) => {}
        Kind::Name { shared: Some(_), .. } => {
            if all.iter().all(|known| known.kind != block.kind) {
                all.push(block.clone());
            }
        }
        Kind::Series(blocks) | Kind::Parallel(blocks) => blocks.iter().for_each(|block| collect(block, all)),
        Kind::Copies(one, _) => collect(one, all),
        Kind::Quorum(quorum) => quorum.blocks.iter().for_each(|block| collect(block, all)),
    }
}

fn replaced(block: &Block, one: &Block, by: &Block) -> Block {
    let each = |blocks: &[Block]| blocks.iter().map(|block| replaced(block, one, by)).collect();
    let kind = match &block.kind {
        kind if *kind == one.kind => by.kind.clone(),
        kind @ (Kind::Name { .. } | Kind::Part(_)) => kind.clone(),
        Kind::Series(blocks) => Kind::Series(each(blocks)),
        Kind::Parallel(blocks) => Kind::Parallel(each(blocks)),
        Kind::Copies(inside, count) => Kind::Copies(Box::new(replaced(inside, one, by)), *count),
        Kind::Quorum(quorum) => Kind::Quorum(Quorum { blocks: each(&quorum.blocks), ..quorum.clone() }),
    };
    Block { span: block.span, kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, lets: &[&str]) -> Vec<(String, f64)> {
        let mut names = Names::new();
        lets.iter().for_each(|text| names.bind(text).unwrap());
        let more = one_more(&Block::parse(text).unwrap(), &names);
        more.iter().map(|more| (format!("{} → {}", more.title(), more.after), more.availability.down)).collect()
    }

    #[test]
    fn a_power_gets_one_more_of_one_of_its_blocks() {
        let told = told("90%^3", &[]);
        assert_eq!((told.len(), told[0].0.as_str()), (1, "90% → 90% | 90%"));
        assert!((told[0].1 - (1.0 - 0.99 * 0.81)).abs() < 1e-12, "{told:?}");
    }

    #[test]
    fn places_that_give_the_same_are_told_once_and_others_apart() {
        let told = told("a * b | a | a", &["a=90%", "b=50%"]);
        let texts: Vec<&str> = told.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(texts, ["a (2nd, 3rd of 3) → a | a", "b → b | b", "a (1st of 3) → a | a"], "{told:?}");
    }
}
