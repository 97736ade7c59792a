//! The grammar, told by examples: what is read, what is refused and in which words, and any fault there is.

use super::*;
use proptest::prelude::*;

fn fault(text: &str) -> Fault {
    text.parse().unwrap_or_else(|error: FaultError| panic!("{text}\n{error}\n{}", error.caret()))
}

fn error(text: &str) -> FaultError {
    text.parse::<Fault>().expect_err(text)
}

/// The text is read, and prints as given.
#[track_caller]
fn check(text: &str, printed: &str) {
    assert_eq!(fault(text).to_string(), printed);
    assert_eq!(fault(printed), fault(text));
}

/// The text is refused at that word, with exactly that message.
#[track_caller]
fn refused(text: &str, word: &str, column: usize, message: &str) {
    let error = error(text);
    assert_eq!(error.to_string(), message, "{text}");
    assert_eq!((&*error.word, error.column), (word, column), "{text}");
    assert_eq!(error.kind, FaultErrorKind::Grammar, "{text}");
}

#[test]
fn every_line_of_the_design_that_is_built_is_read_and_printed() {
    for (text, printed) in [
        ("1s..4s  partition orders | payments db", "1s..4s partition orders | payments db"),
        ("1s..4s  partition db | *", "1s..4s partition db | *"),
        ("1s..4s  cut a->b", "1s..4s cut a->b"),
        ("hang n.endpoint", "hang n.endpoint"),
        ("2s.. hang one of s1..s3.get", "2s.. hang one of s1..s3.get"),
        ("fail n.endpoint overloaded 5%", "fail n.endpoint overloaded 5%"),
        ("1s..2s fail n 100%", "1s..2s fail n"),
        ("hang the leader.append for 5s", "hang the leader.append for 5s"),
        ("hang zone eu-1.get", "hang zone eu-1.get"),
        ("hang eu.db.*", "hang eu.db.*"),
        ("2s..6s  loss orders->payments charge 20%", "2s..6s loss orders->payments charge 20%"),
        ("2s..6s  delay orders->* +200ms ~50ms", "2s..6s delay orders->* +200ms ~50ms"),
        ("2s..6s  duplicate a<->b 5%", "2s..6s duplicate a<->b 5%"),
        ("10s..   crash worker-2", "10s.. crash worker-2"),
        ("3s..8s  crash db wiping disk", "3s..8s crash db wiping disk"),
        ("3s..4s  power-loss db", "3s..4s power-loss db"),
        ("crash one of worker every ~5m for 10s", "crash one of worker every ~300s for 10s"),
        ("crash each of s1..s10 every 5m for 10s", "crash each of s1..s10 every 300s for 10s"),
        ("drop  orders->payments charge order/17 #2", "drop orders->payments charge order/17 #2"),
        ("late  orders->payments charge order/17 #1 1.4s", "late orders->payments charge order/17 #1 1.4s"),
        ("twice orders->payments charge order/17 #1 12ms", "twice orders->payments charge order/17 #1 12ms"),
        ("keep  orders->payments charge order/17 #1", "keep orders->payments charge order/17 #1"),
        ("draw  payments work order/17 #1 1.4s", "draw payments work order/17 #1 1.4s"),
        ("10s..20s loss gateway->shop charge 5%", "10s..20s loss gateway->shop charge 5%"),
        ("2s..6s  clog orders->payments", "2s..6s clog orders->payments"),
        ("3s..4s  pause db", "3s..4s pause db"),
        ("2s..9s  slow payments x10", "2s..9s slow payments x10"),
        ("5s      clock db step -160ms", "5s clock db step -160ms"),
        ("0s..    clock db drift +80ppm", "0s.. clock db drift +80ppm"),
        ("3s..    disk db fsync-fails", "3s.. disk db fsync-fails"),
        ("4s      disk db torn-write", "4s disk db torn-write"),
    ] {
        check(text, printed);
    }
}

#[test]
fn a_scale_is_about_one_node_and_a_number() {
    for text in
        ["scale n 3", "60s scale n 0", "60s..2m scale n 12", "scale n 3 every 5m for 1m", "60s scale n 3 for 10s"]
    {
        let text = text.replace("60s", "1m").replace("5m", "300s").replace("1m", "60s").replace("2m", "120s");
        check(&text, &text);
    }
    refused("scale n*", "n*", 7, "a scale is about the replicas of one node; write its name");
    refused("scale n1..n3 2", "n1", 7, "a scale is about the replicas of one node; write its name");
    assert!(error("scale n").to_string().starts_with("how many replicas there are to be, such as 3 is missing"));
    assert!(error("scale n at m 3").to_string().starts_with("\"at\" stands where how many replicas"));
    assert!(error("scale n 3 at m").to_string().contains("begins by the clock"));
}

#[test]
fn the_table_keeps_its_word() {
    for entry in VERBS.iter().chain(TRIGGERS) {
        assert!(entry.example.parse::<Fault>().is_ok(), "{}", entry.example);
        assert!(entry.example.split(' ').any(|word| word == entry.name), "{}", entry.example);
    }
}

#[test]
fn every_verb_says_what_is_in_flight_and_what_it_counts() {
    for entry in VERBS {
        let says = |word: &str| entry.notes.iter().any(|(said, _)| *said == word);
        assert!(says("count") && (entry.is_decision() || says("overlap") && says("in flight")), "{}", entry.name);
        assert!(entry.page().contains(entry.example));
    }
}

