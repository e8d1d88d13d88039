//! The matrix: every step fails, every reply is lost, every append is the last one before a crash;
//! after each, apply again comes to exactly what was declared.

use gov::engine::machine::StepEnd;
use gov::model::event::RunOutcome;
use gov::model::lifetime::Clock;
use gov::ops::OpError;
use gov::ops::apply::Consent;
use gov::provider::sim::Act;
use gov::provider::sim::Fate;
use gov::provider::sim::Order;
use gov::provider::sim::SimPlan;
use gov::state::Store;
use gov::state::memory::Fault;

use super::world::World;
use super::world::block_on;
use super::world::blueprint;
use super::world::options;

const RESOURCES: &str = r#"
[resource.sim_object.base]
name = "base"

[resource.sim_object.leaf]
count = 3
name = "leaf-${count.index}"
content = "on ${sim_object.base.id}"

[resource.sim_database.data]
name = "data"
region = "sim-1"

[resource.sim_link.tie]
from = "${sim_object.base.id}"
to = "${sim_database.data.id}"
"#;

/// How many objects the blueprint declares.
const DECLARED: usize = 6;

fn converges(world: &World, text: &str, story: &str) {
    // Whatever happened, applying again comes to what was declared, and then to rest.
    for _ in 0..4 {
        // A half-made database may hold data: replacing it takes a human's word.
        match world.apply_with(&options("demo", text), Consent::Human) {
            Ok(report) if report.ending.is_none() => {
                assert_eq!(world.live(), DECLARED, "{story}");
                assert_eq!(world.complaints(), Vec::<String>::new(), "{story}");
                assert!(world.snapshot("demo").uncertain.is_empty(), "{story}");
                return;
            }
            Ok(_) => {}
            Err(error) => panic!("{story}: {error}"),
        }
    }
    panic!("{story}: it does not come to rest");
}

/// How many appends an undisturbed apply makes.
fn appends(text: &str) -> u64 {
    let world = World::new(SimPlan::calm());
    let before = world.store.batches().len();
    world.apply("demo", text).unwrap();
    u64::try_from(world.store.batches().len() - before).unwrap()
}

/// A crash at every append, before and after it became durable, then apply: nothing twice,
/// nothing lost. INVARIANT (recovery is the normal path).
#[test]
fn crash_at_every_append_and_resume() {
    let text = blueprint(RESOURCES);
    let count = appends(&text);
    assert!(count > 10, "{count}");
    for nth in 1..=count {
        for durable in [false, true] {
            let story = format!("append {nth}, durable {durable}");
            let world = World::new(SimPlan::calm());
            world.store.fail_append(nth, Fault { durable, crash: true });
            let broken = world.apply("demo", &text);
            assert!(broken.is_err(), "{story}");
            converges(&world.restarted(), &text, &story);
        }
    }
}

/// The same while taking everything down.
#[test]
fn crash_at_every_append_of_a_destroy_and_resume() {
    let text = blueprint(RESOURCES);
    for durable in [false, true] {
        for nth in 1..40 {
            let story = format!("append {nth}, durable {durable}");
            let world = World::new(SimPlan::calm());
            world.apply("demo", &text).unwrap();
            world.store.fail_append(nth, Fault { durable, crash: true });
            let first = world.destroy("demo", Consent::Yes);
            if first.is_ok() {
                assert!(nth > 10, "{story}");
                return;
            }
            let again = world.restarted();
            let mut last = None;
            for _ in 0..3 {
                match again.destroy("demo", Consent::Yes) {
                    Ok(_) => {}
                    Err(OpError::NoEnvironment { .. }) => break,
                    Err(error) => last = Some(error),
                }
            }
            assert!(last.is_none(), "{story}: {last:?}");
            assert_eq!(again.live(), 0, "{story}");
        }
    }
}

/// Every mutating call ends in every way that a cloud knows: apply again comes to rest.
#[test]
fn every_call_goes_wrong_once_in_every_way() {
    let text = blueprint(RESOURCES);
    let fates = [Fate::Rejected, Fate::Transient, Fate::ReplyLost, Fate::CallLost, Fate::Partial];
    for fate in fates {
        for skipped in 0..u32::try_from(DECLARED).unwrap() {
            let story = format!("{fate:?} of create {skipped}");
            let order = Order::on(Act::Create, fate.clone()).skipping(skipped).times(1);
            let world = World::new(SimPlan::calm().then(order));
            let first = world.apply("demo", &text).unwrap();
            let ending = first.ending.unwrap();
            let passes = matches!(fate, Fate::Transient | Fate::ReplyLost | Fate::CallLost);
            let want = if passes { RunOutcome::Done } else { RunOutcome::Partial };
            assert_eq!(ending.outcome, Some(want), "{story}: {:?}", ending.steps);
            converges(&world, &text, &story);
        }
    }
}

