//! Plans and environments with something of everything, and with a purpose that means harm.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use gov::model::actor::Actor;
use gov::model::actor::ActorKind;
use gov::model::actor::Door;
use gov::model::actor::Proof;
use gov::model::address::Address;
use gov::model::cost::Cost;
use gov::model::cost::PriceStatus;
use gov::model::cost::PricedChange;
use gov::model::cost::Quote;
use gov::model::decision::Act;
use gov::model::decision::Decision;
use gov::model::decision::Finding;
use gov::model::decision::Ground;
use gov::model::decision::Outcome;
use gov::model::decision::Rationale;
use gov::model::decision::Severity;
use gov::model::digest::Digest;
use gov::model::environment::BlueprintRecord;
use gov::model::environment::EnvironmentRecord;
use gov::model::environment::Facts;
use gov::model::environment::Identity;
use gov::model::environment::Object;
use gov::model::environment::PriceFact;
use gov::model::environment::SealedPrivate;
use gov::model::event::Draft;
use gov::model::event::Event;
use gov::model::event::Holder;
use gov::model::event::Recorded;
use gov::model::id::EnvironmentId;
use gov::model::id::EventId;
use gov::model::id::LeaseId;
use gov::model::id::Marker;
use gov::model::id::RunId;
use gov::model::id::StoreId;
use gov::model::id::Ulid;
use gov::model::lifetime::Life;
use gov::model::lifetime::Term;
use gov::model::lifetime::Timestamp;
use gov::model::limits::Budget;
use gov::model::limits::Limits;
use gov::model::limits::OnExpiry;
use gov::model::plan::Action;
use gov::model::plan::Change;
use gov::model::plan::Each;
use gov::model::plan::PLAN_VERSION;
use gov::model::plan::Plan;
use gov::model::plan::PlanKind;
use gov::model::plan::PlannedOutput;
use gov::model::plan::Reason;
use gov::model::plan::Step;
use gov::model::plan::StepAction;
use gov::model::plan::StepId;
use gov::model::sealed::Ciphertext;
use gov::model::sealed::SealedValue;
use gov::model::value::Path;

/// What must never be shown, not even sealed.
pub const CIPHERTEXT: &str = "s1:c2VjcmV0";

/// What an evil purpose would do to a terminal.
pub const ESCAPE: &str = "try\u{1b}[2J\u{1b}]0;owned\u{7} gov";

/// 2026-11-21T08:00:00Z.
pub const NOW: Timestamp = Timestamp::from_millis(1_795_248_000_000);

pub fn ulid(number: u128) -> Ulid {
    Ulid::new(NOW, number)
}

pub fn actor() -> Actor {
    Actor {
        kind: ActorKind::User,
        name: "uid:1000(ann)".into(),
        proof: Proof::OsUser,
        door: Door::Terminal,
    }
}

pub fn record() -> EnvironmentRecord {
    EnvironmentRecord {
        name: "dev".into(),
        identity: Identity {
            owner: "ann".into(),
            team: "core".into(),
            project: "gov".into(),
            purpose: ESCAPE.into(),
            value: None,
        },
        budget: Budget {
            monthly: Some("40 USD".parse().unwrap()),
            total: Some("5 USD".parse().unwrap()),
        },
        limits: Limits::default(),
        blueprint: BlueprintRecord {
            name: "sandbox".into(),
            version: "1.2.0".into(),
            digest: Digest::from_bytes([7; 32]),
            published: false,
            origin: "blueprints/sandbox/blueprint.toml".into(),
            text: String::new(),
        },
        inputs: BTreeMap::from([("password".into(), secret()), ("size".into(), text("small"))]),
        root: "/srv/dev".into(),
        term: Term::For("8h".parse().unwrap()),
        start: None,
        on_expiry: OnExpiry::KeepData,
    }
}

pub fn text(text: &str) -> SealedValue {
    SealedValue::String(text.into())
}

pub fn secret() -> SealedValue {
    SealedValue::Sealed(Ciphertext(CIPHERTEXT.into()))
}

pub fn map(members: &[(&str, SealedValue)]) -> SealedValue {
    SealedValue::Map(members.iter().map(|(name, it)| ((*name).to_owned(), it.clone())).collect())
}

