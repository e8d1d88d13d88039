//! Proposals: what a provider is asked to plan from, and what it may answer.
//!
//! [`proposed_new`] merges configuration and observed object: what is configured is wanted, what
//! only the provider sets stays as it is. [`check_planned`] holds a provider of the newer kind to
//! its promise that a plan is what was configured. Providers of the older kind are exempt: their
//! values differ in form, and correcting them would make differences for ever.

use std::collections::BTreeMap;

use crate::model::schema::ConvertError;
use crate::model::schema::Nesting;
use crate::model::value::Kind;
use crate::model::value::Path;
use crate::model::value::Step;
use crate::model::value::Value;
use crate::model::value::same;
use crate::provider::terraform::schema::AttributeShape;
use crate::provider::terraform::schema::NestedAttributes;
use crate::provider::terraform::schema::NestedShape;
use crate::provider::terraform::schema::Shape;

/// The object that the configuration asks for, on top of what exists.
#[must_use]
pub fn proposed_new(shape: &Shape, prior: Option<&Value>, config: &Value) -> Value {
    let Some(members) = config.as_map() else { return config.clone() };
    let prior = prior.filter(|prior| !prior.is_null());
    let null = Value::null();
    let before = |name: &str| prior.and_then(|prior| prior.get(name));
    let after = |name: &str| members.get(name).unwrap_or(&null);
    let mut merged = merged_attributes(&shape.attributes, prior, config);
    for (name, nested) in &shape.blocks {
        merged.insert(name.clone(), nested.propose(before(name), after(name)));
    }
    Value::map(merged).with_sensitive(config.is_sensitive())
}

fn merged_attributes(
    attributes: &BTreeMap<String, AttributeShape>,
    prior: Option<&Value>,
    config: &Value,
) -> BTreeMap<String, Value> {
    let null = Value::null();
    let merge = |(name, attribute): (&String, &AttributeShape)| {
        let before = prior.and_then(|prior| prior.get(name)).unwrap_or(&null);
        let after = config.get(name).unwrap_or(&null);
        (name.clone(), attribute.propose(before, after))
    };
    attributes.iter().map(merge).collect()
}

impl AttributeShape {
    fn propose(&self, prior: &Value, config: &Value) -> Value {
        if self.write_only {
            return Value::null();
        }
        if self.computed && config.is_null() {
            // Something in it that only a configuration sets was configured once: now it is not.
            let was_configured = self.optional
                && self.nested.as_ref().is_some_and(|nested| nested.has_configured(prior));
            return if was_configured { config.clone() } else { prior.clone() };
        }
        match &self.nested {
            Some(nested) => nested.propose(prior, config),
            None => config.clone(),
        }
    }

    /// Whether a prior value is what this configuration led to.
    fn may_come_from(&self, prior: &Value, config: &Value) -> bool {
        if self.write_only || same(prior, config) || (self.computed && config.is_null()) {
            return true;
        }
        let Some(nested) = &self.nested else { return false };
        pairs_fit(nested.nesting, prior, config, &|prior, config| {
            attributes_fit(&nested.attributes, prior, config)
        })
    }
}

impl NestedAttributes {
    fn propose(&self, prior: &Value, config: &Value) -> Value {
        let merge = |prior: Option<&Value>, config: &Value| match config.kind() {
            Kind::Map(_) => Value::map(merged_attributes(&self.attributes, prior, config))
                .with_sensitive(config.is_sensitive()),
            _ => config.clone(),
        };
        let fits = |prior: &Value, config: &Value| attributes_fit(&self.attributes, prior, config);
        merged_items(self.nesting, prior, config, &merge, &fits)
    }

    /// Whether a prior value holds something that only a configuration can have set.
    fn has_configured(&self, prior: &Value) -> bool {
        let in_object = |object: &Value| {
            self.attributes.iter().any(|(name, attribute)| {
                let Some(member) = object.get(name).filter(|member| !member.is_null()) else {
                    return false;
                };
                match &attribute.nested {
                    _ if !attribute.computed => true,
                    Some(nested) => nested.has_configured(member),
                    None => false,
                }
            })
        };
        match self.nesting {
            Nesting::Single | Nesting::Group => in_object(prior),
            Nesting::List | Nesting::Set | Nesting::Map => prior.children().any(in_object),
        }
    }
}

