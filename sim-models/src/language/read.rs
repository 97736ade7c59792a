//! What single values of a scenario mean: durations, paths, stored values, distributions. The checker and the lowering pass
//! read them by the same functions, so that they cannot disagree.

use sim_core::{Dist, DistError, Duration, Instant, Ratio};

use super::rate::Rate;
use crate::expr::{Arithmetic, Expr, ExprError, Kind, Name, is_name};
use crate::json::{Json, JsonValue, Span};
use crate::value::Value;

/// Why a value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The value that is wrong.
    pub span: Span,
    /// The stretch of its text, when only that is wrong.
    pub inside: Option<Span>,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// What a field that takes a stored value says.
#[derive(Clone, Debug, PartialEq)]
pub enum Formula {
    /// `10`, `"PAID"`, `null`
    Literal(Value),
    /// `"$order/$try"`: text with values filled in.
    Filled(Vec<Piece>),
    /// `"$order"`, `"= value - 1"`
    Expr(Expr),
}

/// A piece of a text that is filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it is.
    Text(String),
    /// The value of `$name`.
    Local(String, Span),
    /// The value of `$name.version`.
    LocalVersion(String, Span),
}

/// One cell of a map, or all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The map.
    pub map: MapName,
    /// The key; `None` for all.
    pub key: Option<Expr>,
}

/// A map of a store, or one of the node's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MapName {
    /// The store; `None` for the node that runs the step.
    pub node: Option<String>,
    /// The map.
    pub map: String,
}

type Read<T> = Result<T, Wrong>;

impl Wrong {
    fn at(json: &Json, message: impl Into<String>) -> Self {
        Wrong { span: json.span, inside: None, message: message.into() }
    }

    fn no(json: &Json, wanted: &str) -> Self {
        Wrong::at(json, format!("here should be {wanted}, not {}", shown(json)))
    }

    fn inside(json: &Json, error: ExprError) -> Self {
        Wrong { span: json.span, inside: Some(error.span), message: error.message }
    }
}

/// A value as a message shows it: short.
pub(crate) fn shown(json: &Json) -> String {
    match &json.value {
        JsonValue::List(items) if items.is_empty() => "an empty list".to_owned(),
        JsonValue::List(_) => "a list".to_owned(),
        JsonValue::Object(_) => "an object".to_owned(),
        _ => json.to_string(),
    }
}

/// Any text.
pub(super) fn text(json: &Json) -> Read<&str> {
    json.as_text().ok_or_else(|| Wrong::no(json, "text"))
}

/// `[a-z][a-z0-9_]*`
pub(super) fn name(json: &Json) -> Read<&str> {
    let name = text(json)?;
    if is_name(name) { Ok(name) } else { Err(Wrong::at(json, no_name(name))) }
}

pub(crate) fn no_name(text: &str) -> String {
    format!("\"{text}\" is no name; a name is a lower case letter, then lower case letters, digits and _")
}

/// `true` or `false`
pub(super) fn bool(json: &Json) -> Read<bool> {
    match json.value {
        JsonValue::Bool(truth) => Ok(truth),
        _ => Err(Wrong::no(json, "true or false")),
    }
}

/// A whole number.
pub(super) fn int(json: &Json) -> Read<i64> {
    match json.value {
        JsonValue::Int(number) => Ok(number),
        _ => Err(Wrong::no(json, "a whole number")),
    }
}

/// Any number.
pub(super) fn float(json: &Json) -> Read<f64> {
    match json.value {
        JsonValue::Int(number) => Ok(number as f64),
        JsonValue::Float { value, .. } => Ok(value),
        _ => Err(Wrong::no(json, "a number")),
    }
}

/// A text that something else can read. A bare number goes the same way, so that it is told which unit it lacks.
fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(json: &Json, wanted: &str) -> Read<T> {
    match &json.value {
        JsonValue::Text(text) => text.parse().map_err(|error: T::Err| Wrong::at(json, error.to_string())),
        JsonValue::Int(_) | JsonValue::Float { .. } => {
            json.to_string().parse().map_err(|error: T::Err| Wrong::at(json, error.to_string()))
        }
        _ => Err(Wrong::no(json, wanted)),
    }
}

/// `"250ms"`
pub(super) fn duration(json: &Json) -> Read<Duration> {
    parsed(json, "a length of time, such as \"250ms\"")
}

/// `"0.1%"`
pub(super) fn ratio(json: &Json) -> Read<Ratio> {
    parsed(json, "a ratio, such as \"0.1%\"")
}

/// `"10/s"`
pub(super) fn rate(json: &Json) -> Read<Rate> {
    parsed(json, "a rate, such as \"10/s\"")
}

