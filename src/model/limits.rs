//! Limits: what no environment may pass. A blueprint, an environment and the ceiling of the trust
//! root each state some; what holds is the tightest of all.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;

use crate::model::lifetime::Duration;
use crate::model::lifetime::TtlLimits;
use crate::model::money::Money;
use crate::model::money::MoneyError;

/// The only region of a blueprint that declares none: this machine.
pub const REGION_LOCAL: &str = "local";

/// What becomes of data-bearing resources when the environment expires.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnExpiry {
    /// They are held until a human authorises deleting them.
    #[default]
    KeepData,
    /// They go with the rest: whoever made the environment consented to it.
    DeleteData,
}

/// Amounts that an environment may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Budget {
    /// In a month of running.
    pub monthly: Option<Money>,
    /// In its whole life.
    pub total: Option<Money>,
}

impl Budget {
    /// Whether no amount is stated.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.monthly.is_none() && self.total.is_none()
    }

    /// The smaller of each amount; a stated one beats none.
    ///
    /// # Errors
    /// Where two amounts are in different currencies.
    pub fn tighten(&self, other: &Self) -> Result<Self, MoneyError> {
        Ok(Self {
            monthly: tighter(self.monthly, other.monthly)?,
            total: tighter(self.total, other.total)?,
        })
    }
}

fn tighter(a: Option<Money>, b: Option<Money>) -> Result<Option<Money>, MoneyError> {
    match (a, b) {
        (Some(a), Some(b)) => Ok(Some(if a.exceeds(&b)? { b } else { a })),
        (one, other) => Ok(one.or(other)),
    }
}

/// What a blueprint or a ceiling states; what it leaves out it does not limit.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// How long an environment may live.
    pub ttl: TtlBounds,
    /// What it may cost.
    pub budget: Budget,
    /// How many resources it may have.
    pub resources: Option<u32>,
    /// Where its resources may lie.
    pub regions: Option<BTreeSet<String>>,
    /// What becomes of its data.
    pub on_expiry: Option<OnExpiry>,
}

/// The stated parts of a [`TtlLimits`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TtlBounds {
    /// The first grant where none is asked for.
    pub default: Option<Duration>,
    /// The longest single grant.
    pub max: Option<Duration>,
    /// The longest whole life.
    pub max_total: Option<Duration>,
    /// The courtesy after expiry.
    pub grace: Option<Duration>,
}

impl TtlBounds {
    /// The tighter of each part.
    #[must_use]
    pub fn tighten(&self, other: &Self) -> Self {
        let min = |a: Option<Duration>, b: Option<Duration>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self {
            default: min(self.default, other.default),
            max: min(self.max, other.max),
            max_total: min(self.max_total, other.max_total),
            grace: min(self.grace, other.grace),
        }
    }

    /// The whole limits, where a longest grant is stated by somebody.
    #[must_use]
    pub fn complete(&self) -> Option<TtlLimits> {
        let max_total = self.max_total.or(self.max)?;
        let max = self.max.unwrap_or(max_total).min(max_total);
        Some(TtlLimits {
            default: self.default.unwrap_or(max).min(max),
            max,
            max_total,
            grace: self.grace.unwrap_or(Duration::ZERO),
        })
    }
}

impl Limits {
    /// What holds where both hold: the tightest of each part. Deleting data needs both to say so.
    ///
    /// # Errors
    /// Where budgets are in different currencies.
    pub fn tighten(&self, other: &Self) -> Result<Self, MoneyError> {
        let regions = match (&self.regions, &other.regions) {
            (Some(a), Some(b)) => Some(a.intersection(b).cloned().collect()),
            (one, two) => one.clone().or_else(|| two.clone()),
        };
        Ok(Self {
            ttl: self.ttl.tighten(&other.ttl),
            budget: self.budget.tighten(&other.budget)?,
            resources: match (self.resources, other.resources) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (one, two) => one.or(two),
            },
            regions,
            on_expiry: match (self.on_expiry, other.on_expiry) {
                (Some(OnExpiry::KeepData), _) | (_, Some(OnExpiry::KeepData)) => {
                    Some(OnExpiry::KeepData)
                }
                (one, two) => one.or(two),
            },
        })
    }

    /// Whether a resource may lie in this region. A blueprint that declares none stays local.
    #[must_use]
    pub fn allows_region(&self, region: &str) -> bool {
        match &self.regions {
            Some(regions) => regions.contains(region),
            None => region == REGION_LOCAL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Limits;
    use super::OnExpiry;
    use super::TtlBounds;

    /// G12: the limits of two sources combine to the tighter one, part by part, either way round.
    #[test]
    fn g12_limits_tighten() {
        let bounds = |default: Option<&str>, max: &str| TtlBounds {
            default: default.map(|text| text.parse().unwrap()),
            max: Some(max.parse().unwrap()),
            max_total: Some("72h".parse().unwrap()),
            grace: None,
        };
        let blueprint = Limits {
            ttl: bounds(Some("8h"), "24h"),
            on_expiry: Some(OnExpiry::DeleteData),
            ..Limits::default()
        };
        let ceiling = Limits {
            ttl: bounds(None, "4h"),
            resources: Some(5),
            on_expiry: Some(OnExpiry::KeepData),
            ..Limits::default()
        };
        let both = blueprint.tighten(&ceiling).unwrap();
        assert_eq!(both, ceiling.tighten(&blueprint).unwrap());
        assert_eq!(both.resources, Some(5));
        assert_eq!(both.on_expiry, Some(OnExpiry::KeepData));
        // A default above the longest grant is cut to it.
        let ttl = both.ttl.complete().unwrap();
        assert_eq!((ttl.default.to_string(), ttl.max.to_string()), ("4h".into(), "4h".into()));
    }
}
