//! Proposal: what would have to change.
//!
//! The [`planner`] is a sans-IO machine: it asks for provider calls and is told their answers, and
//! its plan does not depend on the order in which answers come. [`steps`] puts changes in order,
//! [`scope`] is what expressions see, [`file`](mod@file) is a plan at rest. Nothing here
//! judges or acts.

pub mod change;
pub mod file;
pub mod planner;
pub mod scope;
pub mod steps;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::blueprint::Blueprint;
use crate::blueprint::resolve::Resolved;
use crate::model::actor::Actor;
use crate::model::address::Address;
use crate::model::environment::EnvironmentRecord;
use crate::model::environment::ResourceRecord;
use crate::model::id::EnvironmentId;
use crate::model::id::StoreId;
use crate::model::lifetime::Timestamp;
use crate::model::plan::PlanKind;
use crate::model::sealed::SealedValue;
use crate::model::value::Value;
use crate::provider::Offer;
use crate::state::seal::Sealer;

/// What a plan is to be made of.
#[derive(Clone)]
pub struct Request {
    /// What for.
    pub mode: Mode,
    /// The blueprint, parsed from the record's text.
    pub blueprint: Arc<Blueprint>,
    /// Its checked references and order.
    pub resolved: Arc<Resolved>,
    /// What the environment is asked to be.
    pub record: EnvironmentRecord,
    /// Inputs by name, defaults filled in, marked where sensitive.
    pub inputs: BTreeMap<String, Value>,
    /// The store.
    pub store: StoreId,
    /// The environment.
    pub environment: EnvironmentId,
    /// Whether it does not exist yet.
    pub is_new: bool,
    /// The resources it has.
    pub resources: BTreeMap<Address, ResourceRecord>,
    /// The outputs it has.
    pub outputs: BTreeMap<String, SealedValue>,
    /// Attributes whose drift was accepted, by resource.
    pub accepted: BTreeMap<Address, BTreeSet<String>>,
    /// The revision of its resources.
    pub resources_revision: u64,
    /// Schemas and facts by provider source.
    pub offers: BTreeMap<String, Arc<Offer>>,
    /// Resources to be replaced because somebody asks.
    pub replace: BTreeSet<Address>,
    /// When.
    pub now: Timestamp,
    /// By whom.
    pub actor: Actor,
    /// Seals what the plan keeps.
    pub sealer: Arc<Sealer>,
}

/// What a plan is for, with what each purpose needs to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Bring everything to what the blueprint says.
    Converge(PlanKind),
    /// Take everything down. What bears data or is protected is held unless `delete_data`.
    TakeDown {
        /// Because somebody asked, or because the life is over.
        kind: PlanKind,
        /// Whether deleting data was authorised.
        delete_data: bool,
    },
    /// Only look: read everything and compare with the books. No change is proposed.
    Observe,
}

impl Mode {
    /// The kind of the plan.
    #[must_use]
    pub fn kind(self) -> PlanKind {
        match self {
            Self::Converge(kind) | Self::TakeDown { kind, .. } => kind,
            Self::Observe => PlanKind::Remediate,
        }
    }
}
