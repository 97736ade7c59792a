//! The messages on their way, apart from the small events that carry their numbers.

/// Messages by number; a number is used again once its event is over.
#[derive(Clone, Debug)]
pub(super) struct Letters<M> {
    places: Vec<Place<M>>,
    /// The first of the free places, each of which names the next.
    free: u32,
}

#[derive(Clone, Debug)]
enum Place<M> {
    Held(M),
    /// The message is gone, and the event that carries its number is still to come.
    Gone,
    /// With the next free one.
    Free(u32),
}

/// No place: there are never so many.
const NONE: u32 = u32::MAX;

impl<M> Letters<M> {
    pub(super) const fn new() -> Self {
        Letters { places: Vec::new(), free: NONE }
    }

    /// Keeps a message; its number.
    #[inline(always)]
    pub(super) fn put(&mut self, msg: M) -> u32 {
        let number = self.free;
        match self.places.get_mut(number as usize) {
            Some(place) => {
                if let Place::Free(next) = std::mem::replace(place, Place::Held(msg)) {
                    self.free = next;
                }
                number
            }
            None => {
                self.places.push(Place::Held(msg));
                (self.places.len() - 1) as u32
            }
        }
    }

    /// Takes a message whose event has come, and frees its number; `None` of one that is gone.
    #[inline(always)]
    pub(super) fn take(&mut self, number: u32) -> Option<M> {
        let free = std::mem::replace(&mut self.free, number);
        match std::mem::replace(&mut self.places[number as usize], Place::Free(free)) {
            Place::Held(msg) => Some(msg),
            Place::Gone | Place::Free(_) => None,
        }
    }

    /// Takes a message before its event has come: that finds nothing.
    pub(super) fn lose(&mut self, number: u32) -> Option<M> {
        let place = &mut self.places[number as usize];
        match std::mem::replace(place, Place::Gone) {
            Place::Held(msg) => Some(msg),
            Place::Gone => None,
            free @ Place::Free(_) => {
                *place = free;
                None
            }
        }
    }

    /// The message of a number, unless it is gone.
    pub(super) fn get(&self, number: u32) -> Option<&M> {
        match &self.places[number as usize] {
            Place::Held(msg) => Some(msg),
            Place::Gone | Place::Free(_) => None,
        }
    }

    /// How many bytes a copy takes.
    pub(super) fn weight(&self) -> usize {
        size_of_val(&*self.places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_once_their_events_are_over() {
        let mut letters = Letters::new();
        let [a, b] = ["a", "b"].map(|msg| letters.put(msg));
        assert_eq!(letters.lose(a), Some("a"));
        assert_eq!((letters.get(a), letters.get(b)), (None, Some(&"b")));
        assert_eq!(letters.lose(a), None);
        let c = letters.put("c");
        assert!(c != a && c != b, "the event of {a} is still to come");
        assert_eq!((letters.take(a), letters.take(b)), (None, Some("b")));
        assert_eq!([letters.put("d"), letters.put("e")], [b, a]);
        assert_eq!([a, b, c].map(|number| letters.get(number).copied()), [Some("e"), Some("d"), Some("c")]);
        assert_eq!(letters.put("f"), 3);
    }
}
