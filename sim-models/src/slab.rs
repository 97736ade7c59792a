//! Places for things that come and go, each use of a place told apart from the one before.

use serde::Serialize;

/// A use of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) struct Key {
    pub(crate) place: u32,
    pub(crate) turn: u32,
}

/// The places.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Slab<T> {
    entries: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { entries: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(crate) fn insert(&mut self, item: T) -> Key {
        if let Some(place) = self.free.pop() {
            let entry = &mut self.entries[place as usize];
            *entry = (entry.0.wrapping_add(1), Some(item));
            return Key { place, turn: entry.0 };
        }
        self.entries.push((0, Some(item)));
        Key { place: (self.entries.len() - 1) as u32, turn: 0 }
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let (turn, item) = self.entries.get(key.place as usize)?;
        item.as_ref().filter(|_| *turn == key.turn)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (turn, item) = self.entries.get_mut(key.place as usize)?;
        item.as_mut().filter(|_| *turn == key.turn)
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let (turn, item) = self.entries.get_mut(key.place as usize)?;
        if *turn != key.turn {
            return None;
        }
        let item = item.take()?;
        self.free.push(key.place);
        Some(item)
    }

    /// The use that a place has now.
    pub(crate) fn at(&self, place: u32) -> Option<Key> {
        let (turn, item) = self.entries.get(place as usize)?;
        item.as_ref().map(|_| Key { place, turn: *turn })
    }

    /// The first that a condition holds for.
    pub(crate) fn find(&self, mut wanted: impl FnMut(&T) -> bool) -> Option<Key> {
        self.entries().find(|(_, item)| wanted(item)).map(|(key, _)| key)
    }

    /// All with their keys, by place.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Key, &T)> {
        self.entries.iter().enumerate().filter_map(|(place, (turn, item))| {
            item.as_ref().map(|item| (Key { place: place as u32, turn: *turn }, item))
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter_map(|(_, item)| item.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_used_again_is_another_use() {
        let mut slab = Slab::default();
        let first = slab.insert('a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b');
        assert_eq!(first.place, second.place);
        assert_eq!((slab.get(first), slab.get(second)), (None, Some(&'b')));
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.at(0), Some(second));
    }
}
