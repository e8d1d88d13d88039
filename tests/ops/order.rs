//! Order: what is made comes after what it is made from, what goes goes before it; and nothing
//! depends on the order in which answers come.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use gov::decision;
use gov::engine;
use gov::engine::Opening;
use gov::engine::machine::Effect;
use gov::engine::machine::Ending;
use gov::engine::machine::Machine;
use gov::engine::machine::Then;
use gov::engine::machine::Tools;
use gov::model::digest::canonical;
use gov::model::event::Draft;
use gov::model::event::Event;
use gov::model::event::RunOutcome;
use gov::model::id::EnvironmentId;
use gov::model::id::RunId;
use gov::model::id::Ulid;
use gov::model::lifetime::Clock;
use gov::model::plan::Plan;
use gov::model::plan::PlanKind;
use gov::model::plan::StepAction;
use gov::model::plan::StepId;
use gov::ops::ask;
use gov::plan::Mode;
use gov::plan::Request;
use gov::plan::planner::Next;
use gov::plan::planner::Planner;
use gov::provider::Answer;
use gov::provider::Remark;
use gov::provider::Reply;
use gov::provider::Start;
use gov::provider::sim::SimPlan;
use gov::state::Batch;
use gov::state::LeaseRequest;
use gov::state::Preconditions;
use gov::state::Store;
use gov::state::seal::Sealer;
use gov::state::snapshot::Snapshot;
use proptest::prelude::*;

use super::world::World;
use super::world::block_on;
use super::world::blueprint;
use super::world::options;

/// The most blocks of a drawn graph.
const BLOCKS_MAX: usize = 7;

/// One block of a drawn graph: from which earlier ones it is made, and how it is.
#[derive(Clone, Debug)]
struct Drawn {
    from: Vec<bool>,
    present: bool,
    size: u8,
    zone: u8,
    beside: bool,
}

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let one = (
        prop::collection::vec(prop::bool::weighted(0.35), BLOCKS_MAX),
        prop::bool::weighted(0.8),
        1..3_u8,
        0..2_u8,
        prop::bool::weighted(0.3),
    );
    let one = one.prop_map(|(from, present, size, zone, beside)| Drawn {
        from,
        present,
        size,
        zone,
        beside,
    });
    prop::collection::vec(one, 1..=BLOCKS_MAX)
}

fn edges(graph: &[Drawn]) -> BTreeSet<(usize, usize)> {
    let mut edges = BTreeSet::new();
    for (later, block) in graph.iter().enumerate().filter(|(_, block)| block.present) {
        for earlier in (0..later).filter(|at| block.from[*at] && graph[*at].present) {
            edges.insert((later, earlier));
        }
    }
    edges
}

fn text(graph: &[Drawn]) -> String {
    let mut text = String::new();
    let edges = edges(graph);
    for (at, block) in graph.iter().enumerate().filter(|(_, block)| block.present) {
        let Drawn { size, zone, beside, .. } = block;
        let from: String = edges
            .range((at, 0)..(at + 1, 0))
            .map(|(_, earlier)| format!("${{sim_object.n{earlier}.id}} "))
            .collect();
        writeln!(text, "[resource.sim_object.n{at}]\nname = \"n{at}\"\nsize = {size}").unwrap();
        writeln!(text, "zone = \"z{zone}\"\ncontent = \"from {from}\"").unwrap();
        writeln!(text, "lifecycle = {{ create_before_destroy = {beside} }}\n").unwrap();
    }
    blueprint(&text)
}

/// Every step with all that comes before it, and whether steps are listed after what they wait for.
fn before(plan: &Plan) -> BTreeMap<StepId, BTreeSet<StepId>> {
    let mut all: BTreeMap<StepId, BTreeSet<StepId>> = BTreeMap::new();
    for step in &plan.steps {
        let mut reached = step.after.clone();
        for earlier in &step.after {
            assert!(*earlier < step.id, "steps run in a circle");
            reached.extend(all[earlier].iter().copied());
        }
        all.insert(step.id, reached);
    }
    all
}

