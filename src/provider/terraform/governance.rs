//! What gov knows of a provider's types, as data: `providers/<name>/governance.toml`.
//!
//! ```toml
//! format = 1
//!
//! [defaults]                               # for every type that does not say otherwise
//! region = { provider = "region" }         # or { attribute = "location" }, "global", "local"
//! tags = { attribute = "tags", key_extra = " _.:/=+-@" }
//!
//! [type.aws_s3_bucket]
//! bears_data = true
//! classes = ["storage"]
//! find = { read = { id = "{bucket}" } }    # or { import = "{name}" }
//!
//! [[condition]]                            # a class that only some values make
//! class = "expose-public"
//! is = ["0.0.0.0/0"]
//! in = { aws_security_group = ["ingress.cidr_blocks"] }
//! ```
//!
//! A type that the file does not name is handled by its schema: a configurable map of text called
//! `tags` carries tags. It claims nothing else, and its price is unmapped.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;

use crate::model::schema::Schema;
use crate::model::schema::Type;
use crate::provider::Condition;
use crate::provider::Governance;
use crate::provider::PriceRule;
use crate::provider::RegionRule;
use crate::provider::TagRule;
use crate::provider::TagText;
use crate::provider::terraform::find::FindRule;
use crate::provider::terraform::find::Template;

/// The version of the file's shape. A reader refuses any other.
pub const FORMAT: u32 = 1;

/// The attribute of tags and the one of the region, where no file says otherwise.
const TAGS: &str = "tags";
const REGION: &str = "region";

/// What a tag key may hold where no file says otherwise: what every known provider takes.
const KEY_EXTRA: &str = "_-";

/// What gov knows of the types of one provider. The default knows nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GovernanceTable {
    region: Option<RegionRule>,
    tags: Option<TagRule>,
    types: BTreeMap<String, Known>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Known {
    region: Option<RegionRule>,
    tags: Option<Option<TagRule>>,
    bears_data: bool,
    classes: BTreeSet<String>,
    endpoints: BTreeSet<String>,
    free: Option<String>,
    find: Option<FindRule>,
    conditions: Vec<Condition>,
}

/// The file is not of its form.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GovernanceError {
    /// It is no TOML, or has what nobody reads.
    #[error("{0}")]
    Syntax(String),
    /// It is of another version.
    #[error("format {0} is not known, this gov reads {FORMAT}")]
    Format(u32),
    /// A row makes no sense.
    #[error("{0}")]
    Row(String),
}

impl GovernanceTable {
    /// Reads a file.
    ///
    /// # Errors
    /// [`GovernanceError`]: a rule that is not understood is not skipped.
    pub fn parse(text: &str) -> Result<Self, GovernanceError> {
        let document: Document =
            toml::from_str(text).map_err(|error| GovernanceError::Syntax(error.to_string()))?;
        if document.format != FORMAT {
            return Err(GovernanceError::Format(document.format));
        }
        let mut types = BTreeMap::new();
        for (kind, row) in document.types {
            let known = known(row).map_err(|why| GovernanceError::Row(format!("{kind}: {why}")))?;
            types.insert(kind, known);
        }
        let mut table = Self {
            region: document
                .defaults
                .region
                .map(region)
                .transpose()
                .map_err(GovernanceError::Row)?,
            tags: document.defaults.tags.and_then(tags),
            types,
        };
        for row in document.conditions {
            table.add_condition(row)?;
        }
        Ok(table)
    }

    fn add_condition(&mut self, row: ConditionRow) -> Result<(), GovernanceError> {
        if row.is.is_empty() && row.begins.is_empty() {
            let why = format!("the condition of {} has neither `is` nor `begins`", row.class);
            return Err(GovernanceError::Row(why));
        }
        for (kind, attributes) in row.within {
            let Some(known) = self.types.get_mut(&kind) else {
                let why = format!("{kind} has a condition and no row of its own");
                return Err(GovernanceError::Row(why));
            };
            for attribute in attributes {
                known.conditions.push(Condition {
                    class: row.class.clone(),
                    attribute: attribute.split('.').map(str::to_owned).collect(),
                    is: row.is.clone(),
                    begins: row.begins.clone(),
                });
            }
        }
        Ok(())
    }

    /// Whether a type has a row. One that has none is handled by its schema.
    #[must_use]
    pub fn is_governed(&self, kind: &str) -> bool {
        self.types.contains_key(kind)
    }

    /// How to find an object of a type without its id.
    #[must_use]
    pub fn find(&self, kind: &str) -> Option<&FindRule> {
        self.types.get(kind)?.find.as_ref()
    }

