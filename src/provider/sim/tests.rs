//! What the simulated cloud does to its callers, one test for each fate.

use std::collections::BTreeMap;

use super::Act;
use super::Fate;
use super::Gate;
use super::Order;
use super::SharedCloud;
use super::SimCloud;
use super::SimPlan;
use super::SimProvider;
use crate::model::environment::Private;
use crate::model::id::Marker;
use crate::model::lifetime::Timestamp;
use crate::model::value::Value;
use crate::provider::Answer;
use crate::provider::ApplyCall;
use crate::provider::Call;
use crate::provider::Failure;
use crate::provider::FailureClass;
use crate::provider::Finding;
use crate::provider::LiveObject;
use crate::provider::Provider;
use crate::provider::sim::warden::Tally;

fn cloud(plan: SimPlan) -> SimCloud {
    SimCloud::new(7, plan)
}

fn ordered(act: Act, fate: Fate) -> SimCloud {
    cloud(SimPlan::calm().then(Order::on(act, fate)))
}

fn config(name: &str, size: i64) -> Value {
    let block = super::kinds::find("sim_object").unwrap().block();
    let tags = Value::object([("gov:owner", Value::string("ada"))]);
    let members = [("name", Value::string(name)), ("size", Value::number(size)), ("tags", tags)];
    block.conform(&Value::object(members)).unwrap()
}

fn propose(cloud: &mut SimCloud, prior: Option<&LiveObject>, config: &Value) -> ApplyCall {
    let kind = "sim_object".to_owned();
    let call = Call::Propose { kind: kind.clone(), prior: prior.cloned(), config: config.clone() };
    let Ok(Answer::Proposal(proposal)) = cloud.perform(&call) else { panic!("no proposal") };
    ApplyCall {
        kind,
        prior: prior.cloned(),
        planned: proposal.planned,
        planned_private: proposal.private,
        config: config.clone(),
        marker: Marker(format!("m-{}", super::client::label(config))),
        start_by: Timestamp::from_millis(1),
    }
}

fn apply(
    cloud: &mut SimCloud,
    prior: Option<&LiveObject>,
    config: &Value,
) -> Result<Option<LiveObject>, Failure> {
    let call = propose(cloud, prior, config);
    match cloud.perform(&Call::Apply(call))? {
        Answer::Object(object) => Ok(object),
        other => panic!("{other:?}"),
    }
}

fn find(cloud: &mut SimCloud, name: &str) -> Finding {
    let planned = config(name, 1);
    let marker = Marker(format!("m-{name}"));
    let call = Call::Find { kind: "sim_object".into(), marker, planned };
    match cloud.perform(&call) {
        Ok(Answer::Found(finding)) => finding,
        other => panic!("{other:?}"),
    }
}

fn read(cloud: &mut SimCloud, object: &LiveObject) -> Result<Option<LiveObject>, Failure> {
    let call = Call::Read { kind: "sim_object".into(), object: object.clone() };
    match cloud.perform(&call)? {
        Answer::Object(object) => Ok(object),
        other => panic!("{other:?}"),
    }
}

fn created(cloud: &mut SimCloud, name: &str) -> LiveObject {
    apply(cloud, None, &config(name, 1)).unwrap().unwrap()
}

#[test]
fn a_lost_reply_leaves_the_object_and_a_lost_call_does_not() {
    for (fate, live) in [(Fate::ReplyLost, 1), (Fate::CallLost, 0)] {
        let mut cloud = ordered(Act::Create, fate);
        let failure = apply(&mut cloud, None, &config("a", 1)).unwrap_err();
        assert_eq!(failure.class, FailureClass::Unknown);
        assert_eq!(cloud.warden().live.len(), live);
        let found = find(&mut cloud, "a");
        assert_eq!(matches!(found, Finding::Found(_)), live == 1, "{found:?}");
        assert_eq!(found == Finding::Absent, live == 0, "{found:?}");
    }
}

