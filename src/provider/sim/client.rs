//! What the simulated provider does before any call reaches the cloud: checking, proposing,
//! upgrading. Pure functions of their arguments.
//!
//! Nothing here knows which objects exist. Start with [`propose`].

use std::collections::BTreeMap;

use crate::model::environment::Private;
use crate::model::value::Path;
use crate::model::value::Step;
use crate::model::value::Value;
use crate::model::value::differences;
use crate::provider::Failure;
use crate::provider::LiveObject;
use crate::provider::Proposal;
use crate::provider::Remark;
use crate::provider::builtin::attribute;
use crate::provider::builtin::draft::configured;
use crate::provider::builtin::draft::draft;
use crate::provider::builtin::refused;
use crate::provider::sim::kinds::Kind;
use crate::provider::sim::kinds::Search;
use crate::provider::sim::kinds::VERSION;

/// Longest name in characters, as clouds have it.
const NAME_MAX: usize = 255;

/// Largest size.
const SIZE_MAX: usize = 1000;

/// Most tags of an object, and longest key and value in characters: the limits of AWS.
const TAGS_MAX: (usize, usize, usize) = (50, 128, 256);

/// Longest text of any other attribute in bytes.
const TEXT_MAX: usize = 1024 * 1024;

/// What is wrong with a configuration beyond its schema; unknown parts are right so far.
pub(crate) fn check(kind: &Kind, config: &Value) -> Vec<Remark> {
    let mut problems = Vec::new();
    let block = kind.block();
    for name in block.attributes.keys() {
        let value = attribute(config, name);
        let Some(text) = value.as_str() else { continue };
        let length = text.chars().count();
        if text.len() > TEXT_MAX {
            problems.push(Remark::on(name, format!("is longer than {TEXT_MAX} bytes")));
        } else if matches!(name.as_str(), "name" | "from" | "to" | "region" | "zone")
            && (length == 0 || length > NAME_MAX)
        {
            let problem = format!("needs 1 to {NAME_MAX} characters, has {length}");
            problems.push(Remark::on(name, problem));
        }
    }
    let size = attribute(config, "size");
    if let Some(number) = size.as_number()
        && !number.as_usize().is_some_and(|given| (1..=SIZE_MAX).contains(&given))
    {
        let problem = format!("needs a whole number from 1 to {SIZE_MAX}, has {number}");
        problems.push(Remark::on("size", problem));
    }
    let ends = attribute(config, "from").as_str().map(str::to_owned);
    if ends.is_some() && ends.as_deref() == attribute(config, "to").as_str() {
        problems.push(Remark::on("to", "is the same end as `from`"));
    }
    if kind.name == "sim_remote"
        && attribute(config, "endpoint").as_str().is_some_and(|text| !text.starts_with("https://"))
    {
        problems.push(Remark::on("endpoint", "has to begin with https://"));
    }
    check_tags(kind, config, &mut problems);
    problems
}

fn check_tags(kind: &Kind, config: &Value, problems: &mut Vec<Remark>) {
    let Some(rule) = kind.tag_rule() else { return };
    let tags = tags(kind, config);
    let (count_max, key_max, value_max) = TAGS_MAX;
    if tags.len() > count_max {
        let problem = format!("may have {count_max} tags at most, has {}", tags.len());
        problems.push(Remark::on(&rule.attribute, problem));
    }
    for (key, value) in tags {
        let allowed = |c: char| c.is_alphanumeric() || rule.key_extra.contains(c);
        let problem = if !key.chars().all(allowed) {
            let extra = &rule.key_extra;
            format!("a key may have letters, digits and `{extra}` only")
        } else if key.chars().count() > key_max || value.chars().count() > value_max {
            format!("a key may have {key_max} characters and a value {value_max}")
        } else {
            continue;
        };
        let path = Path::attribute(&rule.attribute).join(Step::Key(key));
        problems.push(Remark { path, ..Remark::new(problem) });
    }
}

/// The known tags of a value of this type.
pub(crate) fn tags(kind: &Kind, value: &Value) -> BTreeMap<String, String> {
    let Some(rule) = kind.tag_rule() else { return BTreeMap::new() };
    let tags = attribute(value, &rule.attribute);
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    tags.as_map().into_iter().flatten().filter_map(text).collect()
}

/// Says what applying would make of an object.
pub(crate) fn propose(
    kind: &Kind,
    prior: Option<&LiveObject>,
    config: &Value,
) -> Result<Proposal, Failure> {
    let private = proposal_private(kind, prior);
    let warnings = Vec::new();
    if config.is_null() {
        let requires_replace = Vec::new();
        return Ok(Proposal { planned: Value::null(), requires_replace, private, warnings });
    }
    let problems = check(kind, config);
    if !problems.is_empty() {
        return Err(refused(problems));
    }
    let block = kind.block();
    let sides = configured(&block, config, &(kind.defaults)());
    let value = prior.map(|object| &object.value);
    let drafted = draft(&block, value, sides, kind.in_place);
    let mut planned = drafted.planned;
    if let Some(value) = value
        && block.attributes.contains_key("revision")
        && !differences(value, &planned).is_empty()
    {
        planned = with(&planned, "revision", Value::unknown());
    }
    if kind.search == Search::Name
        && let Some(id) = link_id(&planned)
    {
        planned = with(&planned, "id", Value::string(id));
    }
    Ok(Proposal { planned, requires_replace: drafted.replace, private, warnings })
}