pub fn object(value: SealedValue) -> Object {
    Object { value, private: SealedPrivate::default(), schema_version: 0, tainted: false }
}

pub fn change(address: &str, action: Action, reason: Reason) -> Change {
    Change {
        address: address.parse().unwrap(),
        provider: "local".into(),
        action,
        reason,
        prior: None,
        recorded: None,
        config: SealedValue::Null,
        planned: SealedValue::Null,
        planned_private: SealedPrivate::default(),
        each: Each::Single,
        marker: Marker("m".into()),
        dependencies: BTreeSet::new(),
        facts: Facts { price: PriceFact::Free("files cost nothing".into()), ..Facts::default() },
        prevent_destroy: false,
        create_before_destroy: false,
        ignored: BTreeSet::new(),
        deposed: None,
    }
}

pub fn plan(kind: PlanKind, changes: Vec<Change>) -> Plan {
    let busy = changes.iter().enumerate().filter(|(_, it)| it.action != Action::NoOp);
    let steps = busy.map(|(index, _)| {
        let number = u32::try_from(index).unwrap();
        Step {
            id: StepId(number),
            action: StepAction::Update,
            change: number,
            after: BTreeSet::new(),
        }
    });
    Plan {
        version: PLAN_VERSION,
        store: StoreId(ulid(1)),
        environment: EnvironmentId(ulid(2)),
        is_new: false,
        kind,
        made: NOW,
        made_by: actor(),
        record: record(),
        resources_revision: 1,
        providers: BTreeMap::new(),
        steps: steps.collect(),
        changes,
        outputs: BTreeMap::new(),
        warnings: Vec::new(),
        gone: Vec::new(),
    }
}

pub fn life() -> Life {
    Life { start: NOW, expiry: NOW.plus("8h".parse().unwrap()) }
}

/// A plan with something of everything.
pub fn busy() -> Plan {
    let mut replaced =
        change("local_file.a", Action::Replace, Reason::Forced(vec![Path::attribute("path")]));
    let content = "a line of a rather long configuration file\n".repeat(12);
    replaced.prior = Some(object(map(&[
        ("content", text("short")),
        ("mode", text("0600")),
        ("path", text("old.toml")),
        ("password", SealedValue::Sealed(Ciphertext("s1:b2xk".into()))),
    ])));
    replaced.planned = map(&[
        ("content", text(&content)),
        ("digest", SealedValue::Unknown),
        ("mode", text("0600")),
        ("path", text("new.toml")),
        ("password", secret()),
    ]);
    let mut updated = change("sim_server.web[\"eu\"]", Action::Update, Reason::Differs);
    updated.prior = Some(object(map(&[("size", text("large")), ("tags", map(&[]))])));
    updated.recorded = Some(object(map(&[("size", text("small")), ("tags", map(&[]))])));
    updated.planned = map(&[("size", text("small")), ("tags", map(&[("team", text("core"))]))]);
    updated.facts.classes = BTreeSet::from(["change-identity".to_owned()]);
    let mut created = change("local_file.b", Action::Create, Reason::Differs);
    created.config = map(&[
        ("content", secret()),
        ("mode", SealedValue::Null),
        ("path", text("b\u{1b}[31m.toml")),
    ]);
    created.planned = created.config.clone();
    created.facts.endpoints = BTreeSet::from(["https://db.example".to_owned()]);
    let mut deleted = change("sim_disk.data", Action::Delete, Reason::NotInBlueprint);
    deleted.prior = Some(object(map(&[("size", text("10"))])));
    deleted.facts.bears_data = true;
    let kept = change("local_file.same", Action::NoOp, Reason::Differs);
    let read = change("data.sim_image.base", Action::Read, Reason::DependsOnChange);
    let mut plan = plan(PlanKind::Apply, vec![read, replaced, created, kept, deleted, updated]);
    plan.outputs = BTreeMap::from([
        ("home".into(), PlannedOutput { before: text("/srv/old"), after: text("/srv/dev") }),
        ("password".into(), PlannedOutput { before: SealedValue::Null, after: secret() }),
        ("url".into(), PlannedOutput { before: text("x"), after: SealedValue::Null }),
    ]);
    plan.warnings = vec!["input colour is unused".into()];
    plan
}

