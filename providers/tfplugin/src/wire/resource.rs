//! Messages about managed resources and data sources.
//!
//! Fields named `private` hold bytes that belong to the provider: the host stores them beside the
//! state and sends them back unread. Losing them breaks later updates and deletions.

use prost::Message;

use super::AttributePath;
use super::ClientCapabilities;
use super::Deferred;
use super::Diagnostic;
use super::DynamicValue;
use super::RawState;
use super::ResourceIdentityData;
use super::discreet;

/// Asks whether a resource configuration is acceptable.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ValidateResourceConfigRequest {
    /// The resource type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// The configuration; unknown values are allowed.
    #[prost(message, optional, tag = "2")]
    pub config: Option<DynamicValue>,
    /// What the host can do.
    #[prost(message, optional, tag = "3")]
    pub client_capabilities: Option<ClientCapabilities>,
}

/// The verdict on a resource configuration.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ValidateResourceConfigResponse {
    /// Warnings and errors.
    #[prost(message, repeated, tag = "1")]
    pub diagnostics: Vec<Diagnostic>,
}

/// Asks whether a data source configuration is acceptable.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ValidateDataResourceConfigRequest {
    /// The data source.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// The configuration; unknown values are allowed.
    #[prost(message, optional, tag = "2")]
    pub config: Option<DynamicValue>,
}

/// The verdict on a data source configuration.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ValidateDataResourceConfigResponse {
    /// Warnings and errors.
    #[prost(message, repeated, tag = "1")]
    pub diagnostics: Vec<Diagnostic>,
}

/// Brings stored state to the current schema. Due for every stored resource, even where the
/// version is the same.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct UpgradeResourceStateRequest {
    /// The resource type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// The schema version that the state was stored with.
    #[prost(int64, tag = "2")]
    pub version: i64,
    /// The state exactly as stored.
    #[prost(message, optional, tag = "3")]
    pub raw_state: Option<RawState>,
}

/// The state in the current schema.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct UpgradeResourceStateResponse {
    /// The state.
    #[prost(message, optional, tag = "1")]
    pub upgraded_state: Option<DynamicValue>,
    /// Warnings and errors.
    #[prost(message, repeated, tag = "2")]
    pub diagnostics: Vec<Diagnostic>,
}

/// Brings a stored identity to the current identity schema.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct UpgradeResourceIdentityRequest {
    /// The resource type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// The identity schema version that it was stored with.
    #[prost(int64, tag = "2")]
    pub version: i64,
    /// The identity exactly as stored, always JSON.
    #[prost(message, optional, tag = "3")]
    pub raw_identity: Option<RawState>,
}

/// The identity in the current identity schema.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct UpgradeResourceIdentityResponse {
    /// The identity.
    #[prost(message, optional, tag = "1")]
    pub upgraded_identity: Option<ResourceIdentityData>,
    /// Warnings and errors.
    #[prost(message, repeated, tag = "2")]
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads the real thing.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct ReadResourceRequest {
    /// The resource type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// The state, in the current schema.
    #[prost(message, optional, tag = "2")]
    pub current_state: Option<DynamicValue>,
    /// The private bytes stored with the state.
    #[prost(bytes = "vec", tag = "3")]
    pub private: Vec<u8>,
    /// Metadata of the module, if the provider has a schema for it.
    #[prost(message, optional, tag = "4")]
    pub provider_meta: Option<DynamicValue>,
    /// What the host can do.
    #[prost(message, optional, tag = "5")]
    pub client_capabilities: Option<ClientCapabilities>,
    /// The identity stored with the state.
    #[prost(message, optional, tag = "6")]
    pub current_identity: Option<ResourceIdentityData>,
}
discreet!(ReadResourceRequest { type_name, current_state });

/// The real thing.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct ReadResourceResponse {
    /// The state; null if the thing is gone.
    #[prost(message, optional, tag = "1")]
    pub new_state: Option<DynamicValue>,
    /// Warnings and errors.
    #[prost(message, repeated, tag = "2")]
    pub diagnostics: Vec<Diagnostic>,
    /// The private bytes to store from now on.
    #[prost(bytes = "vec", tag = "3")]
    pub private: Vec<u8>,
    /// Set if the provider wants to put it off.
    #[prost(message, optional, tag = "4")]
    pub deferred: Option<Deferred>,
    /// The identity to store from now on.
    #[prost(message, optional, tag = "5")]
    pub new_identity: Option<ResourceIdentityData>,
}
discreet!(ReadResourceResponse { new_state, diagnostics, deferred });

