//! Messages about a provider as a whole: what it offers, its configuration, its end.
//!
//! The answer to `GetProviderSchema` has no type here. It can be megabytes long, so
//! [`crate::client::SchemaDocument`] indexes its bytes and decodes what is asked for.

use std::collections::BTreeMap;

use prost::Message;

use super::ClientCapabilities;
use super::Diagnostic;
use super::DynamicValue;
use super::ServerCapabilities;

/// Which types a provider has, without their schemas.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct GetMetadataResponse {
    /// What the provider can do beyond the bare protocol.
    #[prost(message, optional, tag = "1")]
    pub server_capabilities: Option<ServerCapabilities>,
    /// Warnings and errors.
    #[prost(message, repeated, tag = "2")]
    pub diagnostics: Vec<Diagnostic>,
    /// The data sources.
    #[prost(message, repeated, tag = "3")]
    pub data_sources: Vec<NamedThing>,
    /// The resource types.
    #[prost(message, repeated, tag = "4")]
    pub resources: Vec<NamedThing>,
    /// The functions.
    #[prost(message, repeated, tag = "5")]
    pub functions: Vec<NamedThing>,
    /// The ephemeral resource types.
    #[prost(message, repeated, tag = "6")]
    pub ephemeral_resources: Vec<NamedThing>,
}

/// The name of a type or function.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct NamedThing {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// Asks whether a provider configuration is acceptable. It may hold unknown values.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ValidateProviderConfigRequest {
    /// The configuration.
    #[prost(message, optional, tag = "1")]
    pub config: Option<DynamicValue>,
}

/// The verdict on a provider configuration. Version 5 can also return a changed configuration in
/// field 1; hosts have ignored it since Terraform 0.12 and it is not read here.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ValidateProviderConfigResponse {
    /// Warnings and errors.
    #[prost(message, repeated, tag = "2")]
    pub diagnostics: Vec<Diagnostic>,
}

/// Hands over the provider configuration. During a plan it may hold unknown values.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ConfigureProviderRequest {
    /// The version the host passes for; some providers put it into their user agent, and a few
    /// refuse what they take for too old.
    #[prost(string, tag = "1")]
    pub terraform_version: String,
    /// The configuration.
    #[prost(message, optional, tag = "2")]
    pub config: Option<DynamicValue>,
    /// What the host can do.
    #[prost(message, optional, tag = "3")]
    pub client_capabilities: Option<ClientCapabilities>,
}

/// The outcome of configuring.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ConfigureProviderResponse {
    /// Warnings and errors.
    #[prost(message, repeated, tag = "1")]
    pub diagnostics: Vec<Diagnostic>,
}

/// The identity schemas of all resource types that have one.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct GetResourceIdentitySchemasResponse {
    /// By resource type.
    #[prost(btree_map = "string, message", tag = "1")]
    pub identity_schemas: BTreeMap<String, ResourceIdentitySchema>,
    /// Warnings and errors.
    #[prost(message, repeated, tag = "2")]
    pub diagnostics: Vec<Diagnostic>,
}

/// The shape of the data that identify a resource.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ResourceIdentitySchema {
    /// Versioned apart from the resource's own schema; identities of different versions are never
    /// equal.
    #[prost(int64, tag = "1")]
    pub version: i64,
    /// The attributes.
    #[prost(message, repeated, tag = "2")]
    pub identity_attributes: Vec<IdentityAttribute>,
}

/// One attribute of an identity.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct IdentityAttribute {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The type constraint in JSON.
    #[prost(bytes = "vec", tag = "2")]
    pub r#type: Vec<u8>,
    /// It must be given on import.
    #[prost(bool, tag = "3")]
    pub required_for_import: bool,
    /// It may be given on import.
    #[prost(bool, tag = "4")]
    pub optional_for_import: bool,
    /// For people.
    #[prost(string, tag = "5")]
    pub description: String,
}

/// The answer to a wish to stop.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct StopProviderResponse {
    /// Why it cannot; empty if it can.
    #[prost(string, tag = "1")]
    pub error: String,
}
