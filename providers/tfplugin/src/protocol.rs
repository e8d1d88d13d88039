//! The two protocol versions and the names that their calls go by.
//!
//! Requests and answers carry the same field numbers in both versions, so only the path of a call
//! differs. The one exception, the schema of an attribute, is the business of
//! [`crate::wire::schema`].

use std::fmt;

/// A major version of the plugin protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Version 5, minor versions up to 5.10.
    V5,
    /// Version 6, minor versions up to 6.10.
    V6,
}

impl Protocol {
    /// Every version spoken here, in the form in which a plugin is told.
    pub const OFFERED: &'static str = "5,6";

    /// The version with this major number, if it is spoken here.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        match number {
            5 => Some(Self::V5),
            6 => Some(Self::V6),
            _ => None,
        }
    }

    /// The major number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::V5 => 5,
            Self::V6 => 6,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// A call that this crate can make. Named as version 6 names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Which types there are, without their schemas.
    GetMetadata,
    /// All schemas; version 5 calls it `GetSchema`.
    GetProviderSchema,
    /// The schemas of resource identities.
    GetResourceIdentitySchemas,
    /// Checks a provider configuration; version 5 calls it `PrepareProviderConfig`.
    ValidateProviderConfig,
    /// Checks a resource configuration; version 5 calls it `ValidateResourceTypeConfig`.
    ValidateResourceConfig,
    /// Checks a data source configuration; version 5 calls it `ValidateDataSourceConfig`.
    ValidateDataResourceConfig,
    /// Checks an ephemeral resource configuration.
    ValidateEphemeralResourceConfig,
    /// Hands over the provider configuration; version 5 calls it `Configure`.
    ConfigureProvider,
    /// Brings stored state to the current schema.
    UpgradeResourceState,
    /// Brings a stored identity to the current identity schema.
    UpgradeResourceIdentity,
    /// Reads the real thing.
    ReadResource,
    /// Proposes a change.
    PlanResourceChange,
    /// Performs a change.
    ApplyResourceChange,
    /// Finds an existing thing by its id or identity.
    ImportResourceState,
    /// Takes over the state of another resource type.
    MoveResourceState,
    /// Writes a configuration that would give a state.
    GenerateResourceConfig,
    /// Reads a data source.
    ReadDataSource,
    /// The signatures of the provider's functions.
    GetFunctions,
    /// Calls a function.
    CallFunction,
    /// Obtains a short-lived thing.
    OpenEphemeralResource,
    /// Prolongs a short-lived thing.
    RenewEphemeralResource,
    /// Gives a short-lived thing back.
    CloseEphemeralResource,
    /// Asks the provider to end what it is doing; version 5 calls it `Stop`.
    StopProvider,
    /// The plugin's redirected standard output and error, as a stream.
    StreamStdio,
    /// Asks the plugin process to end.
    Shutdown,
}

/// The path of a call in both versions.
struct Paths {
    v5: &'static str,
    v6: &'static str,
}

macro_rules! provider_paths {
    ($v5:literal, $v6:literal) => {
        Paths { v5: concat!("/tfplugin5.Provider/", $v5), v6: concat!("/tfplugin6.Provider/", $v6) }
    };
    ($both:literal) => {
        provider_paths!($both, $both)
    };
}

macro_rules! plugin_paths {
    ($both:literal) => {
        Paths { v5: concat!("/plugin.", $both), v6: concat!("/plugin.", $both) }
    };
}

impl Method {
    /// Every call, for whoever wants to tabulate them.
    pub const ALL: [Self; 25] = [
        Self::GetMetadata,
        Self::GetProviderSchema,
        Self::GetResourceIdentitySchemas,
        Self::ValidateProviderConfig,
        Self::ValidateResourceConfig,
        Self::ValidateDataResourceConfig,
        Self::ValidateEphemeralResourceConfig,
        Self::ConfigureProvider,
        Self::UpgradeResourceState,
        Self::UpgradeResourceIdentity,
        Self::ReadResource,
        Self::PlanResourceChange,
        Self::ApplyResourceChange,
        Self::ImportResourceState,
        Self::MoveResourceState,
        Self::GenerateResourceConfig,
        Self::ReadDataSource,
        Self::GetFunctions,
        Self::CallFunction,
        Self::OpenEphemeralResource,
        Self::RenewEphemeralResource,
        Self::CloseEphemeralResource,
        Self::StopProvider,
        Self::StreamStdio,
        Self::Shutdown,
    ];

