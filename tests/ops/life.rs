//! Life: grants and their limits, extending, ending, starting later. Nothing else moves an expiry.

use gov::model::decision::Ground;
use gov::model::event::RunOutcome;
use gov::model::lifetime::Clock;
use gov::model::lifetime::Duration;
use gov::model::lifetime::LifeError;
use gov::model::lifetime::Term;
use gov::model::value::Value;
use gov::ops::OpError;
use gov::ops::apply;
use gov::ops::apply::Consent;
use gov::ops::drift::Remedy;
use gov::ops::lifetime;
use gov::ops::reap;
use gov::policy::trust::DriftAction;
use gov::provider::sim::Act;
use gov::provider::sim::Gate;
use gov::provider::sim::SimPlan;

use super::world::Always;
use super::world::World;
use super::world::blueprint;
use super::world::options;
use super::world::rules;

const ONE: &str = "[resource.sim_object.a]\nname = \"a\"\n";

/// Objects that come one after the other.
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

fn span(text: &str) -> Duration {
    text.parse().unwrap()
}

fn by(text: &str) -> Term {
    Term::For(span(text))
}

fn living() -> World {
    let world = World::new(SimPlan::calm());
    world.apply("demo", &blueprint(ONE)).unwrap();
    world
}

/// G12: what is not asked for is `ttl.default`; what is asked for is within `ttl.max`.
#[test]
fn g12_a_life_has_a_default_and_a_longest_grant() {
    let world = World::new(SimPlan::calm());
    let now = world.clock.now();
    let asked = |name: &str, term: Term| {
        let mut options = options(name, &blueprint(ONE));
        options.ask.term = Some(term);
        world.apply_with(&options, Consent::Yes)
    };
    let life = world.apply("plain", &blueprint(ONE)).unwrap().life.unwrap();
    assert_eq!(life.expiry, now.plus(span("8h")));
    let life = asked("short", by("30m")).unwrap().life.unwrap();
    assert_eq!(life.expiry, now.plus(span("30m")));
    let life = asked("until", Term::Until(now.plus(span("24h")))).unwrap().life.unwrap();
    assert_eq!(life.expiry, now.plus(span("24h")));
    let creates = world.calls(Act::Create);
    for wrong in [by("25h"), Term::Until(now.plus(span("25h"))), Term::Until(now)] {
        let error = asked("wrong", wrong).err().unwrap();
        assert!(rules(&error).contains(&("ttl", Ground::Policy)), "{wrong:?}: {error:?}");
    }
    assert_eq!(world.calls(Act::Create), creates);
}

/// G12: an environment without any end is refused before it is planned.
#[test]
fn g12_no_expiry_no_environment() {
    let world = World::new(SimPlan::calm());
    let text = blueprint(ONE).replace("default = \"8h\", ", "");
    let error = world.apply("demo", &text).err().unwrap();
    assert!(matches!(error, OpError::Diagnostics(_)), "{error:?}");
    assert_eq!(world.mutations(), 0);
}

/// G14: `--by` adds to the later of now and the expiry, `--until` sets; neither shortens, and
/// grants and the whole life stay within their limits.
#[test]
fn g14_extending_adds_or_sets_within_the_limits() {
    let world = living();
    let first = world.expiry("demo");
    world.clock.advance("1h");
    let moved = world.extend("demo", by("2h")).unwrap();
    assert_eq!((moved.from.expiry, moved.to.expiry), (first, first.plus(span("2h"))));
    assert_eq!(moved.left, span("62h"));
    let until = first.plus(span("5h"));
    world.extend("demo", Term::Until(until)).unwrap();
    assert_eq!(world.expiry("demo"), until);
    let shorter = world.extend("demo", Term::Until(first)).err().unwrap();
    assert!(matches!(shorter, OpError::Life(LifeError::NotLater { .. })), "{shorter:?}");
    let long = world.extend("demo", by("25h")).err().unwrap();
    assert!(matches!(long, OpError::Life(LifeError::GrantTooLong { .. })), "{long:?}");
    for _ in 0..2 {
        world.extend("demo", by("24h")).unwrap();
    }
    let whole = world.extend("demo", by("24h")).err().unwrap();
    assert!(matches!(whole, OpError::Life(LifeError::LifeTooLong { .. })), "{whole:?}");
    assert_eq!(world.expiry("demo"), until.plus(span("48h")));
}

