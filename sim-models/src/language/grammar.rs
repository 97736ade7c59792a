//! The scenario language, version 1, as tables: every field, verb, clause and kind, with its shape, its default and one line of
//! explanation. What language.md has and this program has not yet is here as [`Built::NotYet`], so that using it is an error.

use sim_core::Odds;
use sim_core::nemesis::Nemesis;

use super::shape::{Built, Field, Keys, Kind, Kinds, Object, Shape, Verb, Verbs};
use crate::expr::Arithmetic;
use crate::policy::Kind as Policy;

/// The version of the language that this program reads.
pub const VERSION: i64 = 1;

const COUNT: Shape = Shape::Int { min: 0, max: i64::MAX };
const COUNT_FROM_1: Shape = Shape::Int { min: 1, max: i64::MAX };
const NUMBER: Shape = Shape::Float { min: f64::MIN };
const CONDITION: Shape = Shape::Expr(Arithmetic::Integers);
const FORMULA: Shape = Shape::Expr(Arithmetic::Floats);
const UNLIMITED: Shape = Shape::Choice { now: &["unlimited"], later: &[] };
const WORKERS: Shape = Shape::OneOf(&[COUNT_FROM_1, UNLIMITED]);
const QUEUE: Shape = Shape::OneOf(&[COUNT, UNLIMITED]);
const VALUE: Shape = Shape::OneOf(&[Shape::Value, Shape::Null]);
const VALUES: Shape = Shape::MapOf(Keys::Names, &VALUE);
const NAMES: Shape = Shape::ListOf(&Shape::Name);

/// What [`Shape::Steps`] is.
pub(super) static STEPS: Shape = Shape::ListOf(&Shape::Verbs(&STEP));

/// The whole file.
pub static SCENARIO: Object = Object {
    what: "a scenario",
    fields: &[
        Field::new("faultline", COUNT_FROM_1, "The version of the language.").required(),
        Field::new("kind", Shape::Choice { now: &["scenario"], later: &[] }, "That it is not a case.").or("scenario"),
        Field::new("name", Shape::Text, "What the scenario is called on the command line.").required(),
        Field::new("title", Shape::Text, "What it is called in a list."),
        Field::new("until", Shape::Duration, "When the run ends; needed when something would go on for ever."),
        Field::new("settings", SETTINGS, "Knobs: --set timeout=2s."),
        Field::new("network", Shape::Object(&LINK), "What holds for every link."),
        Field::new(
            "links",
            Shape::MapOf(Keys::Links, &Shape::Object(&LINK)),
            "What holds for these links: a->b, or a<->b for both ways.",
        ),
        Field::new(
            "policies",
            Shape::MapOf(Keys::Names, &Shape::Object(&POLICY)),
            "Clauses with a name, for \"policy\".",
        ),
        Field::new("nodes", Shape::MapOf(Keys::Names, &Shape::Kinds(&NODE)), "Who there is.").required(),
        Field::new(
            "workload",
            Shape::MapOf(Keys::Names, &Shape::Object(&WORKLOAD)),
            "Who asks for what, and how often.",
        ),
        Field::new("faults", Shape::ListOf(&Shape::Fault), "What goes wrong, one line each."),
        Field::new("nemesis", Shape::Object(&NEMESIS), "What may go wrong when asked for with --nemesis."),
        Field::new("tolerates", Shape::Object(&TOLERANCE), "What the nemesis stays inside."),
        Field::new("metrics", Shape::MapOf(Keys::Names, &Shape::Verbs(&METRIC)), "What is counted and measured."),
        Field::new("properties", Shape::MapOf(Keys::Free, &Shape::Verbs(&PROPERTY)), "What must hold."),
        Field::new("expect", EXPECT, "What the metrics come to."),
        Field::new("remedies", Shape::MapOf(Keys::Free, &Shape::Object(&REMEDY)), "Settings that cure it."),
        Field::new(
            "variants",
            Shape::MapOf(Keys::Free, &Shape::Object(&REMEDY)),
            "Settings that show something, and claim no cure.",
        ),
    ],
    any_of: &[],
};

const SETTINGS: Shape = Shape::MapOf(Keys::Names, &Shape::Object(&SETTING));

/// A knob.
pub static SETTING: Object = Object {
    what: "a setting",
    fields: &[
        Field::new("default", Shape::Any, "Its value when nothing else is said; its type is the setting's.").required(),
        Field::new("min", Shape::Any, "The smallest value."),
        Field::new("max", Shape::Any, "The largest value."),
        Field::new("choices", Shape::Any, "Its values: a list, or names each with any JSON value."),
        Field::new("unit", Shape::Text, "What it is counted in."),
    ],
    any_of: &[],
};

/// A link of the network.
pub static LINK: Object = Object {
    what: "a link",
    fields: &[
        Field::new("latency", Shape::Dist, "How long a message is on its way.").or("0s"),
        Field::new("loss", Shape::Ratio, "The share of messages that never arrive.").or("0%"),
        Field::new("corruption", Shape::Ratio, "The share of messages that are damaged on their way.").or("0%"),
        Field::new("checksum", Shape::Bool, "Discard a damaged message; without, a number in it is altered.")
            .or("true"),
        Field::new("bandwidth", Shape::Text, "How much it carries, such as 10MB/s; others stand in line.")
            .or("unlimited"),
        Field::new("queue", QUEUE, "Messages that stand in line behind the one whose turn it is.").or("unlimited"),
        Field::new("full", FULL, "Which is dropped when more come: the last, or any.").or("tail"),
        Field::new("size", Shape::Text, "How large a message is.").or("1KB"),
        Field::new("stream", Shape::Object(&STREAM), "The same as \"transport\": {\"stream\": …}."),
        Field::new("transport", TRANSPORTS, "Whether loss and delay are seen, or only time: as TCP does.")
            .or("datagram"),
    ],
    any_of: &[],
};

const FULL: Shape = Shape::Choice { now: &["tail", "random"], later: &[] };
const TRANSPORTS: Shape =
    Shape::OneOf(&[Shape::Choice { now: &["datagram", "stream"], later: &[] }, Shape::Object(&TRANSPORT)]);

