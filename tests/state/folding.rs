//! Random histories: whatever the folds let pass keeps every numbered rule, and both folds agree.

use std::collections::BTreeSet;

use gov::model::event::Event;
use gov::model::event::FreezeScope;
use gov::model::event::Settled;
use gov::model::plan::PlanKind;
use gov::model::plan::StepAction;
use gov::state::Store;
use gov::state::StoreError;
use gov::state::integrity;
use gov::state::memory::MemoryStore;
use proptest::prelude::*;

use super::fixture::*;

const RESOURCES: u32 = 4;

fn any_settled() -> impl Strategy<Value = Settled> {
    let key = prop_oneof![Just(None), Just(Some("k1".to_owned())), Just(Some("k2".to_owned()))];
    (0..5_u8, key, 0..RESOURCES).prop_map(|(kind, deposed, number)| match kind {
        0 | 1 => {
            let record = Box::new(resource(number, Some("made")));
            Settled::Present { record, deposed, error: None }
        }
        2 => Settled::Absent { deposed },
        3 => Settled::Refused { error: "no".to_owned() },
        _ => Settled::Unknown { error: "lost".to_owned() },
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    let number = 0..RESOURCES;
    let all = StepAction::Create;
    let reason = || "because".to_owned();
    prop_oneof![
        1 => Just(started()),
        1 => (1..4_u32, any::<bool>(), prop::collection::vec(0..RESOURCES, 0..2)).prop_map(
            move |(run, reap, gone)| {
                let mut plan = plan(environment(1), "env-1", &[all; RESOURCES as usize]);
                plan.kind = if reap { PlanKind::Reap } else { PlanKind::Apply };
                plan.gone = gone.into_iter().map(|number| resource(number, None)).collect();
                opened(run, plan)
            }
        ),
        4 => (1..4_u32, number.clone()).prop_map(move |(run, n)| intended(run, n, all)),
        6 => (1..4_u32, number.clone(), any_settled()).prop_map(|(run, n, mut how)| {
            if let Settled::Present { record, .. } = &mut how {
                record.address = address(n);
            }
            settled(run, n, how)
        }),
        1 => (1..4_u32).prop_map(closed),
        1 => (number.clone(), any::<bool>()).prop_map(|(n, there)| Event::ResourceObserved {
            address: address(n),
            object: there.then(|| object_of("seen")),
        }),
        1 => number.clone().prop_map(|n| Event::ResourceImported {
            record: Box::new(resource(n, Some("found"))),
            decision: Box::new(decision()),
        }),
        1 => number.clone().prop_map(move |n| Event::ResourceForgotten {
            address: address(n),
            reason: reason(),
            decision: Box::new(decision()),
        }),
        1 => (number.clone(), 0..RESOURCES + 2).prop_map(|(from, to)| Event::ResourceMoved {
            from: address(from),
            to: address(to),
            decision: Box::new(decision()),
        }),
        1 => prop::collection::btree_set(number, 1..3).prop_map(move |numbers| {
            let addresses: BTreeSet<_> = numbers.into_iter().map(address).collect();
            Event::ResourcesHeld { addresses, reason: reason() }
        }),
        1 => Just(Event::EnvironmentEnded { reason: "over".to_owned() }),
        1 => Just(Event::DecisionRecorded { decision: Box::new(decision()) }),
        1 => Just(Event::Unfrozen { scope: FreezeScope::All, reason: "over".to_owned() }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn both_folds_agree_whatever_happens(
        batches in prop::collection::vec(prop::collection::vec(any_event(), 1..3), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = MemoryStore::new();
            store.append(store_created()).await.unwrap();
            put(&store, Some(environment(1)), vec![created("env-1")]).await;
            let mut accepted = 0;
            for events in batches {
                match store.append(batch(Some(environment(1)), events)).await {
                    Ok(_) => accepted += 1,
                    Err(StoreError::Illegal(_)) => {}
                    Err(error) => panic!("{error}"),
                }
                let ledger = store.ledger().await.unwrap();
                let snapshot = store.snapshot(environment(1)).await.unwrap().unwrap();
                let summary = &ledger.environments[&environment(1)];
                assert_eq!(integrity::check(&snapshot), []);
                assert_eq!(integrity::compare(&snapshot, summary), []);
                assert_eq!(integrity::check_ledger(&ledger), []);
            }
            assert_eq!(store.batches().len(), accepted + 2);
            // Folding from the beginning gives what folding on gave.
            let again = store.restart().unwrap();
            assert_eq!(again.ledger().await, store.ledger().await);
            let id = environment(1);
            assert_eq!(again.snapshot(id).await, store.snapshot(id).await);
        });
    }
}

/// One broken snapshot for each rule, so that no rule is silent.
#[test]
fn every_rule_about_snapshots_can_be_broken() {
    let base = block_on(async {
        let store = MemoryStore::new();
        store.append(store_created()).await.unwrap();
        furnish(&store, 1, 2).await;
        let id = environment(1);
        let plan = plan(id, "env-1", &[StepAction::Update, StepAction::Update]);
        put(&store, Some(id), vec![opened(2, plan)]).await;
        put(&store, Some(id), vec![intended(2, 0, StepAction::Create)]).await;
        store.acquire(lease_request(1, now())).await.unwrap();
        (store.snapshot(id).await.unwrap().unwrap(), store.ledger().await.unwrap())
    });
    let (snapshot, ledger) = base;
    assert_eq!(integrity::check(&snapshot), []);
    let broken = |number: u16, change: &dyn Fn(&mut gov::state::snapshot::Snapshot)| {
        let mut snapshot = snapshot.clone();
        change(&mut snapshot);
        let found: Vec<u16> =
            integrity::check(&snapshot).iter().map(|found| found.rule.number).collect();
        assert!(found.contains(&number), "{number} in {found:?}");
    };
    broken(101, &|s| s.resources.get_mut(&address(0)).unwrap().object = None);
    broken(102, &|s| s.run.as_mut().unwrap().steps.clear());
    broken(102, &|s| s.uncertain.clear());
    broken(103, &|s| {
        s.resources.get_mut(&address(0)).unwrap().dependencies.insert(address(1).resource);
        s.resources.get_mut(&address(1)).unwrap().dependencies.insert(address(0).resource);
    });
    broken(104, &|s| {
        let life = gov::model::lifetime::Life { start: later(9), expiry: now() };
        s.phase = gov::state::snapshot::Phase::Alive(life);
    });
    broken(105, &|s| s.resources.get_mut(&address(0)).unwrap().address = address(3));
    broken(106, &|s| {
        s.held.insert(address(9));
    });
    broken(107, &|s| s.lease.as_mut().unwrap().token = 0);
    broken(108, &|s| s.phase = gov::state::snapshot::Phase::Ended(now()));
    broken(109, &|s| s.run.as_mut().unwrap().plan.steps.clear());
    broken(110, &|s| {
        s.uncertain.get_mut(&address(0)).unwrap().marker = gov::model::id::Marker("x".to_owned());
    });
    let ledger_with = |number: u16, change: &dyn Fn(&mut gov::state::summary::Ledger)| {
        let mut ledger = ledger.clone();
        change(&mut ledger);
        let found: Vec<u16> =
            integrity::check_ledger(&ledger).iter().map(|found| found.rule.number).collect();
        assert!(found.contains(&number), "{number} in {found:?}");
    };
    let id = environment(1);
    ledger_with(201, &|l| l.names.clear());
    ledger_with(201, &|l| l.environments.clear());
    ledger_with(202, &|l| l.environments.get_mut(&id).unwrap().id = environment(2));
    ledger_with(203, &|l| {
        l.environments.get_mut(&id).unwrap().held.insert(address(7));
    });
    ledger_with(204, &|l| l.environments.get_mut(&id).unwrap().token_last = 0);
    ledger_with(205, &|l| l.globals.store = None);
    let differs = |number: u16, change: &dyn Fn(&mut gov::state::summary::Summary)| {
        let mut summary = ledger.environments[&id].clone();
        change(&mut summary);
        let found = integrity::compare(&snapshot, &summary);
        let found: Vec<u16> = found.iter().map(|found| found.rule.number).collect();
        assert_eq!(found, [number]);
    };
    differs(301, &|s| s.name.push('x'));
    differs(301, &|s| s.life = None);
    differs(302, &|s| {
        s.addresses.pop_first();
    });
    differs(303, &|s| s.reaping = true);
    differs(304, &|s| s.lease.as_mut().unwrap().token = 9);
    differs(305, &|s| s.resources_revision += 1);
}