#[test]
fn faults_of_links_read_and_print_with_all_that_may_be_left_out() {
    for text in [
        "delay a->b 0.1% +100ms",
        "delay a->b ping 0.1% +100ms ~5ms per 1s",
        "delay a<->b +80ms",
        "delay a->b +0s ~50ms per 1s",
        "duplicate a<->b 5% +200ms ~100ms",
        "duplicate a<->b 5% +0s ~100ms",
        "corrupt a->b ping 1%",
        "2s..6s bandwidth a->b 100KB/s queue 20 random",
        "bandwidth a->b 1.5MB/s tail",
        "bandwidth a->b 10MB/s every 5s for 1s",
        "refuse a->b",
        "refuse a->b charge",
        "refuse a->b charge 20%",
        "refuse a->b every 5s for 1s",
        "10s..30s swizzle db*",
        "swizzle s1..s5 every 30s for 10s",
    ] {
        check(text, text);
    }
    check("delay a->b 100% +5ms", "delay a->b +5ms");
    check("refuse a->b for 5s", "refuse a->b for 5s");
    refused(
        "delay a->b +5ms per 0s",
        "0s",
        21,
        "no time is no stretch for which a number could hold; leave \"per\" out, and each message has its own",
    );
    refused(
        "10s.. swizzle db",
        "10s",
        1,
        "swizzle has two halves, and so needs an end; write \"10s..30s swizzle db*\"",
    );
    refused(
        "bandwidth a->b 100",
        "100",
        16,
        "\"100\" is not a bandwidth; write \"100KB/s\" or \"10MB/s\" (B, KB, MB or GB)",
    );
}

#[test]
fn a_fault_knows_its_verb() {
    for entry in VERBS {
        assert_eq!(entry.example.parse::<Fault>().map(|fault| fault.verb()), Ok(entry.name), "{}", entry.example);
    }
}

#[test]
fn other_ways_of_writing_are_read_too() {
    check("drop a->b append #312", "drop a->b append #312");
    check("draw router pick order/17 #1 worker-2", "draw router pick order/17 #1 worker-2");
    check("draw a chance #3 yes", "draw a chance #3 yes");
    check("draw a chance #3 no", "draw a chance #3 no");
    check("partition a b | c cutting flight every 1s for 1s", "partition a b | c cutting flight every 1s for 1s");
    check("cut worker-2->db.v1 cutting flight", "cut worker-2->db.v1 cutting flight");
    check("cut worker-2 <-> db", "cut worker-2<->db");
    check("crash db for 10s every 5s", "crash db every 5s for 10s");
    check("5s crash db for 10s", "5s crash db for 10s");
    check("1s .. 4s power-loss one of s1..s3", "1s..4s power-loss one of s1..s3");
    check("crash one", "crash one");
    check("crash each wiping disk", "crash each wiping disk");
    check("delay a->b heartbeat +1s", "delay a->b heartbeat +1s");
    check("loss *->b 1/4", "loss *->b 25%");
    check("keep a->b raft/append a/1/2 #1", "keep a->b raft/append a/1/2 #1");
    check("\tcrash\ndb ", "crash db");
    check("partition isolate one of kv cutting flight", "partition isolate one of kv cutting flight");
    check("burst-loss a->b x 90% bad ~200ms good ~5s", "burst-loss a->b x 90% bad ~200ms good ~5s");
    check("burst-loss a->b 1/2 bad ~2s good ~0s 0.1%", "burst-loss a->b 50% bad ~2s good ~0s 0.1%");
    check("partition isolate kv", "partition isolate kv");
    check("partition isolate kv | ring of", "partition isolate kv | ring of");
    check("partition halves of kv-1..kv-5 every ~5m for 10s", "partition halves of kv-1..kv-5 every ~300s for 10s");
    check("partition bridge of kv", "partition bridge of kv");
    check("partition ring of kv", "partition ring of kv");
    check("partition ring of c a b cutting flight", "partition ring of c a b cutting flight");
    check("crash any minority of s1..s5", "crash any minority of s1..s5");
    check("crash zone eu-1", "crash zone eu-1");
    check("crash one zone every ~1h for 5m", "crash one zone every ~1h for 300s");
    check("pause each zone every 5s for 1s", "pause each zone every 5s for 1s");
    check("partition isolate zone eu-1", "partition isolate zone eu-1");
    check("crash one of zone eu-1", "crash one of zone eu-1");
    check("crash zone every 5s for 1s", "crash zone every 5s for 1s");
    check("clock zone step +1s", "clock zone step +1s");
    check("crash kv swapping disks every 5s for 1s", "crash kv swapping disks every 5s for 1s");
    check("5s clock db leap +1s", "5s clock db leap +1s");
    check("1s..9s clock db smear -1s", "1s..9s clock db smear -1s");
    check("clock db discipline ±5ms per 64s", "clock db discipline ±5ms per 64s");
    check("clock db discipline ~5ms per 64s", "clock db discipline ±5ms per 64s");
    check("4s disk one of kv misdirected", "4s disk one of kv misdirected");
    check("1s..4s disk db full", "1s..4s disk db full");
    check("1s..4s disk db read-error", "1s..4s disk db read-error");
    check("crash any", "crash any");
    check("clog a<->b charge holding flight", "clog a<->b charge holding flight");
    check("clog a->b holding", "clog a->b holding");
    check("clog a->b holding holding flight", "clog a->b holding holding flight");
    check("slow one of worker x1.50 every 5s for ~1s", "slow one of worker x1.5 every 5s for ~1s");
    check("clock each of s1..s3 drift -0.5ppm", "clock each of s1..s3 drift -0.5ppm");
    check("1s..2s clock db step 160ms", "1s..2s clock db step +160ms");
    check("clock * strobe -1s per 10ms", "clock * strobe -1s per 10ms");
    check("5s clock a step -1s for 2s", "5s clock a step -1s for 2s");
    check("clock step freeze", "clock step freeze");
    check("4s disk one of db bit-rot", "4s disk one of db bit-rot");
    check("disk db slow x2 every 5s for ~1s", "disk db slow x2 every 5s for ~1s");
    check("disk disk stall", "disk disk stall");
}

