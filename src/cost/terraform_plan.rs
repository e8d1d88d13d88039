//! Prices any Terraform plan: the JSON of `terraform show -json`, without gov managing any of it.
//!
//! What a plan knows only after apply stays unknown unless the configuration left it to the
//! provider, in which case the mapping's own defaults hold. A region that the plan does not state
//! is unknown, never some default. Deliberately no provider is asked and no file but the plan is
//! read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::cost::estimate::Priced;
use crate::cost::estimate::Pricing;
use crate::cost::estimate::Region;
use crate::cost::estimate::Resource;
use crate::cost::estimate::World;
use crate::cost::estimate::price_all;
use crate::cost::estimate::settled;
use crate::cost::usage::tree;
use crate::model::cost::Cost;
use crate::model::money::MoneyError;
use crate::model::sealed::Ciphertext;
use crate::model::sealed::SealedValue;

/// Bytes of a plan. One of ten thousand resources has about a hundred million.
const PLAN_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Modules within modules.
const MODULE_DEPTH_MAX: usize = 32;

/// Why a plan cannot be priced.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Not the JSON of a plan.
    #[error("not a Terraform plan: {0}. Write one with `terraform show -json PLANFILE`")]
    Syntax(String),
    /// The amounts have no sum.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// A plan's resource with its costs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedCost {
    /// The type.
    pub kind: String,
    /// What the plan does to it, in Terraform's words.
    pub actions: Vec<String>,
    /// Before, where it exists.
    pub before: Option<Priced>,
    /// After, where it will exist.
    pub after: Option<Priced>,
}

/// What a Terraform plan costs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlanCost {
    /// Each managed resource, by address.
    pub resources: BTreeMap<String, PlannedCost>,
    /// All of it in a month, before.
    pub before: Cost,
    /// All of it in a month, after.
    pub after: Cost,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Plan {
    resource_changes: Vec<ResourceChange>,
    planned_values: Option<Values>,
    values: Option<Values>,
    configuration: Configuration,
    variables: BTreeMap<String, Variable>,
}

#[derive(Deserialize)]
struct Variable {
    #[serde(default)]
    value: Json,
}

