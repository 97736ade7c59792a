//! Keys of a scenario are mostly 1, 2, 3 …, and there may be a million of them: those stand in a row, all others in a tree.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::value::Value;

/// A map from keys to `T`, in the order of keys: null, numbers, texts.
///
/// Small numbers that lie close together are found by their place; whatever would leave more gaps than entries (10¹², a negative
/// number, a text, null) is found in a tree. The row is never longer than four times the most entries there have been.
///
/// ```
/// use sim_models::keymap::KeyMap;
/// use sim_models::value::Value;
/// let mut stock = KeyMap::default();
/// stock.insert(Value::Int(2), 20);
/// stock.insert(Value::from("lamp"), 7);
/// *stock.entry(&Value::Int(-1)) += 3;
/// assert_eq!(stock.get(&Value::Int(2)), Some(&20));
/// assert_eq!(serde_json::to_string(&stock).unwrap(), r#"[[-1,3],[2,20],["lamp",7]]"#);
/// ```
#[derive(Clone)]
pub struct KeyMap<T> {
    /// Entries of the numbers from 0 up to its length; none of these is in `rest`.
    row: Vec<Option<T>>,
    rest: BTreeMap<Value, T>,
    len: usize,
}

/// Keys below this are in the row from the first one on.
const ROW_MIN: usize = 64;
/// Places in the row for each entry, at most.
const ROW_PER_ENTRY: usize = 4;

impl<T> KeyMap<T> {
    /// An empty map.
    pub const fn new() -> Self {
        KeyMap { row: Vec::new(), rest: BTreeMap::new(), len: 0 }
    }

    /// How many entries it has.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// About how many bytes its entries take, without what they hold on the heap.
    pub fn bytes(&self) -> usize {
        // A node of the tree has room to spare.
        self.row.len() * size_of::<Option<T>>() + self.rest.len() * size_of::<(Value, T)>() * 3 / 2
    }

    /// Whether it has none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The place in the row, for a key that has one there.
    #[inline]
    fn place(&self, key: &Value) -> Option<usize> {
        let place = usize::try_from(key.as_int()?).ok()?;
        (place < self.row.len()).then_some(place)
    }

    /// The entry of this key.
    #[inline]
    pub fn get(&self, key: &Value) -> Option<&T> {
        match self.place(key) {
            Some(place) => self.row[place].as_ref(),
            None if self.rest.is_empty() => None,
            None => self.rest.get(key),
        }
    }

    /// The entry of this key, to be changed.
    #[inline]
    pub fn get_mut(&mut self, key: &Value) -> Option<&mut T> {
        match self.place(key) {
            Some(place) => self.row[place].as_mut(),
            None if self.rest.is_empty() => None,
            None => self.rest.get_mut(key),
        }
    }

    /// Whether this key has an entry.
    #[inline]
    pub fn contains(&self, key: &Value) -> bool {
        self.get(key).is_some()
    }

    /// Sets the entry of this key; the one that was there before.
    #[inline]
    pub fn insert(&mut self, key: Value, entry: T) -> Option<T> {
        self.make_room(&key);
        let before = match self.place(&key) {
            Some(place) => self.row[place].replace(entry),
            None => self.rest.insert(key, entry),
        };
        self.len += usize::from(before.is_none());
        before
    }

    /// The entry of this key, made by `make` when there is none.
    #[inline]
    pub fn entry_with(&mut self, key: &Value, make: impl FnOnce() -> T) -> &mut T {
        self.make_room(key);
        let len = &mut self.len;
        let counted = || {
            *len += 1;
            make()
        };
        let place = key.as_int().and_then(|number| usize::try_from(number).ok());
        match place.filter(|place| *place < self.row.len()) {
            Some(place) => self.row[place].get_or_insert_with(counted),
            None => self.rest.entry(key.clone()).or_insert_with(counted),
        }
    }

    /// The entry of this key, made by default when there is none.
    #[inline]
    pub fn entry(&mut self, key: &Value) -> &mut T
    where
        T: Default,
    {
        self.entry_with(key, T::default)
    }

    /// Takes out the entry of this key.
    pub fn remove(&mut self, key: &Value) -> Option<T> {
        let before = match self.place(key) {
            Some(place) => self.row[place].take(),
            None => self.rest.remove(key),
        };
        self.len -= usize::from(before.is_some());
        before
    }

    /// Takes out all entries.
    pub fn clear(&mut self) {
        *self = KeyMap::new();
    }

