//! Plans as JSON, for scripts and merge gates.

use serde_json::Value as Json;
use serde_json::json;

use super::cost;
use super::decision;
use super::document;
use super::environment;
use super::plan::Proposed;
use super::plan::counts;
use super::plan_change;
use super::value;
use crate::model::environment::Facts;
use crate::model::environment::PriceFact;
use crate::model::plan::Change;
use crate::model::plan::PlanKind;
use crate::model::plan::Reason;
use crate::model::sealed::SealedValue;

/// The kind's name in JSON.
#[must_use]
pub fn kind_name(kind: PlanKind) -> &'static str {
    match kind {
        PlanKind::Apply => "apply",
        PlanKind::Destroy => "destroy",
        PlanKind::Reap => "reap",
        PlanKind::Remediate => "remediate",
    }
}

/// A plan as a document.
#[must_use]
pub fn json(proposed: &Proposed<'_>) -> Json {
    let plan = proposed.plan;
    let counts = counts(plan);
    let outputs = plan.outputs.iter().map(|(name, output)| {
        let both = json!({
            "before": output.before.to_plain_json(),
            "after": output.after.to_plain_json(),
        });
        (name.clone(), both)
    });
    let gone: Vec<String> = plan.gone.iter().map(|record| record.address.to_string()).collect();
    let body = json!({
        "environment": {
            "id": plan.environment.to_string(),
            "name": plan.record.name,
            "is_new": plan.is_new,
        },
        "plan_kind": kind_name(plan.kind),
        "store": plan.store.to_string(),
        "plan_digest": plan.file_digest().ok().map(|digest| digest.to_string()),
        "intent_digest": plan.intent_digest().ok().map(|digest| digest.to_string()),
        "made": plan.made.to_string(),
        "made_by": environment::actor_json(&plan.made_by),
        "record": environment::json(&plan.record),
        "record_before": proposed.before.map(environment::json),
        "life": environment::life_json(proposed.life),
        "empty": proposed.is_empty(),
        "summary": {
            "create": counts.create,
            "update": counts.update,
            "replace": counts.replace,
            "delete": counts.delete,
            "read": counts.read,
            "hold": counts.hold,
        },
        "changes": plan.changes.iter().map(change).collect::<Vec<_>>(),
        "gone": gone,
        "outputs": Json::Object(outputs.collect()),
        "cost": cost::quote_json(proposed.quote),
        "decision": proposed.decision.map(decision::json),
        "warnings": plan.warnings,
    });
    document("plan", body)
}

fn change(change: &Change) -> Json {
    let null = SealedValue::Null;
    let prior = change.prior.as_ref().map_or(&null, |object| &object.value);
    let forced_by: Vec<String> = match &change.reason {
        Reason::Forced(paths) => paths.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    let drift = change.recorded.as_ref().map(|recorded| {
        json!({
            "gone": change.prior.is_none(),
            "attributes": value::differences_json(&recorded.value, prior),
        })
    });
    json!({
        "address": change.address.to_string(),
        "type": change.address.resource.kind,
        "provider": change.provider,
        "action": change.action.name(),
        "reason": plan_change::reason_name(&change.reason),
        "forced_by": forced_by,
        "before": prior.to_plain_json(),
        "after": change.planned.to_plain_json(),
        "attributes": value::differences_json(prior, &change.planned),
        "drift": drift,
        "deposed": change.deposed,
        "prevent_destroy": change.prevent_destroy,
        "create_before_destroy": change.create_before_destroy,
        "facts": facts(&change.facts),
    })
}

fn facts(facts: &Facts) -> Json {
    json!({
        "bears_data": facts.bears_data,
        "region": facts.region,
        "classes": facts.classes,
        "endpoints": facts.endpoints,
        "price": match &facts.price {
            PriceFact::Unmapped => "unmapped",
            PriceFact::Free(_) => "free",
            PriceFact::Declared(_) => "declared",
        },
    })
}
