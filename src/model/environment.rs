//! What an environment is: who it is for, what it is made from, and what it remembers.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use crate::model::address::Address;
use crate::model::address::ResourceName;
use crate::model::cost::Cost;
use crate::model::digest::Digest;
use crate::model::id::Marker;
use crate::model::lifetime::Term;
use crate::model::lifetime::Timestamp;
use crate::model::limits::Budget;
use crate::model::limits::Limits;
use crate::model::limits::OnExpiry;
use crate::model::sealed::Ciphertext;
use crate::model::sealed::SealedValue;

/// Who an environment is for and why it exists. Claims, until an identity provider proves them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Identity {
    /// Who answers for it.
    pub owner: String,
    /// Whose budget it is on.
    pub team: String,
    /// What it belongs to.
    pub project: String,
    /// Why it exists, in words that `gov why` will repeat.
    pub purpose: String,
    /// The declared measure of its value, where there is one.
    pub value: Option<String>,
}

/// The blueprint an environment was made from, whole, so that no file is needed later.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BlueprintRecord {
    /// Its declared name.
    pub name: String,
    /// Its declared version.
    pub version: String,
    /// The digest of its text.
    pub digest: Digest,
    /// Whether the trust root publishes this digest.
    pub published: bool,
    /// Where it was read from, for messages.
    pub origin: String,
    /// Its text.
    pub text: String,
}

/// Everything an environment was asked to be, as last applied.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EnvironmentRecord {
    /// The alias people use; free again when the environment has ended.
    pub name: String,
    /// Who and why.
    pub identity: Identity,
    /// What it may cost; the tightest of all that was stated.
    pub budget: Budget,
    /// What it may be; the tightest of blueprint and ceiling.
    pub limits: Limits,
    /// What it is made from.
    pub blueprint: BlueprintRecord,
    /// The inputs given, without those left at their default.
    pub inputs: BTreeMap<String, SealedValue>,
    /// The absolute folder that relative paths of local resources lie under.
    pub root: String,
    /// How long it was asked to live.
    pub term: Term,
    /// When it is to start, where not at once.
    pub start: Option<Timestamp>,
    /// Whether its maker consented to deleting its data when it ends.
    pub on_expiry: OnExpiry,
}

impl EnvironmentRecord {
    /// Whether two records ask for the same, wherever their blueprints were read from.
    #[must_use]
    pub fn asks_the_same(&self, other: &Self) -> bool {
        self.without_origin() == other.without_origin()
    }

    /// The record without what says nothing of what is asked for.
    #[must_use]
    pub fn without_origin(&self) -> Self {
        let mut record = self.clone();
        record.blueprint.origin.clear();
        record.blueprint.published = false;
        record
    }
}

/// Opaque bytes that a provider keeps beside an object, live.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Private(pub Vec<u8>);

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} private bytes)", self.0.len())
    }
}

/// A provider's bytes at rest: sealed, for nobody but the provider knows what is in them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedPrivate(pub Option<Ciphertext>);

/// One real object, as its provider last described it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Object {
    /// Its attributes.
    pub value: SealedValue,
    /// The provider's own bytes. Losing them breaks later updates and deletes.
    pub private: SealedPrivate,
    /// The version of the schema that `value` follows.
    pub schema_version: u64,
    /// Whether its creation failed half-way, so that it must be replaced.
    pub tainted: bool,
}

/// What gov knows of a resource's type, as far as it matters after planning.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Facts {
    /// Deleting it may delete data that nothing can bring back.
    pub bears_data: bool,
    /// Where it lies.
    pub region: Option<String>,
    /// Kinds of act that are judged on their own, such as `run-command` or `change-identity`.
    pub classes: BTreeSet<String>,
    /// Third-party endpoints it talks to; [`UNKNOWN_TEXT`] where one is known only after apply.
    pub endpoints: BTreeSet<String>,
    /// What it costs, as far as its type says so.
    pub price: PriceFact,
}

/// Stands for a region or an endpoint that only applying will tell. It is on no list of allowed
/// ones, so that what is unknown is not allowed.
pub const UNKNOWN_TEXT: &str = "(known after apply)";

/// Stands for a region or an endpoint that is a secret. It is on no list of allowed ones either.
pub const SENSITIVE_TEXT: &str = "(sensitive)";

/// What a type says of its cost without any price book.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceFact {
    /// Nothing.
    #[default]
    Unmapped,
    /// It is free, and why.
    Free(String),
    /// So much, by its provider's own declaration.
    Declared(Cost),
}

/// A resource of an environment, with all that is needed to read, change or delete it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ResourceRecord {
    /// The block and instance.
    pub address: Address,
    /// The name of its provider configuration in the blueprint.
    pub provider: String,
    /// The full source of the provider, such as `builtin/local`.
    pub source: String,
    /// The real object; absent only while a replacement is under way.
    pub object: Option<Object>,
    /// Objects that a replacement has put aside and not deleted yet, by the step that did.
    pub deposed: BTreeMap<String, Object>,
    /// What it was created after, and so is deleted before.
    pub dependencies: BTreeSet<ResourceName>,
    /// What its create carried.
    pub marker: Option<Marker>,
    /// What gov knows of its type.
    pub facts: Facts,
    /// Whether the blueprint protects it from deletion.
    pub prevent_destroy: bool,
    /// Whether a replacement is created before the old one goes.
    pub create_before_destroy: bool,
}