static TRANSPORT: Object = Object {
    what: "a transport",
    fields: &[Field::new("stream", Shape::Object(&STREAM), "In order; what is lost is sent again.").required()],
    any_of: &[],
};

static STREAM: Object = Object {
    what: "a stream",
    fields: &[
        Field::new("retransmit", Shape::Duration, "The wait before the first retransmission; it doubles.").or("200ms"),
        Field::new("max", Shape::Duration, "The longest wait.").or("60s"),
        Field::new("tries", Shape::Int { min: 0, max: 65_535 }, "Retransmissions before it is reset.").or("15"),
    ],
    any_of: &[],
};

/// The kinds of nodes.
pub static NODE: Kinds = Kinds {
    what: "a node",
    kinds: &[
        Kind {
            name: "service",
            doc: "Answers requests by running steps.",
            object: Object { what: "a service", fields: SERVICE, any_of: &[] },
            built: Built::Now,
        },
        Kind {
            name: "store",
            doc: "Keeps maps of values, each operation atomic.",
            object: Object { what: "a store", fields: STORE, any_of: &[] },
            built: Built::Now,
        },
        Kind {
            name: "queue",
            doc: "Keeps messages until a consumer has handled them, at least once.",
            object: Object { what: "a queue", fields: MESSAGE_QUEUE, any_of: &[] },
            built: Built::Now,
        },
        Kind {
            name: "log",
            doc: "Keeps messages in order, by partition.",
            object: Object { what: "a log", fields: LOG, any_of: &[] },
            built: Built::NotYet,
        },
    ],
};

const CONTENTS: Shape =
    Shape::MapOf(Keys::Names, &Shape::MapOf(Keys::Free, &Shape::OneOf(&[Shape::Literal, Shape::Null])));
const ORDERS: Shape =
    Shape::OneOf(&[Shape::Choice { now: &["fifo", "lifo", "adaptive-lifo"], later: &[] }, Shape::Object(&PRIORITY)]);

static PRIORITY: Object = Object {
    what: "an order",
    fields: &[Field::new("priority", NAMES, "Endpoints, the most urgent first; those not named come last.").required()],
    any_of: &[],
};

const DROPS: Shape =
    Shape::OneOf(&[Shape::Choice { now: &["none", "expired", "codel"], later: &[] }, Shape::Object(&CODEL)]);
const BALANCE: Shape = Shape::OneOf(&[
    Shape::Choice {
        now: &["random", "round-robin", "least-request", "two-choices", "join-shortest", "consistent-hash"],
        later: &[],
    },
    Shape::Object(&BALANCED),
]);

static BALANCED: Object = Object {
    what: "a balance",
    fields: &[
        Field::new(
            "weighted",
            WEIGHTS,
            "Turns by weight, evenly spread: a list dealt to the replicas in turn, or by zone.",
        ),
        Field::new("choices", COUNT_FROM_1, "So many are drawn, and the one with the fewest open requests is asked."),
        Field::new("replacement", Shape::Bool, "One of them may be drawn again.").or("true"),
        Field::new("consistent_hash", Shape::Text, "The name by whose value the ring is asked, such as \"$customer\"."),
        Field::new("points", Shape::Int { min: 1, max: 10_000 }, "Points of each replica on the ring.").or("160"),
    ],
    any_of: &["weighted", "choices", "consistent_hash"],
};

const SLOW_STARTS: Shape = Shape::OneOf(&[Shape::Duration, Shape::Object(&SLOW_START)]);

static SLOW_START: Object = Object {
    what: "a slow start",
    fields: &[
        Field::new("window", Shape::Duration, "How long it lasts; slow_start_window.").required(),
        Field::new("aggression", Shape::Float { min: 0.0 }, "1 grows evenly, more is quicker at first.").or("1"),
        Field::new("min_weight", Shape::Ratio, "The least share; min_weight_percent.").or("10%"),
    ],
    any_of: &[],
};

const WEIGHTS: Shape = Shape::OneOf(&[Shape::ListOf(&WEIGHT), Shape::MapOf(Keys::Free, &WEIGHT)]);
const WEIGHT: Shape = Shape::Int { min: 0, max: 1_000_000 };

const BALANCES: Shape = Shape::Choice { now: &["random", "round-robin", "least-request", "two-choices"], later: &[] };

static DISCIPLINE: Object = Object {
    what: "a discipline",
    fields: &[
        Field::new(
            "error",
            Shape::Duration,
            "How far the wall clock misses true time after a poll, at most, either way.",
        )
        .or("0s"),
        Field::new("every", Shape::Duration, "How long it is from one poll to the next.").required(),
    ],
    any_of: &[],
};

static CLOCK: Object = Object {
    what: "a clock",
    fields: &[
        Field::new("offset", Shape::Text, "How far the wall clock is ahead at the start: \"20ms\" or \"-20ms\".")
            .or("0s"),
        Field::new("drift", Shape::Text, "How much faster both clocks run: \"+50ppm\".").or("0ppm"),
        Field::new("discipline", Shape::Object(&DISCIPLINE), "Sets the wall clock by true time every so often."),
    ],
    any_of: &[],
};

const CLOCKS: Field = Field::new("clock", Shape::Object(&CLOCK), "How its clocks are wrong.").or("exact");

const ZONE: Field =
    Field::new("zone", Shape::Text, "The rack, building or region it stands in, for faults.").or("none");

