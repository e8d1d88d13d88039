//! The types of the simulated cloud, as data. Each is there for one thing that real types do.
//!
//! Start with [`KINDS`]; the behaviour that they share is in `cloud`.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use rust_decimal::Decimal;

use crate::model::cost::Cost;
use crate::model::money::Currency;
use crate::model::money::Money;
use crate::model::schema::Attribute;
use crate::model::schema::Block;
use crate::model::schema::Schema;
use crate::model::schema::Type;
use crate::model::value::Value;
use crate::provider::Governance;
use crate::provider::Offer;
use crate::provider::PriceRule;
use crate::provider::RegionRule;
use crate::provider::TagRule;
use crate::provider::TypeOffer;

/// The version of all schemas. Version 0 called `name` of a `sim_object` its `label`.
pub(crate) const VERSION: u64 = 1;

/// What a `sim_database` costs in a month, in whole dollars: a figure that is easy to add up.
const DATABASE_MONTHLY: i64 = 25;

/// How a create whose reply was lost is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Search {
    /// By the marker that the object carries.
    Marker,
    /// By a name that follows from the configuration; there is one object of it at most.
    Name,
    /// Not at all.
    None,
}

/// One type of the simulated cloud.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// Its name.
    pub name: &'static str,
    /// How its objects are looked for.
    pub search: Search,
    /// Attributes that change in place; the other settable ones force a new object.
    pub in_place: &'static [&'static str],
    attributes: fn() -> Vec<(&'static str, Attribute)>,
    /// What the cloud fills in where the configuration is silent.
    pub defaults: fn() -> Vec<(&'static str, Value)>,
    governance: fn() -> Governance,
}

/// All types that can be made, in the order of their names.
pub(crate) const KINDS: [Kind; 6] = [
    Kind {
        name: "sim_database",
        search: Search::Marker,
        in_place: &["size", "tags"],
        attributes: || {
            vec![
                ("name", named()),
                ("region", required("Where it lies; another region needs a new one.")),
                ("size", size()),
                ("tags", tags()),
                ("id", id()),
                ("endpoint", computed("Where it answers.")),
            ]
        },
        defaults: || vec![("size", Value::number(1_i64))],
        governance: || Governance {
            // Stricter about keys than `sim_object`, so that escaping is exercised.
            tags: Some(TagRule { attribute: "tags".into(), key_extra: "-_".into(), text: None }),
            region: RegionRule::Attribute("region".into()),
            bears_data: true,
            price: PriceRule::Declared(Cost::priced(Money::new(
                Decimal::from(DATABASE_MONTHLY),
                Currency::USD,
            ))),
            ..Governance::default()
        },
    },
    Kind {
        name: "sim_link",
        search: Search::Name,
        in_place: &[],
        attributes: || {
            vec![
                ("from", required("The id of one end.")),
                ("to", required("The id of the other end.")),
                ("id", computed("Its name, which follows from both ends.")),
            ]
        },
        defaults: Vec::new,
        governance: || Governance {
            region: RegionRule::Provider("region".into()),
            ..free("a link takes no room")
        },
    },
    Kind {
        name: "sim_object",
        search: Search::Marker,
        in_place: &["content", "secret", "size", "tags"],
        attributes: || {
            vec![
                ("name", named()),
                ("size", size()),
                (
                    "zone",
                    Attribute::optional(Type::String)
                        .or_computed()
                        .describe("Where it lies; another zone needs a new one."),
                ),
                ("tags", tags()),
                ("content", Attribute::optional(Type::String).describe("Any text.")),
                (
                    "secret",
                    Attribute::optional(Type::String).sensitive().describe("Any secret text."),
                ),
                ("id", id()),
                ("serial", Attribute::computed(Type::Number).describe("A number of its own.")),
                ("endpoint", computed("Where it answers.")),
                (
                    "revision",
                    Attribute::computed(Type::Number).describe("How often it was written."),
                ),
            ]
        },
        defaults: || vec![("size", Value::number(1_i64)), ("zone", Value::string("zone-a"))],
        governance: || Governance {
            tags: Some(TagRule { attribute: "tags".into(), key_extra: ":-_./".into(), text: None }),
            ..free("a simulated object takes no room")
        },
    },
    Kind {
        name: "sim_remote",
        search: Search::Marker,
        in_place: &["endpoint"],
        attributes: || {
            vec![
                ("name", named()),
                ("endpoint", required("The third party's address; begins with https://.")),
                ("id", id()),
            ]
        },
        defaults: Vec::new,
        governance: || Governance {
            endpoints: BTreeSet::from(["endpoint".to_owned()]),
            ..free("what a third party charges is on its own bill")
        },
    },
    Kind {
        name: "sim_unpriced",
        search: Search::Marker,
        in_place: &[],
        attributes: || vec![("name", named()), ("id", id())],
        defaults: Vec::new,
        governance: || Governance { price: PriceRule::Unmapped, ..free("") },
    },
    Kind {
        name: "sim_vague",
        search: Search::None,
        in_place: &[],
        attributes: || vec![("name", named()), ("id", id())],
        defaults: Vec::new,
        governance: || free("a vague object takes no room"),
    },
];

/// The one data source: the names and ids of objects whose name begins with a prefix.
pub(crate) const OBJECTS: &str = "sim_objects";

/// The type of this name.
pub(crate) fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

impl Kind {
    /// The shape of its values.
    pub(crate) fn block(&self) -> Block {
        block((self.attributes)())
    }

    /// Where its tags go.
    pub(crate) fn tag_rule(&self) -> Option<TagRule> {
        (self.governance)().tags
    }
}

/// Everything the simulated cloud offers.
pub(crate) fn offer() -> Offer {
    let config = vec![("region", optional("The region that links lie in; `local` unless given."))];
    let resource = |kind: &Kind| {
        let schema = Schema { version: VERSION, block: kind.block() };
        (kind.name.to_owned(), Arc::new(TypeOffer { schema, governance: (kind.governance)() }))
    };
    let texts = || Type::List(Box::new(Type::String));
    let objects = TypeOffer {
        schema: Schema {
            version: VERSION,
            block: block(vec![
                ("prefix", optional("What the names begin with; all of them unless given.")),
                ("names", Attribute::computed(texts()).describe("The names, in order.")),
                ("ids", Attribute::computed(texts()).describe("The ids, in the same order.")),
            ]),
        },
        governance: free("reading costs nothing"),
    };
    Offer {
        config: Schema { version: VERSION, block: block(config) },
        resources: KINDS.iter().map(resource).collect(),
        data: BTreeMap::from([(OBJECTS.to_owned(), Arc::new(objects))]),
    }
}

fn block(attributes: Vec<(&'static str, Attribute)>) -> Block {
    let attributes = attributes.into_iter().map(|(name, a)| (name.to_owned(), a)).collect();
    Block { attributes, ..Block::default() }
}

fn free(reason: &str) -> Governance {
    Governance {
        region: RegionRule::Global,
        price: PriceRule::Free { reason: reason.to_owned() },
        ..Governance::default()
    }
}

fn required(what: &str) -> Attribute {
    Attribute::required(Type::String).describe(what)
}

fn optional(what: &str) -> Attribute {
    Attribute::optional(Type::String).describe(what)
}

fn computed(what: &str) -> Attribute {
    Attribute::computed(Type::String).describe(what)
}

fn named() -> Attribute {
    required("Its name; two objects may have the same.")
}

fn id() -> Attribute {
    computed("What the cloud calls it.")
}

fn size() -> Attribute {
    Attribute::optional(Type::Number).or_computed().describe("From 1 to 1000; 1 unless given.")
}

fn tags() -> Attribute {
    Attribute::optional(Type::Map(Box::new(Type::String))).describe("Keys and values.")
}
