//! Messages about ephemeral resources: things that exist for the length of a run and are never
//! stored, such as a token.

use prost::Message;

use super::ClientCapabilities;
use super::Deferred;
use super::Diagnostic;
use super::DynamicValue;
use super::Timestamp;
use super::discreet;

/// Asks whether a configuration is acceptable.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ValidateEphemeralResourceConfigRequest {
    /// The type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// The configuration.
    #[prost(message, optional, tag = "2")]
    pub config: Option<DynamicValue>,
}

/// The verdict on a configuration.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ValidateEphemeralResourceConfigResponse {
    /// Warnings and errors.
    #[prost(message, repeated, tag = "1")]
    pub diagnostics: Vec<Diagnostic>,
}

/// Obtains the thing.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct OpenEphemeralResourceRequest {
    /// The type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// The configuration.
    #[prost(message, optional, tag = "2")]
    pub config: Option<DynamicValue>,
    /// What the host can do.
    #[prost(message, optional, tag = "3")]
    pub client_capabilities: Option<ClientCapabilities>,
}

/// The thing.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct OpenEphemeralResourceResponse {
    /// Warnings and errors.
    #[prost(message, repeated, tag = "1")]
    pub diagnostics: Vec<Diagnostic>,
    /// When it has to be renewed.
    #[prost(message, optional, tag = "2")]
    pub renew_at: Option<Timestamp>,
    /// Its value.
    #[prost(message, optional, tag = "3")]
    pub result: Option<DynamicValue>,
    /// Bytes to send with the next renewal or the closing.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub private: Option<Vec<u8>>,
    /// Set if the provider wants to put it off.
    #[prost(message, optional, tag = "5")]
    pub deferred: Option<Deferred>,
}
discreet!(OpenEphemeralResourceResponse { diagnostics, renew_at, deferred });

/// Prolongs the thing.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct RenewEphemeralResourceRequest {
    /// The type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// The bytes of the opening or of the last renewal.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub private: Option<Vec<u8>>,
}
discreet!(RenewEphemeralResourceRequest { type_name });

/// The outcome of a renewal.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct RenewEphemeralResourceResponse {
    /// Warnings and errors.
    #[prost(message, repeated, tag = "1")]
    pub diagnostics: Vec<Diagnostic>,
    /// When it has to be renewed again.
    #[prost(message, optional, tag = "2")]
    pub renew_at: Option<Timestamp>,
    /// Bytes to send with the next renewal or the closing.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub private: Option<Vec<u8>>,
}
discreet!(RenewEphemeralResourceResponse { diagnostics, renew_at });

/// Gives the thing back.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct CloseEphemeralResourceRequest {
    /// The type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// The bytes of the opening or of the last renewal.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub private: Option<Vec<u8>>,
}
discreet!(CloseEphemeralResourceRequest { type_name });

/// The outcome of the closing.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CloseEphemeralResourceResponse {
    /// Warnings and errors.
    #[prost(message, repeated, tag = "1")]
    pub diagnostics: Vec<Diagnostic>,
}
