//! The events that have a row of their own, as a way from one to the next: no list is ever made of them.

use sim_core::growing::Growing;

/// Which events have a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listing<'a> {
    /// Their numbers in order; none: all of them.
    pub(crate) list: Option<&'a Growing<u32>>,
    /// One more, whether or not it is in the list; 0: none.
    pub(crate) extra: u64,
    /// The newest event.
    pub(crate) last: u64,
}

impl Listing<'_> {
    /// The next event with a row.
    pub(crate) fn after(&self, event: u64) -> Option<u64> {
        let next = match self.list {
            None => Some(event + 1),
            Some(list) => list.get(list.partition_point(|it| u64::from(*it) <= event)).map(|it| u64::from(*it)),
        };
        let next = next.filter(|next| *next <= self.last);
        match next {
            Some(next) if self.extra > event && self.extra < next => Some(self.extra),
            None if self.extra > event && self.extra <= self.last => Some(self.extra),
            next => next,
        }
    }

    /// The event with a row before this one.
    pub(crate) fn before(&self, event: u64) -> Option<u64> {
        let last = match self.list {
            None => event.checked_sub(1).filter(|it| *it > 0),
            Some(list) => {
                let at = list.partition_point(|it| u64::from(*it) < event);
                at.checked_sub(1).and_then(|at| list.get(at)).map(|it| u64::from(*it))
            }
        };
        match last {
            Some(last) if self.extra > last && self.extra < event => Some(self.extra),
            None if self.extra > 0 && self.extra < event => Some(self.extra),
            last => last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(events: &[u32]) -> Growing<u32> {
        let mut list = Growing::new();
        events.iter().for_each(|event| list.push(*event));
        list
    }

    #[track_caller]
    fn check(list: Option<&Growing<u32>>, extra: u64, last: u64, expected: &[u64]) {
        let listing = Listing { list, extra, last };
        let on: Vec<u64> = std::iter::successors(listing.after(0), |event| listing.after(*event)).collect();
        assert_eq!(on, expected);
        let mut back: Vec<u64> =
            std::iter::successors(listing.before(last + 1), |event| listing.before(*event)).collect();
        back.reverse();
        assert_eq!(back, expected);
    }

    #[test]
    fn the_way_there_and_back_is_the_same_with_one_more_at_any_place() {
        let list = listed(&[2, 5, 9]);
        check(Some(&list), 0, 12, &[2, 5, 9]);
        check(Some(&list), 1, 12, &[1, 2, 5, 9]);
        check(Some(&list), 5, 12, &[2, 5, 9]);
        check(Some(&list), 7, 12, &[2, 5, 7, 9]);
        check(Some(&list), 12, 12, &[2, 5, 9, 12]);
        check(Some(&listed(&[])), 3, 12, &[3]);
        check(None, 3, 4, &[1, 2, 3, 4]);
    }
}