#[test]
fn a_mistake_is_named_with_its_place_and_what_would_be_right() {
    refused("partiton a | b", "partiton", 1, "\"partiton\" is not a fault; did you mean \"partition\"?");
    refused(
        "1s..2s kill db",
        "kill",
        8,
        "\"kill\" is not a fault; faults are partition, cut, loss, burst-loss, delay, duplicate, corrupt, bandwidth, refuse, swizzle, clog, crash, \
         power-loss, stop, pause, hang, slow, fail, clock, disk, deploy, rollback, restart, scale, rush, skew, buggify, drop, late, twice, keep, reject, alter, draw",
    );
    refused("  pausee db", "pausee", 3, "\"pausee\" is not a fault; did you mean \"pause\"?");
    refused("", "", 1, "there is no fault here; write one, such as \"3s..8s crash db\"");
    refused("   ", "", 1, "there is no fault here; write one, such as \"3s..8s crash db\"");
    refused(
        "loss 20%",
        "20%",
        6,
        "\"20%\" stands where a link such as a->b should; write it like \"2s..6s loss orders->payments charge 20%\"",
    );
    refused(
        "1s.. cut worker-2-db",
        "worker-2-db",
        10,
        "\"worker-2-db\" is a name, not a link; did you mean \"worker-2->db\"?",
    );
    refused(
        "cut db-worker-2",
        "db-worker-2",
        5,
        "\"db-worker-2\" is a name, not a link; did you mean \"db->worker-2\"?",
    );
    refused("drop a-b x #1", "a-b", 6, "\"a-b\" is a name, not a link; did you mean \"a->b\"?");
    refused(
        "loss a 20%",
        "a",
        6,
        "\"a\" is a name, not a link; write it like \"2s..6s loss orders->payments charge 20%\"",
    );
    refused("cut a->", "", 8, "the node that receives is missing at the end; write it like \"1s..4s cut a->b\"");
    refused("drop *->b x #1", "*", 6, "\"*\" is a pattern; a decision is about one thing; write its name");
    refused("drop a<->b x #1", "<->", 7, "a decision is about one message, which goes one way; did you mean \"->\"?");
}

#[test]
fn an_amount_says_what_it_is() {
    let like = |line: &str| format!("; write it like \"{line}\"");
    let (slow, clock) = (like("2s..9s slow payments x10"), like("5s clock db step -160ms"));
    refused("slow db", "", 8, &format!("a factor such as x10 is missing at the end{slow}"));
    refused("slow db 10", "10", 9, &format!("\"10\" stands where a factor such as x10 should{slow}"));
    refused("slow db ten", "ten", 9, "\"ten\" is not a factor; write \"x10\" or \"x1.5\"");
    refused("slow db x0", "x0", 9, "\"x0\" would take no time; write a factor above zero");
    refused(
        "clock db",
        "",
        9,
        &format!("step, leap, smear, drift, freeze, strobe or discipline is missing at the end{clock}"),
    );
    refused(
        "clock db jump",
        "jump",
        10,
        &format!("\"jump\" stands where step, leap, smear, drift, freeze, strobe or discipline should{clock}"),
    );
    refused("clock db drift +80", "+80", 16, "\"+80\" is not a rate; write \"+80ppm\" or \"-0.5ppm\"");
    refused("clock db step -160", "-160", 15, "160 has no unit; write \"160ms\" or another of ns, us, ms, s, m, h, d");
    let per = "\"per\" and how long it is wrong each time is missing at the end";
    refused("clock db strobe +1s", "", 20, &format!("{per}{clock}"));
    let burst = like("2s..60s burst-loss a->b 90% bad ~200ms good ~5s");
    refused(
        "burst-loss a->b 9% good ~1s",
        "good",
        20,
        &format!("\"good\" stands where \"bad\" and a mean length such as ~200ms should{burst}"),
    );
    refused(
        "burst-loss a->b 9% bad 1s",
        "1s",
        24,
        &format!("\"1s\" stands where a mean length such as ~200ms should{burst}"),
    );
    let forever = "write \"5s..\" for ever, or add a length, \"for 10s\"";
    refused("5s clock db drift +1ppm", "5s", 1, &format!("clock lasts, and \"5s\" is an instant; {forever}"));
    refused(
        "clock db step +1s every 5s",
        "every",
        19,
        "\"every 5s\" does not say how long each clock lasts; write \"every 5s for 10s\"",
    );
}