const SERVICE: &[Field] = &[
    CLOCKS,
    ZONE,
    Field::new("zones", Shape::ListOf(&Shape::Text), "The zones that its replicas are dealt to, in turn.").or("none"),
    Field::new("replicas", COUNT_FROM_1, "How many processes share the name.").or("1"),
    Field::new("balance", BALANCE, "How a caller picks a replica.").or("round-robin"),
    Field::new("slow_start", SLOW_STARTS, "How long a caller gives a replica that has just come fewer turns, as Envoy does."),
    Field::new("outlier", Shape::Profile(Policy::Outlier), "Callers take out of their list who fails."),
    Field::new("workers", WORKERS, "Requests that one replica works on at once.").or("unlimited"),
    Field::new("queue", QUEUE, "Requests that wait for a worker, at most; 0 refuses at once.").or("unlimited"),
    Field::new(
        "limit",
        Shape::Profile(Policy::Bulkhead),
        "How many requests one replica has at once, at work and in line, by a limit that finds itself; one more is overloaded.",
    )
    .or("unlimited"),
    Field::new("order", ORDERS, "Who is next in line.").or("fifo"),
    Field::new("drop", DROPS, "Who is dropped when the turn comes.").or("none"),
    Field::new("refusal", Shape::Dist, "How long a worker is busy with turning one away.").or("0s"),
    Field::new("retry_after", PUSHBACK, "What whoever is answered overloaded is told about trying again."),
    Field::new("async", Shape::Bool, "Hold a worker during work only, not while waiting for others.").or("false"),
    Field::new("honours_cancel", Shape::Bool, "Stop when the caller says so or the deadline is over: at once, or behind its work.")
        .or("false"),
    Field::new("version", Shape::Text, "What $version is before the first deploy.").or("v1"),
    Field::new("discovery", Shape::Duration, "How late callers learn that a replica left or came back.").or("0s"),
    Field::new("startup", Shape::Duration, "Time from start to first request; not at the first start.").or("0s"),
    Field::new(
        "boot",
        Shape::Duration,
        "Time behind that in which the process is there, refuses requests and fails probes; not at the first start.",
    )
    .or("0s"),
    Field::new("restart", Shape::Duration, "Time down after a crash at a step.").or("for ever"),
    Field::new("stop", Shape::Object(&STOP), "What happens to requests when a replica is told to stop."),
    Field::new("liveness", Shape::Object(&PROBE), "A probe that restarts the replica."),
    Field::new("readiness", Shape::Object(&PROBE), "A probe that takes the replica off the list."),
    Field::new(
        "startup_probe",
        Shape::Object(&PROBE),
        "A probe that has the others wait until it is ok, and restarts a replica that does not come to that.",
    ),
    Field::new("backoff", BACKOFFS, "How starts are put off after probes have ended a replica again and again.")
        .or("10s, doubling to 5m, where a probe restarts"),
    Field::new(
        "log",
        Shape::Object(&SERVICE_LOG),
        "The disk of each replica, on which what it notes of transactions with a protocol and of sagas with a log lies.",
    )
    .or("where no fault takes it, in no time"),
    Field::new("maps", CONTENTS, "Durable maps that the replicas share, reached in no time."),
    Field::new("memory", CONTENTS, "Maps of one replica each, lost in a crash."),
    Field::new("endpoints", Shape::MapOf(Keys::Names, &ENDPOINT_OR_STEPS), "What it does, by name.").required(),
];

const ENDPOINT_OR_STEPS: Shape = Shape::OneOf(&[Shape::Steps, Shape::Object(&ENDPOINT)]);

/// An endpoint that is more than a list of steps.
pub static ENDPOINT: Object = Object {
    what: "an endpoint",
    fields: &[
        Field::new("do", Shape::Steps, "Its steps.").required(),
        Field::new("every", Shape::Duration, "Runs that often on replica 1, never two at once."),
        Field::new("at_start", Shape::Bool, "Runs after each start.").or("false"),
        Field::new("from", Shape::Name, "Consumes this queue."),
        Field::new("ack", Shape::Choice { now: &["after", "before"], later: &[] }, "When a message is done.")
            .or("after"),
        Field::new("heartbeat", Shape::Duration, "How often a busy consumer extends its claim."),
        Field::new("batch", COUNT_FROM_1, "Messages taken at once, and done with together.").or("1"),
        Field::new(
            "retry",
            RETRY_OR_TRIES,
            "Tries of one message by the worker that has it; any failure, unless \"on\" names some.",
        )
        .or("1"),
        Field::new(
            "on_failure",
            Shape::Choice { now: &["redeliver", "dead_letter", "skip"], later: &["block"] },
            "What becomes of a message that failed.",
        )
        .or("redeliver"),
    ],
    any_of: &[],
};

static CODEL: Object = Object {
    what: "codel",
    fields: &[
        Field::new("target", Shape::Duration, "Waiting that is no congestion.").or("5ms"),
        Field::new("interval", Shape::Duration, "How long it must last.").or("100ms"),
    ],
    any_of: &[],
};

static STOP: Object = Object {
    what: "a stop",
    fields: &[
        Field::new("pre_stop", Shape::Duration, "Waits before it begins.").or("0s"),
        Field::new("then", Shape::Choice { now: &["exit", "drain"], later: &[] }, "Drops what runs, or finishes it.")
            .or("exit"),
        Field::new("grace", Shape::Duration, "How long it may take.").or("30s"),
    ],
    any_of: &[],
};

static SERVICE_LOG: Object = Object {
    what: "the log of a service",
    fields: &[
        Field::new(
            "durable",
            Shape::Choice { now: &["synced", "written"], later: &[] },
            "Goes on once a forced record is durable, or once it is written and may be lost with the power.",
        )
        .or("synced"),
        Field::new("sync", Shape::Dist, "How long a sync takes.").or("0s, of a written one 1s"),
        Field::new("checksum", Shape::Bool, "Knows a record that is torn or has rotted.").or("true"),
    ],
    any_of: &[],
};

static PROBE: Object = Object {
    what: "a probe",
    fields: &[
        Field::new("call", Shape::Name, "The endpoint of this service that is asked.").required(),
        Field::new("every", Shape::Duration, "How often; Kubernetes' periodSeconds.").or("10s"),
        Field::new("timeout", Shape::Duration, "How long it waits for an answer; timeoutSeconds.").or("1s"),
        Field::new("failures", COUNT_FROM_1, "How many in a row count; failureThreshold.").or("3"),
        Field::new("successes", COUNT_FROM_1, "How many in a row count, of a readiness probe; successThreshold.")
            .or("1"),
        Field::new(
            "delay",
            Shape::Duration,
            "How long after the start of the process the first may be sent; initialDelaySeconds.",
        )
        .or("0s"),
    ],
    any_of: &[],
};

