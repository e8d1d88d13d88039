//! Looking for what a create made whose answer was lost.
//!
//! The protocol has no search, so an object can be found only where its id follows from what was
//! planned: a bucket by its name. Each such type has a [`FindRule`], as data. An object of that id
//! is taken for ours only if it carries the tags that the create sent; one without them may be
//! somebody else's, and then nobody can tell.

use std::collections::BTreeMap;

use crate::model::environment::Private;
use crate::model::value::Kind;
use crate::model::value::Value;
use crate::provider::Failure;
use crate::provider::Finding;
use crate::provider::LiveObject;
use crate::provider::TagRule;
use crate::provider::terraform::TerraformProvider;

/// How to find an object of a type without having its id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FindRule {
    /// By reading the planned object with these attributes set, usually `id` alone.
    Read(BTreeMap<String, Template>),
    /// By importing this id.
    Import(Template),
}

/// Text with attributes in it: `{role}/{name}`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template(Vec<Part>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Text(String),
    Attribute(String),
}

/// The text is no template.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is not a template such as {{name}} or {{role}}/{{name}}")]
pub struct TemplateError(String);

impl Template {
    /// Reads a template. One without any attribute would name the same object every time.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let wrong = || TemplateError(text.to_owned());
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(wrong)?;
            if name.is_empty() || name.contains('{') || before.contains('}') {
                return Err(wrong());
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Attribute(name.to_owned()));
            rest = after;
        }
        if parts.is_empty() || rest.contains('}') {
            return Err(wrong());
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The text for an object.
    ///
    /// # Errors
    /// The attribute that is not known, or not set.
    pub fn expand(&self, object: &Value) -> Result<String, String> {
        let part = |part: &Part| match part {
            Part::Text(text) => Ok(text.clone()),
            Part::Attribute(name) => match object.get(name).map(Value::kind) {
                Some(Kind::String(text)) if !text.is_empty() => Ok(text.clone()),
                Some(Kind::Number(number)) => Ok(number.to_string()),
                _ => Err(name.clone()),
            },
        };
        self.0.iter().map(part).collect()
    }
}

/// Whether an object carries the tags that its create sent. None where the type has no tags, so
/// that nobody can say.
fn carries_tags(rule: Option<&TagRule>, planned: &Value, found: &Value) -> Option<bool> {
    let attribute = &rule?.attribute;
    let sent = planned.get(attribute)?.as_map().filter(|sent| !sent.is_empty())?;
    let there = found.get(attribute);
    let same = |(key, value): (&String, &Value)| {
        there
            .and_then(|tags| tags.get(key))
            .is_some_and(|other| other.unmarked() == value.unmarked())
    };
    Some(sent.iter().all(same))
}

/// The object to read: as planned, nothing in it unknown, and without the tags, so that those it
/// has afterwards are those of the real one.
fn sought(
    planned: &Value,
    attributes: &BTreeMap<String, Template>,
    tags: Option<&TagRule>,
) -> Result<Value, String> {
    let known = planned.rebuild(&mut |node| if node.is_unknown() { Value::null() } else { node });
    let mut members = known.as_map().cloned().unwrap_or_default();
    for (name, template) in attributes {
        members.insert(name.clone(), Value::string(template.expand(planned)?));
    }
    if let Some(rule) = tags {
        members.insert(rule.attribute.clone(), Value::null());
    }
    Ok(Value::map(members))
}

impl TerraformProvider {
    /// Looks for what a create with these planned values made.
    pub(super) async fn find(&self, kind: &str, planned: &Value) -> Result<Finding, Failure> {
        let made = self.made(kind)?;
        let Some(rule) = self.find.get(kind) else {
            let why = format!("an object of type {kind} cannot be found without its id");
            return Ok(Finding::CannotTell(why));
        };
        let offer = self.offer.resources.get(kind);
        let tags = offer.and_then(|offer| offer.governance.tags.as_ref());
        let found = match rule {
            FindRule::Import(id) => match id.expand(planned) {
                Ok(id) => self.import(kind, &id).await,
                Err(attribute) => return Ok(unknown_attribute(&attribute)),
            },
            FindRule::Read(attributes) => match sought(planned, attributes, tags) {
                Ok(value) => {
                    let object = LiveObject { value, private: Private::default() };
                    self.read(made, kind, &object).await
                }
                Err(attribute) => return Ok(unknown_attribute(&attribute)),
            },
        };
        let Some(object) = found? else { return Ok(Finding::Absent) };
        Ok(match carries_tags(tags, planned, &object.value) {
            Some(true) => Finding::Approximate(object),
            Some(false) => Finding::CannotTell(
                "there is one of this name, and it does not carry the tags of this environment"
                    .to_owned(),
            ),
            None => Finding::CannotTell(
                "there is one of this name, and its type has no tags to say whose it is".to_owned(),
            ),
        })
    }
}

fn unknown_attribute(attribute: &str) -> Finding {
    let why = format!("its {attribute}, by which it would be found, was not known before");
    Finding::CannotTell(why)
}

#[cfg(test)]
mod tests {
    use super::Template;
    use super::carries_tags;
    use super::sought;
    use crate::model::value::Value;
    use crate::provider::TagRule;

    #[test]
    fn templates_are_read_and_filled() {
        let object = Value::object([("role", Value::string("r")), ("n", Value::number(2_i64))]);
        let template = Template::parse("x-{role}/{n}").unwrap();
        assert_eq!(template.expand(&object).unwrap(), "x-r/2");
        assert_eq!(Template::parse("{name}").unwrap().expand(&object).unwrap_err(), "name");
        for wrong in ["", "plain", "{", "{}", "a}b", "{a", "{a}}", "{a{b}}"] {
            Template::parse(wrong).unwrap_err();
        }
    }

    #[test]
    fn only_what_carries_the_tags_is_ours() {
        let rule = TagRule { attribute: "tags".into(), key_extra: String::new(), text: None };
        let tagged = |owner: &str| {
            let tags =
                Value::object([("gov_owner", Value::string(owner)), ("x", Value::string("y"))]);
            Value::object([("tags", tags)])
        };
        let sent = Value::object([("tags", Value::object([("gov_owner", Value::string("ann"))]))]);
        assert_eq!(carries_tags(Some(&rule), &sent, &tagged("ann")), Some(true));
        assert_eq!(carries_tags(Some(&rule), &sent, &tagged("bob")), Some(false));
        let bare = Value::object([("tags", Value::null())]);
        assert_eq!(carries_tags(Some(&rule), &sent, &bare), Some(false));
        assert_eq!(carries_tags(Some(&rule), &bare, &tagged("ann")), None, "nothing was sent");
        assert_eq!(carries_tags(None, &sent, &tagged("ann")), None);
    }

    #[test]
    fn what_is_sought_has_no_unknowns_and_no_tags() {
        let rule = TagRule { attribute: "tags".into(), key_extra: String::new(), text: None };
        let planned = Value::object([
            ("id", Value::unknown()),
            ("name", Value::string("n")),
            ("tags", Value::object([("a", Value::string("b"))])),
        ]);
        let id = [("id".to_owned(), Template::parse("{name}").unwrap())].into();
        let wanted = Value::object([
            ("id", Value::string("n")),
            ("name", Value::string("n")),
            ("tags", Value::null()),
        ]);
        assert_eq!(sought(&planned, &id, Some(&rule)).unwrap(), wanted);
        let id = [("id".to_owned(), Template::parse("{id}").unwrap())].into();
        assert_eq!(sought(&planned, &id, None).unwrap_err(), "id");
    }
}