/// Asks what a change would look like.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct PlanResourceChangeRequest {
    /// The resource type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// The state; null to create. Always wholly known.
    #[prost(message, optional, tag = "2")]
    pub prior_state: Option<DynamicValue>,
    /// Configuration and state merged by the host; null to delete.
    #[prost(message, optional, tag = "3")]
    pub proposed_new_state: Option<DynamicValue>,
    /// The configuration; null to delete.
    #[prost(message, optional, tag = "4")]
    pub config: Option<DynamicValue>,
    /// The private bytes stored with the state.
    #[prost(bytes = "vec", tag = "5")]
    pub prior_private: Vec<u8>,
    /// Metadata of the module, if the provider has a schema for it.
    #[prost(message, optional, tag = "6")]
    pub provider_meta: Option<DynamicValue>,
    /// What the host can do.
    #[prost(message, optional, tag = "7")]
    pub client_capabilities: Option<ClientCapabilities>,
    /// The identity stored with the state.
    #[prost(message, optional, tag = "8")]
    pub prior_identity: Option<ResourceIdentityData>,
}
discreet!(PlanResourceChangeRequest { type_name, prior_state, proposed_new_state, config });

/// What a change would look like.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct PlanResourceChangeResponse {
    /// The state afterwards; unknown values for what only applying tells.
    #[prost(message, optional, tag = "1")]
    pub planned_state: Option<DynamicValue>,
    /// What cannot be changed in place. Given on creation too: a replacement is due only where
    /// the prior value at such a path differs from the planned one.
    #[prost(message, repeated, tag = "2")]
    pub requires_replace: Vec<AttributePath>,
    /// Bytes to send along when this plan is applied.
    #[prost(bytes = "vec", tag = "3")]
    pub planned_private: Vec<u8>,
    /// Warnings and errors.
    #[prost(message, repeated, tag = "4")]
    pub diagnostics: Vec<Diagnostic>,
    /// The provider is of the older kind, whose values may differ from configuration and plan in
    /// ways that are otherwise errors.
    #[prost(bool, tag = "5")]
    pub legacy_type_system: bool,
    /// Set if the provider wants to put it off.
    #[prost(message, optional, tag = "6")]
    pub deferred: Option<Deferred>,
    /// The identity afterwards.
    #[prost(message, optional, tag = "7")]
    pub planned_identity: Option<ResourceIdentityData>,
}
discreet!(PlanResourceChangeResponse {
    planned_state,
    requires_replace,
    diagnostics,
    legacy_type_system,
    deferred,
});

/// Performs a planned change.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct ApplyResourceChangeRequest {
    /// The resource type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// The state; null to create.
    #[prost(message, optional, tag = "2")]
    pub prior_state: Option<DynamicValue>,
    /// The planned state; null to delete.
    #[prost(message, optional, tag = "3")]
    pub planned_state: Option<DynamicValue>,
    /// The configuration; null to delete.
    #[prost(message, optional, tag = "4")]
    pub config: Option<DynamicValue>,
    /// The bytes that came with the plan.
    #[prost(bytes = "vec", tag = "5")]
    pub planned_private: Vec<u8>,
    /// Metadata of the module, if the provider has a schema for it.
    #[prost(message, optional, tag = "6")]
    pub provider_meta: Option<DynamicValue>,
    /// The identity that came with the plan.
    #[prost(message, optional, tag = "7")]
    pub planned_identity: Option<ResourceIdentityData>,
}
discreet!(ApplyResourceChangeRequest { type_name, prior_state, planned_state, config });

/// What a change came to. State and errors may come together: what was made before the failure is
/// in the state, and has to be stored.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct ApplyResourceChangeResponse {
    /// The state now; null if there is no such thing (any more).
    #[prost(message, optional, tag = "1")]
    pub new_state: Option<DynamicValue>,
    /// The private bytes to store from now on.
    #[prost(bytes = "vec", tag = "2")]
    pub private: Vec<u8>,
    /// Warnings and errors.
    #[prost(message, repeated, tag = "3")]
    pub diagnostics: Vec<Diagnostic>,
    /// See [`PlanResourceChangeResponse::legacy_type_system`].
    #[prost(bool, tag = "4")]
    pub legacy_type_system: bool,
    /// The identity to store from now on.
    #[prost(message, optional, tag = "5")]
    pub new_identity: Option<ResourceIdentityData>,
}
discreet!(ApplyResourceChangeResponse { new_state, diagnostics, legacy_type_system });

