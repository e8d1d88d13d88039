//! How long a call may take.
//!
//! These are backstops against a plugin that hangs, not budgets: providers have time-outs of their
//! own, which a person can set for each resource, and ours must not fire before theirs.

use std::time::Duration;

use crate::protocol::Method;

/// Schemas are computed from what is compiled in. The largest takes half a second on a quiet
/// machine; two minutes allow for a badly overloaded one.
const DESCRIBE_SECONDS_MAX: u64 = 2 * 60;

/// Checks may wait for credentials, and some for an API. Ten minutes is longer than any chain of
/// credential sources tries.
const CHECK_SECONDS_MAX: u64 = 10 * 60;

/// Reading may wait for a thing to settle, as some data sources do.
const OBSERVE_SECONDS_MAX: u64 = 2 * 60 * 60;

/// The longest defaults found in providers are a few hours (databases, network gateways).
const ACT_SECONDS_MAX: u64 = 24 * 60 * 60;

/// Stopping answers before anything has stopped, and shutting down is followed by a kill.
const CONTROL_SECONDS_MAX: u64 = 10;

/// How long calls may take, by what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Calls about schemas and functions.
    pub describe: Duration,
    /// Calls that validate, configure, upgrade, plan and compute.
    pub check: Duration,
    /// Calls that read the real world.
    pub observe: Duration,
    /// Calls that change it.
    pub act: Duration,
    /// Calls that steer the plugin itself.
    pub control: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            describe: Duration::from_secs(DESCRIBE_SECONDS_MAX),
            check: Duration::from_secs(CHECK_SECONDS_MAX),
            observe: Duration::from_secs(OBSERVE_SECONDS_MAX),
            act: Duration::from_secs(ACT_SECONDS_MAX),
            control: Duration::from_secs(CONTROL_SECONDS_MAX),
        }
    }
}

impl Deadlines {
    /// How long this call may take.
    #[must_use]
    pub fn of(&self, method: Method) -> Duration {
        match method {
            Method::GetMetadata
            | Method::GetProviderSchema
            | Method::GetResourceIdentitySchemas
            | Method::GetFunctions => self.describe,
            Method::ValidateProviderConfig
            | Method::ValidateResourceConfig
            | Method::ValidateDataResourceConfig
            | Method::ValidateEphemeralResourceConfig
            | Method::ConfigureProvider
            | Method::UpgradeResourceState
            | Method::UpgradeResourceIdentity
            | Method::PlanResourceChange
            | Method::MoveResourceState
            | Method::GenerateResourceConfig
            | Method::CallFunction => self.check,
            Method::ReadResource | Method::ImportResourceState | Method::ReadDataSource => {
                self.observe
            }
            Method::ApplyResourceChange
            | Method::OpenEphemeralResource
            | Method::RenewEphemeralResource
            | Method::CloseEphemeralResource => self.act,
            Method::StopProvider | Method::StreamStdio | Method::Shutdown => self.control,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_an_effect_may_take_longest() {
        let deadlines = Deadlines::default();
        for method in Method::ALL {
            assert_eq!(deadlines.of(method) == deadlines.act, method.has_effect(), "{method}");
        }
    }
}