#[test]
fn a_late_create_cannot_be_told_until_it_arrives() {
    let mut cloud = ordered(Act::Create, Fate::Late(5));
    assert!(apply(&mut cloud, None, &config("a", 1)).is_err());
    assert!(cloud.warden().live.is_empty());
    assert!(matches!(find(&mut cloud, "a"), Finding::CannotTell(_)));
    cloud.advance(5);
    assert!(matches!(find(&mut cloud, "a"), Finding::Found(_)));
    assert_eq!(cloud.warden().creates(), 1);
}

#[test]
fn transient_failures_come_as_often_as_ordered_and_then_stop() {
    let plan = SimPlan::calm().then(Order::on(Act::Create, Fate::Transient).named("a").times(2));
    let mut cloud = cloud(plan);
    for _ in 0..2 {
        let failure = apply(&mut cloud, None, &config("a", 1)).unwrap_err();
        assert_eq!(failure.class, FailureClass::Transient);
    }
    created(&mut cloud, "b");
    created(&mut cloud, "a");
    let report = cloud.warden();
    assert_eq!((report.calls_of(Act::Create), report.creates()), (4, 2));
    assert!(report.complaints(&["gov:owner"]).is_empty());
}

#[test]
fn half_a_create_and_half_an_update_say_what_exists() {
    let mut cloud = ordered(Act::Create, Fate::Partial);
    cloud.order(Order::on(Act::Update, Fate::Partial));
    let failure = apply(&mut cloud, None, &config("a", 1)).unwrap_err();
    let object = failure.partial.expect("the object exists");
    assert_eq!(read(&mut cloud, &object), Ok(Some(object.clone())));

    let mut wanted = config("a", 2).as_map().unwrap().clone();
    wanted.insert("content".into(), Value::string("new"));
    let failure = apply(&mut cloud, Some(&object), &Value::map(wanted)).unwrap_err();
    let half = failure.partial.expect("the object exists");
    assert_eq!(half.value.get("content"), Some(&Value::string("new")));
    assert_eq!(half.value.get("size"), Some(&Value::number(1_i64)));
}

#[test]
fn a_lagging_cloud_never_says_absent_of_what_may_be_there() {
    let mut cloud = cloud(SimPlan { lag_max: 3, ..SimPlan::calm() });
    for name in ["a", "b", "c", "d"] {
        let object = created(&mut cloud, name);
        let mut finding = find(&mut cloud, name);
        for _ in 0..3 {
            assert_ne!(finding, Finding::Absent);
            finding = find(&mut cloud, name);
        }
        assert!(matches!(finding, Finding::Found(_)));
        assert!(read(&mut cloud, &object).unwrap().is_some());
    }
    let findings: Vec<bool> =
        (0..4).map(|_| find(&mut cloud, "never") == Finding::Absent).collect();
    assert_eq!(findings, [false, false, false, true]);
}

#[test]
fn a_read_of_what_cannot_be_seen_yet_is_transient_and_not_gone() {
    let mut cloud = cloud(SimPlan { lag_max: 3, ..SimPlan::calm() });
    let mut hidden = 0;
    for name in ["a", "b", "c", "d", "e", "f"] {
        let object = created(&mut cloud, name);
        let mut answer = read(&mut cloud, &object);
        while let Err(failure) = &answer {
            assert_eq!(failure.class, FailureClass::Transient);
            hidden += 1;
            assert!(hidden < 100, "it never shows");
            answer = read(&mut cloud, &object);
        }
        assert!(answer.unwrap().is_some());
    }
    assert!(hidden > 0, "nothing lagged");
}

