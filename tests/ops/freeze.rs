//! Freeze: checked at every intent; what is under way is seen to its end and reported.

use gov::model::decision::Ground;
use gov::model::event::Event;
use gov::model::event::RunOutcome;
use gov::ops::OpError;
use gov::ops::apply;
use gov::ops::apply::Consent;
use gov::ops::freeze;
use gov::provider::sim::Act;
use gov::provider::sim::Fate;
use gov::provider::sim::Gate;
use gov::provider::sim::Order;
use gov::provider::sim::SimPlan;

use super::world::Always;
use super::world::World;
use super::world::blueprint;
use super::world::options;
use super::world::rules;

const CHAIN: &str = r#"
[resource.sim_object.a]
name = "a"
[resource.sim_object.b]
name = "b"
content = "${sim_object.a.id}"
[resource.sim_object.c]
name = "c"
content = "${sim_object.b.id}"
"#;

/// P2: a freeze in the midst of an apply lets what is under way end, begins nothing more, and says
/// so; after unfreezing, apply goes on.
#[test]
fn p2_a_freeze_counts_from_the_next_intent() {
    let mut world = World::new(SimPlan::calm());
    let gate = Gate::closed([Act::Create]);
    world.gate = Some(gate.clone());
    let applier = world.context();
    world.gate = None;
    let freezer = world.context();
    let asked = options("demo", &blueprint(CHAIN));
    let (applied, frozen) = world.driven(async {
        tokio::join!(apply::apply(&applier, &asked, &Always(Consent::Yes)), async {
            gate.arrived(1).await;
            let (frozen, ()) = tokio::join!(freeze::freeze(&freezer, Some("demo"), "odd"), async {
                while world.events("frozen") == 0 {
                    tokio::task::yield_now().await;
                }
                gate.open();
            });
            frozen
        })
    });
    let ending = applied.unwrap().ending.unwrap();
    assert_eq!(ending.outcome, Some(RunOutcome::Partial));
    assert!(ending.stopped.unwrap().contains("frozen: odd"));
    assert_eq!((world.live(), world.calls(Act::Create)), (1, 1));
    let frozen = frozen.unwrap();
    assert!(frozen.changed);
    let stopped = &frozen.stopped[0];
    assert_eq!(stopped.environment, "demo");
    let in_flight: Vec<String> = stopped.in_flight.iter().map(ToString::to_string).collect();
    assert_eq!(in_flight, ["sim_object.a"]);
    assert!(stopped.still.is_empty() && stopped.ended);
    let error = world.apply("demo", &blueprint(CHAIN)).err().unwrap();
    assert!(rules(&error).contains(&("freeze", Ground::Policy)));
    world.unfreeze(Some("demo"));
    world.apply("demo", &blueprint(CHAIN)).unwrap();
    assert_eq!((world.live(), world.complaints()), (3, Vec::new()));
}

/// P2: what does not end in time is reported as still under way.
#[test]
fn p2_what_goes_on_is_reported_as_such() {
    let mut world = World::new(SimPlan::calm());
    let gate = Gate::closed([Act::Create]);
    world.gate = Some(gate.clone());
    let applier = world.context();
    world.gate = None;
    let freezer = world.context();
    let asked = options("demo", &blueprint(CHAIN));
    let (applied, frozen) = world.driven(async {
        tokio::join!(apply::apply(&applier, &asked, &Always(Consent::Yes)), async {
            gate.arrived(1).await;
            let frozen = freeze::freeze(&freezer, None, "odd").await;
            gate.open();
            frozen
        })
    });
    let frozen = frozen.unwrap();
    assert_eq!(frozen.stopped[0].still.len(), 1);
    assert!(!frozen.stopped[0].ended);
    // Held for longer than a call may wait to begin, it was not begun.
    assert_eq!(applied.unwrap().ending.unwrap().outcome, Some(RunOutcome::Partial));
    assert_eq!(world.live(), 0);
}

/// P2: after a freeze is on record there is no intent until it is lifted, retries included.
#[test]
fn p2_no_retry_begins_under_a_freeze() {
    let order = Order::on(Act::Create, Fate::Transient).times(2);
    let world = World::new(SimPlan::calm().then(order));
    let applier = world.context();
    let freezer = world.context();
    let asked = options("demo", &blueprint(CHAIN));
    let (applied, frozen) = world.driven(async {
        tokio::join!(apply::apply(&applier, &asked, &Always(Consent::Yes)), async {
            while world.calls(Act::Create) == 0 {
                tokio::task::yield_now().await;
            }
            freeze::freeze(&freezer, None, "odd").await
        })
    });
    frozen.unwrap();
    assert_eq!(applied.unwrap().ending.unwrap().outcome, Some(RunOutcome::Partial));
    let batches = world.store.batches();
    let events = batches.iter().flatten().map(|recorded| &recorded.event);
    let after = events.skip_while(|event| !matches!(event, Event::Frozen { .. }));
    assert_eq!(after.filter(|event| matches!(event, Event::StepIntended(_))).count(), 0);
}

/// P2: everything, or one environment; a freeze says why, and lifting what is not frozen is a
/// mistake.
#[test]
fn p2_a_freeze_has_a_scope_and_a_reason() {
    let world = World::new(SimPlan::calm());
    let one = "[resource.sim_object.a]\nname = \"a\"\n";
    world.apply("one", &blueprint(one)).unwrap();
    world.freeze(Some("one"));
    world.apply("two", &blueprint(one)).unwrap();
    world.freeze(None);
    for name in ["one", "two", "three"] {
        let error = world.apply(name, &blueprint(CHAIN)).err().unwrap();
        assert!(rules(&error).contains(&("freeze", Ground::Policy)), "{name}");
    }
    // Ending a life makes nothing, and is not kept from anybody by a freeze.
    world.expire("two").unwrap();
    world.unfreeze(None);
    let context = world.context();
    let again = world.driven(freeze::unfreeze(&context, None, "why"));
    assert!(matches!(again, Err(OpError::Usage(_))));
    let silent = world.driven(freeze::freeze(&context, None, " "));
    assert!(matches!(silent, Err(OpError::Usage(_))));
    assert!(!world.freeze(Some("one")).changed);
    assert!(world.apply("one", &blueprint(CHAIN)).is_err());
}
