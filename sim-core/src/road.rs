//! What a link keeps in mind from one envelope to the next: who stands in line on it, and how its connection stands.
//!
//! Most links keep nothing: datagrams that weigh nothing pass each other, and cost nothing here.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::amount::Bandwidth;
use crate::fault::Full;
use crate::id::NodeId;
use crate::time::{Duration, Instant};

/// What a link does about loss and order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// What is lost is lost, and delays reorder.
    #[default]
    Datagram,
    /// As TCP does: in order, what is lost is sent again, and a crash resets.
    Stream(Stream),
}

/// How a stream sends again what was lost (RFC 6298, without measuring the round trip).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stream {
    /// The wait before the first retransmission; twice as long before each further one.
    pub retransmit: Duration,
    /// The longest wait.
    pub max: Duration,
    /// Retransmissions of one envelope, at most; when the wait after the last is over, the connection is reset.
    pub tries: u16,
}

impl Default for Stream {
    /// 200 ms, 60 s and 15: `TCP_RTO_MIN`, the cap of RFC 6298 and `tcp_retries2` of Linux.
    fn default() -> Self {
        Stream { retransmit: Duration::from_millis(200), max: Duration::from_secs(60), tries: 15 }
    }
}

impl Stream {
    /// The wait after one that was so long.
    pub(crate) fn longer(self, wait: Duration) -> Duration {
        wait.saturating_mul(2).min(self.max).max(self.retransmit.min(self.max))
    }
}

impl Transport {
    /// How it sends again; none of datagrams.
    #[inline]
    pub const fn stream(self) -> Option<Stream> {
        match self {
            Transport::Datagram => None,
            Transport::Stream(stream) => Some(stream),
        }
    }
}

/// How much a link carries now, and what it does with too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) bandwidth: Bandwidth,
    /// How many may wait; any number when none.
    pub(crate) queue: Option<u32>,
    pub(crate) full: Full,
}

/// What is kept of the links that keep anything. `P` is what the run calls an envelope that it has put into its queue.
#[derive(Clone, Debug)]
pub(crate) struct Roads<P> {
    pub(crate) lines: BTreeMap<(NodeId, NodeId), Line<P>>,
    pub(crate) connections: BTreeMap<(NodeId, NodeId), Connection>,
}

impl<P> Default for Roads<P> {
    fn default() -> Self {
        Roads { lines: BTreeMap::new(), connections: BTreeMap::new() }
    }
}

impl<P> Roads<P> {
    /// About how many bytes a copy takes.
    pub(crate) fn weight(&self) -> usize {
        let standing: usize = self.lines.values().map(|line| line.standing.len()).sum();
        standing * size_of::<Standing<P>>()
            + self.lines.len() * size_of::<((NodeId, NodeId), Line<P>)>()
            + self.connections.len() * size_of::<((NodeId, NodeId), Connection)>()
    }
}

/// Who stands in line at the beginning of a link: first the one whose turn it is, then those that wait.
#[derive(Clone, Debug)]
pub(crate) struct Line<P> {
    standing: VecDeque<Standing<P>>,
}

/// One that stands in line.
#[derive(Clone, Debug)]
pub(crate) struct Standing<P> {
    /// How long its turn takes.
    turn: Duration,
    /// When its turn is over.
    pub(crate) done: Instant,
    /// What sets off then: the envelope and perhaps a copy, with how long each is on the way; nothing when it is lost there.
    pub(crate) parts: [Option<(P, Duration)>; 2],
}

/// What becomes of one that comes to a line.
#[derive(Clone, Debug)]
pub(crate) enum Entry<P> {
    /// Its turn is over at that instant, once it stands in line.
    Waits(Instant),
    /// It is the one too many.
    Turned,
    /// It waits so too, but another has left this place for it, and those behind that one have moved up.
    Instead(Instant, usize, Box<Standing<P>>),
}

impl<P> Default for Line<P> {
    fn default() -> Self {
        Line { standing: VecDeque::new() }
    }
}

impl<P: Copy> Line<P> {
    /// What becomes of one that comes now and takes so long; `bits` say whom chance takes from a full line.
    pub(crate) fn enter(&mut self, now: Instant, turn: Duration, limit: Limit, bits: impl FnOnce() -> u64) -> Entry<P> {
        while self.standing.front().is_some_and(|first| first.done <= now) {
            self.standing.pop_front();
        }
        let waiting = self.standing.len().saturating_sub(1);
        let is_full = !self.standing.is_empty() && limit.queue.is_some_and(|queue| waiting >= queue as usize);
        if !is_full {
            return Entry::Waits(self.end(now) + turn);
        }
        match limit.full {
            Full::Tail => Entry::Turned,
            Full::Random => {
                let place = ((u128::from(bits()) * (waiting as u128 + 1)) >> 64) as usize + 1;
                match self.leave(place) {
                    None => Entry::Turned,
                    Some(left) => Entry::Instead(self.end(now) + turn, place, Box::new(left)),
                }
            }
        }
    }

    /// Stands in line what was [let in](Line::enter).
    pub(crate) fn stand(&mut self, turn: Duration, done: Instant, parts: [Option<(P, Duration)>; 2]) {
        self.standing.push_back(Standing { turn, done, parts });
    }

    /// Those from a place on.
    pub(crate) fn from(&mut self, place: usize) -> impl Iterator<Item = &mut Standing<P>> {
        self.standing.iter_mut().skip(place)
    }

    fn leave(&mut self, place: usize) -> Option<Standing<P>> {
        let left = self.standing.remove(place)?;
        let mut end = self.standing[place - 1].done;
        for one in self.standing.iter_mut().skip(place) {
            end += one.turn;
            one.done = end;
        }
        Some(left)
    }

    fn end(&self, now: Instant) -> Instant {
        self.standing.back().map_or(now, |last| last.done.max(now))
    }
}

/// One way of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    /// When the last envelope arrives, before which no later one does.
    pub(crate) last: Instant,
    /// Until when all that is sent is reset with it.
    pub(crate) broken: Instant,
    /// Whether the other end has lost power since, and this one does not know.
    pub(crate) half_open: bool,
}

impl Default for Connection {
    fn default() -> Self {
        Connection { last: Instant::ZERO, broken: Instant::ZERO, half_open: false }
    }
}
