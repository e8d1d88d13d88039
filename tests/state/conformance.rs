//! What every store must do. Each case runs on each store.

use std::sync::Arc;

use gov::model::event::Event;
use gov::model::event::Settled;
use gov::model::plan::StepAction;
use gov::state::Fence;
use gov::state::HistoryQuery;
use gov::state::Preconditions;
use gov::state::Store;
use gov::state::StoreError;
use gov::state::Stream;
use gov::state::integrity;
use gov::state::memory::Fault;
use gov::state::memory::MemoryStore;

use super::fixture::*;

/// Two handles on one store, as two processes have them.
struct Pair {
    one: Arc<dyn Store>,
    two: Arc<dyn Store>,
    _dir: tempfile::TempDir,
}

async fn pairs() -> Vec<(&'static str, Pair)> {
    let memory = MemoryStore::new();
    memory.append(store_created()).await.unwrap();
    let (one, two) = (shared(memory.clone()), shared(memory));
    let dir = tempfile::tempdir().unwrap();
    let memory = Pair { one, two, _dir: dir };
    let dir = tempfile::tempdir().unwrap();
    let local = Pair { one: shared(local(dir.path())), two: shared(local(dir.path())), _dir: dir };
    vec![("memory", memory), ("local", local)]
}

#[test]
fn what_is_appended_is_seen_by_every_handle() {
    block_on(async {
        for (name, Pair { one, two, _dir }) in pairs().await {
            furnish(&*one, 1, 3).await;
            let ledger = two.ledger().await.unwrap();
            assert_eq!(ledger, one.ledger().await.unwrap(), "{name}");
            assert_eq!(ledger.globals.store, Some(store_id()));
            let summary = ledger.find("env-1").unwrap();
            assert_eq!(summary.addresses.len(), 3);
            let snapshot = two.snapshot(environment(1)).await.unwrap().unwrap();
            assert_eq!(Some(&snapshot), one.snapshot(environment(1)).await.unwrap().as_ref());
            assert_eq!(integrity::check(&snapshot), []);
            assert_eq!(integrity::compare(&snapshot, summary), []);
            assert_eq!(integrity::check_ledger(&ledger), []);
            assert_eq!(two.snapshot(environment(9)).await.unwrap(), None);
        }
    });
}

#[test]
fn g23_history_answers_by_environment_type_and_time() {
    block_on(async {
        for (name, Pair { one, two, _dir }) in pairs().await {
            furnish(&*one, 1, 2).await;
            furnish(&*two, 2, 1).await;
            let all = one.history(HistoryQuery::default()).await.unwrap();
            assert_eq!(all.len(), 1 + 8 + 6, "{name}");
            let environment = Some(environment(2));
            let query = HistoryQuery { environment, ..HistoryQuery::default() };
            let of_two = one.history(query.clone()).await.unwrap();
            let expected: Vec<_> =
                all.iter().filter(|r| r.leaf.env == environment).cloned().collect();
            assert_eq!(of_two, expected, "{name}");
            let kinds = vec!["step-settled"];
            let settled = one.history(HistoryQuery { kinds, ..query.clone() }).await.unwrap();
            assert_eq!(settled.len(), 1, "{name}");
            let since = Some(later(1));
            assert!(one.history(HistoryQuery { since, ..query }).await.unwrap().is_empty());
        }
    });
}

#[test]
fn streams_move_by_compare_and_swap_alone() {
    block_on(async {
        for (name, Pair { one, two, _dir }) in pairs().await {
            furnish(&*one, 1, 1).await;
            let at = |stream: Stream, revision| Preconditions {
                revisions: [(stream, revision)].into(),
                fence: None,
            };
            let life = Stream::Life(environment(1));
            let revision = two.ledger().await.unwrap().revision(&life);
            assert_eq!(revision, 2, "{name}");
            let mut stale = batch(None, vec![frozen("x")]);
            stale.preconditions = at(life.clone(), revision - 1);
            let error = two.append(stale.clone()).await.unwrap_err();
            let (expected, actual) = (revision - 1, revision);
            assert_eq!(error, StoreError::Moved { stream: life.clone(), expected, actual });
            stale.preconditions = at(life, revision);
            two.append(stale).await.unwrap();
            // A name is free again once its environment has ended, and says that it moved.
            let taken = one.append(batch(Some(environment(2)), vec![created("env-1")])).await;
            assert!(matches!(taken, Err(StoreError::Illegal(_))), "{name}");
            let mut ends = vec![forgotten(0), Event::EnvironmentEnded { reason: "done".into() }];
            put(&*one, Some(environment(1)), std::mem::take(&mut ends)).await;
            let mut again = batch(Some(environment(2)), vec![created("env-1")]);
            again.preconditions = at(Stream::Name("env-1".to_owned()), 2);
            two.append(again).await.unwrap();
        }
    });
}