impl NestedShape {
    fn propose(&self, prior: Option<&Value>, config: &Value) -> Value {
        let null = Value::null();
        let merge =
            |prior: Option<&Value>, config: &Value| proposed_new(&self.shape, prior, config);
        let fits = |prior: &Value, config: &Value| block_fits(&self.shape, prior, config);
        merged_items(self.nesting, prior.unwrap_or(&null), config, &merge, &fits)
    }
}

type Merge<'a> = &'a dyn Fn(Option<&Value>, &Value) -> Value;
type Fits<'a> = &'a dyn Fn(&Value, &Value) -> bool;

/// Merges what repeats: by position, by key, or, in a set, with the prior item that it came from.
fn merged_items(
    nesting: Nesting,
    prior: &Value,
    config: &Value,
    merge: Merge<'_>,
    fits: Fits<'_>,
) -> Value {
    let known_prior = Some(prior).filter(|prior| !prior.is_null());
    let before = prior.as_items().unwrap_or_default();
    let merged = match (nesting, config.kind()) {
        (_, Kind::Null | Kind::Unknown) => return config.clone(),
        (Nesting::Single | Nesting::Group, _) => return merge(known_prior, config),
        (Nesting::List, Kind::List(items)) => {
            let items = items.iter().enumerate();
            Value::list(items.map(|(index, item)| merge(before.get(index), item)).collect())
        }
        (Nesting::Map, Kind::Map(members)) => {
            let member =
                |(key, item): (&String, &Value)| (key.clone(), merge(prior.get(key), item));
            Value::map(members.iter().map(member).collect())
        }
        (_, Kind::Set(items) | Kind::List(items)) => {
            let mut unused: Vec<&Value> = before.iter().collect();
            let mut merged = Vec::new();
            for item in items {
                let found = unused.iter().position(|prior| fits(prior, item));
                merged.push(merge(found.map(|index| unused.remove(index)), item));
            }
            Value::set(merged)
        }
        _ => return config.clone(),
    };
    merged.with_sensitive(config.is_sensitive())
}

fn attributes_fit(
    attributes: &BTreeMap<String, AttributeShape>,
    prior: &Value,
    config: &Value,
) -> bool {
    let null = Value::null();
    attributes.iter().all(|(name, attribute)| {
        let before = prior.get(name).unwrap_or(&null);
        attribute.may_come_from(before, config.get(name).unwrap_or(&null))
    })
}

fn block_fits(shape: &Shape, prior: &Value, config: &Value) -> bool {
    let null = Value::null();
    attributes_fit(&shape.attributes, prior, config)
        && shape.blocks.iter().all(|(name, nested)| {
            let before = prior.get(name).unwrap_or(&null);
            let after = config.get(name).unwrap_or(&null);
            pairs_fit(nested.nesting, before, after, &|prior, config| {
                block_fits(&nested.shape, prior, config)
            })
        })
}

fn pairs_fit(nesting: Nesting, prior: &Value, config: &Value, fits: Fits<'_>) -> bool {
    match (nesting, prior.kind(), config.kind()) {
        (_, Kind::Null | Kind::Unknown, _) | (_, _, Kind::Null | Kind::Unknown) => {
            same(prior, config)
        }
        (Nesting::Single | Nesting::Group, ..) => fits(prior, config),
        (Nesting::Map, Kind::Map(old), Kind::Map(new)) => {
            old.len() == new.len()
                && new.iter().all(|(key, item)| old.get(key).is_some_and(|old| fits(old, item)))
        }
        (Nesting::List, Kind::List(old), Kind::List(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| fits(old, new))
        }
        (_, Kind::Set(old), Kind::Set(new)) => {
            let mut unused: Vec<&Value> = old.iter().collect();
            let take = |item: &Value| {
                let found = unused.iter().position(|old| fits(old, item));
                found.map(|index| unused.remove(index)).is_some()
            };
            old.len() == new.len() && new.iter().all(take)
        }
        _ => false,
    }
}

// ---- what a provider may answer ------------------------------------------------------------