/// G14: an extension needs a reason, and the reason is in the history.
#[test]
fn g14_an_extension_says_why() {
    let world = living();
    let before = world.store.batches().len();
    for reason in ["", "  \n"] {
        let context = world.context();
        let silent = world.driven(lifetime::extend(&context, "demo", by("1h"), reason));
        assert!(matches!(silent, Err(OpError::Usage(_))));
    }
    assert_eq!(world.store.batches().len(), before);
    world.extend("demo", by("1h")).unwrap();
    let last = format!("{:?}", world.store.batches().last().unwrap());
    assert!(last.contains("more to do"), "{last}");
}

/// G14: extending is possible in the grace, not after it, and not once a reaper has begun.
#[test]
fn g14_grace_ends() {
    let world = living();
    world.clock.advance("8h");
    world.clock.advance("10m");
    let now = world.clock.now();
    assert_eq!(world.extend("demo", by("1h")).unwrap().to.expiry, now.plus(span("1h")));
    world.clock.advance("76m");
    let late = world.extend("demo", by("1h")).err().unwrap();
    assert!(matches!(late, OpError::Life(LifeError::Over { .. })), "{late:?}");
}

/// G14: a blueprint that states no grace has none, whatever grace the trust root would bear: what
/// the reaper may take cannot be extended any more.
#[test]
fn g14_a_ceiling_on_grace_grants_none() {
    let world = World::new(SimPlan::calm());
    world.apply("demo", &blueprint(ONE).replace(", grace = \"15m\"", "")).unwrap();
    world.clock.advance("8h");
    world.clock.advance("1s");
    let late = world.extend("demo", by("1h")).err().unwrap();
    assert!(matches!(late, OpError::Life(LifeError::Over { .. })), "{late:?}");
}

#[test]
fn g14_what_is_being_reaped_cannot_be_extended() {
    let held = r#"
[resource.sim_object.a]
name = "a"
lifecycle = { prevent_destroy = true }
[resource.sim_object.b]
name = "b"
"#;
    let world = World::new(SimPlan::calm());
    world.apply("demo", &blueprint(held)).unwrap();
    world.expire("demo").unwrap();
    world.clock.advance("15m");
    let report = world.reap_all();
    assert!(matches!(report.lines[0].outcome, reap::Outcome::Held(_)), "{report:?}");
    let late = world.extend("demo", by("1h")).err().unwrap();
    assert!(matches!(late, OpError::Usage(_)), "{late:?}");
}

/// G14: an extension that comes while the reaper still plans wins; nothing of what was extended
/// is deleted.
#[test]
fn g14_an_extension_during_the_reapers_planning_wins() {
    let mut world = living();
    world.expire("demo").unwrap();
    // The one instant that belongs to the grace and to the reaper.
    world.clock.advance("15m");
    let gate = Gate::closed([Act::Read]);
    world.gate = Some(gate.clone());
    let reaper = world.context();
    world.gate = None;
    let other = world.context();
    let all = reap::Options { max: Some(9), max_percent: Some(100), ..Default::default() };
    let (report, extended) = world.driven(async {
        tokio::join!(reap::reap(&reaper, &all), async {
            gate.arrived(1).await;
            let done = lifetime::extend(&other, "demo", by("1h"), "just in time").await;
            gate.open();
            done
        })
    });
    extended.unwrap();
    let outcome = &report.unwrap().lines[0].outcome;
    assert!(matches!(outcome, reap::Outcome::Failed(_) | reap::Outcome::Busy(_)), "{outcome:?}");
    assert_eq!((world.live(), world.calls(Act::Delete)), (1, 0));
}

/// G14: applying again, changing, and undoing drift leave the expiry where it is.
#[test]
fn g14_nothing_but_extending_moves_the_expiry() {
    let mut world = living();
    let expiry = world.expiry("demo");
    world.clock.advance("2h");
    world.apply("demo", &blueprint(ONE)).unwrap();
    assert_eq!(world.expiry("demo"), expiry);
    let larger =
        blueprint(&format!("{ONE}size = 3\n")).replace("default = \"8h\"", "default = \"20h\"");
    let report = world.apply("demo", &larger).unwrap();
    assert_eq!(report.ending.unwrap().outcome, Some(RunOutcome::Done));
    assert_eq!(world.expiry("demo"), expiry);
    world.trust.drift.default = DriftAction::Revert;
    let id = world.id("sim_object", "a");
    world.cloud.with(|cloud| cloud.mutate(&id, "size", Value::number(9_i64)));
    let report = world.drift("demo", Remedy::Policy);
    assert_eq!(report.remedy.unwrap().ending.unwrap().outcome, Some(RunOutcome::Done));
    assert_eq!(world.expiry("demo"), expiry);
    let mut asked = options("demo", &larger);
    asked.ask.term = Some(by("24h"));
    assert!(matches!(world.apply_with(&asked, Consent::Yes), Err(OpError::Diagnostics(_))));
    assert_eq!(world.expiry("demo"), expiry);
    assert_eq!(world.events("life-extended"), 0);
}

