//! From a resource to lines: what it is charged for, how much of each, and under which key. Prices
//! come later, for a tier may count what several resources use together.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::Pricing;
use super::scope::Said;
use super::scope::View;
use super::world::World;
use crate::cost::expression::Answer;
use crate::cost::expression::Expression;
use crate::cost::mapping::Component;
use crate::cost::mapping::Mapping;
use crate::cost::mapping::Range;
use crate::cost::mapping::ResourceMapping;
use crate::cost::mapping::key;
use crate::cost::usage::Bound;
use crate::cost::usage::Stated;
use crate::model::cost::PriceStatus;
use crate::model::sealed::SealedValue;

/// Items of one `each`. A list of more blocks is refused by every provider.
const EACH_MAX: usize = 1_000;

/// How deep one resource may include another: a group its template, a template its own.
const INCLUDE_DEPTH_MAX: usize = 3;

/// The least, the expected and the most; open at the top where nothing bounds it.
pub type Amounts = (Decimal, Decimal, Option<Decimal>);

/// One thing that a resource is charged for.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    pub resource: usize,
    pub id: String,
    pub name: String,
    pub group: String,
    pub unit: String,
    /// The key of its price, or why there is none.
    pub key: Result<String, Open>,
    /// How much of it, or why nobody knows.
    pub amounts: Result<Amounts, Open>,
    pub free: Option<String>,
    pub notes: Vec<String>,
    /// Set where the upper end stays open for a claim.
    pub claim: Option<Open>,
}

/// Why something is open.
#[derive(Clone, PartialEq, Debug)]
pub struct Open {
    pub status: PriceStatus,
    pub note: String,
}

impl Open {
    fn of(answer: &Answer<'_>) -> Self {
        match answer {
            Answer::Unset(key) => {
                Self { status: PriceStatus::UsageUnset, note: format!("state usage `{key}`") }
            }
            Answer::Unknown(why) => {
                Self { status: PriceStatus::AttributeUnknown, note: why.to_string() }
            }
            other => Self {
                status: PriceStatus::AttributeUnknown,
                note: format!("`{other}` is not a quantity"),
            },
        }
    }

    fn unset(what: &str) -> Self {
        let note = format!("{what} is not set");
        Self { status: PriceStatus::AttributeUnknown, note }
    }
}

/// What a resource comes to before prices.
#[derive(Clone, PartialEq, Debug)]
pub enum Lines {
    /// So many lines, perhaps none.
    Charged(Vec<Line>),
    /// Nothing, and why.
    Free(String),
    /// Nobody has said.
    Unmapped,
    /// Whether there is anything cannot be told.
    Open(Open),
}

/// The lines of the resource at a place.
pub fn lines(world: &World<'_>, pricing: &Pricing<'_>, place: usize) -> Lines {
    let Some(resource) = world.get(place) else { return Lines::Unmapped };
    let Some((mapping, how)) = pricing.mappings.of(&resource.kind) else {
        return match pricing.mappings.free(&resource.kind) {
            Some(reason) => Lines::Free(reason.to_owned()),
            None => Lines::Unmapped,
        };
    };
    if let Some(reason) = &how.is_template {
        return Lines::Free(reason.clone());
    }
    let stated: Vec<(&Stated, bool)> = pricing
        .usage
        .iter()
        .flat_map(|usage| {
            let of = usage.of(&resource.address, &resource.kind);
            of.map(|stated| (stated, usage.is_claim)).collect::<Vec<_>>()
        })
        .collect();
    let with = BTreeMap::new();
    let maker = Maker { world, pricing, charged: place, stated: &stated };
    let view = maker.view(place, mapping, how, &with, Bound::Expected);
    if let Some((when, reason)) = &how.free_when {
        match when.evaluate(&view) {
            open if open.is_open() => return Lines::Open(Open::of(&open)),
            answer if answer.is_true() => return Lines::Free(reason.clone()),
            _ => {}
        }
    }
    let mut lines = Vec::new();
    let one = (Decimal::ONE, Decimal::ONE, Some(Decimal::ONE));
    maker.all(&view, &Ok(one), 0, &mut lines);
    Lines::Charged(lines)
}

struct Maker<'v, 'a> {
    world: &'v World<'a>,
    pricing: &'v Pricing<'v>,
    /// Whose lines they are, also where another resource describes them.
    charged: usize,
    stated: &'v [(&'v Stated, bool)],
}

impl<'v, 'a> Maker<'v, 'a> {
    fn view(
        &self,
        place: usize,
        mapping: &'v Mapping,
        resource: &'v ResourceMapping,
        with: &'v BTreeMap<String, Answer<'v>>,
        bound: Bound,
    ) -> View<'v, 'a> {
        let view = View {
            world: self.world,
            pricing: self.pricing,
            place,
            mapping,
            resource,
            bound,
            stated: self.stated,
            with,
            definitions: BTreeMap::new(),
            each: None,
            said: RefCell::default(),
        };
        view.define()
    }

