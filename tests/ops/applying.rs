//! Plan and apply: what is made, changed, replaced and deleted, and in which order.

use gov::engine::machine::StepEnd;
use gov::model::event::RunOutcome;
use gov::model::plan::Action;
use gov::ops::apply::Consent;
use gov::provider::sim::SimPlan;

use super::world::World;
use super::world::blueprint;

const CHAIN: &str = r#"
[resource.sim_object.first]
name = "first"

[resource.sim_object.second]
count = 2
name = "second-${count.index}"
content = "after ${sim_object.first.id}"

[resource.sim_link.between]
from = "${sim_object.first.id}"
to = "${sim_object.second[1].id}"

[outputs.first]
value = "${sim_object.first.id}"
"#;

/// G1 G10 G12: an apply makes what the blueprint says, tagged from the create call on, with an
/// expiry; a second apply does nothing.
#[test]
fn g10_apply_makes_what_the_blueprint_says() {
    let world = World::new(SimPlan::calm());
    let text = blueprint(CHAIN);
    let report = world.apply("demo", &text).unwrap();
    let ending = report.ending.unwrap();
    assert_eq!(ending.outcome, Some(RunOutcome::Done), "{:?}", ending.steps);
    assert_eq!(world.live(), 4);
    assert_eq!(world.complaints(), Vec::<String>::new());
    let life = report.life.unwrap();
    assert_eq!(life.expiry.since(life.start).to_string(), "8h");
    assert!(report.outputs.contains_key("first"));
    let again = world.apply("demo", &text).unwrap();
    assert!(again.ending.is_none(), "{:?}", again.plan.map(|(plan, ..)| plan.steps));
}

#[test]
fn a_change_in_place_and_a_replacement_are_told_apart() {
    let world = World::new(SimPlan::calm());
    let text = |size: u32, zone: &str| {
        blueprint(&format!(
            "[resource.sim_object.a]\nname = \"a\"\nsize = {size}\nzone = \"{zone}\"\n"
        ))
    };
    world.apply("demo", &text(1, "z1")).unwrap();
    let update = world.plan("demo", &text(2, "z1")).unwrap();
    assert_eq!(update.plan.changes[0].action, Action::Update);
    let replace = world.plan("demo", &text(1, "z2")).unwrap();
    assert_eq!(replace.plan.changes[0].action, Action::Replace);
    assert_eq!(replace.plan.steps.len(), 2);
    let report = world.apply("demo", &text(2, "z2")).unwrap();
    assert_eq!(report.ending.unwrap().outcome, Some(RunOutcome::Done));
    assert_eq!(world.live(), 1);
    assert_eq!(world.complaints(), Vec::<String>::new());
}

/// G8: destroying passes the same gate, and the name is free again.
#[test]
fn g8_destroy_takes_everything_down_in_order() {
    let world = World::new(SimPlan::calm());
    let text = blueprint(CHAIN);
    world.apply("demo", &text).unwrap();
    let report = world.destroy("demo", Consent::Yes).unwrap();
    let ending = report.ending.unwrap();
    assert!(ending.steps.iter().all(|(_, _, end)| *end == StepEnd::Succeeded));
    assert_eq!(world.live(), 0);
    world.apply("demo", &text).unwrap();
    assert_eq!(world.live(), 4);
}
