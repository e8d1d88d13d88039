//! Drift: what is, compared with what the books say, and what policy makes of it.

use gov::model::event::RunOutcome;
use gov::model::sealed::SealedValue;
use gov::model::value::Value;
use gov::ops::OpError;
use gov::ops::apply::Consent;
use gov::ops::drift;
use gov::ops::drift::EXISTENCE;
use gov::ops::drift::Remedy;
use gov::ops::drift::Status;
use gov::policy::trust::DriftAction;
use gov::policy::trust::DriftRule;
use gov::policy::trust::Noise;
use gov::provider::sim::Act;
use gov::provider::sim::Fate;
use gov::provider::sim::Order;
use gov::provider::sim::SimPlan;
use gov::state::memory::Fault;

use super::world::Always;
use super::world::World;
use super::world::blueprint;
use super::world::rules;

const TWO: &str = r#"
[resource.sim_object.a]
name = "a"
content = "kept"
[resource.sim_object.b]
name = "b"
"#;

fn living() -> World {
    let world = World::new(SimPlan::calm());
    world.apply("demo", &blueprint(TWO)).unwrap();
    world
}

fn bend(world: &World, name: &str, attribute: &str, value: Value) {
    let id = world.id("sim_object", name);
    assert!(world.cloud.with(|cloud| cloud.mutate(&id, attribute, value)));
}

fn size(world: &World, name: &str) -> Value {
    let id = world.id("sim_object", name);
    world.cloud.with(|cloud| cloud.look(&id, "size").cloned()).unwrap()
}

fn rule(attribute: &str, action: DriftAction) -> DriftRule {
    DriftRule { kind: None, attribute: Some(attribute.into()), action }
}

fn lines(report: &drift::Report) -> Vec<(String, &str)> {
    report.lines.iter().map(|l| (l.address.to_string(), l.attribute.as_str())).collect()
}

/// G17: changed and deleted resources are told apart, attribute by attribute, and looking changes
/// nothing: no call with an effect, no event.
#[test]
fn g17_looking_says_what_differs_and_changes_nothing() {
    let world = living();
    let clean = world.drift("demo", Remedy::None);
    assert!(clean.lines.is_empty() && clean.error.is_none());
    bend(&world, "a", "size", Value::number(9_i64));
    bend(&world, "a", "content", Value::string("bent"));
    let b = world.id("sim_object", "b");
    world.cloud.with(|cloud| cloud.vanish(&b));
    let before = world.footprint();
    let report = world.drift("demo", Remedy::None);
    let wanted = [
        ("sim_object.a".to_owned(), "content"),
        ("sim_object.a".to_owned(), "size"),
        ("sim_object.b".to_owned(), EXISTENCE),
    ];
    assert_eq!(lines(&report), wanted);
    let Status::Changed { before: was, after: is } = &report.lines[0].status else { panic!() };
    assert_ne!(was, is);
    assert_ne!(*was, SealedValue::Null);
    assert_eq!(report.lines[2].status, Status::Deleted);
    assert!(report.lines.iter().all(|line| line.action == DriftAction::Alert));
    assert_eq!(world.footprint(), before);
    // The next look sees the same: it has not been taken as intended by being seen.
    assert_eq!(world.drift("demo", Remedy::None).lines, report.lines);
}

/// G17: what cannot be read is never taken as unchanged, and nothing is undone beside it.
#[test]
fn g17_unreachable_is_never_clean() {
    let mut world = living();
    bend(&world, "b", "size", Value::number(9_i64));
    world.trust.drift.default = DriftAction::Revert;
    world.cloud.with(|cloud| {
        cloud.order(Order::on(Act::Read, Fate::Transient).named("a").times(1));
    });
    let report = world.drift("demo", Remedy::None);
    assert!(matches!(report.lines[0].status, Status::Unreachable(_)), "{:?}", report.lines);
    world.cloud.with(|cloud| {
        cloud.order(Order::on(Act::Read, Fate::Transient).named("a").times(1));
    });
    let before = world.footprint();
    let report = world.drift("demo", Remedy::Policy);
    assert!(matches!(report.error, Some(OpError::Failed(_))));
    assert_eq!(world.footprint(), before);
    assert!(world.drift("demo", Remedy::Policy).error.is_none());
    assert_eq!(size(&world, "b"), Value::number(1_i64));
}

/// G17: known noise is listed with its owner and left alone until its end; then it is drift again.
#[test]
fn g17_noise_has_an_owner_and_an_end() {
    let mut world = living();
    let until = gov::model::lifetime::Clock::now(world.clock.as_ref()).plus("1h".parse().unwrap());
    world.trust.drift.default = DriftAction::Revert;
    world.trust.drift.noise.push(Noise {
        kind: "sim_object".into(),
        attribute: "size".into(),
        owner: "bob".into(),
        reason: "resized every night".into(),
        until,
    });
    bend(&world, "a", "size", Value::number(9_i64));
    let before = world.footprint();
    let report = world.drift("demo", Remedy::Policy);
    assert_eq!(report.lines[0].noise.as_deref(), Some("bob"));
    assert_eq!(report.loud().count(), 0);
    assert_eq!(world.footprint(), before);
    world.clock.advance("1h");
    let report = world.drift("demo", Remedy::Policy);
    assert_eq!(report.loud().count(), 1);
    assert_eq!(size(&world, "a"), Value::number(1_i64));
}

