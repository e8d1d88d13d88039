//! What happens to one resource, from what was observed and what was proposed.

use crate::model::address::Address;
use crate::model::digest::Digest;
use crate::model::digest::Domain;
use crate::model::environment::Facts;
use crate::model::environment::PriceFact;
use crate::model::environment::SENSITIVE_TEXT;
use crate::model::environment::UNKNOWN_TEXT;
use crate::model::id::EnvironmentId;
use crate::model::id::Marker;
use crate::model::limits::REGION_LOCAL;
use crate::model::schema::ConvertError;
use crate::model::value::Path;
use crate::model::value::Step;
use crate::model::value::Value;
use crate::model::value::same;
use crate::provider::Governance;
use crate::provider::PriceRule;
use crate::provider::RegionRule;
use crate::provider::TagRule;
use crate::provider::TagText;

/// What every tag of gov's begins with. Nobody else may set such a tag.
pub const TAG_PREFIX: &str = "gov:";

/// Hex digits of a marker: 80 bits, so that two never meet, and short enough for any tag.
const MARKER_CHARS: usize = 20;

/// The marker of a resource made from this revision. It is fixed by the plan, differs between
/// successive objects at one address, and is the same when the same plan is made again.
#[must_use]
pub fn marker(environment: EnvironmentId, address: &Address, resources_revision: u64) -> Marker {
    let text = format!("{environment}\n{address}\n{resources_revision}");
    let digest = Digest::of(Domain::Marker, text.as_bytes()).to_string();
    Marker(digest.chars().take(MARKER_CHARS).collect())
}

/// The tags of an environment, by key: what every taggable create carries.
#[must_use]
pub fn reserved_tags(facts: &std::collections::BTreeMap<String, Value>) -> Vec<(String, Value)> {
    let fact = |name: &str| facts.get(name).cloned().unwrap_or_else(Value::null);
    [
        ("environment", "id"),
        ("owner", "owner"),
        ("team", "team"),
        ("project", "project"),
        ("purpose", "purpose"),
    ]
    .into_iter()
    .map(|(tag, name)| (format!("{TAG_PREFIX}{tag}"), fact(name)))
    .collect()
}

/// The configuration with the environment's tags in it.
///
/// # Errors
/// Where the configuration sets a reserved tag itself: the caller cannot override them.
pub fn inject_tags(
    config: &Value,
    rule: &TagRule,
    tags: &[(String, Value)],
) -> Result<Value, ConvertError> {
    let Some(members) = config.as_map() else { return Ok(config.clone()) };
    let escape = |key: &str| -> String {
        let kept = |c: char| c.is_ascii_alphanumeric() || rule.key_extra.contains(c);
        key.chars().map(|c| if kept(c) { c } else { '_' }).collect()
    };
    let prefix = escape(TAG_PREFIX);
    let given = members.get(&rule.attribute);
    let mut merged = match given.map(Value::kind) {
        None | Some(crate::model::value::Kind::Null) => std::collections::BTreeMap::new(),
        Some(crate::model::value::Kind::Map(tags)) => tags.clone(),
        // Tags known only after apply could hide a reserved one.
        _ => {
            return Err(ConvertError {
                path: Path::attribute(&rule.attribute),
                problem: "its keys must be known before apply, since reserved tags are among them"
                    .to_owned(),
            });
        }
    };
    if let Some(key) = merged.keys().find(|key| key.starts_with(&prefix)) {
        return Err(ConvertError {
            path: Path(vec![Step::Attribute(rule.attribute.clone()), Step::Key(key.clone())]),
            problem: format!("tags that begin with {prefix} are set by gov alone"),
        });
    }
    for (key, value) in tags {
        merged.insert(escape(key), fitting(value, rule.text.as_ref()));
    }
    let sensitive = given.is_some_and(Value::is_sensitive);
    let mut members = members.clone();
    members.insert(rule.attribute.clone(), Value::map(merged).with_sensitive(sensitive));
    Ok(Value::map(members).with_sensitive(config.is_sensitive()))
}

/// The text of a tag as its provider takes it.
fn fitting(value: &Value, rule: Option<&TagText>) -> Value {
    let (Some(text), Some(rule)) = (value.as_str(), rule) else { return value.clone() };
    let kept = |c: char| c.is_alphanumeric() || rule.extra.contains(c);
    let text: String =
        text.chars().map(|c| if kept(c) { c } else { '_' }).take(rule.chars_max).collect();
    Value::string(text).with_sensitive(value.is_sensitive())
}

