//! What goes round in a circle, told once: a story of forty equal rounds is the first two of them and a number.

/// Of how many clauses a round has at most: what is longer is told as it is.
const LONGEST: usize = 40;

/// How many rounds are told before the rest is counted.
const TOLD: usize = 2;

/// Rounds that follow each other in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rounds {
    /// Where the first one begins.
    first: usize,
    /// How many things one round is.
    length: usize,
    /// How many rounds there are.
    times: usize,
}

impl Rounds {
    /// Where those begin that are only counted.
    fn counted_from(self) -> usize {
        self.first + TOLD * self.length
    }

    /// Behind the last of them.
    fn end(self) -> usize {
        self.first + self.times * self.length
    }

    /// How many are only counted.
    fn counted(self) -> usize {
        self.times - TOLD
    }
}

/// The first rounds in a list of which so many follow each other that counting says it better: at least two of them, of at least two things.
fn rounds<T: PartialEq>(list: &[T], from: usize) -> Option<Rounds> {
    (from..list.len()).find_map(|first| (2..=LONGEST).find_map(|length| rounds_at(list, first, length)))
}

fn rounds_at<T: PartialEq>(list: &[T], first: usize, length: usize) -> Option<Rounds> {
    let mut rounds = list[first..].chunks_exact(length);
    let one = rounds.next()?;
    let times = 1 + rounds.take_while(|round| *round == one).count();
    (times >= TOLD + 2).then_some(Rounds { first, length, times })
}

/// A list with its rounds told twice and then counted. `alike` is what two equal things have in common, `counted` what stands for
/// the rounds behind, made of the last thing of them and of words that say how often.
pub fn round_by_round<T: Clone, K: PartialEq>(
    told: &[T],
    alike: impl Fn(&T) -> K,
    counted: impl Fn(&T, String) -> T,
) -> Vec<T> {
    let keys: Vec<K> = told.iter().map(alike).collect();
    let (mut list, mut from) = (Vec::with_capacity(told.len()), 0);
    while let Some(rounds) = rounds(&keys, from) {
        list.extend_from_slice(&told[from..rounds.counted_from()]);
        let times =
            if rounds.counted() == 1 { "once more".to_owned() } else { format!("{} times more", rounds.counted()) };
        list.push(counted(&told[rounds.end() - 1], format!("so it goes round, {times}")));
        from = rounds.end();
    }
    list.extend_from_slice(&told[from..]);
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: &str, expected: Option<(usize, usize, usize)>) {
        let list: Vec<char> = list.chars().collect();
        assert_eq!(rounds(&list, 0).map(|it| (it.first, it.length, it.times)), expected);
    }

    #[test]
    fn four_equal_rounds_of_two_or_more_are_counted() {
        check("xabcabcabcabcy", Some((1, 3, 4)));
        check("abababab", Some((0, 2, 4)));
        check("abcabcabcx", None);
    }

    #[test]
    fn what_is_said_again_and_again_by_one_is_no_round() {
        // Of two equal things each, it is.
        check("aaaaaaa", None);
        check("aaaaaaaa", Some((0, 2, 4)));
    }

    #[test]
    fn a_part_of_a_round_behind_them_is_told() {
        let list: Vec<char> = "abcabcabcabcab".chars().collect();
        let it = rounds(&list, 0).expect("four rounds");
        assert_eq!((it.counted_from(), it.end(), it.counted()), (6, 12, 2));
    }
}
