//! A program that somebody else wrote and that cannot be copied is copied by telling a new one all that the first was
//! told.
//!
//! A fork of a run copies its actors. Most published crates that take inputs and give outputs have no `Clone`, or one
//! whose copies share memory. A [`Guest`] keeps the recipe of such a program and every input with its output; its
//! copies share that list. A copy that nobody runs costs two pointers. The first use of a copy makes the program
//! anew, tells it the inputs again, and compares: what is not answered as the first time has looked at something that
//! is no input, and the [`Divergence`] says where.

use std::fmt::Debug;
use std::hash::Hash;
use std::iter::successors;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::digest::{Digest, Fold, fingerprint};

/// How a program that somebody else wrote is made, and told one thing after the other.
///
/// Recipe and inputs are values, and all that it gets: neither a [`Context`](crate::Context) nor what a closure has
/// captured reaches it. What an actor draws for it goes into an input.
///
/// ```
/// use sim_core::guest::{Foreign, Guest};
/// /// Somebody else's, without `Clone`.
/// struct Average { sum: u64, count: u64 }
/// impl Foreign for Average {
///     type Recipe = ();
///     type Input = u64;
///     type Output = u64;
///     fn make((): &()) -> Self {
///         Average { sum: 0, count: 0 }
///     }
///     fn tell(&mut self, number: &u64) -> u64 {
///         (self.sum, self.count) = (self.sum + number, self.count + 1);
///         self.sum / self.count
///     }
/// }
/// let mut guest = Guest::<Average>::new(());
/// assert_eq!(guest.tell(2)?, &2);
/// let mut fork = guest.clone();
/// assert_eq!(fork.tell(10)?, &6);
/// assert_eq!(guest.tell(4)?, &3);
/// # Ok::<(), sim_core::guest::Divergence>(())
/// ```
pub trait Foreign: Send + Sync + Sized + 'static {
    /// What it is made from.
    type Recipe: Hash + Send + Sync + 'static;
    /// What it can be told: everything that happens to it, chance and time included.
    type Input: Debug + Hash + Send + Sync + 'static;
    /// What it says to that: everything that anybody acts on. It is compared by its hash.
    type Output: Debug + Hash + Send + Sync + 'static;

    /// A new one.
    fn make(recipe: &Self::Recipe) -> Self;

    /// Tells it one thing.
    fn tell(&mut self, input: &Self::Input) -> Self::Output;
}

/// A [`Foreign`] program that can write down its state, so that a copy need not be told all from the beginning
/// ([`Guest::compact`]).
pub trait Restorable: Foreign {
    /// A recipe for one in this very state: it answers whatever comes as this one would.
    fn recipe(&self) -> Self::Recipe;
}

/// A program that somebody else wrote, inside an actor, with the copies that forks need.
///
/// A copy that is used costs as much as all inputs since the recipe, told once more: a [new](Guest::new) guest for
/// each life of a node, or [`compact`](Guest::compact), bounds that. Recipe, inputs and outputs are kept for as long
/// as any copy needs them; the limit of memory of a run weighs states by their JSON, and does not see them.
///
/// Its state is what it was told: it serialises to how many inputs that were (`told`) and a hash of recipe, inputs
/// and outputs (`digest`). Actors show what else is of interest, such as the last output.
pub struct Guest<F: Foreign> {
    recipe: Arc<F::Recipe>,
    told: Told<F>,
    /// How many inputs there were in all, those before the recipe included.
    count: u64,
    /// Of all of them, too.
    digest: Digest,
    /// None in a copy that has not been used.
    program: OnceLock<Result<F, Divergence>>,
}

/// An input that was not answered as the first time: something decides that is no input, such as a clock, a generator
/// of the thread, the order of a hash map, or memory that copies share.
///
/// The program may have looked at it earlier, where it did not show.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
#[error(
    "input {number}, {input}, was answered with {first}, and told again with {again}; what decides here is no input"
)]
pub struct Divergence {
    /// The how-manieth input, from 1.
    pub number: u64,
    /// The input.
    pub input: String,
    /// What was said to it the first time.
    pub first: String,
    /// What was said to it when it was told again, or that the program panicked.
    pub again: String,
}

/// What was told since the recipe, by the last input, from which a chain leads back to the first: copies share all
/// they have in common, and no copy costs the one it was made from anything.
struct Told<F: Foreign>(Option<Arc<Link<F>>>);

