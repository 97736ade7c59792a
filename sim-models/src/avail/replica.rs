//! What one more of something would give, one change at a time.

use super::assembly::{Assembly, Names};
use super::block::{Block, Kind, Quorum};
use super::up::Availability;

/// A change to an expression, and what the whole then comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct OneMore {
    /// What there is now.
    pub before: String,
    /// What there would be.
    pub after: String,
    /// The whole with it.
    pub availability: Availability,
}

/// More places than this are not tried.
const PLACES_MAX: usize = 100;

/// What one more of each block would give, the best first: of a group one more member with as many needed as before, of
/// anything else a second one beside it. What would be too large to be worked out is left out.
///
/// ```
/// use sim_models::avail::{Block, Names, one_more};
/// let block = Block::parse("99.9% * 1of2(99%)").unwrap();
/// let best = &one_more(&block, &Names::new())[0];
/// assert_eq!((best.before.as_str(), best.after.as_str()), ("99.9%", "99.9% | 99.9%"));
/// ```
pub fn one_more(block: &Block, names: &Names) -> Vec<OneMore> {
    let mut all: Vec<OneMore> = Vec::new();
    let everywhere = numbered(block).into_iter().filter_map(|one| doubled_everywhere(block, &one));
    for Change { before, after, whole } in changes(block).into_iter().chain(everywhere).take(PLACES_MAX) {
        let Ok(assembly) = Assembly::of(&whole, names) else { continue };
        let change = OneMore { before, after, availability: assembly.availability() };
        if !all.contains(&change) {
            all.push(change);
        }
    }
    all.sort_by(|a, b| a.availability.down.total_cmp(&b.availability.down));
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
            .map(|change| change.within(|one| Kind::Copies(Box::new(one), *count), block))
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
    let Kind::Name { name, shared: Some(_) } = &one.kind else { return None };
    let known = numbered(block);
    let number = |block: &Block| match &block.kind {
        Kind::Name { name: of, shared } if of == name => *shared,
        _ => None,
    };
    let free = known.iter().filter_map(number).max()?.checked_add(1)?;
    let twin = Block { span: one.span, kind: Kind::Name { name: name.clone(), shared: Some(free) } };
    let pair = Block { span: one.span, kind: Kind::Parallel(vec![one.clone(), twin]) };
    let whole = replaced(block, one, &pair);
    Some(Change { before: one.to_string(), after: pair.to_string(), whole })
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