    /// What governance needs to know of a type.
    #[must_use]
    pub fn governance(&self, kind: &str, schema: &Schema) -> Governance {
        let unnamed = Known::default();
        let known = self.types.get(kind).unwrap_or(&unnamed);
        let tags = match &known.tags {
            Some(stated) => stated.clone(),
            None => Some(self.tags.clone().unwrap_or_else(default_tags)),
        };
        // Where nobody knows where a provider acts, its configuration may say. If that does not
        // either, the region is unknown, and no list of allowed ones has that.
        let region = known.region.clone().or_else(|| self.region.clone());
        Governance {
            tags: tags.filter(|rule| carries(schema, rule)),
            region: region.unwrap_or_else(|| RegionRule::Provider(REGION.to_owned())),
            bears_data: known.bears_data,
            classes: known.classes.clone(),
            price: match &known.free {
                Some(reason) => PriceRule::Free { reason: reason.clone() },
                None => PriceRule::Unmapped,
            },
            endpoints: known.endpoints.clone(),
            conditions: known.conditions.clone(),
        }
    }
}

/// Whether a schema has the attribute of a tag rule, for the configuration to set.
fn carries(schema: &Schema, rule: &TagRule) -> bool {
    schema.block.attributes.get(&rule.attribute).is_some_and(|attribute| {
        let settable = attribute.optional || attribute.required;
        settable && attribute.ty == Type::Map(Box::new(Type::String))
    })
}

fn default_tags() -> TagRule {
    TagRule { attribute: TAGS.to_owned(), key_extra: KEY_EXTRA.to_owned(), text: None }
}