/// `"60s..75s"`: from the first instant on, up to the second and not at it.
pub(super) fn duration_range(json: &Json) -> Read<(Instant, Instant)> {
    let wrong = || Wrong::no(json, "a range of time, such as \"60s..75s\"");
    let (from, to) = text(json)?.split_once("..").ok_or_else(wrong)?;
    let instant = |text: &str| text.trim().parse::<Instant>().map_err(|error| Wrong::at(json, error.to_string()));
    ordered(json, instant(from)?, instant(to)?)
}

/// `"1..3"`, both included, or just `2`.
pub(super) fn int_range(json: &Json) -> Read<(u64, u64)> {
    let wrong = || Wrong::no(json, "a range, such as \"1..3\"");
    if let JsonValue::Int(number) = json.value {
        return u64::try_from(number).map(|number| (number, number)).map_err(|_| wrong());
    }
    let (from, to) = json.as_text().and_then(|text| text.split_once("..")).ok_or_else(wrong)?;
    let int = |text: &str| text.trim().parse().map_err(|_| wrong());
    ordered(json, int(from)?, int(to)?)
}

fn ordered<T: PartialOrd>(json: &Json, from: T, to: T) -> Read<(T, T)> {
    if from <= to {
        Ok((from, to))
    } else {
        Err(Wrong::at(json, format!("{json} goes backwards; the smaller comes first")))
    }
}

/// A condition or a formula; a bare number is one too. Its spans are places of the text.
pub(super) fn expr(json: &Json, arithmetic: Arithmetic) -> Read<Expr> {
    let text = match &json.value {
        JsonValue::Text(text) => text.clone(),
        JsonValue::Int(_) | JsonValue::Float { .. } | JsonValue::Bool(_) => json.to_string(),
        _ => return Err(Wrong::no(json, "an expression, such as \"value >= 1\"")),
    };
    Expr::parse(&text, arithmetic).map_err(|error| Wrong::inside(json, error))
}

/// One counter or gauge: `"db.calls"`, `"shop->gateway.retries"`.
pub(super) fn counter(json: &Json) -> Read<Name> {
    match expr(json, Arithmetic::Floats)?.kind {
        Kind::Name(name @ (Name::Dotted(..) | Name::Edge { .. })) => Ok(name),
        _ => Err(Wrong::no(json, "one counter, such as \"db.calls\" or \"shop->gateway.retries\"")),
    }
}

/// `"gateway.charge"`: a node and one of its endpoints.
pub(super) fn target(json: &Json) -> Read<(&str, &str)> {
    let named = text(json)?.split_once('.').filter(|(node, endpoint)| is_name(node) && is_name(endpoint));
    named.ok_or_else(|| Wrong::no(json, "a node and its endpoint, such as \"gateway.charge\""))
}

/// `"orders.status"`, or `"status"` for one of the node's own.
pub(super) fn map(json: &Json) -> Read<MapName> {
    let text = text(json)?;
    let (node, map) = text.split_once('.').map_or((None, text), |(node, map)| (Some(node), map));
    if !is_name(map) || !node.is_none_or(is_name) {
        return Err(Wrong::no(json, "a map, such as \"orders.status\" or, of this node, \"status\""));
    }
    Ok(MapName { node: node.map(str::to_owned), map: map.to_owned() })
}

/// `"orders.status[$order]"`, or `"orders.status[*]"` for all of the map.
pub(super) fn cells(json: &Json) -> Read<Cell> {
    let text = text(json)?;
    if let Some(map_text) = text.strip_suffix("[*]") {
        let map_json = Json { span: json.span, value: JsonValue::Text(map_text.to_owned()) };
        return Ok(Cell { map: map(&map_json)?, key: None });
    }
    let wrong = || Wrong::no(json, "a cell, such as \"orders.status[$order]\" or \"inventory.stock['book']\"");
    if !text.contains('[') {
        return Err(wrong());
    }
    match Expr::parse(text, Arithmetic::Integers).map_err(|error| Wrong::inside(json, error))?.kind {
        Kind::Cell(Name::Map { node, map }, key) => Ok(Cell { map: MapName { node, map }, key: Some(*key) }),
        _ => Err(wrong()),
    }
}

/// One cell: `"orders.status[$order]"`.
pub(super) fn cell(json: &Json) -> Read<(MapName, Expr)> {
    match cells(json)? {
        Cell { map, key: Some(key) } => Ok((map, key)),
        Cell { key: None, .. } => {
            Err(Wrong::at(json, "only \"read\" takes a whole map; name one key, or use \"for_each\""))
        }
    }
}

/// `10` or `"PAID"`, as it is; `null` is absent.
pub(super) fn literal(json: &Json) -> Read<Value> {
    match &json.value {
        JsonValue::Null => Ok(Value::Null),
        JsonValue::Int(number) => Ok(Value::Int(*number)),
        JsonValue::Text(text) => Ok(Value::from(text.as_str())),
        _ => Err(Wrong::no(json, "a stored value: a whole number, text or null")),
    }
}