const BACKOFFS: Shape = Shape::OneOf(&[Shape::Choice { now: &["none"], later: &[] }, Shape::Object(&RESTART_BACKOFF)]);

static RESTART_BACKOFF: Object = Object {
    what: "a backoff",
    fields: &[
        Field::new("wait", Shape::Duration, "Before the second start of a row; the first comes at once. It doubles.")
            .or("10s"),
        Field::new("max_wait", Shape::Duration, "The longest wait; a life of more than twice that begins a new row.")
            .or("5m"),
    ],
    any_of: &[],
};

const STORE: &[Field] = &[
    CLOCKS,
    ZONE,
    Field::new("maps", CONTENTS, "Its maps and what they hold at the start.").required(),
    Field::new("read", Shape::Dist, "How long a read takes.").or("0s"),
    Field::new("set", Shape::Dist, "How long a set takes.").or("0s"),
    Field::new("delete", Shape::Dist, "How long a delete takes.").or("0s"),
    Field::new("commit", Shape::Dist, "How long a commit takes.").or("0s"),
    Field::new("workers", WORKERS, "Operations at once.").or("unlimited"),
    Field::new("volatile", Shape::Bool, "Forgets everything in a crash.").or("false"),
    Field::new(
        "durable",
        Shape::Choice { now: &["synced", "written"], later: &[] },
        "Answers once a change is durable, or once it is written and may be lost with the power.",
    )
    .or("synced"),
    Field::new("sync", Shape::Dist, "How long a sync of its disk takes.").or("0s, of a written one 1s"),
    Field::new("checksum", Shape::Bool, "Knows a record on its disk that is torn or has rotted.").or("true"),
    Field::new(
        "lock_timeout",
        Shape::Duration,
        "How long an operation waits for a lock before its transaction is over.",
    )
    .or("for ever"),
    Field::new(
        "idle_timeout",
        Shape::Duration,
        "How long a transaction may wait for its next operation before it is rolled back.",
    )
    .or("for ever"),
    Field::new("ttl", Shape::Duration, "How long a value stays after its set.").or("for ever"),
    Field::new("capacity", COUNT_FROM_1, "How many cells it keeps, the last used ones.").or("unlimited"),
    Field::new("replication", Shape::Any, "Copies on other nodes, and how they agree.").not_yet(),
];

const MESSAGE_QUEUE: &[Field] = &[
    CLOCKS,
    ZONE,
    Field::new("visibility", Shape::Duration, "How long a received message stays hidden.").or("for ever"),
    Field::new("max_receives", COUNT_FROM_1, "Deliveries before it is a dead letter.").or("unlimited"),
    Field::new("dead_letter", Shape::Name, "The queue for dead letters."),
    Field::new("delay", Shape::Duration, "How long a message is hidden at first.").or("0s"),
    Field::new("retention", Shape::Duration, "How long a message is kept.").or("for ever"),
    Field::new("dispatch", BALANCES, "How a consumer is picked.").or("round-robin"),
];

const LOG: &[Field] = &[
    Field::new("partitions", COUNT_FROM_1, "How many orders there are.").or("1"),
    Field::new("retention", Shape::Duration, "How long a message is kept.").or("for ever"),
];

/// Who asks.
pub static WORKLOAD: Object = Object {
    what: "a workload",
    fields: &[
        Field::new("rate", Shape::Rate, "Requests come that often, whoever still waits: open."),
        Field::new("spacing", Shape::Choice { now: &["poisson", "even"], later: &[] }, "How they are spread.")
            .or("poisson"),
        Field::new("users", COUNT_FROM_1, "So many ask one thing after the other: closed."),
        Field::new("think", Shape::Dist, "What a user waits between two requests.").or("0s"),
        Field::new("stages", Shape::ListOf(&Shape::Object(&STAGE)), "One rate after the other."),
        Field::new("limit", COUNT, "So many requests in all.").or("unlimited"),
        Field::new("for", Shape::Duration, "For so long.").or("for ever"),
        Field::new("start", Shape::Duration, "From then on.").or("0s"),
        Field::new("each", Shape::Name, "The name of a request's key: 1, 2, 3 …").required(),
        Field::new("do", Shape::Steps, "Its steps; their outcome is the request's.").required(),
    ],
    any_of: &["rate", "users", "stages"],
};

static STAGE: Object = Object {
    what: "a stage",
    fields: &[
        Field::new("for", Shape::Duration, "For so long.").required(),
        Field::new("rate", Shape::Rate, "Requests come that often.").required(),
    ],
    any_of: &[],
};

/// What may go wrong.
pub static NEMESIS: Object = Object {
    what: "a nemesis",
    fields: &[
        Field::new("draws", Shape::ListOf(&Shape::Fault), "Faults to pick from; a..b in them is drawn.")
            .or("every kind, anywhere"),
        Field::new("faults", Shape::OneOf(&[FAULTS, Shape::IntRange]), "How many, 1000 at most.")
            .or("1 of draws, else 1..4"),
        Field::new("between", Shape::DurationRange, "When they begin.").or("the first two thirds of the run"),
        Field::new("heal", Shape::Choice { now: &["all", "core"], later: &[] }, HEAL).or("all"),
    ],
    any_of: &[],
};

const HEAL: &str = "What comes back at the end of that time: all, or a core, and of what may be down some never does.";

static TOLERANCE: Object = Object {
    what: "a tolerance",
    fields: &[
        Field::new("down", DOWNS, "Replicas of a node that may be down at once; \"minority\" alone: of each node."),
        Field::new("loss", Shape::Ratio, "Messages that may be lost."),
        Field::new("clock", Shape::Duration, "How wrong a clock may be."),
        Field::new("disk", Shape::Choice { now: &["none", "one copy"], later: &[] }, "Whose disks may be hurt."),
    ],
    any_of: &[],
};

const FAULTS: Shape = Shape::Int { min: 0, max: Nemesis::MOST as i64 };
const DOWNS: Shape =
    Shape::OneOf(&[Shape::Choice { now: &["minority"], later: &[] }, Shape::MapOf(Keys::Names, &DOWN)]);
const DOWN: Shape = Shape::OneOf(&[COUNT, Shape::Choice { now: &["minority"], later: &[] }]);