#[test]
fn a_number_says_what_it_counts() {
    let no_unit = "200 has no unit; write \"200ms\" or another of ns, us, ms, s, m, h, d";
    refused("delay a->b +200", "+200", 12, no_unit);
    refused("200 crash db for 1s", "200", 1, no_unit);
    refused("delay a->b 200ms", "200ms", 12, "\"200ms\" does not say that it is added; did you mean \"+200ms\"?");
    refused("loss a->b 20", "20", 11, "20 has no unit; did you mean \"20%\"?");
    refused("loss a->b 120%", "120%", 11, "\"120%\" is more than 100%");
    refused("loss a->b 20ms", "20ms", 11, "\"20ms\" is not a ratio; write \"0.1%\" or \"1/1000\"");
    refused(
        "1e400s crash db",
        "1e400s",
        1,
        "\"1e400s\" is not a duration; write a number and a unit, such as \"250ms\" or \"1.5s\"",
    );
    refused(
        "crash db for 99999999999999999999d",
        "99999999999999999999d",
        14,
        "\"99999999999999999999d\" is longer than a run can be, 584 years",
    );
    refused("drop a->b x #0", "#0", 13, "\"#0\" is before the first; they count from #1");
    refused("drop a->b x #", "#", 13, "\"#\" is not an ordinal; they count from #1");
    refused(
        "drop a->b x #18446744073709551616",
        "#18446744073709551616",
        13,
        "\"#18446744073709551616\" is not an ordinal; they count from #1",
    );
}

#[test]
fn a_time_must_have_a_beginning_and_what_holds_an_end() {
    refused("4s..1s cut a->b", "4s..1s", 1, "\"4s..1s\" ends before it begins; did you mean \"1s..4s\"?");
    refused("..4s cut a->b", "..", 1, "an interval needs a beginning; write \"0s..\" for the start of the run");
    refused(
        "5s crash db",
        "5s",
        1,
        "crash lasts, and \"5s\" is an instant; write \"5s..\" for ever, or add a length, \"for 10s\"",
    );
    refused(
        "5s crash db every 1m for 1s",
        "every",
        13,
        "\"5s\" is one instant, and \"every\" needs many; write \"5s..\" in its place",
    );
    refused(
        "crash db every 5m",
        "every",
        10,
        "\"every 300s\" does not say how long each crash lasts; write \"every 300s for 10s\"",
    );
    refused(
        "crash db every 0s for 1s",
        "every",
        10,
        "\"every 0s\" leaves no time in between; write a length above zero",
    );
    refused("crash db for 1s for 2s", "for", 17, "\"for\" stands twice; keep one of them");
    refused(
        "5s",
        "",
        3,
        "a fault is missing after the time; faults are partition, cut, loss, burst-loss, delay, duplicate, corrupt, bandwidth, refuse, swizzle, clog, \
         crash, power-loss, stop, pause, hang, slow, fail, clock, disk, deploy, rollback, restart, scale, rush, skew, buggify, drop, late, twice, keep, reject, alter, draw",
    );
    refused(
        "1s.. drop a->b x #1",
        "1s",
        1,
        "a decision such as drop answers one question and has no time; begin with \"drop\"",
    );
    refused("drop a->b x #1 for 1s", "for", 16, "a decision answers one question and has no \"for\"; leave it out");
}

#[test]
fn groups_and_leftovers_are_checked() {
    let example = "; write it like \"1s..4s partition orders | payments db\"";
    refused("partition", "", 10, &format!("a node is missing at the end{example}"));
    refused("partition a b", "", 14, &format!("\"|\" and another group of nodes is missing at the end{example}"));
    refused("partition a | ", "", 14, &format!("a node is missing at the end{example}"));
    refused(
        "partition a, b | c",
        ",",
        12,
        &format!("\",\" stands where \"|\" and another group of nodes should{example}"),
    );
    refused("partition a | b a", "a", 17, "\"a\" stands twice in this partition; name it in one group");
    refused("partition * | *", "*", 15, "\"*\" stands twice in this partition; name it in one group");
    refused("crash db wipping disk", "wipping", 10, "\"wipping\" is one word too many; did you mean \"wiping\"?");
    refused("crash db fro 10s", "fro", 10, "\"fro\" is one word too many; did you mean \"for\"?");
    refused("crash db ✗", "✗", 10, "\"✗\" is one word too many; write it like \"3s..8s crash db wiping disk\"");
    refused("cut a->b cutting", "", 17, "\"flight\" is missing at the end; write it like \"1s..4s cut a->b\"");
    refused(
        "crash for 10s",
        "for",
        7,
        "\"for\" stands where a node should; write it like \"3s..8s crash db wiping disk\"",
    );
    refused("crash each of s10..s1", "s10..s1", 15, "\"s10..s1\" is reversed; write \"s1..s10\"");
    refused(
        "drop a->b order/17 #1",
        "order/17",
        11,
        "\"order/17\" is an operation; a kind or purpose comes before it; write it like \"drop orders->payments charge \
         order/17 #2\"",
    );
    refused(
        "drop a->b x order #1",
        "order",
        13,
        "\"order\" is not an operation; write its class and number, such as order/17",
    );
}

