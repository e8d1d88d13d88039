//! The warden: what really happened in a simulated cloud, for tests to assert on.
//!
//! It sees the effects and not the answers, and belongs to the test: gov never asks it. Start with
//! [`WardenReport::complaints`].

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::model::id::EnvironmentId;
use crate::model::id::Marker;
use crate::provider::TagRule;
use crate::provider::sim::fate::Act;

/// What a cloud holds and has done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WardenReport {
    /// Calls that reached the cloud's door, by kind; calls that were lost count too.
    pub calls: BTreeMap<Act, u64>,
    /// Effects by the marker of the object's create, in the order of markers.
    pub markers: BTreeMap<Marker, Tally>,
    /// Objects that exist, in the order of their ids.
    pub live: Vec<Witness>,
    /// Effects in order, oldest first; see [`EFFECTS_MAX`].
    pub effects: Vec<Effect>,
}

/// Most effects remembered; a longer test has no use for its beginning.
pub const EFFECTS_MAX: usize = 100_000;

/// What was done under one marker.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Objects made.
    pub creates: u64,
    /// Objects deleted by calls.
    pub deletes: u64,
    /// Objects that went behind gov's back.
    pub vanished: u64,
}

/// One object that exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Witness {
    /// What the cloud calls it.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Its name: the attribute `name`, or `from->to` of a link.
    pub name: String,
    /// The environment that was configured when it was made.
    pub environment: Option<EnvironmentId>,
    /// What its create carried; absent for what was there before gov.
    pub marker: Option<Marker>,
    /// Where tags go, for types that have any.
    pub tag_rule: Option<TagRule>,
    /// The tags in the create call itself.
    pub tags_at_create: BTreeMap<String, String>,
}

/// One thing that happened in a cloud.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Effect {
    /// When.
    pub tick: u64,
    /// What: a create, an update or a delete.
    pub act: Act,
    /// The type of the object.
    pub kind: String,
    /// The name of the object.
    pub name: String,
    /// What the cloud calls it.
    pub id: String,
}

impl WardenReport {
    /// How many objects were made.
    #[must_use]
    pub fn creates(&self) -> u64 {
        self.markers.values().map(|tally| tally.creates).sum()
    }

    /// How many objects were deleted by calls.
    #[must_use]
    pub fn deletes(&self) -> u64 {
        self.markers.values().map(|tally| tally.deletes).sum()
    }

    /// How many calls of this kind came.
    #[must_use]
    pub fn calls_of(&self, act: Act) -> u64 {
        self.calls.get(&act).copied().unwrap_or(0)
    }

    /// Live objects that share a marker, or environment, type and name: made twice.
    #[must_use]
    pub fn doubles(&self) -> Vec<String> {
        let mut markers = BTreeSet::new();
        let mut names = BTreeSet::new();
        let mut found = Vec::new();
        for witness in self.live.iter().filter(|witness| witness.marker.is_some()) {
            let Witness { id, kind, name, environment, marker, .. } = witness;
            if !markers.insert(marker) {
                found.push(format!("{kind} `{name}` ({id}) shares its marker with another"));
            } else if !names.insert((environment, kind, name)) {
                found.push(format!("{kind} `{name}` ({id}) exists twice in its environment"));
            }
        }
        found
    }

    /// Live objects of types with tags whose create lacked one of these tags.
    #[must_use]
    pub fn untagged(&self, keys: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for witness in self.live.iter().filter(|witness| witness.marker.is_some()) {
            let Some(rule) = &witness.tag_rule else { continue };
            for key in keys {
                if !witness.tags_at_create.contains_key(&escaped(rule, key)) {
                    let Witness { id, kind, name, .. } = witness;
                    found.push(format!("{kind} `{name}` ({id}) was made without the tag {key}"));
                }
            }
        }
        found
    }

    /// Everything that must never be: doubles, untagged objects, and markers under which more was
    /// made than once while nothing of it went.
    #[must_use]
    pub fn complaints(&self, tag_keys: &[&str]) -> Vec<String> {
        let mut found = self.doubles();
        found.extend(self.untagged(tag_keys));
        for (marker, tally) in &self.markers {
            if tally.creates > tally.deletes + tally.vanished + 1 {
                found.push(format!("{} objects were made under marker {marker}", tally.creates));
            }
        }
        found
    }
}

/// A tag's key as a provider with this rule takes it.
fn escaped(rule: &TagRule, key: &str) -> String {
    key.chars()
        .map(|c| if c.is_alphanumeric() || rule.key_extra.contains(c) { c } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Tally;
    use super::WardenReport;
    use super::Witness;
    use crate::model::id::Marker;
    use crate::provider::TagRule;

    fn witness(id: &str, name: &str, marker: &str) -> Witness {
        Witness {
            id: id.into(),
            kind: "sim_object".into(),
            name: name.into(),
            environment: None,
            marker: Some(Marker(marker.into())),
            tag_rule: Some(TagRule { attribute: "tags".into(), key_extra: "-".into(), text: None }),
            tags_at_create: [("gov_owner".to_owned(), "ada".to_owned())].into(),
        }
    }

    fn report(live: Vec<Witness>) -> WardenReport {
        WardenReport { live, ..WardenReport::default() }
    }

    #[test]
    fn doubles_are_seen_by_marker_and_by_name() {
        let apart = report(vec![witness("1", "a", "m1"), witness("2", "b", "m2")]);
        assert!(apart.complaints(&["gov:owner"]).is_empty());
        assert_eq!(report(vec![witness("1", "a", "m"), witness("2", "b", "m")]).doubles().len(), 1);
        assert_eq!(report(vec![witness("1", "a", "m"), witness("2", "a", "n")]).doubles().len(), 1);
    }

    /// G10: a tag that came only after the create counts as missing.
    #[test]
    fn g10_tags_are_looked_for_in_the_create_call() {
        let report = report(vec![witness("1", "a", "m")]);
        assert_eq!(report.untagged(&["gov:owner", "gov:team"]).len(), 1);
    }

    #[test]
    fn a_create_too_many_is_seen_in_the_tally() {
        let tally = Tally { creates: 2, deletes: 0, vanished: 0 };
        let mut report = WardenReport::default();
        report.markers.insert(Marker("m".into()), tally);
        assert_eq!(report.complaints(&[]).len(), 1);
    }
}