fn forgotten(number: u32) -> Event {
    let (reason, decision) = ("gone".to_owned(), Box::new(decision()));
    Event::ResourceForgotten { address: address(number), reason, decision }
}

#[test]
fn what_may_not_follow_is_refused_and_changes_nothing() {
    block_on(async {
        for (name, Pair { one, two, _dir }) in pairs().await {
            furnish(&*one, 1, 1).await;
            let id = Some(environment(1));
            let before = (one.ledger().await.unwrap(), one.snapshot(environment(1)).await.unwrap());
            let unknown = Some(environment(7));
            let refused = vec![
                batch(None, Vec::new()),
                store_created(),
                batch(id, vec![created("other")]),
                batch(unknown, vec![started()]),
                batch(None, vec![started()]),
                // The first event is fine, the second is not: neither counts.
                batch(id, vec![forgotten(0), forgotten(0)]),
                batch(id, vec![intended(1, 0, StepAction::Create)]),
                batch(id, vec![settled(1, 0, Settled::Absent { deposed: None })]),
                batch(id, vec![Event::EnvironmentEnded { reason: "x".to_owned() }]),
            ];
            for (row, batch) in refused.into_iter().enumerate() {
                let error = two.append(batch).await.unwrap_err();
                assert!(matches!(error, StoreError::Illegal(_)), "{name} {row}: {error}");
            }
            let after = (two.ledger().await.unwrap(), two.snapshot(environment(1)).await.unwrap());
            assert_eq!(before, after, "{name}");
        }
    });
}

/// P25: what would pass a limit is refused with a message, not written.
#[test]
fn p25_batches_have_limits() {
    block_on(async {
        for (name, Pair { one, _dir, .. }) in pairs().await {
            let many = gov::state::BATCH_EVENTS_MAX + 1;
            let many = vec![frozen("x"); many];
            let error = one.append(batch(None, many)).await.unwrap_err();
            assert!(
                matches!(&error, StoreError::Unavailable(why) if why.contains("20000")),
                "{name}"
            );
            let mut long = batch(None, vec![frozen("x")]);
            long.drafts[0].actor.name = "a".repeat(5000);
            let error = one.append(long).await.unwrap_err();
            let StoreError::Unavailable(why) = &error else { panic!("{error}") };
            assert!(why.contains("actor") && why.contains("4096"), "{why}");
        }
    });
}

/// Eight tasks count in one environment's drift by compare-and-swap: none of their steps is lost.
#[test]
fn eight_tasks_lose_no_update() {
    const EACH: u64 = 12;
    block_on(async {
        for (name, Pair { one, two, _dir }) in pairs().await {
            put(&*one, Some(environment(1)), vec![created("env-1")]).await;
            let mut tasks = tokio::task::JoinSet::new();
            for task in 0..8 {
                let store = Arc::clone(if task % 2 == 0 { &one } else { &two });
                tasks.spawn(async move {
                    for _ in 0..EACH {
                        increment(&*store).await;
                    }
                });
            }
            while let Some(done) = tasks.join_next().await {
                done.unwrap();
            }
            let ledger = one.ledger().await.unwrap();
            let stream = Stream::Resources(environment(1));
            assert_eq!(ledger.revision(&stream), 1 + 8 * EACH, "{name}");
            let budget = one.snapshot(environment(1)).await.unwrap().unwrap().record.root;
            assert_eq!(budget, (8 * EACH).to_string(), "{name}");
        }
    });
}

