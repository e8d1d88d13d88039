//! Reap: everything that is due goes, in order, through the gate; what may not go is held.

use gov::model::event::Event;
use gov::model::value::Value;
use gov::ops::OpError;
use gov::ops::apply::Consent;
use gov::ops::books;
use gov::ops::reap;
use gov::ops::reap::Options;
use gov::ops::reap::Outcome;
use gov::provider::sim::Act;
use gov::provider::sim::Fate;
use gov::provider::sim::Gate;
use gov::provider::sim::Order;
use gov::provider::sim::SimPlan;
use gov::state::Store;
use gov::state::memory::Fault;
use gov::state::snapshot::Phase;

use super::world::World;
use super::world::block_on;
use super::world::blueprint;
use super::world::options;

const TREE: &str = r#"
[resource.sim_object.base]
name = "base"
[resource.sim_object.leaf]
count = 2
name = "leaf-${count.index}"
content = "on ${sim_object.base.id}"
[resource.sim_link.tie]
from = "${sim_object.leaf[0].id}"
to = "${sim_object.leaf[1].id}"
"#;

/// A database on an object, beside objects of their own.
const DATA: &str = r#"
[resource.sim_object.base]
name = "base"
[resource.sim_object.beside]
name = "beside"
[resource.sim_database.data]
name = "data-on-${sim_object.base.id}"
region = "sim-1"
[resource.sim_object.user]
name = "user"
content = "${sim_database.data.id}"
"#;

fn keeps(resources: &str) -> String {
    blueprint(resources).replace("delete-data", "keep-data")
}

fn all() -> Options {
    Options { max: Some(100), max_percent: Some(100), ..Options::default() }
}

/// A world with one environment that is due.
fn due(text: &str) -> World {
    let world = World::new(SimPlan::calm());
    world.apply("demo", text).unwrap();
    world.clock.advance("8h");
    world.clock.advance("15m");
    world
}

fn names(world: &World) -> Vec<String> {
    let mut names: Vec<String> =
        world.cloud.warden().live.into_iter().map(|witness| witness.name).collect();
    names.sort();
    names
}

