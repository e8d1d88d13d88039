//! What expressions see: inputs, locals, the environment's own facts, resources, and the names of
//! the instance they are evaluated for. The same for planning and for applying.

use std::collections::BTreeMap;

use crate::blueprint::expr::Reference;
use crate::blueprint::expr::Scope;
use crate::model::address::InstanceKey;
use crate::model::address::ResourceName;
use crate::model::environment::EnvironmentRecord;
use crate::model::id::EnvironmentId;
use crate::model::value::Value;

/// Values of everything known so far.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// Inputs by name.
    pub inputs: BTreeMap<String, Value>,
    /// Locals by name, those evaluated.
    pub locals: BTreeMap<String, Value>,
    /// The environment's own facts by name.
    pub environment: BTreeMap<String, Value>,
    /// Instances by block; a block is here once all of its instances are.
    pub resources: BTreeMap<ResourceName, BTreeMap<InstanceKey, Value>>,
    /// Blocks that repeat, so that one without instances is an empty list or map.
    pub shapes: BTreeMap<ResourceName, Shape>,
}

/// How a block repeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// One instance.
    Single,
    /// By `count`: a list.
    List,
    /// By `for_each`: a map.
    Map,
}

impl Values {
    /// The facts of an environment that expressions may use.
    #[must_use]
    pub fn environment_facts(
        id: EnvironmentId,
        record: &EnvironmentRecord,
    ) -> BTreeMap<String, Value> {
        let identity = &record.identity;
        [
            ("id", id.to_string()),
            ("name", record.name.clone()),
            ("owner", identity.owner.clone()),
            ("team", identity.team.clone()),
            ("project", identity.project.clone()),
            ("purpose", identity.purpose.clone()),
        ]
        .into_iter()
        .map(|(name, text)| (name.to_owned(), Value::string(text)))
        .collect()
    }

    /// A block as expressions see it.
    fn block(&self, name: &ResourceName) -> Option<Value> {
        let shape = self.shapes.get(name)?;
        let instances = self.resources.get(name)?;
        match shape {
            Shape::Single => instances.values().next().cloned(),
            Shape::List => Some(Value::list(instances.values().cloned().collect())),
            Shape::Map => {
                Some(Value::object(instances.iter().filter_map(|(key, value)| match key {
                    InstanceKey::Key(key) => Some((key.clone(), value.clone())),
                    _ => None,
                })))
            }
        }
    }

    /// These values, seen from one instance.
    #[must_use]
    pub fn within<'a>(&'a self, own: &'a Own) -> Within<'a> {
        Within { values: self, own }
    }
}

/// The instance's own names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Own {
    /// None.
    Single,
    /// `count.index`.
    Count(usize),
    /// `each.key` and `each.value`.
    Item {
        /// The key.
        key: String,
        /// The value.
        value: Value,
    },
}

/// Values as one instance sees them.
pub struct Within<'a> {
    values: &'a Values,
    own: &'a Own,
}

impl Scope for Within<'_> {
    fn value(&self, reference: &Reference) -> Option<Value> {
        match (reference, self.own) {
            (Reference::Input(name), _) => self.values.inputs.get(name).cloned(),
            (Reference::Local(name), _) => self.values.locals.get(name).cloned(),
            (Reference::Env(name), _) => self.values.environment.get(name).cloned(),
            (Reference::Resource(name), _) => self.values.block(name),
            (Reference::Count, Own::Count(index)) => {
                Some(Value::object([("index", Value::number(*index))]))
            }
            (Reference::Each, Own::Item { key, value }) => {
                Some(Value::object([("key", Value::string(key.clone())), ("value", value.clone())]))
            }
            _ => None,
        }
    }
}