    /// All entries in the order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (Value, &T)> {
        let row = self.row.iter().enumerate();
        let row = row.filter_map(|(place, entry)| Some((Value::Int(place as i64), entry.as_ref()?)));
        let below = self.rest.range(..Value::Int(0)).map(|(key, entry)| (key.clone(), entry));
        let above = self.rest.range(Value::Int(0)..).map(|(key, entry)| (key.clone(), entry));
        below.chain(row).chain(above)
    }

    /// The entries whose keys are texts, in order; the others are not looked at.
    pub fn texts(&self) -> impl Iterator<Item = (Value, &T)> {
        let first = Value::Text("".into());
        self.rest.range(first..).map(|(key, entry)| (key.clone(), entry))
    }

    /// All keys in order.
    pub fn keys(&self) -> impl Iterator<Item = Value> {
        self.iter().map(|(key, _)| key)
    }

    /// All entries in the order of keys, without them.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        let below = self.rest.range(..Value::Int(0)).map(|(_, entry)| entry);
        let above = self.rest.range(Value::Int(0)..).map(|(_, entry)| entry);
        below.chain(self.row.iter().flatten()).chain(above)
    }

    /// All entries, in no order that means anything, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.row.iter_mut().flatten().chain(self.rest.values_mut())
    }

    /// Lengthens the row for a number just beyond it, unless that would leave too many gaps.
    #[inline]
    fn make_room(&mut self, key: &Value) {
        let Value::Int(number) = key else { return };
        let Ok(number) = usize::try_from(*number) else { return };
        if number >= self.row.len() && number < ROW_MIN.max(self.len.saturating_mul(ROW_PER_ENTRY)) {
            self.lengthen(number + 1);
        }
    }

    #[cold]
    fn lengthen(&mut self, least: usize) {
        let most = ROW_MIN.max(self.len * ROW_PER_ENTRY);
        let before = self.row.len();
        self.row.resize_with(least.max(before * 2).max(ROW_MIN / 4).min(most), || None);
        // What stood in the tree because it was too far away is near now.
        let near = Value::Int(before as i64)..Value::Int(self.row.len() as i64);
        let near: Vec<Value> = self.rest.range(near).map(|(key, _)| key.clone()).collect();
        for key in near {
            let entry = self.rest.remove(&key);
            if let Some(place) = self.place(&key) {
                self.row[place] = entry;
            }
        }
    }
}

impl<T> Default for KeyMap<T> {
    fn default() -> Self {
        KeyMap::new()
    }
}

impl<T> FromIterator<(Value, T)> for KeyMap<T> {
    fn from_iter<I: IntoIterator<Item = (Value, T)>>(entries: I) -> Self {
        let mut map = KeyMap::new();
        for (key, entry) in entries {
            map.insert(key, entry);
        }
        map
    }
}

impl<T: PartialEq> PartialEq for KeyMap<T> {
    /// Whether the entries are the same, wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<T: Eq> Eq for KeyMap<T> {}

impl<T: fmt::Debug> fmt::Debug for KeyMap<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.iter()).finish()
    }
}

impl<T: Serialize> Serialize for KeyMap<T> {
    /// Writes pairs in the order of keys.
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            (0i64..300).prop_map(Value::Int),
            (-3i64..40).prop_map(Value::Int),
            any::<i64>().prop_map(Value::Int),
            "[ab]{0,2}".prop_map(|text| Value::from(text.as_str())),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_tree_to_the_outside(changes in prop::collection::vec((key(), 0u8..4), 0..400)) {
            let (mut map, mut tree) = (KeyMap::new(), BTreeMap::new());
            for (turn, (key, change)) in changes.into_iter().enumerate() {
                match change {
                    0 => prop_assert_eq!(map.remove(&key), tree.remove(&key)),
                    1 => prop_assert_eq!(map.insert(key.clone(), turn), tree.insert(key, turn)),
                    _ => {
                        *map.entry(&key) += turn;
                        *tree.entry(key.clone()).or_insert(0) += turn;
                        prop_assert_eq!(map.get(&key), tree.get(&key));
                    }
                }
                prop_assert_eq!(map.len(), tree.len());
            }
            prop_assert!(map.iter().eq(tree.iter().map(|(key, entry)| (key.clone(), entry))));
            prop_assert!(map.values().eq(tree.values()));
            let (mut of_map, mut of_tree): (Vec<usize>, Vec<usize>) =
                (map.values_mut().map(|entry| *entry).collect(), tree.values().copied().collect());
            of_map.sort_unstable();
            of_tree.sort_unstable();
            prop_assert_eq!(of_map, of_tree);
            prop_assert!(map.texts().eq(map.iter().filter(|(key, _)| key.as_text().is_some())));
            prop_assert_eq!(&map, &tree.into_iter().collect::<KeyMap<usize>>());
        }
    }

    #[test]
    fn far_keys_cost_no_more_than_near_ones() {
        let mut map = KeyMap::new();
        for far in [1_000_000_000_000, i64::MAX, i64::MIN, -1, 64] {
            map.insert(Value::Int(far), far);
        }
        assert_eq!(map.row.len(), 0);
        for number in (0..100_000).rev() {
            map.insert(Value::Int(number), number);
        }
        assert_eq!(map.len(), 100_004);
        assert!(map.row.len() <= ROW_PER_ENTRY * map.len(), "{}", map.row.len());
        assert!(map.iter().all(|(key, number)| key == Value::Int(*number)));
    }

    #[test]
    fn keys_from_one_on_all_stand_in_the_row() {
        let mut map = KeyMap::new();
        for number in 1..=100_000 {
            map.insert(Value::Int(number), ());
        }
        assert!(map.rest.is_empty() && map.row.len() < 250_000);
    }
}