fn held(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::Held(addresses) => addresses.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

/// G13 G16: what is due goes whole, what was made from something before it, and its name is free.
#[test]
fn g13_what_is_due_goes_in_order() {
    let world = World::new(SimPlan::calm());
    world.apply("demo", &blueprint(TREE)).unwrap();
    world.clock.advance("8h");
    assert!(world.reap_all().lines.is_empty(), "its grace is not over");
    world.clock.advance("15m");
    let report = world.reap_all();
    assert!(matches!(report.lines[0].outcome, Outcome::Reaped), "{report:?}");
    assert_eq!((report.lines[0].deleted, world.live()), (4, 0));
    let effects = world.cloud.warden().effects;
    let went: Vec<&str> = effects
        .iter()
        .filter(|effect| effect.act == Act::Delete)
        .map(|effect| effect.name.as_str())
        .collect();
    assert!(went[0].starts_with("obj-") && went[3] == "base", "{went:?}");
    assert!(matches!(world.snapshot("demo").phase, Phase::Ended(_)));
    world.apply("demo", &blueprint(TREE)).unwrap();
}

/// G13 K21: data that nobody consented to delete is held with what it was made from; the rest goes.
/// A second reap does nothing and writes nothing but its heartbeat.
#[test]
fn k21_data_is_held_with_what_it_stands_on() {
    let world = due(&keeps(DATA));
    let report = world.reap_all();
    assert_eq!(held(&report.lines[0].outcome), ["sim_database.data", "sim_object.base"]);
    assert_eq!(report.lines[0].deleted, 2);
    assert_eq!(names(&world).len(), 2);
    let known = world.snapshot("demo");
    assert_eq!((known.held.len(), known.resources.len()), (2, 2));
    let ledger = block_on(world.store.ledger()).unwrap();
    assert!(ledger.find("demo").unwrap().cost.is_some(), "what is held is still priced");
    for _ in 0..2 {
        let (batches, mutations) = world.footprint();
        let again = world.reap_all();
        assert_eq!(held(&again.lines[0].outcome).len(), 2);
        // The lease, its return, and the heartbeat.
        assert_eq!(world.footprint(), (batches + 3, mutations));
        assert_eq!(world.events("run-opened"), 2);
    }
    world.destroy("demo", Consent::Human).unwrap();
    assert_eq!(world.live(), 0);
}

/// G16: what goes by itself beside something held leaves the books with the next reap.
#[test]
fn g16_what_is_gone_beside_something_held_leaves_the_books() {
    let world = due(&keeps(DATA));
    world.cloud.with(|cloud| {
        cloud.order(Order::on(Act::Delete, Fate::Rejected).named("beside").times(1));
    });
    assert!(matches!(world.reap_all().lines[0].outcome, Outcome::Failed(_)));
    assert_eq!(world.snapshot("demo").resources.len(), 3);
    let beside = world.id("sim_object", "beside");
    world.cloud.with(|cloud| cloud.vanish(&beside));
    assert_eq!(held(&world.reap_all().lines[0].outcome).len(), 2);
    assert_eq!(world.snapshot("demo").resources.len(), 2);
}

/// G13: what nobody could tell is taken in by a human after the expiry, and then goes.
#[test]
fn g13_what_a_human_takes_in_is_reaped() {
    let order = Order::on(Act::Create, Fate::ReplyLost).kind("sim_vague");
    let world = World::new(SimPlan::calm().then(order));
    let text = "[resource.sim_vague.v]\nname = \"v\"\n";
    world.apply("demo", &blueprint(text)).unwrap();
    world.clock.advance("9h");
    assert!(matches!(world.reap_all().lines[0].outcome, Outcome::Failed(_)));
    let context = world.context();
    let id = world.id("sim_vague", "v");
    let address = "sim_vague.v".parse().unwrap();
    world.driven(books::import(&context, "demo", &address, &id)).unwrap();
    assert!(matches!(world.reap_all().lines[0].outcome, Outcome::Reaped));
    assert_eq!(world.live(), 0);
}

/// G13: a protected resource is held even where deleting data was consented to.
#[test]
fn g13_protected_resources_are_held() {
    let text = DATA.replace("\"user\"\n", "\"user\"\nlifecycle = { prevent_destroy = true }\n");
    let world = due(&blueprint(&text));
    let report = world.reap_all();
    let kept = ["sim_database.data", "sim_object.base", "sim_object.user"];
    assert_eq!(held(&report.lines[0].outcome), kept);
    assert_eq!(world.live(), 3);
    // What held things were held for is gone: the rest goes with the next reap.
    for name in ["user", "beside"] {
        for id in world.cloud.with(|cloud| cloud.ids_of("sim_object", name)) {
            world.cloud.with(|cloud| cloud.vanish(&id));
        }
    }
    assert!(matches!(world.reap_all().lines[0].outcome, Outcome::Reaped));
    assert_eq!(world.live(), 0);
}

/// K21: data that a replacement put aside is held as well, and does not keep the rest alive.
#[test]
fn k21_data_put_aside_is_held() {
    let text = |region: &str| {
        keeps(&format!(
            "[resource.sim_object.beside]\nname = \"beside\"\n\
             [resource.sim_database.data]\nname = \"data\"\nregion = \"{region}\"\n\
             lifecycle = {{ create_before_destroy = true }}\n"
        ))
    };
    let world = World::new(SimPlan::calm());
    world.apply("demo", &text("sim-1")).unwrap();
    world.cloud.with(|cloud| {
        cloud.order(Order::on(Act::Delete, Fate::Rejected).kind("sim_database"));
    });
    world.apply_with(&options("demo", &text("sim-2")), Consent::Human).unwrap();
    assert_eq!(world.live(), 3);
    world.expire("demo").unwrap();
    world.clock.advance("15m");
    let report = world.reap_all();
    assert_eq!(held(&report.lines[0].outcome), ["sim_database.data"]);
    assert_eq!(names(&world), ["data", "data"]);
}

/// G16: what fails keeps its state and is tried again; outcomes are counted, not intentions.
#[test]
fn g16_what_fails_is_tried_again() {
    let world = due(&blueprint(TREE));
    world.cloud.with(|cloud| {
        cloud.order(Order::on(Act::Delete, Fate::Rejected).named("leaf-1").times(1));
    });
    let report = world.reap_all();
    assert!(matches!(report.lines[0].outcome, Outcome::Failed(_)), "{report:?}");
    assert_eq!(report.lines[0].deleted, 2, "the link and the other leaf");
    assert_eq!(names(&world), ["base", "leaf-1"]);
    assert_eq!(world.snapshot("demo").resources.len(), 2);
    let batches = world.store.batches();
    let Event::ReaperRan { due, reaped, failed, .. } = batches.last().unwrap()[0].event else {
        panic!("no heartbeat")
    };
    assert_eq!((due, reaped, failed), (1, 0, 1));
    let report = world.reap_all();
    assert!(matches!(report.lines[0].outcome, Outcome::Reaped));
    assert_eq!((report.lines[0].deleted, world.live()), (2, 0));
}

/// G16: one environment that cannot be read does not keep the others alive.
#[test]
fn g16_one_failure_does_not_stop_the_rest() {
    let world = World::new(SimPlan::calm());
    for name in ["one", "two", "three"] {
        world
            .apply(name, &blueprint(&format!("[resource.sim_object.a]\nname = \"{name}\"\n")))
            .unwrap();
    }
    world.clock.advance("9h");
    world.cloud.with(|cloud| {
        cloud.order(Order::on(Act::Read, Fate::Transient).named("two").times(1));
    });
    let report = world.reap_all();
    assert_eq!(report.count(|outcome| matches!(outcome, Outcome::Reaped)), 2);
    assert_eq!(report.count(|outcome| matches!(outcome, Outcome::Failed(_))), 1);
    assert_eq!(names(&world), ["two"]);
    world.reap_all();
    assert_eq!(world.live(), 0);
}

/// G13: two reapers at once delete everything once; whoever comes second says that it is busy.
#[test]
fn g13_two_reapers_at_once() {
    let mut world = due(&blueprint(TREE));
    let gate = Gate::closed([Act::Delete]);
    world.gate = Some(gate.clone());
    let first = world.context();
    world.gate = None;
    let second = world.context();
    let options = all();
    let (one, two) = world.driven(async {
        tokio::join!(reap::reap(&first, &options), async {
            gate.arrived(1).await;
            let two = reap::reap(&second, &options).await;
            gate.open();
            two
        })
    });
    assert!(matches!(one.unwrap().lines[0].outcome, Outcome::Reaped));
    assert!(matches!(two.unwrap().lines[0].outcome, Outcome::Busy(_)));
    assert_eq!((world.live(), world.cloud.warden().deletes()), (0, 4));
}

/// G13: too many at once stop it before the first deletion, unless their number was said.
#[test]
fn g13_an_unexpected_number_stops_the_reaper() {
    let world = World::new(SimPlan::calm());
    for number in 0..12 {
        let one = "[resource.sim_object.a]\nname = \"a\"\n";
        world.apply(&format!("e{number}"), &blueprint(one)).unwrap();
    }
    world.clock.advance("9h");
    let stopped = |options: Options| {
        let error = world.reap(&options).err();
        matches!(error, Some(OpError::Usage(_)))
    };
    assert!(stopped(Options::default()));
    assert!(stopped(Options { max: Some(11), ..Options::default() }));
    assert!(stopped(Options { max: Some(12), max_percent: Some(99), ..Options::default() }));
    assert_eq!((world.calls(Act::Delete), world.events("reaper-ran")), (0, 0));
    let dry = world.reap(&Options { dry_run: true, ..Options::default() }).unwrap();
    assert_eq!(dry.lines.len(), 12);
    world.reap(&Options { max: Some(12), ..Options::default() }).unwrap();
    assert_eq!((world.live(), world.events("reaper-ran")), (0, 1));
}

/// G13: a clock that is behind the journal, or far ahead of the last heartbeat, stops it.
#[test]
fn g13_an_implausible_clock_stops_the_reaper() {
    let world = due(&blueprint(TREE));
    world.clock.advance("2h");
    world.apply("late", &blueprint("[resource.sim_object.a]\nname = \"a\"\n")).unwrap();
    world.clock.rewind("61m");
    let behind = world.reap(&all()).err().unwrap();
    assert!(matches!(&behind, OpError::Usage(why) if why.contains("clock")), "{behind:?}");
    world.clock.advance("61m");
    world.reap_all();
    assert_eq!(world.live(), 1);
    world.clock.advance("169h");
    let ahead = world.reap(&Options::default()).err().unwrap();
    assert!(matches!(&ahead, OpError::Usage(why) if why.contains("--max")), "{ahead:?}");
    assert_eq!(world.live(), 1);
    world.reap(&Options { max: Some(1), ..Options::default() }).unwrap();
    assert_eq!(world.live(), 0);
}

/// G13: the dry run decides what the real one does, and leaves no trace.
#[test]
fn g13_the_dry_run_decides_the_same() {
    let world = World::new(SimPlan::calm());
    world.apply("goes", &blueprint(TREE)).unwrap();
    world.apply("held", &keeps(DATA)).unwrap();
    let mut longer = options("stays", &blueprint(TREE));
    longer.ask.term = Some(gov::model::lifetime::Term::For("20h".parse().unwrap()));
    world.apply_with(&longer, Consent::Yes).unwrap();
    world.clock.advance("9h");
    let before = world.footprint();
    let dry = world.reap(&Options { dry_run: true, ..all() }).unwrap();
    assert_eq!(world.footprint(), before);
    let real = world.reap(&all()).unwrap();
    let told = |report: &reap::Report| {
        let line = |line: &reap::Line| {
            let held = match &line.outcome {
                Outcome::Held(addresses) => addresses.len(),
                _ => 0,
            };
            (line.name.clone(), line.intent, line.deleted, held)
        };
        report.lines.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(told(&dry), told(&real));
    assert_eq!(dry.count(|outcome| matches!(outcome, Outcome::Would)), 1);
    assert_eq!(dry.lines.len(), 2);
}

/// G13: from a reviewed plan, only what was reviewed goes, and only as it was reviewed.
#[test]
fn g13_only_what_was_reviewed_goes() {
    let world = World::new(SimPlan::calm());
    for name in ["same", "other", "new"] {
        world
            .apply(name, &blueprint(&format!("[resource.sim_object.a]\nname = \"{name}\"\n")))
            .unwrap();
    }
    world.clock.advance("9h");
    let dry = world.reap(&Options { dry_run: true, ..all() }).unwrap();
    let reviewed = dry.lines.iter().filter(|line| line.name != "new");
    let from = Some(reviewed.map(|line| (line.id, line.intent.unwrap())).collect());
    let id = world.id("sim_object", "other");
    world.cloud.with(|cloud| cloud.vanish(&id));
    let report = world.reap(&Options { from, ..all() }).unwrap();
    for line in &report.lines {
        match line.name.as_str() {
            "same" => assert!(matches!(line.outcome, Outcome::Reaped), "{line:?}"),
            _ => assert!(matches!(line.outcome, Outcome::NotReviewed), "{line:?}"),
        }
    }
    assert_eq!(names(&world), ["new"]);
}

/// G13: what was not reviewed is not gone on with either, though a reaper has begun it.
#[test]
fn g13_an_interrupted_reap_is_reviewed_too() {
    let world = due(&blueprint(TREE));
    world.store.fail_append(4, Fault { durable: true, crash: true });
    assert!(world.reap(&all()).is_err());
    let world = world.restarted();
    assert!(world.snapshot("demo").run.is_some());
    let before = world.live();
    let report = world.reap(&Options { from: Some(Default::default()), ..all() }).unwrap();
    assert!(matches!(report.lines[0].outcome, Outcome::NotReviewed), "{report:?}");
    assert_eq!(world.live(), before);
}

/// G13: an apply that was interrupted is settled first, and nothing of it survives.
#[test]
fn g13_an_interrupted_apply_is_reaped_whole() {
    for nth in 4..12 {
        let world = World::new(SimPlan::calm());
        world.store.fail_append(nth, Fault { durable: true, crash: true });
        assert!(world.apply("demo", &blueprint(TREE)).is_err());
        let world = world.restarted();
        world.clock.advance("9h");
        let report = world.reap_all();
        assert!(matches!(report.lines[0].outcome, Outcome::Reaped), "{nth}: {report:?}");
        assert_eq!(world.live(), 0, "{nth}");
    }
}

/// G13: an outcome that nobody can tell is not reaped over; it is reported each time.
#[test]
fn g13_what_nobody_knows_is_reported() {
    let order = Order::on(Act::Create, Fate::ReplyLost).kind("sim_vague");
    let world = World::new(SimPlan::calm().then(order));
    let text = format!("{TREE}[resource.sim_vague.v]\nname = \"v\"\n");
    world.apply("demo", &blueprint(&text)).unwrap();
    world.clock.advance("9h");
    let report = world.reap_all();
    assert!(
        matches!(&report.lines[0].outcome, Outcome::Failed(why) if why.contains("sim_vague.v")),
        "{report:?}"
    );
}

/// G13: each reap leaves a heartbeat, also where nothing is due.
#[test]
fn g13_each_reap_leaves_a_heartbeat() {
    let world = World::new(SimPlan::calm());
    assert!(world.reap(&Options::default()).unwrap().lines.is_empty());
    let ledger = block_on(world.store.ledger()).unwrap();
    let now = gov::model::lifetime::Clock::now(world.clock.as_ref());
    assert_eq!(ledger.globals.reaper.unwrap().time, now);
    world.reap(&Options { dry_run: true, ..Options::default() }).unwrap();
    assert_eq!(world.events("reaper-ran"), 1);
}

/// G13: what is frozen is not reaped; it goes when it is unfrozen.
#[test]
fn g13_what_is_frozen_stays() {
    let world = due(&blueprint(TREE));
    world.freeze(None);
    assert!(matches!(world.reap_all().lines[0].outcome, Outcome::Failed(_)));
    assert_eq!(world.live(), 4);
    world.unfreeze(None);
    assert!(matches!(world.reap_all().lines[0].outcome, Outcome::Reaped));
}

/// G13: a crash at every append of a reap, before and after it became durable; reaping again
/// comes to the end, with nothing deleted that is not the environment's.
#[test]
fn g13_crash_at_every_append_of_a_reap() {
    for durable in [false, true] {
        for nth in 1..40 {
            let story = format!("append {nth}, durable {durable}");
            let world = due(&blueprint(TREE));
            let stranger = Value::object([("name", Value::string("stranger"))]);
            world.cloud.with(|cloud| cloud.plant("sim_object", &stranger)).unwrap();
            world.store.fail_append(nth, Fault { durable, crash: true });
            let first = world.reap(&all());
            let world = world.restarted();
            if first.is_ok() {
                assert!(nth > 10, "{story}");
                break;
            }
            for _ in 0..2 {
                for line in world.reap_all().lines {
                    assert!(matches!(line.outcome, Outcome::Reaped), "{story}: {line:?}");
                }
            }
            assert_eq!(names(&world), ["stranger"], "{story}");
            assert!(matches!(world.snapshot("demo").phase, Phase::Ended(_)), "{story}");
        }
    }
}