/// The name of a link, where both its ends are known.
pub(crate) fn link_id(value: &Value) -> Option<String> {
    let (from, to) = (attribute(value, "from"), attribute(value, "to"));
    Some(format!("link-{}->{}", from.as_str()?, to.as_str()?))
}

/// What people call the object with this value: its `name`, or `from->to` of a link.
pub(crate) fn label(value: &Value) -> String {
    if let Some(name) = attribute(value, "name").as_str() {
        return name.to_owned();
    }
    let (from, to) = (attribute(value, "from"), attribute(value, "to"));
    match from.as_str().zip(to.as_str()) {
        Some((from, to)) => format!("{from}->{to}"),
        None => String::new(),
    }
}

/// A value with one member set.
pub(crate) fn with(value: &Value, name: &str, member: Value) -> Value {
    let mut members = value.as_map().cloned().unwrap_or_default();
    members.insert(name.to_owned(), member);
    Value::map(members).with_sensitive(value.is_sensitive())
}

/// The bytes that a proposal carries, and that applying it has to bring back.
pub(crate) fn proposal_private(kind: &Kind, prior: Option<&LiveObject>) -> Private {
    let id = prior.map(|object| attribute(&object.value, "id"));
    let id = id.as_ref().and_then(Value::as_str).unwrap_or("new");
    Private(format!("sim-proposal {} {id}", kind.name).into_bytes())
}

/// The bytes that an object carries, and that changing or deleting it has to bring back.
pub(crate) fn object_private(id: &str) -> Private {
    Private(format!("sim-object {id}").into_bytes())
}

/// A stored value at the present version.
pub(crate) fn upgrade(kind: &Kind, version: u64, value: &Value) -> Result<Value, Failure> {
    if version > VERSION {
        return Err(Failure::rejected(format!(
            "the stored object follows version {version} of `{}` and this gov knows {VERSION} at \
             most; use the gov that wrote it",
            kind.name
        )));
    }
    let old_name = attribute(value, "label");
    let members = kind.block().attributes.into_keys().map(|name| {
        let member = attribute(value, &name);
        let renamed = version == 0 && name == "name" && member.is_null();
        (name, if renamed { old_name.clone() } else { member })
    });
    Ok(Value::map(members.collect()))
}

#[cfg(test)]
mod tests {
    use super::check;
    use super::propose;
    use super::upgrade;
    use crate::model::value::Value;
    use crate::provider::LiveObject;
    use crate::provider::sim::kinds;

    #[test]
    fn tags_are_held_to_the_type_s_rule() {
        let tagged = |key: &str| {
            let tags = Value::object([(key, Value::string("x"))]);
            Value::object([("name", Value::string("a")), ("tags", tags)])
        };
        let (strict, lax) = ("sim_database", "sim_object");
        assert!(check(kinds::find(lax).unwrap(), &tagged("gov:owner")).is_empty());
        let problems = check(kinds::find(strict).unwrap(), &tagged("gov:owner"));
        assert!(problems[0].to_string().starts_with("tags[\"gov:owner\"]"), "{problems:?}");
        assert!(check(kinds::find(strict).unwrap(), &tagged("gov_owner")).is_empty());
    }

    #[test]
    fn a_link_knows_its_id_as_soon_as_its_ends() {
        let kind = kinds::find("sim_link").unwrap();
        let config = |to: Value| Value::object([("from", Value::string("a")), ("to", to)]);
        let known = propose(kind, None, &config(Value::string("b"))).unwrap();
        assert_eq!(known.planned.get("id"), Some(&Value::string("link-a->b")));
        let open = propose(kind, None, &config(Value::unknown())).unwrap();
        assert!(open.planned.get("id").unwrap().is_unknown());
        assert!(propose(kind, None, &config(Value::string("a"))).is_err());
    }

    #[test]
    fn an_update_leaves_open_what_only_writing_tells() {
        let kind = kinds::find("sim_object").unwrap();
        let value = Value::object([
            ("name", Value::string("a")),
            ("size", Value::number(1_i64)),
            ("zone", Value::string("zone-a")),
            ("id", Value::string("obj-1")),
            ("revision", Value::number(1_i64)),
        ]);
        let prior = LiveObject { value, private: crate::model::environment::Private::default() };
        let config = |size: i64| {
            Value::object([("name", Value::string("a")), ("size", Value::number(size))])
        };
        let same = propose(kind, Some(&prior), &config(1)).unwrap();
        assert_eq!(same.planned.get("revision"), Some(&Value::number(1_i64)));
        let other = propose(kind, Some(&prior), &config(2)).unwrap();
        assert!(other.planned.get("revision").unwrap().is_unknown());
        assert!(other.requires_replace.is_empty());
    }

    #[test]
    fn an_old_object_is_brought_to_the_present_shape() {
        let kind = kinds::find("sim_object").unwrap();
        let old = Value::object([("label", Value::string("a"))]);
        let new = upgrade(kind, 0, &old).unwrap();
        assert_eq!(new.get("name"), Some(&Value::string("a")));
        assert!(new.get("label").is_none() && new.get("content").unwrap().is_null());
        assert!(upgrade(kind, 2, &old).is_err());
    }
}