/// Whether a block's step of one kind comes after another block's, where both are there.
fn follows(plan: &Plan, later: (usize, Half), earlier: (usize, Half)) -> bool {
    let reach = before(plan);
    let steps = |(block, half): (usize, Half)| {
        let name = format!("sim_object.n{block}");
        let of = |step: &&gov::model::plan::Step| {
            let change = plan.change_of(step).unwrap();
            change.address.to_string() == name && half == Half::of(step.action)
        };
        plan.steps.iter().filter(of).map(|step| step.id).collect::<Vec<_>>()
    };
    let (later, earlier) = (steps(later), steps(earlier));
    later.iter().all(|late| earlier.iter().all(|early| reach[late].contains(early)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Makes,
    Deletes,
}

impl Half {
    fn of(action: StepAction) -> Self {
        if action.deletes() { Self::Deletes } else { Self::Makes }
    }
}

/// Whether a replacement of this block comes first, as a plan has it after spreading.
fn beside(plan: &Plan, block: usize) -> bool {
    let name = format!("sim_object.n{block}");
    plan.changes.iter().any(|c| c.address.to_string() == name && c.create_before_destroy)
}

fn in_order(plan: &Plan, old: &[Drawn], new: &[Drawn]) {
    for (later, earlier) in edges(new) {
        assert!(follows(plan, (later, Half::Makes), (earlier, Half::Makes)), "{later} {earlier}");
    }
    for (later, earlier) in edges(old) {
        assert!(
            follows(plan, (earlier, Half::Deletes), (later, Half::Deletes)),
            "n{earlier} goes before n{later}, which was made from it"
        );
    }
    for block in 0..old.len().max(new.len()) {
        let (first, second) = match beside(plan, block) {
            true => (Half::Makes, Half::Deletes),
            false => (Half::Deletes, Half::Makes),
        };
        assert!(follows(plan, (block, second), (block, first)), "halves of n{block}");
    }
}

/// Each case is several whole applies, so that a dozen take seconds.
fn few() -> ProptestConfig {
    ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(few())]

    /// Any graph, changed into any other: the plan's order holds, and carrying it out comes to
    /// what was asked for.
    #[test]
    fn any_change_of_any_graph_is_in_order(old in drawn(), new in drawn()) {
        let world = World::new(SimPlan::calm());
        let first = world.plan("demo", &text(&old)).unwrap();
        in_order(&first.plan, &[], &old);
        let made = world.apply("demo", &text(&old)).unwrap();
        if let Some(ending) = made.ending {
            prop_assert_eq!(ending.outcome, Some(RunOutcome::Done));
        }
        let second = world.plan("demo", &text(&new)).unwrap();
        in_order(&second.plan, &old, &new);
        if let Some(ending) = world.apply("demo", &text(&new)).unwrap().ending {
            prop_assert_eq!(ending.outcome, Some(RunOutcome::Done));
        }
        prop_assert_eq!(world.live(), new.iter().filter(|block| block.present).count());
        prop_assert_eq!(world.complaints(), Vec::<String>::new());
        prop_assert!(world.apply("demo", &text(&new)).unwrap().ending.is_none());
        let gone = world.destroy("demo", gov::ops::apply::Consent::Yes).unwrap();
        in_order(&gone.plan.unwrap().0, &new, &[]);
        prop_assert_eq!(world.live(), 0);
    }

    /// The same answers in any order give the same plan, byte for byte, advice included.
    #[test]
    fn a_plan_does_not_depend_on_the_order_of_answers(
        old in drawn(),
        new in drawn(),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 200),
    ) {
        let world = World::new(SimPlan::calm());
        world.apply("demo", &text(&old)).unwrap();
        let straight = planned(&world, &text(&new), &[]);
        let shuffled = planned(&world, &text(&new), &picks);
        let same = canonical(&straight).unwrap() == canonical(&shuffled).unwrap();
        prop_assert!(same, "{:#?}\n{:#?}", straight.warnings, shuffled.warnings);
    }

    /// A run comes to the same whatever the order of answers.
    #[test]
    fn a_run_does_not_depend_on_the_order_of_answers(
        graph in drawn(),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 200),
    ) {
        let (one, first) = executed(&text(&graph), &[]);
        let (two, second) = executed(&text(&graph), &picks);
        prop_assert_eq!(one, two);
        prop_assert_eq!(first.resources, second.resources);
        prop_assert_eq!(first.outputs, second.outputs);
    }
}

/// Takes one of what waits: the first, or as was drawn.
fn take<T>(waiting: &mut Vec<T>, picks: &mut std::slice::Iter<'_, prop::sample::Index>) -> T {
    let at = picks.next().map_or(0, |pick| pick.index(waiting.len()));
    waiting.remove(at)
}

/// The cloud's answer, with a word of advice of its own for each call.
fn answer(world: &World, start: &Start) -> Reply {
    let reply = world.cloud.with(|cloud| cloud.perform(&start.call));
    let advice = || vec![Remark::new(format!("{:.80}", format!("{:?}", start.call)))];
    match reply {
        Ok(Answer::Accepted { .. }) => Ok(Answer::Accepted { warnings: advice() }),
        other => other,
    }
}