/// Settings under one name.
pub static REMEDY: Object = Object {
    what: "a remedy",
    fields: &[
        Field::new(
            "set",
            Shape::MapOf(Keys::Names, &Shape::OneOf(&[NUMBER, Shape::Bool, Shape::Text])),
            "The settings that it changes.",
        )
        .required(),
        Field::new("expect", EXPECT, "What the metrics come to with it."),
    ],
    any_of: &[],
};

const EXPECT: Shape = Shape::MapOf(Keys::Names, &Shape::OneOf(&[NUMBER, Shape::PairOf(&NUMBER), Shape::Null]));

/// Steps.
pub static STEP: Verbs = Verbs {
    what: "a step",
    word: "verb",
    verbs: &[
        verb("work", Shape::Dist, "Takes time on a worker; slower under a slow fault.", ID),
        verb("wait", Shape::Dist, "Takes time and holds the worker; not slowed.", ID),
        verb("call", Shape::Target, "Sends a request to one replica of a service.", &[CALL, OUTCOME, ANY_STEP]),
        verb("read", Shape::Cells, "Reads a cell, or the keys of a map.", &[READ, OUTCOME, ANY_STEP]),
        verb("set", Shape::Cell, "Changes a cell, atomically with its condition.", &[SET, OUTCOME, ANY_STEP]),
        verb(
            "publish",
            Shape::Name,
            "Gives a message to a queue; ok once that has stored it.",
            &[PUBLISH, OUTCOME, ANY_STEP],
        ),
        verb("try", Shape::Steps, "Groups steps, so that clauses apply to all of them.", &[OUTCOME, ANY_STEP]),
        verb(
            "transaction",
            Shape::Steps,
            "All or nothing: on one store, or on several that agree.",
            &[TRANSACTION, OUTCOME, ANY_STEP],
        ),
        verb("once", VALUE, "Does it at most once per key, and remembers the outcome.", &[ONCE, OUTCOME, ANY_STEP]),
        verb("saga", SAGA_PARTS, "Parts with undos, run backwards when one is not ok.", &[SAGA, OUTCOME, ANY_STEP]),
        verb("parallel", Shape::ListOf(&Shape::Steps), "All at once.", &[PARALLEL, OUTCOME, ANY_STEP]),
        verb("background", Shape::Steps, "Starts steps nobody waits for; holds no worker.", ID),
        verb("record", Shape::Name, "States a fact about the world.", FACT),
        verb("undo", Shape::Name, "Takes a fact back.", FACT),
        verb("reply", VALUE, "Ends the endpoint: ok, with one value.", ID),
        verb(
            "fail",
            Shape::Name,
            "Ends the endpoint: error, with a reason; unknown, with one that says nothing of what was done.",
            &[FAIL, ANY_STEP],
        ),
        Verb { any_of: &["then", "else"], ..verb("if", CONDITION, "Steps under a condition.", &[THEN, ANY_STEP]) },
        verb("switch", VALUE, "Steps by equality with a case name, or \"else\".", &[SWITCH, ANY_STEP]),
        Verb { any_of: &["then", "else"], ..verb("chance", Shape::Ratio, "A die.", &[THEN, ANY_STEP]) },
        Verb {
            any_of: &["then", "else"],
            ..verb("buggify", Shape::Text, "What is allowed and rare: only under a buggify fault.", &[THEN, ANY_STEP])
        },
        verb("pick", Shape::Name, "One of so many, by its number from 1 on.", &[PICK, ANY_STEP]),
        verb("for_each", Shape::Name, "Steps for each key of a list read before, in order.", &[FOR_EACH, ANY_STEP]),
    ],
};

const SAGA_PARTS: Shape = Shape::ListOf(&Shape::Object(&SAGA_PART));
const ID: &[&[Field]] = &[ANY_STEP];
const FACT: &[&[Field]] = &[RECORD, ANY_STEP];

const fn verb(name: &'static str, value: Shape, doc: &'static str, clauses: &'static [&'static [Field]]) -> Verb {
    Verb { name, value, doc, clauses, any_of: &[], built: Built::Now }
}

const FAIL: &[Field] = &[Field::new("retry_after", PUSHBACK, "What the caller is told about trying again.")];
const PUSHBACK: Shape = Shape::OneOf(&[Shape::Choice { now: &["never"], later: &[] }, Shape::Duration]);

const ANY_STEP: &[Field] = &[Field::new("id", Shape::Name, "Its name for faults and dice.")];

/// Clauses of every step that has an outcome.
pub(super) const OUTCOME: &[Field] = &[
    TIMEOUT,
    DEADLINE,
    RETRIED,
    BREAKER,
    BULKHEADED,
    LIMITED,
    ORDER,
    CANCEL,
    Field::new("policy", Shape::Name, "A set of clauses by name; what the step says itself goes before."),
    Field::new("as", Shape::Name, "The name of its result."),
    Field::new("on", OUTCOMES, "Steps by reason, then by ok, error or unknown, then else."),
];

/// Clauses with a name: those that say how often, how long and how many.
static POLICY: Object = Object {
    what: "a policy",
    fields: &[TIMEOUT, DEADLINE, RETRIED, BREAKER, BULKHEADED, LIMITED, HEDGE, ORDER, CANCEL],
    any_of: &[],
};

const TIMEOUT: Field = Field::new("timeout", Shape::Duration, "How long one try may take.").or("for ever");
const DEADLINE: Field =
    Field::new("deadline", Shape::Duration, "How long all tries may take; passed on.").or("for ever");
const RETRIED: Field = Field::new("retry", RETRY_OR_TRIES, "How often it is tried, and when again.").or("1");
const BREAKER: Field =
    Field::new("breaker", Shape::Profile(Policy::Breaker), "Stops asking who fails, as a library does it.");
