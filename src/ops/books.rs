//! The books: import, forget, move, unlock. What changes what gov knows without changing anything
//! outside.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::model::address::Address;
use crate::model::decision::Act;
use crate::model::environment::Object;
use crate::model::environment::ResourceRecord;
use crate::model::event::Event;
use crate::model::id::LeaseId;
use crate::model::schema::nearest;
use crate::ops::Context;
use crate::ops::OpError;
use crate::ops::ask;
use crate::ops::governed::Petition;
use crate::ops::governed::Warrant;
use crate::ops::governed::append;
use crate::ops::governed::govern;
use crate::ops::lifetime::check_reason;
use crate::ops::proposal;
use crate::ops::run;
use crate::plan::change;
use crate::provider::Answer;
use crate::provider::Call;
use crate::provider::Place;
use crate::state::Preconditions;
use crate::state::snapshot::Snapshot;

/// Takes an existing object in under an address that the blueprint has.
///
/// # Errors
/// [`OpError`]; the provider's own words where it does not know the object.
pub async fn import(
    context: &Context,
    name: &str,
    address: &Address,
    id: &str,
) -> Result<ResourceRecord, OpError> {
    let known = context.environment(name).await?;
    not_during_a_run(&known, address)?;
    if known.resources.get(address).is_some_and(|record| record.object.is_some()) {
        return Err(OpError::Usage(format!("{address} is in the books already")));
    }
    let record = read_in(context, &known, address, id).await?;
    let warrant = warrant(context, &known, Act::Import).await?;
    let event =
        Event::ResourceImported { record: Box::new(record.clone()), decision: warrant.decision() };
    under_lease(context, &known, &warrant, event).await?;
    Ok(record)
}

async fn read_in(
    context: &Context,
    known: &Snapshot,
    address: &Address,
    id: &str,
) -> Result<ResourceRecord, OpError> {
    let settled = ask::recorded(&known.record, &context.sealer)?;
    let blueprint = settled.source.blueprint.clone();
    let Some(block) = blueprint.resources.get(&address.resource) else {
        let names: Vec<String> = blueprint.resources.keys().map(ToString::to_string).collect();
        let wanted = address.resource.to_string();
        let near = nearest(&wanted, names.iter().map(String::as_str));
        let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
        let message = format!("the blueprint of {} has no {wanted}{hint}", known.record.name);
        return Err(OpError::Usage(message));
    };
    let opened = proposal::open(context, &settled, Some(known))?;
    let provider = opened
        .providers
        .get(&block.provider.value)
        .ok_or_else(|| OpError::Bug(format!("{} was not opened", block.provider.value)))?;
    let source = blueprint.providers.get(&block.provider.value).map(|p| p.source.clone());
    let offer = provider.offer();
    let kind = address.resource.kind.clone();
    let failed =
        |failure: crate::provider::Failure| OpError::Failed(format!("{address}: {failure}"));
    let place = Place { environment: known.id, root: known.record.root.clone() };
    let config = offer
        .config
        .block
        .conform(&crate::model::value::Value::object(Vec::<(String, _)>::new()))
        .map_err(|_| OpError::Usage("import needs a provider without required settings".into()))?;
    provider.call(Call::Configure { config, place }).await.map_err(failed)?;
    let answer = provider.call(Call::Import { kind: kind.clone(), id: id.to_owned() }).await;
    let object = match answer.map_err(failed)? {
        Answer::Object(Some(object)) => object,
        _ => return Err(OpError::Failed(format!("there is no {kind} with the id {id}"))),
    };
    let Some(offer) = offer.resources.get(&kind) else {
        return Err(OpError::Usage(format!("the provider has no type {kind}")));
    };
    let value = offer.schema.block.mark_sensitive(&object.value);
    let null = crate::model::value::Value::null();
    Ok(ResourceRecord {
        address: address.clone(),
        provider: block.provider.value.clone(),
        source: source.unwrap_or_default(),
        facts: change::facts(&offer.governance, &value, &null),
        object: Some(Object {
            value: context.sealer.seal(&value)?,
            private: context.sealer.seal_private(&object.private)?,
            schema_version: offer.schema.version,
            tainted: false,
        }),
        deposed: BTreeMap::new(),
        dependencies: settled.source.resolved.resource_dependencies(&address.resource),
        marker: None,
        prevent_destroy: block.lifecycle.prevent_destroy,
        create_before_destroy: block.lifecycle.create_before_destroy,
    })
}

