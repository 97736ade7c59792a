//! Resolves conditions about one key, and finds out whose keys they are: those of the one `each` that all they name belongs to.

use sim_core::Class;

use super::{Lower, joined, known, place};
use crate::expr::{Arithmetic, Expr, Kind, Name};
use crate::json::Span;
use crate::language::View;
use crate::problem::Problem;
use crate::program::{FactRef, KeyExpr, KeyVar, MapRef, NodeRef};

/// What a condition, or several about the same keys, name.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    /// The classes, each with the words that brought it.
    classes: Vec<(Class, String)>,
    /// Whether it names requests, which every `each` has.
    pub requests: bool,
    pub facts: Vec<FactRef>,
    pub maps: Vec<MapRef>,
}

impl About {
    fn belongs(&mut self, class: Option<Class>, word: &str) {
        let Some(class) = class else { return };
        if !self.classes.iter().any(|(known, _)| *known == class) {
            self.classes.push((class, word.to_owned()));
        }
    }

    pub(super) fn fact(&mut self, fact: FactRef, class: Option<Class>, word: &str) {
        self.belongs(class, word);
        note(&mut self.facts, fact);
    }
}

pub(super) fn note<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

type Resolved = Result<KeyVar, String>;

impl<'a> Lower<'a> {
    /// Conditions about the same keys.
    pub(super) fn key_exprs(
        &mut self,
        parts: &[(View<'a>, Arithmetic)],
        mut about: About,
    ) -> Result<Vec<KeyExpr>, Problem> {
        let mut exprs = Vec::new();
        for (view, arithmetic) in parts {
            let mut own = About::default();
            let expr = self.key_expr(*view, &view.expr(*arithmetic)?, &mut own)?;
            own.classes.iter().for_each(|(class, word)| about.belongs(Some(*class), word));
            own.facts.iter().for_each(|fact| note(&mut about.facts, *fact));
            about.requests |= own.requests;
            exprs.push((expr, own));
        }
        let Some((view, _)) = parts.first() else { return Ok(Vec::new()) };
        let class = self.class_of(&about).map_err(|message| view.error(message))?;
        let made = |(expr, own): (_, About)| KeyExpr { expr, class, facts: own.facts, maps: own.maps };
        Ok(exprs.into_iter().map(made).collect())
    }

    pub(super) fn key_expr(&mut self, view: View<'a>, expr: &Expr, about: &mut About) -> Result<Expr<KeyVar>, Problem> {
        self.count_condition(expr, about).map_err(|(span, message)| view.error_at(span, message))
    }

    /// The same for one that is part of a formula.
    pub(super) fn count_condition(&mut self, expr: &Expr, about: &mut About) -> Result<Expr<KeyVar>, (Span, String)> {
        self.note_cells(expr, about);
        expr.resolve(&mut |name, span| self.key_var(name, about).map_err(|message| (span, message)))
    }

    /// The class of the keys, if it is one.
    pub(super) fn class_of(&self, about: &About) -> Result<Option<Class>, String> {
        let classes = &self.program.classes;
        match (about.classes.as_slice(), classes.len()) {
            ([(one, by), (other, by_other), ..], _) => Err(format!(
                "a condition is about the keys of one \"each\"; {by} belongs to \"{}\" and {by_other} to \"{}\"",
                classes[one.0 as usize], classes[other.0 as usize]
            )),
            ([(class, _)], _) => Ok(Some(*class)),
            ([], _) if !about.requests => Ok(None),
            ([], _) if !about.facts.is_empty() => {
                let facts = joined(about.facts.iter().map(|fact| self.program.facts[fact.0 as usize].name.as_str()));
                Err(format!(
                    "the keys of {facts} are given and belong to no \"each\", so they are not those of any requests"
                ))
            }
            ([], 1) => Ok(Some(Class(0))),
            ([], _) => Err(format!(
                "whose requests? there are {}; name a fact, or a cell by \"$name\", of one of them",
                joined(classes.iter().map(String::as_str))
            )),
        }
    }

    fn key_var(&mut self, name: &Name, about: &mut About) -> Resolved {
        match name {
            Name::Local(name) => self.key_itself(name, about),
            Name::LocalVersion(name) => Err(format!("${name}.version is known only to steps")),
            Name::Plain(word) => self.fact_or_request(word, about),
            Name::Dotted(first, part) => self.instant(first, part, about),
            Name::Map { node, map } => {
                let map = self.judged_map(node.as_deref(), map)?;
                note(&mut about.maps, map);
                Ok(KeyVar::Map(map))
            }
            Name::Edge { .. } | Name::Count(_) | Name::Total(_) => {
                Err(format!("\"{name}\" is about the run; this is asked of one key at a time"))
            }
        }
    }

    fn key_itself(&self, name: &str, about: &mut About) -> Resolved {
        let Some(class) = self.class_named(name) else {
            let names: Vec<String> = self.program.classes.iter().map(|name| format!("${name}")).collect();
            let word = format!("${name}");
            let rest = known("names of an \"each\"", &word, names.iter().map(String::as_str));
            return Err(format!("no \"each\" is named \"{name}\"{rest}"));
        };
        about.belongs(Some(class), &format!("${name}"));
        Ok(KeyVar::Key)
    }

    fn fact_or_request(&self, word: &str, about: &mut About) -> Resolved {
        let request = match word {
            "requested" => Some(KeyVar::Requested),
            "ok" => Some(KeyVar::Ok),
            "error" => Some(KeyVar::Error),
            "unknown" => Some(KeyVar::Unknown),
            _ => None,
        };
        about.requests |= request.is_some();
        request.map_or_else(|| self.fact_var(word, about).map(KeyVar::Fact), Ok)
    }

    fn instant(&self, first: &str, part: &str, about: &mut About) -> Resolved {
        if first == "requested" && part == "first" {
            about.requests = true;
            return Ok(KeyVar::RequestedAt);
        }
        if self.fact_named(first).is_none() && self.node_named(first).is_some() {
            return Err(format!("\"{first}.{part}\" is about the run; this is asked of one key at a time"));
        }
        let fact = self.fact_var(first, about)?;
        match part {
            "first" => Ok(KeyVar::First(fact)),
            "last" => Ok(KeyVar::Last(fact)),
            _ => Err(format!("\"{first}\" has no \"{part}\"; a fact has first and last")),
        }
    }

    pub(super) fn fact_named(&self, name: &str) -> Option<FactRef> {
        self.program.facts.iter().position(|fact| fact.name == name).map(|index| FactRef(place(index)))
    }

    pub(super) fn fact_var(&self, name: &str, about: &mut About) -> Result<FactRef, String> {
        let fact = self.fact_named(name).ok_or_else(|| self.no_fact(name))?;
        about.fact(fact, self.program.facts[fact.0 as usize].class, name);
        Ok(fact)
    }

    pub(super) fn no_fact(&self, name: &str) -> String {
        let facts = joined(self.program.facts.iter().map(|fact| fact.name.as_str()));
        format!("nothing records \"{name}\"; facts are {facts}")
    }

    /// A map that is looked at from outside.
    pub(super) fn judged_map(&mut self, node: Option<&str>, map: &str) -> Result<MapRef, String> {
        let Some(node) = node else {
            return Err(format!("whose map is \"{map}\"? write \"{}\"", self.owned(map)));
        };
        let owner = self.node_named(node).ok_or_else(|| self.no_node(node))?;
        let found = self.own_map(owner, map).ok_or_else(|| self.no_judged_map(owner, map))?;
        if self.program.map(found).memory {
            return Err(format!("{node}.{map} is in memory, another one in each replica; make it one of \"maps\""));
        }
        self.program.maps[found.0 as usize].watched = true;
        Ok(found)
    }

    /// The map with its owner, or an example.
    fn owned(&self, map: &str) -> String {
        let def = self.program.maps.iter().find(|def| def.name == map);
        format!("{}.{map}", def.map_or("db", |def| self.node_name(def.owner)))
    }

    fn no_judged_map(&self, owner: NodeRef, map: &str) -> String {
        let node = self.program.node(owner);
        let names = node.maps.iter().map(|map| self.program.map(*map).name.as_str());
        format!("no map \"{map}\" in {}; it has {}", node.name, joined(names))
    }

    /// Steps find the cells of a map by the name of one `each`, so that a condition that uses another compares different things.
    fn note_cells(&self, expr: &Expr, about: &mut About) {
        match &expr.kind {
            Kind::Cell(Name::Map { node: Some(node), map }, key) if matches!(key.kind, Kind::Name(Name::Local(_))) => {
                let map_ref = self.node_named(node).and_then(|node| self.own_map(node, map));
                let classes = map_ref.map(|map| &self.key_classes[map.0 as usize]).filter(|classes| classes.len() == 1);
                let class = classes.and_then(|classes| classes.first()).map(|class| Class(*class));
                about.belongs(class, &format!("{node}.{map}"));
            }
            Kind::Cell(_, inner) | Kind::Not(inner) | Kind::Negate(inner) => self.note_cells(inner, about),
            Kind::Binary(_, sides) => sides.iter().for_each(|side| self.note_cells(side, about)),
            Kind::Literal(_) | Kind::Name(_) => {}
        }
    }
}