struct Link<F: Foreign> {
    input: F::Input,
    output: F::Output,
    /// The hash of the output.
    print: u64,
    before: Told<F>,
}

impl<F: Foreign> Clone for Told<F> {
    fn clone(&self) -> Self {
        Told(self.0.clone())
    }
}

impl<F: Foreign> Told<F> {
    /// From the first to the last.
    fn links(&self) -> Vec<&Link<F>> {
        let mut links: Vec<_> = successors(self.0.as_deref(), |link| link.before.0.as_deref()).collect();
        links.reverse();
        links
    }
}

impl<F: Foreign> Drop for Link<F> {
    /// Link by link: a call inside a call for each input of a long list would overflow the stack.
    fn drop(&mut self) {
        let mut before = self.before.0.take();
        while let Some(mut link) = before.and_then(Arc::into_inner) {
            before = link.before.0.take();
        }
    }
}

impl<F: Foreign> Guest<F> {
    /// A guest that was told nothing yet; the program is made at its first use.
    pub fn new(recipe: F::Recipe) -> Self {
        let digest = Digest(fingerprint(&recipe));
        Guest { recipe: Arc::new(recipe), told: Told(None), count: 0, digest, program: OnceLock::new() }
    }

    /// Tells it one thing, and gives its answer.
    ///
    /// When the program panics, this guest is as it was before: it has not been told.
    ///
    /// # Errors
    /// In a copy, when an earlier input is not answered as the first time; the same at every later call.
    pub fn tell(&mut self, input: F::Input) -> Result<&F::Output, Divergence> {
        self.program()?;
        // Out of its place while it is at work: after a panic it is not trusted again, but made anew.
        let mut program = self.program.take().unwrap_or_else(|| self.retell())?;
        let output = program.tell(&input);
        self.program = OnceLock::from(Ok(program));
        self.count += 1;
        let print = fingerprint(&output);
        let mut fold = Fold::from(self.digest);
        fold.word(fingerprint(&input));
        fold.word(print);
        self.digest = fold.digest();
        let before = Told(self.told.0.take());
        Ok(&self.told.0.insert(Arc::new(Link { input, output, print, before })).output)
    }

    /// The program, to look at.
    ///
    /// # Errors
    /// In a copy, when an input is not answered as the first time.
    pub fn program(&self) -> Result<&F, Divergence> {
        self.program.get_or_init(|| self.retell()).as_ref().map_err(Clone::clone)
    }

    /// How many inputs it was told.
    pub fn told(&self) -> u64 {
        self.count
    }

    /// What was said to the last input; `None` before the first, and after [`compact`](Self::compact).
    pub fn last(&self) -> Option<&F::Output> {
        self.told.0.as_ref().map(|link| &link.output)
    }

    /// Tells all inputs to a new program, and compares, as the first use of a copy does.
    ///
    /// # Errors
    /// The first input that is not answered as the first time.
    pub fn check(&self) -> Result<(), Divergence> {
        self.retell().map(|_| ())
    }

    fn retell(&self) -> Result<F, Divergence> {
        let links = self.told.links();
        let mut program = F::make(&self.recipe);
        for (number, link) in (self.count - links.len() as u64 + 1..).zip(links) {
            let again = match catch_unwind(AssertUnwindSafe(|| program.tell(&link.input))) {
                Ok(output) if fingerprint(&output) == link.print => continue,
                Ok(output) => format!("{output:?}"),
                Err(_) => "a panic".to_owned(),
            };
            let (input, first) = (format!("{:?}", link.input), format!("{:?}", link.output));
            return Err(Divergence { number, input, first, again });
        }
        Ok(program)
    }
}

impl<F: Restorable> Guest<F> {
    /// Forgets inputs and outputs in favour of a recipe of the state as it is: copies made from now on are told only
    /// what comes after. It stays the same guest, with the same digest.
    ///
    /// What is forgotten is not compared any more; [`check`](Self::check) it before.
    ///
    /// # Errors
    /// In a copy, when an input is not answered as the first time.
    pub fn compact(&mut self) -> Result<(), Divergence> {
        self.recipe = Arc::new(self.program()?.recipe());
        self.told = Told(None);
        Ok(())
    }
}

impl<F: Foreign> Clone for Guest<F> {
    fn clone(&self) -> Self {
        let program = match self.program.get() {
            Some(Err(divergence)) => OnceLock::from(Err(divergence.clone())),
            Some(Ok(_)) | None => OnceLock::new(),
        };
        Guest { recipe: self.recipe.clone(), told: self.told.clone(), count: self.count, digest: self.digest, program }
    }
}

