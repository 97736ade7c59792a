//! Every verb stands in one table: the parser, its suggestions and the reference page are made from it.
//!
//! A new verb is added to [`Verb`], printed, and read by a rule of its own, which is put here.

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
    /// What else there is to know of it, each under a word: of what is in capitals in the form its unit and bounds; what is `in
    /// flight` or under way as it begins; its `end`; what its `count` of deeds counts; how it goes with others (`overlap`).
    pub notes: &'static [(&'static str, &'static str)],
    pub(super) grammar: Grammar,
}

/// How the words after a verb are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Grammar {
    /// Trouble that holds, with a time, `every` and `for`.
    Holds(fn(&mut Parser<'_>) -> Result<Verb, FaultError>),
    /// One answer, without a time.
    Decides(fn(&mut Parser<'_>) -> Result<Decision, FaultError>),
    /// Not a verb: a clause behind one.
    Clause,
}

impl VerbEntry {
    /// What there is to know of it, as a few lines of text.
    pub fn page(&self) -> String {
        let head = format!("{} {}\n    {}\n    {}\n", self.name, self.form, self.about, self.example);
        let width = self.notes.iter().map(|(word, _)| word.len()).max().unwrap_or(0);
        let notes = self.notes.iter().map(|(word, meaning)| format!("    {word:width$}  {meaning}\n"));
        head + &notes.collect::<String>()
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
    notes: &'static [(&'static str, &'static str)],
    grammar: Grammar,
) -> VerbEntry {
    VerbEntry { name, form, example, about, notes, grammar }
}

/// How links are written.
const LINK: (&str, &str) = ("A->B", "a link, one way; a<->b is both ways; names, patterns such as db*, and * for all");
/// How kinds are written.
const KIND: (&str, &str) =
    ("KIND", "a kind of message; all kinds when it is left out. An answer has its request's kind");
/// How shares are written.
const SHARE: (&str, &str) = ("SHARE", "20% or 1/5, of each message by itself; at 0% the fault is off");
/// How nodes are written.
const NODE: (&str, &str) = (
    "NODE",
    "a name (with all its replicas), a pattern, one of NODE (drawn anew each time), any minority of NODE (so too), \
     each of s1..s10 (each with its own dice), zone eu-1 (all in it), one zone (drawn anew each time), each zone, the ROLE (whoever has \
     that role when it strikes, by their own word)",
);
/// What a crash does to what is on its way.
const CRASHED: (&str, &str) = (
    "in flight",
    "arrives at a machine that is down or up again; what the node had received and not answered is reset where links bring answers",
);

/// All verbs, in the order in which a reference shows them.
pub const VERBS: &[VerbEntry] = &[
    entry(
        "partition",
        "A B | C D, isolate NODE, halves of NODE, bridge of NODE, ring of NODE [cutting flight]",
        "1s..4s partition orders | payments db",
        "cuts groups of nodes from each other; * is all the rest",
        &[
            ("A B | C D", "two groups or more; a node in none keeps its links"),
            ("isolate", "NODE (one of kv, any minority of kv) from all the rest"),
            ("halves", "one half from the other, drawn anew each time"),
            ("bridge", "two halves, and one node between them that hears both, drawn anew each time"),
            (
                "ring",
                "each hears a majority, itself included, and no two the same; drawn anew each time, or of names in that order",
            ),
            ("in flight", "arrives; with `cutting flight` it is lost as the fault begins"),
            ("end", "links work again; what was cut stays lost"),
            ("overlap", "holds while any holds"),
            ("count", "messages cut"),
        ],
        Grammar::Holds(|words| words.partition()),
    ),
    entry(
        "cut",
        "A->B [cutting flight]",
        "1s..4s cut a->b",
        "loses all that is sent on a link, one way",
        &[
            LINK,
            ("in flight", "arrives; with `cutting flight` it is lost as the fault begins"),
            ("end", "the link works again; what was cut stays lost"),
            ("overlap", "holds while any holds"),
            ("count", "messages cut"),
        ],
        Grammar::Holds(|words| words.cut()),
    ),
    entry(
        "loss",
        "A->B [KIND] SHARE",
        "2s..6s loss orders->payments charge 20%",
        "loses each message with a chance",
        &[
            LINK,
            KIND,
            SHARE,
            ("in flight", "arrives: a message is lost where it is sent"),
            ("overlap", "as independent chances, with one number drawn for each message: more loss loses a superset"),
            ("count", "messages that this fault, and none before it, lost"),
        ],
        Grammar::Holds(|words| words.loss()),
    ),
    entry(
        "burst-loss",
        "A->B [KIND] SHARE bad ~LENGTH good ~LENGTH [SHARE]",
        "2s..60s burst-loss a->b 90% bad ~200ms good ~5s",
        "loses messages in bursts: each link is good or bad by turns",
        &[
            LINK,
            KIND,
            ("SHARE", "lost while the link is bad; the second, 0% when it is left out, while it is good"),
            ("LENGTH", "the mean of each state, drawn exponentially; a link is bad for bad / (bad + good) of the time"),
            ("in flight", "arrives: a message is lost where it is sent"),
            (
                "overlap",
                "as independent chances with all other losses; turns depend on seed, link and time, never on messages",
            ),
            ("count", "messages that this fault, and none before it, lost"),
        ],
        Grammar::Holds(|words| words.burst_loss()),
    ),
    entry(
        "delay",
        "A->B [KIND] [SHARE] +LENGTH [~SPREAD] [per LENGTH]",
        "2s..6s delay orders->* +200ms ~50ms",
        "makes messages take longer, evenly spread either way; without a time, a pair that is always slow",
        &[
            LINK,
            KIND,
            ("SHARE", "0.1% of the messages take longer, and the others as long as ever; all when it is left out"),
            ("LENGTH", "added to the latency of the link"),
            ("SPREAD", "uniform, that far either way; 0s when it is left out"),
            (
                "per",
                "one number for each link and stretch of so long, counted from the start: jitter that stays a while",
            ),
            ("in flight", "keeps its time"),
            ("overlap", "delays add"),
            ("count", "messages delayed"),
        ],
        Grammar::Holds(|words| words.delay()),
    ),
    entry(
        "duplicate",
        "A->B [KIND] SHARE [+LENGTH [~SPREAD]]",
        "2s..6s duplicate a<->b 5%",
        "delivers each message twice with a chance",
        &[
            LINK,
            KIND,
            SHARE,
            ("LENGTH", "added to the latency of the copy alone; SPREAD is uniform, that far either way"),
            ("in flight", "arrives once"),
            (
                "overlap",
                "as independent chances; never more than two copies. The second has a latency of its own, and LENGTH of the fault that made it",
            ),
            ("count", "messages doubled"),
        ],
        Grammar::Holds(|words| words.duplicate()),
    ),
    entry(
        "corrupt",
        "A->B [KIND] SHARE",
        "2s..6s corrupt a->b 1%",
        "damages each message with a chance; what becomes of it is as the link says",
        &[
            LINK,
            KIND,
            SHARE,
            (
                "checksum",
                "a link with one (all, unless said otherwise) loses the message; without one, a number in it is altered",
            ),
            ("in flight", "arrives whole: a message is damaged where it is sent"),
            ("overlap", "as independent chances; what is lost is not damaged. On a stream it is a loss"),
            ("count", "messages damaged"),
        ],
        Grammar::Holds(|words| words.corrupt()),
    ),
    entry(
        "bandwidth",
        "A->B BYTES/s [queue N] [tail|random]",
        "2s..6s bandwidth a->b 100KB/s queue 20",
        "lets messages stand in line where they are sent",
        &[
            LINK,
            ("BYTES/s", "1B/s to 1000000GB/s, units decimal; a message takes its size by this"),
            ("queue", "so many wait at most, beside the one whose turn it is; as the link has it when it is left out"),
            ("tail|random", "of too many the one that comes is dropped (tail), or any of those that wait and it"),
            ("in flight", "keeps its time"),
            ("end", "what stands in line keeps its turn"),
            ("overlap", "the least of all bandwidths and of all queues, the link's too; random where any says so"),
            ("count", "messages that it held up or dropped"),
        ],
        Grammar::Holds(|words| words.bandwidth()),
    ),
    entry(
        "refuse",
        "A->B [KIND] [SHARE]",
        "2s..6s refuse orders->payments charge 20%",
        "answers messages as a machine on which nothing listens",
        &[
            LINK,
            KIND,
            ("SHARE", "20% or 1/5, of each message by itself; all when it is left out"),
            (
                "in flight",
                "arrives: a message is refused where it is sent, at once, over the link back if that brings answers",
            ),
            ("overlap", "as independent chances; what is cut or lost is not refused"),
            ("count", "messages refused"),
        ],
        Grammar::Holds(|words| words.refuse()),
    ),
    entry(
        "swizzle",
        "NODES",
        "10s..30s swizzle db*",
        "clogs the links of one node after the other, and lets them go in another order",
        &[
            ("NODES", "names (with all replicas), patterns, s1..s10; each by itself: links to it and from it"),
            ("in flight", "arrives"),
            ("end", "a node begins at an instant of the first half and ends at one of the second, drawn by its name"),
            ("overlap", "holds while any swizzle or clog holds"),
            ("count", "messages held"),
        ],
        Grammar::Holds(|words| words.swizzle()),
    ),
    entry(
        "clog",
        "A->B [KIND] [holding flight]",
        "2s..6s clog orders->payments",
        "holds what is sent on a link; at the end it sets off in its order",
        &[
            LINK,
            KIND,
            ("in flight", "arrives; with `holding flight` it waits too, and arrives at the end"),
            ("end", "what waits sets off in the order in which it came, each with its own latency"),
            (
                "overlap",
                "holds while any holds; what a cut or a loss takes is lost where it is sent, what a clog holds is not",
            ),
            ("count", "messages held"),
        ],
        Grammar::Holds(|words| words.clog()),
    ),
    entry(
        "crash",
        "NODE [wiping disk | swapping disks]",
        "3s..8s crash db wiping disk",
        "stops a node; it starts again at the end, with what it had written",
        &[
            NODE,
            CRASHED,
            (
                "swapping",
                "as it begins, each node that it strikes has the disk of the one before it by name, the first that of the last; \
                 rot goes with the disk, a `disk` fault stays with the node; of one node nothing is swapped",
            ),
            (
                "end",
                "the node starts again with what it had written to its disk; with `wiping disk`, with nothing of that",
            ),
            ("overlap", "down while any holds; disks are swapped or wiped as each begins"),
            ("count", "times it struck a node; with `swapping disks`, nodes that have another's disk"),
        ],
        Grammar::Holds(|words| words.crash()),
    ),
    entry(
        "power-loss",
        "NODE",
        "3s..4s power-loss db",
        "stops a node, and loses what it had written and not synced",
        &[
            NODE,
            CRASHED,
            ("end", "the node starts again with what a finished sync covers"),
            ("overlap", "down while any holds"),
            ("count", "times it struck a node"),
        ],
        Grammar::Holds(|words| words.power_loss()),
    ),
    entry(
        "stop",
        "NODE [grace LENGTH]",
        "60s..90s stop worker-1 grace 10s",
        "asks a node to stop, and kills it when it has not within its grace; it starts again at the end",
        &[
            NODE,
            ("LENGTH", "how long it has; else what its service says (`stop.grace`), 30s by default"),
            (
                "in flight",
                "arrives; callers that ask a registry do not find it any more. What it still owes as it exits or is killed is reset",
            ),
            ("end", "the node starts again; one that is still about to stop does so first, and starts at once"),
            (
                "overlap",
                "down while any holds; of several graces the one that is over first counts; a crash does not wait",
            ),
            ("count", "times it struck a node"),
        ],
        Grammar::Holds(|words| words.stop()),
    ),
    entry(
        "pause",
        "NODE [freezing clocks | freezing monotonic]",
        "3s..4s pause db",
        "freezes a node; messages and timers wait and are handled at the end; its clocks go on unless it says otherwise",
        &[
            NODE,
            (
                "freezing",
                "`clocks`: both stand still and are behind by the length of the pause afterwards, as in a virtual machine \
              that was saved and resumed; `monotonic`: only that one, as in a machine that slept. Else both go on, as for a \
              process that was stopped or collected garbage",
            ),
            ("in flight", "arrives and waits; nobody is told"),
            (
                "end",
                "what waited is handled at once and in its order, before all else of that instant: timers that came due, too, \
              late. Where the monotonic clock stood, timers come due later by as long as it did",
            ),
            ("overlap", "frozen while any holds; a crash in a pause loses what waits, and resets requests among it"),
            ("count", "messages, timers and answers of the disk that waited"),
        ],
        Grammar::Holds(|words| words.pause()),
    ),
    entry(
        "hang",
        "NODE[.ENDPOINT]",
        "3s..4s hang payments.charge",
        "accepts requests and never answers",
        &[
            NODE,
            ("ENDPOINT", "an endpoint, or `read set delete commit` of a store; whatever is asked when it is left out"),
            ("in flight", "what was accepted before is answered"),
            ("end", "what was accepted meanwhile is never answered; a crash resets it"),
            ("overlap", "hangs while any holds, and does not fail then"),
            ("count", "requests that hang"),
        ],
        Grammar::Holds(|words| words.hang()),
    ),
    entry(
        "slow",
        "NODE xFACTOR",
        "2s..9s slow payments x10",
        "makes work that begins take longer by a factor",
        &[
            NODE,
            ("xFACTOR", "how many times as long: above x0, at most x1000000; x1 is off"),
            ("in flight", "work under way takes what it was to take"),
            ("overlap", "factors multiply"),
            ("count", "pieces of work that began under it"),
        ],
        Grammar::Holds(|words| words.slow()),
    ),
    entry(
        "fail",
        "NODE[.ENDPOINT] [REASON] [SHARE]",
        "3s..4s fail payments.charge overloaded 5%",
        "answers requests with an error, or with an unknown outcome",
        &[
            NODE,
            ("ENDPOINT", "an endpoint, or `read set delete commit` of a store; whatever is asked when it is left out"),
            (
                "REASON",
                "one that the system or the file has; `unavailable` when it is left out. Those that say nothing of what was done \
                 (`timeout`, `reset`, `stuck`, `mixed`, `hazard`) come as unknown, all others as an error",
            ),
            ("SHARE", "how many; all when it is left out"),
            ("in flight", "what was accepted before is answered as it would be"),
            ("end", "requests are served as before"),
            (
                "overlap",
                "as independent chances, in the order of the schedule; the reason is that of the first that strikes",
            ),
            ("count", "requests that failed of it"),
        ],
        Grammar::Holds(|words| words.fail()),
    ),
    entry(
        "clock",
        "NODE step ±LENGTH | leap ±LENGTH | smear ±LENGTH | drift ±PPM | freeze | strobe ±LENGTH per LENGTH | \
         discipline ±LENGTH per LENGTH",
        "5s clock db step -160ms",
        "sets a node's clocks wrong, at once or little by little; timers follow the one that never steps",
        &[
            NODE,
            ("±LENGTH", "+160ms or -160ms; of a discipline both ways, written ±5ms or ~5ms"),
            (
                "step",
                "moves the wall clock by ±LENGTH; at one instant, for good. No wall clock shows less than the start of the run",
            ),
            (
                "leap",
                "a leap second: +1s is inserted, so that the wall clock shows a second twice, -1s is left out; at one instant, for good",
            ),
            ("smear", "the same leap spread evenly from beginning to end, which it must have; for good"),
            (
                "discipline",
                "as it begins and after each second LENGTH the wall clock is set to true time plus an error, uniform within \
                 ±LENGTH, drawn from seed, node and number of the poll; in between it runs at its own speed",
            ),
            (
                "drift",
                "both clocks run ±PPM faster, such as +80ppm; timers under way are stretched; what was gained stays",
            ),
            ("freeze", "the wall clock shows one instant, and at the end what it would have shown"),
            ("strobe", "moves the wall clock by ±LENGTH, and back, by turns of the second LENGTH"),
            ("in flight", "no envelope is touched; timers follow the monotonic clock, which never steps"),
            (
                "end",
                "what moved the wall clock is taken back, but not a smear, what a drift has gained, or what a poll has set",
            ),
            (
                "overlap",
                "steps, leaps, smears, strobes and drifts add; the next poll of a discipline takes away what they had come to; of \
                 two disciplines the last poll counts; frozen while any freeze holds",
            ),
            ("count", "timers made longer or shorter, and events in which the node looked at its wall clock"),
        ],
        Grammar::Holds(|words| words.clock()),
    ),
    entry(
        "disk",
        "NODE fsync-fails | fsync-lies | slow xFACTOR | stall | torn-write | bit-rot | misdirected | full | read-error",
        "4s disk db torn-write",
        "makes a node's disk fail, lie, tear or rot; only actors that write files notice",
        &[
            NODE,
            ("fsync-fails", "a sync that ends in it fails, and makes nothing durable"),
            ("fsync-lies", "a sync that ends in it says that all is well, and makes nothing durable"),
            ("slow", "a sync that begins in it takes xFACTOR times as long"),
            ("stall", "a sync that would end in it ends when the fault does"),
            (
                "torn-write",
                "a power loss in it leaves of the first record that was not durable its first half, its last half, or garbage \
                 behind its first half; at an instant, from then on",
            ),
            (
                "bit-rot",
                "as it begins, one bit of one record turns over, for good and for every reader; at an instant, then",
            ),
            (
                "misdirected",
                "the next record that is written in it, when there is another, lands in the place of that one and not in its own, \
                 for good; at an instant, the next from then on",
            ),
            (
                "full",
                "what is written in it is not stored; who asks before writing is told, to others the first sync after it says that the disk \
                 is full, and makes the rest durable",
            ),
            (
                "read-error",
                "a node that starts in it cannot read its files, and is told so; a program that does not ask finds none",
            ),
            ("in flight", "no envelope is touched; a sync under way counts by when it ends"),
            ("end", "syncs do again what they say; what was torn, misdirected, not stored or has rotted stays so"),
            (
                "overlap",
                "factors multiply; a sync fails, else finds the disk full, else lies, while any fault has it do so, and stalls \
                 while any stalls it; two that misdirect take two records",
            ),
            (
                "count",
                "syncs that failed, lied, were slow or stalled; records torn, rotten, misdirected or refused; starts",
            ),
        ],
        Grammar::Holds(|words| words.disk()),
    ),
    entry(
        "deploy",
        "NODE VERSION [by SHARE]",
        "60s.. deploy api v2 by 25% every 60s",
        "stops replicas in their order and starts each with another program, some at a time",
        &[
            ("NODE", "a name (with all its replicas), a pattern, s1..s10"),
            ("VERSION", "in a scenario what `$version` is from then on; in Rust one that the system knows of its node"),
            (
                "SHARE",
                "so much of all of them each time, rounded up: by 25% of ten are 3, 5, 8, 10. Without it all at once",
            ),
            ("every", "from one group to the next, whether or not the last has come up; the first is at the beginning"),
            ("in flight", "as with `stop`: each is asked, has its grace, and starts again at once (after its startup)"),
            ("end", "none: it stays with that program, through crashes too"),
            ("overlap", "one that is down starts with the new program; one that has it already is left alone"),
            ("count", "replicas that it changed"),
        ],
        Grammar::Holds(|words| words.deploy()),
    ),
    entry(
        "rollback",
        "NODE",
        "90s rollback api",
        "stops replicas that a deploy has changed and starts each with the program that it had before",
        &[
            ("NODE", "a name (with all its replicas), a pattern, s1..s10"),
            ("every", "one after the other, that far apart; without it all at once"),
            ("in flight", "as with `stop`: each is asked, has its grace, and starts again at once (after its startup)"),
            ("end", "none: it stays with that program"),
            ("overlap", "a deploy that still goes on goes on: give it an end"),
            ("count", "replicas that it changed"),
        ],
        Grammar::Holds(|words| words.rollback()),
    ),
    entry(
        "restart",
        "NODE",
        "60s restart worker every 15s",
        "stops replicas and starts them again, one after the other",
        &[
            ("NODE", "a name (with all its replicas), a pattern, s1..s10"),
            ("every", "from one to the next, whether or not the last has come up; without it all at once"),
            ("in flight", "as with `stop`: each is asked, has its grace, and starts again at once (after its startup)"),
            ("end", "none: each is restarted once"),
            ("overlap", "one that is down is left alone"),
            ("count", "replicas that it stopped"),
        ],
        Grammar::Holds(|words| words.restart()),
    ),
    entry(
        "scale",
        "NODE COUNT",
        "60s scale worker 3",
        "has so many replicas of a node be there: the first ones, by their numbers",
        &[
            ("NODE", "one name, of a service in a scenario; in Rust of nodes some of which may be spare"),
            ("COUNT", "how many, whether more or fewer than there were; 0 is nobody"),
            ("in flight", "who comes takes its startup; who goes is asked as with `stop`, and has its grace"),
            ("end", "there are as many as before; at an instant alone, for good"),
            ("overlap", "the one that began last says how many; one that is down for another reason stays down"),
            ("count", "replicas that it had come or go, at its end too"),
        ],
        Grammar::Holds(|words| words.scale()),
    ),
    entry(
        "rush",
        "WORKLOAD xFACTOR",
        "60s..90s rush shopper x3",
        "has a workload ask that many times as often",
        &[
            ("WORKLOAD", "one with a rate; users who think are not hurried"),
            ("xFACTOR", "how many times as often: above x0, at most x1000000; x1 is off"),
            ("in flight", "the next operation comes when it was to come; gaps are shorter from then on"),
            ("end", "gaps are as before from the next operation on"),
            ("overlap", "factors multiply; each operation keeps its dice, and only comes sooner"),
            ("count", "operations that came sooner"),
        ],
        Grammar::Holds(|words| words.rush()),
    ),
    entry(
        "skew",
        "NODE first|last|ends SHARE",
        "60s..90s skew shopper first 90%",
        "has what a node picks be an extreme one, with a chance",
        &[
            ("NODE", "one whose program picks numbers, such as a workload whose steps `pick`"),
            ("first", "the pick is 1: a hot key"),
            ("last", "the pick is the largest number"),
            ("ends", "the pick is 1 or the largest number, with equal odds: the smallest batches and the largest"),
            ("SHARE", "20% or 1/5, of each pick by itself; at 0% the fault is off"),
            ("in flight", "what was picked stays picked"),
            ("end", "picks are as before"),
            ("overlap", "the first in the schedule that strikes"),
            ("count", "picks that it struck"),
        ],
        Grammar::Holds(|words| words.skew()),
    ),
    entry(
        "buggify",
        "[SITE] [SHARE [SHARE]]",
        "buggify slow-* 50% 10%",
        "has programs do what is allowed and rare, at the places that they name for it",
        &[
            ("SITE", "the name of such a place or a pattern; all when it is left out"),
            (
                "SHARE",
                "how many of the places are live in a run, then how often a live one does it; 25% each when left out",
            ),
            ("in flight", "no envelope is touched"),
            ("end", "places behave again"),
            ("overlap", "a place that is live for several does it as often as for the one that says most"),
            ("count", "times that a place did it"),
        ],
        Grammar::Holds(|words| words.buggify()),
    ),
    entry(
        "drop",
        "A->B KIND [OPERATION] #N",
        "drop orders->payments charge order/17 #2",
        "loses one message",
        &[
            (
                "#N",
                "which one, counted from 1 over what is sent there of that kind for that operation; lost and cut ones count",
            ),
            ("OPERATION", "such as order/17; what is done for nobody has none"),
            ("overlap", "wins over every fault; a clog still holds what is late or twice"),
            ("count", "1 when its question came up"),
        ],
        Grammar::Decides(|words| words.envelope(|_| Ok(Ruling::Drop))),
    ),
    entry(
        "late",
        "A->B KIND [OPERATION] #N LENGTH",
        "late orders->payments charge order/17 #1 1.4s",
        "gives one message its time on the way",
        &[
            (
                "#N",
                "which one, counted from 1 over what is sent there of that kind for that operation; lost and cut ones count",
            ),
            ("OPERATION", "such as order/17; what is done for nobody has none"),
            ("overlap", "wins over every fault; a clog still holds what is late or twice"),
            ("count", "1 when its question came up"),
        ],
        Grammar::Decides(|words| words.envelope(|words| Ok(Ruling::Late(words.length()?)))),
    ),
    entry(
        "twice",
        "A->B KIND [OPERATION] #N LENGTH",
        "twice orders->payments charge order/17 #1 12ms",
        "delivers one message twice, the copy after that time",
        &[
            (
                "#N",
                "which one, counted from 1 over what is sent there of that kind for that operation; lost and cut ones count",
            ),
            ("OPERATION", "such as order/17; what is done for nobody has none"),
            ("overlap", "wins over every fault; a clog still holds what is late or twice"),
            ("count", "1 when its question came up"),
        ],
        Grammar::Decides(|words| words.envelope(|words| Ok(Ruling::Twice(words.length()?)))),
    ),
    entry(
        "keep",
        "A->B KIND [OPERATION] #N",
        "keep orders->payments charge order/17 #1",
        "delivers one message that would be lost, late or doubled",
        &[
            (
                "#N",
                "which one, counted from 1 over what is sent there of that kind for that operation; lost and cut ones count",
            ),
            ("OPERATION", "such as order/17; what is done for nobody has none"),
            ("overlap", "wins over every fault; a clog still holds what is late or twice"),
            ("count", "1 when its question came up"),
        ],
        Grammar::Decides(|words| words.envelope(|_| Ok(Ruling::Keep))),
    ),
    entry(
        "reject",
        "A->B KIND [OPERATION] #N",
        "reject orders->payments charge order/17 #1",
        "sends one message back unread, as a machine does on which nothing listens",
        &[
            (
                "#N",
                "which one, counted from 1 over what is sent there of that kind for that operation; lost and cut ones count",
            ),
            ("OPERATION", "such as order/17; what is done for nobody has none"),
            ("overlap", "wins over every fault, a clog too"),
            ("count", "1 when its question came up"),
        ],
        Grammar::Decides(|words| words.envelope(|_| Ok(Ruling::Reject))),
    ),
    entry(
        "alter",
        "A->B KIND [OPERATION] #N BITS LENGTH",
        "alter orders->payments charge order/17 #1 17 3ms",
        "damages one message so that nobody sees it, and gives it its time on the way",
        &[
            (
                "#N",
                "which one, counted from 1 over what is sent there of that kind for that operation; lost and cut ones count",
            ),
            ("OPERATION", "such as order/17; what is done for nobody has none"),
            ("BITS", "what is damaged and how: the random bits that the message alters itself by, as a number"),
            ("overlap", "wins over every fault; a clog still holds it. On a stream, which has a checksum, nothing"),
            ("count", "1 when its question came up"),
        ],
        Grammar::Decides(|words| words.envelope(|words| Ok(Ruling::Alter(words.bits()?, words.length()?)))),
    ),
    entry(
        "draw",
        "NODE PURPOSE [OPERATION] #N VALUE",
        "draw payments work order/17 #1 1.4s",
        "says what one draw gives: a length, yes, no, a number, or a name",
        &[
            (
                "PURPOSE",
                "work, wait, think, arrival, jitter, chance, number (of a `pick`), pick (of a replica), or an actor's own",
            ),
            (
                "VALUE",
                "a length for a distribution (before an arrival 1s is once the mean gap), yes or no for a chance, a number from 1 on for a number, a name for a choice",
            ),
            ("count", "1 when its question came up"),
        ],
        Grammar::Decides(|words| words.draw()),
    ),
];

/// All of the table as a page of Markdown.
pub fn reference() -> String {
    let pages = |wanted: fn(&VerbEntry) -> bool| {
        VERBS
            .iter()
            .filter(|entry| wanted(entry))
            .map(|entry| format!("## {}\n\n```text\n{}```\n", entry.name, entry.page()))
            .collect::<Vec<_>>()
            .join("\n")
    };
    format!(
        "# Faults\n\nOne line each: in a scenario's `faults`, after `--fault`, in case files, at the explorer's command line, and in \
         Rust (`\"…\".parse::<Fault>()`). This page is what `faultline faults --markdown` prints.\n\n\
         What holds for a while is `[WHEN] VERB … [every LENGTH | every ~LENGTH] [for LENGTH | for ~LENGTH]`. `1s..4s` holds at the \
         first instant and no more at the second, `1s..` never ends, without a time it is `0s..`. With `every`, a length of peace \
         comes first, then one of trouble (`for`), and so on; `~` draws lengths from an exponential distribution with that mean. \
         In place of the clock, `before STEP`, `after STEP` or `at MARK` (behind the verb, before `every`) has it begin where a program \
         comes to that point. An interval that is empty or a strength of zero turns a fault off without a word. Each fault counts what it did, and a \
         report names one that did nothing.\n\n{}\n# Decisions\n\nThe answer to one question, without a time.\n\n{}\n# Points\n\nBehind the verb, \
         in place of a beginning by the clock.\n\n{}",
        pages(|entry| !entry.is_decision()),
        pages(VerbEntry::is_decision),
        TRIGGERS
            .iter()
            .map(|entry| format!("## {}\n\n```text\n{}```\n", entry.name, entry.page()))
            .collect::<Vec<_>>()
            .join("\n"),
    )
}

/// What is said of each of the words below.
const STEP: (&str, &str) = (
    "STEP",
    "a step of a scenario, ENDPOINT.ID when it has an id, else ENDPOINT.VERB (all steps of that verb there), or ID or VERB alone; \
     or a mark of an actor, which has no sides; `sync` is a mark that every node makes as it asks its disk for one",
);
/// Which passages.
const PASSAGES: (&str, &str) = (
    "#N, SHARE",
    "the N-th passages, counted from 1 over the run and over all nodes that the fault names (of `each of`, for each of them); \
     or each passage with that chance; without either, every one. A fault that holds is not begun again",
);
/// What becomes of the handling in which a fault strikes.
const STRUCK: (&str, &str) = (
    "strikes",
    "the node that comes there; a fault of links, whichever node that is. What stops the node stops it at that point: what its \
     program did before is done, nothing behind it is. A pause, slowness, a clock, a disk begin when this event is handled",
);
const WINDOW: (&str, &str) =
    ("end", "after `for`, at most at the end of WHEN; with `every`, that long is peace before it may strike (again)");

/// The words that bind a fault to a step in place of a time.
pub const TRIGGERS: &[VerbEntry] = &[
    entry(
        "before",
        "STEP [#N … | SHARE]",
        "crash orders before place.publish 0.1% for 1s",
        "strikes when the step's turn comes, and it has done nothing yet",
        &[STEP, PASSAGES, STRUCK, WINDOW],
        Grammar::Clause,
    ),
    entry(
        "after",
        "STEP [#N … | SHARE]",
        "crash orders after place.publish #2 #5 for 1s",
        "strikes when the step has its outcome, and the next has done nothing yet",
        &[STEP, PASSAGES, STRUCK, WINDOW],
        Grammar::Clause,
    ),
    entry(
        "at",
        "MARK [#N … | SHARE]",
        "crash shop at pay.prepared #1 for 60s",
        "strikes at a mark that an actor makes; of a step, before it",
        &[STEP, PASSAGES, STRUCK, WINDOW],
        Grammar::Clause,
    ),
];
