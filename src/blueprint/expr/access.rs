//! Members: `.name`, `[key]`, `[*]`, and where a traversal begins.
//!
//! A traversal walks borrowed values and copies only what it ends at, so that taking one member of
//! something large costs one member. Marks of everything on the way, keys included, go along.

use std::rc::Rc;

use crate::blueprint::expr::Reference;
use crate::blueprint::expr::ast::Access;
use crate::blueprint::expr::ast::Node;
use crate::blueprint::expr::ast::NodeKind;
use crate::blueprint::expr::ast::Place;
use crate::blueprint::expr::convert;
use crate::blueprint::expr::evaluate::Evaluator;
use crate::blueprint::expr::evaluate::Failure;
use crate::blueprint::expr::evaluate::Outcome;
use crate::diagnostic::Code;
use crate::model::address::ResourceName;
use crate::model::schema::nearest;
use crate::model::value::Kind;
use crate::model::value::Value;

/// Where one step leads.
enum Reached<'v> {
    /// To this value.
    Member(&'v Value),
    /// To something that only applying will settle.
    Unsettled,
}

impl Evaluator<'_> {
    /// The value at the end of a traversal.
    #[inline(never)]
    pub fn access(&mut self, base: &Node, steps: &[Access], place: Place) -> Outcome {
        let (held, used) = self.begin(base)?;
        self.walk(&held, steps.get(used..).unwrap_or(&[]), place)
    }

    /// The value a traversal begins with, and how many steps its name has used up.
    fn begin(&mut self, base: &Node) -> Outcome<(Rc<Value>, usize)> {
        match &base.kind {
            NodeKind::Reference(reference) => match self.lookup(reference, base.place)? {
                Some(value) => Ok((value, 0)),
                None => Err(self.undeclared(reference, base.place)),
            },
            NodeKind::Open { root, member } => {
                let iterator = Reference::Iterator(root.clone());
                if let Some(value) = self.lookup(&iterator, base.place)? {
                    return Ok((value, 0));
                }
                let Some(member) = member else {
                    return Err(self.undeclared(&iterator, base.place).help(
                        "References begin with `input`, `local`, `env`, `data`, `count`, \
                         `each`, or are `TYPE.NAME` of a resource.",
                    ));
                };
                let resource = Reference::Resource(ResourceName::managed(root, member));
                match self.lookup(&resource, base.place)? {
                    Some(value) => Ok((value, 1)),
                    None => Err(self.undeclared(&resource, base.place)),
                }
            }
            NodeKind::Variable(name) => match self.variable(name) {
                Some(value) => Ok((value, 0)),
                None => Err(self.undeclared(&Reference::Iterator(name.clone()), base.place)),
            },
            _ => Ok((Rc::new(self.value(base)?), 0)),
        }
    }

    fn walk(&mut self, value: &Value, steps: &[Access], place: Place) -> Outcome {
        let mut current = value;
        let mut sensitive = false;
        let mut rest = steps;
        while let Some((step, later)) = rest.split_first() {
            self.pay(place, 1)?;
            rest = later;
            sensitive |= current.is_sensitive();
            let reached = match step {
                Access::Attribute(name, at) => self.attribute(current, name, *at)?,
                Access::Index(key_node) => {
                    let key = self.value(key_node)?;
                    sensitive |= key.is_sensitive();
                    self.index(current, &key, key_node.place, sensitive)?
                }
                Access::Splat(inner, at) => {
                    let list = self.splat(current, inner, *at)?;
                    return Ok(self.walk(&list, rest, place)?.with_sensitive(sensitive));
                }
            };
            match reached {
                Reached::Member(member) => current = member,
                Reached::Unsettled => {
                    self.touched_unknown = true;
                    sensitive |= current.contains_sensitive() || self.marks(rest)?;
                    return Ok(Value::unknown().with_sensitive(sensitive));
                }
            }
        }
        self.pay_value(place, current)?;
        self.touched_unknown |= !current.is_wholly_known();
        Ok(current.clone().with_sensitive(sensitive))
    }

    /// Whether keys of steps that cannot be taken yet are sensitive.
    fn marks(&mut self, steps: &[Access]) -> Outcome<bool> {
        let mut sensitive = false;
        for step in steps {
            match step {
                Access::Attribute(..) => {}
                Access::Index(key) => {
                    let key = self.probe(key)?;
                    sensitive |= key.is_some_and(|key| key.is_sensitive());
                }
                Access::Splat(inner, _) => sensitive |= self.marks(inner)?,
            }
        }
        Ok(sensitive)
    }

    fn attribute<'v>(
        &mut self,
        value: &'v Value,
        name: &str,
        place: Place,
    ) -> Outcome<Reached<'v>> {
        let detail = match value.kind() {
            Kind::Unknown => return Ok(Reached::Unsettled),
            Kind::Map(members) => match members.get(name) {
                Some(member) => return Ok(Reached::Member(member)),
                None => return Err(self.missing(value, name, place)),
            },
            Kind::Null => format!("There is no member `{name}`, for the value is null."),
            Kind::List(_) | Kind::Set(_) => {
                let detail = format!("{} has no member `{name}`.", capital(value.kind_name()));
                let failure = self.failure(place, Code::MissingMember, detail);
                let help =
                    format!("Take it of each item with `[*].{name}`, or of one: `[0].{name}`.");
                return Err(failure.help(help));
            }
            _ => format!("{} has no member `{name}`.", capital(value.kind_name())),
        };
        Err(self.failure(place, Code::MissingMember, detail))
    }

    fn missing(&self, value: &Value, name: &str, place: Place) -> Failure {
        let detail = format!("There is no member `{name}`.");
        let failure = self.failure(place, Code::MissingMember, detail);
        if value.is_sensitive() {
            return failure;
        }
        let known = value.as_map().into_iter().flatten().map(|(key, _)| key.as_str());
        match nearest(name, known) {
            Some(near) => failure.help(format!("Did you mean `{near}`?")),
            None => failure,
        }
    }

    fn index<'v>(
        &mut self,
        value: &'v Value,
        key: &Value,
        place: Place,
        sensitive: bool,
    ) -> Outcome<Reached<'v>> {
        if matches!(value.kind(), Kind::Unknown) {
            return Ok(Reached::Unsettled);
        }
        let shape = match value.kind() {
            Kind::List(items) => {
                if key.is_unknown() {
                    return Ok(Reached::Unsettled);
                }
                let number = convert::number(key);
                let position = number.as_ref().and_then(|number| number.as_usize());
                match position.and_then(|position| items.get(position)) {
                    Some(item) => return Ok(Reached::Member(item)),
                    None if number.is_none() => {
                        format!("A list needs a position, this key is {}.", key.kind_name())
                    }
                    None if sensitive => "The list has no such position.".to_owned(),
                    None => {
                        let length = items.len();
                        format!("There is no such position in a list of {length} items.")
                    }
                }
            }
            Kind::Map(members) => {
                if key.is_unknown() {
                    return Ok(Reached::Unsettled);
                }
                match convert::text(key) {
                    Some(name) => match members.get(&name) {
                        Some(member) => return Ok(Reached::Member(member)),
                        None if sensitive => "There is no member of this key.".to_owned(),
                        None => return Err(self.missing(value, &name, place)),
                    },
                    None => format!("A map needs a string, this key is {}.", key.kind_name()),
                }
            }
            Kind::Set(_) => {
                let detail = "A set has no positions.".to_owned();
                let failure = self.failure(place, Code::MissingMember, detail);
                return Err(failure.help("Make it a list with `tolist`, or take `one` of it."));
            }
            _ => format!("{} has no members.", capital(value.kind_name())),
        };
        Err(self.failure(place, Code::MissingMember, shape))
    }

    /// A list of what the steps lead to in each item.
    fn splat(&mut self, value: &Value, steps: &[Access], place: Place) -> Outcome {
        let single = std::slice::from_ref(value);
        let items = match value.kind() {
            Kind::Null => &[],
            Kind::List(items) => items.as_slice(),
            Kind::Set(items) if value.is_wholly_known() => items.as_slice(),
            Kind::Unknown | Kind::Set(_) => {
                self.touched_unknown = true;
                let sensitive = value.contains_sensitive() || self.marks(steps)?;
                return Ok(Value::unknown().with_sensitive(sensitive));
            }
            _ => single,
        };
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            list.push(self.walk(item, steps, place)?);
        }
        Ok(Value::list(list))
    }
}

fn capital(kind_name: &str) -> String {
    let mut chars = kind_name.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}
