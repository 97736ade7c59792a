//! Every verb stands in one table: the parser, its suggestions and the reference page are made from it.
//!
//! To build a verb that is not built yet, add it to [`Verb`], print it, write its rule, and put the rule here.

use super::parse::Parser;
use super::{Decision, FaultError, Ruling, Verb};

/// A verb of the grammar, for people to read and for the parser to follow.
#[derive(Clone, Copy, Debug)]
pub struct VerbEntry {
    /// The word itself.
    pub name: &'static str,
    /// What may follow it: capitals stand for something, brackets for what may be left out.
    pub form: &'static str,
    /// A whole line that uses it.
    pub example: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    pub(super) grammar: Grammar,
}

/// How the words after a verb are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Grammar {
    /// Trouble that holds, with a time, `every` and `for`.
    Holds(fn(&mut Parser<'_>) -> Result<Verb, FaultError>),
    /// One answer, without a time.
    Decides(fn(&mut Parser<'_>) -> Result<Decision, FaultError>),
    /// Known, and not carried out by this version.
    NotYet,
}

impl VerbEntry {
    /// Whether this version carries it out.
    pub fn is_built(&self) -> bool {
        !matches!(self.grammar, Grammar::NotYet)
    }

    /// Whether it answers one question, and so has no time.
    pub fn is_decision(&self) -> bool {
        matches!(self.grammar, Grammar::Decides(_))
    }
}

/// Shortens a row of the table.
const fn entry(
    name: &'static str,
    form: &'static str,
    example: &'static str,
    about: &'static str,
    grammar: Grammar,
) -> VerbEntry {
    VerbEntry { name, form, example, about, grammar }
}

/// All verbs, in the order in which a reference shows them.
pub const VERBS: &[VerbEntry] = &[
    entry(
        "partition",
        "A B | C D [cutting flight]",
        "1s..4s partition orders | payments db",
        "cuts groups of nodes from each other; * is all the rest",
        Grammar::Holds(|words| words.partition()),
    ),
    entry(
        "cut",
        "A->B [cutting flight]",
        "1s..4s cut a->b",
        "loses all that is sent on a link, one way",
        Grammar::Holds(|words| words.cut()),
    ),
    entry(
        "loss",
        "A->B [KIND] SHARE",
        "2s..6s loss orders->payments charge 20%",
        "loses each message with a chance",
        Grammar::Holds(|words| words.loss()),
    ),
    entry(
        "delay",
        "A->B [KIND] +LENGTH [~SPREAD]",
        "2s..6s delay orders->* +200ms ~50ms",
        "makes each message take longer, evenly spread either way",
        Grammar::Holds(|words| words.delay()),
    ),
    entry(
        "duplicate",
        "A->B [KIND] SHARE",
        "2s..6s duplicate a<->b 5%",
        "delivers each message twice with a chance",
        Grammar::Holds(|words| words.duplicate()),
    ),
    entry(
        "clog",
        "A->B",
        "2s..6s clog orders->payments",
        "holds all that is sent on a link, and lets it go at the end",
        Grammar::NotYet,
    ),
    entry(
        "crash",
        "NODE [wiping disk]",
        "3s..8s crash db wiping disk",
        "stops a node; it starts again at the end, with what it had written",
        Grammar::Holds(|words| words.crash()),
    ),
    entry(
        "power-loss",
        "NODE",
        "3s..4s power-loss db",
        "stops a node, and loses what it had written and not synced",
        Grammar::Holds(|words| words.power_loss()),
    ),
    entry("pause", "NODE", "3s..4s pause db", "freezes a node; it goes on at the end", Grammar::NotYet),
    entry(
        "hang",
        "NODE[.ENDPOINT]",
        "3s..4s hang payments.charge",
        "accepts requests and never answers",
        Grammar::NotYet,
    ),
    entry("slow", "NODE xFACTOR", "2s..9s slow payments x10", "makes work take longer by a factor", Grammar::NotYet),
    entry(
        "fail",
        "NODE[.ENDPOINT] [REASON] [SHARE]",
        "3s..4s fail payments.charge overloaded 5%",
        "answers requests with an error",
        Grammar::NotYet,
    ),
    entry(
        "clock",
        "NODE step LENGTH | drift PPM",
        "5s clock db step -160ms",
        "sets a node's clock wrong, at once or little by little",
        Grammar::NotYet,
    ),
    entry("disk", "NODE FAULT", "4s disk db torn-write", "makes a node's disk lie, lose or fail", Grammar::NotYet),
    entry(
        "deploy",
        "NODE VERSION [by SHARE]",
        "60s.. deploy api v2 by 25% every 60s",
        "restarts replicas with a new version, some at a time",
        Grammar::NotYet,
    ),
    entry("rollback", "NODE", "90s rollback api", "restarts replicas with the version before", Grammar::NotYet),
    entry("restart", "NODE", "60s restart worker every 15s", "restarts one replica after the other", Grammar::NotYet),
    entry("scale", "NODE COUNT", "60s scale worker 3", "changes the number of replicas", Grammar::NotYet),
    entry(
        "drop",
        "A->B KIND [OPERATION] #N",
        "drop orders->payments charge order/17 #2",
        "loses one message",
        Grammar::Decides(|words| words.envelope(|_| Ok(Ruling::Drop))),
    ),
    entry(
        "late",
        "A->B KIND [OPERATION] #N LENGTH",
        "late orders->payments charge order/17 #1 1.4s",
        "gives one message its time on the way",
        Grammar::Decides(|words| words.envelope(|words| Ok(Ruling::Late(words.length()?)))),
    ),
    entry(
        "twice",
        "A->B KIND [OPERATION] #N LENGTH",
        "twice orders->payments charge order/17 #1 12ms",
        "delivers one message twice, the copy after that time",
        Grammar::Decides(|words| words.envelope(|words| Ok(Ruling::Twice(words.length()?)))),
    ),
    entry(
        "keep",
        "A->B KIND [OPERATION] #N",
        "keep orders->payments charge order/17 #1",
        "delivers one message that would be lost, late or doubled",
        Grammar::Decides(|words| words.envelope(|_| Ok(Ruling::Keep))),
    ),
    entry(
        "draw",
        "NODE PURPOSE [OPERATION] #N VALUE",
        "draw payments work order/17 #1 1.4s",
        "says what one draw gives: a length, yes, no, or a name",
        Grammar::Decides(|words| words.draw()),
    ),
];

/// The words that bind a fault to a step in place of a time.
pub const TRIGGERS: &[VerbEntry] = &[
    entry(
        "before",
        "STEP [#N … | SHARE]",
        "crash orders before place.publish 0.1% for 1s",
        "strikes when the step's turn comes",
        Grammar::NotYet,
    ),
    entry(
        "after",
        "STEP [#N … | SHARE]",
        "crash orders after place.publish #2 for 1s",
        "strikes when the step has its outcome",
        Grammar::NotYet,
    ),
    entry(
        "at",
        "MARK [#N … | SHARE]",
        "crash shop at pay.prepared #1 for 60s",
        "strikes at a mark that an actor makes",
        Grammar::NotYet,
    ),
];
