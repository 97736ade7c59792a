//! Ways through a network of blocks that are up or down: when is there one from where all begin to where all end?
//!
//! Blocks are decided one after the other, and of those that were decided only that is kept which the others can
//! notice: which of the blocks that come next a way leads to already, from which of them one would get to the end, and
//! from which of them to which other over blocks that are up. Cases that agree in all that are one (Hardy, Lucet and
//! Limnios, K-terminal network reliability measures with binary decision diagrams, IEEE Transactions on Reliability 56,
//! 2007, whose partitions of the frontier these are where all links go both ways). How many there are hangs on how many
//! blocks lie side by side between what is decided and what is not, so the order in which they are decided keeps that
//! narrow.

use sim_core::seed::mix;

use super::bdd::{DOWN, Diagram, TooEntangled, UP, Way};
use super::numbering::{Number, Numbering};

/// More cases than this are not followed; it would take minutes.
const CASES_MAX: usize = 2_000_000;

/// Nor cases of more than so many words together: what lies wide has long cases, and where many of those are, it is refused
/// sooner, before it takes gigabytes.
const WORDS_MAX: usize = 26_000_000;

/// Blocks, and how one gets from one to the next.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Network {
    blocks: Vec<Links>,
    /// Whether nothing lies between the beginning and the end.
    is_open: bool,
    /// In which blocks are decided: all that lie on a way from the beginning to the end.
    order: Vec<u32>,
}

/// Where one gets from a block.
#[derive(Clone, Debug, Default, PartialEq)]
struct Links {
    /// Whether a way begins here.
    enters: bool,
    /// Whether a way ends here.
    leaves: bool,
    next: Vec<u32>,
    before: Vec<u32>,
}

/// An end of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Where all ways begin.
    In,
    /// Where all ways end.
    Out,
    /// A block by its number.
    Block(usize),
}

impl Network {
    /// So many blocks with steps from one to another.
    pub(super) fn new(blocks: usize, steps: impl Iterator<Item = (End, End)>) -> Network {
        let mut network = Network { blocks: vec![Links::default(); blocks], is_open: false, order: Vec::new() };
        for (from, to) in steps {
            match (from, to) {
                (End::In, End::Out) => network.is_open = true,
                (End::In, End::Block(to)) => network.blocks[to].enters = true,
                (End::Block(from), End::Out) => network.blocks[from].leaves = true,
                (End::Block(from), End::Block(to))
                    if !network.blocks[from].next.contains(&(to as u32)) && from != to =>
                {
                    network.blocks[from].next.push(to as u32);
                    network.blocks[to].before.push(from as u32);
                }
                // Nobody goes back to the beginning, or on from the end.
                (End::Block(_), End::Block(_)) | (End::Out, _) | (_, End::In) => {}
            }
        }
        network.order = network.narrow_order();
        network
    }

    /// In which blocks are decided.
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    /// All steps between blocks.
    pub(super) fn steps(&self) -> impl Iterator<Item = (usize, usize)> {
        self.blocks.iter().enumerate().flat_map(|(from, links)| links.next.iter().map(move |to| (from, *to as usize)))
    }

    /// Whether there is a way when these blocks are up.
    pub(super) fn is_through(&self, ups: &[bool]) -> bool {
        if self.is_open {
            return true;
        }
        let mut seen: Vec<bool> = ups.iter().map(|up| !up).collect();
        let mut open: Vec<usize> = (0..ups.len()).filter(|block| self.blocks[*block].enters && ups[*block]).collect();
        open.iter().for_each(|block| seen[*block] = true);
        while let Some(block) = open.pop() {
            if self.blocks[block].leaves {
                return true;
            }
            for next in self.blocks[block].next.iter().map(|next| *next as usize) {
                if !std::mem::replace(&mut seen[next], true) {
                    open.push(next);
                }
            }
        }
        false
    }

