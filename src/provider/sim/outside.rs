//! A simulated cloud from outside: what happens behind gov's back, and what the warden sees.
//!
//! For tests and simulations; no call of a provider leads here. Start with
//! [`SimCloud::warden`].

use crate::model::id::Marker;
use crate::model::value::Value;
use crate::provider::builtin::draft::configured;
use crate::provider::sim::client;
use crate::provider::sim::cloud::SimCloud;
use crate::provider::sim::cloud::SimObject;
use crate::provider::sim::fate::draw;
use crate::provider::sim::kinds;
use crate::provider::sim::kinds::Kind;
use crate::provider::sim::kinds::Search;
use crate::provider::sim::warden::WardenReport;
use crate::provider::sim::warden::Witness;

impl SimCloud {
    /// What really happened. For tests.
    #[must_use]
    pub fn warden(&self) -> WardenReport {
        let witness = |(id, object): (&String, &SimObject)| Witness {
            id: id.clone(),
            kind: object.kind.to_owned(),
            name: client::label(&object.value),
            environment: object.environment,
            marker: object.marker.clone(),
            tag_rule: kinds::find(object.kind).and_then(Kind::tag_rule),
            tags_at_create: object.tags_at_create.clone(),
        };
        WardenReport {
            calls: self.calls.clone(),
            markers: self.tallies.clone(),
            live: self.objects.iter().map(witness).collect(),
            effects: self.effects.clone(),
        }
    }

    /// The ids of objects of a type and name, in order.
    #[must_use]
    pub fn ids_of(&self, kind: &str, name: &str) -> Vec<String> {
        let is_meant = |(_, object): &(&String, &SimObject)| {
            object.kind == kind && client::label(&object.value) == name
        };
        self.objects.iter().filter(is_meant).map(|(id, _)| id.clone()).collect()
    }

    /// An attribute of an object as it really is.
    #[must_use]
    pub fn look(&self, id: &str, name: &str) -> Option<&Value> {
        self.objects.get(id)?.value.get(name)
    }

    /// Puts an object there that gov has not made. Returns its id, or nothing where there is no
    /// such type.
    pub fn plant(&mut self, kind: &str, config: &Value) -> Option<String> {
        let kind = kinds::find(kind)?;
        let id = match kind.search {
            Search::Name => client::link_id(config)?,
            _ => self.draw_id(&Marker(format!("planted {}", self.objects.len()))),
        };
        let block = kind.block();
        let members = configured(&block, config, &(kind.defaults)());
        self.insert(kind, id.clone(), members, None);
        Some(id)
    }

    /// Changes an attribute. Returns whether there was such an object with such an attribute.
    pub fn mutate(&mut self, id: &str, name: &str, value: Value) -> bool {
        match self.objects.get_mut(id) {
            Some(object) if object.value.get(name).is_some() => {
                object.value = client::with(&object.value, name, value.unmarked());
                true
            }
            _ => false,
        }
    }

    /// Deletes an object. Returns whether there was one.
    pub fn vanish(&mut self, id: &str) -> bool {
        let Some(object) = self.objects.remove(id) else { return false };
        if let Some(marker) = object.marker {
            let tally = self.tallies.entry(marker).or_default();
            tally.vanished += 1;
        }
        true
    }

    /// Drifts somehow: one object, drawn, is deleted or changes a drawn text. Returns its id.
    pub fn drift(&mut self) -> Option<String> {
        let drawn = draw(self.seed, &["drift"], self.tick);
        let count = u64::try_from(self.objects.len()).ok()?;
        let at = usize::try_from(drawn.checked_rem(count)?).ok()?;
        let (id, object) = self.objects.iter().nth(at)?;
        let (id, kind) = (id.clone(), kinds::find(object.kind)?);
        let attribute = kind.in_place.first().filter(|_| !(drawn >> 32).is_multiple_of(3));
        match attribute {
            Some(name) if matches!(*name, "content" | "endpoint") => {
                let text = format!("https://drifted-{}.invalid", drawn % 1000);
                self.mutate(&id, name, Value::string(text));
            }
            Some(name) => {
                self.mutate(&id, name, Value::number(1 + drawn % 1000));
            }
            None => {
                self.vanish(&id);
            }
        }
        Some(id)
    }
}