#[test]
fn the_caret_stands_under_the_word() {
    assert_eq!(error("1s..4s  cüt a->b").caret(), "1s..4s  cüt a->b\n        ^");
    assert_eq!(error("ä\tö partiton").caret(), "ä ö partiton\n^");
    assert_eq!(error("cut a->").caret(), "cut a->\n       ^");
    assert_eq!(error("").caret(), "\n^");
}

#[test]
fn an_unknown_node_is_told_the_known_ones() {
    let known = ["gateway", "worker-1", "worker-2"];
    let message = |text: &str| fault(text).check_names(&known).unwrap_err();
    let gatway = message("1s..2s  loss worker->gatway 1%");
    assert_eq!(
        gatway.to_string(),
        "no node \"gatway\"; did you mean \"gateway\"? nodes are gateway, worker-1, worker-2"
    );
    assert_eq!((gatway.kind, gatway.column, &*gatway.word), (FaultErrorKind::UnknownNode, 21, "gatway"));
    assert_eq!(message("crash db*").to_string(), "no node \"db*\"; nodes are gateway, worker-1, worker-2");
    assert_eq!(message("crash crash").column, 7);
    assert_eq!(message("crash each of worker-1..worker-3").column, 25);
    let inside = message("crash each of worker-1..worker-4");
    assert_eq!((inside.column, &*inside.message), (15, "no node \"worker-3\""));
    assert_eq!(&*inside.word, "worker-1..worker-4");
    assert_eq!(message("draw db work #1 yes").message, "no node \"db\"");
    for text in
        ["crash worker", "crash work*", "crash one of worker-1..worker-2", "partition gateway | *", "cut *->worker"]
    {
        assert_eq!(fault(text).check_names(&known), Ok(()), "{text}");
    }
    let many: Vec<String> = (0..100).map(|n| format!("n{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(fault("crash x").check_names(&many).unwrap_err().to_string().ends_with("n18, n19 and 80 more"));
    assert_eq!(fault("crash x").check_names(&[]).unwrap_err().to_string(), "no node \"x\"; there are no nodes");
}

#[test]
fn a_fault_without_strength_or_time_is_off() {
    for text in [
        "2s..2s crash a",
        "loss a->b 0%",
        "duplicate a->b 0/5",
        "delay a->b +0ms",
        "crash a every 1s for 0s",
        "1s cut a->b for ~0s",
        "slow a x1",
        "burst-loss a->b 0% bad ~1s good ~1s",
        "burst-loss a->b 50% bad ~0s good ~1s",
        "clock a step -0s",
        "disk a slow x1",
        "clock a drift +0ppm",
        "clock a strobe +0s per 1s",
        "clock a strobe +1s per 0s",
    ] {
        assert!(fault(text).is_off(), "{text}");
    }
    for text in
        ["1s..2s crash a", "loss a->b 1%", "delay a->b +0ms ~1ms", "crash a", "drop a->b x #1", "late a->b x #1 0s"]
    {
        assert!(!fault(text).is_off(), "{text}");
    }
}

#[test]
fn groups_and_targets_know_their_nodes() {
    let groups: Groups = "a b* | worker".parse().unwrap();
    assert_eq!(["a", "bb", "worker-2", "c"].map(|name| groups.group_of(name)), [Some(0), Some(0), Some(1), None]);
    let rest: Groups = "* | db".parse().unwrap();
    assert_eq!(["db", "db-2", "a"].map(|name| rest.group_of(name)), [Some(1), Some(1), Some(0)]);
    let link = |text: &str| text.parse::<LinkPattern>().unwrap();
    assert!(link("a->b").covers("a-1", "b") && !link("a->b").covers("b", "a") && link("a<->b").covers("b", "a"));
    let target: Target = "each of s1..s3".parse().unwrap();
    let nodes = target.nodes().unwrap();
    assert!(nodes.covers("s2", None) && nodes.covers("s2-1", None) && !nodes.covers("s4", None));
}

#[test]
fn a_fault_is_text_in_json() {
    let json = r#"["1s..4s cut a->b","drop a->b x #1"]"#;
    let faults: Vec<Fault> = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&faults).unwrap(), json);
    let error = serde_json::from_str::<Fault>("\"cutt a->b\"").unwrap_err();
    assert!(error.to_string().contains("did you mean \"cut\"?"));
}

// ── Any fault there is ──

fn names() -> impl Strategy<Value = Name> {
    let name = "[a-zA-Z][a-z0-9_]{0,3}([-./][a-z0-9]{1,3}){0,2}".prop_filter_map("reserved", |text| text.parse().ok());
    let awkward = ["one", "each", "of", "flight", "disk", "crash", "x1", "order/17"];
    prop_oneof![4 => name, 1 => prop::sample::select(awkward.to_vec()).prop_map(|text| text.parse().unwrap())]
}

fn labels() -> impl Strategy<Value = Label> {
    names().prop_filter_map("an operation", |name| name.as_str().parse().ok())
}

/// What a node can be asked: a name without a point.
fn places() -> impl Strategy<Value = Label> {
    labels().prop_filter("a point", |label| !label.as_str().contains('.'))
}