/// Finds an existing thing.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ImportResourceStateRequest {
    /// The resource type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// What a person typed; empty if the identity is given.
    #[prost(string, tag = "2")]
    pub id: String,
    /// What the host can do.
    #[prost(message, optional, tag = "3")]
    pub client_capabilities: Option<ClientCapabilities>,
    /// The identity, instead of an id.
    #[prost(message, optional, tag = "4")]
    pub identity: Option<ResourceIdentityData>,
}

/// What was found. Each still has to be read, and a null after reading means that it is not there.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ImportResourceStateResponse {
    /// The things.
    #[prost(message, repeated, tag = "1")]
    pub imported_resources: Vec<ImportedResource>,
    /// Warnings and errors.
    #[prost(message, repeated, tag = "2")]
    pub diagnostics: Vec<Diagnostic>,
    /// Set if the provider wants to put it off.
    #[prost(message, optional, tag = "3")]
    pub deferred: Option<Deferred>,
}

/// One thing found on import.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct ImportedResource {
    /// Its resource type; it need not be the one asked for.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// As much of its state as reading it needs.
    #[prost(message, optional, tag = "2")]
    pub state: Option<DynamicValue>,
    /// Its private bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub private: Vec<u8>,
    /// Its identity.
    #[prost(message, optional, tag = "4")]
    pub identity: Option<ResourceIdentityData>,
}
discreet!(ImportedResource { type_name, state });

/// Takes over the state of another resource type, perhaps of another provider.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct MoveResourceStateRequest {
    /// The address of the provider that it comes from.
    #[prost(string, tag = "1")]
    pub source_provider_address: String,
    /// The resource type that it comes from.
    #[prost(string, tag = "2")]
    pub source_type_name: String,
    /// The schema version that the state was stored with.
    #[prost(int64, tag = "3")]
    pub source_schema_version: i64,
    /// The state exactly as stored, always JSON.
    #[prost(message, optional, tag = "4")]
    pub source_state: Option<RawState>,
    /// The resource type that it goes to.
    #[prost(string, tag = "5")]
    pub target_type_name: String,
    /// The private bytes stored with the state.
    #[prost(bytes = "vec", tag = "6")]
    pub source_private: Vec<u8>,
    /// The identity exactly as stored.
    #[prost(message, optional, tag = "7")]
    pub source_identity: Option<RawState>,
    /// The identity schema version that the identity was stored with.
    #[prost(int64, tag = "8")]
    pub source_identity_schema_version: i64,
}
discreet!(MoveResourceStateRequest { source_provider_address, source_type_name, target_type_name });

/// The state in its new type.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct MoveResourceStateResponse {
    /// The state.
    #[prost(message, optional, tag = "1")]
    pub target_state: Option<DynamicValue>,
    /// Warnings and errors.
    #[prost(message, repeated, tag = "2")]
    pub diagnostics: Vec<Diagnostic>,
    /// The private bytes to store from now on.
    #[prost(bytes = "vec", tag = "3")]
    pub target_private: Vec<u8>,
    /// The identity to store from now on.
    #[prost(message, optional, tag = "4")]
    pub target_identity: Option<ResourceIdentityData>,
}
discreet!(MoveResourceStateResponse { target_state, diagnostics });

/// Asks for a configuration that would give a state.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct GenerateResourceConfigRequest {
    /// The resource type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// The state.
    #[prost(message, optional, tag = "2")]
    pub state: Option<DynamicValue>,
}

/// A configuration that would give a state.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct GenerateResourceConfigResponse {
    /// The configuration.
    #[prost(message, optional, tag = "1")]
    pub config: Option<DynamicValue>,
    /// Warnings and errors.
    #[prost(message, repeated, tag = "2")]
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a data source. Its configuration must be wholly known.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ReadDataSourceRequest {
    /// The data source.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// The configuration.
    #[prost(message, optional, tag = "2")]
    pub config: Option<DynamicValue>,
    /// Metadata of the module, if the provider has a schema for it.
    #[prost(message, optional, tag = "3")]
    pub provider_meta: Option<DynamicValue>,
    /// What the host can do.
    #[prost(message, optional, tag = "4")]
    pub client_capabilities: Option<ClientCapabilities>,
}

/// What a data source says.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ReadDataSourceResponse {
    /// The data.
    #[prost(message, optional, tag = "1")]
    pub state: Option<DynamicValue>,
    /// Warnings and errors.
    #[prost(message, repeated, tag = "2")]
    pub diagnostics: Vec<Diagnostic>,
    /// Set if the provider wants to put it off.
    #[prost(message, optional, tag = "3")]
    pub deferred: Option<Deferred>,
}