/// What governance needs to know of a resource, from its type and its values.
#[must_use]
pub fn facts(governance: &Governance, value: &Value, provider_config: &Value) -> Facts {
    let text = |value: Option<&Value>| match value {
        // A secret is on no list of what is allowed, and stands in no finding.
        Some(value) if value.contains_sensitive() => Some(SENSITIVE_TEXT.to_owned()),
        Some(value) if value.is_unknown() => Some(UNKNOWN_TEXT.to_owned()),
        Some(value) => value.as_str().map(str::to_owned),
        None => None,
    };
    let region = match &governance.region {
        RegionRule::Local => Some(REGION_LOCAL.to_owned()),
        RegionRule::Global => None,
        // An attribute that is not set does not say where: as good as unknown.
        RegionRule::Attribute(name) => {
            Some(text(value.get(name)).unwrap_or_else(|| UNKNOWN_TEXT.to_owned()))
        }
        RegionRule::Provider(name) => {
            Some(text(provider_config.get(name)).unwrap_or_else(|| UNKNOWN_TEXT.to_owned()))
        }
    };
    let mut classes = governance.classes.clone();
    let met = governance.conditions.iter().filter(|condition| condition.holds(value));
    classes.extend(met.map(|condition| condition.class.clone()));
    Facts {
        bears_data: governance.bears_data,
        region,
        classes,
        endpoints: governance.endpoints.iter().filter_map(|name| text(value.get(name))).collect(),
        price: match &governance.price {
            PriceRule::Unmapped => PriceFact::Unmapped,
            PriceRule::Free { reason } => PriceFact::Free(reason.clone()),
            PriceRule::Declared(cost) => PriceFact::Declared(cost.clone()),
        },
    }
}

/// The configuration with ignored attributes as they are.
#[must_use]
pub fn ignore(config: &Value, prior: &Value, ignored: &[String]) -> Value {
    let Some(members) = config.as_map() else { return config.clone() };
    let mut members = members.clone();
    for name in ignored {
        if let (Some(member), Some(observed)) = (members.get_mut(name), prior.get(name)) {
            *member = observed.clone();
        }
    }
    Value::map(members).with_sensitive(config.is_sensitive())
}

/// Of the paths that would need a new object, those where something really changes.
#[must_use]
pub fn forced(prior: &Value, planned: &Value, requires_replace: &[Path]) -> Vec<Path> {
    let null = Value::null();
    let changes = |path: &&Path| {
        let before = prior.at(path).unwrap_or(&null);
        let after = planned.at(path).unwrap_or(&null);
        !same(before, after)
    };
    let mut paths: Vec<Path> = requires_replace.iter().filter(changes).cloned().collect();
    paths.sort();
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use super::inject_tags;
    use super::marker;
    use crate::model::id::EnvironmentId;
    use crate::model::id::Ulid;
    use crate::model::lifetime::Timestamp;
    use crate::model::value::Value;
    use crate::provider::TagRule;
    use crate::provider::TagText;

    /// G10: the caller cannot override the environment's tags, whatever the provider's alphabet.
    #[test]
    fn g10_reserved_tags_cannot_be_overridden() {
        let rule = TagRule { attribute: "tags".into(), key_extra: "-_".into(), text: None };
        let tags = [("gov:owner".to_owned(), Value::string("ann"))];
        let config =
            Value::object([("tags", Value::object([("gov_owner", Value::string("bob"))]))]);
        assert!(inject_tags(&config, &rule, &tags).is_err());
        let config = Value::object([("tags", Value::object([("mine", Value::string("x"))]))]);
        let injected = inject_tags(&config, &rule, &tags).unwrap();
        let merged = injected.get("tags").unwrap();
        assert_eq!(merged.get("gov_owner").unwrap().as_str(), Some("ann"));
        assert_eq!(merged.get("mine").unwrap().as_str(), Some("x"));
        let config = Value::object([("tags", Value::unknown())]);
        assert!(inject_tags(&config, &rule, &tags).is_err());
    }

    #[test]
    fn g10_a_purpose_in_free_words_fits_a_tag() {
        let text = Some(TagText { extra: " _-".into(), chars_max: 12 });
        let rule = TagRule { attribute: "tags".into(), key_extra: ":".into(), text };
        let tags = [("gov:purpose".to_owned(), Value::string("Größe (test), of everything"))];
        let config = Value::object([("tags", Value::null())]);
        let injected = inject_tags(&config, &rule, &tags).unwrap();
        let purpose = injected.get("tags").unwrap().get("gov:purpose").unwrap();
        assert_eq!(purpose.as_str(), Some("Größe _test_"));
    }

    #[test]
    fn a_marker_is_stable_and_its_own() {
        let id = EnvironmentId(Ulid::new(Timestamp::from_millis(0), 1));
        let address = "a.b".parse().unwrap();
        assert_eq!(marker(id, &address, 3), marker(id, &address, 3));
        assert_ne!(marker(id, &address, 3), marker(id, &address, 4));
    }
}