/// Whether a planned object is one that this configuration can have led to.
///
/// # Errors
/// The first place where the provider planned something that nobody asked for.
pub fn check_planned(
    shape: &Shape,
    prior: Option<&Value>,
    config: &Value,
    planned: &Value,
) -> Result<(), ConvertError> {
    check_block(&Path::root(), shape, prior, config, planned)
}

fn unasked<T>(path: &Path, problem: &str) -> Result<T, ConvertError> {
    Err(ConvertError { path: path.clone(), problem: problem.to_owned() })
}

fn check_block(
    path: &Path,
    shape: &Shape,
    prior: Option<&Value>,
    config: &Value,
    planned: &Value,
) -> Result<(), ConvertError> {
    if planned.is_null() && !config.is_null() {
        return unasked(path, "the provider planned to leave it out");
    }
    check_attributes(path, &shape.attributes, prior, config, planned)?;
    let null = Value::null();
    for (name, nested) in &shape.blocks {
        let at = path.join(Step::Attribute(name.clone()));
        let before = prior.and_then(|prior| prior.get(name)).unwrap_or(&null);
        let config = config.get(name).unwrap_or(&null);
        let planned = planned.get(name).unwrap_or(&null);
        let check = |at: &Path, prior: Option<&Value>, config: &Value, planned: &Value| {
            check_block(at, &nested.shape, prior, config, planned)
        };
        check_items(&at, nested.nesting, before, config, planned, &check)?;
    }
    Ok(())
}

fn check_attributes(
    path: &Path,
    attributes: &BTreeMap<String, AttributeShape>,
    prior: Option<&Value>,
    config: &Value,
    planned: &Value,
) -> Result<(), ConvertError> {
    let null = Value::null();
    for (name, attribute) in attributes {
        let at = path.join(Step::Attribute(name.clone()));
        let before = prior.and_then(|prior| prior.get(name)).unwrap_or(&null);
        let config = config.get(name).unwrap_or(&null);
        let planned = planned.get(name).unwrap_or(&null);
        check_attribute(&at, attribute, before, config, planned)?;
    }
    Ok(())
}

fn check_attribute(
    path: &Path,
    attribute: &AttributeShape,
    prior: &Value,
    config: &Value,
    planned: &Value,
) -> Result<(), ConvertError> {
    if attribute.write_only {
        return if planned.is_null() {
            Ok(())
        } else {
            unasked(path, "the provider would keep what may only be sent")
        };
    }
    // A provider may also take a change for none and keep what was there.
    let kept = !config.is_null() && !prior.is_null() && same(prior, planned);
    if same(config, planned) || kept {
        return Ok(());
    }
    match &attribute.nested {
        _ if config.is_null() && attribute.computed => Ok(()),
        _ if config.is_null() => {
            unasked(path, "the provider planned a value that is not configured")
        }
        Some(nested) if !config.is_unknown() => {
            let check = |at: &Path, prior: Option<&Value>, config: &Value, planned: &Value| {
                check_attributes(at, &nested.attributes, prior, config, planned)
            };
            check_items(path, nested.nesting, prior, config, planned, &check)
        }
        _ => unasked(path, "the provider planned another value than the configured one"),
    }
}

type Check<'a> = &'a dyn Fn(&Path, Option<&Value>, &Value, &Value) -> Result<(), ConvertError>;