/// G15: `expire` ends a life now, with a reason, once; its grace begins.
#[test]
fn g15_expire_ends_a_life_now() {
    let world = living();
    world.clock.advance("1h");
    let now = world.clock.now();
    assert_eq!(world.expire("demo").unwrap().to.expiry, now);
    assert!(matches!(world.expire("demo"), Err(OpError::Usage(_))));
    let error = world.apply("demo", &blueprint(CHAIN)).err().unwrap();
    assert!(rules(&error).contains(&("expired", Ground::Policy)), "{error:?}");
    assert!(world.reap_all().lines.is_empty());
    world.clock.advance("15m");
    assert!(matches!(world.reap_all().lines[0].outcome, reap::Outcome::Reaped));
    assert_eq!(world.live(), 0);
}

/// G19: a start that lies ahead records the environment and makes nothing until it has come, and
/// its life counts from then.
#[test]
fn g19_a_scheduled_environment_waits_for_its_start() {
    let world = World::new(SimPlan::calm());
    let mut asked = options("later", &blueprint(ONE));
    let start = world.clock.now().plus(span("3h"));
    asked.ask.start = Some(start);
    assert!(world.apply_with(&asked, Consent::Yes).unwrap().scheduled);
    // Asking again does not start it either; what changed meanwhile is remembered.
    assert!(world.apply_with(&asked, Consent::Yes).unwrap().scheduled);
    let changed = options("later", &blueprint(&format!("{ONE}size = 4\n")));
    assert!(world.apply_with(&changed, Consent::Yes).unwrap().scheduled);
    let due = || {
        let context = world.context();
        world.driven(lifetime::start_due(&context, &Always(Consent::Yes))).unwrap()
    };
    assert!(due().is_empty());
    assert_eq!((world.mutations(), world.events("run-opened")), (0, 0));
    assert!(world.snapshot("later").life().is_none());
    world.clock.advance("4h");
    let results = due();
    let ending = results[0].1.as_ref().unwrap().ending.as_ref().unwrap();
    assert_eq!(ending.outcome, Some(RunOutcome::Done));
    let life = world.snapshot("later").life().unwrap();
    assert_eq!((life.start, life.expiry), (start.plus(span("1h")), start.plus(span("9h"))));
    let id = world.id("sim_object", "a");
    let size = world.cloud.with(|cloud| cloud.look(&id, "size").cloned());
    assert_eq!(size, Some(Value::number(4_i64)));
    assert!(due().is_empty());
}

/// G12: once the expiry has come, a running apply begins no new step.
#[test]
fn g12_at_its_expiry_a_running_apply_begins_no_new_step() {
    let mut world = World::new(SimPlan::calm());
    let gate = Gate::closed([Act::Create]);
    world.gate = Some(gate.clone());
    let context = world.context();
    let asked = options("demo", &blueprint(CHAIN));
    let (report, ()) = world.driven(async {
        tokio::join!(apply::apply(&context, &asked, &Always(Consent::Yes)), async {
            gate.arrived(1).await;
            gate.release(1);
            while world.live() == 0 {
                tokio::task::yield_now().await;
            }
            gate.arrived(1).await;
            // The second create is under way and arrives too late; it is not tried again.
            world.clock.advance("8h");
            gate.open();
        })
    });
    let ending = report.unwrap().ending.unwrap();
    assert_eq!(ending.outcome, Some(RunOutcome::Partial));
    assert!(ending.stopped.unwrap().contains("expired"));
    assert_eq!((world.live(), world.calls(Act::Create)), (1, 2));
    world.gate = None;
    let error = world.apply("demo", &blueprint(CHAIN)).err().unwrap();
    assert!(rules(&error).contains(&("expired", Ground::Policy)));
}
