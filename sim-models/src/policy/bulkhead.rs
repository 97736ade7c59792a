//! Bulkheads: so many at once, and what becomes of one more.
//!
//! A bulkhead counts and decides; who waits, and in which order, its caller knows. Libraries differ in what happens to one more (it is
//! refused, it waits for a while, it stands in a queue), and in when the place of a try comes back whose caller no longer waits.

use std::collections::VecDeque;

use serde::Serialize;
use sim_core::{Duration, Instant};

use super::concurrency::{self, Limit, Sample};
use super::profile::{Kind, Parameter, Profile};
use super::settings::{Setting, Settings};

/// How a bulkhead is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Who may go, and who may wait.
    pub room: Room,
    /// When the place of a try comes back that its caller gave up.
    pub until: Until,
}

/// Who may go, and who may wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Room {
    /// So many at once; others wait, first come first served.
    Permits {
        /// At once.
        max: u32,
        /// How long one waits at most; zero: not at all.
        wait: Duration,
        /// How many wait at most.
        queue: u32,
    },
    /// Threads as Java's `ThreadPoolExecutor` has them: up to `core` one for each task, then a queue, and only when that is full more
    /// threads, which take the newest task and not the one that waits longest.
    Threads {
        /// Threads that stay.
        core: u32,
        /// Threads at most.
        most: u32,
        /// How many wait at most.
        queue: u32,
        /// How long a thread beyond those that stay does nothing before it goes.
        keep: Duration,
        /// What becomes of a task whose caller gives up before a thread has taken it.
        given_up: Task,
    },
    /// As many as a limit allows that finds itself; others are refused.
    Found(concurrency::Rule),
}

/// What becomes of a task in a queue that nobody waits for any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// It leaves the queue.
    Leaves,
    /// It keeps its place there, and when its turn comes it is done for nobody.
    IsDone,
}

/// When the place of a try comes back whose caller waits no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Until {
    /// At once, though the callee may work on: then more are under way than the bulkhead allows.
    TheCallerLeaves,
    /// When the call has ended in the client below: the answer comes after all, or it is known that none will.
    TheAnswer {
        /// How long that client waits for an answer itself. For ever is as most clients come: then a place whose answer was lost on
        /// the way stays taken until the process ends.
        read_timeout: Duration,
    },
}

/// A bulkhead and what is under way in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bulkhead {
    #[serde(skip)]
    room: Room,
    running: u32,
    #[serde(skip_serializing_if = "is_none")]
    waiting: u32,
    /// Threads that do nothing, by since when.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    idle: VecDeque<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Limit>,
}

const fn is_none(count: &u32) -> bool {
    *count == 0
}

/// What becomes of one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It goes.
    Goes,
    /// It waits, at most this long.
    Waits(Duration),
    /// It is refused.
    Refused,
}

/// What becomes of a place that is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Whoever waits longest has it.
    IsTaken,
    /// It is free.
    IsFree,
}

impl Bulkhead {
    /// One that is empty.
    pub fn new(rule: Rule) -> Self {
        let limit = match rule.room {
            Room::Found(rule) => Some(Limit::new(rule)),
            Room::Permits { .. } | Room::Threads { .. } => None,
        };
        Bulkhead { room: rule.room, running: 0, waiting: 0, idle: VecDeque::new(), limit }
    }

    /// Tries under way, those whose callers have gone included where it waits for their answers.
    pub const fn running(&self) -> u32 {
        self.running
    }

    /// Those who wait.
    pub const fn waiting(&self) -> u32 {
        self.waiting
    }

    /// Whether its limit stays as it is.
    pub fn is_fixed(&self) -> bool {
        self.limit.is_none()
    }

    /// How many may go at once now.
    pub fn most(&self) -> u32 {
        match (&self.limit, self.room) {
            (Some(limit), _) => limit.limit(),
            (None, Room::Permits { max, .. }) => max,
            (None, Room::Threads { most, .. }) => most,
            (None, Room::Found(_)) => u32::MAX,
        }
    }