    /// Every component of a view, and of what it includes, so many times.
    fn all(
        &self,
        view: &View<'v, 'a>,
        times: &Result<Amounts, Open>,
        depth: usize,
        lines: &mut Vec<Line>,
    ) {
        // Said by the definitions, and so by every line that rests on them.
        let said = view.said.borrow().clone();
        for component in &view.resource.components {
            view.said.replace(said.clone());
            self.component(view, component, times, lines);
        }
        if depth < INCLUDE_DEPTH_MAX {
            for include in &view.resource.includes {
                view.said.replace(said.clone());
                self.include(view, include, times, depth, lines);
            }
        }
    }

    fn include(
        &self,
        view: &View<'v, 'a>,
        include: &'v crate::cost::mapping::Include,
        times: &Result<Amounts, Open>,
        depth: usize,
        lines: &mut Vec<Line>,
    ) {
        let open = |open: Open| Line {
            resource: self.charged,
            id: include.of.clone(),
            name: include.of.replace('_', " "),
            group: String::new(),
            unit: "instance".to_owned(),
            key: Err(open.clone()),
            amounts: Err(open),
            free: None,
            notes: Vec::new(),
            claim: None,
        };
        if let Some(when) = &include.when {
            match when.evaluate(view) {
                unknown if unknown.is_open() => return lines.push(open(Open::of(&unknown))),
                answer if !answer.is_true() => return,
                _ => {}
            }
        }
        let reference = view.resource.references.get(&include.of);
        let target = reference.map(|reference| self.world.refer(view.place, reference));
        let place = match target {
            Some(Answer::Resource(place)) => place,
            Some(unknown) if unknown.is_open() => return lines.push(open(Open::of(&unknown))),
            _ => return lines.push(open(Open::unset(&include.of.replace('_', " ")))),
        };
        let kind = self.world.get(place).map_or("", |other| other.kind.as_str());
        let Some((mapping, how)) = self.pricing.mappings.of(kind) else {
            let note = format!("nobody has said what {kind} costs");
            return lines.push(open(Open { status: PriceStatus::TypeUnmapped, note }));
        };
        let with: BTreeMap<String, Answer<'_>> =
            include.with.iter().map(|(n, e)| (n.clone(), e.evaluate(view))).collect();
        let times = multiply(&self.amounts(view, &include.times), times);
        self.included(place, mapping, how, &with, &times, depth, lines);
    }

    #[expect(clippy::too_many_arguments, reason = "one call, and the parts belong to no one thing")]
    fn included(
        &self,
        place: usize,
        mapping: &Mapping,
        how: &ResourceMapping,
        with: &BTreeMap<String, Answer<'_>>,
        times: &Result<Amounts, Open>,
        depth: usize,
        lines: &mut Vec<Line>,
    ) {
        let maker = Maker {
            world: self.world,
            pricing: self.pricing,
            charged: self.charged,
            stated: self.stated,
        };
        let view = maker.view(place, mapping, how, with, Bound::Expected);
        maker.all(&view, times, depth.saturating_add(1), lines);
    }

