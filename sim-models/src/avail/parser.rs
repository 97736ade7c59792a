//! From words to blocks. `*` holds tighter than `|`, and `^` tighter than both.

use super::block::{Block, GroupOption, Kind, Length, Part, Planned, Quorum, Repaired, Said, Share, Spread, Standby};
use super::error::AvailError;
use super::life::Shape;
use super::up::Period;
use super::words::{self, Word, is_name};
use crate::problem::{Span, did_you_mean};

/// Parentheses inside each other; a thousand would be no expression but an attack on the stack.
const DEPTH_MAX: usize = 100;

impl Block {
    /// Reads an expression.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(text: &str) -> Result<Block, AvailError> {
        let mut parser = Parser { words: words::words(text)?, at: 0, depth: 0 };
        if parser.peek() == &Word::End {
            return Err(parser.wrong("nothing is there; write blocks such as edge * (app | app) * 2of3(db)"));
        }
        let block = parser.parallel()?;
        match parser.peek() {
            Word::End => Ok(block),
            Word::Sign(')') => Err(parser.wrong("this parenthesis closes nothing")),
            Word::Sign(',') => Err(parser.wrong("a comma stands only inside a group, such as 2of3(a, b, c)")),
            Word::Sign('^') => Err(parser.wrong("a power of a power needs parentheses: (a^2)^3")),
            Word::Sign(_) | Word::Text(_) => {
                Err(parser.wrong("between two blocks stands * (both needed) or | (one is enough)"))
            }
        }
    }
}

struct Parser {
    words: Vec<(Word, Span)>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Word {
        &self.words[self.at].0
    }

    fn span(&self) -> Span {
        self.words[self.at].1
    }

    /// The span of the word that was read last.
    fn last(&self) -> Span {
        self.words[self.at.saturating_sub(1)].1
    }

    fn wrong(&self, message: impl Into<String>) -> AvailError {
        AvailError::new(self.span(), message)
    }

    fn eat(&mut self, sign: char) -> bool {
        let there = self.peek() == &Word::Sign(sign);
        self.at += usize::from(there);
        there
    }

    fn parallel(&mut self) -> Result<Block, AvailError> {
        self.list('|', Parser::series, Kind::Parallel)
    }

    fn series(&mut self) -> Result<Block, AvailError> {
        self.list('*', Parser::power, Kind::Series)
    }

    /// Blocks with such a sign between them; of a single one, that one.
    fn list(
        &mut self,
        sign: char,
        each: fn(&mut Parser) -> Result<Block, AvailError>,
        kind: fn(Vec<Block>) -> Kind,
    ) -> Result<Block, AvailError> {
        let first = each(self)?;
        let mut blocks = vec![first];
        while self.eat(sign) {
            blocks.push(each(self)?);
        }
        let span = blocks[0].span.to(self.last());
        Ok(if blocks.len() == 1 { blocks.remove(0) } else { Block { span, kind: kind(blocks) } })
    }

    fn power(&mut self) -> Result<Block, AvailError> {
        let block = self.single()?;
        if !self.eat('^') {
            return Ok(block);
        }
        let Word::Text(text) = self.peek().clone() else {
            return Err(self.wrong("after ^ comes how many are in series, such as (99.9%)^10"));
        };
        let count = number(&text, self.span(), "how many are in series")?;
        self.at += 1;
        Ok(Block { span: block.span.to(self.last()), kind: Kind::Copies(Box::new(block), count) })
    }

    fn single(&mut self) -> Result<Block, AvailError> {
        let span = self.span();
        match self.peek().clone() {
            Word::Sign('(') => self.inside(|parser| {
                let block = parser.parallel()?;
                parser.close(span)?;
                Ok(block)
            }),
            Word::Text(text) => self.text(&text, span),
            Word::Sign(sign) => Err(self.wrong(format!("a block is missing before {sign}"))),
            Word::End => Err(self.wrong("a block is missing at the end")),
        }
    }

    /// What stands behind an opening parenthesis, unless there are too many around it.
    fn inside<T>(&mut self, read: impl FnOnce(&mut Parser) -> Result<T, AvailError>) -> Result<T, AvailError> {
        if self.depth == DEPTH_MAX {
            return Err(self.wrong(format!("more than {DEPTH_MAX} parentheses inside each other")));
        }
        (self.at, self.depth) = (self.at + 1, self.depth + 1);
        let got = read(self)?;
        self.depth -= 1;
        Ok(got)
    }