/// Drops a resource from the books. Whatever exists of it goes on existing, ungoverned.
///
/// # Errors
/// [`OpError`].
pub async fn forget(
    context: &Context,
    name: &str,
    address: &Address,
    reason: &str,
) -> Result<(), OpError> {
    check_reason(reason)?;
    let known = context.environment(name).await?;
    if !known.resources.contains_key(address) && !known.uncertain.contains_key(address) {
        return Err(no_resource(&known, address));
    }
    not_during_a_run(&known, address)?;
    let warrant = warrant(context, &known, Act::Forget).await?;
    let event = Event::ResourceForgotten {
        address: address.clone(),
        reason: reason.to_owned(),
        decision: warrant.decision(),
    };
    under_lease(context, &known, &warrant, event).await
}

/// Gives a resource another address.
///
/// # Errors
/// [`OpError`].
pub async fn rename(
    context: &Context,
    name: &str,
    from: &Address,
    to: &Address,
) -> Result<(), OpError> {
    let known = context.environment(name).await?;
    if !known.resources.contains_key(from) {
        return Err(no_resource(&known, from));
    }
    not_during_a_run(&known, from)?;
    if known.resources.contains_key(to) {
        return Err(OpError::Usage(format!("{to} is taken")));
    }
    if from.resource.kind != to.resource.kind || from.resource.mode != to.resource.mode {
        let message = format!("{from} and {to} are of different types");
        return Err(OpError::Usage(message));
    }
    let warrant = warrant(context, &known, Act::Move).await?;
    let event =
        Event::ResourceMoved { from: from.clone(), to: to.clone(), decision: warrant.decision() };
    under_lease(context, &known, &warrant, event).await
}

/// Breaks somebody else's lease. The lease must be named, so that it is the one that was seen.
///
/// # Errors
/// [`OpError`].
pub async fn unlock(
    context: &Context,
    name: &str,
    lease: LeaseId,
    reason: &str,
) -> Result<(), OpError> {
    check_reason(reason)?;
    let known = context.environment(name).await?;
    match &known.lease {
        None => return Err(OpError::Usage(format!("nobody holds {name}"))),
        Some(held) if held.lease != lease => {
            let message = format!("{name} is held under the lease {}, not {lease}", held.lease);
            return Err(OpError::Usage(message));
        }
        Some(_) => {}
    }
    warrant(context, &known, Act::Unlock).await?;
    let actor = context.actor.clone();
    let reason = reason.to_owned();
    context.store.break_lease(known.id, lease, actor, reason, context.now()).await?;
    Ok(())
}

/// While a run is open, it counts on the books of its resources.
fn not_during_a_run(known: &Snapshot, address: &Address) -> Result<(), OpError> {
    if known.run.is_none() || known.uncertain.contains_key(address) {
        return Ok(());
    }
    let name = &known.record.name;
    let message = format!("a run of {name} was interrupted; `gov apply {name}` takes it up first");
    Err(OpError::Usage(message))
}

fn no_resource(known: &Snapshot, address: &Address) -> OpError {
    let names: Vec<String> = known.resources.keys().map(ToString::to_string).collect();
    let wanted = address.to_string();
    let near = nearest(&wanted, names.iter().map(String::as_str));
    let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
    OpError::Usage(format!("{} has no resource {address}{hint}", known.record.name))
}

async fn warrant(context: &Context, known: &Snapshot, act: Act) -> Result<Warrant, OpError> {
    let ledger = context.ledger().await?;
    let none = BTreeMap::new();
    let petition = Petition {
        act,
        environment: Some(known.id),
        record: Some(&known.record),
        plan: None,
        quote: None,
        life: known.life(),
        is_new: false,
        integrations: &none,
        reaping: false,
        before: None,
        // Breaking a lease is how a freeze is made good on a holder that does not answer.
        frozen: ledger.frozen(known.id).map(str::to_owned).filter(|_| act != Act::Unlock),
        consents: BTreeSet::new(),
    };
    govern(context, &petition).await
}

async fn under_lease(
    context: &Context,
    known: &Snapshot,
    warrant: &Warrant,
    event: Event,
) -> Result<(), OpError> {
    let held = run::lease(context, known.id).await?;
    let preconditions = Preconditions { fence: Some(held.fence), ..Preconditions::default() };
    let done = append(context, warrant, Some(known.id), vec![event], preconditions).await;
    run::release(context, &held).await;
    done
}