    /// One more comes.
    #[inline]
    pub fn enter(&mut self, now: Instant) -> Entered {
        let entered = match self.room {
            Room::Permits { max, wait, queue } => {
                if self.running < max {
                    Entered::Goes
                } else if !wait.is_zero() && self.waiting < queue {
                    Entered::Waits(wait)
                } else {
                    Entered::Refused
                }
            }
            Room::Threads { core, most, queue, keep, .. } => self.enter_pool((core, most, queue, keep), now),
            Room::Found(_) if self.running < self.most() => Entered::Goes,
            Room::Found(_) => Entered::Refused,
        };
        match entered {
            Entered::Goes => self.running += 1,
            Entered::Waits(_) => self.waiting += 1,
            Entered::Refused => {}
        }
        entered
    }

    fn enter_pool(&mut self, (core, most, queue, keep): (u32, u32, u32, Duration), now: Instant) -> Entered {
        let threads = |pool: &Bulkhead| pool.running + pool.idle.len() as u32;
        while threads(self) > core && self.idle.front().is_some_and(|since| *since + keep <= now) {
            self.idle.pop_front();
        }
        if threads(self) < core {
            // A thread of its own, though others may do nothing.
            Entered::Goes
        } else if self.idle.pop_front().is_some() {
            Entered::Goes
        } else if self.waiting < queue {
            Entered::Waits(Duration::FOREVER)
        } else if threads(self) < most {
            Entered::Goes
        } else {
            Entered::Refused
        }
    }

    /// One that went gives its place back.
    #[inline]
    pub fn leave(&mut self, now: Instant) -> Place {
        if self.waiting > 0 {
            self.waiting -= 1;
            return Place::IsTaken;
        }
        self.running = self.running.saturating_sub(1);
        if let Room::Threads { .. } = self.room {
            self.idle.push_back(now);
        }
        Place::IsFree
    }

    /// One that waits goes away.
    pub fn goes_away(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// Whether the limit needs luck to hear of a try: half to all of a second, drawn evenly.
    #[inline]
    pub fn needs_luck(&self) -> bool {
        self.limit.as_ref().is_some_and(Limit::needs_luck)
    }

    /// The limit, if it finds itself, hears of a try at this instant.
    pub fn hear(&mut self, now: Instant, sample: Sample, luck: Duration) {
        if let Some(limit) = &mut self.limit {
            limit.hear(now, sample, luck);
        }
    }
}

impl Rule {
    /// So many permits, and nobody waits; a permit comes back when the caller leaves.
    pub const fn permits(max: u32) -> Rule {
        Rule { room: Room::Permits { max, wait: Duration::ZERO, queue: u32::MAX }, until: Until::TheCallerLeaves }
    }

    /// How long a place is kept at most whose caller has gone; none: it comes back at once.
    pub const fn keeps(&self) -> Option<Duration> {
        match self.until {
            Until::TheCallerLeaves => None,
            Until::TheAnswer { read_timeout } => Some(read_timeout),
        }
    }

    /// What becomes of whoever waits for a place and whose caller gives up.
    pub const fn given_up(&self) -> Task {
        match self.room {
            Room::Threads { given_up, .. } => given_up,
            Room::Permits { .. } | Room::Found(_) => Task::Leaves,
        }
    }

    /// Whether how many may go at once follows from how calls end.
    pub const fn finds_itself(&self) -> bool {
        matches!(self.room, Room::Found(_))
    }