/// A stored value, or how to come by one.
pub(super) fn formula(json: &Json) -> Read<Formula> {
    let Some(text) = json.as_text() else { return literal(json).map(Formula::Literal) };
    if let Some(formula) = text.strip_prefix('=') {
        let expr = Expr::parse_at(formula, 1, Arithmetic::Integers);
        return expr.map(Formula::Expr).map_err(|error| Wrong::inside(json, error));
    }
    let mut pieces = pieces(text);
    match pieces.as_slice() {
        [] => Ok(Formula::Literal(Value::from(""))),
        [Piece::Text(_)] => Ok(Formula::Literal(Value::from(text))),
        [_] => Ok(Formula::Expr(alone(pieces.remove(0)))),
        _ => Ok(Formula::Filled(pieces)),
    }
}

fn alone(piece: Piece) -> Expr {
    let (name, span) = match piece {
        Piece::Local(name, span) => (Name::Local(name), span),
        Piece::LocalVersion(name, span) => (Name::LocalVersion(name), span),
        Piece::Text(text) => (Name::Plain(text), Span::default()),
    };
    Expr { span, kind: Kind::Name(name) }
}

/// The text cut at its `$name`s. A `$` without a name behind it is text.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some(found) = text[at..].find('$') {
        let start = at + found;
        let rest = &text[start + 1..];
        let length =
            rest.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')).unwrap_or(rest.len());
        at = start + 1;
        if !is_name(&rest[..length]) {
            continue;
        }
        if start > from {
            pieces.push(Piece::Text(text[from..start].to_owned()));
        }
        let name = rest[..length].to_owned();
        let version =
            rest[length..].strip_prefix(".version").is_some_and(|end| !end.starts_with(|c: char| c.is_alphanumeric()));
        at += length + if version { ".version".len() } else { 0 };
        let span = Span::new(start, at);
        pieces.push(if version { Piece::LocalVersion(name, span) } else { Piece::Local(name, span) });
        from = at;
    }
    if from < text.len() {
        pieces.push(Piece::Text(text[from..].to_owned()));
    }
    pieces
}

/// A length of time, fixed or drawn.
pub(super) fn dist(json: &Json) -> Read<Dist> {
    let wrong = |error: DistError| Wrong::at(json, error.to_string());
    let JsonValue::Object(members) = &json.value else { return duration(json).map(Dist::Constant) };
    let Some((kind, inner)) = members.iter().find(|(key, _)| super::grammar::DIST.verb(&key.name).is_some()) else {
        return Err(Wrong::no(json, "uniform, exponential, lognormal, pareto, table or mix"));
    };
    match (kind.name.as_str(), &inner.value) {
        ("uniform", JsonValue::List(ends)) if ends.len() == 2 => {
            Dist::uniform(duration(&ends[0])?, duration(&ends[1])?).map_err(wrong)
        }
        ("exponential", _) => duration(inner).map(Dist::Exponential),
        ("lognormal", _) => lognormal(inner),
        ("pareto", _) => pareto(inner),
        ("table", _) => Dist::table(shares(inner, duration)?).map_err(wrong),
        ("mix", _) => Dist::mix(shares(inner, dist)?).map_err(wrong),
        _ => Err(Wrong::no(inner, "a pair [from, to], such as [\"1ms\", \"5ms\"]")),
    }
}

fn lognormal(json: &Json) -> Read<Dist> {
    let wrong = |error: DistError| Wrong::at(json, error.to_string());
    match (json.get("median"), json.get("sigma"), json.get("p50"), json.get("p99")) {
        (Some(median), Some(sigma), None, None) => Dist::log_normal(duration(median)?, float(sigma)?).map_err(wrong),
        (None, None, Some(p50), Some(p99)) => {
            let percent = |n| Ratio::new(n, 100).unwrap_or_default();
            Dist::log_normal_through((percent(50), duration(p50)?), (percent(99), duration(p99)?)).map_err(wrong)
        }
        _ => Err(Wrong::at(json, "a lognormal has either \"median\" and \"sigma\" or \"p50\" and \"p99\"")),
    }
}

fn pareto(json: &Json) -> Read<Dist> {
    match (json.get("min"), json.get("alpha")) {
        (Some(min), Some(alpha)) => {
            Dist::pareto(duration(min)?, float(alpha)?).map_err(|error| Wrong::at(json, error.to_string()))
        }
        _ => Err(Wrong::at(json, "a pareto has \"min\" and \"alpha\"")),
    }
}