/// Items of a set cannot be told apart, so only their number is checked.
fn check_items(
    path: &Path,
    nesting: Nesting,
    prior: &Value,
    config: &Value,
    planned: &Value,
    check: Check<'_>,
) -> Result<(), ConvertError> {
    let count = |value: &Value| value.children().count();
    let repeats = !matches!(nesting, Nesting::Single | Nesting::Group);
    if config.is_unknown() || planned.is_unknown() {
        return Ok(());
    }
    if config.is_null() {
        let empty = planned.is_null() || (repeats && count(planned) == 0);
        return if empty {
            Ok(())
        } else {
            unasked(path, "the provider planned more than configured")
        };
    }
    if !repeats {
        return check(path, Some(prior).filter(|prior| !prior.is_null()), config, planned);
    }
    // Items of a set that are not known yet may turn out to be one and the same.
    let settled =
        nesting != Nesting::Set || (config.is_wholly_known() && planned.is_wholly_known());
    if settled && count(config) != count(planned) {
        return unasked(path, "the provider planned another number of items than configured");
    }
    match (nesting, config.kind(), planned.kind()) {
        (Nesting::List, Kind::List(wanted), Kind::List(got)) => {
            let before = prior.as_items().unwrap_or_default();
            for (index, (config, planned)) in wanted.iter().zip(got).enumerate() {
                check(&path.join(Step::Index(index)), before.get(index), config, planned)?;
            }
        }
        (Nesting::Map, Kind::Map(wanted), Kind::Map(got)) => {
            for (key, config) in wanted {
                let at = path.join(Step::Key(key.clone()));
                let Some(planned) = got.get(key) else {
                    return unasked(&at, "the provider planned to leave it out");
                };
                check(&at, prior.get(key), config, planned)?;
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tfplugin::wire::NestingMode;

    use super::check_planned;
    use super::proposed_new;
    use crate::model::value::Value;
    use crate::provider::terraform::schema::TypeSchema;
    use crate::provider::terraform::schema::tests::attribute;
    use crate::provider::terraform::schema::tests::block;
    use crate::provider::terraform::schema::tests::nested;
    use crate::provider::terraform::schema::tests::schema;

    fn text(text: &str) -> Value {
        Value::string(text)
    }

    fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
        Value::object(members)
    }

    fn rule(port: i64, id: Option<&str>) -> Value {
        let id = id.map_or(Value::null(), Value::string);
        object([("port", Value::number(port)), ("id", id)])
    }

    fn rules(nesting: NestingMode) -> TypeSchema {
        let attributes =
            vec![attribute("port", "\"number\"", "o"), attribute("id", "\"string\"", "c")];
        schema(vec![attribute("arn", "\"string\"", "c")], vec![block("rule", nesting, attributes)])
    }

    #[test]
    fn what_only_the_provider_sets_stays() {
        let made = schema(
            vec![
                attribute("id", "\"string\"", "c"),
                attribute("name", "\"string\"", "o"),
                attribute("size", "\"number\"", "oc"),
                attribute("pin", "\"string\"", "ow"),
            ],
            Vec::new(),
        );
        let prior = object([
            ("id", text("i-1")),
            ("name", text("old")),
            ("size", Value::number(3_i64)),
            ("pin", Value::null()),
        ]);
        let config = object([
            ("id", Value::null()),
            ("name", Value::null()),
            ("size", Value::null()),
            ("pin", text("1234")),
        ]);
        let proposed = proposed_new(&made.shape, Some(&prior), &config);
        let wanted = object([
            ("id", text("i-1")),
            ("name", Value::null()),
            ("size", Value::number(3_i64)),
            ("pin", Value::null()),
        ]);
        assert_eq!(proposed, wanted);
        let created = proposed_new(&made.shape, None, &config);
        assert!(created.children().all(Value::is_null), "{created:?}");
    }

    #[test]
    fn blocks_are_merged_by_position_key_or_best_match() {
        let config = |rules| object([("arn", Value::null()), ("rule", rules)]);
        let prior = |rules| object([("arn", text("a")), ("rule", rules)]);

        let made = rules(NestingMode::List);
        let before = prior(Value::list(vec![rule(1, Some("x")), rule(2, Some("y"))]));
        let after = config(Value::list(vec![rule(2, None), rule(3, None), rule(4, None)]));
        let wanted = Value::list(vec![rule(2, Some("x")), rule(3, Some("y")), rule(4, None)]);
        assert_eq!(proposed_new(&made.shape, Some(&before), &after), prior(wanted));

        let made = rules(NestingMode::Set);
        let before = prior(Value::set(vec![rule(1, Some("x")), rule(2, Some("y"))]));
        let after = config(Value::set(vec![rule(2, None), rule(3, None)]));
        let wanted = Value::set(vec![rule(2, Some("y")), rule(3, None)]);
        assert_eq!(proposed_new(&made.shape, Some(&before), &after), prior(wanted));

        let made = rules(NestingMode::Map);
        let before = prior(object([("a", rule(1, Some("x")))]));
        let after = config(object([("a", rule(5, None)), ("b", rule(1, None))]));
        let wanted = object([("a", rule(5, Some("x"))), ("b", rule(1, None))]);
        assert_eq!(proposed_new(&made.shape, Some(&before), &after), prior(wanted));

        let made = rules(NestingMode::Single);
        let before = prior(rule(1, Some("x")));
        assert_eq!(
            proposed_new(&made.shape, Some(&before), &config(rule(2, None))),
            prior(rule(2, Some("x")))
        );
        let gone = config(Value::null());
        assert_eq!(proposed_new(&made.shape, Some(&before), &gone), prior(Value::null()));
    }

    #[test]
    fn a_prior_item_is_matched_once() {
        let made = rules(NestingMode::Set);
        let before = object([("rule", Value::set(vec![rule(1, Some("x"))]))]);
        let unknown = object([("port", Value::unknown()), ("id", Value::null())]);
        let after = object([("rule", Value::set(vec![rule(1, None), unknown.clone()]))]);
        let proposed = proposed_new(&made.shape, Some(&before), &after);
        let wanted = Value::set(vec![rule(1, Some("x")), unknown]);
        assert_eq!(proposed.get("rule"), Some(&wanted));
    }

    fn nested_made(flags: &str) -> TypeSchema {
        let attributes =
            vec![attribute("port", "\"number\"", "o"), attribute("id", "\"string\"", "c")];
        schema(vec![nested("rule", NestingMode::List, flags, attributes)], Vec::new())
    }

    #[test]
    fn attributes_inside_attributes_are_merged_too() {
        let made = nested_made("o");
        let before = object([("rule", Value::list(vec![rule(1, Some("x"))]))]);
        let after = object([("rule", Value::list(vec![rule(2, None)]))]);
        let wanted = object([("rule", Value::list(vec![rule(2, Some("x"))]))]);
        assert_eq!(proposed_new(&made.shape, Some(&before), &after), wanted);
    }

    #[test]
    fn what_was_configured_once_and_no_longer_is_goes() {
        let made = nested_made("oc");
        let none = object([("rule", Value::null())]);
        let configured = object([("rule", Value::list(vec![rule(1, Some("x"))]))]);
        assert_eq!(proposed_new(&made.shape, Some(&configured), &none), none);
        let id_only = object([("port", Value::null()), ("id", text("x"))]);
        let computed = object([("rule", Value::list(vec![id_only]))]);
        assert_eq!(proposed_new(&made.shape, Some(&computed), &none), computed);
    }

    #[test]
    fn a_provider_of_the_newer_kind_plans_what_is_configured() {
        let made = schema(
            vec![
                attribute("name", "\"string\"", "o"),
                attribute("size", "\"number\"", "oc"),
                attribute("pin", "\"string\"", "ow"),
            ],
            vec![block("rule", NestingMode::List, vec![attribute("port", "\"number\"", "o")])],
        );
        let value = |name: &str, size: Value, pin: Value, ports: &[i64]| {
            let rule = |port: &i64| object([("port", Value::number(*port))]);
            let rules = Value::list(ports.iter().map(rule).collect());
            object([("name", text(name)), ("size", size), ("pin", pin), ("rule", rules)])
        };
        let null = Value::null;
        let config = value("a", null(), text("1"), &[80]);
        let check = |planned: &Value| {
            check_planned(&made.shape, None, &config, planned).map_err(|error| error.to_string())
        };
        check(&value("a", Value::unknown(), null(), &[80])).unwrap();
        check(&value("b", null(), null(), &[80])).unwrap_err();
        check(&value("a", null(), text("1"), &[80])).unwrap_err();
        check(&value("a", null(), null(), &[80, 81])).unwrap_err();
        let error = check(&value("a", null(), null(), &[81])).unwrap_err();
        assert_eq!(
            error,
            "rule[0].port: the provider planned another value than the configured one"
        );
        let prior = value("b", null(), null(), &[80]);
        let kept = value("b", null(), null(), &[80]);
        check_planned(&made.shape, Some(&prior), &config, &kept).unwrap();
    }
}