/// A create that leaves half of something, and a crash at every append after it: going on never
/// makes a second one.
#[test]
fn crash_after_a_partial_create_and_resume() {
    let chain = "[resource.sim_object.a]\nname = \"a\"\n\
                 [resource.sim_object.b]\nname = \"b\"\n\
                 [resource.sim_object.c]\nname = \"c\"\ncontent = \"${sim_object.b.id}\"\n";
    let text = blueprint(chain);
    for beside in [false, true] {
        for nth in 1..14 {
            let story = format!("append {nth}, beside {beside}");
            let mut world = World::new(SimPlan::calm());
            let mut wanted = text.clone();
            if beside {
                let kept = "\"a\"\nlifecycle = { create_before_destroy = true }\n";
                let before = text.replace("\"a\"\n", kept);
                world.apply("demo", &before).unwrap();
                wanted = before.replace("\"a\"\n", "\"a\"\nzone = \"z2\"\n");
            }
            world.cloud.with(|cloud| {
                cloud.order(Order::on(Act::Create, Fate::Partial).named("a").times(1));
            });
            world.store.fail_append(nth, Fault { durable: true, crash: true });
            drop(world.apply("demo", &wanted));
            world = world.restarted();
            for _ in 0..3 {
                world.apply("demo", &wanted).unwrap();
            }
            assert_eq!(world.live(), 3, "{story}");
            assert_eq!(world.complaints(), Vec::<String>::new(), "{story}");
        }
    }
}

/// A step that cannot even begin does not keep the others, or the end, waiting.
#[test]
fn a_step_that_fails_before_its_call_is_noticed_at_once() {
    let text = blueprint(
        "[resource.sim_object.a]\nname = \"a\"\n\
         [resource.sim_object.b]\nname = \"b\"\ncontent = \"${sim_object.a.id}\"\n",
    );
    let order = Order::on(Act::Configure, Fate::Rejected).skipping(1).times(1);
    let world = World::new(SimPlan::calm().then(order));
    let began = world.clock.now();
    let ending = world.apply("demo", &text).unwrap().ending.unwrap();
    assert_eq!(ending.outcome, Some(RunOutcome::Partial));
    assert_eq!(world.clock.now(), began);
    assert_eq!(world.calls(Act::Create), 0);
}

/// P3: a provider that never comes right is tried a bounded number of times.
#[test]
fn p3_retries_are_bounded() {
    let text = blueprint("[resource.sim_object.a]\nname = \"a\"\n");
    let order = Order::on(Act::Create, Fate::Transient).times(1000);
    let world = World::new(SimPlan::calm().then(order));
    let ending = world.apply("demo", &text).unwrap().ending.unwrap();
    assert_eq!(ending.outcome, Some(RunOutcome::Partial));
    let tried = world.cloud.warden().calls_of(Act::Create);
    assert_eq!(tried, u64::from(gov::engine::machine::ATTEMPTS_MAX));
}

/// A create that cannot be found again stays unknown: it is never made twice.
/// INVARIANT (unknown is not failed).
#[test]
fn what_cannot_be_told_is_never_made_twice() {
    let text = blueprint("[resource.sim_vague.a]\nname = \"a\"\n");
    let order = Order::on(Act::Create, Fate::ReplyLost).times(1);
    let world = World::new(SimPlan::calm().then(order));
    let first = world.apply("demo", &text).unwrap();
    assert_eq!(first.ending.unwrap().outcome, None);
    assert_eq!(world.snapshot("demo").uncertain.len(), 1);
    for _ in 0..2 {
        let again = world.apply("demo", &text).unwrap().ending.unwrap();
        assert!(matches!(again.steps[0].2, StepEnd::Unknown(_)), "{:?}", again.steps);
    }
    let other = blueprint("[resource.sim_vague.b]\nname = \"b\"\n");
    assert!(matches!(world.apply("demo", &other), Err(OpError::Uncertain { .. })));
    assert_eq!(world.cloud.warden().calls_of(Act::Create), 1);
    let ledger = block_on(world.store.ledger()).unwrap();
    assert_eq!(ledger.find("demo").unwrap().uncertain.len(), 1);
}