pub fn quote() -> Quote {
    let twelve = Cost::priced("12 USD".parse().unwrap());
    let open = Cost::unpriced(PriceStatus::TypeUnmapped);
    let line = |before: &Cost, after: &Cost, note: &str| PricedChange {
        before: before.clone(),
        after: after.clone(),
        note: note.into(),
        before_parts: Vec::new(),
        after_parts: Vec::new(),
    };
    let changes: BTreeMap<Address, PricedChange> = BTreeMap::from([
        ("local_file.a".parse().unwrap(), line(&Cost::free(), &Cost::free(), "free")),
        (
            "sim_disk.data".parse().unwrap(),
            line(&twelve, &Cost::nothing(), "declared by its provider"),
        ),
        (
            "sim_server.web[\"eu\"]".parse().unwrap(),
            line(&open, &open, "nobody has said what sim_server costs"),
        ),
    ]);
    Quote { changes, before: twelve.add(&open).unwrap(), after: open.clone(), until_expiry: open }
}

pub fn decision() -> Decision {
    let finding = |rule: &str, severity, ground, address: Option<&str>, message: &str| Finding {
        rule: rule.into(),
        severity,
        ground,
        address: address.map(|address| address.parse().unwrap()),
        message: message.into(),
        fix: "Declare a price in the trust root, or leave the resource out.".into(),
        asks: "finance".into(),
        retryable: false,
    };
    Decision {
        subject: gov::model::decision::Subject::default(),
        act: Act::Apply,
        outcome: Outcome::Deny,
        findings: vec![
            finding(
                "unpriced",
                Severity::Deny,
                Ground::Money,
                Some("sim_server.web[\"eu\"]"),
                "It has no price, and what has no price is above every budget.",
            ),
            finding("data", Severity::NeedsHuman, Ground::Policy, None, "Data would be deleted."),
        ],
        policy: Digest::from_bytes([9; 32]),
        rationale: Rationale { objective: Some("less clutter".into()), ..Rationale::default() },
        consents: BTreeSet::new(),
    }
}

pub fn allowed() -> Decision {
    Decision { outcome: Outcome::Allow, findings: Vec::new(), ..decision() }
}

pub fn holder() -> Holder {
    Holder {
        actor: "uid:1000(ann)".into(),
        operation: "gov apply".into(),
        host: "mill".into(),
        boot: "b".into(),
        pid: 4711,
        pid_start: 1,
    }
}

/// The story of an environment that was made, planned and is at work.
/// The first event of every store.
pub fn founded() -> Recorded {
    let event = Event::StoreCreated { store: StoreId(ulid(1)) };
    let draft = Draft { environment: None, actor: actor(), event };
    let (leaf, _) = draft.encode(EventId(ulid(100)), NOW).unwrap();
    Recorded { leaf, event: draft.event }
}

pub fn story() -> Vec<Recorded> {
    let events = vec![
        Event::EnvironmentCreated { record: Box::new(record()) },
        Event::LeaseTaken { lease: LeaseId(ulid(3)), token: 1, holder: holder(), from: None },
        Event::LifeStarted { life: life() },
        Event::RunOpened {
            run: RunId(ulid(4)),
            plan_digest: Digest::from_bytes([1; 32]),
            intent_digest: Digest::from_bytes([2; 32]),
            desired: Digest::from_bytes([3; 32]),
            plan: Box::new(busy()),
            quote: Box::new(quote()),
            decision: Box::new(allowed()),
            approvals: BTreeSet::new(),
            reservations: BTreeMap::new(),
        },
        Event::LifeExtended {
            from: life(),
            to: Life { expiry: life().expiry.plus("4h".parse().unwrap()), ..life() },
            reason: "not\u{1b}[2J done".into(),
            decision: Box::new(allowed()),
        },
        Event::DecisionRecorded { decision: Box::new(decision()) },
    ];
    let mut number = 100;
    let mut recorded = Vec::new();
    for event in events {
        number += 1;
        let environment = Some(EnvironmentId(ulid(2)));
        let draft = Draft { environment, actor: actor(), event };
        let (leaf, _) = draft.encode(EventId(ulid(number)), NOW).unwrap();
        recorded.push(Recorded { leaf, event: draft.event });
    }
    recorded
}