/// Reads a number kept in the record, and writes the next one if nobody else has meanwhile.
pub async fn increment(store: &dyn Store) {
    loop {
        let snapshot = store.snapshot(environment(1)).await.unwrap().unwrap();
        let mut record = snapshot.record.clone();
        record.root = (record.root.parse::<u64>().unwrap_or(0) + 1).to_string();
        let mut change = batch(
            Some(environment(1)),
            vec![Event::EnvironmentChanged { record: Box::new(record) }],
        );
        let stream = Stream::Resources(environment(1));
        change.preconditions.revisions = [(stream, snapshot.resources_revision)].into();
        match store.append(change).await {
            Ok(_) => return,
            Err(StoreError::Moved { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn leases_are_taken_fenced_given_back_and_broken() {
    block_on(async {
        for (name, Pair { one, two, _dir }) in pairs().await {
            put(&*one, Some(environment(1)), vec![created("env-1")]).await;
            let fence = one.acquire(lease_request(1, now())).await.unwrap();
            assert_eq!(fence.token, 1);
            let error = two.acquire(lease_request(1, later(1))).await.unwrap_err();
            let StoreError::Held { holder: who, since, lease } = &error else { panic!("{error}") };
            assert_eq!((&**who, *since, *lease), (&holder(), now(), fence.lease), "{name}");
            assert_eq!(one.renew(fence, later(5)).await.unwrap(), later(35), "{name}");
            fenced(&*one, fence).await.unwrap();
            two.release(fence, actor(), later(6)).await.unwrap();
            two.release(fence, actor(), later(6)).await.unwrap();
            assert!(matches!(fenced(&*one, fence).await, Err(StoreError::Fenced { .. })));
            assert!(matches!(one.renew(fence, later(7)).await, Err(StoreError::Fenced { .. })));

            let second = two.acquire(lease_request(1, later(8))).await.unwrap();
            assert_eq!(second.token, 2, "{name}");
            assert!(matches!(fenced(&*one, fence).await, Err(StoreError::Fenced { .. })));
            let break_it = |lease| {
                let reason = "its machine is gone".to_owned();
                one.break_lease(environment(1), lease, actor(), reason, later(9))
            };
            let wrong = break_it(fence.lease).await;
            assert!(matches!(wrong, Err(StoreError::Held { lease, .. }) if lease == second.lease));
            break_it(second.lease).await.unwrap();
            let nobody = break_it(second.lease).await;
            assert!(matches!(nobody, Err(StoreError::Fenced { .. })), "{name}");
            assert!(matches!(two.renew(second, later(9)).await, Err(StoreError::Fenced { .. })));
            assert_eq!(one.acquire(lease_request(1, later(9))).await.unwrap().token, 3);
            let nowhere = one.acquire(lease_request(5, now())).await;
            assert!(matches!(nowhere, Err(StoreError::Illegal(_))), "{name}");
        }
    });
}

async fn fenced(store: &dyn Store, fence: Fence) -> Result<(), StoreError> {
    let mut write = batch(None, vec![frozen("under a lease")]);
    write.preconditions.fence = Some(fence);
    store.append(write).await.map(|_| ())
}

/// Of two that ask at once, one gets the lease.
#[test]
fn one_of_many_gets_a_lease() {
    block_on(async {
        for (name, Pair { one, two, _dir }) in pairs().await {
            put(&*one, Some(environment(1)), vec![created("env-1")]).await;
            let mut tasks = tokio::task::JoinSet::new();
            for task in 0..8 {
                let store = Arc::clone(if task % 2 == 0 { &one } else { &two });
                tasks.spawn(async move { store.acquire(lease_request(1, now())).await });
            }
            let got: Vec<_> = tasks.join_all().await;
            assert_eq!(got.iter().filter(|result| result.is_ok()).count(), 1, "{name}: {got:?}");
        }
    });
}

#[test]
fn memory_fails_as_ordered_and_restarts_from_what_was_durable() {
    block_on(async {
        let store = MemoryStore::new();
        store.append(store_created()).await.unwrap();
        let seen = Arc::new(std::sync::Mutex::new(0));
        let counter = Arc::clone(&seen);
        store.on_recorded(move |batch| *counter.lock().unwrap() += batch.len());
        furnish(&store, 1, 1).await;
        assert_eq!(*seen.lock().unwrap(), 6);

        store.fail_append(2, Fault { durable: false, crash: false });
        store.fail_append(3, Fault { durable: true, crash: true });
        put(&store, None, vec![frozen("first")]).await;
        assert!(store.append(batch(None, vec![frozen("lost")])).await.is_err());
        assert!(store.append(batch(None, vec![frozen("unheard")])).await.is_err());
        assert!(store.ledger().await.is_err(), "the store has crashed");

        let again = store.restart().unwrap();
        let ledger = again.ledger().await.unwrap();
        assert_eq!(ledger.globals.frozen[0].1, "unheard");
        assert_eq!(ledger.globals.frozen.len(), 1);
        assert_eq!(again.batches().len(), store.batches().len());
        let frozen = HistoryQuery { kinds: vec!["frozen"], ..HistoryQuery::default() };
        assert_eq!(again.history(frozen).await.unwrap().len(), 2);
    });
}

#[test]
fn memory_takes_over_from_the_dead_at_once_and_from_the_stopped_in_time() {
    block_on(async {
        let store = MemoryStore::new();
        store.append(store_created()).await.unwrap();
        put(&store, Some(environment(1)), vec![created("env-1")]).await;
        let first = store.acquire(lease_request(1, now())).await.unwrap();
        store.kill_holder(first.lease);
        let second = store.acquire(lease_request(1, later(1))).await.unwrap();
        assert!(store.acquire(lease_request(1, later(30))).await.is_err());
        store.renew(second, later(10)).await.unwrap();
        assert!(store.acquire(lease_request(1, later(31))).await.is_err());
        let third = store.acquire(lease_request(1, later(40))).await.unwrap();
        assert_eq!(third.token, 3);
        assert!(matches!(fenced(&store, second).await, Err(StoreError::Fenced { .. })));
        let fourth = store.restart().unwrap().acquire(lease_request(1, later(41))).await;
        assert_eq!(fourth.unwrap().token, 4);
    });
}