#[test]
fn what_happens_behind_govs_back_is_seen_by_reading() {
    let mut cloud = cloud(SimPlan::calm());
    let object = created(&mut cloud, "a");
    let id = cloud.ids_of("sim_object", "a").remove(0);
    assert!(cloud.mutate(&id, "content", Value::string("drifted")));
    assert!(!cloud.mutate(&id, "colour", Value::string("red")));
    let drifted = read(&mut cloud, &object).unwrap().unwrap();
    assert_eq!(drifted.value.get("content"), Some(&Value::string("drifted")));
    assert!(cloud.vanish(&id));
    assert_eq!(read(&mut cloud, &object), Ok(None));
    let tally = cloud.warden().markers[&Marker("m-a".into())].clone();
    assert_eq!(tally, Tally { creates: 1, deletes: 0, vanished: 1 });
}

#[test]
fn drawn_drift_hits_something() {
    let mut cloud = cloud(SimPlan::calm());
    assert_eq!(cloud.drift(), None);
    let objects: Vec<LiveObject> = ["a", "b", "c"].map(|name| created(&mut cloud, name)).into();
    assert!(cloud.drift().is_some());
    let changed = |object: &&LiveObject| read(&mut cloud, object) != Ok(Some((*object).clone()));
    assert_eq!(objects.iter().filter(changed).count(), 1);
}

/// G10: the tags are in the create call itself.
#[test]
fn g10_the_warden_misses_tags_that_came_late() {
    let mut cloud = cloud(SimPlan::calm());
    let mut bare = config("a", 1).as_map().unwrap().clone();
    bare.insert("tags".into(), Value::null());
    let object = apply(&mut cloud, None, &Value::map(bare)).unwrap().unwrap();
    apply(&mut cloud, Some(&object), &config("a", 1)).unwrap();
    assert_eq!(cloud.warden().untagged(&["gov:owner"]).len(), 1);
}

#[test]
fn creating_twice_under_one_marker_is_seen() {
    let mut cloud = cloud(SimPlan::calm());
    created(&mut cloud, "a");
    created(&mut cloud, "a");
    assert_eq!(cloud.warden().doubles().len(), 1);
    assert!(matches!(find(&mut cloud, "a"), Finding::CannotTell(_)));
}

#[test]
fn a_link_is_made_once_and_anothers_is_not_taken() {
    let mut cloud = cloud(SimPlan::calm());
    let ends = [("from", Value::string("a")), ("to", Value::string("b"))];
    assert!(cloud.plant("sim_link", &Value::object(ends)).is_some());
    let block = super::kinds::find("sim_link").unwrap().block();
    let config =
        block.conform(&Value::object([("from", Value::string("a")), ("to", Value::string("b"))]));
    let config = config.unwrap();
    let call = Call::Propose { kind: "sim_link".into(), prior: None, config: config.clone() };
    let Ok(Answer::Proposal(proposal)) = cloud.perform(&call) else { panic!("no proposal") };
    let create = Call::Apply(ApplyCall {
        kind: "sim_link".into(),
        prior: None,
        planned: proposal.planned,
        planned_private: proposal.private,
        config,
        marker: Marker("m".into()),
        start_by: Timestamp::from_millis(1),
    });
    let failure = cloud.perform(&create).unwrap_err();
    assert_eq!(failure.class, FailureClass::Rejected);
    assert!(failure.to_string().contains("exists already"));
}

#[test]
fn lost_private_bytes_are_refused_unless_told_otherwise() {
    for checks_private in [true, false] {
        let mut cloud = cloud(SimPlan { checks_private, ..SimPlan::calm() });
        let object = created(&mut cloud, "a");
        let mut call = propose(&mut cloud, Some(&object), &config("a", 2));
        call.prior = Some(LiveObject { private: Private::default(), ..object });
        assert_eq!(cloud.perform(&Call::Apply(call)).is_err(), checks_private);
    }
}

