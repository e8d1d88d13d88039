//! The resources that are priced together, and how they find each other.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::cost::expression::Answer;
use crate::cost::mapping::Mapping;
use crate::cost::mapping::Reference;
use crate::cost::mapping::ResourceMapping;
use crate::model::sealed::SealedValue;

/// Where a resource lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Region {
    /// Here.
    Known(String),
    /// Only applying will tell, or nobody has said.
    Unknown,
}

/// A resource, as far as pricing is concerned.
#[derive(Clone, Debug)]
pub struct Resource<'a> {
    /// Its address.
    pub address: String,
    /// Its type.
    pub kind: String,
    /// Its attributes; nodes left to the provider's defaults are null.
    pub values: Cow<'a, SealedValue>,
    /// Where it lies.
    pub region: Region,
    /// The blocks or addresses that it is made from, by attribute; under an empty name, those whose
    /// attribute is not known.
    pub made_from: BTreeMap<String, BTreeSet<String>>,
}

/// The attributes as they will be: what is unknown and was not written is left to the provider, and
/// so reads as not set. What is unknown because it was written so stays unknown.
#[must_use]
pub fn settled<'a>(values: &'a SealedValue, written: Option<&SealedValue>) -> Cow<'a, SealedValue> {
    match written {
        Some(written) if !values.is_wholly_known() => Cow::Owned(settle(values, Some(written))),
        _ => Cow::Borrowed(values),
    }
}

fn settle(value: &SealedValue, written: Option<&SealedValue>) -> SealedValue {
    match (value, written) {
        (SealedValue::Unknown | SealedValue::UnknownSensitive, None | Some(SealedValue::Null)) => {
            SealedValue::Null
        }
        (SealedValue::Map(members), Some(SealedValue::Map(_)) | None) => {
            let of = |name: &String| written.and_then(|written| written.get(name));
            let settled = members.iter().map(|(name, v)| (name.clone(), settle(v, of(name))));
            SealedValue::Map(settled.collect())
        }
        (SealedValue::List(items), Some(SealedValue::List(wrote) | SealedValue::Set(wrote))) => {
            let pairs = items.iter().enumerate();
            SealedValue::List(pairs.map(|(place, v)| settle(v, wrote.get(place))).collect())
        }
        // Items of a set have no place to look them up at; one that was written wholly known
        // settles the others of its kind.
        (SealedValue::Set(items), Some(SealedValue::List(wrote) | SealedValue::Set(wrote))) => {
            let only = if wrote.len() == 1 { wrote.first() } else { None };
            let settled = items.iter().map(|item| match only {
                Some(only) => settle(item, Some(only)),
                None => item.clone(),
            });
            SealedValue::Set(settled.collect())
        }
        (value, _) => value.clone(),
    }
}

/// Mappings of several providers, asked together.
#[derive(Clone, Copy, Debug)]
pub struct Mappings<'m>(
    /// The mappings; a type is looked up in the first that has it.
    pub &'m [Mapping],
);

impl<'m> Mappings<'m> {
    /// How a type is priced.
    #[must_use]
    pub fn of(&self, kind: &str) -> Option<(&'m Mapping, &'m ResourceMapping)> {
        self.0.iter().find_map(|mapping| Some((mapping, mapping.resources.get(kind)?)))
    }

    /// Why a type is free.
    #[must_use]
    pub fn free(&self, kind: &str) -> Option<&'m str> {
        self.0.iter().find_map(|mapping| mapping.free.get(kind)).map(String::as_str)
    }
}

/// All resources of one state of an environment.
#[derive(Debug)]
pub struct World<'a> {
    resources: Vec<Resource<'a>>,
    /// By type and value of an attribute that others refer by.
    named: BTreeMap<(String, String), usize>,
    /// By address, and by address without its instance key where there is one instance.
    addressed: BTreeMap<String, Option<usize>>,
    by_kind: BTreeMap<String, Vec<usize>>,
    reverse: RefCell<ReverseIndex>,
}

/// For each type and attribute, who is named by it, and by whom.
type ReverseIndex = BTreeMap<(String, String), BTreeMap<usize, usize>>;