    fn close(&mut self, opened: Span) -> Result<(), AvailError> {
        if self.eat(')') {
            return Ok(());
        }
        if self.peek() == &Word::End {
            return Err(AvailError::new(opened, "this parenthesis is not closed"));
        }
        Err(self.wrong("between two blocks stands * (both needed) or | (one is enough); or is a ) missing?"))
    }

    fn text(&mut self, text: &str, span: Span) -> Result<Block, AvailError> {
        if let Some((need, of)) = quorum_sizes(text)
            && self.words[self.at + 1].0 == Word::Sign('(')
        {
            return self.quorum(need, of, span);
        }
        self.at += 1;
        let kind = match text.chars().next() {
            Some(first) if first.is_ascii_digit() || first == '.' || first == '-' && text.len() > 1 => {
                quorum_sizes(text).map_or_else(
                    || words::share(text, span).map(|share| Kind::Part(Part::Share(share))),
                    |_| Err(AvailError::new(span, format!("of what? write {text}(db) or {text}(a, b, …)"))),
                )?
            }
            _ if text.contains('=') => Kind::Part(part(text, span)?),
            _ => name(text, span)?,
        };
        Ok(Block { span, kind })
    }

    fn quorum(&mut self, need: &str, of: &str, span: Span) -> Result<Block, AvailError> {
        let need_span = Span::new(span.start, span.start + need.len());
        let (need, of) = (
            number(need, need_span, "how many are needed")?,
            number(of, Span::new(span.end - of.len(), span.end), "how many there are")?,
        );
        if need > of {
            return Err(AvailError::new(
                span,
                format!("{need} of {of} cannot be: at least 1 and at most all {of} are needed"),
            ));
        }
        self.at += 1;
        let opened = self.span();
        let (blocks, options) = self.inside(|parser| parser.members(opened))?;
        let whole = span.to(self.last());
        if blocks.is_empty() {
            return Err(AvailError::new(whole, format!("of what? write {need}of{of}(db) or {need}of{of}(a, b, …)")));
        }
        if blocks.len() != 1 && blocks.len() != of as usize {
            return Err(AvailError::new(
                whole,
                format!("{} blocks are named, and there are to be {of}; name one for all, or each", blocks.len()),
            ));
        }
        Ok(Block { span: whole, kind: Kind::Quorum(Quorum { need, of, blocks, options }) })
    }

    fn members(&mut self, opened: Span) -> Result<(Vec<Block>, Vec<GroupOption>), AvailError> {
        let (mut blocks, mut options) = (Vec::new(), Vec::<GroupOption>::new());
        loop {
            let span = self.span();
            match self.peek().clone() {
                Word::Sign(')') if blocks.is_empty() && options.is_empty() => {}
                Word::Text(text) if is_option(&text) => {
                    self.at += 1;
                    let said = option(&text, span)?;
                    let key = std::mem::discriminant(&said);
                    if options.iter().any(|known| std::mem::discriminant(&known.said) == key) {
                        return Err(AvailError::new(span, "it is said twice"));
                    }
                    options.push(GroupOption { span, said });
                }
                Word::Text(_) | Word::Sign(_) | Word::End if !options.is_empty() => {
                    return Err(self.wrong("the blocks of a group come before what is said of it"));
                }
                Word::Text(_) | Word::Sign(_) | Word::End => blocks.push(self.parallel()?),
            }
            if !self.eat(',') {
                self.close(opened)?;
                return Ok((blocks, options));
            }
        }
    }
}

/// `2of3` as 2 and 3.
fn quorum_sizes(text: &str) -> Option<(&str, &str)> {
    let (need, of) = text.split_once("of")?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (digits(need) && digits(of)).then_some((need, of))
}

fn number(text: &str, span: Span, what: &str) -> Result<u32, AvailError> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let wrong = || {
        let message = if plain && text.parse::<u32>().is_err() {
            format!("{text} is more than can be worked out; {what} is a whole number from 1")
        } else {
            format!("\"{text}\" is not {what}; it is a whole number from 1")
        };
        AvailError::new(span, message)
    };
    text.parse().ok().filter(|number| *number > 0 && plain).ok_or_else(wrong)
}

