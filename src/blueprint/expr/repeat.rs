//! `for`: over lists, maps and sets, into lists and objects.
//!
//! An item whose condition or key is unknown makes the whole result unknown, since nobody knows
//! how many items or which members there will be. The others are still evaluated: their errors are
//! real and their marks count.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::blueprint::expr::ast::For;
use crate::blueprint::expr::ast::Names;
use crate::blueprint::expr::ast::Place;
use crate::blueprint::expr::evaluate::Evaluator;
use crate::blueprint::expr::evaluate::Failure;
use crate::blueprint::expr::evaluate::Outcome;
use crate::blueprint::expr::evaluate::collect;
use crate::diagnostic::Code;
use crate::model::value::Kind;
use crate::model::value::Value;

/// What a `for` runs over.
pub struct Items {
    /// Keys and items; one of unknowns where the collection is not known.
    pub pairs: Vec<(Value, Value)>,
    /// Whether these are the items, rather than a stand-in for whatever they will be.
    pub known: bool,
    /// Whether the collection is sensitive.
    pub sensitive: bool,
}

/// What one item contributes.
enum Product {
    Nothing,
    /// Whether it counts, or under which key, is unknown.
    Unsettled,
    Item(Value),
    Member(String, Value),
}

/// What all items contribute.
#[derive(Default)]
struct Gathered {
    items: Vec<Value>,
    members: BTreeMap<String, Value>,
    groups: BTreeMap<String, Vec<Value>>,
    sensitive: bool,
    unsettled: bool,
}

impl Evaluator<'_> {
    /// `[for …]` and `{for …}`.
    #[inline(never)]
    pub fn for_each(&mut self, repeat: &For, place: Place) -> Outcome {
        let collection = self.value(&repeat.collection)?;
        let items = self.items(collection, repeat.collection.place)?;
        let mut gathered =
            Gathered { sensitive: items.sensitive, unsettled: !items.known, ..Gathered::default() };
        let mut failed: Option<Failure> = None;
        for (key, item) in items.pairs {
            self.pay(place, 1)?;
            let outcome = self.with(names(&repeat.names, key, item), |this| {
                let outcome = this.product(repeat, &mut gathered.sensitive);
                // A stand-in is looked at for its marks only.
                if items.known { outcome.map(Some) } else { this.dropped(outcome) }
            });
            if let Some(Some(product)) = collect(&mut failed, outcome)? {
                let outcome = self.gather(repeat, product, &mut gathered);
                collect(&mut failed, outcome)?;
            }
        }
        if let Some(failure) = failed {
            return Err(failure);
        }
        let groups = gathered.groups.into_iter().map(|(key, items)| (key, Value::list(items)));
        let value = match (&repeat.key, repeat.group) {
            (None, _) => Value::list(gathered.items),
            (Some(_), false) => Value::map(gathered.members),
            (Some(_), true) => Value::map(groups.collect()),
        };
        if gathered.unsettled {
            let sensitive = gathered.sensitive || value.contains_sensitive();
            return Ok(Value::unknown().with_sensitive(sensitive));
        }
        Ok(value.with_sensitive(gathered.sensitive))
    }

    fn product(&mut self, repeat: &For, sensitive: &mut bool) -> Outcome<Product> {
        let mut counts = Some(true);
        if let Some(condition) = &repeat.condition {
            let value = self.value(condition)?;
            *sensitive |= value.is_sensitive();
            counts = self.truth(&value, condition.place, "`if`")?;
        }
        match counts {
            Some(false) => return Ok(Product::Nothing),
            Some(true) => {}
            None => {
                let value = self.probe(&repeat.value)?;
                let key = repeat.key.as_ref().map(|key| self.probe(key)).transpose()?.flatten();
                *sensitive |= value.iter().chain(&key).any(Value::contains_sensitive);
                return Ok(Product::Unsettled);
            }
        }
        let Some(key_node) = &repeat.key else {
            return Ok(Product::Item(self.value(&repeat.value)?));
        };
        let key = self.value(key_node)?;
        *sensitive |= key.is_sensitive();
        let value = self.value(&repeat.value)?;
        match self.key_text(&key, key_node.place)? {
            Some(name) => Ok(Product::Member(name, value)),
            None => {
                *sensitive |= value.contains_sensitive();
                Ok(Product::Unsettled)
            }
        }
    }

    fn gather(&mut self, repeat: &For, product: Product, into: &mut Gathered) -> Outcome<()> {
        match product {
            Product::Nothing => {}
            Product::Unsettled => into.unsettled = true,
            Product::Item(value) => into.items.push(value),
            Product::Member(key, value) if repeat.group => {
                into.groups.entry(key).or_default().push(value);
            }
            Product::Member(key, value) => {
                let place = repeat.key.as_ref().map_or(repeat.value.place, |key| key.place);
                if into.members.insert(key, value).is_some() {
                    let detail = "Two items have the same key.".to_owned();
                    let failure = self.failure(place, Code::TypeMismatch, detail);
                    return Err(failure.help("Collect them in lists with `...` behind the value."));
                }
            }
        }
        Ok(())
    }

    /// The keys and items of a collection.
    pub fn items(&mut self, collection: Value, place: Place) -> Outcome<Items> {
        let sensitive = collection.is_sensitive();
        let unsettled = matches!(collection.kind(), Kind::Set(_)) && !collection.is_wholly_known();
        let inside = unsettled && collection.contains_sensitive();
        let mark = |value: Value| value.with_sensitive(sensitive || inside);
        let stand_in = || vec![(mark(Value::unknown()), mark(Value::unknown()))];
        let pairs = match collection.into_kind() {
            Kind::List(items) => {
                let number = |(i, item)| (mark(Value::number(i)), mark(item));
                items.into_iter().enumerate().map(number).collect()
            }
            Kind::Map(members) => {
                let pair = |(key, item)| (mark(Value::string(key)), mark(item));
                members.into_iter().map(pair).collect()
            }
            Kind::Set(items) if !unsettled => {
                let twice = |item: Value| (mark(item.clone()), mark(item));
                items.into_iter().map(twice).collect()
            }
            Kind::Set(_) | Kind::Unknown => {
                self.touched_unknown = true;
                return Ok(Items { pairs: stand_in(), known: false, sensitive });
            }
            other => {
                let name = Value::new(other).kind_name();
                let detail = format!("`for` needs a list, a set or a map, this is {name}.");
                return Err(self.failure(place, Code::TypeMismatch, detail));
            }
        };
        Ok(Items { pairs, known: true, sensitive })
    }
}

/// The names of a `for` with their values.
pub fn names(names: &Names, key: Value, item: Value) -> Vec<(String, Rc<Value>)> {
    let mut bound = Vec::with_capacity(2);
    if let Some(name) = &names.key {
        bound.push((name.clone(), Rc::new(key)));
    }
    bound.push((names.value.clone(), Rc::new(item)));
    bound
}