/// Ids and fates do not depend on which call came first.
#[test]
fn the_order_of_calls_changes_nothing() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let outcome = |order: Vec<&str>| -> BTreeMap<String, String> {
        let mut cloud = cloud(SimPlan { latency_max: 0, ..SimPlan::stormy() });
        let one = |name: &str| {
            let answer = apply(&mut cloud, None, &config(name, 1));
            (name.to_owned(), format!("{answer:?}"))
        };
        order.into_iter().map(one).collect()
    };
    let forward = outcome(names.to_vec());
    assert_eq!(forward, outcome(names.iter().rev().copied().collect()));
    assert!(forward.values().any(|answer| answer.starts_with("Err")), "{forward:?}");
    assert!(forward.values().any(|answer| answer.starts_with("Ok")), "{forward:?}");
}

#[test]
fn latency_is_drawn_within_bounds_and_stays_until_the_call() {
    let mut cloud = cloud(SimPlan { latency_max: 4, ..SimPlan::calm() });
    let mut seen = std::collections::BTreeSet::new();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"] {
        let call = Call::Apply(propose(&mut cloud, None, &config(name, 1)));
        assert_eq!(cloud.latency(&call), cloud.latency(&call));
        seen.insert(cloud.latency(&call));
    }
    assert!(seen.len() > 1 && seen.iter().all(|ticks| *ticks <= 4), "{seen:?}");
}

#[tokio::test]
async fn a_gate_holds_calls_until_released_and_stop_sends_them_away() {
    let shared = SharedCloud::new(7, SimPlan::calm());
    let gate = Gate::closed([Act::Create]);
    let provider = SimProvider::new(shared.clone()).with_gate(gate.clone());
    let call =
        |name: &str| Call::Apply(shared.with(|cloud| propose(cloud, None, &config(name, 1))));
    let (first, second) = (provider.call(call("a")), provider.call(call("b")));
    let watch = async {
        gate.arrived(2).await;
        assert!(shared.warden().live.is_empty());
        gate.release(1);
        while gate.waiting() > 1 {
            tokio::task::yield_now().await;
        }
        provider.stop().await;
    };
    let (first, second, ()) = tokio::join!(first, second, watch);
    let answers = [first, second];
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    let failure = answers.into_iter().find_map(Result::err).unwrap();
    assert_eq!(failure.class, FailureClass::Transient);
    assert_eq!(shared.warden().live.len(), 1);
    assert_eq!(gate.waiting(), 0);
}

/// Creates until there is one, looking before anything else after an unknown outcome. A careless
/// caller takes an unknown outcome for a failure instead.
fn create_somehow(cloud: &mut SimCloud, name: &str, is_careful: bool) {
    let mut may_exist = false;
    for _ in 0..100 {
        if may_exist && is_careful {
            match find(cloud, name) {
                Finding::Found(_) | Finding::Approximate(_) => return,
                Finding::Absent => may_exist = false,
                Finding::CannotTell(_) => {}
            }
            continue;
        }
        match apply(cloud, None, &config(name, 1)) {
            Ok(_) => return,
            Err(failure) if failure.partial.is_some() => return,
            Err(failure) => may_exist = failure.class == FailureClass::Unknown,
        }
    }
    panic!("{name} is neither made nor given up after 100 calls");
}

/// The cloud is hard on callers that take unknown for failed, and only on those.
#[test]
fn only_the_careless_make_anything_twice() {
    let storm = |is_careful| {
        let mut complaints = 0;
        for seed in 0..100 {
            let mut plan = SimPlan::stormy();
            // `find` of this test does not retry; what cannot be reached is another test's.
            plan.odds.transient = 0;
            let mut cloud = SimCloud::new(seed, plan);
            for name in ["a", "b", "c", "d", "e"] {
                create_somehow(&mut cloud, name, is_careful);
            }
            cloud.advance(100);
            complaints += cloud.warden().complaints(&["gov:owner"]).len();
            if is_careful {
                assert_eq!(cloud.warden().live.len(), 5, "seed {seed}");
            }
        }
        complaints
    };
    assert_eq!(storm(true), 0);
    assert!(storm(false) > 20, "the cloud is too kind to find anything");
}
