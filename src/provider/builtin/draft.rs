//! What built-in providers share of proposing and applying: filling in what the configuration
//! leaves open, and finding what forces a new object.
//!
//! It knows no type and has no effect. Start with [`draft`].

use std::collections::BTreeMap;

use crate::model::schema::Attribute;
use crate::model::schema::Block;
use crate::model::value::Path;
use crate::model::value::Value;
use crate::model::value::same;
use crate::provider::builtin::attribute;

/// A planned value with the attributes that force a new object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Draft {
    /// The object after, with unknowns.
    pub planned: Value,
    /// Attributes that differ and cannot change in place, in order.
    pub replace: Vec<Path>,
}

/// Whether only the provider sets this attribute.
pub(crate) fn is_computed_only(attribute: &Attribute) -> bool {
    attribute.computed && !attribute.optional && !attribute.required
}

/// The configured side of an object: what the configuration says, else the default of that name.
pub(crate) fn configured(
    block: &Block,
    config: &Value,
    defaults: &[(&str, Value)],
) -> BTreeMap<String, Value> {
    let settable = block.attributes.iter().filter(|(_, a)| !is_computed_only(a));
    settable
        .map(|(name, _)| {
            let given = attribute(config, name);
            let default = defaults.iter().find(|(of, _)| of == name).map(|(_, value)| value);
            let value = match default {
                Some(default) if given.is_null() => default.clone(),
                _ => given,
            };
            (name.clone(), value)
        })
        .collect()
}

/// The planned value: the configured side, with what only the provider sets kept from the prior
/// object, or unknown where there is none or it has to be made anew.
pub(crate) fn draft(
    block: &Block,
    prior: Option<&Value>,
    configured: BTreeMap<String, Value>,
    in_place: &[&str],
) -> Draft {
    let differs = |name: &str, value: &Value| {
        prior.is_some_and(|prior| !same(&attribute(prior, name), value))
    };
    let replace: Vec<Path> = configured
        .iter()
        .filter(|(name, value)| !in_place.contains(&name.as_str()) && differs(name, value))
        .map(|(name, _)| Path::attribute(name))
        .collect();
    let kept = prior.filter(|_| replace.is_empty());
    let mut members = configured;
    for (name, schema) in &block.attributes {
        if !members.contains_key(name) {
            let value = kept.map_or_else(Value::unknown, |prior| attribute(prior, name));
            members.insert(name.clone(), value.with_sensitive(schema.sensitive));
        }
    }
    Draft { planned: Value::map(members), replace }
}

/// The configured side as it is to be made: what was planned where that is known, else what the
/// configuration, known by now, says, else the default of that name. Only what the configuration
/// itself leaves unknown stays so.
pub(crate) fn settle(
    block: &Block,
    planned: &Value,
    config: &Value,
    defaults: &[(&str, Value)],
) -> BTreeMap<String, Value> {
    let mut settled = configured(block, config, defaults);
    for (name, value) in &mut settled {
        let plan = attribute(planned, name);
        if plan.is_wholly_known() {
            *value = plan;
        }
    }
    settled
}

#[cfg(test)]
mod tests {
    use super::configured;
    use super::draft;
    use super::settle;
    use crate::model::schema::Attribute;
    use crate::model::schema::Block;
    use crate::model::schema::Type;
    use crate::model::value::Value;

    fn block() -> Block {
        let attributes = [
            ("name".to_owned(), Attribute::required(Type::String)),
            ("size".to_owned(), Attribute::optional(Type::Number).or_computed()),
            ("id".to_owned(), Attribute::computed(Type::String)),
        ];
        Block { attributes: attributes.into(), ..Block::default() }
    }

    fn config(name: Value) -> Value {
        Value::object([("name", name), ("size", Value::null()), ("id", Value::null())])
    }

    #[test]
    fn what_is_kept_depends_on_what_differs() {
        let defaults = [("size", Value::number(1_i64))];
        let first = configured(&block(), &config(Value::string("a")), &defaults);
        let created = draft(&block(), None, first, &["size"]);
        assert!(created.planned.get("id").unwrap().is_unknown());
        assert_eq!(created.planned.get("size"), Some(&Value::number(1_i64)));
        assert!(created.replace.is_empty());

        let prior = Value::object([
            ("name", Value::string("a")),
            ("size", Value::number(2_i64)),
            ("id", Value::string("x")),
        ]);
        let again = configured(&block(), &config(Value::string("a")), &defaults);
        let update = draft(&block(), Some(&prior), again, &["size"]);
        assert_eq!(update.planned.get("id"), Some(&Value::string("x")));
        assert!(update.replace.is_empty());

        let other = configured(&block(), &config(Value::unknown()), &defaults);
        let replaced = draft(&block(), Some(&prior), other, &["size"]);
        assert!(replaced.planned.get("id").unwrap().is_unknown());
        assert_eq!(replaced.replace.first().unwrap().to_string(), "name");
    }

    #[test]
    fn a_known_plan_wins_over_the_configuration() {
        let defaults = [("size", Value::number(1_i64))];
        let mut members = config(Value::unknown()).as_map().unwrap().clone();
        members.insert("size".into(), Value::unknown());
        let planned = Value::map(members);
        let settled = settle(&block(), &planned, &config(Value::string("b")), &defaults);
        assert_eq!(settled.get("name"), Some(&Value::string("b")));
        assert_eq!(settled.get("size"), Some(&Value::number(1_i64)));
        let planned = config(Value::string("a"));
        let settled = settle(&block(), &planned, &config(Value::string("b")), &defaults);
        assert_eq!(settled.get("name"), Some(&Value::string("a")));
        assert!(!settled.contains_key("id"));
    }
}