fn name(text: &str, span: Span) -> Result<Kind, AvailError> {
    let (name, shared) = match text.split_once('#') {
        None => (text, None),
        Some((name, digits)) => {
            let at = Span::new(span.start + name.len() + 1, span.end);
            (name, Some(number(digits, at, "the number of a shared block, such as auth#1")?))
        }
    };
    if !is_name(name) {
        return Err(AvailError::new(span, format!("\"{text}\" is neither a name nor a component such as 99.9%")));
    }
    Ok(Kind::Name { name: name.to_owned(), shared })
}

const OPTIONS: [&str; 8] = ["beta", "crews", "standby", "active", "detect", "failover", "coverage", "manual"];
const PLANNED: [&str; 3] = ["window", "every", "drain"];
const FIGURES: [&str; 11] =
    ["mtbf", "mttf", "mttr", "fixed", "fails", "repairs", "detect", "failover", "coverage", "manual", "sla"];

/// Whether a text says something of a group, and is no component of it.
fn is_option(text: &str) -> bool {
    text.split_once('=')
        .is_some_and(|(key, _)| !["mtbf", "mttf", "mttr", "sla", "down", "window", "every"].contains(&key))
}

fn option(text: &str, span: Span) -> Result<Said, AvailError> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let at = Span::new(span.end - value.len(), span.end);
    Ok(match key {
        "beta" => Said::Beta(words::share(value, at)?),
        "crews" => Said::Crews(number(value, at, "a number of repair crews")?),
        "active" => Said::Active(number(value, at, "how many do the work")?),
        "standby" => Said::Standby(match value {
            "hot" => Standby::Hot,
            "cold" => Standby::Cold,
            _ => Standby::Warm(words::share(value, at).map_err(|error| {
                AvailError::new(
                    error.span,
                    format!("\"{value}\" is no standby; it is hot, cold, or the share at which spares fail"),
                )
            })?),
        }),
        "detect" => Said::Detect(words::length(value, at)?),
        "failover" => Said::Failover(words::length(value, at)?),
        "coverage" => Said::Coverage(words::share(value, at)?),
        "manual" => Said::Manual(words::length(value, at)?),
        _ => return Err(unknown(key, span, &OPTIONS, "of a group can be said")),
    })
}

fn unknown(key: &str, span: Span, known: &[&str], what: &str) -> AvailError {
    let guess = did_you_mean(key, known.iter().copied());
    AvailError::new(
        Span::new(span.start, span.start + key.len()),
        format!("\"{key}\" is unknown{guess}; {what} {}", known.join(", ")),
    )
}

/// What is said of a component: `sla=99.9%`, `down=4m/month`, `mtbf=720h/mttr=1h`.
fn part(text: &str, span: Span) -> Result<Part, AvailError> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let at = Span::new(span.end - value.len(), span.end);
    match key {
        "sla" => Ok(Part::Sla(words::share(value, at)?)),
        "down" => down(value, at),
        "window" | "every" => planned(text, span).map(|planned| Part::Planned(Box::new(planned))),
        _ => repaired(text, span).map(|repaired| Part::Repaired(Box::new(repaired))),
    }
}

fn down(value: &str, span: Span) -> Result<Part, AvailError> {
    let wrong = |at| AvailError::new(at, "downtime is said per period: down=4m/month, with year, month, week or day");
    let (length, period) = value.split_once('/').ok_or_else(|| wrong(span))?;
    let split = span.start + length.len();
    let length = words::length(length, Span::new(span.start, split))?;
    let period = Period::named(period).ok_or_else(|| wrong(Span::new(split + 1, span.end)))?;
    if length.seconds > period.seconds() {
        let days = if period.days() == 1 { "24 hours".to_owned() } else { format!("{} days", period.days()) };
        return Err(AvailError::new(span, format!("a {} has only {days}", period.name())));
    }
    Ok(Part::Down(length, period))
}

