//! What a store keeps in mind that forgets: when each cell was set, and when it was last used.
//!
//! A value stays for `ttl` after its set, by the store's monotonic clock, whoever reads it; with more than `capacity` cells the one goes
//! that was not set or read by its key for longest. Lists use nothing. A restart remembers sets, and takes them for the last uses.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use sim_core::{Duration, Instant, Timer};

use super::store::{Place, Store};
use crate::message::{Counted, Msg};
use crate::program::{MapRef, Program, StoreDef};
use crate::shelf::as_pairs;
use crate::value::Value;

type Cx<'a> = sim_core::Context<'a, Msg>;

/// The timer of the next value to expire: a store that forgets gives the first of its timers to nothing else.
pub(super) const EXPIRY: Timer = Timer(0);

/// The cells of a store that forgets.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cache {
    #[serde(skip)]
    ttl: Option<Duration>,
    #[serde(skip)]
    capacity: Option<u64>,
    /// Cells in the order of their sets, with the instants of those; what was set again stands there again.
    sets: VecDeque<(Instant, Place)>,
    /// When the timer rings, if it is set.
    armed: Option<Instant>,
    /// Cells by their last use, the oldest first.
    #[serde(serialize_with = "as_pairs")]
    uses: BTreeMap<u64, Place>,
    #[serde(skip)]
    used: BTreeMap<Place, u64>,
    count: u64,
}

impl Cache {
    /// That of a store before its first start; none when it forgets nothing.
    pub(super) fn of(def: &StoreDef) -> Option<Box<Cache>> {
        let cache = Cache {
            ttl: def.ttl,
            capacity: def.capacity,
            sets: VecDeque::new(),
            armed: None,
            uses: BTreeMap::new(),
            used: BTreeMap::new(),
            count: 0,
        };
        def.forgets().then(|| Box::new(cache))
    }

    fn forget(&mut self, place: &Place) {
        if let Some(number) = self.used.remove(place) {
            self.uses.remove(&number);
        }
    }

    fn uses(&mut self, place: &Place) {
        self.forget(place);
        self.count += 1;
        self.uses.insert(self.count, place.clone());
        self.used.insert(place.clone(), self.count);
    }

    /// The cell that goes since there are too many.
    fn surplus(&self) -> Option<Place> {
        let capacity = self.capacity?;
        (self.uses.len() as u64 > capacity).then(|| self.uses.values().next().cloned()).flatten()
    }
}

/// A store that forgets.
impl Store {
    /// Finds its cells at a start, in the order of their sets.
    pub(super) fn find_cells(&mut self, cx: &mut Cx<'_>, program: &Program) {
        let Some(cache) = &mut self.cache else { return };
        let maps = program.node(self.me).maps.iter().copied();
        let cells = maps.flat_map(|map| cx.shared().map(map).iter().map(move |(key, cell)| (cell.set_at, (map, key))));
        let mut cells: Vec<(Instant, Place)> = cells.collect();
        cells.sort();
        for (_, place) in &cells {
            cache.uses(place);
        }
        cache.sets = cells.into();
        self.evict(cx, program);
    }

    /// A cell has another value.
    pub(super) fn kept(&mut self, cx: &mut Cx<'_>, program: &Program, map: MapRef, key: &Value) {
        let Some(cache) = &mut self.cache else { return };
        let place = (map, key.clone());
        match cx.shared().map(map).get(key) {
            Some(cell) => {
                if cache.ttl.is_some() {
                    cache.sets.push_back((cell.set_at, place.clone()));
                }
                cache.uses(&place);
                self.evict(cx, program);
            }
            None => cache.forget(&place),
        }
    }

    /// A cell was read by its key, and held something or nothing.
    pub(super) fn looked_up(&mut self, cx: &mut Cx<'_>, map: MapRef, key: &Value, value: &Value) {
        let Some(cache) = &mut self.cache else { return };
        if value.is_null() {
            return self.count(cx, Counted::Miss);
        }
        cache.uses(&(map, key.clone()));
        self.count(cx, Counted::Hit);
    }

    fn evict(&mut self, cx: &mut Cx<'_>, program: &Program) {
        while let Some((map, key)) = self.cache.as_ref().and_then(|cache| cache.surplus()) {
            self.lose(cx, program, map, &key, Counted::Evicted);
        }
    }

    /// Values whose time is over are gone, before anything else happens now.
    pub(super) fn expire(&mut self, cx: &mut Cx<'_>, program: &Program) {
        let now = cx.now();
        loop {
            let Some(cache) = &mut self.cache else { return };
            let Some(ttl) = cache.ttl else { return };
            let Some((set_at, (map, key))) = cache.sets.front().cloned() else { return };
            let stands = cx.shared().map(map).get(&key).is_some_and(|cell| cell.set_at == set_at);
            if stands && now < set_at + ttl {
                return;
            }
            cache.sets.pop_front();
            if stands {
                self.lose(cx, program, map, &key, Counted::Aged);
            }
        }
    }

    fn lose(&mut self, cx: &mut Cx<'_>, program: &Program, map: MapRef, key: &Value, why: Counted) {
        let now = cx.now();
        self.touches(cx, map, key);
        cx.shared_mut().map_mut(map).set(key, Value::Null, now);
        if let Some(cache) = &mut self.cache {
            cache.forget(&(map, key.clone()));
        }
        self.count(cx, why);
        self.changed(cx, program, map, key);
    }

    /// Sets the timer for the next value to expire, so that those who wait for that learn of it.
    pub(super) fn set_expiry(&mut self, cx: &mut Cx<'_>) {
        let Some(cache) = &mut self.cache else { return };
        let Some(ttl) = cache.ttl else { return };
        let next = cache.sets.front().map(|(set_at, _)| *set_at + ttl);
        if next == cache.armed {
            return;
        }
        cache.armed = next;
        match next {
            Some(next) => cx.set(EXPIRY, next.since(cx.now())),
            None => cx.cancel(EXPIRY),
        }
    }

    /// The timer has rung.
    pub(super) fn expiry_rings(&mut self) {
        if let Some(cache) = &mut self.cache {
            cache.armed = None;
        }
    }
}
