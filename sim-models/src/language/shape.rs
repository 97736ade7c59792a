//! The vocabulary in which the language is written down as data: one table is read by the checker, the schema and the pages.

use crate::expr::Arithmetic;
use crate::policy;

/// What may stand at a place.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Anything: the value of a choice, and what is not built yet.
    Any,
    /// `true` or `false`.
    Bool,
    /// A whole number, both ends included.
    Int {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// Any number of at least `min`; nothing is decided by it.
    Float {
        /// The smallest.
        min: f64,
    },
    /// Free text.
    Text,
    /// `[a-z][a-z0-9_]*`
    Name,
    /// `"250ms"`
    Duration,
    /// `"0.1%"`
    Ratio,
    /// `"10/s"`
    Rate,
    /// `"60s..75s"`
    DurationRange,
    /// `"1..3"`
    IntRange,
    /// An object with a `profile`, and the parameters of that library's policy.
    Profile(policy::Kind),
    /// One of these words.
    Choice {
        /// Those that can be used.
        now: &'static [&'static str],
        /// Those that the language has and this program does not yet.
        later: &'static [&'static str],
    },
    /// A condition or a formula.
    Expr(Arithmetic),
    /// `"db.calls"`, `"shop->gateway.retries"`
    Counter,
    /// A whole number or text as it is; `"$order"`, `"= value - 1"`, `"$order/$try"`.
    Value,
    /// A whole number or text as it is.
    Literal,
    /// A length of time, fixed or drawn.
    Dist,
    /// `"gateway.charge"`
    Target,
    /// `"orders.status[$order]"`
    Cell,
    /// A cell, or all of a map: `"orders.status[*]"`.
    Cells,
    /// `"orders.status"`, or `"status"` for one of the node's own.
    Map,
    /// One line of the grammar of faults.
    Fault,
    /// `null`, which is then a value and not the same as nothing written.
    Null,
    /// A list of steps; a word of its own, because steps hold steps.
    Steps,
    /// An object with known fields.
    Object(&'static Object),
    /// An object whose fields depend on its `kind`.
    Kinds(&'static Kinds),
    /// An object with one verb and its clauses.
    Verbs(&'static Verbs),
    /// An object whose keys the author names.
    MapOf(Keys, &'static Shape),
    /// A list.
    ListOf(&'static Shape),
    /// A list of exactly two.
    PairOf(&'static Shape),
    /// The first of these that fits.
    OneOf(&'static [Shape]),
}

/// What the keys of a [`Shape::MapOf`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// `[a-z][a-z0-9_]*`
    Names,
    /// Any text.
    Free,
    /// `a->b`, `a<->b`, with `*` for any name.
    Links,
    /// `99%`
    Ratios,
}

/// Whether a thing of the language can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Built {
    /// It can.
    Now,
    /// The language has it, this program does not yet: using it is an error, never ignored.
    NotYet,
}

/// Whether an object is complete without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It is.
    Optional,
    /// It is not.
    Required,
}

/// A field of an object, or a clause of a verb.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its key.
    pub name: &'static str,
    /// What may stand there.
    pub shape: Shape,
    /// One line on what it does.
    pub doc: &'static str,
    /// What holds when it is not written; empty when that goes without saying.
    pub default: &'static str,
    /// Whether it must be written.
    pub need: Need,
    /// Whether it can be used.
    pub built: Built,
}

impl Field {
    /// An optional field that can be used.
    pub const fn new(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Field { name, shape, doc, default: "", need: Need::Optional, built: Built::Now }
    }

    /// The same, and this holds when it is not written.
    pub const fn or(self, default: &'static str) -> Self {
        Field { default, ..self }
    }

    /// The same, and it must be written.
    pub const fn required(self) -> Self {
        Field { need: Need::Required, ..self }
    }

    /// The same, but not built yet.
    pub const fn not_yet(self) -> Self {
        Field { built: Built::NotYet, ..self }
    }
}

/// An object with known fields.
#[derive(Debug)]
pub struct Object {
    /// With its article: `a service`.
    pub what: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
    /// At least one of these must be written; empty when it need not.
    pub any_of: &'static [&'static str],
}

/// Objects told apart by their `kind`.
#[derive(Debug)]
pub struct Kinds {
    /// With its article: `a node`.
    pub what: &'static str,
    /// The kinds by name.
    pub kinds: &'static [Kind],
}

/// One of them.
#[derive(Debug)]
pub struct Kind {
    /// The value of `kind`.
    pub name: &'static str,
    /// One line on what it is.
    pub doc: &'static str,
    /// Its fields beside `kind`.
    pub object: Object,
    /// Whether it can be used.
    pub built: Built,
}

/// Objects told apart by which verb they have.
#[derive(Debug)]
pub struct Verbs {
    /// With its article: `a step`.
    pub what: &'static str,
    /// What a verb is called here: `verb`, `kind`.
    pub word: &'static str,
    /// The verbs.
    pub verbs: &'static [Verb],
}

/// A verb, the shape of its value, and its clauses.
#[derive(Debug)]
pub struct Verb {
    /// Its key.
    pub name: &'static str,
    /// What may stand behind it.
    pub value: Shape,
    /// One line on what it does.
    pub doc: &'static str,
    /// Its clauses, in groups that other verbs share.
    pub clauses: &'static [&'static [Field]],
    /// At least one of these clauses must be written; empty when it need not.
    pub any_of: &'static [&'static str],
    /// Whether it can be used.
    pub built: Built,
}