    /// Those that can be met from such blocks on.
    fn met(&self, begin: impl Fn(&Links) -> bool, next: impl Fn(&Links) -> &[u32]) -> Vec<bool> {
        let mut met: Vec<bool> = self.blocks.iter().map(begin).collect();
        let mut open: Vec<usize> = (0..met.len()).filter(|block| met[*block]).collect();
        while let Some(block) = open.pop() {
            for next in next(&self.blocks[block]).iter().map(|next| *next as usize) {
                if !std::mem::replace(&mut met[next], true) {
                    open.push(next);
                }
            }
        }
        met
    }

    fn narrow_order(&self) -> Vec<u32> {
        let (from_in, to_out) = (
            self.met(|links| links.enters, |links| &links.next),
            self.met(|links| links.leaves, |links| &links.before),
        );
        let counts = |block: u32| from_in[block as usize] && to_out[block as usize];
        let near = |(at, links): (usize, &Links)| {
            let mut near: Vec<u32> =
                links.next.iter().chain(&links.before).copied().filter(|block| counts(*block)).collect();
            near.sort_unstable();
            near.dedup();
            if counts(at as u32) { near } else { Vec::new() }
        };
        let near: Vec<Vec<u32>> = self.blocks.iter().enumerate().map(near).collect();
        let all = 0..self.blocks.len() as u32;
        let begin: Vec<u32> = all.clone().filter(|block| self.blocks[*block as usize].enters).collect();
        let end: Vec<u32> = all.filter(|block| self.blocks[*block as usize].leaves).collect();
        let mut best = narrowest(&near, &begin);
        let backwards = narrowest(&near, &end);
        if width(&near, &backwards) < width(&near, &best) {
            best = backwards;
        }
        best.retain(|block| counts(*block));
        best
    }

    /// Decides block after block.
    ///
    /// # Errors
    /// When there are too many cases: a block where they are most, and how many lie side by side there.
    pub(super) fn followed(&self) -> Result<Followed, (usize, usize)> {
        let levels = Levels::of(self);
        if self.is_open {
            return Ok(Followed { levels: Vec::new(), first: Next::Up });
        }
        if self.order.is_empty() {
            return Ok(Followed { levels: Vec::new(), first: Next::Down });
        }
        let (mut cases, mut followed) = (vec![0u64; levels.size], Vec::new());
        let most = CASES_MAX.min(WORDS_MAX / levels.size);
        let (mut all, mut after) = (0, vec![0u64; levels.size]);
        for (at, block) in self.order.iter().enumerate() {
            let level = &levels.all[at];
            let mut open = Cases::new(levels.size);
            let mut decided = Vec::with_capacity(cases.len() / levels.size);
            for case in cases.chunks_exact(levels.size) {
                let up = level.up(&levels, case, &mut after);
                let up = open.next(up, &after);
                let down = level.down(&levels, case, &mut after);
                decided.push([up, open.next(down, &after)]);
                if all + open.count() > most {
                    return Err((*block as usize, level.wide));
                }
            }
            all += open.count();
            followed.push((*block, decided));
            cases = open.cases;
        }
        Ok(Followed { levels: followed, first: Next::Case(0) })
    }
}

/// What becomes of a case when one more block is decided.
#[derive(Clone, Copy)]
enum After {
    /// There is a way whatever else is up.
    Through,
    /// There is none whatever else is up.
    Lost,
    /// It is not decided.
    Open,
}

/// Cases one after the other, each once.
struct Cases {
    cases: Vec<u64>,
    size: usize,
    numbers: Numbering,
}

impl Cases {
    fn new(size: usize) -> Cases {
        Cases { cases: Vec::new(), size, numbers: Numbering::new() }
    }

    fn count(&self) -> usize {
        self.cases.len() / self.size
    }

    /// What follows when that became of a case, which is `open` where it is not decided.
    fn next(&mut self, after: After, open: &[u64]) -> Next {
        match after {
            After::Through => Next::Up,
            After::Lost => Next::Down,
            After::Open => {
                let Cases { cases, size, numbers } = self;
                let hash = open.iter().fold(0, |hash, word| mix(hash, *word));
                let number = numbers.of(hash, |number| cases[number as usize * *size..][..*size] == *open);
                if let Number::Fresh(_) = number {
                    cases.extend_from_slice(open);
                }
                Next::Case(number.number())
            }
        }
    }
}

