//! What must hold of every text that somebody gives us to read, whoever wrote it: no panic and no hang, a mistake has its place
//! inside the text, and what is accepted prints, reads back and runs.
//!
//! The fuzz targets of `tests/fuzz` and the test `fuzzing` ask the same questions; they stand here once.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use sim_core::case::Case;
use sim_core::draft::Draft;
use sim_core::{Fault, FaultError, Limits, Seed, Stop};
use sim_models::expr::{Arithmetic, Expr, Number};
use sim_models::language::Choices;
use sim_models::problem::Problems;
use sim_models::scenario::{Chance, Changes, Model, Run, Scenario, replay};
use sim_models::value::Value;

use crate::scenarios::built_in;

/// A reader, and what must hold of every text for it.
pub struct Reader {
    /// The name of its fuzz target and of the folders of its texts.
    pub name: &'static str,
    /// Panics when it does not hold.
    pub check: fn(&str),
}

/// All of them.
pub const READERS: &[Reader] = &[
    Reader { name: "fault", check: fault },
    Reader { name: "draft", check: draft },
    Reader { name: "scenario", check: scenario },
    Reader { name: "case", check: case },
    Reader { name: "expression", check: expression },
];

/// Enough to reach each step of a scenario; few, so that ten thousand texts take seconds.
const SMALL: Limits = Limits { events: 3_000, events_at_one_instant: 1_000, pending: 20_000, memory: 1 << 26 };

/// The grammar of faults.
///
/// # Panics
/// When a promise is broken.
pub fn fault(text: &str) {
    let fault = match text.parse::<Fault>() {
        Ok(fault) => fault,
        Err(error) => return lies_inside(&error, text),
    };
    let printed = fault.to_string();
    assert_eq!(printed.parse(), Ok(fault.clone()), "what is printed reads back: {printed}");
    let json = serde_json::to_string(&fault).expect("it is text");
    assert_eq!(serde_json::from_str::<Fault>(&json).ok(), Some(fault.clone()), "{json}");
    if let Err(error) = fault.check_names(&["shop", "gateway"]) {
        lies_inside(&error, &printed);
    }
    static SCENARIO: LazyLock<Scenario> = LazyLock::new(|| built_in("checkout"));
    let changes = Changes { faults: vec![fault], ..Changes::default() };
    if let Ok(model) = SCENARIO.model_with(&Choices::none().set("orders", "3"), &changes) {
        runs_and_replays(&model);
    }
}

fn lies_inside(error: &FaultError, text: &str) {
    let from = error.column.checked_sub(1).expect("columns count from 1");
    assert_eq!(&*error.text, text, "{error}");
    let there: String = text.chars().skip(from).take(error.word.chars().count()).collect();
    assert!(
        from <= text.chars().count() && there == *error.word,
        "{error}: {:?} is not at {}",
        error.word,
        error.column
    );
    assert!(!error.to_string().is_empty() && error.caret().contains('^'));
}

/// Faults with open numbers.
///
/// # Panics
/// When a promise is broken.
pub fn draft(text: &str) {
    let draft = match text.parse::<Draft>() {
        Ok(draft) => draft,
        Err(error) => {
            assert!(text.get(error.place.clone()).is_some(), "{error}: {:?}", error.place);
            return assert!(!error.message.is_empty());
        }
    };
    assert_eq!(draft.to_string().parse(), Ok(draft.clone()));
    for bits in [0, 1, u64::MAX / 3, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
        let drawn = Fault::Timed(draft.drawn(|place| bits.rotate_left(place as u32)));
        assert_eq!(drawn.to_string().parse(), Ok(drawn));
    }
}

/// Scenario files.
///
/// # Panics
/// When a promise is broken.
pub fn scenario(text: &str) {
    let scenario = match Scenario::parse("scenario.json", text) {
        Ok(scenario) => scenario,
        Err(problems) => return are_placed(&problems, text),
    };
    let remedies = scenario.document().settings().remedies().take(2);
    let choices = remedies.map(|remedy| Choices::none().remedy(&remedy.name));
    for choices in std::iter::once(Choices::none()).chain(choices) {
        match scenario.model_with(&choices, &Changes { chance: Chance::BySeed, ..Changes::default() }) {
            Ok(model) => {
                are_placed(model.warnings(), text);
                runs_and_replays(&model.of_seed(Seed(1)));
            }
            Err(sim_models::scenario::ModelError::Problems(problems)) => are_placed(&problems, text),
            Err(other) => panic!("no fault was added: {other}"),
        }
    }
}