const BULKHEADED: Field = Field::new("bulkhead", BULKHEADS, "How many may ask at once.");
const LIMITED: Field = Field::new("limiter", LIMITERS, "How many may ask in a time.");
const BULKHEADS: Shape = Shape::OneOf(&[Shape::Profile(Policy::Bulkhead), Shape::Object(&BULKHEAD)]);
const LIMITERS: Shape = Shape::OneOf(&[Shape::Profile(Policy::Limiter), Shape::Object(&LIMITER)]);
const HEDGE: Field = Field::new("hedge", HEDGED, "Asks a second one when the first is slow.");
const COALESCED: Field =
    Field::new("coalesce", Shape::OneOf(&[Shape::Bool, Shape::Value]), "Of those who want the same, one asks.")
        .or("false");
const ORDER: Field = Field::new("order", ORDERED, "Which stands around which, the outermost first.")
    .or("retry, coalesce, breaker, limiter, timeout, bulkhead, hedge");
const CANCEL: Field = Field::new("cancel", Shape::Bool, "Tells the callee when giving up.").or("false");
const ORDERED: Shape = Shape::ListOf(&Shape::Choice {
    now: &["retry", "coalesce", "breaker", "limiter", "timeout", "bulkhead", "hedge"],
    later: &[],
});

static LIMITER: Object = Object {
    what: "a limiter",
    fields: &[
        Field::new("rate", Shape::Rate, "Tokens gained; each try takes one, and is refused when there is none.")
            .required(),
        Field::new("burst", COUNT_FROM_1, "Tokens held at the start and at most.").or("1"),
        Field::new(
            "window",
            Shape::Choice { now: &["fixed", "sliding"], later: &[] },
            "No tokens: so many in each second (or minute, as the rate says), or in any.",
        ),
    ],
    any_of: &[],
};

const HEDGED: Shape = Shape::OneOf(&[Shape::Duration, Shape::Profile(Policy::Hedge), Shape::Object(&HEDGING)]);

static HEDGING: Object = Object {
    what: "a hedge",
    fields: &[
        Field::new("delay", Shape::Duration, "How long without an answer; 0 asks all at once.").required(),
        Field::new("tries", Shape::Int { min: 2, max: 1_000 }, "Requests in all, the first included.").or("2"),
        Field::new("on", NAMES, "The reasons after which the next is asked at once.")
            .or("unknown, refused, overloaded, unavailable"),
        Field::new(
            "budget",
            Shape::OneOf(&[Shape::Ratio, Shape::Object(&BUDGET), UNLIMITED]),
            "Further requests allowed, as a share of first ones.",
        )
        .or("unlimited"),
    ],
    any_of: &[],
};

const OUTCOMES: Shape = Shape::MapOf(Keys::Names, &Shape::Steps);
const RETRY_OR_TRIES: Shape = Shape::OneOf(&[COUNT_FROM_1, Shape::Profile(Policy::Retry), Shape::Object(&RETRY)]);

static BULKHEAD: Object = Object {
    what: "a bulkhead",
    fields: &[
        Field::new("max", COUNT_FROM_1, "Tries at once.").required(),
        Field::new("wait", Shape::Duration, "How long one more waits; 0: it is refused.").or("0s"),
        Field::new(
            "release",
            Shape::Choice { now: &["timeout", "answer"], later: &[] },
            "When the place of a try comes back that was given up.",
        )
        .or("timeout"),
        Field::new(
            "read_timeout",
            Shape::Duration,
            "With \"release\": \"answer\": how long the client below waits for an answer itself; the place comes back then at the latest.",
        )
        .or("for ever"),
    ],
    any_of: &[],
};

/// How often, and when again.
pub static RETRY: Object = Object {
    what: "a retry",
    fields: &[
        TRIES,
        RETRY_WAIT,
        RETRY_BACKOFF,
        RETRY_FACTOR,
        RETRY_MAX,
        RETRY_JITTER,
        RETRY_ON,
        Field::new(
            "budget",
            Shape::OneOf(&[Shape::Ratio, Shape::Profile(Policy::Budget), Shape::Object(&BUDGET), UNLIMITED]),
            "Retries allowed, as a share of first tries.",
        )
        .or("unlimited"),
        Field::new("retry_after", Shape::Bool, "Wait as long as whoever fails says, and not again when it says never.")
            .or("false"),
    ],
    any_of: &[],
};

const TRIES: Field = Field::new(
    "tries",
    Shape::OneOf(&[COUNT_FROM_1, Shape::Choice { now: &["forever"], later: &[] }]),
    "Tries in all, the first included.",
)
.required();
const RETRY_WAIT: Field = Field::new("wait", Shape::Duration, "Before the first retry.").or("0s");
const RETRY_BACKOFF: Field = Field::new(
    "backoff",
    Shape::Choice { now: &["exponential", "linear"], later: &[] },
    "How the wait grows: by \"factor\" each time, which is 1 unless said, or by \"wait\" each time.",
)
.or("exponential");
const RETRY_FACTOR: Field =
    Field::new("factor", Shape::Float { min: 1.0 }, "By which an exponential wait grows each time; 1 is a fixed wait.")
        .or("1");
const RETRY_MAX: Field = Field::new("max_wait", Shape::Duration, "The longest wait.").or("unlimited");
const RETRY_JITTER: Field = Field::new(
    "jitter",
    Shape::Choice { now: &["none", "full", "equal", "decorrelated"], later: &[] },
    "How the wait is drawn.",
)
.or("none");
const RETRY_ON: Field =
    Field::new("on", NAMES, "The reasons to try again.").or("unknown, refused, overloaded, unavailable");

static BUDGET: Object = Object {
    what: "a budget",
    fields: &[
        Field::new("ratio", Shape::Ratio, "Gained by each first try.").required(),
        Field::new("burst", COUNT, "Held at the start and at most.").or("10"),
    ],
    any_of: &[],
};

const CALL: &[Field] = &[Field::new("with", VALUES, "Values carried along; evaluated at each try."), HEDGE, COALESCED];

const READ: &[Field] = &[
    Field::new("when", CONDITION, "Waits at the store until it holds."),
    Field::new("where", CONDITION, "Of a whole map, only these keys."),
    Field::new("limit", COUNT_FROM_1, "Of a whole map, only so many keys.").or("unlimited"),
    Field::new("from", Shape::Choice { now: &["replica"], later: &[] }, "Asks a replica, which may be behind.")
        .not_yet(),
    VIA,
    HEDGE,
    COALESCED,
];