/// The same, cases by their numbers among those of the next block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Up,
    Down,
    Case(u32),
}

/// All cases of all blocks in their order: what follows when it is up, and when it is down.
#[derive(Debug)]
pub(super) struct Followed {
    levels: Vec<(u32, Vec<[Next; 2]>)>,
    first: Next,
}

impl Followed {
    /// The function that is up where there is a way, with these functions for the blocks.
    ///
    /// # Errors
    /// When the diagram becomes too large.
    pub(super) fn way(&self, ups: &[Way], diagram: &mut Diagram) -> Result<Way, TooEntangled> {
        let mut below: Vec<Way> = Vec::new();
        for (block, cases) in self.levels.iter().rev() {
            let of = |next: Next, below: &[Way]| match next {
                Next::Up => UP,
                Next::Down => DOWN,
                Next::Case(number) => below[number as usize],
            };
            let mut ways = Vec::with_capacity(cases.len());
            for [up, down] in cases {
                ways.push(diagram.choose(ups[*block as usize], of(*up, &below), of(*down, &below))?);
            }
            below = ways;
        }
        Ok(match self.first {
            Next::Up => UP,
            Next::Down => DOWN,
            Next::Case(number) => below[number as usize],
        })
    }
}

/// A case in bits, by the places of the blocks that touch what is decided: a row of those to which a way leads, a row
/// of those from which one gets to the end, and for each a row of those to which one gets from it. What is so anyway,
/// whatever was decided, is not noted.
#[derive(Debug)]
struct Levels {
    all: Vec<Level>,
    /// 64 bits each, of a row.
    words: usize,
    /// Of a case.
    size: usize,
}

/// What there is to know when a block is decided.
#[derive(Debug, Default)]
struct Level {
    /// Its place, when it touches what is decided.
    place: Option<usize>,
    enters: bool,
    leaves: bool,
    /// The places of the blocks to which one gets from it, without those to which all ways lead anyway.
    next: Vec<u64>,
    /// The places of the blocks from which one gets to it.
    before: Vec<usize>,
    /// Afterwards, the places of those that touch what is decided, and for each, where one gets from it anyway, and
    /// whether that is the end.
    touch: Vec<(usize, Vec<u64>, bool)>,
    /// Afterwards, whether ways begin and end at blocks that are not decided.
    still_enters: bool,
    still_leaves: bool,
    /// How many touch what is decided.
    wide: usize,
}

fn has(row: &[u64], place: usize) -> bool {
    row[place / 64] >> (place % 64) & 1 == 1
}

fn put(row: &mut [u64], place: usize) {
    row[place / 64] |= 1 << (place % 64);
}

fn drop_from(row: &mut [u64], place: usize) {
    row[place / 64] &= !(1 << (place % 64));
}

/// Which blocks touch what is decided, and in which places their bits stand.
struct Places {
    of: Vec<Option<usize>>,
    free: Vec<usize>,
    most: usize,
    decided: Vec<bool>,
}

impl Places {
    fn new(network: &Network) -> Places {
        let mut decided = vec![true; network.blocks.len()];
        network.order.iter().for_each(|block| decided[*block as usize] = false);
        Places { of: vec![None; network.blocks.len()], free: Vec::new(), most: 0, decided }
    }

    /// Decides a block; its place until now.
    fn decide(&mut self, block: usize, links: &Links) -> Option<usize> {
        self.decided[block] = true;
        let place = self.of[block].take();
        self.free.extend(place);
        for near in links.next.iter().chain(&links.before).map(|near| *near as usize) {
            if !self.decided[near] && self.of[near].is_none() {
                let place = self.free.pop().unwrap_or(self.most);
                self.of[near] = Some(place);
                self.most = self.most.max(place + 1);
            }
        }
        place
    }
}