fn patterns() -> impl Strategy<Value = Pattern> {
    let starred = "[a-z*][a-z0-9*]{0,3}(-[*0-9]{1,2})?".prop_filter_map("reserved", |text| text.parse().ok());
    prop_oneof![names().prop_map(Pattern::from), starred]
}

fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![
        any::<u64>().prop_map(Duration::from_nanos),
        (0..10_000u64).prop_map(Duration::from_millis),
        Just(Duration::ZERO),
        Just(Duration::FOREVER)
    ]
}

fn instants() -> impl Strategy<Value = Instant> {
    durations().prop_map(|length| Instant::ZERO + length)
}

fn ratios() -> impl Strategy<Value = Ratio> {
    (0..=1000u64, 1000..=5000u64).prop_map(|(part, whole)| Ratio::new(part, whole).unwrap())
}

fn paces(least: u64) -> impl Strategy<Value = Pace> {
    let length = durations().prop_map(move |length| Duration::from_nanos(length.nanos().max(least)));
    (length, any::<bool>()).prop_map(|(length, drawn)| if drawn { Pace::About(length) } else { Pace::Exactly(length) })
}

/// When, every and for, in the combinations that make sense.
fn times() -> impl Strategy<Value = (When, Option<Pace>, Option<Pace>)> {
    let window = prop_oneof![
        Just(When::Always),
        instants().prop_map(When::From),
        (instants(), instants()).prop_map(|(a, b)| When::Between(a.min(b), a.max(b))),
    ];
    prop_oneof![
        (window.clone(), prop::option::of(paces(0))).prop_map(|(when, length)| (when, None, length)),
        (window, paces(1), paces(0)).prop_map(|(when, every, length)| (when, Some(every), Some(length))),
        (instants(), paces(0)).prop_map(|(at, length)| (When::At(at), None, Some(length))),
    ]
}

fn links() -> impl Strategy<Value = LinkPattern> {
    (patterns(), patterns(), any::<bool>()).prop_map(|(from, to, both)| LinkPattern { from, to, both })
}

fn groups() -> impl Strategy<Value = Groups> {
    let group = prop::collection::vec(patterns(), 1..4);
    prop::collection::vec(group, 2..4).prop_filter_map("a name twice", Groups::new)
}

fn nodes() -> impl Strategy<Value = Nodes> {
    let ends = (names(), 0..9_000u64, 0..9_000u64).prop_map(|(name, a, b)| {
        let end = |number: u64| format!("{}_{number}", name.as_str()).parse::<Name>().unwrap();
        NameRange::new(&end(a.min(b)), &end(a.max(b))).unwrap()
    });
    let is_free = |name: &Name| format!("zone {name}").parse::<Nodes>().is_ok();
    let zone = names().prop_filter("a word of the grammar", is_free).prop_map(Nodes::Zone);
    prop_oneof![patterns().prop_map(Nodes::Like), ends.prop_map(Nodes::Range), zone]
}

fn targets() -> impl Strategy<Value = Target> {
    let how =
        prop::sample::select(vec![Target::All as fn(Nodes) -> Target, Target::One, Target::Each, Target::Minority]);
    let named = (how, nodes()).prop_map(|(how, nodes)| how(nodes));
    prop_oneof![4 => named, 1 => Just(Target::OneZone), 1 => Just(Target::EachZone), 1 => labels().prop_map(Target::The)]
}

fn triggers() -> impl Strategy<Value = Trigger> {
    let side = prop::sample::select(vec![Side::Before, Side::After, Side::At]);
    let nth = prop::collection::btree_set(1..=u64::MAX, 1..4);
    let passages = prop_oneof![
        Just(Passages::Every),
        nth.prop_map(|all| Passages::Nth(all.into_iter().map(|nth| NonZeroU64::new(nth).unwrap()).collect())),
        ratios().prop_map(Passages::Share),
    ];
    (side, labels(), passages).prop_map(|(side, step, passages)| Trigger { side, step, passages })
}

fn sides() -> impl Strategy<Value = Sides> {
    let isolated = targets().prop_filter("each", |target| !matches!(target, Target::Each(_) | Target::EachZone));
    let ring = prop::collection::btree_set(names().prop_map(|name| name.to_string()), 3..6);
    let ring = ring.prop_map(|names| names.iter().map(|name| name.parse().unwrap()).collect());
    prop_oneof![
        groups().prop_map(Sides::Groups),
        isolated.prop_map(Sides::Isolate),
        nodes().prop_map(Sides::Halves),
        nodes().prop_map(Sides::Bridge),
        nodes().prop_map(Sides::Ring),
        ring.prop_map(Sides::RingOf),
    ]
}