fn planned(world: &World, text: &str, picks: &[prop::sample::Index]) -> Plan {
    let known = world.snapshot("demo");
    let context = world.context();
    let settled = ask::settle(&context, &options("demo", text).ask, Some(&known)).unwrap();
    let ledger = block_on(world.store.ledger()).unwrap();
    let offer = world.cloud.with(|cloud| cloud.offer());
    let mut planner = Planner::new(Request {
        mode: Mode::Converge(PlanKind::Apply),
        blueprint: settled.source.blueprint,
        resolved: settled.source.resolved,
        record: settled.record,
        inputs: settled.inputs,
        store: ledger.globals.store.unwrap(),
        environment: known.id,
        is_new: false,
        resources: known.resources.clone(),
        outputs: known.outputs.clone(),
        accepted: known.accepted.clone(),
        resources_revision: known.resources_revision,
        offers: [("builtin/sim".to_owned(), offer)].into(),
        replace: BTreeSet::new(),
        now: world.clock.now(),
        actor: context.actor.clone(),
        sealer: Arc::clone(&context.sealer),
    });
    let mut waiting: Vec<Start> = Vec::new();
    let mut picks = picks.iter();
    loop {
        match planner.poll() {
            Next::Calls(starts) => waiting.extend(starts),
            Next::Waiting => {
                let start = take(&mut waiting, &mut picks);
                planner.answer(start.id, answer(world, &start));
            }
            Next::Done(plan) => return *plan,
            Next::Failed(wrong) => panic!("{wrong:?}"),
        }
    }
}

/// Opens a run of a new environment, without any operation, and the machine for it.
fn opened(world: &World, text: &str) -> (Machine, gov::state::Fence) {
    let context = world.context();
    let proposal = world.plan("demo", text).unwrap();
    let environment: EnvironmentId = proposal.plan.environment;
    let event = Event::EnvironmentCreated { record: Box::new(proposal.plan.record.clone()) };
    let draft = Draft { environment: Some(environment), actor: context.actor.clone(), event };
    let now = world.clock.now();
    let preconditions = Preconditions::default();
    block_on(world.store.append(Batch { now, drafts: vec![draft], preconditions })).unwrap();
    let request = LeaseRequest {
        environment,
        actor: context.actor.clone(),
        holder: context.holder.clone(),
        now,
    };
    let fence = block_on(world.store.acquire(request)).unwrap();
    let admitted = decision::admit(proposal.plan, proposal.quote, proposal.decision).unwrap();
    let known = world.snapshot("demo");
    let opening = Opening {
        snapshot: Some(&known),
        run: RunId(Ulid::new(now, 77)),
        desired: proposal.desired,
        fence: Some(fence),
        actor: &context.actor,
        now,
        life: proposal.life,
        approvals: BTreeSet::new(),
        reservations: BTreeMap::new(),
    };
    let run = block_on(engine::open(&world.store, admitted, opening)).unwrap();
    let offer = world.cloud.with(|cloud| cloud.offer());
    let tools = Tools {
        blueprint: proposal.settled.source.blueprint,
        resolved: proposal.settled.source.resolved,
        inputs: proposal.settled.inputs,
        offers: [("builtin/sim".to_owned(), offer)].into(),
        sealer: Arc::new(Sealer::new(&[9; 32])),
        parallelism: 5,
        predecessor_may_wake: false,
    };
    (Machine::new(run, tools, now), fence)
}

fn executed(text: &str, picks: &[prop::sample::Index]) -> (Ending, Snapshot) {
    let world = World::new(SimPlan::calm());
    let (mut machine, fence) = opened(&world, text);
    let now = world.clock.now();
    let mut waiting: Vec<Start> = Vec::new();
    let mut picks = picks.iter();
    loop {
        let (effects, then) = machine.poll(now);
        let idle = effects.is_empty();
        for effect in effects {
            match effect {
                Effect::Start(start) => waiting.push(*start),
                Effect::Judge(step, _) => machine.judged(step, Ok(()), now),
                Effect::Record(id, events) => {
                    let draft = |event| Draft {
                        environment: Some(fence.environment),
                        actor: super::world::actor(),
                        event,
                    };
                    let drafts = events.into_iter().map(draft).collect();
                    let preconditions =
                        Preconditions { fence: Some(fence), ..Preconditions::default() };
                    block_on(world.store.append(Batch { now, drafts, preconditions })).unwrap();
                    machine.recorded(id, now);
                }
            }
        }
        if let Then::Over(ending) = then {
            return (ending, world.snapshot("demo"));
        }
        if idle {
            let start = take(&mut waiting, &mut picks);
            machine.answer(start.id, answer(&world, &start), now);
        }
    }
}
