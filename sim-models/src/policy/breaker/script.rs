//! Tells a breaker's story in a line: `0s BAD*4 =open 5s go =half-open ok =closed`.

use sim_core::{Duration, Instant};

use super::{Admission, Breaker, Ended, Rule};
use crate::json;
use crate::policy::{Kind, Settings, profile, read};

/// The rule of a profile with these parameters.
pub(super) fn rule(name: &str, parameters: &str) -> Rule {
    Rule::of(&settings(name, parameters)).unwrap()
}

fn settings(name: &str, parameters: &str) -> Settings {
    let json = json::parse(parameters).unwrap();
    read(profile(Kind::Breaker, name).unwrap(), json.members()).unwrap()
}

/// Words: an instant · `go` `no` `full`, what is said to a call · `ok` `bad` `skip` `gone`, how one that went has
/// ended, or `ok/61s` when it took that long · `OK` `BAD` `SKIP`, a call that goes and ends at once · `=open` and its
/// like, what it is · `*N`, N times.
pub(super) fn check(name: &str, parameters: &str, story: &str) {
    let (mut now, mut breaker) = (Instant::ZERO, Breaker::new(rule(name, parameters), Instant::ZERO));
    let mut under_way: u32 = 0;
    for word in story.split_whitespace() {
        let (word, times) = word.split_once('*').map_or((word, 1), |(word, times)| (word, times.parse().unwrap()));
        if let Ok(at) = word.parse::<Instant>() {
            now = at;
            continue;
        }
        for nth in 1..=times {
            let told = one(&mut breaker, now, word);
            match word.split('/').next() {
                Some("go") => under_way += 1,
                Some("ok" | "bad" | "skip" | "gone") => under_way -= 1,
                _ => {}
            }
            let told = told.and_then(|()| breaker.audit(under_way));
            told.unwrap_or_else(|what| panic!("{word} #{nth} at {now}: {what}\n{breaker:#?}"));
        }
    }
}

fn one(breaker: &mut Breaker, now: Instant, word: &str) -> Result<(), String> {
    let (word, took) =
        word.split_once('/').map_or((word, Duration::ZERO), |(word, took)| (word, took.parse().unwrap()));
    let mut said = |wanted: Admission| match breaker.admit(now) {
        said if said == wanted => Ok(()),
        said => Err(format!("{said:?}")),
    };
    let mut ended = match word {
        "go" => return said(Admission::Go),
        "no" => return said(Admission::Open),
        "full" => return said(Admission::Full),
        "OK" | "BAD" | "SKIP" => {
            said(Admission::Go)?;
            word.to_lowercase()
        }
        word => word.to_owned(),
    };
    if let Some(state) = ended.strip_prefix('=') {
        let is = breaker.state(now).name();
        return if is == state { Ok(()) } else { Err(format!("is {is}")) };
    }
    let how = match std::mem::take(&mut ended).as_str() {
        "ok" => Ended::Ok,
        "bad" => Ended::Failed,
        "skip" => Ended::Overlooked,
        "gone" => Ended::Cancelled,
        other => panic!("no word of a story: {other}"),
    };
    breaker.report(now, how, took);
    Ok(())
}