    fn component(
        &self,
        view: &View<'v, 'a>,
        component: &'v Component,
        times: &Result<Amounts, Open>,
        lines: &mut Vec<Line>,
    ) {
        let Some(each) = &component.each else {
            lines.extend(self.line(view, component, times));
            return;
        };
        let items: Vec<(Answer<'v>, Answer<'v>)> = match each.evaluate(view) {
            open if open.is_open() => {
                let mut line = self.shape(view, component);
                line.amounts = Err(Open::of(&open));
                lines.push(line);
                return;
            }
            Answer::Node(SealedValue::List(items) | SealedValue::Set(items)) => {
                let numbered = items.iter().enumerate();
                let pair = |(n, v)| (Answer::of(v, "an item"), Answer::Number(Decimal::from(n)));
                numbered.map(|(n, v): (usize, &'v SealedValue)| pair((n, v))).collect()
            }
            Answer::Node(SealedValue::Map(members)) => {
                let pair = |(name, v): (&'v String, &'v SealedValue)| {
                    (Answer::of(v, name), Answer::text(name.as_str()))
                };
                members.iter().map(pair).collect()
            }
            Answer::Null => Vec::new(),
            one => vec![(one, Answer::Number(Decimal::ZERO))],
        };
        if items.len() > EACH_MAX {
            let mut line = self.shape(view, component);
            line.amounts = Err(Open::unset(&format!("a list of at most {EACH_MAX} items")));
            lines.push(line);
            return;
        }
        for item in items {
            let inner = View {
                definitions: view.definitions.clone(),
                each: Some(item),
                said: RefCell::new(view.said.borrow().clone()),
                ..*view
            };
            lines.extend(self.line(&inner, component, times));
        }
    }

    /// The line without its quantity.
    fn shape(&self, view: &View<'v, 'a>, component: &'v Component) -> Line {
        Line {
            resource: self.charged,
            id: component.id.clone(),
            name: component.name.evaluate(view),
            group: component.group.as_ref().map(|g| g.evaluate(view)).unwrap_or_default(),
            unit: component.unit.clone(),
            key: self.key(view, component),
            amounts: Ok((Decimal::ZERO, Decimal::ZERO, Some(Decimal::ZERO))),
            free: component.free.as_ref().map(|free| free.evaluate(view)),
            notes: Vec::new(),
            claim: None,
        }
    }

    fn line(
        &self,
        view: &View<'v, 'a>,
        component: &'v Component,
        times: &Result<Amounts, Open>,
    ) -> Option<Line> {
        let when = component.when.as_ref().map(|when| when.evaluate(view));
        if when.as_ref().is_some_and(|when| !when.is_open() && !when.is_true()) {
            return None;
        }
        let mut line = self.shape(view, component);
        line.amounts = match when {
            Some(open) if open.is_open() => Err(Open::of(&open)),
            _ => multiply(&self.amounts(view, &component.quantity), times),
        };
        let Said { assumed, claimed } = view.said.borrow().clone();
        line.notes.extend(assumed.iter().map(|value| format!("assumed {value}")));
        line.notes.extend(claimed.iter().map(|key| format!("claimed usage {key}")));
        if let Some(key) = claimed.first() {
            let note = format!("usage `{key}` is only claimed");
            line.claim = Some(Open { status: PriceStatus::UsageUnset, note });
        }
        // There is none of it, so its price does not matter.
        match line.amounts {
            Ok((_, expected, Some(most))) if expected.is_zero() && most.is_zero() => None,
            _ => Some(line),
        }
    }

    fn key(&self, view: &View<'v, 'a>, component: &'v Component) -> Result<String, Open> {
        let open = |answer: Answer<'v>| Open::of(&answer);
        let service = component.service.fill(view).map_err(open)?;
        let region = match &component.region {
            Some(region) => region.fill(view).map_err(open)?,
            None => match view.region() {
                Answer::Null => return Err(Open::unset("its region")),
                answer if answer.is_open() => return Err(Open::of(&answer)),
                answer => answer.to_string(),
            },
        };
        let mut parts = BTreeMap::new();
        for (name, template) in &component.key {
            parts.insert(name.as_str(), template.fill(view).map_err(open)?);
        }
        Ok(key(&view.mapping.provider, &service, &region, &component.family, &parts))
    }

    /// A quantity's bounds: its own, and those of the usage it reads.
    fn amounts(&self, view: &View<'v, 'a>, range: &'v Range) -> Result<Amounts, Open> {
        let expected = required(&range.expected, view)?;
        let mut least = match &range.least {
            Some(least) => required(least, view)?,
            None => expected,
        };
        let mut most = match &range.most {
            Some(most) => optional(most, view)?,
            None => Some(expected),
        };
        // Usage of three figures gives three quantities; its bounds are the outermost of them.
        if self.stated.iter().any(|(stated, _)| stated.bounds.is_some()) {
            for bound in [Bound::Low, Bound::High] {
                let maker = Maker { ..*self };
                let mut other =
                    maker.view(view.place, view.mapping, view.resource, view.with, bound);
                other.each.clone_from(&view.each);
                let quantity = required(&range.expected, &other)?;
                least = least.min(quantity);
                let highest = match &range.most {
                    Some(most) => optional(most, &other)?,
                    None => Some(quantity),
                };
                most = most.zip(highest).map(|(a, b)| a.max(b));
            }
        }
        Ok((least.min(expected), expected, most.map(|most| most.max(expected))))
    }
}

/// A quantity that must be there.
fn required<'v>(expression: &'v Expression, view: &View<'v, '_>) -> Result<Decimal, Open> {
    match expression.evaluate(view) {
        Answer::Null => {
            let names = expression.names().join(", ");
            Err(Open::unset(if names.is_empty() { "its quantity" } else { &names }))
        }
        answer => number(&answer),
    }
}

/// A bound, or none: then nothing bounds it.
fn optional<'v>(expression: &'v Expression, view: &View<'v, '_>) -> Result<Option<Decimal>, Open> {
    match expression.evaluate(view) {
        Answer::Null | Answer::Unset(_) => Ok(None),
        answer => number(&answer).map(Some),
    }
}

fn number(answer: &Answer<'_>) -> Result<Decimal, Open> {
    match answer.as_number() {
        Some(number) if number.is_sign_negative() && !number.is_zero() => Err(Open {
            status: PriceStatus::AttributeUnknown,
            note: format!("the quantity {number} is below zero"),
        }),
        Some(number) => Ok(number),
        None => Err(Open::of(answer)),
    }
}

fn multiply(
    amounts: &Result<Amounts, Open>,
    times: &Result<Amounts, Open>,
) -> Result<Amounts, Open> {
    let (one, other) = (amounts.clone()?, times.clone()?);
    let too_large = || Open {
        status: PriceStatus::AttributeUnknown,
        note: "a quantity is too large".to_owned(),
    };
    let product = |a: Decimal, b: Decimal| a.checked_mul(b).ok_or_else(too_large);
    let most = match (one.2, other.2) {
        (Some(a), Some(b)) => Some(product(a, b)?),
        _ => None,
    };
    Ok((product(one.0, other.0)?, product(one.1, other.1)?, most))
}
