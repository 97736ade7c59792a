//! The patterns that need no library's profile: the words that the scenario language has for them.

/// A pattern as it is written without a profile.
#[derive(Debug)]
pub struct Plain {
    /// What people call it.
    pub name: &'static str,
    /// The clause of a step that it is.
    pub clause: &'static str,
    /// As it may stand in a step that calls.
    pub example: &'static str,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// What its users do not expect, each a sentence.
    pub surprises: &'static [&'static str],
}

/// Every one of them, in the order of the reference page.
pub fn plain() -> impl Iterator<Item = &'static Plain> + Clone {
    PLAIN.iter()
}

const PLAIN: [Plain; 11] = [
    Plain {
        name: "timeout",
        clause: "timeout",
        example: r#""timeout": "1s""#,
        about: "How long one try may take; then its outcome is unknown, and what was sent goes on.",
        surprises: &[
            "A timeout says nothing of what was done: a late answer is dropped, and what it tells of stands.",
            "A callee is told only with \"cancel\", and stops only if it \"honours_cancel\".",
        ],
    },
    Plain {
        name: "deadline",
        clause: "deadline",
        example: r#""deadline": "3s""#,
        about: "How long all tries together may take; it goes along with what is sent, so that nobody begins what comes too late.",
        surprises: &["A try that would begin after it is not made: what came of the last one stands."],
    },
    Plain {
        name: "retry",
        clause: "retry",
        example: r#""retry": {"tries": 3, "wait": "100ms", "factor": 2, "max_wait": "2s", "jitter": "full"}"#,
        about: "Tries again after a wait that is fixed, grows by a factor, or with \"backoff\": \"linear\" by what it was first.",
        surprises: &[
            "\"tries\" counts the first one.",
            "Jitter comes after the cap: no wait is longer than \"max_wait\".",
            "As it comes it tries again after unknown, refused, overloaded and unavailable, and after nothing else.",
        ],
    },
    Plain {
        name: "retry budget",
        clause: "retry",
        example: r#""retry": {"tries": 3, "budget": {"ratio": "10%", "burst": 10}}"#,
        about: "Each first try adds a share of a retry, each retry costs one, and so many may be saved up.",
        surprises: &["It starts full: the first \"burst\" retries are free, for each replica of the caller."],
    },
    Plain {
        name: "fallback",
        clause: "on",
        example: r#""on": {"open": [{"reply": 0}], "else": [{"record": "missed"}]}"#,
        about: "What is done instead, by the outcome of the step after all its tries: by reason, then by ok, error or unknown, then else.",
        surprises: &[
            "The outcome of the step is then what comes of the fallback: a call that failed and has one counts as error on its edge, and \
             the request is ok.",
            "\"unknown\" is not \"error\": who does something else instead after a timeout may have both done.",
            "Nothing holds it down: when all calls fail, all of them run it, and whoever it asks has the whole load.",
        ],
    },
    Plain {
        name: "hedge",
        clause: "hedge",
        example: r#""hedge": {"delay": "20ms", "budget": "5%"}"#,
        about: "Asks a second replica when the first is slow, and takes the answer that comes first.",
        surprises: &["Without a budget it doubles the load just when all replicas are slow."],
    },
    Plain {
        name: "bulkhead",
        clause: "bulkhead",
        example: r#""bulkhead": {"max": 25, "wait": "100ms"}"#,
        about: "So many tries at once; one more waits for a while, or is refused.",
        surprises: &[
            "The place of a try that timed out comes back at once, while the callee works on; \"release\": \"answer\" keeps it.",
            "Who waits for a place waits on the time of the timeout, which stands around it.",
        ],
    },
    Plain {
        name: "rate limiter",
        clause: "limiter",
        example: r#""limiter": {"rate": "100/s", "burst": 10}"#,
        about: "A bucket of tokens, or with \"window\" a number in each window or in any.",
        surprises: &[
            "A fixed window lets twice its number through around its edge.",
            "Each replica of the caller has its own.",
        ],
    },
    Plain {
        name: "coalescing",
        clause: "coalesce",
        example: r#""coalesce": "$order""#,
        about: "Of those of one replica who want the same at one time, one asks and all have its answer.",
        surprises: &["They share a failure too."],
    },
    Plain {
        name: "cancellation",
        clause: "cancel",
        example: r#""timeout": "1s", "cancel": true"#,
        about: "Tells the callee when nobody waits for its answer any more.",
        surprises: &["It is a message like others, which may be lost or come too late; and a callee may ignore it."],
    },
    Plain {
        name: "order",
        clause: "order",
        example: r#""retry": 3, "timeout": "1s", "bulkhead": {"max": 25}, "order": ["retry", "bulkhead", "timeout"]"#,
        about: "Which of these stands around which, the outermost first; usually retry, coalesce, breaker, limiter, timeout, bulkhead, hedge.",
        surprises: &["What is to hear of the last try alone belongs to a \"try\" around the step."],
    },
];

impl Plain {
    /// All about it, as plain text.
    pub fn page(&self) -> String {
        let mut out = format!("{}\n    {}\n\n    {}\n\n", self.name, self.about, self.example);
        for surprise in self.surprises {
            out += &format!("    - {surprise}\n");
        }
        out
    }

    pub(super) fn markdown(&self) -> String {
        let mut out = format!("### {}\n\n{}\n\n```json\n{}\n```\n\n", self.name, self.about, self.example);
        for surprise in self.surprises {
            out += &format!("- {surprise}\n");
        }
        out + "\n"
    }
}
