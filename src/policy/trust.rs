//! The trust root: where authority lives.
//!
//! Ceilings, teams, published blueprints and what drift means are stated here and nowhere a
//! requester can write. Without a file the built-in trust root holds: small, short-lived and
//! local. INVARIANT (authority is not in the working folder).

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::model::digest::CanonicalError;
use crate::model::digest::Digest;
use crate::model::digest::Domain;
use crate::model::lifetime::Duration;
use crate::model::lifetime::Timestamp;
use crate::model::limits::Budget;
use crate::model::limits::Limits;
use crate::model::limits::TtlBounds;
use crate::model::money::Currency;
use crate::model::money::Money;

/// What to do about something without a price.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unpriced {
    /// Refuse it.
    #[default]
    Deny,
    /// Let it pass, and record that.
    Allow,
}

/// What to do about drift.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftAction {
    /// Say so.
    #[default]
    Alert,
    /// Undo it, when asked to remediate.
    Revert,
    /// Take it as intended, and record that.
    Accept,
}

/// A blueprint that the organisation stands behind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Its name.
    pub name: String,
    /// What environments of it may pass at most, in place of the ceiling.
    #[serde(default)]
    pub limits: Limits,
}

/// A team that environments can be charged to.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Team {
    /// What each of its environments may cost.
    pub budget: Budget,
}

/// A purpose that environments can have.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Purpose {
    /// What each environment of this purpose may cost.
    pub budget: Budget,
}

/// What an operation itself may take, whoever asks for it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Operation {
    /// How many provider calls may be under way at once.
    pub parallelism: Option<u32>,
    /// How long a run may begin new steps.
    pub runtime: Option<Duration>,
}

/// A rule on drift: the first that fits decides.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftRule {
    /// The resource type; every type where absent.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The attribute; every attribute where absent.
    pub attribute: Option<String>,
    /// What to do.
    pub action: DriftAction,
}

/// Drift that everybody knows of. It has an owner and an end, or it would hide things for ever.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// The resource type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The attribute.
    pub attribute: String,
    /// Who answers for ignoring it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Until when; it is drift again after.
    pub until: Timestamp,
}

/// What drift means.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DriftPolicy {
    /// Where no rule fits.
    pub default: DriftAction,
    /// The rules.
    pub rules: Vec<DriftRule>,
    /// Known noise.
    pub noise: Vec<Noise>,
}

impl DriftPolicy {
    /// What to do about drift of an attribute.
    #[must_use]
    pub fn action(&self, kind: &str, attribute: &str) -> DriftAction {
        let fits = |rule: &&DriftRule| {
            rule.kind.as_deref().is_none_or(|wanted| wanted == kind)
                && rule.attribute.as_deref().is_none_or(|wanted| wanted == attribute)
        };
        self.rules.iter().find(fits).map_or(self.default, |rule| rule.action)
    }

    /// The noise entry that covers an attribute now.
    #[must_use]
    pub fn noise(&self, kind: &str, attribute: &str, now: Timestamp) -> Option<&Noise> {
        let covers = |noise: &&Noise| {
            noise.kind == kind && noise.attribute == attribute && now < noise.until
        };
        self.noise.iter().find(covers)
    }
}

/// Everything authority says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trust {
    /// What no environment of an unpublished blueprint may pass.
    pub ceiling: Limits,
    /// What to do about things without a price.
    pub unpriced: Unpriced,
    /// What a type costs in a month that nobody else has priced, by its name.
    pub prices: BTreeMap<String, Money>,
    /// Teams; any may be named where none is listed.
    pub teams: BTreeMap<String, Team>,
    /// Purposes with a budget of their own, by the words that environments state.
    pub purposes: BTreeMap<String, Purpose>,
    /// Who answers for `cost`, `compliance`, `security` and `engineering`.
    pub owners: BTreeMap<String, String>,
    /// What operations may take.
    pub operation: Operation,
    /// Published blueprints by the digest of their text.
    pub published: BTreeMap<Digest, Published>,
    /// What drift means.
    pub drift: DriftPolicy,
}

