//! Plans: what would change, in which order. Immutable, self-contained, named by digest.
//!
//! A plan holds everything that applying it needs: the environment's record with the blueprint's
//! text, every object it starts from, every value it will send as far as it is known, and the
//! context in which the unknown ones will be evaluated. INVARIANT (plan is final).

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;

use crate::model::actor::Actor;
use crate::model::address::Address;
use crate::model::address::InstanceKey;
use crate::model::address::ResourceName;
use crate::model::digest::CanonicalError;
use crate::model::digest::Digest;
use crate::model::digest::Domain;
use crate::model::environment::EnvironmentRecord;
use crate::model::environment::Facts;
use crate::model::environment::Object;
use crate::model::environment::ResourceRecord;
use crate::model::environment::SealedPrivate;
use crate::model::id::EnvironmentId;
use crate::model::id::Marker;
use crate::model::id::StoreId;
use crate::model::lifetime::Timestamp;
use crate::model::sealed::SealedValue;
use crate::model::value::Path;

/// The version of the plan's shape. A reader refuses any other.
pub const PLAN_VERSION: u32 = 1;

/// What a plan is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanKind {
    /// To bring the environment to what its blueprint says.
    Apply,
    /// To take it down because somebody asked.
    Destroy,
    /// To take it down because its life is over.
    Reap,
    /// To undo drift.
    Remediate,
}

impl PlanKind {
    /// Whether everything is to go.
    #[must_use]
    pub fn takes_down(self) -> bool {
        matches!(self, Self::Destroy | Self::Reap)
    }
}

/// What happens to one resource.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing.
    NoOp,
    /// It is made.
    Create,
    /// It is changed in place.
    Update,
    /// It is deleted and made anew, in this order or, where asked, in the other.
    Replace,
    /// It is deleted.
    Delete,
    /// It is read, during apply, since what it depends on is made there.
    Read,
    /// It is kept although the environment ends: nobody authorised deleting its data.
    Hold,
}

impl Action {
    /// The name used in JSON, policy and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoOp => "no-op",
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::Hold => "hold",
        }
    }

    /// Whether an existing object goes.
    #[must_use]
    pub fn deletes(self) -> bool {
        matches!(self, Self::Replace | Self::Delete)
    }

    /// Whether a new object comes.
    #[must_use]
    pub fn creates(self) -> bool {
        matches!(self, Self::Create | Self::Replace)
    }
}

/// Why an action was chosen where the difference alone does not say it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The difference says it.
    Differs,
    /// These attributes cannot change in place.
    Forced(Vec<Path>),
    /// Somebody asked to replace it.
    Requested,
    /// Its creation had failed half-way.
    Tainted,
    /// The blueprint no longer has it.
    NotInBlueprint,
    /// The environment goes.
    EnvironmentEnds,
    /// It was deleted outside gov.
    Missing,
    /// It was put aside by an earlier replacement.
    Deposed,
    /// It cannot be read before apply.
    DependsOnChange,
}

/// The instance's own names, by which its expressions are evaluated again at apply.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Each {
    /// Neither `count` nor `for_each`.
    Single,
    /// `count.index`.
    Count(usize),
    /// `each.key` and `each.value`.
    Item {
        /// The key.
        key: String,
        /// The value.
        value: SealedValue,
    },
}

impl Each {
    /// The key of the instance's address.
    #[must_use]
    pub fn key(&self) -> InstanceKey {
        match self {
            Self::Single => InstanceKey::Single,
            Self::Count(index) => InstanceKey::Index(*index),
            Self::Item { key, .. } => InstanceKey::Key(key.clone()),
        }
    }
}

/// What happens to one resource, whole.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Change {
    /// Which resource.
    pub address: Address,
    /// The name of its provider configuration.
    pub provider: String,
    /// What happens.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// The object as observed when planning; absent where there is none.
    pub prior: Option<Object>,
    /// Set where `prior` differs from what the books held: drift, in the same form.
    pub recorded: Option<Object>,
    /// The configuration, conformed to the schema; null for a delete.
    pub config: SealedValue,
    /// What the object will be; null for a delete.
    pub planned: SealedValue,
    /// The provider's bytes for applying exactly this.
    pub planned_private: SealedPrivate,
    /// The instance's own names.
    pub each: Each,
    /// What the create will carry.
    pub marker: Marker,
    /// What it is made after.
    pub dependencies: BTreeSet<ResourceName>,
    /// What gov knows of its type.
    pub facts: Facts,
    /// Whether the blueprint protects it.
    pub prevent_destroy: bool,
    /// Whether its replacement comes first.
    pub create_before_destroy: bool,
    /// Attributes left as observed: ignored by the blueprint, or drift that was accepted.
    pub ignored: BTreeSet<String>,
    /// The object put aside that this deletes, where it is not the current one.
    pub deposed: Option<String>,
}

/// The number of a step within its plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub u32);

/// What a step does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepAction {
    /// Makes the object.
    Create,
    /// Makes the object while the old one is put aside.
    CreateBeside,
    /// Changes it in place.
    Update,
    /// Deletes it.
    Delete,
    /// Deletes the object put aside.
    DeleteDeposed,
    /// Reads it.
    Read,
}

impl StepAction {
    /// The name used in JSON and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create | Self::CreateBeside => "create",
            Self::Update => "update",
            Self::Delete | Self::DeleteDeposed => "delete",
            Self::Read => "read",
        }
    }

    /// Whether it ends with an object where none of this step was before.
    #[must_use]
    pub fn creates(self) -> bool {
        matches!(self, Self::Create | Self::CreateBeside)
    }

    /// Whether it takes an object away.
    #[must_use]
    pub fn deletes(self) -> bool {
        matches!(self, Self::Delete | Self::DeleteDeposed)
    }
}

