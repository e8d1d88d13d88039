//! The whole life of a resource with a real provider of protocol 6.

use gov::model::value::Value;
use gov::provider::Call;
use gov::provider::Finding;
use gov::provider::Provider as _;
use gov::provider::RegionRule;
use gov::provider::terraform::process;
use serde_json::json;

use crate::provider::terraform::desk::Desk;
use crate::provider::terraform::desk::forced;
use crate::provider::terraform::desk::opening;
use crate::provider::terraform::desk::text;
use crate::provider::terraform::path_from;
use crate::provider::terraform::whole::Whole;

const KIND: &str = "null_resource";

async fn desk(test: &str) -> Option<Desk> {
    let program = path_from("GOV_TEST_PLUGIN_NULL", test)?;
    let mut desk = Desk::open(opening(&program, &[KIND, "null_absent"], &[]), json!({})).await;
    // It declares its triggers as its own, and takes them from the configuration all the same.
    desk.is_lenient = true;
    Some(desk)
}

#[tokio::test]
async fn a_null_resource_lives_from_create_to_delete() {
    let Some(desk) = desk("the life of a null resource").await else { return };
    let offer = desk.provider.offer();
    assert_eq!(offer.resources.keys().collect::<Vec<_>>(), [KIND], "what it lacks is not offered");
    let governance = &offer.resources[KIND].governance;
    assert_eq!(governance.region, RegionRule::Provider("region".to_owned()), "nobody knows");

    let first = || json!({ "triggers": { "when": "first" } });
    let made = desk.create(KIND, first()).await;
    assert_eq!(text(&made, "id").len(), 30);
    let observed = desk.settled(KIND, first(), &made).await;
    assert_eq!(observed.value, made.value);

    // Its triggers cannot change in place: a proposal from nothing is carried out instead.
    let config = desk.config(KIND, json!({ "triggers": { "when": "second" } }));
    let proposal = desk.propose(KIND, Some(&made), &config).await.unwrap();
    let paths: Vec<String> = forced(&made, &proposal).iter().map(ToString::to_string).collect();
    assert_eq!(paths, ["triggers"]);
    let anew = desk.propose(KIND, None, &config).await.unwrap();
    assert_eq!(anew.planned.unknown_paths().len(), 1, "{:?}", anew.planned);
    desk.delete(KIND, &made).await;
    let replaced = desk.create(KIND, json!({ "triggers": { "when": "second" } })).await;
    assert_ne!(replaced.value.get("id"), made.value.get("id"));
    desk.delete(KIND, &replaced).await;

    desk.provider.stop().await;
}

#[tokio::test]
async fn planner_and_machine_work_with_it() {
    let Some(program) = path_from("GOV_TEST_PLUGIN_NULL", "planner and machine") else { return };
    let provider = process::open(opening(&program, &[KIND], &[])).await.unwrap();
    Whole::new(provider, &[KIND]).lives_and_dies().await;
}

#[tokio::test]
async fn unknown_parts_are_proposed_and_settled_by_applying() {
    let Some(desk) = desk("unknown triggers of a null resource").await else { return };
    let config = desk.config(KIND, json!({ "triggers": { "when": "first" } }));
    let with = |when: Value| {
        let mut members = config.as_map().unwrap().clone();
        members.insert("triggers".to_owned(), Value::object([("when", when)]));
        Value::map(members)
    };
    let proposal = desk.propose(KIND, None, &with(Value::unknown())).await.unwrap();
    let paths: Vec<String> =
        proposal.planned.unknown_paths().iter().map(ToString::to_string).collect();
    assert_eq!(paths, ["id", "triggers.when"]);
    let settled = desk.propose(KIND, None, &with(Value::string("now"))).await.unwrap();
    gov::engine::machine::fills(&proposal.planned, &settled.planned).unwrap();

    let secret = Value::string("hunter2").into_sensitive();
    let proposal = desk.propose(KIND, None, &with(secret)).await.unwrap();
    let planned = proposal.planned.with_marks_of(&with(Value::null().into_sensitive()));
    assert!(!format!("{planned:?}").contains("hunter2"));
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let Some(desk) = desk("refusals of a null resource").await else { return };
    let finding = desk.find(KIND, &Value::object([("id", Value::unknown())])).await;
    assert!(matches!(finding, Finding::CannotTell(why) if why.contains("without its id")));

    let value = Value::object([("id", Value::string("x")), ("triggers", Value::null())]);
    let newer = Call::Upgrade { kind: KIND.to_owned(), version: 99, value };
    let failure = desk.provider.call(newer).await.unwrap_err();
    assert!(failure.to_string().contains("newer version"), "{failure}");

    let foreign =
        Call::Validate { kind: "null_other".to_owned(), data: false, config: Value::null() };
    let failure = desk.provider.call(foreign).await.unwrap_err();
    assert!(failure.to_string().contains("not opened for"), "{failure}");
}

/// Plan and apply of one command both configure, and what was unknown may be known by then.
#[tokio::test]
async fn another_configuration_takes_another_process() {
    let Some(desk) = desk("configuring twice").await else { return };
    let first = desk.provider.plugin().id();
    assert!(desk.configure(json!({})).await.is_ok());
    assert_eq!(desk.provider.plugin().id(), first, "the same configuration");
    let made = desk.create(KIND, json!({})).await;
    desk.provider.plugin().kill();
    desk.provider.plugin().exit().ended().await.unwrap();
    assert!(desk.configure(json!({})).await.is_ok(), "it was configured so already");
    let config = desk.config(KIND, json!({}));
    assert!(desk.propose(KIND, Some(&made), &config).await.is_err(), "and stays dead");
}

/// A plugin that died is not started again behind anybody's back.
#[tokio::test]
async fn a_dead_plugin_stays_dead() {
    let Some(desk) = desk("the death of a plugin").await else { return };
    desk.provider.plugin().kill();
    desk.provider.plugin().exit().ended().await.unwrap();
    let config = desk.config(KIND, json!({}));
    let proposal = desk.propose(KIND, None, &config).await.unwrap_err();
    assert_eq!(proposal.class, gov::provider::FailureClass::Transient, "{proposal}");
    let planned = desk.config(KIND, json!({}));
    let private = gov::model::environment::Private::default();
    let applied = desk.apply(KIND, None, &planned, &private, &config).await.unwrap_err();
    assert_ne!(applied.class, gov::provider::FailureClass::Rejected, "{applied}");
}