/// `window=2h/every=30d`, and `drain=10m` where it is drained before.
fn planned(text: &str, span: Span) -> Result<Planned, AvailError> {
    let (mut window, mut every, mut drain) = (None, None, None);
    let mut start = span.start;
    for said in text.split('/') {
        let whole = Span::new(start, start + said.len());
        start = whole.end + 1;
        let (key, value) = said.split_once('=').unwrap_or((said, ""));
        let at = Span::new(whole.end - value.len(), whole.end);
        let place = match key {
            "window" => &mut window,
            "every" => &mut every,
            "drain" => &mut drain,
            _ => return Err(unknown(key, whole, &PLANNED, "of maintenance can be said")),
        };
        if place.replace(words::length(value, at)?).is_some() {
            return Err(AvailError::new(whole, format!("{key} is said twice")));
        }
    }
    let wrong = |message: &str| AvailError::new(span, message);
    let window: Length = window.ok_or_else(|| wrong("how long is the maintenance? write window=2h before it"))?;
    let every: Length = every.ok_or_else(|| wrong("how often is the maintenance? write every=30d too"))?;
    let planned = Planned { window, every, drain };
    if planned.every.seconds <= planned.out() {
        return Err(wrong("the next window comes before this one is over; every is from one beginning to the next"));
    }
    Ok(planned)
}

fn repaired(text: &str, span: Span) -> Result<Repaired, AvailError> {
    let (mut mtbf, mut repaired) = (None, Repaired::default());
    let mut start = span.start;
    for said in text.split('/') {
        let whole = Span::new(start, start + said.len());
        start = whole.end + 1;
        let Some((key, value)) = said.split_once('=') else {
            return Err(AvailError::new(
                whole,
                format!("\"{said}\" says nothing; a component is written mtbf=720h/mttr=1h"),
            ));
        };
        let at = Span::new(whole.end - value.len(), whole.end);
        let twice = match key {
            "mtbf" | "mttf" => mtbf.replace(words::length(value, at)?).is_some(),
            "mttr" => repaired.mttr.replace(words::length(value, at)?).is_some(),
            "fails" => repaired.fails.replace(words::spread(value, at)?).is_some(),
            "repairs" => repaired.repairs.replace(words::spread(value, at)?).is_some(),
            "fixed" => repaired.fixed.replace(words::length(value, at)?).is_some(),
            "detect" => repaired.detect.replace(words::length(value, at)?).is_some(),
            "failover" => repaired.failover.replace(words::length(value, at)?).is_some(),
            "coverage" => repaired.coverage.replace(words::share(value, at)?).is_some(),
            "manual" => repaired.manual.replace(words::length(value, at)?).is_some(),
            _ => return Err(unknown(key, whole, &FIGURES, "of a component can be said")),
        };
        if twice {
            return Err(AvailError::new(whole, format!("{key} is said twice")));
        }
    }
    let mtbf: Option<Length> = mtbf;
    repaired.mtbf = mtbf.ok_or_else(|| AvailError::new(span, "how often does it fail? write mtbf=720h before it"))?;
    complete(&repaired, span)?;
    Ok(repaired)
}