const SET: &[Field] = &[
    Field::new("to", VALUE, "The new value; null deletes.").required(),
    Field::new("where", CONDITION, "Only if it holds; else the outcome is error unmet."),
    VIA,
];

const VIA: Field = Field::new("via", Shape::ListOf(&Shape::Text), "The replicas it may ask.").not_yet();

const PUBLISH: &[Field] =
    &[Field::new("with", VALUES, "Values carried along."), Field::new("key", Shape::Value, "Picks the partition.")];

const TRANSACTION: &[Field] = &[
    Field::new(
        "isolation",
        Shape::Choice { now: &["read-committed", "snapshot", "serializable"], later: &[] },
        "What it sees of others: what is committed at each read, one moment for all reads, or as if there were no others.",
    )
    .or("read-committed"),
    Field::new("protocol", PROTOCOLS, "How several stores agree."),
    Field::new("in_doubt", Shape::Duration, "How long a participant keeps its promise before it decides alone.")
        .or("for ever"),
    Field::new(
        "heuristic",
        Shape::Choice { now: &["rollback", "commit"], later: &[] },
        "With \"in_doubt\": what it decides then.",
    )
    .or("rollback"),
    Field::new("presume", PRESUMED, "What follows from knowing nothing of a transaction.")
        .or("nothing; xa presumes abort"),
    Field::new(
        "resend",
        Shape::Duration,
        "How long to wait for a vote, a decision or an acknowledgement and ask again.",
    )
    .or("1s"),
    Field::new(
        "durable",
        Shape::Choice { now: &["synced", "written"], later: &[] },
        "Whether what the coordinator decides is durable before anybody is told of it.",
    )
    .or("synced"),
    Field::new("sync", Shape::Duration, "With \"written\": how long after it was told it is durable.").or("1s"),
    Field::new(
        "prefix",
        Shape::Choice { now: &["own", "shared"], later: &[] },
        "Of xa: whether each replica knows its own transactions by their names, or takes all replicas' for its own.",
    )
    .or("own"),
];

const PROTOCOLS: Shape = Shape::Choice { now: &["2pc", "2pc-cooperative", "3pc", "xa"], later: &[] };
const PRESUMED: Shape = Shape::Choice { now: &["nothing", "abort", "commit"], later: &[] };

const ONCE: &[Field] = &[
    Field::new("in", Shape::Map, "The map that remembers.").required(),
    Field::new("do", Shape::Steps, "What is done once.").required(),
    Field::new(
        "in_flight",
        Shape::Choice { now: &["conflict", "wait", "ignore"], later: &[] },
        "What the next one gets while the first still runs.",
    )
    .or("conflict"),
    Field::new("lock", Shape::Duration, "After that long the next comer takes a running key over.").or("90s"),
    Field::new("ttl", Shape::Duration, "How long an outcome is remembered.").or("for ever"),
    Field::new(
        "keep",
        Shape::ListOf(&Shape::Choice { now: &["ok", "error"], later: &[] }),
        "The outcomes that are remembered.",
    )
    .or("ok, error"),
];

static SAGA_PART: Object = Object {
    what: "a part of a saga",
    fields: &[
        Field::new("do", Shape::Steps, "What is done.").required(),
        Field::new("undo", Shape::Steps, "What takes it back; must bear that there is nothing to take back."),
        Field::new("pivot", Shape::Bool, "Once it is ok there is no way back, only on.").or("false"),
    ],
    any_of: &[],
};

const SAGA: &[Field] = &[
    Field::new(
        "register",
        Shape::Choice { now: &["before", "after"], later: &[] },
        "When an undo is noted: before its \"do\" runs, or after that was ok.",
    )
    .or("before"),
    Field::new("log", Shape::Map, "The service's own map that keeps its state, so that it goes on after a crash."),
    Field::new("undo_retry", UNDO_RETRIES, "How often an undo is tried, and what is done behind the pivot.").or("1"),
];

const UNDO_RETRIES: Shape = Shape::OneOf(&[COUNT_FROM_1, Shape::Object(&UNDO_RETRY)]);

/// What must come to be ok is tried again without a budget.
static UNDO_RETRY: Object = Object {
    what: "a retry",
    fields: &[TRIES, RETRY_WAIT, RETRY_BACKOFF, RETRY_FACTOR, RETRY_MAX, RETRY_JITTER, RETRY_ON],
    any_of: &[],
};

const PARALLEL: &[Field] = &[Field::new(
    "need",
    Shape::OneOf(&[COUNT, Shape::Choice { now: &["all"], later: &[] }]),
    "How many must be ok; the rest is abandoned.",
)
.or("all")];

const RECORD: &[Field] = &[Field::new("key", Shape::Value, "Whose fact it is.").or("the key known here")];

const THEN: &[Field] =
    &[Field::new("then", Shape::Steps, "When it holds."), Field::new("else", Shape::Steps, "When it does not.")];

const SWITCH: &[Field] = &[Field::new("cases", CASES, "Steps by case name.").required()];
const CASES: Shape = Shape::MapOf(Keys::Free, &Shape::Steps);

const PICK: &[Field] = &[
    Field::new("among", Shape::Int { min: 1, max: Odds::MOST as i64 }, "How many there are.").required(),
    Field::new(
        "skew",
        Shape::Float { min: 0.0 },
        "How much more often the first ones are picked: k in proportion to 1/k^skew.",
    )
    .or("0"),
];

const FOR_EACH: &[Field] = &[
    Field::new("in", Shape::Value, "The list, \"$name\".").required(),
    Field::new("do", Shape::Steps, "The steps for each.").required(),
    Field::new("at_once", COUNT_FROM_1, "How many at the same time.").or("1"),
];