fn are_placed(problems: &Problems, text: &str) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<usize> = text.split('\n').map(|line| line.chars().count()).collect();
    for problem in problems.iter() {
        assert!(!problem.message.is_empty());
        let placed = problem.line == 0
            || lines.get(problem.line - 1).is_some_and(|length| (1..=length + 1).contains(&problem.column));
        assert!(placed, "{problem:?} lies outside");
    }
    assert!(problems.is_empty() || !problems.to_string().is_empty());
}

/// Case files.
///
/// # Panics
/// When a promise is broken.
pub fn case(text: &str) {
    let Ok(case) = serde_json::from_str::<Case>(text) else { return };
    let written = serde_json::to_string(&case).expect("it is JSON");
    assert_eq!(serde_json::from_str::<Case>(&written).ok().as_ref(), Some(&case), "{written}");
    match Model::of_case("case.json", &case) {
        Ok(model) => runs_and_replays(&model),
        Err(error) => return assert!(!error.to_string().is_empty()),
    }
    match replay("case.json", &case, SMALL, |_, _| ControlFlow::Continue(())) {
        Ok(replay) => nobody_panicked(&replay.run),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Runs it inside small limits as a hunt does, keeps the run as a case, and runs that again.
fn runs_and_replays(model: &Model) {
    let run = model.run_watched(Seed(7), Stop::AtViolation, SMALL, |_, _| ControlFlow::Continue(()));
    nobody_panicked(&run);
    let text = serde_json::to_string(&model.case(&run)).expect("a case is JSON");
    let case: Case = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let again = replay("case.json", &case, SMALL, |_, _| ControlFlow::Continue(()));
    let again = again.unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(again.run.outcome.digest, run.outcome.digest, "a case replays to its digest: {text}");
}

/// Files have no way to make an actor of the interpreter panic.
fn nobody_panicked(run: &Run) {
    assert_eq!(run.outcome.panic.as_ref().map(|panic| panic.message.clone()), None);
}

/// Conditions and formulas.
///
/// # Panics
/// When a promise is broken.
pub fn expression(text: &str) {
    for arithmetic in [Arithmetic::Integers, Arithmetic::Floats] {
        let expr = match Expr::parse(text, arithmetic) {
            Ok(expr) => expr,
            Err(error) => {
                assert!(text.get(error.span.start..error.span.end).is_some(), "{error}: {:?}", error.span);
                continue;
            }
        };
        let printed = expr.to_string();
        let again = Expr::parse(&printed, arithmetic).unwrap_or_else(|error| panic!("{printed}: {error}"));
        assert_eq!(again.to_string(), printed, "what is printed reads back");
        for worth in [Value::Null, Value::Int(i64::MIN), Value::Int(-1), Value::Int(i64::MAX), Value::from("lamp")] {
            let whole = expr.eval(&mut |_, _| worth.clone());
            assert_eq!(again.eval(&mut |_, _| worth.clone()), whole, "{text} and {printed} are worth the same");
            _ = expr.is_true(&mut |_, _| worth.clone());
            _ = expr.eval_number(&mut |_, _| Number::from(&worth));
            _ = expr.is_true_number(&mut |_, _| Number::from(&worth));
        }
    }
}

/// Words that the texts of people are made of: the parts of these texts, for the mutator and for the dictionary of the fuzzer.
pub fn words<'t>(texts: impl IntoIterator<Item = &'t str>) -> BTreeSet<String> {
    let apart = |c: char| c.is_whitespace() || matches!(c, '"' | ',' | ':' | '[' | ']' | '{' | '}' | '(' | ')');
    let words = texts.into_iter().flat_map(|text| text.split(apart)).filter(|word| (1..=24).contains(&word.len()));
    words.map(str::to_owned).collect()
}