fn verbs() -> impl Strategy<Value = Verb> {
    let flight = || prop::sample::select(vec![Flight::Arrives, Flight::Cut]);
    let disk = prop::sample::select(vec![Disk::Kept, Disk::Wiped, Disk::Swapped]);
    let kind = || prop::option::of(labels());
    prop_oneof![
        (sides(), flight()).prop_map(|(sides, flight)| Verb::Partition { sides, flight }),
        (links(), flight()).prop_map(|(link, flight)| Verb::Cut { link, flight }),
        (links(), kind(), ratios()).prop_map(|(link, kind, ratio)| Verb::Loss { link, kind, ratio }),
        (links(), kind(), ratios(), durations(), durations())
            .prop_map(|(link, kind, ratio, more, spread)| Verb::Duplicate { link, kind, ratio, more, spread }),
        (links(), kind(), ratios()).prop_map(|(link, kind, ratio)| Verb::Corrupt { link, kind, ratio }),
        (links(), kind(), ratios()).prop_map(|(link, kind, ratio)| Verb::Refuse { link, kind, ratio }),
        (links(), 1..=1_000_000_000_000_000u64, prop::option::of(any::<u32>()), fulls()).prop_map(
            |(link, bytes, queue, full)| Verb::Bandwidth { link, limit: Bandwidth::new(bytes).unwrap(), queue, full }
        ),
        (links(), kind(), ratios(), durations(), durations(), ratios())
            .prop_map(|(link, kind, ratio, bad, good, rest)| Verb::BurstLoss { link, kind, ratio, bad, good, rest }),
        (links(), kind(), ratios(), durations(), durations(), prop::option::of(1..=u64::MAX)).prop_map(
            |(link, kind, ratio, more, spread, per)| {
                Verb::Delay { link, kind, ratio, more, spread, per: per.map(Duration::from_nanos) }
            }
        ),
        (targets(), disk).prop_map(|(target, disk)| Verb::Crash { target, disk }),
        targets().prop_map(|target| Verb::PowerLoss { target }),
        (links(), kind(), prop::sample::select(vec![Jam::AtSending, Jam::Flight]))
            .prop_map(|(link, kind, flight)| Verb::Clog { link, kind, flight }),
        (targets(), prop::sample::select(vec![Stands::Nothing, Stands::Monotonic, Stands::Both]))
            .prop_map(|(target, stands)| Verb::Pause { target, stands }),
        (targets(), prop::option::of(durations())).prop_map(|(target, grace)| Verb::Stop { target, grace }),
        nodes().prop_map(|nodes| Verb::Restart { target: Target::All(nodes) }),
        nodes().prop_map(|nodes| Verb::Rollback { target: Target::All(nodes) }),
        (nodes(), labels(), prop::option::of(ratios())).prop_map(|(nodes, version, share)| Verb::Deploy {
            target: Target::All(nodes),
            version,
            share
        }),
        (targets(), 1..=1_000_000u64)
            .prop_map(|(target, times)| Verb::Rush { target, factor: Factor::new(times).unwrap() }),
        (targets(), prop::option::of(places())).prop_map(|(target, place)| Verb::Hang { target, place }),
        (targets(), prop::option::of(places()), prop::option::of(labels()), ratios())
            .prop_map(|(target, place, reason, ratio)| Verb::Fail { target, place, reason, ratio }),
        (targets(), prop::sample::select(vec![End::First, End::Last, End::Ends]), ratios())
            .prop_map(|(target, towards, ratio)| Verb::Skew { target, towards, ratio }),
        (prop::option::of(patterns()), ratios(), ratios()).prop_map(|(sites, live, fires)| Verb::Buggify {
            sites,
            live,
            fires
        }),
        (targets(), 1..=1_000_000u64)
            .prop_map(|(target, times)| Verb::Slow { target, factor: Factor::new(times).unwrap() }),
        (targets(), clock_errors()).prop_map(|(target, error)| Verb::Clock { target, error }),
        (targets(), disk_ills()).prop_map(|(target, ill)| Verb::Disk { target, ill }),
    ]
}

fn fulls() -> impl Strategy<Value = Option<Full>> {
    prop::sample::select(vec![None, Some(Full::Tail), Some(Full::Random)])
}

fn clock_errors() -> impl Strategy<Value = ClockError> {
    let shift = || any::<i64>().prop_map(Shift::from_nanos);
    prop_oneof![
        shift().prop_map(ClockError::Step),
        (-999_999_999..1_000_000_000i32).prop_map(|ppb| ClockError::Drift(Rate::from_ppb(ppb).unwrap())),
        shift().prop_map(ClockError::Leap),
        shift().prop_map(ClockError::Smear),
        (durations(), durations()).prop_map(|(error, per)| ClockError::Discipline { error, per }),
        Just(ClockError::Freeze),
        (shift(), durations()).prop_map(|(ahead, per)| ClockError::Strobe { ahead, per }),
    ]
}

fn disk_ills() -> impl Strategy<Value = DiskIll> {
    let plain = vec![
        DiskIll::SyncFails,
        DiskIll::SyncLies,
        DiskIll::Stall,
        DiskIll::TornWrite,
        DiskIll::BitRot,
        DiskIll::Misdirected,
        DiskIll::Full,
        DiskIll::ReadError,
    ];
    let slow = (1..=1_000_000u64).prop_map(|times| DiskIll::Slow(Factor::new(times).unwrap()));
    prop_oneof![prop::sample::select(plain), slow]
}

fn rulings() -> impl Strategy<Value = Ruling> {
    let length =
        durations().prop_flat_map(|length| prop::sample::select(vec![Ruling::Late(length), Ruling::Twice(length)]));
    let altered = (any::<u64>(), durations()).prop_map(|(bits, length)| Ruling::Alter(bits, length));
    prop_oneof![Just(Ruling::Drop), Just(Ruling::Keep), Just(Ruling::Reject), length, altered]
}

