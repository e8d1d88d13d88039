//! The file of cases, and the resources of a case as gov prices them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use gov::cost::estimate::Region;
use gov::cost::estimate::Resource;
use gov::cost::usage::Stated;
use gov::cost::usage::Usage;
use gov::cost::usage::tree;
use gov::model::sealed::SealedValue;
use serde::Deserialize;
use serde_json::Value as Json;

#[derive(Debug, Deserialize)]
pub struct File {
    pub cases: BTreeMap<String, Case>,
    pub rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
pub struct Case {
    #[serde(default)]
    usage: BTreeMap<String, Json>,
    #[serde(default)]
    resources: BTreeMap<String, Declared>,
}

#[derive(Clone, Debug, Deserialize)]
struct Declared {
    #[serde(rename = "type")]
    kind: String,
    region: Option<String>,
    #[serde(default)]
    attrs: Json,
}

#[derive(Debug, Deserialize)]
pub struct Row {
    pub case: String,
    pub resource_address: String,
    #[serde(default)]
    pub subresource_path: Vec<String>,
    pub component: String,
    pub unit: String,
    pub monthly_qty: Option<String>,
    pub monthly_cost: Option<String>,
    pub class: String,
    pub implied_unit_price_lo: Option<String>,
    pub implied_unit_price_hi: Option<String>,
    pub snapped_unit_price: Option<String>,
    pub stated_unit_price: Option<String>,
}

impl Case {
    /// What the case states of usage; taken as the trust root's, for that is what the peer does.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for (address, stated) in members(self.usage.get("resource_usage")) {
            usage.state(&address, stated);
        }
        usage.kinds.extend(members(self.usage.get("resource_type_default_usage")));
        usage
    }

    /// What only the usage file knows of: traffic that belongs to no resource.
    fn used_only(&self) -> Vec<Resource<'static>> {
        let stated = members(self.usage.get("resource_usage"));
        let unknown = stated.filter(|(address, _)| {
            address.starts_with("aws_data_transfer.") && !self.resources.contains_key(address)
        });
        let resource = |(address, stated): (String, Stated)| {
            let region = stated.expected.get("region").and_then(SealedValue::as_str);
            Resource {
                kind: address.split('.').next().unwrap_or_default().to_owned(),
                region: region.map_or(Region::Unknown, |region| Region::Known(region.to_owned())),
                values: Cow::Owned(SealedValue::Map(BTreeMap::new())),
                made_from: BTreeMap::new(),
                address,
            }
        };
        unknown.map(resource).collect()
    }

    /// The resources: as declared, and one for each instance that the peer prints.
    pub fn resources(&self, printed: &BTreeSet<&str>) -> Vec<Resource<'static>> {
        let known: BTreeSet<&str> = self.resources.keys().map(String::as_str).collect();
        let mut all = self.used_only();
        for (address, declared) in &self.resources {
            let instances: Vec<&str> = printed
                .iter()
                .copied()
                .filter(|one| one.rsplit_once('[').is_some_and(|(block, _)| block == address))
                .collect();
            if instances.is_empty() {
                all.push(declared.resource(address, &known));
            }
            for instance in instances {
                all.push(declared.resource(instance, &known));
            }
        }
        all
    }
}

fn members(json: Option<&Json>) -> impl Iterator<Item = (String, Stated)> {
    let object = json.and_then(Json::as_object).into_iter().flatten();
    object.map(|(name, value)| (name.clone(), Stated { expected: tree(value), bounds: None }))
}

impl Declared {
    fn resource(&self, address: &str, known: &BTreeSet<&str>) -> Resource<'static> {
        let mut made_from: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        if let Json::Object(attributes) = &self.attrs {
            for (name, value) in attributes {
                let mut found = BTreeSet::new();
                origins(value, known, &mut found);
                made_from.insert(name.clone(), found);
            }
        }
        Resource {
            address: address.to_owned(),
            kind: self.kind.clone(),
            values: Cow::Owned(values(&self.attrs)),
            region: self.region.clone().map_or(Region::Unknown, Region::Known),
            made_from,
        }
    }
}

/// The attributes; what the case could not evaluate is known only after apply.
fn values(json: &Json) -> SealedValue {
    match json {
        Json::Object(members) if members.contains_key("$expr") => SealedValue::Unknown,
        Json::Object(members) => {
            SealedValue::Map(members.iter().map(|(k, v)| (k.clone(), values(v))).collect())
        }
        Json::Array(items) => SealedValue::List(items.iter().map(values).collect()),
        leaf => tree(leaf),
    }
}

/// The resources of the case that an expression names.
fn origins(json: &Json, known: &BTreeSet<&str>, found: &mut BTreeSet<String>) {
    match json {
        Json::Object(members) => match members.get("$expr").and_then(Json::as_str) {
            Some(text) => {
                let word = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
                for token in text.split(word) {
                    let mut parts = token.split('.');
                    let (kind, name) = (parts.next(), parts.next());
                    let address = format!("{}.{}", kind.unwrap_or(""), name.unwrap_or(""));
                    if known.contains(address.as_str()) {
                        found.insert(address);
                    }
                }
            }
            None => members.values().for_each(|value| origins(value, known, found)),
        },
        Json::Array(items) => items.iter().for_each(|item| origins(item, known, found)),
        _ => {}
    }
}