fn shares<T>(json: &Json, read: fn(&Json) -> Read<T>) -> Read<Vec<(Ratio, T)>> {
    let share = |name: &str| name.parse::<Ratio>().map_err(|error| Wrong::at(json, error.to_string()));
    json.members().iter().map(|(key, value)| Ok((share(&key.name)?, read(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn check<T: std::fmt::Debug>(read: impl Fn(&Json) -> Read<T>, text: &str, expected: &str) {
        let json = json::parse(text).unwrap();
        let found = read(&json).map_or_else(|wrong| wrong.message, |value| format!("{value:?}"));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn distributions_are_read_or_told_what_they_lack() {
        check(dist, r#""5ms""#, "Constant(Duration(5000000))");
        check(dist, r#"{"uniform": ["1ms", "2ms"]}"#, "Uniform(Duration(1000000), Duration(2000000))");
        check(
            dist,
            r#"{"lognormal": {"median": "1s", "sigma": 0.8}}"#,
            "LogNormal { median: Duration(1000000000), sigma: 0.8 }",
        );
        check(
            dist,
            r#"{"lognormal": {"median": "1s", "p99": "2s"}}"#,
            "a lognormal has either \"median\" and \"sigma\" or \"p50\" and \"p99\"",
        );
        check(dist, r#"{"pareto": {"min": "667ms", "alpha": 3}}"#, "Pareto { min: Duration(667000000), alpha: 3.0 }");
        let bad = "a Pareto has a shortest time above zero, and its alpha is a number above 0";
        check(dist, r#"{"pareto": {"min": "0s", "alpha": 3}}"#, bad);
        check(dist, r#"{"pareto": {"min": "1s", "alpha": 0}}"#, bad);
        check(dist, r#"{"pareto": {"min": "1s"}}"#, "a pareto has \"min\" and \"alpha\"");
        check(
            dist,
            r#"{"uniform": ["2ms", "1ms"]}"#,
            "a uniform distribution goes from the shorter to the longer; 2ms is longer than 1ms",
        );
        check(dist, r#"{"mix": {"99%": "1ms"}}"#, "the shares of a mix add up to 100%");
        assert!(dist(&json::parse(r#"{"lognormal": {"p50": "80ms", "p99": "1s"}}"#).unwrap()).is_ok());
        assert!(dist(&json::parse(r#"{"table": {"50%": "10ms", "100%": "2s"}}"#).unwrap()).is_ok());
    }

    #[test]
    fn a_stored_value_is_literal_filled_in_or_computed() {
        let check = |text: &str, expected: &str| {
            let json = Json { span: Span::default(), value: JsonValue::Text(text.to_owned()) };
            let piece = |piece: &Piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Local(name, _) => format!("<{name}>"),
                Piece::LocalVersion(name, _) => format!("<{name}.version>"),
            };
            let found = match formula(&json).unwrap() {
                Formula::Literal(value) => format!("literal {value}"),
                Formula::Filled(pieces) => format!("filled {}", pieces.iter().map(piece).collect::<String>()),
                Formula::Expr(expr) => format!("expr {expr}"),
            };
            assert_eq!(found, expected, "{text}");
        };
        check("PAID", "literal PAID");
        check("", "literal ");
        check("5 $", "literal 5 $");
        check("$order", "expr $order");
        check("$left.version", "expr $left.version");
        check("$order/$try", "filled <order>/<try>");
        check("v$left.version.", "filled v<left.version>.");
        check("$left.pdf", "filled <left>.pdf");
        check("= value - 1", "expr value - 1");
    }

    #[test]
    fn paths_and_ranges_are_read_or_told_what_would_be() {
        check(
            cells,
            r#""orders.status[*]""#,
            "Cell { map: MapName { node: Some(\"orders\"), map: \"status\" }, key: None }",
        );
        check(cell, r#""status[*]""#, "only \"read\" takes a whole map; name one key, or use \"for_each\"");
        check(
            cell,
            r#""orders.status""#,
            "here should be a cell, such as \"orders.status[$order]\" or \"inventory.stock['book']\", not \"orders.status\"",
        );
        check(
            |json| target(json).map(|(node, endpoint)| format!("{node} {endpoint}")),
            r#""gateway""#,
            "here should be a node and its endpoint, such as \"gateway.charge\", not \"gateway\"",
        );
        check(duration_range, r#""75s..60s""#, "\"75s..60s\" goes backwards; the smaller comes first");
        check(int_range, r#""1..3""#, "(1, 3)");
        check(counter, r#""a->b.retries""#, "Edge { from: \"a\", to: \"b\", counter: \"retries\" }");
        check(
            counter,
            r#""busy""#,
            "here should be one counter, such as \"db.calls\" or \"shop->gateway.retries\", not \"busy\"",
        );
    }
}