#[derive(Deserialize)]
struct ResourceChange {
    address: String,
    #[serde(default)]
    module_address: String,
    #[serde(default)]
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    index: Json,
    deposed: Option<String>,
    change: Change,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Change {
    actions: Vec<String>,
    before: Json,
    after: Json,
    after_unknown: Json,
    before_sensitive: Json,
    after_sensitive: Json,
}

#[derive(Deserialize)]
struct Values {
    root_module: ValueModule,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ValueModule {
    address: String,
    resources: Vec<ValueResource>,
    child_modules: Vec<ValueModule>,
}

#[derive(Deserialize)]
struct ValueResource {
    address: String,
    #[serde(default)]
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    index: Json,
    #[serde(default)]
    values: Json,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Configuration {
    provider_config: BTreeMap<String, ProviderConfig>,
    root_module: Module,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ProviderConfig {
    expressions: BTreeMap<String, Json>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Module {
    resources: Vec<Block>,
    module_calls: BTreeMap<String, Call>,
}

#[derive(Deserialize)]
struct Call {
    #[serde(default)]
    module: Module,
}

#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    mode: String,
    #[serde(default)]
    provider_config_key: String,
    #[serde(default)]
    expressions: BTreeMap<String, Json>,
}

/// A block of the configuration, as far as pricing needs it.
struct Written {
    values: SealedValue,
    references: BTreeMap<String, Vec<String>>,
    provider: String,
}

/// Prices a plan.
///
/// # Errors
/// [`PlanError`].
pub fn estimate_terraform_plan(json: &[u8], pricing: &Pricing<'_>) -> Result<PlanCost, PlanError> {
    if json.len() > PLAN_BYTES_MAX {
        return Err(PlanError::Syntax(format!("longer than {PLAN_BYTES_MAX} bytes")));
    }
    let mut plan: Plan =
        serde_json::from_slice(json).map_err(|error| PlanError::Syntax(error.to_string()))?;
    if plan.resource_changes.is_empty()
        && let Some(values) = plan.planned_values.take().or_else(|| plan.values.take())
    {
        existing(values.root_module, 0, &mut plan.resource_changes);
    }
    plan.resource_changes.retain(|change| change.mode != "data");
    let mut blocks = BTreeMap::new();
    written(&plan.configuration.root_module, "", 0, &mut blocks);
    let known: BTreeSet<&str> = plan.resource_changes.iter().map(|c| c.address.as_str()).collect();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for change in &plan.resource_changes {
        let block = blocks.get(&block_address(change));
        if !change.change.before.is_null() {
            let Change { before: values, before_sensitive, .. } = &change.change;
            let values = merged(values, &Json::Null, before_sensitive);
            before.push(resource(change, values, block, &plan, &known));
        }
        if !change.change.after.is_null() {
            let Change { after: values, after_unknown, after_sensitive, .. } = &change.change;
            let values = merged(values, after_unknown, after_sensitive);
            let values = settled(&values, block.map(|block| &block.values)).into_owned();
            after.push(resource(change, values, block, &plan, &known));
        }
    }
    let price = |resources| price_all(&World::new(resources, pricing.mappings), pricing);
    let (mut before, mut after) = (price(before)?, price(after)?);
    let sum = |all: &BTreeMap<String, Priced>| {
        all.values().try_fold(Cost::nothing(), |sum, one| sum.add(&one.cost))
    };
    let totals = (sum(&before)?, sum(&after)?);
    let mut resources = BTreeMap::new();
    for change in plan.resource_changes {
        let label = label(&change);
        let priced = PlannedCost {
            kind: change.kind,
            actions: change.change.actions,
            before: before.remove(&label),
            after: after.remove(&label),
        };
        resources.insert(label, priced);
    }
    Ok(PlanCost { resources, before: totals.0, after: totals.1 })
}

/// Resources of a state, or of a plan that lists no changes: they are there before and after.
fn existing(module: ValueModule, depth: usize, changes: &mut Vec<ResourceChange>) {
    for resource in module.resources {
        changes.push(ResourceChange {
            address: resource.address,
            module_address: module.address.clone(),
            mode: resource.mode,
            kind: resource.kind,
            name: resource.name,
            index: resource.index,
            deposed: None,
            change: Change {
                actions: vec!["no-op".to_owned()],
                before: resource.values.clone(),
                after: resource.values,
                ..Change::default()
            },
        });
    }
    if depth < MODULE_DEPTH_MAX {
        for child in module.child_modules {
            existing(child, depth + 1, changes);
        }
    }
}

fn label(change: &ResourceChange) -> String {
    match &change.deposed {
        Some(key) => format!("{} (deposed {key})", change.address),
        None => change.address.clone(),
    }
}

/// The address without instance keys: `module.a.aws_instance.b`.
fn block_address(change: &ResourceChange) -> String {
    let mut path = String::new();
    for piece in module_names(&change.module_address) {
        path.push_str(&format!("module.{piece}."));
    }
    format!("{path}{}.{}", change.kind, change.name)
}

/// The names of the modules on the way, without their keys, which may hold dots themselves.
fn module_names(address: &str) -> Vec<String> {
    let mut plain = String::new();
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for c in address.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if depth > 0 => quoted = !quoted,
            '[' if !quoted => depth = depth.saturating_add(1),
            ']' if !quoted => depth = depth.saturating_sub(1),
            c if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    plain
        .split('.')
        .filter(|piece| *piece != "module" && !piece.is_empty())
        .map(str::to_owned)
        .collect()
}

fn written(module: &Module, path: &str, depth: usize, blocks: &mut BTreeMap<String, Written>) {
    for block in module.resources.iter().filter(|block| block.mode != "data") {
        let mut references = BTreeMap::new();
        let mut values = BTreeMap::new();
        for (name, expression) in &block.expressions {
            let mut found = Vec::new();
            values.insert(name.clone(), wrote(expression, &mut found));
            references.insert(name.clone(), found);
        }
        let written = Written {
            values: SealedValue::Map(values),
            references,
            provider: block.provider_config_key.clone(),
        };
        blocks.insert(format!("{path}{}.{}", block.kind, block.name), written);
    }
    if depth < MODULE_DEPTH_MAX {
        for (name, call) in &module.module_calls {
            written(&call.module, &format!("{path}module.{name}."), depth + 1, blocks);
        }
    }
}

/// An expression as a value: a constant is itself, anything else is unknown but written.
fn wrote(expression: &Json, references: &mut Vec<String>) -> SealedValue {
    match expression {
        Json::Object(members) => {
            if let Some(value) = members.get("constant_value") {
                return tree(value);
            }
            if let Some(Json::Array(names)) = members.get("references") {
                references.extend(names.iter().filter_map(Json::as_str).map(str::to_owned));
                return SealedValue::Unknown;
            }
            let inner = members.iter().map(|(n, e)| (n.clone(), wrote(e, references)));
            SealedValue::Map(inner.collect())
        }
        Json::Array(items) => {
            SealedValue::List(items.iter().map(|item| wrote(item, references)).collect())
        }
        _ => SealedValue::Unknown,
    }
}

/// Values with their unknown and sensitive nodes marked.
fn merged(value: &Json, unknown: &Json, sensitive: &Json) -> SealedValue {
    if *unknown == Json::Bool(true) {
        return SealedValue::Unknown;
    }
    if *sensitive == Json::Bool(true) && !value.is_null() {
        return SealedValue::Sealed(Ciphertext(String::new()));
    }
    match value {
        Json::Object(members) => {
            let mut all: BTreeMap<String, SealedValue> = BTreeMap::new();
            for (name, value) in members {
                let (unknown, sensitive) = (member(unknown, name), member(sensitive, name));
                all.insert(name.clone(), merged(value, unknown, sensitive));
            }
            for (name, unknown) in unknown.as_object().into_iter().flatten() {
                let later = || merged(&Json::Null, unknown, &Json::Null);
                all.entry(name.clone()).or_insert_with(later);
            }
            SealedValue::Map(all)
        }
        Json::Array(items) => SealedValue::List(
            items
                .iter()
                .enumerate()
                .map(|(place, item)| {
                    let at = |marks: &Json| marks.get(place).cloned().unwrap_or(Json::Null);
                    merged(item, &at(unknown), &at(sensitive))
                })
                .collect(),
        ),
        leaf => tree(leaf),
    }
}

fn member<'j>(marks: &'j Json, name: &str) -> &'j Json {
    marks.get(name).unwrap_or(&Json::Null)
}

fn resource(
    change: &ResourceChange,
    values: SealedValue,
    block: Option<&Written>,
    plan: &Plan,
    known: &BTreeSet<&str>,
) -> Resource<'static> {
    let mut made_from: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (attribute, names) in block.into_iter().flat_map(|block| &block.references) {
        let found = names.iter().filter_map(|name| origin(change, name, known));
        made_from.insert(attribute.clone(), found.collect());
    }
    Resource {
        address: label(change),
        kind: change.kind.clone(),
        region: region(&values, block, plan),
        values: Cow::Owned(values),
        made_from,
    }
}

/// The address that a reference such as `aws_ebs_volume.a.id` means, seen from a resource: of its
/// own module, and of its own key where both are counted alike.
fn origin(change: &ResourceChange, name: &str, known: &BTreeSet<&str>) -> Option<String> {
    let mut parts = name.split('.');
    let (kind, name) = (parts.next()?, parts.next()?);
    if matches!(kind, "var" | "local" | "each" | "count" | "module" | "data" | "path" | "self") {
        return None;
    }
    let name = name.split('[').next().unwrap_or(name);
    let module = change.module_address.as_str();
    let dot = if module.is_empty() { "" } else { "." };
    let block = format!("{module}{dot}{kind}.{name}");
    let keyed = match &change.index {
        Json::Null => None,
        index => Some(format!("{block}[{index}]")),
    };
    keyed.filter(|keyed| known.contains(keyed.as_str())).or(Some(block))
}

/// Where a resource lies: what it says itself, what its provider is configured with, or what its
/// own identifiers tell.
fn region(values: &SealedValue, block: Option<&Written>, plan: &Plan) -> Region {
    let text = |name: &str| values.get(name).and_then(SealedValue::as_str);
    if let Some(region) = text("region") {
        return Region::Known(region.to_owned());
    }
    let key = block.map_or("", |block| block.provider.as_str());
    // A module's provider may be its parent's: `module.a:aws` falls back to `aws`.
    let short = key.rsplit(':').next().unwrap_or(key);
    for key in [key, short] {
        if let Some(provider) = plan.configuration.provider_config.get(key)
            && let Some(region) = configured(provider.expressions.get("region"), plan)
        {
            return Region::Known(region);
        }
    }
    let of_arn = text("arn").and_then(|arn| arn.split(':').nth(3)).filter(|r| !r.is_empty());
    let of_zone = text("availability_zone")
        .map(|zone| zone.strip_suffix(|c: char| c.is_ascii_lowercase()).unwrap_or(zone));
    match of_arn.or(of_zone) {
        Some(region) => Region::Known(region.to_owned()),
        None => Region::Unknown,
    }
}

/// A provider's attribute: a constant, or a variable of the root module.
fn configured(expression: Option<&Json>, plan: &Plan) -> Option<String> {
    let expression = expression?;
    if let Some(value) = expression.get("constant_value").and_then(Json::as_str) {
        return Some(value.to_owned());
    }
    let names = expression.get("references")?.as_array()?;
    let [only] = names.as_slice() else { return None };
    let name = only.as_str()?.strip_prefix("var.")?;
    plan.variables.get(name)?.value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::PlanCost;
    use super::PlanError;
    use super::estimate_terraform_plan;
    use crate::cost::book::Books;
    use crate::cost::estimate::Mappings;
    use crate::cost::estimate::Pricing;
    use crate::cost::shipped;
    use crate::model::money::Currency;

    fn estimate(json: &serde_json::Value) -> Result<PlanCost, PlanError> {
        let mappings = shipped::mappings().unwrap();
        let books = Books::new(shipped::books().unwrap());
        let pricing = Pricing {
            mappings: Mappings(&mappings),
            books: &books,
            usage: &[],
            day: "2026-08-01".parse().unwrap(),
            stale_after_days: None,
            currency: Currency::USD,
        };
        estimate_terraform_plan(json.to_string().as_bytes(), &pricing)
    }

    fn plan(region: serde_json::Value) -> serde_json::Value {
        let volume = json!({
            "address": "module.m[\"a.b\"].aws_ebs_volume.v", "module_address": "module.m[\"a.b\"]",
            "mode": "managed", "type": "aws_ebs_volume", "name": "v",
            "change": { "actions": ["create"], "before": null,
                "after": { "size": 100 }, "after_unknown": { "id": true, "type": true } }
        });
        let snapshot = json!({
            "address": "module.m[\"a.b\"].aws_ebs_snapshot_copy.s",
            "module_address": "module.m[\"a.b\"]", "mode": "managed",
            "type": "aws_ebs_snapshot_copy", "name": "s",
            "change": { "actions": ["no-op"], "before": { "source_snapshot_id": "snap-1" },
                "after": { "source_snapshot_id": "snap-1" } }
        });
        let machine = json!({
            "address": "aws_instance.i[0]", "mode": "managed", "type": "aws_instance", "name": "i",
            "index": 0,
            "change": { "actions": ["update"],
                "before": { "instance_type": "t3.medium", "credit_specification":
                    [{ "cpu_credits": "standard" }] },
                "after": { "instance_type": "m5.large" },
                "after_unknown": { "tenancy": true, "root_block_device": true } }
        });
        let data = json!({
            "address": "data.aws_ami.a", "mode": "data", "type": "aws_ami", "name": "a",
            "change": { "actions": ["read"], "after": {} }
        });
        json!({
            "format_version": "1.2",
            "variables": { "region": { "value": "eu-west-1" } },
            "resource_changes": [volume, snapshot, machine, data],
            "configuration": {
                "provider_config": { "aws": { "expressions": { "region": region } } },
                "root_module": {
                    "resources": [{ "type": "aws_instance", "name": "i", "mode": "managed",
                        "provider_config_key": "aws", "expressions":
                        { "instance_type": { "constant_value": "m5.large" } } }],
                    "module_calls": { "m": { "module": { "resources": [
                        { "type": "aws_ebs_volume", "name": "v", "mode": "managed",
                          "provider_config_key": "module.m:aws",
                          "expressions": { "size": { "constant_value": 100 } } },
                        { "type": "aws_ebs_snapshot_copy", "name": "s", "mode": "managed",
                          "provider_config_key": "aws", "expressions": {} }
                    ] } } }
                }
            }
        })
    }

    /// G4: a plan that gov does not manage is priced from its JSON alone.
    #[test]
    fn g4_a_plan_is_priced_before_and_after() {
        let cost = estimate(&plan(json!({ "references": ["var.region"] }))).unwrap();
        let of = |address: &str| &cost.resources[address];
        let machine = of("aws_instance.i[0]");
        // 730 × 0.107 + 8 GB × 0.11, by the list of eu-west-1.
        assert_eq!(machine.after.as_ref().unwrap().cost.summary(), "78.99 USD");
        assert_eq!(machine.before.as_ref().unwrap().cost.summary(), "34.17 USD");
        let volume = of("module.m[\"a.b\"].aws_ebs_volume.v");
        assert_eq!(volume.after.as_ref().unwrap().cost.summary(), "11.00 USD");
        assert!(volume.before.is_none());
        assert_eq!(cost.resources.len(), 3);
        assert_eq!(cost.after.summary(), "90.39 USD");
    }

    /// G4: without a region there is no price, and no default takes its place.
    #[test]
    fn g4_a_plan_without_a_region_has_no_price() {
        for region in [json!({}), json!({ "references": ["local.region"] })] {
            let cost = estimate(&plan(region)).unwrap();
            assert!(cost.after.upper.is_none());
            assert_eq!(cost.after.summary(), "unpriced");
        }
        assert!(estimate(&json!([1])).is_err());
    }
}