    /// The HTTP/2 path of this call.
    #[must_use]
    pub fn path(self, protocol: Protocol) -> &'static str {
        let paths = self.paths();
        match protocol {
            Protocol::V5 => paths.v5,
            Protocol::V6 => paths.v6,
        }
    }

    /// Whether the call may change something outside the plugin, so that losing its answer leaves
    /// the outcome unknown.
    ///
    /// Reading a data source counts as changing nothing, as the protocol promises.
    #[must_use]
    pub fn has_effect(self) -> bool {
        matches!(
            self,
            Self::ApplyResourceChange
                | Self::OpenEphemeralResource
                | Self::RenewEphemeralResource
                | Self::CloseEphemeralResource
        )
    }

    fn paths(self) -> Paths {
        match self {
            Self::GetMetadata => provider_paths!("GetMetadata"),
            Self::GetProviderSchema => provider_paths!("GetSchema", "GetProviderSchema"),
            Self::GetResourceIdentitySchemas => provider_paths!("GetResourceIdentitySchemas"),
            Self::ValidateProviderConfig => {
                provider_paths!("PrepareProviderConfig", "ValidateProviderConfig")
            }
            Self::ValidateResourceConfig => {
                provider_paths!("ValidateResourceTypeConfig", "ValidateResourceConfig")
            }
            Self::ValidateDataResourceConfig => {
                provider_paths!("ValidateDataSourceConfig", "ValidateDataResourceConfig")
            }
            Self::ValidateEphemeralResourceConfig => {
                provider_paths!("ValidateEphemeralResourceConfig")
            }
            Self::ConfigureProvider => provider_paths!("Configure", "ConfigureProvider"),
            Self::UpgradeResourceState => provider_paths!("UpgradeResourceState"),
            Self::UpgradeResourceIdentity => provider_paths!("UpgradeResourceIdentity"),
            Self::ReadResource => provider_paths!("ReadResource"),
            Self::PlanResourceChange => provider_paths!("PlanResourceChange"),
            Self::ApplyResourceChange => provider_paths!("ApplyResourceChange"),
            Self::ImportResourceState => provider_paths!("ImportResourceState"),
            Self::MoveResourceState => provider_paths!("MoveResourceState"),
            Self::GenerateResourceConfig => provider_paths!("GenerateResourceConfig"),
            Self::ReadDataSource => provider_paths!("ReadDataSource"),
            Self::GetFunctions => provider_paths!("GetFunctions"),
            Self::CallFunction => provider_paths!("CallFunction"),
            Self::OpenEphemeralResource => provider_paths!("OpenEphemeralResource"),
            Self::RenewEphemeralResource => provider_paths!("RenewEphemeralResource"),
            Self::CloseEphemeralResource => provider_paths!("CloseEphemeralResource"),
            Self::StopProvider => provider_paths!("Stop", "StopProvider"),
            Self::StreamStdio => plugin_paths!("GRPCStdio/StreamStdio"),
            Self::Shutdown => plugin_paths!("GRPCController/Shutdown"),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_path_is_a_valid_and_distinct_uri_path() {
        for protocol in [Protocol::V5, Protocol::V6] {
            let paths: BTreeSet<_> =
                Method::ALL.iter().map(|method| method.path(protocol)).collect();
            assert_eq!(paths.len(), Method::ALL.len());
            for path in paths {
                path.parse::<hyper::http::uri::PathAndQuery>().unwrap();
            }
        }
    }

    #[test]
    fn version_five_has_its_own_names() {
        let renamed: Vec<_> = Method::ALL
            .into_iter()
            .filter(|method| {
                let name = |protocol| method.path(protocol).rsplit('/').next().unwrap();
                name(Protocol::V5) != name(Protocol::V6)
            })
            .collect();
        assert_eq!(
            renamed,
            [
                Method::GetProviderSchema,
                Method::ValidateProviderConfig,
                Method::ValidateResourceConfig,
                Method::ValidateDataResourceConfig,
                Method::ConfigureProvider,
                Method::StopProvider,
            ]
        );
        assert_eq!(Method::StopProvider.path(Protocol::V5), "/tfplugin5.Provider/Stop");
    }

    #[test]
    fn numbers_go_both_ways() {
        for protocol in [Protocol::V5, Protocol::V6] {
            assert_eq!(Protocol::from_number(protocol.number()), Some(protocol));
        }
        assert_eq!(Protocol::from_number(4), None);
        assert_eq!(Protocol::OFFERED, "5,6");
    }
}