// ---- the file ------------------------------------------------------------------------------

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    #[serde(default)]
    defaults: Defaults,
    #[serde(default, rename = "type")]
    types: BTreeMap<String, Row>,
    #[serde(default, rename = "condition")]
    conditions: Vec<ConditionRow>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Defaults {
    region: Option<RegionRow>,
    tags: Option<TagsRow>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Row {
    region: Option<RegionRow>,
    tags: Option<TagsRow>,
    bears_data: bool,
    classes: BTreeSet<String>,
    endpoints: BTreeSet<String>,
    free: Option<String>,
    find: Option<FindRow>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RegionRow {
    Word(String),
    Named(NamedRegion),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum NamedRegion {
    Attribute(String),
    Provider(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TagsRow {
    /// `false`: the type takes none, whatever its schema looks like.
    Taken(bool),
    Rule(TagRuleRow),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TagRuleRow {
    attribute: String,
    #[serde(default)]
    key_extra: String,
    text_extra: Option<String>,
    text_chars_max: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum FindRow {
    Read(BTreeMap<String, String>),
    Import(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionRow {
    class: String,
    #[serde(default)]
    is: BTreeSet<String>,
    #[serde(default)]
    begins: BTreeSet<String>,
    #[serde(rename = "in")]
    within: BTreeMap<String, Vec<String>>,
}

fn known(row: Row) -> Result<Known, String> {
    Ok(Known {
        region: row.region.map(region).transpose()?,
        tags: row.tags.map(tags),
        bears_data: row.bears_data,
        classes: row.classes,
        endpoints: row.endpoints,
        free: row.free,
        find: row.find.map(find).transpose()?,
        conditions: Vec::new(),
    })
}

fn region(row: RegionRow) -> Result<RegionRule, String> {
    match row {
        RegionRow::Word(word) if word == "global" => Ok(RegionRule::Global),
        RegionRow::Word(word) if word == "local" => Ok(RegionRule::Local),
        RegionRow::Word(word) => Err(format!(
            "the region is \"global\", \"local\", an attribute or one of the provider, not `{word}`"
        )),
        RegionRow::Named(NamedRegion::Attribute(name)) => Ok(RegionRule::Attribute(name)),
        RegionRow::Named(NamedRegion::Provider(name)) => Ok(RegionRule::Provider(name)),
    }
}

fn tags(row: TagsRow) -> Option<TagRule> {
    let row = match row {
        TagsRow::Taken(false) => return None,
        TagsRow::Taken(true) => return Some(default_tags()),
        TagsRow::Rule(row) => row,
    };
    let text = match (row.text_extra, row.text_chars_max) {
        (None, None) => None,
        (extra, chars_max) => Some(TagText {
            extra: extra.unwrap_or_default(),
            chars_max: chars_max.unwrap_or(usize::MAX),
        }),
    };
    Some(TagRule { attribute: row.attribute, key_extra: row.key_extra, text })
}

fn find(row: FindRow) -> Result<FindRule, String> {
    let template = |text: &str| Template::parse(text).map_err(|error| error.to_string());
    match row {
        FindRow::Import(id) => Ok(FindRule::Import(template(&id)?)),
        FindRow::Read(attributes) => {
            let read = |(name, text): (String, String)| Ok((name, template(&text)?));
            Ok(FindRule::Read(attributes.into_iter().map(read).collect::<Result<_, String>>()?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::GovernanceError;
    use super::GovernanceTable;
    use crate::model::schema::Attribute;
    use crate::model::schema::Schema;
    use crate::model::schema::Type;
    use crate::model::value::Value;
    use crate::provider::PriceRule;
    use crate::provider::RegionRule;

    const TEXT: &str = r#"
        format = 1
        [defaults]
        region = { provider = "region" }
        tags = { attribute = "tags", key_extra = " _.:/=+-@", text_extra = " ", text_chars_max = 9 }
        [type.x_bucket]
        bears_data = true
        region = "global"
        free = "an empty one costs nothing"
        find = { read = { id = "{bucket}" } }
        [type.x_rule]
        tags = false
        region = { attribute = "place" }
        find = { import = "{a}/{b}" }
        [[condition]]
        class = "expose-public"
        is = ["0.0.0.0/0"]
        in = { x_rule = ["ingress.cidr", "cidr"] }
    "#;

    fn schema(tags: Attribute) -> Schema {
        let mut schema = Schema::default();
        schema.block.attributes.insert("tags".to_owned(), tags);
        schema
    }

    fn map() -> Type {
        Type::Map(Box::new(Type::String))
    }

    #[test]
    fn rows_say_what_gov_knows() {
        let table = GovernanceTable::parse(TEXT).unwrap();
        let tagged = schema(Attribute::optional(map()));
        let bucket = table.governance("x_bucket", &tagged);
        assert!(bucket.bears_data);
        assert_eq!(bucket.region, RegionRule::Global);
        assert!(matches!(bucket.price, PriceRule::Free { .. }));
        assert_eq!(bucket.tags.unwrap().key_extra, " _.:/=+-@");
        let rule = table.governance("x_rule", &tagged);
        assert_eq!(rule.tags, None);
        assert_eq!(rule.region, RegionRule::Attribute("place".to_owned()));
        assert_eq!(rule.conditions.len(), 2);
        assert_eq!(rule.conditions[0].attribute, ["ingress", "cidr"]);
        assert!(table.find("x_bucket").is_some() && table.find("x_other").is_none());
    }

    #[test]
    fn an_unnamed_type_is_handled_by_its_schema() {
        let table = GovernanceTable::parse(TEXT).unwrap();
        assert!(!table.is_governed("x_other"));
        let by_schema = table.governance("x_other", &schema(Attribute::optional(map())));
        assert_eq!(by_schema.tags.unwrap().attribute, "tags");
        assert_eq!(by_schema.price, PriceRule::Unmapped);
        let computed = table.governance("x_other", &schema(Attribute::computed(map())));
        assert_eq!(computed.tags, None, "nobody can set them");
        let list = Type::List(Box::new(Type::String));
        assert_eq!(table.governance("x", &schema(Attribute::optional(list))).tags, None);
        let nothing = GovernanceTable::default().governance("x", &Schema::default());
        assert_eq!(nothing.region, RegionRule::Provider("region".to_owned()));
    }

    #[test]
    fn what_is_shipped_can_be_read() {
        let table =
            GovernanceTable::parse(include_str!("../../../providers/aws/governance.toml")).unwrap();
        let bucket = table.governance("aws_s3_bucket", &schema(Attribute::optional(map())));
        assert!(bucket.bears_data && table.find("aws_s3_bucket").is_some());
        assert_eq!(bucket.tags.unwrap().text.unwrap().chars_max, 256);
        let instance = table.governance("aws_instance", &Schema::default());
        let with = |shape: &str| Value::object([("instance_type", Value::string(shape))]);
        let gpu = |value: &Value| instance.conditions.iter().any(|one| one.holds(value));
        assert!(gpu(&with("p4d.24xlarge")) && !gpu(&with("m7i.large")));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let refused = |text: &str| GovernanceTable::parse(text).unwrap_err();
        assert_eq!(refused("format = 2"), GovernanceError::Format(2));
        for text in [
            "",
            "format = 1\n[type.x]\nbear_data = true",
            "format = 1\n[type.x]\nregion = \"mars\"",
            "format = 1\n[type.x]\nfind = { read = { id = \"name\" } }",
            "format = 1\n[[condition]]\nclass = \"c\"\nis = [\"a\"]\nin = { x = [\"a\"] }",
            "format = 1\n[type.x]\n[[condition]]\nclass = \"c\"\nin = { x = [\"a\"] }",
        ] {
            GovernanceTable::parse(text).expect_err(text);
        }
    }
}