impl Levels {
    fn of(network: &Network) -> Levels {
        let mut places = Places::new(network);
        let decide =
            |places: &mut Places, block: &u32| places.decide(*block as usize, &network.blocks[*block as usize]);
        for block in &network.order {
            decide(&mut places, block);
        }
        // All rows are as long as the longest.
        let (most, words) = (places.most, places.most.div_ceil(64).max(1));
        places = Places::new(network);
        let level = |block: &u32| {
            let place = decide(&mut places, block);
            Level::of(network, &network.blocks[*block as usize], place, &places, words)
        };
        Levels { all: network.order.iter().map(level).collect(), words, size: words * (2 + most) }
    }

    fn row(&self, place: usize) -> std::ops::Range<usize> {
        self.words * (2 + place)..self.words * (3 + place)
    }
}

impl Level {
    /// What there is to know of a block that had this place, when it is decided.
    fn of(network: &Network, links: &Links, place: Option<usize>, places: &Places, words: usize) -> Level {
        let row = |blocks: &[u32]| {
            let mut row = vec![0; words];
            let open = blocks.iter().map(|near| *near as usize).filter(|near| !network.blocks[*near].enters);
            open.filter_map(|near| places.of[near]).for_each(|place| put(&mut row, place));
            row
        };
        let touch = network.blocks.iter().zip(&places.of);
        let touch: Vec<(usize, Vec<u64>, bool)> =
            touch.filter_map(|(of, place)| Some(((*place)?, row(&of.next), of.leaves))).collect();
        let left = || network.blocks.iter().zip(&places.decided).filter(|(_, decided)| !**decided);
        Level {
            place,
            enters: links.enters,
            leaves: links.leaves,
            next: row(&links.next),
            before: links.before.iter().filter_map(|near| places.of[*near as usize]).collect(),
            wide: touch.len(),
            touch,
            still_enters: left().any(|(links, _)| links.enters),
            still_leaves: left().any(|(links, _)| links.leaves),
        }
    }

    /// The block is down: nothing that one gets to over it counts.
    fn down(&self, levels: &Levels, case: &[u64], after: &mut [u64]) -> After {
        after.copy_from_slice(case);
        self.forget(levels, after);
        self.decided(levels, after)
    }

    /// The block is up.
    fn up(&self, levels: &Levels, case: &[u64], after: &mut [u64]) -> After {
        let words = levels.words;
        let (leads, ends) = (&case[..words], &case[words..2 * words]);
        let is_met = self.enters || self.place.is_some_and(|place| has(leads, place));
        let gets_out = self.leaves || self.place.is_some_and(|place| has(ends, place));
        if is_met && gets_out {
            return After::Through;
        }
        after.copy_from_slice(case);
        self.forget(levels, after);
        // Where one gets from it, at once or over what is decided.
        let known = self.place.map(|place| &case[levels.row(place)]);
        let on = |word: usize| self.next[word] | known.map_or(0, |known| known[word]);
        let (leads, rest) = after.split_at_mut(words);
        let (ends, rows) = rest.split_at_mut(words);
        let row = |place: usize| words * place..words * (place + 1);
        if is_met {
            (0..words).for_each(|word| leads[word] |= on(word));
            for (place, ..) in &self.touch {
                rows[row(*place)].iter_mut().zip(&*leads).for_each(|(row, leads)| *row &= !leads);
            }
            return self.decided(levels, after);
        }
        for (place, anyway, leaves) in &self.touch {
            let over = |own: usize| has(&case[levels.row(*place)], own);
            // A place that was given to another block just now has no row yet.
            let over = self.place.is_some_and(|own| own != *place && over(own));
            if *leaves || !(over || self.before.contains(place)) || has(ends, *place) {
                continue;
            }
            let row = &mut rows[row(*place)];
            if gets_out {
                put(ends, *place);
                row.fill(0);
                continue;
            }
            for word in 0..words {
                row[word] |= on(word) & !leads[word] & !anyway[word];
            }
            drop_from(row, *place);
        }
        self.decided(levels, after)
    }

    /// Takes the block's own bits away.
    fn forget(&self, levels: &Levels, case: &mut [u64]) {
        let Some(place) = self.place else { return };
        for row in case.chunks_mut(levels.words) {
            drop_from(row, place);
        }
        case[levels.row(place)].fill(0);
    }