/// What is said of a component must make sense together.
fn complete(repaired: &Repaired, span: Span) -> Result<(), AvailError> {
    let wrong = |message: &str| Err(AvailError::new(span, message));
    let Repaired { mtbf, mttr, fixed, fails, repairs, detect, failover, coverage, manual } = repaired;
    let observed = |spread: &Option<Spread>| spread.as_ref().is_some_and(|of| matches!(of.shape(), Shape::Observed(_)));
    if observed(fails) {
        return wrong("times between failures have a law around their mean; only repairs may be observed lengths");
    }
    if repairs.is_some() && (fixed.is_some() || observed(repairs) != mttr.is_none()) {
        return wrong("repairs is how outages are spread around mttr=1h, or lengths that were observed, without mttr");
    }
    if repairs.is_some() && (failover.is_some() || detect.is_some()) {
        return wrong("repairs is of the whole outage; leave out detect and failover");
    }
    if fixed.is_some() && (mttr.is_some() || failover.is_some() || detect.is_some()) {
        return wrong("fixed is the whole outage; say it alone: mtbf=100h/fixed=8h");
    }
    if mtbf.seconds == 0.0 {
        return wrong("something that fails all the time has no time between failures");
    }
    if (coverage.is_some() || manual.is_some()) && failover.is_none() {
        return wrong("coverage and manual are about a failover; write failover=30s too");
    }
    if coverage.as_ref().is_some_and(|share: &Share| share.value().down > 0.0) && manual.is_none() {
        return wrong("how long does it take by hand when the failover does not succeed? write manual=2h too");
    }
    if detect.is_some() && mttr.is_none() && failover.is_none() {
        return wrong("what follows the detection? write mttr=1h or failover=30s too");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let error = Block::parse(text).expect_err(text);
        error.pointed_at("expression", text).to_string()
    }

    #[test]
    fn blocks_print_as_they_are_read() {
        for text in [
            "99.9%",
            "a * b | c * (d | e)",
            "(99.9%)^10",
            "((a * b)^2)^3",
            "2of3(db)",
            "2of3(a * b, c | d, 3of5(e))",
            "2of3(mtbf=720h/mttr=1h, crews=1, standby=cold)",
            "1of2(db, beta=10%, standby=20%, active=1, detect=10s, failover=5s, coverage=99%, manual=1h)",
            "mtbf=100h/fixed=8h",
            "mtbf=30d/mttr=1h/fails=weibull:0.7/repairs=lognormal:1.5",
            "mtbf=30d/repairs=10m:30m:4h",
            "mtbf=30d/mttr=1h/detect=30s/failover=60s/coverage=98%/manual=2h",
            "2of3(window=2h/every=30d) * window=2h/every=30d/drain=10m",
            "down=4m/month * sla=99.95% * auth#1 * worker-2.eu",
        ] {
            let block = Block::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let plain = text.replace("(99.9%)^10", "99.9%^10");
            assert_eq!(block.to_string(), plain);
        }
    }

    #[test]
    fn a_mistake_is_pointed_at() {
        assert_eq!(
            told("a * 120%"),
            "expression:1:5: 120% is above 100%; nothing is up more than always\n  a * 120%\n      ^"
        );
        assert_eq!(
            told("2of3(a, b)"),
            "expression:1:1: 2 blocks are named, and there are to be 3; name one for all, or each\n  2of3(a, b)\n  ^"
        );
        assert_eq!(
            told("mtbf=720h/mttr=-1h"),
            "expression:1:16: -1h is less than no time; a length is not negative\n  mtbf=720h/mttr=-1h\n                 ^"
        );
    }

    #[test]
    fn nonsense_says_what_would_be_right() {
        let cases = [
            ("", "nothing is there"),
            ("   ", "nothing is there"),
            ("a *", "a block is missing at the end"),
            ("* a", "a block is missing before *"),
            ("a b", "between two blocks stands"),
            ("(a", "this parenthesis is not closed"),
            ("a)", "closes nothing"),
            ("(a b)", "is a ) missing?"),
            ("a, b", "only inside a group"),
            ("a^0", "is not how many are in series"),
            ("a^2^3", "needs parentheses"),
            ("a & b", "a * b"),
            ("0of3(a)", "is not how many are needed"),
            ("4of3(a)", "4 of 3 cannot be"),
            ("2of3", "of what?"),
            ("2of3()", "of what?"),
            ("2of3(crews=1)", "of what?"),
            ("2of3(a, crew=1)", "did you mean \"crews\"?"),
            ("2of3(a, crews=1, crews=2)", "said twice"),
            ("2of3(a, crews=0)", "number of repair crews"),
            ("2of3(a, crews=1, b, c)", "come before"),
            ("2of3(a, standby=lukewarm)", "hot, cold"),
            ("mtbf=1h/mtr=1h", "did you mean \"mttr\"?"),
            ("mtbf=1h/mttr=1", "has no unit"),
            ("mttr=1h", "how often does it fail?"),
            ("mtbf=0s/mttr=1h", "no time between failures"),
            ("mtbf=1h/failover=1s/coverage=90%", "by hand"),
            ("mtbf=1h/mttr=1h/coverage=90%", "about a failover"),
            ("mtbf=1h/detect=1s", "what follows"),
            ("down=4m", "per period"),
            ("down=4m/fortnight", "per period"),
            ("window=2h", "write every=30d too"),
            ("every=30d", "write window=2h before"),
            ("window=2h/every=2h", "comes before this one is over"),
            ("window=2h/every=3h/drain=1h", "comes before this one is over"),
            ("window=2h/evry=3d", "did you mean \"every\"?"),
            ("window=2h/every=3d/every=4d", "every is said twice"),
            ("down=25h/day", "a day has only 24 hours"),
            ("auth#x", "number of a shared block"),
            ("99", "is it 99%?"),
            ("-5%", "below nothing"),
            ("a-", "neither a name"),
        ];
        for (text, part) in cases {
            assert!(told(text).contains(part), "{text}: {}", told(text));
        }
        assert!(told(&format!("{}a", "(".repeat(10_000))).contains("inside each other"));
    }
}