/// One place in the order of execution.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Its number; steps are listed in the order of their numbers.
    pub id: StepId,
    /// What it does.
    pub action: StepAction,
    /// The change it belongs to, by position in [`Plan::changes`].
    pub change: u32,
    /// The steps that must have succeeded before.
    pub after: BTreeSet<StepId>,
}

/// A provider configuration of the plan.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PlannedProvider {
    /// The full source.
    pub source: String,
    /// The configuration as far as it is known.
    pub config: SealedValue,
}

/// An output before and after.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PlannedOutput {
    /// Before; null where there was none.
    pub before: SealedValue,
    /// After, as far as it is known.
    pub after: SealedValue,
}

/// A plan. Nothing changes one after it is made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// [`PLAN_VERSION`].
    pub version: u32,
    /// The store it was planned against; no other takes it.
    pub store: StoreId,
    /// The environment.
    pub environment: EnvironmentId,
    /// Whether the environment does not exist yet.
    pub is_new: bool,
    /// What it is for.
    pub kind: PlanKind,
    /// When it was made.
    pub made: Timestamp,
    /// Who made it.
    pub made_by: Actor,
    /// What the environment will be asked to be.
    pub record: EnvironmentRecord,
    /// The revision of the environment's resources that it starts from; it applies to no other.
    pub resources_revision: u64,
    /// Provider configurations by name.
    pub providers: BTreeMap<String, PlannedProvider>,
    /// One entry for each resource, in the order of addresses.
    pub changes: Vec<Change>,
    /// The order of execution.
    pub steps: Vec<Step>,
    /// Outputs by name.
    pub outputs: BTreeMap<String, PlannedOutput>,
    /// Warnings of blueprint and providers, in words.
    pub warnings: Vec<String>,
    /// Resources no longer in the books and gone in reality, to be dropped without a call.
    pub gone: Vec<ResourceRecord>,
}

/// What the intent digest covers: everything that an act consists of and nothing that a second
/// planning of the same thing would change.
#[derive(Serialize)]
struct Intent<'a> {
    environment: EnvironmentId,
    kind: PlanKind,
    record: EnvironmentRecord,
    providers: &'a BTreeMap<String, PlannedProvider>,
    changes: Vec<ChangeIntent<'a>>,
    steps: Vec<(StepAction, u32, &'a BTreeSet<StepId>)>,
    outputs: BTreeMap<&'a String, &'a SealedValue>,
    gone: Vec<&'a Address>,
}

#[derive(Serialize)]
struct ChangeIntent<'a> {
    address: &'a Address,
    action: Action,
    config: &'a SealedValue,
    planned: &'a SealedValue,
    each: &'a Each,
    marker: &'a Marker,
    dependencies: &'a BTreeSet<ResourceName>,
    facts: &'a Facts,
    prevent_destroy: bool,
    create_before_destroy: bool,
    ignored: &'a BTreeSet<String>,
    deposed: &'a Option<String>,
}

impl Plan {
    /// The digest of what the plan would do: the same for a second planning of the same thing.
    ///
    /// # Errors
    /// [`CanonicalError`], which is a bug.
    pub fn intent_digest(&self) -> Result<Digest, CanonicalError> {
        let changes = self.effective().map(|change| ChangeIntent {
            address: &change.address,
            action: change.action,
            config: &change.config,
            planned: &change.planned,
            each: &change.each,
            marker: &change.marker,
            dependencies: &change.dependencies,
            facts: &change.facts,
            prevent_destroy: change.prevent_destroy,
            create_before_destroy: change.create_before_destroy,
            ignored: &change.ignored,
            deposed: &change.deposed,
        });
        let intent = Intent {
            environment: self.environment,
            kind: self.kind,
            record: self.record.without_origin(),
            providers: &self.providers,
            changes: changes.collect(),
            steps: self.steps.iter().map(|s| (s.action, s.change, &s.after)).collect(),
            outputs: self.outputs.iter().map(|(name, output)| (name, &output.after)).collect(),
            gone: self.gone.iter().map(|record| &record.address).collect(),
        };
        Digest::of_canonical(Domain::PlanIntent, &intent)
    }

    /// The digest of every byte of the plan: its name.
    ///
    /// # Errors
    /// [`CanonicalError`], which is a bug.
    pub fn file_digest(&self) -> Result<Digest, CanonicalError> {
        Digest::of_canonical(Domain::PlanFile, self)
    }

    /// The changes that do something.
    pub fn effective(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.action != Action::NoOp)
    }

    /// Whether applying it would call no provider and record nothing of a resource.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
            && self.gone.is_empty()
            && self.changes.iter().all(|change| change.recorded.is_none())
            && self.outputs.values().all(|output| output.before == output.after)
    }

    /// The change a step belongs to.
    #[must_use]
    pub fn change_of(&self, step: &Step) -> Option<&Change> {
        self.changes.get(usize::try_from(step.change).ok()?)
    }
}

/// How many resources will exist after these changes.
#[must_use]
pub fn resources_after(changes: &[Change]) -> usize {
    let stays = |change: &&Change| {
        let managed = change.address.resource.mode == crate::model::address::Mode::Managed;
        let exists = change.action != Action::NoOp || change.prior.is_some();
        managed && exists && change.deposed.is_none() && change.action != Action::Delete
    };
    changes.iter().filter(stays).count()
}