    /// The rule that settings of a bulkhead's profile come to; none when they are of another kind of policy.
    pub fn of(settings: &Settings) -> Option<Rule> {
        if settings.profile().kind != Kind::Bulkhead {
            return None;
        }
        Some(match settings.profile().name {
            "resilience4j" => Rule {
                room: Room::Permits {
                    max: settings.count("maxConcurrentCalls"),
                    wait: settings.length("maxWaitDuration"),
                    queue: u32::MAX,
                },
                until: the_answer(settings),
            },
            "resilience4j-thread-pool" => Rule {
                room: Room::Threads {
                    core: settings.count("coreThreadPoolSize"),
                    most: settings.count("maxThreadPoolSize"),
                    queue: settings.count("queueCapacity"),
                    keep: settings.length("keepAliveDuration"),
                    given_up: Task::IsDone,
                },
                until: the_answer(settings),
            },
            "hystrix" => hystrix(settings),
            "polly" => Rule {
                room: Room::Permits {
                    max: settings.count("PermitLimit"),
                    wait: Duration::FOREVER,
                    queue: settings.count("QueueLimit"),
                },
                until: Until::TheCallerLeaves,
            },
            _ => Rule { room: Room::Found(concurrency::Rule::of(settings)?), until: Until::TheCallerLeaves },
        })
    }
}

/// The one parameter here that is no library's: what it holds a place for ends in the client below.
const READ_TIMEOUT: Parameter = Parameter::new(
    "read_timeout",
    Setting::Length(Duration::FOREVER),
    "Not the library's: how long the client below waits for an answer itself. A place that outlives its caller comes back then at \
        the latest.",
)
.from(Setting::millis(1));

fn the_answer(settings: &Settings) -> Until {
    Until::TheAnswer { read_timeout: settings.length(READ_TIMEOUT.name) }
}

/// resilience4j, in the thread of whoever calls
pub static RESILIENCE4J: Profile = Profile {
    name: "resilience4j",
    kind: Kind::Bulkhead,
    source: "resilience4j 2.3 (af9e7c9): BulkheadConfig, SemaphoreBulkhead, Bulkhead.decorateCompletionStage",
    about: "So many calls at once; one more waits for a while, or not.",
    parameters: &[
        Parameter::new("maxConcurrentCalls", Setting::Count(25), "Calls at once.").from(Setting::Count(1)),
        Parameter::new("maxWaitDuration", Setting::secs(0), "How long one more waits; 0: it is refused at once."),
        READ_TIMEOUT,
    ],
    surprises: &[
        "A call that its TimeLimiter gave up keeps its permit until it ends: hung calls fill the bulkhead, whatever the timeout.",
        "When the answer to such a call is lost and the client below has no timeout, its permit never comes back.",
        "The wait is inside the timeout that stands around the bulkhead.",
        "Who waits is served first come first served.",
    ],
    sound: |_| Ok(()),
};

/// resilience4j, in threads of its own
pub static THREAD_POOL: Profile = Profile {
    name: "resilience4j-thread-pool",
    kind: Kind::Bulkhead,
    source: "resilience4j 2.3 (af9e7c9): ThreadPoolBulkheadConfig, FixedThreadPoolBulkhead; java.util.concurrent.ThreadPoolExecutor",
    about: "Calls run in threads of a pool, behind a queue.",
    parameters: &[
        Parameter::new(
            "coreThreadPoolSize",
            Setting::Count(1),
            "Threads that stay; the library takes the processors less one.",
        )
        .from(Setting::Count(1))
        .required(),
        Parameter::new("maxThreadPoolSize", Setting::Count(1), "Threads at most; the library takes the processors.")
            .from(Setting::Count(1))
            .required(),
        Parameter::new("queueCapacity", Setting::Count(100), "Calls that wait for a thread."),
        Parameter::new(
            "keepAliveDuration",
            Setting::millis(20),
            "How long a thread beyond those that stay does nothing and stays.",
        ),
        READ_TIMEOUT,
    ],
    surprises: &[
        "More threads than coreThreadPoolSize come only when the queue is full.",
        "The call that finds the queue full overtakes all that wait in it.",
        "A call that was given up keeps its thread until it ends.",
        "A call that was given up while it waits keeps its place in the queue, and is sent when its turn comes, for nobody.",
    ],
    sound: |settings| {
        let (core, most) = (settings.count("coreThreadPoolSize"), settings.count("maxThreadPoolSize"));
        if core > most {
            return Err((
                "coreThreadPoolSize",
                format!("coreThreadPoolSize {core} is more than maxThreadPoolSize {most}"),
            ));
        }
        Ok(())
    },
};

/// Hystrix
pub static HYSTRIX: Profile = Profile {
    name: "hystrix",
    kind: Kind::Bulkhead,
    source: "Hystrix 1.5.18 (7c03baf): HystrixThreadPoolProperties, HystrixThreadPool, HystrixCommandProperties",
    about: "So many threads for each dependency, and no queue as it comes; or a semaphore in the caller's thread.",
    parameters: &[
        Parameter::word("execution.isolation.strategy", &["THREAD", "SEMAPHORE"], "THREAD", "Where calls run."),
        Parameter::new(
            "coreSize",
            Setting::Count(10),
            "Threads that stay; as many at most, unless maximumSize may differ.",
        )
        .from(Setting::Count(1)),
        Parameter::new(
            "allowMaximumSizeToDivergeFromCoreSize",
            Setting::Switch(false),
            "Whether there may be more threads than coreSize, up to maximumSize.",
        ),
        Parameter::new("maximumSize", Setting::Count(10), "Threads at most then; never fewer than coreSize.")
            .from(Setting::Count(1)),
        Parameter::new(
            "keepAliveTimeMinutes",
            Setting::secs(60),
            "How long a thread beyond coreSize does nothing and stays.",
        ),
        Parameter::new(
            "maxQueueSize",
            Setting::Count(0),
            "Calls that wait for a thread; -1, the library's default, is none, as 0 is.",
        )
        .or_below_zero(),
        Parameter::new(
            "queueSizeRejectionThreshold",
            Setting::Count(5),
            "So many that wait are enough, whatever maxQueueSize says.",
        ),
        Parameter::new(
            "execution.isolation.thread.interruptOnTimeout",
            Setting::Switch(true),
            "Whether a call that was given up gives its thread back.",
        ),
        Parameter::new(
            "execution.isolation.semaphore.maxConcurrentRequests",
            Setting::Count(10),
            "Calls at once in the callers' threads.",
        ),
        READ_TIMEOUT,
    ],
    surprises: &[
        "With a queue of 100 as with one of 10, the sixth that waits is refused: queueSizeRejectionThreshold is 5.",
        "More threads than coreSize come only when the queue is full, and a queue that queueSizeRejectionThreshold cuts short never is.",
        "A semaphore has no timeout of its own thread: a call that was given up keeps its permit until it ends.",
        "A call that is given up while it waits leaves the queue.",
    ],
    sound: |_| Ok(()),
};

fn hystrix(settings: &Settings) -> Rule {
    if settings.word("execution.isolation.strategy") == "SEMAPHORE" {
        let max = settings.count("execution.isolation.semaphore.maxConcurrentRequests");
        return Rule { until: the_answer(settings), ..Rule::permits(max) };
    }
    let (core, size, threshold) =
        (settings.count("coreSize"), settings.count("maxQueueSize"), settings.count("queueSizeRejectionThreshold"));
    // Whoever finds so many waiting is refused before the pool is asked, which then never finds its queue full.
    let is_cut_short = size > 0 && threshold <= size;
    let may_grow = settings.is("allowMaximumSizeToDivergeFromCoreSize") && !is_cut_short;
    let most = if may_grow { settings.count("maximumSize").max(core) } else { core };
    let interrupts = settings.is("execution.isolation.thread.interruptOnTimeout");
    let until = if interrupts { Until::TheCallerLeaves } else { the_answer(settings) };
    if size > 0 && threshold == 0 {
        return Rule { until, ..Rule::permits(0) };
    }
    let (queue, keep) = (size.min(threshold), settings.length("keepAliveTimeMinutes"));
    Rule { room: Room::Threads { core, most, queue, keep, given_up: Task::Leaves }, until }
}

/// Polly
pub static POLLY: Profile = Profile {
    name: "polly",
    kind: Kind::Bulkhead,
    source: "Polly 8 (173d6d1): RateLimiterStrategyOptions; System.Threading.RateLimiting.ConcurrencyLimiter",
    about: "So many executions at once; so many more wait, for as long as it takes.",
    parameters: &[
        Parameter::new("PermitLimit", Setting::Count(1000), "Executions at once.").from(Setting::Count(1)),
        Parameter::new("QueueLimit", Setting::Count(0), "Executions that wait."),
    ],
    surprises: &[
        "Who waits waits without end, unless a timeout stands around it.",
        "A cancelled execution gives its permit back, whatever the callee goes on doing.",
    ],
    sound: |_| Ok(()),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::policy::{profile, read};

    fn rule(name: &str, parameters: &str) -> Rule {
        let json = json::parse(parameters).unwrap();
        Rule::of(&read(profile(Kind::Bulkhead, name).unwrap(), json.members()).unwrap()).unwrap()
    }

    fn ms(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    /// What becomes of so many who come at one instant: they go, wait, or are refused.
    fn come(bulkhead: &mut Bulkhead, count: u32, at: Instant) -> [u32; 3] {
        let mut seen = [0; 3];
        for _ in 0..count {
            match bulkhead.enter(at) {
                Entered::Goes => seen[0] += 1,
                Entered::Waits(_) => seen[1] += 1,
                Entered::Refused => seen[2] += 1,
            }
        }
        seen
    }

    #[test]
    fn as_they_come_they_let_so_many_go_and_refuse_the_rest_or_queue_a_hundred() {
        let defaults = |name: &str, parameters: &str| come(&mut Bulkhead::new(rule(name, parameters)), 2_000, ms(0));
        assert_eq!(defaults("resilience4j", "{}"), [25, 0, 1_975]);
        assert_eq!(defaults("resilience4j", r#"{"maxWaitDuration": "1s"}"#), [25, 1_975, 0]);
        assert_eq!(defaults("hystrix", "{}"), [10, 0, 1_990]);
        assert_eq!(defaults("polly", "{}"), [1_000, 0, 1_000]);
        assert_eq!(defaults("polly", r#"{"PermitLimit": 3, "QueueLimit": 4}"#), [3, 4, 1_993]);
        let pool = r#"{"coreThreadPoolSize": 3, "maxThreadPoolSize": 4}"#;
        assert_eq!(defaults("resilience4j-thread-pool", pool), [4, 100, 1_896]);
        assert_eq!(defaults("hystrix", r#"{"execution.isolation.strategy": "SEMAPHORE"}"#), [10, 0, 1_990]);
    }

    #[test]
    fn a_queue_of_hystrix_is_full_at_its_rejection_threshold() {
        let queue = rule("hystrix", r#"{"maxQueueSize": 100}"#);
        assert_eq!(come(&mut Bulkhead::new(queue), 100, ms(0)), [10, 5, 85]);
        let longer = rule("hystrix", r#"{"maxQueueSize": 20, "queueSizeRejectionThreshold": 50}"#);
        assert_eq!(come(&mut Bulkhead::new(longer), 100, ms(0)), [10, 20, 70]);
    }

    #[test]
    fn minus_one_is_no_queue_as_hystrix_has_it() {
        for none in ["-1", "0", "-7"] {
            let pool = rule("hystrix", &format!(r#"{{"maxQueueSize": {none}}}"#));
            assert_eq!(pool, rule("hystrix", "{}"), "{none}");
            assert_eq!(come(&mut Bulkhead::new(pool), 20, ms(0)), [10, 0, 10], "{none}");
        }
    }

    #[test]
    fn a_pool_of_hystrix_grows_past_its_core_when_it_may_and_its_queue_is_full() {
        let seen = |parameters: &str| come(&mut Bulkhead::new(rule("hystrix", parameters)), 100, ms(0));
        let grows = |more: &str| seen(&format!(r#"{{"allowMaximumSizeToDivergeFromCoreSize": true, {more}}}"#));
        assert_eq!(seen(r#"{"maximumSize": 20}"#), [10, 0, 90], "nobody has allowed it");
        assert_eq!(grows(r#""maximumSize": 20"#), [20, 0, 80]);
        assert_eq!(grows(r#""maximumSize": 20, "coreSize": 30"#), [30, 0, 70], "never fewer than the core");
        assert_eq!(grows(r#""maximumSize": 20, "maxQueueSize": 4"#), [20, 4, 76], "the queue is full at 4 of 5");
        assert_eq!(
            grows(r#""maximumSize": 20, "maxQueueSize": 5"#),
            [10, 5, 85],
            "the sixth is refused before the pool is asked"
        );
        assert_eq!(seen(r#"{"maxQueueSize": 5, "queueSizeRejectionThreshold": 0}"#), [0, 0, 100]);
        // A thread beyond the core stays for a minute.
        let mut pool = Bulkhead::new(rule(
            "hystrix",
            r#"{"allowMaximumSizeToDivergeFromCoreSize": true, "maximumSize": 2, "coreSize": 1}"#,
        ));
        assert_eq!(come(&mut pool, 2, ms(0)), [2, 0, 0]);
        assert_eq!([0; 2].map(|_| pool.leave(ms(10))), [Place::IsFree; 2]);
        assert_eq!(come(&mut pool, 3, ms(60_011)), [2, 0, 1]);
    }

    #[test]
    fn a_pool_of_java_grows_past_its_core_only_when_its_queue_is_full_and_then_for_the_newest() {
        let pool = rule(
            "resilience4j-thread-pool",
            r#"{"coreThreadPoolSize": 1, "maxThreadPoolSize": 2, "queueCapacity": 2}"#,
        );
        let mut pool = Bulkhead::new(pool);
        let waits = Entered::Waits(Duration::FOREVER);
        let seen = [0; 5].map(|_| pool.enter(ms(0)));
        assert_eq!(seen, [Entered::Goes, waits, waits, Entered::Goes, Entered::Refused]);
        // Both threads take what waits before they do nothing.
        assert_eq!([0; 4].map(|_| pool.leave(ms(10))), [Place::IsTaken, Place::IsTaken, Place::IsFree, Place::IsFree]);
        // Two threads do nothing; 20 ms later one is left, which is enough for one task.
        let mut later = pool.clone();
        assert_eq!([0; 3].map(|_| pool.enter(ms(29))), [Entered::Goes, Entered::Goes, waits]);
        assert_eq!([0; 2].map(|_| later.enter(ms(30))), [Entered::Goes, waits]);
    }

    #[test]
    fn whoever_waits_longest_has_a_place_before_who_comes_and_who_goes_away_takes_none() {
        let mut permits = Bulkhead::new(rule("resilience4j", r#"{"maxConcurrentCalls": 1, "maxWaitDuration": "1s"}"#));
        assert_eq!(permits.enter(ms(0)), Entered::Goes);
        assert_eq!(permits.enter(ms(1)), Entered::Waits(Duration::from_secs(1)));
        assert_eq!(permits.enter(ms(2)), Entered::Waits(Duration::from_secs(1)));
        permits.goes_away();
        assert_eq!(permits.leave(ms(3)), Place::IsTaken);
        assert_eq!((permits.running(), permits.waiting()), (1, 0));
        assert_eq!(permits.leave(ms(4)), Place::IsFree);
        assert_eq!(permits.enter(ms(5)), Entered::Goes);
    }

    #[test]
    fn a_permit_is_held_until_the_answer_where_a_thread_or_a_semaphore_is() {
        let until = |name: &str, parameters: &str| rule(name, parameters).until;
        let answer = Until::TheAnswer { read_timeout: Duration::FOREVER };
        assert_eq!(until("resilience4j", "{}"), answer);
        assert_eq!(until("hystrix", "{}"), Until::TheCallerLeaves, "its thread is interrupted");
        assert_eq!(until("hystrix", r#"{"execution.isolation.thread.interruptOnTimeout": false}"#), answer);
        assert_eq!(until("hystrix", r#"{"execution.isolation.strategy": "SEMAPHORE"}"#), answer);
        assert_eq!(until("polly", "{}"), Until::TheCallerLeaves);
        let minute = Until::TheAnswer { read_timeout: Duration::from_secs(60) };
        assert_eq!(until("resilience4j", r#"{"read_timeout": "1m"}"#), minute);
    }

    #[test]
    fn a_task_of_resilience4js_pool_stays_in_its_queue_when_it_is_given_up_and_one_of_hystrix_leaves() {
        let pool = r#"{"coreThreadPoolSize": 1, "maxThreadPoolSize": 1}"#;
        assert_eq!(rule("resilience4j-thread-pool", pool).given_up(), Task::IsDone);
        assert_eq!(rule("hystrix", r#"{"maxQueueSize": 5}"#).given_up(), Task::Leaves);
        assert_eq!(rule("resilience4j", r#"{"maxWaitDuration": "1s"}"#).given_up(), Task::Leaves);
    }
}
