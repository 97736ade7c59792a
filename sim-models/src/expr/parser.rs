//! From words to a tree, by precedence; what is wrong is told with its column and what would be right.

use thiserror::Error;

use super::ast::{COMPARISON, Expr, Kind, Literal, Name, Op, UNARY};
use super::lexer::{Token, tokens};
use crate::problem::Span;
use crate::value::Value;

/// What numbers are at a place of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Whole numbers of 64 bits: steps, stores, and whatever decides.
    Integers,
    /// Floating: metrics, with `/` and decimals.
    Floats,
}

/// What is wrong with a text that should be an expression.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("column {}: {message}", span.start + 1)]
pub struct ExprError {
    /// Where in the text.
    pub span: Span,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// Parentheses and signs inside each other; deeper is not written by people, and would exhaust the stack.
const DEPTH_MAX: usize = 48;
/// Parts of one expression, for the same reason: a long sum is a deep tree.
const PARTS_MAX: usize = 400;

const BINARY: [Op; 13] = [
    Op::Or,
    Op::And,
    Op::Equal,
    Op::NotEqual,
    Op::Less,
    Op::LessOrEqual,
    Op::Greater,
    Op::GreaterOrEqual,
    Op::Add,
    Op::Subtract,
    Op::Multiply,
    Op::Divide,
    Op::Remainder,
];

impl Expr {
    /// Reads an expression.
    pub fn parse(text: &str, arithmetic: Arithmetic) -> Result<Expr, ExprError> {
        Expr::parse_at(text, 0, arithmetic)
    }