impl<'a> World<'a> {
    /// A world of these resources; they are put in the order of their addresses.
    #[must_use]
    pub fn new(mut resources: Vec<Resource<'a>>, mappings: Mappings<'_>) -> Self {
        resources.sort_by(|a, b| a.address.cmp(&b.address));
        let mut named = BTreeMap::new();
        let mut addressed: BTreeMap<String, Option<usize>> = BTreeMap::new();
        let mut by_kind: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let referable: Vec<_> = mappings.0.iter().map(Mapping::referable).collect();
        for (place, resource) in resources.iter().enumerate() {
            by_kind.entry(resource.kind.clone()).or_default().push(place);
            addressed.insert(resource.address.clone(), Some(place));
            if let Some((block, _)) = resource.address.rsplit_once('[')
                && resource.address.ends_with(']')
            {
                let only = addressed.entry(block.to_owned()).or_insert(Some(place));
                if *only != Some(place) {
                    *only = None;
                }
            }
            for by in referable.iter().filter_map(|of| of.get(resource.kind.as_str())).flatten() {
                if let Some(SealedValue::String(text)) = resource.values.get(by) {
                    named.entry((resource.kind.clone(), text.clone())).or_insert(place);
                }
            }
        }
        Self { resources, named, addressed, by_kind, reverse: RefCell::default() }
    }

    /// The resources, in order.
    #[must_use]
    pub fn resources(&self) -> &[Resource<'a>] {
        &self.resources
    }

    /// The resource at a place.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<&Resource<'a>> {
        self.resources.get(place)
    }

    /// The other that a reference of a resource means.
    #[must_use]
    pub fn refer<'r>(&'r self, from: usize, reference: &Reference) -> Answer<'r> {
        if !reference.is_reverse {
            return self.forward(from, reference);
        }
        for kind in &reference.kinds {
            let key = (kind.clone(), reference.attribute.clone());
            if !self.reverse.borrow().contains_key(&key) {
                let index = self.referrers(kind, reference, from);
                self.reverse.borrow_mut().insert(key.clone(), index);
            }
            let reverse = self.reverse.borrow();
            let index = reverse.get(&key);
            if let Some(other) = index.and_then(|index| index.get(&from)) {
                return Answer::Resource(*other);
            }
        }
        Answer::Null
    }

    /// Everyone of a type, by whom their attribute names.
    fn referrers(&self, kind: &str, reference: &Reference, from: usize) -> BTreeMap<usize, usize> {
        let Some(named) = self.get(from) else { return BTreeMap::new() };
        let forward =
            Reference { kinds: vec![named.kind.clone()], is_reverse: false, ..reference.clone() };
        let mut index = BTreeMap::new();
        for other in self.by_kind.get(kind).into_iter().flatten() {
            if let Answer::Resource(target) = self.forward(*other, &forward) {
                index.entry(target).or_insert(*other);
            }
        }
        index
    }

    fn forward<'r>(&'r self, from: usize, reference: &Reference) -> Answer<'r> {
        let Some(resource) = self.get(from) else { return Answer::Null };
        let mut value: &SealedValue = &resource.values;
        for step in reference.attribute.split('.') {
            value = match value {
                SealedValue::List(items) | SealedValue::Set(items) => {
                    items.first().unwrap_or(&SealedValue::Null)
                }
                value => value,
            };
            value = value.get(step).unwrap_or(&SealedValue::Null);
        }
        let text = match value {
            SealedValue::String(text) => Some(text.as_str()),
            SealedValue::Null => return Answer::Null,
            _ => None,
        };
        if let Some(text) = text
            && let Some(other) = self.by_name(&reference.kinds, text)
        {
            return Answer::Resource(other);
        }
        let first = reference.attribute.split('.').next().unwrap_or_default();
        self.by_origin(resource, first, &reference.kinds, text.is_some())
    }

    /// By a name, or by the last part of a path such as `table/orders`.
    fn by_name(&self, kinds: &[String], text: &str) -> Option<usize> {
        let last = text.rsplit('/').next().unwrap_or(text);
        kinds.iter().find_map(|kind| {
            let of = |text: &str| self.named.get(&(kind.clone(), text.to_owned())).copied();
            of(text).or_else(|| of(last))
        })
    }

    /// By what the attribute, or the resource, is made from.
    fn by_origin<'r>(
        &'r self,
        resource: &Resource<'_>,
        attribute: &str,
        kinds: &[String],
        is_known: bool,
    ) -> Answer<'r> {
        let origins = resource.made_from.get(attribute).or_else(|| resource.made_from.get(""));
        let mut found: BTreeSet<usize> = BTreeSet::new();
        for origin in origins.into_iter().flatten() {
            if let Some(Some(place)) = self.addressed.get(origin)
                && self.get(*place).is_some_and(|other| kinds.contains(&other.kind))
            {
                found.insert(*place);
            }
        }
        match (found.first(), found.len(), is_known) {
            (Some(only), 1, _) => Answer::Resource(*only),
            // A name of something outside of what is priced here: its attributes are nobody's.
            (_, _, true) => Answer::Null,
            (None, _, _) => Answer::unknown(format!("{attribute} is known only after apply")),
            _ => Answer::unknown(format!("{attribute} may be one of several")),
        }
    }
}