impl Verb {
    /// All its clauses.
    pub fn clauses(&self) -> impl Iterator<Item = &'static Field> + use<> {
        self.clauses.iter().copied().flatten()
    }
}

/// Allowed on every object, whatever it is; no meaning depends on them.
pub const ANNOTATIONS: [Field; 3] = [
    Field::new("about", Shape::Text, "What it is for, in a sentence; shown."),
    Field::new("note", Shape::Text, "A remark to other authors; not shown."),
    Field::new("$schema", Shape::Text, "Where an editor finds the schema."),
];

impl Shape {
    /// What should stand here, in words.
    pub fn words(&self) -> String {
        match self {
            Shape::Any => "anything".to_owned(),
            Shape::Bool => "true or false".to_owned(),
            Shape::Int { min, max: i64::MAX } if *min > i64::MIN => format!("a whole number of at least {min}"),
            Shape::Int { min, max } if *min > i64::MIN => format!("a whole number from {min} to {max}"),
            Shape::Int { .. } => "a whole number".to_owned(),
            Shape::Float { min } if *min > f64::MIN => format!("a number of at least {min}"),
            Shape::Float { .. } => "a number".to_owned(),
            Shape::Text => "text".to_owned(),
            Shape::Name => "a name".to_owned(),
            Shape::Duration => "a length of time, such as \"250ms\"".to_owned(),
            Shape::Ratio => "a ratio, such as \"0.1%\"".to_owned(),
            Shape::Rate => "a rate, such as \"10/s\"".to_owned(),
            Shape::DurationRange => "a range of time, such as \"60s..75s\"".to_owned(),
            Shape::IntRange => "a range, such as \"1..3\"".to_owned(),
            Shape::Choice { now, later } => listed(now.iter().chain(*later).map(|word| format!("\"{word}\"")), "or"),
            Shape::Expr(_) => "an expression, such as \"value >= 1\"".to_owned(),
            Shape::Counter => "a counter, such as \"db.calls\"".to_owned(),
            Shape::Value => "a whole number, text, or an expression such as \"= value - 1\"".to_owned(),
            Shape::Literal => "a whole number or text".to_owned(),
            Shape::Dist => "a length of time, such as \"250ms\" or {\"exponential\": \"50ms\"}".to_owned(),
            Shape::Target => "an endpoint, such as \"gateway.charge\"".to_owned(),
            Shape::Cell => "a cell, such as \"orders.status[$order]\"".to_owned(),
            Shape::Cells => {
                "a cell, such as \"orders.status[$order]\", or a whole map, \"orders.status[*]\"".to_owned()
            }
            Shape::Map => "a map, such as \"orders.status\"".to_owned(),
            Shape::Fault => "a fault, such as \"10s..20s crash db\"".to_owned(),
            Shape::Null => "null".to_owned(),
            Shape::Steps => "a list of steps, such as [{\"work\": \"5ms\"}]".to_owned(),
            Shape::Object(Object { what, .. })
            | Shape::Kinds(Kinds { what, .. })
            | Shape::Verbs(Verbs { what, .. }) => {
                format!("{what} {{…}}")
            }
            Shape::Profile(kind) => {
                let example = policy::profiles().find(|profile| profile.kind == *kind);
                let example = example.map_or("", |profile| profile.name);
                format!("a library's {} {{\"profile\": \"{example}\", …}}", kind.clause())
            }
            Shape::MapOf(_, inner) => format!("an object of names, each with {}", inner.words()),
            Shape::ListOf(inner) => format!("a list, each {}", inner.words()),
            Shape::PairOf(inner) => format!("a pair [from, to], each {}", inner.words()),
            Shape::OneOf(shapes) => listed(shapes.iter().map(Shape::words), "or"),
        }
    }

    /// Whether `null` is a value here, and not the same as nothing written.
    pub fn takes_null(&self) -> bool {
        match self {
            Shape::Null | Shape::Any => true,
            Shape::OneOf(shapes) => shapes.iter().any(Shape::takes_null),
            _ => false,
        }
    }
}

/// `a`, `a or b`, `a, b or c`.
pub(crate) fn listed(words: impl IntoIterator<Item = String>, joint: &str) -> String {
    let words: Vec<String> = words.into_iter().collect();
    match words.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {joint} {last}", rest.join(", ")),
    }
}

impl Verbs {
    /// The verb of that name.
    pub fn verb(&self, name: &str) -> Option<&'static Verb> {
        self.verbs.iter().find(|verb| verb.name == name)
    }
}