fn nths() -> impl Strategy<Value = Nth> {
    let operation = (names(), 0..1u64 << 48).prop_map(|(class, number)| OperationName { class, number });
    (prop::option::of(operation), 1..=u64::MAX)
        .prop_map(|(operation, n)| Nth { operation, ordinal: NonZeroU64::new(n).unwrap() })
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        durations().prop_map(Value::Length),
        (1..=u64::MAX).prop_map(Value::Number),
        Just(Value::Yes),
        Just(Value::No),
        names().prop_map(Value::Choice)
    ]
}

fn decisions() -> impl Strategy<Value = Decision> {
    let link = (names(), names()).prop_map(|(from, to)| LinkName { from, to });
    prop_oneof![
        (rulings(), link, labels(), nths()).prop_map(|(ruling, link, kind, nth)| Decision::Envelope {
            ruling,
            link,
            kind,
            nth
        }),
        (names(), labels(), nths(), values()).prop_map(|(node, purpose, nth, value)| Decision::Draw {
            node,
            purpose,
            nth,
            value
        }),
    ]
}

fn faults() -> impl Strategy<Value = Fault> {
    let timed = (times(), verbs(), prop::option::of(triggers())).prop_map(|((when, every, length), verb, trigger)| {
        let drawn = matches!(verb.target(), Some(Target::One(_) | Target::Minority(_) | Target::OneZone));
        let trigger = trigger.filter(|_| !drawn && !verb.is_paced() && !matches!(when, When::At(_)));
        let exactly = |pace: Pace| Pace::Exactly(pace.mean());
        let (every, length) = if verb.is_paced() { (every.map(exactly), None) } else { (every, length) };
        Timed { when, verb, trigger, every, length }
    });
    let timed = timed.prop_filter("a smear without an end", |timed| {
        !timed.verb.needs_an_end() || timed.length.is_some() || timed.when.end().is_some()
    });
    prop_oneof![timed.prop_map(Fault::Timed), decisions().prop_map(Fault::Decision)]
}

/// Text that is nearly a fault: pieces of the grammar in any order.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "1s",
        "..",
        "4s",
        "0s",
        "partition",
        "cut",
        "loss",
        "delay",
        "crash",
        "drop",
        "late",
        "draw",
        "pause",
        "isolate",
        "halves",
        "ring",
        "any",
        "minority",
        "slow",
        "x10",
        "x",
        "clock",
        "step",
        "drift",
        "strobe",
        "discipline",
        "±5ms",
        "±",
        "smear",
        "swapping",
        "disks",
        "per",
        "-5ms",
        "+80ppm",
        "clog",
        "holding",
        "corrupt",
        "bandwidth",
        "100KB/s",
        "queue",
        "random",
        "refuse",
        "swizzle",
        "at",
        "a",
        "b-2",
        "*",
        "->",
        "<->",
        "|",
        "20%",
        "+5ms",
        "~5ms",
        "#1",
        "#0",
        "#",
        "~",
        "+",
        "one",
        "each",
        "of",
        "s1",
        "s9",
        "every",
        "for",
        "cutting",
        "flight",
        "wiping",
        "disk",
        "order/17",
        "yes",
        "-",
        "é",
        "\u{a0}",
        "1e400s",
        "💥",
    ]);
    (prop::collection::vec(piece, 0..12), prop::sample::select(vec!["", " "]))
        .prop_map(|(pieces, glue)| pieces.join(glue))
}

/// Whatever is read prints as itself, and whatever is refused points into its text.
fn survives(text: &str) -> Result<(), TestCaseError> {
    match text.parse::<Fault>() {
        Ok(fault) => prop_assert_eq!(fault.to_string().parse::<Fault>(), Ok(fault)),
        Err(error) => {
            prop_assert!(error.column >= 1 && error.column <= text.chars().count() + 1);
            prop_assert_eq!(error.caret().split('\n').count(), 2);
            let rest: String = text.chars().skip(error.column - 1).collect();
            prop_assert!(rest.starts_with(&*error.word));
        }
    }
    let _ = (text.parse::<Verb>(), text.parse::<Decision>(), text.parse::<When>(), text.parse::<Pace>());
    let _ = (text.parse::<Groups>(), text.parse::<LinkPattern>(), text.parse::<LinkName>(), text.parse::<Target>());
    let _ = (text.parse::<Nodes>(), text.parse::<Nth>(), text.parse::<OperationName>(), text.parse::<Value>());
    Ok(())
}

proptest! {
    #[test]
    fn any_fault_prints_as_a_text_that_reads_back(fault in faults()) {
        prop_assert_eq!(fault.to_string().parse::<Fault>(), Ok(fault.clone()));
        let error = fault.check_names(&["nobody-there"]);
        prop_assert!(error.is_ok() || error.is_err_and(|error| !error.word.is_empty()));
    }

    #[test]
    fn any_part_prints_as_a_text_that_reads_back(verb in verbs(), decision in decisions(), when in times()) {
        prop_assert_eq!(verb.to_string().parse::<Verb>(), Ok(verb));
        prop_assert_eq!(decision.to_string().parse::<Decision>(), Ok(decision));
        prop_assert_eq!(when.0.to_string().parse::<When>(), Ok(when.0));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        survives(&text)?;
    }

    #[test]
    fn no_text_that_is_nearly_a_fault_makes_the_parser_panic(text in nearly()) {
        survives(&text)?;
    }
}
