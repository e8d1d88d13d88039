//! Who answers, for what, and what is on record: purposes, decisions, owners, and what an
//! operation itself may take.

use gov::model::decision::Outcome;
use gov::model::event::Event;
use gov::ops::OpError;
use gov::ops::inspect;
use gov::ops::inspect::Filter;
use gov::policy::trust::Purpose;
use gov::provider::sim::SimPlan;
use gov::state::HistoryQuery;
use gov::state::Store;

use super::world::World;
use super::world::block_on;
use super::world::blueprint;

const DATABASE: &str = "[resource.sim_database.d]\nname = \"d\"\nregion = \"sim-1\"\n";

const OBJECTS: &str = "[resource.sim_object.a]\ncount = 3\nname = \"a-${count.index}\"\n";

/// G25: a purpose has a budget of its own, below that of the environment.
#[test]
fn g25_a_purpose_has_a_budget_of_its_own() {
    let mut world = World::new(SimPlan::calm());
    let mut small = Purpose::default();
    small.budget.monthly = Some("1.00 USD".parse().unwrap());
    world.trust.purposes.insert("to be tested".into(), small);
    let error = world.apply("demo", &blueprint(DATABASE)).err().unwrap();
    let OpError::Refused(decision) = error else { panic!("{error:?}") };
    assert!(decision.findings.iter().any(|found| found.rule == "budget"));
    assert_eq!(world.live(), 0);
    world.trust.purposes.clear();
    world.apply("demo", &blueprint(DATABASE)).unwrap();
    assert_eq!(world.live(), 1);
}

/// G4: what nobody has priced takes the price that the trust root declares, and no other.
#[test]
fn g4_a_declared_price_counts_like_any_other() {
    let mut world = World::new(SimPlan::calm());
    let text = blueprint("[resource.sim_unpriced.a]\nname = \"a\"\n");
    assert!(world.apply("demo", &text).is_err());
    world.trust.prices.insert("sim_unpriced".into(), "51.00 USD".parse().unwrap());
    assert!(world.apply("demo", &text).is_err());
    world.trust.prices.insert("sim_unpriced".into(), "7.00 USD".parse().unwrap());
    let (_, quote, _) = world.apply("demo", &text).unwrap().plan.unwrap();
    assert_eq!(quote.after.summary(), "7.00 USD");
    assert_eq!(world.live(), 1);
}

/// G27: environments are found by what they are for.
#[test]
fn g27_environments_are_found_by_their_purpose() {
    let world = World::new(SimPlan::calm());
    world.apply("demo", &blueprint(OBJECTS)).unwrap();
    let context = world.context();
    let found = |word: &str| {
        let filter = Filter { purpose: Some(word.to_owned()), ..Filter::default() };
        block_on(inspect::list(&context, &filter)).unwrap().1.len()
    };
    assert_eq!((found("TESTED"), found("billing")), (1, 0));
}

/// G35: every decision is on record, the refused ones too, and none needed a human.
#[test]
fn g35_every_decision_is_on_record_without_a_human() {
    let mut world = World::new(SimPlan::calm());
    world.trust.ceiling.resources = Some(2);
    assert!(world.apply("demo", &blueprint(OBJECTS)).is_err());
    world.trust.ceiling.resources = Some(3);
    world.apply("demo", &blueprint(OBJECTS)).unwrap();
    let events = block_on(world.store.history(HistoryQuery::default())).unwrap();
    let decisions: Vec<_> = events
        .iter()
        .filter_map(|recorded| match &recorded.event {
            Event::DecisionRecorded { decision } | Event::RunOpened { decision, .. } => {
                Some((recorded.leaf.actor.name.clone(), decision.clone()))
            }
            _ => None,
        })
        .collect();
    let outcomes: Vec<Outcome> = decisions.iter().map(|(_, decision)| decision.outcome).collect();
    assert_eq!(outcomes, [Outcome::Deny, Outcome::Allow]);
    for (actor, decision) in &decisions {
        assert_eq!(actor, "uid:1(ann)");
        assert_eq!(decision.subject.name, "demo");
        assert!(decision.subject.intent.is_some() && decision.consents.is_empty());
    }
}

/// K19: whatever is refused names who answers for the rule.
#[test]
fn k19_a_refusal_names_who_answers_for_its_rule() {
    let mut world = World::new(SimPlan::calm());
    world.trust.ceiling.budget.monthly = Some("1.00 USD".parse().unwrap());
    world.trust.ceiling.regions = Some(["local".to_owned()].into());
    let error = world.apply("demo", &blueprint(DATABASE)).err().unwrap();
    let OpError::Refused(decision) = error else { panic!("{error:?}") };
    let asked: Vec<(&str, &str)> =
        decision.findings.iter().map(|f| (f.rule.as_str(), f.asks.as_str())).collect();
    assert!(asked.contains(&("budget", "finance")), "{asked:?}");
    assert!(asked.contains(&("region", "compliance")), "{asked:?}");
}

/// P25: how long an operation may begin new steps is authority's to say.
#[test]
fn p25_an_operation_may_take_no_more_than_authority_allows() {
    let mut world = World::new(SimPlan::calm());
    world.trust.operation.parallelism = Some(1);
    assert_eq!(world.context().parallelism(), 1);
    world.trust.operation.runtime = Some("0s".parse().unwrap());
    let order = gov::provider::sim::Order::on(
        gov::provider::sim::Act::Create,
        gov::provider::sim::Fate::Transient,
    );
    // One create has to be tried again a second later, and by then the time is up.
    world.cloud.with(|cloud| cloud.order(order));
    let ending = world.apply("demo", &blueprint(OBJECTS)).unwrap().ending.unwrap();
    let stopped = ending.stopped.unwrap_or_default();
    assert!(stopped.contains("trust root"), "{stopped}: {:?}", ending.steps);
    assert!(world.live() < 3);
}