/// Metrics.
pub static METRIC: Verbs = Verbs {
    what: "a metric",
    word: "kind",
    verbs: &[
        verb("count", CONDITION, "Keys for which it holds.", &[SHOWN]),
        verb("sum", FORMULA, "Its sum over the keys.", &[WHERE, SHOWN]),
        verb("max", FORMULA, "Its largest value over the keys.", &[WHERE, SHOWN]),
        verb("mean", FORMULA, "Its mean over the keys.", &[WHERE, SHOWN]),
        verb("p50", FORMULA, "Its median over the keys.", &[WHERE, SHOWN]),
        verb("p99", FORMULA, "Its 99th percentile over the keys.", &[WHERE, SHOWN]),
        verb("value", FORMULA, "A formula over counters and other metrics.", &[DURING, SHOWN]),
        verb("rate", Shape::Counter, "A counter, per second.", &[DURING, SHOWN]),
        verb("first", FORMULA, "The instant at which it first holds, in seconds.", &[SHOWN]),
        verb("peak", Shape::Counter, "The highest value of a gauge.", &[DURING, SHOWN]),
        verb("gap", Shape::Name, "The longest time without this fact.", &[DURING, SHOWN]),
        Verb { built: Built::NotYet, ..verb("stale", Shape::Map, "Times a cache held an old value.", &[STALE, SHOWN]) },
    ],
};

const SHOWN: &[Field] = &[Field::new("unit", Shape::Text, "What it is counted in.")];
const WHERE: &[Field] = &[Field::new("where", CONDITION, "Only over keys for which it holds.")];
const DURING: &[Field] = &[Field::new("during", Shape::DurationRange, "Only what happened then.").or("the whole run")];
const STALE: &[Field] = &[
    Field::new("of", Shape::Map, "What it is a copy of.").required(),
    Field::new("longer", Shape::Duration, "Only episodes longer than that.").or("0s"),
    Field::new("take", Shape::Choice { now: &["count", "max"], later: &[] }, "How many, or how long.").or("count"),
];

/// Properties.
pub static PROPERTY: Verbs = Verbs {
    what: "a property",
    word: "kind",
    verbs: &[
        verb("at_most_once", Shape::Name, "The fact is stated at most once for a key.", &[]),
        verb("always", CONDITION, "Holds whenever something it names changes.", &[]),
        verb("never", CONDITION, "Never holds.", &[]),
        verb("never_negative", Shape::Map, "No cell of the map is below zero.", &[]),
        verb("eventually", CONDITION, "Holds once in time.", &[WITHIN, AFTER]),
        verb("all_or_nothing", NAMES, "All of the facts stand in time, or none.", &[WITHIN]),
        verb("conserved", CONDITION, "The same at the end as at the start.", &[AT]),
        verb("availability", Shape::Name, "The share of a workload's requests that are ok.", &[AT_LEAST, DURING]),
        Verb {
            any_of: &["p50", "p90", "p99", "p999", "max"],
            ..verb("latency", Shape::Name, "How long a workload's requests take.", &[LATENCY, DURING])
        },
        verb("at_end", FORMULA, "Holds of metrics at the end.", &[]),
        verb("sometimes", CONDITION, "Was ever true, over a whole hunt.", &[]),
        Verb {
            built: Built::NotYet,
            ..verb("consistent", Shape::Map, "The history of reads and sets is as strong as that.", &[AS_STRONG])
        },
        Verb { built: Built::NotYet, ..verb("fresh", Shape::Map, "No value is old for long.", &[FRESH]) },
    ],
};

const WITHIN: &[Field] = &[Field::new("within", Shape::Duration, "In so long.").required()];
const AFTER: &[Field] = &[Field::new("after", CONDITION, "From when this first holds.").or("requested")];
const AT: &[Field] =
    &[Field::new("at", Shape::Choice { now: &["end", "commit"], later: &[] }, "When it is asked.").or("end")];
const AT_LEAST: &[Field] = &[Field::new("at_least", Shape::Ratio, "The least share.").required()];
const LATENCY: &[Field] = &[
    Field::new("p50", Shape::Duration, "The longest median."),
    Field::new("p90", Shape::Duration, "The longest 90th percentile."),
    Field::new("p99", Shape::Duration, "The longest 99th percentile."),
    Field::new("p999", Shape::Duration, "The longest 99.9th percentile."),
    Field::new("max", Shape::Duration, "The longest of all."),
];
const AS_STRONG: &[Field] = &[Field::new(
    "as",
    Shape::Choice { now: &["linearizable", "sequential", "read-your-writes", "monotonic-reads"], later: &[] },
    "How strong.",
)
.required()];
const FRESH: &[Field] = &[
    Field::new("of", Shape::Map, "What it is a copy of.").required(),
    Field::new("within", Shape::Duration, "How old it may be.").required(),
];

/// What a distribution can be, beside a fixed length.
pub static DIST: Verbs = Verbs {
    what: "a distribution",
    word: "kind",
    verbs: &[
        verb("uniform", Shape::PairOf(&Shape::Duration), "Anything from one to the other.", &[]),
        verb("exponential", Shape::Duration, "Memoryless, by its mean.", &[]),
        verb("lognormal", Shape::Object(&LOGNORMAL), "By median and sigma, or by p50 and p99.", &[]),
        verb("pareto", Shape::Object(&PARETO), "A tail like a power, by its shortest time and alpha.", &[]),
        verb("table", Shape::MapOf(Keys::Ratios, &Shape::Duration), "By quantiles, linear between them.", &[]),
        verb("mix", Shape::MapOf(Keys::Ratios, &Shape::Dist), "One of several, by share.", &[]),
    ],
};

static LOGNORMAL: Object = Object {
    what: "a lognormal",
    fields: &[
        Field::new("median", Shape::Duration, "Half are shorter."),
        Field::new("sigma", Shape::Float { min: 0.0 }, "The standard deviation of the logarithm."),
        Field::new("p50", Shape::Duration, "Half are shorter."),
        Field::new("p99", Shape::Duration, "Of a hundred, one is longer."),
    ],
    any_of: &["median", "p50"],
};

static PARETO: Object = Object {
    what: "a pareto",
    fields: &[
        Field::new("min", Shape::Duration, "None is shorter; above 0.").required(),
        Field::new(
            "alpha",
            Shape::Float { min: 0.0 },
            "Longer than x with probability (min/x)^alpha; above 0. The mean is finite above 1, the variance above 2.",
        )
        .required(),
    ],
    any_of: &[],
};