    /// Reads an expression that is part of a longer text, `base` bytes in: all spans are places of the longer one.
    pub fn parse_at(text: &str, base: usize, arithmetic: Arithmetic) -> Result<Expr, ExprError> {
        let tokens = tokens(text, base)?;
        let mut parser = Parser { tokens, next: 0, arithmetic, depth: 0, parts: 0 };
        let expr = parser.binary(1)?;
        match parser.peek() {
            Token::End => Ok(expr),
            _ => Err(parser.unexpected("an operator, such as \"&&\" or \"+\"")),
        }
    }
}

struct Parser {
    tokens: Vec<(Token, Span)>,
    next: usize,
    arithmetic: Arithmetic,
    depth: usize,
    parts: usize,
}

type Parsed = Result<Expr, ExprError>;

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].0
    }

    fn span(&self) -> Span {
        self.tokens[self.next].1
    }

    /// Takes a word; the end stays, however often it is taken.
    fn take(&mut self) -> (Token, Span) {
        let taken = self.tokens[self.next].clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        taken
    }

    fn accept(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(next) if *next == symbol);
        if found {
            self.take();
        }
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<Span, ExprError> {
        let span = self.span();
        if self.accept(symbol) { Ok(span) } else { Err(self.unexpected(&format!("\"{symbol}\""))) }
    }

    fn error(&self, span: Span, message: impl Into<String>) -> ExprError {
        ExprError { span, message: message.into() }
    }

    fn unexpected(&self, wanted: &str) -> ExprError {
        let hint = match self.peek() {
            Token::Word(word) => match word.as_str() {
                "and" => "; for and, write \"&&\"",
                "or" => "; for or, write \"||\"",
                _ => "",
            },
            _ => "",
        };
        self.error(self.span(), format!("here should be {wanted}, not {}{hint}", self.shown()))
    }

    fn shown(&self) -> String {
        match self.peek() {
            Token::Int(number) => number.to_string(),
            Token::Decimal(number) => number.to_string(),
            Token::Duration(length) => length.to_string(),
            Token::Ratio(ratio) => ratio.to_string(),
            Token::Text(text) => format!("'{text}'"),
            Token::Word(word) => format!("\"{word}\""),
            Token::Local(name) => format!("\"${name}\""),
            Token::Symbol(symbol) => format!("\"{symbol}\""),
            Token::End => "the end".to_owned(),
        }
    }

    fn made(&mut self, span: Span, kind: Kind<Name>) -> Parsed {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(
                self.error(span, format!("an expression has at most {PARTS_MAX} parts; split it over two metrics"))
            );
        }
        Ok(Expr { span, kind })
    }

    fn deeper(&mut self, inner: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.depth == DEPTH_MAX {
            return Err(self.error(self.span(), format!("at most {DEPTH_MAX} parentheses and signs inside each other")));
        }
        self.depth += 1;
        let expr = inner(self);
        self.depth -= 1;
        expr
    }

    /// Everything joined by operators that bind at least as tightly as `strength`.
    fn binary(&mut self, strength: u8) -> Parsed {
        let mut left = self.unary()?;
        while let Some(op) = self.operator().filter(|op| op.strength() >= strength) {
            let (_, at) = self.take();
            self.check_divide(op, at)?;
            let right = self.binary(op.strength() + 1)?;
            self.check_chain(op)?;
            let span = left.span.to(right.span);
            left = self.made(span, Kind::Binary(op, Box::new([left, right])))?;
        }
        Ok(left)
    }

    fn operator(&self) -> Option<Op> {
        match self.peek() {
            Token::Symbol(symbol) => BINARY.iter().copied().find(|op| op.text() == *symbol),
            _ => None,
        }
    }

    fn check_divide(&self, op: Op, at: Span) -> Result<(), ExprError> {
        match (op, self.arithmetic) {
            (Op::Divide, Arithmetic::Integers) => {
                Err(self.error(at, "\"/\" is only for metrics; a ratio is written \"0.1%\", a multiple \"*\""))
            }
            _ => Ok(()),
        }
    }

    fn check_chain(&self, op: Op) -> Result<(), ExprError> {
        match self.operator() {
            Some(next) if op.strength() == COMPARISON && next.strength() == COMPARISON => {
                Err(self.error(self.span(), "comparisons do not chain; write \"a < b && b < c\""))
            }
            _ => Ok(()),
        }
    }

    fn unary(&mut self) -> Parsed {
        let start = self.span();
        if self.accept("!") {
            let inner = self.deeper(|parser| parser.binary(UNARY))?;
            return self.made(start.to(inner.span), Kind::Not(Box::new(inner)));
        }
        if !self.accept("-") {
            return self.atom();
        }
        if *self.peek() == Token::Int(1 << 63) {
            let (_, end) = self.take();
            return self.made(start.to(end), Kind::Literal(Literal::Int(i64::MIN)));
        }
        let inner = self.deeper(|parser| parser.binary(UNARY))?;
        self.made(start.to(inner.span), Kind::Negate(Box::new(inner)))
    }

    fn atom(&mut self) -> Parsed {
        let wanted = "a value, such as a name, a number or 'text'";
        let span = self.span();
        match self.peek() {
            Token::Symbol("(") => self.parentheses(),
            Token::Symbol(_) | Token::End => Err(self.unexpected(wanted)),
            Token::Word(_) => self.word(),
            Token::Local(_) => self.local(),
            Token::Int(_) | Token::Decimal(_) | Token::Duration(_) | Token::Ratio(_) | Token::Text(_) => {
                let literal = self.literal()?;
                self.made(span, Kind::Literal(literal))
            }
        }
    }

    fn parentheses(&mut self) -> Parsed {
        self.expect("(")?;
        let inner = self.deeper(|parser| parser.binary(1))?;
        self.expect(")")?;
        Ok(inner)
    }

    fn literal(&mut self) -> Result<Literal, ExprError> {
        let (token, span) = self.take();
        match token {
            Token::Int(number) => i64::try_from(number)
                .map(Literal::Int)
                .map_err(|_| self.error(span, format!("{number} does not fit 64 bits; the largest is {}", i64::MAX))),
            Token::Decimal(_) if self.arithmetic == Arithmetic::Integers => {
                Err(self.error(span, "decimals are only for metrics; whatever decides is a whole number"))
            }
            Token::Decimal(number) => Ok(Literal::Decimal(number)),
            Token::Duration(length) if i64::try_from(length.nanos()).is_err() => {
                Err(self.error(span, format!("{length} is longer than 292 years, and does not fit 64 bits")))
            }
            Token::Duration(length) => Ok(Literal::Duration(length)),
            Token::Ratio(ratio) => Ok(Literal::Ratio(ratio)),
            Token::Text(text) => Ok(Literal::Text(text.into())),
            Token::Word(_) | Token::Local(_) | Token::Symbol(_) | Token::End => Ok(Literal::Null),
        }
    }

    /// `$order`, `$left.version`.
    fn local(&mut self) -> Parsed {
        let (token, start) = self.take();
        let Token::Local(name) = token else { return Err(self.unexpected("a name")) };
        if !self.accept(".") {
            return self.made(start, Kind::Name(Name::Local(name)));
        }
        let end = self.span();
        match self.name("\"version\"")?.as_str() {
            "version" => self.made(start.to(end), Kind::Name(Name::LocalVersion(name))),
            part => Err(self.error(end, format!("\"${name}\" has no \"{part}\"; it has \"version\""))),
        }
    }

    fn name(&mut self, wanted: &str) -> Result<String, ExprError> {
        match self.peek() {
            Token::Word(_) => match self.take().0 {
                Token::Word(word) => Ok(word),
                _ => Err(self.unexpected(wanted)),
            },
            _ => Err(self.unexpected(wanted)),
        }
    }

    /// `null`, `count(…)`, `orders.status[$order]`, `shop->gateway.retries`, `charged`.
    fn word(&mut self) -> Parsed {
        let start = self.span();
        let word = self.name("a name")?;
        let literal = match word.as_str() {
            "null" => Some(Literal::Null),
            "true" => Some(Literal::Bool(true)),
            "false" => Some(Literal::Bool(false)),
            _ => None,
        };
        match (literal, self.peek()) {
            (Some(literal), _) => self.made(start, Kind::Literal(literal)),
            (None, Token::Symbol("(")) => self.function(&word, start),
            (None, Token::Symbol("->")) => self.edge(word, start),
            (None, _) => self.dotted(word, start),
        }
    }

    fn function(&mut self, name: &str, start: Span) -> Parsed {
        self.expect("(")?;
        let kind = match name {
            "count" => Kind::Name(Name::Count(Box::new(self.deeper(|parser| parser.binary(1))?))),
            "total" => Kind::Name(Name::Total(self.name("a fact")?)),
            "min" => self.pair(Op::Min)?,
            "max" => self.pair(Op::Max)?,
            _ => {
                return Err(self.error(start, format!("no function \"{name}\"; there are count, total, min and max")));
            }
        };
        let end = self.expect(")")?;
        self.made(start.to(end), kind)
    }

    fn pair(&mut self, op: Op) -> Result<Kind<Name>, ExprError> {
        let left = self.deeper(|parser| parser.binary(1))?;
        self.expect(",")?;
        let right = self.deeper(|parser| parser.binary(1))?;
        Ok(Kind::Binary(op, Box::new([left, right])))
    }

    fn edge(&mut self, from: String, start: Span) -> Parsed {
        self.expect("->")?;
        let to = self.name("the node that is called")?;
        self.expect(".")?;
        let end = self.span();
        let counter = self.name("a counter, such as \"retries\"")?;
        self.made(start.to(end), Kind::Name(Name::Edge { from, to, counter }))
    }

    fn dotted(&mut self, first: String, start: Span) -> Parsed {
        let mut end = start;
        let mut second = None;
        if self.accept(".") {
            end = self.span();
            second = Some(self.name("a name")?);
        }
        if self.accept("[") {
            let key = self.deeper(|parser| parser.binary(1))?;
            self.refuse_number_as_text(&key)?;
            let end = self.expect("]")?;
            let map = match second {
                Some(map) => Name::Map { node: Some(first), map },
                None => Name::Map { node: None, map: first },
            };
            return self.made(start.to(end), Kind::Cell(map, Box::new(key)));
        }
        let name = match second {
            Some(second) => Name::Dotted(first, second),
            None => Name::Plain(first),
        };
        self.made(start.to(end), Kind::Name(name))
    }

    /// A key of the file that reads as a number is one, so the cell of the text would be another that nothing fills.
    fn refuse_number_as_text(&self, key: &Expr) -> Result<(), ExprError> {
        let Kind::Literal(Literal::Text(text)) = &key.kind else { return Ok(()) };
        match Value::of_word(text) {
            Value::Int(number) => {
                Err(self.error(key.span, format!("a key that is a whole number is written [{number}]")))
            }
            Value::Null | Value::Text(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, arithmetic: Arithmetic, expected: &str) {
        let found = Expr::parse(text, arithmetic).map_or_else(|error| error.to_string(), |expr| expr.to_string());
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn what_scenarios_write_is_read() {
        for text in [
            "value >= 1",
            "orders.status[$order] != 'PAID' || charged >= 1",
            "count(saw_nothing > 0) / visitor.requests",
            "api->recommendations.breaker == 'open'",
            "(1 - user.availability) * 8760",
            "goodput_after >= 0.95 * goodput_before",
            "version == $left.version",
            "max(0, sold - 100)",
            "inventory.stock['lamp'] + total(sold)",
            "completed.first - requested.first",
            "$version == 'v2' && ('on' == 'on' || now >= 300s)",
            "lease['it\\'s'] == $request",
            "-9223372036854775808",
            "lost > 0.5%",
            "!(a == b) == (c < d)",
        ] {
            check(text, Arithmetic::Floats, text);
        }
        check("33333333366666661.36", Arithmetic::Floats, "33333333366666660.0");
        check("0.00000000001 + 2.0", Arithmetic::Floats, "0.00000000001 + 2.0");
        let endless = format!("{}.0", "9".repeat(400));
        check(&endless, Arithmetic::Floats, &format!("column 1: {endless} is no number of 64 bits"));
        check("a-b - -  3", Arithmetic::Integers, "a - b - -3");
        check("a - (b - c)", Arithmetic::Integers, "a - (b - c)");
        check("((a)) + (b * c)", Arithmetic::Integers, "a + b * c");
        check("10%3 + 10 % $x", Arithmetic::Integers, "10 % 3 + 10 % $x");
        check("10% < x", Arithmetic::Integers, "10% < x");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_column_and_what_would_be_right() {
        let table = [
            ("a = b", "column 3: unexpected =: is it equal? write \"==\""),
            ("a == \"b\"", "column 6: unexpected \": text is written 'text', in single quotes"),
            (
                "a and b",
                "column 3: here should be an operator, such as \"&&\" or \"+\", not \"and\"; for and, write \"&&\"",
            ),
            ("a == PAID", "column 6: \"PAID\" is no name (lower case letters, digits and _); text is written 'PAID'"),
            ("a / b", "column 3: \"/\" is only for metrics; a ratio is written \"0.1%\", a multiple \"*\""),
            ("a > 0.95", "column 5: decimals are only for metrics; whatever decides is a whole number"),
            ("a < b < c", "column 7: comparisons do not chain; write \"a < b && b < c\""),
            ("sum(a)", "column 1: no function \"sum\"; there are count, total, min and max"),
            ("$a.first", "column 4: \"$a\" has no \"first\"; it has \"version\""),
            ("(a", "column 3: here should be \")\", not the end"),
            ("", "column 1: here should be a value, such as a name, a number or 'text', not the end"),
            ("'abc", "column 1: the text has no end; close it with '"),
            ("age > 30", "age > 30"),
            (
                "age > 30x",
                "column 7: \"30x\" is not a duration; write a number and a unit, such as \"250ms\" or \"1.5s\"",
            ),
            (
                "9223372036854775808",
                "column 1: 9223372036854775808 does not fit 64 bits; the largest is 9223372036854775807",
            ),
            ("a.b.c", "column 4: here should be an operator, such as \"&&\" or \"+\", not \".\""),
            ("$Order", "column 1: after \"$\" comes a name, such as \"$order\""),
        ];
        for (text, message) in table {
            check(text, Arithmetic::Integers, message);
        }
    }

    #[test]
    fn neither_depth_nor_length_exhausts_the_stack() {
        for text in ["(".repeat(5000), "!".repeat(5000), "-".repeat(5000), "a[".repeat(5000), "a + ".repeat(5000) + "a"]
        {
            let message = Expr::parse(&text, Arithmetic::Integers).unwrap_err().message;
            assert!(message.contains("at most"), "{message}");
        }
    }

    #[test]
    fn a_key_that_is_a_number_is_not_written_as_text() {
        let error = Expr::parse("stock.left['1'] > 0", Arithmetic::Integers).unwrap_err();
        assert_eq!(error.to_string(), "column 12: a key that is a whole number is written [1]");
        assert!(Expr::parse("stock.left['01'] > 0 && stock.left['a'] > 0", Arithmetic::Integers).is_ok());
    }

    /// The expression without its places, so that two can be compared.
    fn bare(expr: &Expr) -> Expr {
        let kind = match &expr.kind {
            Kind::Literal(literal) => Kind::Literal(literal.clone()),
            Kind::Name(Name::Count(inner)) => Kind::Name(Name::Count(Box::new(bare(inner)))),
            Kind::Name(name) => Kind::Name(name.clone()),
            Kind::Cell(map, key) => Kind::Cell(map.clone(), Box::new(bare(key))),
            Kind::Not(inner) => Kind::Not(Box::new(bare(inner))),
            Kind::Negate(inner) => Kind::Negate(Box::new(bare(inner))),
            Kind::Binary(op, sides) => Kind::Binary(*op, Box::new([bare(&sides[0]), bare(&sides[1])])),
        };
        Expr { span: Span::default(), kind }
    }

    fn word() -> impl Strategy<Value = String> {
        "[a-z][a-z0-9_]{0,3}"
            .prop_filter("words of the language", |word| !matches!(&word[..], "null" | "true" | "false"))
    }

    fn literal() -> impl Strategy<Value = Literal> {
        prop_oneof![
            Just(Literal::Null),
            any::<bool>().prop_map(Literal::Bool),
            (0..=i64::MAX).prop_map(Literal::Int),
            (0..=i64::MAX as u64).prop_map(|n| Literal::Duration(sim_core::Duration::from_nanos(n))),
            (0..=1000u64).prop_map(|n| Literal::Ratio(sim_core::Ratio::new(n, 1000).unwrap())),
            (0..1_000_000_u32).prop_map(|n| Literal::Decimal(f64::from(n) / 100.0)),
            ".{0,5}"
                .prop_filter("numbers as keys", |text| Value::of_word(text).as_text().is_some())
                .prop_map(|text| Literal::Text(text.into())),
        ]
    }

    fn name() -> impl Strategy<Value = Name> {
        prop_oneof![
            word().prop_map(Name::Local),
            word().prop_map(Name::LocalVersion),
            word().prop_map(Name::Plain),
            (word(), word()).prop_map(|(name, part)| Name::Dotted(name, part)),
            (word(), word(), word()).prop_map(|(from, to, counter)| Name::Edge { from, to, counter }),
            word().prop_map(Name::Total),
        ]
    }

    fn expr() -> impl Strategy<Value = Expr> {
        let made = |kind| Expr { span: Span::default(), kind };
        let leaf = prop_oneof![literal().prop_map(Kind::Literal), name().prop_map(Kind::Name)].prop_map(made);
        leaf.prop_recursive(5, 24, 2, move |inner| {
            let map = (proptest::option::of(word()), word()).prop_map(|(node, map)| Name::Map { node, map });
            let op = proptest::sample::select([&BINARY[..], &[Op::Min, Op::Max]].concat());
            prop_oneof![
                inner.clone().prop_map(|inner| Kind::Not(Box::new(inner))),
                inner.clone().prop_map(|inner| Kind::Negate(Box::new(inner))),
                inner.clone().prop_map(|inner| Kind::Name(Name::Count(Box::new(inner)))),
                (map, inner.clone()).prop_map(|(map, key)| Kind::Cell(map, Box::new(key))),
                (op, inner.clone(), inner).prop_map(|(op, a, b)| Kind::Binary(op, Box::new([a, b]))),
            ]
            .prop_map(made)
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(expr in expr()) {
            let read = Expr::parse(&expr.to_string(), Arithmetic::Floats);
            prop_assert_eq!(read.map(|read| bare(&read)), Ok(expr));
        }

        #[test]
        fn no_text_panics(text in ".*", likely in "[a-z0-9_$.' ()\\[\\]<>=!&|+*/%-]{0,40}") {
            for text in [text, likely] {
                let _ = Expr::parse(&text, Arithmetic::Integers);
                let _ = Expr::parse(&text, Arithmetic::Floats);
            }
        }
    }
}