    fn decided(&self, levels: &Levels, case: &[u64]) -> After {
        let any = |row: &[u64]| row.iter().any(|word| *word != 0);
        let (leads, ends) = (&case[..levels.words], &case[levels.words..2 * levels.words]);
        if (self.still_enters || any(leads)) && (self.still_leaves || any(ends)) { After::Open } else { After::Lost }
    }
}

/// All of a graph in an order that keeps narrow what is half done: those beside what was done. Of a few orders the
/// narrowest: as they come, breadth first, and always on with what brings in the fewest, of equal ones the oldest or
/// the newest.
pub(super) fn narrowest(near: &[Vec<u32>], begin: &[u32]) -> Vec<u32> {
    let orders = [
        breadth_first(near, begin),
        fewest_first(near, begin, |front| front.len() - 1),
        fewest_first(near, begin, |_| 0),
        (0..near.len() as u32).collect(),
    ];
    let widths = orders.iter().map(|order| width(near, order)).collect::<Vec<_>>();
    let best = (0..orders.len()).fold(0, |best, at| if widths[at] < widths[best] { at } else { best });
    orders.into_iter().nth(best).unwrap_or_default()
}

/// How many cases an order may come to, two for each that is half done.
fn width(near: &[Vec<u32>], order: &[u32]) -> f64 {
    let (mut done, mut beside, mut count, mut all) = (vec![false; near.len()], vec![false; near.len()], 0i32, 0.0);
    for at in order.iter().map(|at| *at as usize) {
        done[at] = true;
        count -= i32::from(std::mem::replace(&mut beside[at], false));
        for next in near[at].iter().map(|next| *next as usize) {
            if !done[next] && !std::mem::replace(&mut beside[next], true) {
                count += 1;
            }
        }
        all += libm::ldexp(1.0, count.min(1_000));
    }
    all
}

/// Where one goes on when nothing is half done: at the beginning, else anywhere.
fn starts(near: &[Vec<u32>], begin: &[u32]) -> impl Iterator<Item = u32> {
    begin.iter().copied().chain(0..near.len() as u32)
}

fn breadth_first(near: &[Vec<u32>], begin: &[u32]) -> Vec<u32> {
    let (mut order, mut seen, mut at) = (Vec::with_capacity(near.len()), vec![false; near.len()], 0);
    for start in begin {
        if !std::mem::replace(&mut seen[*start as usize], true) {
            order.push(*start);
        }
    }
    for start in starts(near, begin) {
        if !std::mem::replace(&mut seen[start as usize], true) {
            order.push(start);
        }
        while let Some(now) = order.get(at).copied() {
            for next in &near[now as usize] {
                if !std::mem::replace(&mut seen[*next as usize], true) {
                    order.push(*next);
                }
            }
            at += 1;
        }
    }
    order
}

/// Always on with what brings in the fewest; `first` is the place in the front from which equal ones are looked at.
fn fewest_first(near: &[Vec<u32>], begin: &[u32], first: fn(&[u32]) -> usize) -> Vec<u32> {
    /// Of a wider front not all are looked at, for time.
    const LOOKED_AT_MAX: usize = 200;
    let (mut order, mut done, mut beside) =
        (Vec::with_capacity(near.len()), vec![false; near.len()], vec![false; near.len()]);
    let mut front: Vec<u32> = Vec::new();
    let mut left = starts(near, begin);
    loop {
        let now = if front.is_empty() {
            let Some(start) = left.find(|start| !done[*start as usize]) else { return order };
            start
        } else {
            let brings = |at: usize| {
                near[front[at] as usize]
                    .iter()
                    .filter(|next| !done[**next as usize] && !beside[**next as usize])
                    .count()
            };
            let begin = first(&front);
            let looked = (0..front.len().min(LOOKED_AT_MAX)).map(|step| if begin == 0 { step } else { begin - step });
            let best = looked.min_by_key(|at| brings(*at)).unwrap_or(begin);
            front.remove(best)
        };
        done[now as usize] = true;
        order.push(now);
        for next in &near[now as usize] {
            if !done[*next as usize] && !std::mem::replace(&mut beside[*next as usize], true) {
                front.push(*next);
            }
        }
    }
}