/// The ceiling where nobody has set one: enough for a person's experiments on their own machine.
impl Default for Trust {
    fn default() -> Self {
        let dollars = |amount: i64| Money::new(amount.into(), Currency::USD);
        Self {
            ceiling: Limits {
                ttl: TtlBounds {
                    default: None,
                    max: Some(Duration::from_hours(7 * 24)),
                    max_total: Some(Duration::from_hours(30 * 24)),
                    grace: Some(Duration::from_hours(24)),
                },
                budget: Budget { monthly: Some(dollars(100)), total: Some(dollars(100)) },
                resources: Some(500),
                regions: None,
                on_expiry: None,
            },
            unpriced: Unpriced::Deny,
            prices: BTreeMap::new(),
            teams: BTreeMap::new(),
            purposes: BTreeMap::new(),
            owners: BTreeMap::new(),
            operation: Operation::default(),
            published: BTreeMap::new(),
            drift: DriftPolicy::default(),
        }
    }
}

impl Trust {
    /// Reads a trust root. What a file leaves out of the ceiling keeps its built-in value.
    ///
    /// # Errors
    /// What is wrong with the text, with its place. Nothing is taken from a file with an error.
    pub fn parse(source: &Source) -> Result<Self, Diagnostics> {
        let mut trust: Self = toml::from_str(&source.text).map_err(|error| {
            let diagnostic = Diagnostic::error(Code::InvalidTrust, error.message().to_owned());
            Diagnostics::from(match error.span() {
                Some(range) => diagnostic.at(Span::new(source, range)),
                None => diagnostic,
            })
        })?;
        let built_in = Self::default().ceiling;
        let ceiling = &mut trust.ceiling;
        ceiling.ttl.max = ceiling.ttl.max.or(built_in.ttl.max);
        ceiling.ttl.max_total = ceiling.ttl.max_total.or(built_in.ttl.max_total);
        ceiling.ttl.grace = ceiling.ttl.grace.or(built_in.ttl.grace);
        ceiling.budget.monthly = ceiling.budget.monthly.or(built_in.budget.monthly);
        ceiling.budget.total = ceiling.budget.total.or(built_in.budget.total);
        ceiling.resources = ceiling.resources.or(built_in.resources);
        Ok(trust)
    }

    /// What holds for environments of a blueprint, beside what the blueprint itself says: the
    /// published limits, or the ceiling for what is not published.
    #[must_use]
    pub fn bound(&self, blueprint: &Digest) -> &Limits {
        self.published.get(blueprint).map_or(&self.ceiling, |published| &published.limits)
    }

    /// The digest of everything it says: what decisions are made under.
    ///
    /// # Errors
    /// [`CanonicalError`], which is a bug.
    pub fn digest(&self) -> Result<Digest, CanonicalError> {
        Digest::of_canonical(Domain::Policy, self)
    }

    /// Names of the teams listed.
    #[must_use]
    pub fn team_names(&self) -> BTreeSet<&str> {
        self.teams.keys().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::DriftAction;
    use super::Trust;
    use crate::diagnostic::Source;
    use crate::model::lifetime::Timestamp;

    #[test]
    fn a_file_narrows_or_widens_the_ceiling_and_typing_errors_are_found() {
        let text = "[ceiling]\nresources = 7\n\
                    [drift]\nrules = [{ attribute = \"mode\", action = \"accept\" }]\n";
        let trust = Trust::parse(&Source::new("trust.toml", text)).unwrap();
        assert_eq!(trust.ceiling.resources, Some(7));
        assert_eq!(trust.ceiling.budget, Trust::default().ceiling.budget);
        assert_eq!(trust.drift.action("local_file", "mode"), DriftAction::Accept);
        assert_eq!(trust.drift.action("local_file", "content"), DriftAction::Alert);
        assert!(Trust::parse(&Source::new("trust.toml", "ceilling = {}")).is_err());
    }

    /// G17: a noise entry ends; after that, drift is drift again.
    #[test]
    fn g17_noise_has_an_end() {
        let text = "[[drift.noise]]\ntype = \"a\"\nattribute = \"b\"\nowner = \"ann\"\n\
                    reason = \"r\"\nuntil = \"2026-01-01T00:00:00Z\"\n";
        let trust = Trust::parse(&Source::new("trust.toml", text)).unwrap();
        let end = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        let before = Timestamp::from_millis(end.as_millis() - 1);
        assert!(trust.drift.noise("a", "b", before).is_some());
        assert!(trust.drift.noise("a", "b", end).is_none());
    }
}