/// G18: what policy accepts is recorded with its decision, is no drift any more, and is not undone
/// by the next apply.
#[test]
fn g18_accepted_drift_is_recorded() {
    let mut world = living();
    world.trust.drift.rules.push(rule("size", DriftAction::Accept));
    bend(&world, "a", "size", Value::number(9_i64));
    let report = world.drift("demo", Remedy::Policy);
    assert_eq!(report.accepted.len(), 1);
    assert!(report.remedy.is_none());
    assert_eq!(world.events("drift-accepted"), 1);
    assert!(world.drift("demo", Remedy::None).lines.is_empty());
    world.apply("demo", &blueprint(TWO)).unwrap();
    assert_eq!(size(&world, "a"), Value::number(9_i64));
    assert_eq!(world.calls(Act::Update), 0);
}

/// G18: reverting undoes what policy says and leaves alone what it only alerts on.
#[test]
fn g18_reverting_leaves_what_only_alerts() {
    let mut world = living();
    world.trust.drift.rules.push(rule("size", DriftAction::Revert));
    bend(&world, "a", "size", Value::number(9_i64));
    bend(&world, "a", "content", Value::string("bent"));
    bend(&world, "b", "content", Value::string("bent"));
    let report = world.drift("demo", Remedy::Policy);
    assert_eq!(report.remedy.unwrap().ending.unwrap().outcome, Some(RunOutcome::Done));
    assert_eq!(size(&world, "a"), Value::number(1_i64));
    let a = world.id("sim_object", "a");
    let content = world.cloud.with(|cloud| cloud.look(&a, "content").cloned());
    assert_eq!(content, Some(Value::string("bent")));
    // What was left alone is still said; by hand, everything that is not accepted is undone.
    let left = ("sim_object.b".to_owned(), "content");
    assert!(lines(&world.drift("demo", Remedy::None)).contains(&left));
    assert!(world.drift("demo", Remedy::Revert).error.is_none());
    assert!(world.drift("demo", Remedy::None).lines.is_empty());
    let content = world.cloud.with(|cloud| cloud.look(&a, "content").cloned());
    assert_eq!(content, Some(Value::string("kept")));
}

#[test]
fn g18_what_was_deleted_is_made_again_when_asked() {
    let world = living();
    let b = world.id("sim_object", "b");
    world.cloud.with(|cloud| cloud.vanish(&b));
    assert!(world.drift("demo", Remedy::Policy).remedy.is_none());
    assert_eq!(world.live(), 1);
    world.drift("demo", Remedy::Revert).remedy.unwrap();
    assert_eq!((world.live(), world.complaints()), (2, Vec::new()));
}

/// G18: undoing drift passes the gate: not when frozen, not after the expiry, not beyond a limit.
#[test]
fn g18_undoing_drift_passes_the_gate() {
    let world = living();
    bend(&world, "a", "size", Value::number(9_i64));
    let undo = |world: &World| match world.drift("demo", Remedy::Revert).error {
        Some(error) => rules(&error).iter().map(|(rule, _)| (*rule).to_owned()).collect(),
        None => Vec::new(),
    };
    world.freeze(Some("demo"));
    assert_eq!(undo(&world), ["freeze"]);
    world.unfreeze(Some("demo"));
    let mut poor = world.restarted();
    poor.trust.ceiling.resources = Some(1);
    assert_eq!(undo(&poor), ["resources"]);
    let expired = world.restarted();
    expired.expire("demo").unwrap();
    assert_eq!(undo(&expired), ["expired"]);
    assert_eq!(size(&world, "a"), Value::number(9_i64));
    assert_eq!(world.calls(Act::Update), 0);
}

/// Where an operation was interrupted, undoing drift says so and leaves going on to apply.
#[test]
fn g18_an_interrupted_operation_is_not_undone_over() {
    let mut world = living();
    let larger = blueprint(&TWO.replace("\"b\"\n", "\"b\"\nsize = 5\n"));
    world.store.fail_append(3, Fault { durable: true, crash: true });
    assert!(world.apply("demo", &larger).is_err());
    world = world.restarted();
    assert!(world.snapshot("demo").run.is_some());
    bend(&world, "a", "size", Value::number(9_i64));
    let before = world.mutations();
    let error = world.drift("demo", Remedy::Revert).error.unwrap();
    assert!(matches!(error, OpError::Usage(_)), "{error:?}");
    assert_eq!(world.mutations(), before);
    world.apply("demo", &larger).unwrap();
    assert!(world.drift("demo", Remedy::Revert).error.is_none());
    assert_eq!(size(&world, "a"), Value::number(1_i64));
}

/// Every environment that lives is looked at, and one that cannot be does not hide the others.
#[test]
fn g17_all_environments_are_looked_at() {
    let world = living();
    world.apply("other", &blueprint("[resource.sim_object.c]\nname = \"c\"\n")).unwrap();
    bend(&world, "a", "size", Value::number(9_i64));
    bend(&world, "c", "size", Value::number(9_i64));
    world.cloud.with(|cloud| {
        cloud.order(Order::on(Act::Configure, Fate::Rejected).times(1));
    });
    let context = world.context();
    let confirm = Always(Consent::Yes);
    let looked = drift::drift(&context, None, Remedy::None, &confirm);
    let reports = world.driven(looked).unwrap();
    assert_eq!(reports.iter().filter(|report| report.error.is_some()).count(), 1);
    assert_eq!(reports.iter().map(|report| report.lines.len()).sum::<usize>(), 1);
}
