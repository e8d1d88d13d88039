//! Mappings: how a resource type is priced, as data. `providers/<name>/cost.toml`, parsed.
//!
//! ```toml
//! provider = "aws"
//!
//! [free]
//! aws_iam_role = "IAM has no charge"
//!
//! [table.memory_gb]
//! "cache.t3.micro" = "0.5"
//!
//! [[resource]]
//! type = "aws_nat_gateway"
//! service = "AmazonEC2"
//!
//! [[resource.component]]
//! id = "hours"
//! name = "NAT gateway"
//! key = { usagetype = "NatGateway-Hours" }
//! unit = "hour"
//! quantity = "hours"
//! ```
//!
//! A mapping says nothing of prices and does no arithmetic of its own: keys are templates,
//! quantities are expressions of [`expression`](crate::cost::expression). What scales without gov
//! states its
//! `least` and its `most`. Start with [`Mapping::parse`].

mod check;
mod parse;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::cost::expression::Expression;
use crate::cost::expression::Template;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;
use crate::model::digest::Digest;

/// What is known of one provider's types.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// The provider's name, the first part of every key.
    pub provider: String,
    /// Types that have a price.
    pub resources: BTreeMap<String, ResourceMapping>,
    /// Types that are free, and why.
    pub free: BTreeMap<String, String>,
    /// Tables that expressions look things up in: name, row, value.
    pub tables: BTreeMap<String, BTreeMap<String, String>>,
    /// How prices are read from the provider's own lists.
    pub offers: Vec<Offer>,
    /// The digest of its text.
    pub digest: Digest,
}

/// How one type is priced.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ResourceMapping {
    /// Definitions, each of which may name those before it.
    pub definitions: Vec<(String, Expression)>,
    /// Other resources it names.
    pub references: BTreeMap<String, Reference>,
    /// Where it lies, where that is not its provider's region.
    pub region: Option<Expression>,
    /// When it is free, and why.
    pub free_when: Option<(Expression, String)>,
    /// Attributes by which it scales without gov.
    pub scale: BTreeSet<String>,
    /// Parts of other resources that it runs several of.
    pub includes: Vec<Include>,
    /// What it is charged for.
    pub components: Vec<Component>,
    /// Free by itself; its components count only where another includes them.
    pub is_template: Option<String>,
}

/// How another resource is found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference {
    /// The attribute that names it: this resource's, or the other's where `is_reverse`.
    pub attribute: String,
    /// The types it may be of.
    pub kinds: Vec<String>,
    /// The other's attributes that the name may be the value of.
    pub by: Vec<String>,
    /// Whether it is the other that names this one.
    pub is_reverse: bool,
}

/// Several of what another resource is charged for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Include {
    /// The reference.
    pub of: String,
    /// How many.
    pub times: Range,
    /// When.
    pub when: Option<Expression>,
    /// Attributes that take the place of the other's, where they have a value.
    pub with: BTreeMap<String, Expression>,
}

/// A quantity with its bounds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Range {
    /// What is expected.
    pub expected: Expression,
    /// What it is at least; the expected, where absent.
    pub least: Option<Expression>,
    /// What it is at most; the expected, where absent.
    pub most: Option<Expression>,
}

/// One thing that is charged for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Component {
    /// Its name within the resource, for scripts.
    pub id: String,
    /// Its name for people.
    pub name: Template,
    /// What it belongs to within the resource, such as a storage class.
    pub group: Option<Template>,
    /// The provider's service, the second part of the key.
    pub service: Template,
    /// The family of prices, behind the region in the key.
    pub family: String,
    /// What tells its price from others of the family.
    pub key: BTreeMap<String, Template>,
    /// The unit of the quantity.
    pub unit: String,
    /// How much of it a month.
    pub quantity: Range,
    /// When there is any.
    pub when: Option<Expression>,
    /// One component for each item of a list or member of a map, which are `each` and `each_key`.
    pub each: Option<Expression>,
    /// Where it lies, where that is not the resource's region.
    pub region: Option<Template>,
    /// Free, and why.
    pub free: Option<Template>,
}

/// How rows of a provider's price list become keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// The service, as the list names it.
    pub service: String,
    /// The family its prices go to.
    pub family: String,
    /// Which rows: an expression over the row's attributes.
    pub when: Option<Expression>,
    /// The key, of the row's attributes.
    pub key: BTreeMap<String, Template>,
    /// The unit in gov's words, of the row's attributes.
    pub unit: Template,
    /// How many of that unit the row's price is for.
    pub per: Option<Expression>,
    /// What its tiers count.
    pub scope: crate::cost::book::TierScope,
}

impl Mapping {
    /// Parses and checks a mapping.
    ///
    /// # Errors
    /// Everything that is wrong, with places.
    pub fn parse(source: &Source) -> Result<Self, Diagnostics> {
        let (mapping, diagnostics) = parse::mapping(source);
        diagnostics.into_result(mapping).map(|(mapping, _)| mapping)
    }

    /// The attributes by which others may refer to resources of each type.
    #[must_use]
    pub fn referable(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (kind, resource) in &self.resources {
            for reference in resource.references.values() {
                let by = || reference.by.iter().map(String::as_str);
                if reference.is_reverse {
                    found.entry(kind).or_default().extend(by());
                    continue;
                }
                for kind in &reference.kinds {
                    found.entry(kind).or_default().extend(by());
                }
            }
        }
        found
    }
}

/// A text as part of a key: what separates the parts of a key is written in percent form.
#[must_use]
pub fn key_text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '%' | '&' | '=' | '?' | '/' | '\n' | '\r' => {
                safe.push_str(&format!("%{:02X}", u32::from(c)));
            }
            c => safe.push(c),
        }
    }
    safe
}

/// The key of a price.
#[must_use]
pub fn key(
    provider: &str,
    service: &str,
    region: &str,
    family: &str,
    parts: &BTreeMap<&str, String>,
) -> String {
    let mut key = String::with_capacity(96);
    for part in [provider, service, region] {
        key.push_str(&key_text(part));
        key.push('/');
    }
    key.push_str(family);
    for (place, (name, value)) in parts.iter().enumerate() {
        key.push(if place == 0 { '?' } else { '&' });
        key.push_str(name);
        key.push('=');
        key.push_str(&key_text(value));
    }
    key
}

#[cfg(test)]
mod tests;