impl<F: Foreign> Serialize for Guest<F> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename = "Guest")]
        struct Shown {
            told: u64,
            digest: Digest,
        }
        Shown { told: self.count, digest: self.digest }.serialize(out)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;
    use crate::digest::state_fingerprint;

    /// A sum, and how it was come by.
    #[derive(Debug, PartialEq)]
    struct Sum(u64);

    impl Foreign for Sum {
        type Recipe = u64;
        type Input = u64;
        type Output = (u64, bool);
        fn make(first: &u64) -> Self {
            Sum(*first)
        }
        fn tell(&mut self, number: &u64) -> (u64, bool) {
            assert_ne!(*number, UNLUCKY, "it cannot count to that");
            self.0 = self.0.wrapping_mul(31).wrapping_add(*number);
            (self.0, number.is_multiple_of(2))
        }
    }

    impl Restorable for Sum {
        fn recipe(&self) -> u64 {
            self.0
        }
    }

    const UNLUCKY: u64 = 13;

    fn print(guest: &Guest<Sum>) -> u64 {
        state_fingerprint(guest).unwrap()
    }

    /// A guest that was told these.
    fn told(numbers: &[u64]) -> Guest<Sum> {
        let mut guest = Guest::new(7);
        for number in numbers {
            guest.tell(*number).unwrap();
        }
        guest
    }

    #[derive(Clone, Debug)]
    enum Act {
        Tell(u64),
        Fork,
        Look,
        Compact,
        Drop,
    }

    fn acts() -> impl Strategy<Value = Vec<(prop::sample::Index, Act)>> {
        let act = prop_oneof![
            4 => (14..40u64).prop_map(Act::Tell),
            2 => Just(Act::Fork),
            1 => Just(Act::Look),
            1 => Just(Act::Compact),
            1 => Just(Act::Drop),
        ];
        prop::collection::vec((any::<prop::sample::Index>(), act), 0..80)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn copies_of_copies_are_what_each_of_them_was_told(acts in acts()) {
            let mut all: Vec<(Guest<Sum>, Vec<u64>)> = vec![(Guest::new(7), Vec::new())];
            for (which, act) in acts {
                let at = which.index(all.len());
                let (guest, numbers) = &mut all[at];
                match act {
                    Act::Tell(number) => {
                        numbers.push(number);
                        let mut plain = Sum(7);
                        let expected = numbers.iter().map(|number| plain.tell(number)).last().unwrap();
                        prop_assert_eq!(guest.tell(number), Ok(&expected));
                    }
                    Act::Fork => {
                        let fork = (guest.clone(), numbers.clone());
                        prop_assert_eq!(print(&fork.0), print(guest));
                        all.push(fork);
                    }
                    Act::Look => _ = guest.program().unwrap(),
                    Act::Compact => guest.compact().unwrap(),
                    Act::Drop if all.len() > 1 => drop(all.swap_remove(at)),
                    Act::Drop => {}
                }
            }
            for (guest, numbers) in &all {
                let alone = told(numbers);
                prop_assert_eq!(guest.check(), Ok(()));
                prop_assert_eq!(guest.program(), alone.program());
                prop_assert_eq!((guest.told(), print(guest)), (numbers.len() as u64, print(&alone)));
            }
        }
    }

    /// Counts what all of its kind were told, as a static counter does.
    struct Counting(&'static AtomicU64);

    impl Foreign for Counting {
        type Recipe = u64;
        type Input = &'static str;
        type Output = u64;
        fn make(from: &u64) -> Self {
            static ALL: AtomicU64 = AtomicU64::new(0);
            ALL.fetch_max(*from, Ordering::Relaxed);
            Counting(&ALL)
        }
        fn tell(&mut self, _: &&'static str) -> u64 {
            self.0.fetch_add(1, Ordering::Relaxed)
        }
    }

    #[test]
    fn a_static_counter_is_caught_and_the_input_named() {
        let mut guest = Guest::<Counting>::new(100);
        assert_eq!(guest.tell("one").unwrap(), &100);
        let mut copy = guest.clone();
        guest.tell("two").unwrap();
        let divergence = copy.tell("two").unwrap_err();
        let said = "input 1, \"one\", was answered with 100, and told again with 102; what decides here is no input";
        assert_eq!(divergence.to_string(), said);
        assert_eq!(copy.program().err(), Some(divergence.clone()), "it stays so");
        assert_eq!(copy.clone().tell("three").unwrap_err(), divergence);
        assert_eq!((copy.told(), guest.told()), (1, 2));
        assert!(guest.tell("three").is_ok(), "the original goes on");
        assert_eq!(guest.check().unwrap_err().number, 1);
    }

    /// Answers once in a process.
    struct Shy;

    impl Foreign for Shy {
        type Recipe = ();
        type Input = ();
        type Output = bool;
        fn make((): &()) -> Self {
            Shy
        }
        fn tell(&mut self, (): &()) -> bool {
            static ASKED: AtomicU64 = AtomicU64::new(0);
            assert_eq!(ASKED.fetch_add(1, Ordering::Relaxed), 0, "asked before");
            true
        }
    }

    #[test]
    fn a_panic_where_there_was_none_is_a_divergence() {
        let mut guest = Guest::<Shy>::new(());
        guest.tell(()).unwrap();
        let divergence = guest.check().unwrap_err();
        assert_eq!((divergence.first.as_str(), divergence.again.as_str()), ("true", "a panic"));
    }

    #[test]
    fn a_program_that_panics_has_not_been_told() {
        let mut guest = told(&[1, 2]);
        let before = print(&guest);
        assert!(catch_unwind(AssertUnwindSafe(|| guest.tell(UNLUCKY).map(|_| ()))).is_err());
        assert_eq!((print(&guest), guest.program()), (before, told(&[1, 2]).program()));
        guest.tell(3).unwrap();
        assert_eq!(print(&guest), print(&told(&[1, 2, 3])));
    }

    /// Counts how many of it were made.
    struct Dear;

    static MADE: AtomicU64 = AtomicU64::new(0);

    impl Foreign for Dear {
        type Recipe = ();
        type Input = ();
        type Output = ();
        fn make((): &()) -> Self {
            MADE.fetch_add(1, Ordering::Relaxed);
            Dear
        }
        fn tell(&mut self, (): &()) {}
    }

    #[test]
    fn a_copy_that_nobody_runs_is_not_made() {
        let mut guest = Guest::<Dear>::new(());
        assert_eq!(MADE.load(Ordering::Relaxed), 0);
        guest.tell(()).unwrap();
        let copies = vec![guest.clone(); 100];
        guest.tell(()).unwrap();
        assert_eq!(MADE.load(Ordering::Relaxed), 1);
        copies[50].program().unwrap();
        assert_eq!(MADE.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_recipe_takes_the_place_of_what_was_told_before() {
        let mut guest = told(&[1, 2, 3]);
        let held = guest.clone();
        guest.compact().unwrap();
        assert_eq!((guest.told.links().len(), guest.told(), guest.last()), (0, 3, None));
        assert_eq!((print(&guest), held.told.links().len()), (print(&held), 3));
        assert_ne!(print(&Guest::new(7)), print(&Guest::new(8)), "another recipe is another guest");
    }

    #[test]
    fn what_diverges_behind_a_recipe_keeps_its_number() {
        struct Late(u64);
        impl Foreign for Late {
            type Recipe = u64;
            type Input = ();
            type Output = u64;
            fn make(count: &u64) -> Self {
                Late(*count)
            }
            fn tell(&mut self, (): &()) -> u64 {
                static ALL: AtomicU64 = AtomicU64::new(0);
                self.0 += 1;
                if self.0 > 4 { ALL.fetch_add(1, Ordering::Relaxed) } else { 0 }
            }
        }
        impl Restorable for Late {
            fn recipe(&self) -> u64 {
                self.0
            }
        }
        let mut guest = Guest::<Late>::new(0);
        for told in 1..=5 {
            guest.tell(()).unwrap();
            if told == 3 {
                guest.compact().unwrap();
            }
        }
        assert_eq!(guest.check().unwrap_err().number, 5);
    }

    #[test]
    fn a_million_inputs_are_told_and_dropped() {
        let mut guest = Guest::<Cheap>::new(());
        for _ in 0..1_000_000 {
            guest.tell(()).unwrap();
        }
        let copy = guest.clone();
        guest.tell(()).unwrap();
        assert_eq!((copy.check(), copy.told()), (Ok(()), 1_000_000));
        drop((guest, copy));
    }

    /// Costs nothing.
    struct Cheap;

    impl Foreign for Cheap {
        type Recipe = ();
        type Input = ();
        type Output = ();
        fn make((): &()) -> Self {
            Cheap
        }
        fn tell(&mut self, (): &()) {}
    }
}
