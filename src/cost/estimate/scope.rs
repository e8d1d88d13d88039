//! What the expressions of one resource's mapping can see.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::Pricing;
use super::world::Region;
use super::world::World;
use crate::cost::expression::Answer;
use crate::cost::expression::Scope;
use crate::cost::mapping::Mapping;
use crate::cost::mapping::ResourceMapping;
use crate::cost::usage::Bound;
use crate::cost::usage::Stated;
use crate::model::sealed::SealedValue;

/// What was said on the way to an answer.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Defaults that stood in.
    pub assumed: Vec<String>,
    /// Claims that nothing bounds.
    pub claimed: Vec<String>,
}

/// A resource, seen by the expressions of a mapping.
pub struct View<'v, 'a> {
    pub world: &'v World<'a>,
    pub pricing: &'v Pricing<'v>,
    pub place: usize,
    pub mapping: &'v Mapping,
    pub resource: &'v ResourceMapping,
    pub bound: Bound,
    /// What is stated of its usage, the trusted before the claimed, with whether it is claimed.
    pub stated: &'v [(&'v Stated, bool)],
    /// Attributes that another resource puts in the place of its own.
    pub with: &'v BTreeMap<String, Answer<'v>>,
    pub definitions: BTreeMap<&'v str, Answer<'v>>,
    pub each: Option<(Answer<'v>, Answer<'v>)>,
    pub said: RefCell<Said>,
}

impl<'v> View<'v, '_> {
    /// Evaluates the definitions, in order, each seeing those before it.
    pub fn define(mut self) -> Self {
        let resource = self.resource;
        for (name, expression) in &resource.definitions {
            let answer = expression.evaluate(&self);
            self.definitions.insert(name, answer);
        }
        self
    }

    fn attribute(&self, place: usize, name: &str) -> Answer<'v> {
        let Some(resource) = self.world.get(place) else { return Answer::Null };
        if matches!(*resource.values, SealedValue::Unknown) {
            return Answer::unknown(format!("{} is known only after apply", resource.address));
        }
        resource.values.get(name).map_or(Answer::Null, |value| Answer::of(value, name))
    }

    /// The region of this resource, by its mapping or its provider.
    pub fn region(&self) -> Answer<'v> {
        if let Some(expression) = &self.resource.region {
            match expression.evaluate(self) {
                Answer::Null => {}
                answer => return answer,
            }
        }
        match self.world.get(self.place).map(|resource| &resource.region) {
            Some(Region::Known(region)) => Answer::text(region.as_str()),
            _ => Answer::unknown("its region is not known"),
        }
    }

    fn found(&self, path: &[String]) -> Option<(&'v SealedValue, bool)> {
        self.stated.iter().find_map(|(stated, is_claim)| {
            let mut value = stated.at(self.bound);
            for step in path {
                value = value.get(step)?;
            }
            (*value != SealedValue::Null).then_some((value, *is_claim))
        })
    }
}

impl<'v> Scope<'v> for View<'v, '_> {
    fn name(&self, name: &str) -> Answer<'v> {
        match (name, &self.each) {
            ("each", Some((item, _))) => return item.clone(),
            ("each_key", Some((_, key))) => return key.clone(),
            // Its own region expression may name the attribute of that name.
            ("region", _) if self.resource.region.is_none() => return self.region(),
            ("resource_type", _) => {
                let kind = self.world.get(self.place).map(|resource| resource.kind.as_str());
                return Answer::text(kind.unwrap_or_default());
            }
            _ => {}
        }
        if let Some(answer) = self.definitions.get(name) {
            return answer.clone();
        }
        if let Some(reference) = self.resource.references.get(name) {
            return self.world.refer(self.place, reference);
        }
        match self.with.get(name) {
            Some(answer) if *answer != Answer::Null => answer.clone(),
            _ => self.attribute(self.place, name),
        }
    }

    fn usage(&self, path: &[String]) -> Answer<'v> {
        match self.found(path) {
            Some((value, _)) => Answer::of(value, "usage"),
            None => Answer::Unset(path.join(".").into()),
        }
    }

    fn member(&self, place: usize, name: &str) -> Answer<'v> {
        let kind = self.world.get(place).map_or("", |other| other.kind.as_str());
        let reference =
            self.pricing.mappings.of(kind).and_then(|(_, resource)| resource.references.get(name));
        match reference {
            Some(reference) => self.world.refer(place, reference),
            None => self.attribute(place, name),
        }
    }

    fn lookup(&self, table: &str, row: &str) -> Option<Answer<'v>> {
        let text = self.mapping.tables.get(table)?.get(row)?;
        Some(Answer::text(text.as_str()))
    }

    fn assume(&self, value: &Answer<'v>) {
        let assumed = &mut self.said.borrow_mut().assumed;
        let text = value.to_string();
        if !assumed.contains(&text) {
            assumed.push(text);
        }
    }

    fn is_claim(&self, path: &[String]) -> bool {
        self.found(path).is_some_and(|(_, is_claim)| is_claim)
    }

    fn rest_on_claim(&self, path: &[String]) {
        let claimed = &mut self.said.borrow_mut().claimed;
        let text = path.join(".");
        if !claimed.contains(&text) {
            claimed.push(text);
        }
    }
}
