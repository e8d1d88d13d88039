//! Providers: clients that propose, read and apply changes to one family of resources.
//!
//! The contract is data: a [`Call`] goes in, an [`Answer`] or a [`Failure`] comes out. Machines on
//! the floors above produce calls and consume answers without touching a provider; a driver
//! performs them. The contract holds what Terraform's plugin protocol needs, and nothing of it
//! shows that Terraform exists. Start with [`Provider`], then [`Call`].

pub mod builtin;
pub mod catalog;
pub mod sim;
pub mod terraform;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::model::cost::Cost;
use crate::model::environment::Private;
use crate::model::id::EnvironmentId;
use crate::model::id::Marker;
use crate::model::lifetime::Timestamp;
use crate::model::schema::Schema;
use crate::model::value::Kind;
use crate::model::value::Path;
use crate::model::value::Value;

/// A boxed future: the trait is used behind `dyn`.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A provider, running. One value per provider configuration and command.
///
/// Implementations never panic, bound their own time and output, and may be called concurrently.
pub trait Provider: Send + Sync {
    /// What this provider offers. The same for the whole life of the value.
    fn offer(&self) -> Arc<Offer>;

    /// Performs one call.
    fn call<'a>(&'a self, call: Call) -> Pending<'a, Reply>;

    /// Asks for calls in flight to end soon; they still answer. For an interrupt.
    fn stop<'a>(&'a self) -> Pending<'a, ()>;
}

/// Schemas and facts of everything a provider offers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Offer {
    /// The provider's own configuration.
    pub config: Schema,
    /// Resource types that can be made.
    pub resources: BTreeMap<String, Arc<TypeOffer>>,
    /// Types that can only be read, as `data`.
    pub data: BTreeMap<String, Arc<TypeOffer>>,
}

/// One type with what gov knows of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TypeOffer {
    /// The schema, at its present version.
    pub schema: Schema,
    /// What governance needs to know.
    pub governance: Governance,
}

/// What gov knows of a type beside its schema. The defaults claim nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Governance {
    /// Where environment id, owner, team, project and purpose go in the create call.
    pub tags: Option<TagRule>,
    /// Where the resource lies.
    pub region: RegionRule,
    /// Whether deleting it may delete data.
    pub bears_data: bool,
    /// Kinds of act judged on their own, such as `run-command`.
    pub classes: BTreeSet<String>,
    /// What it costs, where that needs no price book.
    pub price: PriceRule,
    /// Attributes that hold third-party endpoints; each must be a declared integration.
    pub endpoints: BTreeSet<String>,
    /// Further classes, which only some values make.
    pub conditions: Vec<Condition>,
}

/// A kind of act that only some values of an attribute make it, such as opening a port to
/// everybody.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Condition {
    /// The class that it adds.
    pub class: String,
    /// The attribute, step by step; items of collections on the way are all looked at.
    pub attribute: Vec<String>,
    /// Texts that the attribute is then, a bool or number being its text.
    pub is: BTreeSet<String>,
    /// Texts that the attribute begins with then.
    pub begins: BTreeSet<String>,
}

impl Condition {
    /// Whether an object meets it. What is not known yet counts as meeting it.
    #[must_use]
    pub fn holds(&self, object: &Value) -> bool {
        self.holds_from(object, &self.attribute)
    }

    fn holds_from(&self, value: &Value, steps: &[String]) -> bool {
        // INVARIANT (unknown is never free or allowed).
        if value.is_unknown() {
            return true;
        }
        if let Some(items) = value.as_items() {
            return items.iter().any(|item| self.holds_from(item, steps));
        }
        match (steps.split_first(), value.as_map()) {
            (Some((name, rest)), Some(members)) => match members.get(name) {
                Some(member) => self.holds_from(member, rest),
                // Not an attribute of this object: the keys of a map are passed over.
                None => members
                    .values()
                    .any(|member| member.as_map().is_some() && self.holds_from(member, steps)),
            },
            (None, Some(members)) => members.values().any(|member| self.holds_from(member, &[])),
            (None, None) => {
                let text = match value.kind() {
                    Kind::String(text) => text.clone(),
                    Kind::Bool(truth) => truth.to_string(),
                    Kind::Number(number) => number.to_string(),
                    _ => return false,
                };
                self.is.contains(&text) || self.begins.iter().any(|start| text.starts_with(start))
            }
            (Some(_), None) => false,
        }
    }
}

/// Where tags go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TagRule {
    /// The attribute, a map of text.
    pub attribute: String,
    /// Characters a tag key may have beside letters and digits; others become `_`.
    pub key_extra: String,
    /// What the text of a tag may be; absent where it may be any.
    pub text: Option<TagText>,
}

/// What the text of a tag may be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TagText {
    /// Characters it may have beside letters and digits; others become `_`.
    pub extra: String,
    /// How many characters it may have; the rest is cut off.
    pub chars_max: usize,
}

/// Where a resource lies.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum RegionRule {
    /// On this machine.
    #[default]
    Local,
    /// Nowhere in particular: the type has no place.
    Global,
    /// The attribute says it.
    Attribute(String),
    /// The provider's configuration says it, under this attribute.
    Provider(String),
}

/// What a type costs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum PriceRule {
    /// Nobody has said; refused unless a price is declared.
    #[default]
    Unmapped,
    /// Nothing, and why.
    Free {
        /// The reason, in a sentence.
        reason: String,
    },
    /// A monthly cost that the provider itself declares.
    Declared(Cost),
}

/// A real object, live.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveObject {
    /// Its attributes, conformed to the schema, marked by it.
    pub value: Value,
    /// The provider's own bytes.
    pub private: Private,
}

/// Where calls act: the same for every call of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The environment.
    pub environment: EnvironmentId,
    /// The absolute folder that relative paths of local resources lie under.
    pub root: String,
}

/// Names a call within one machine, so that its answer finds its way back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CallId(pub u64);

/// A call to be performed, as a machine asks for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Start {
    /// By which its answer is known.
    pub id: CallId,
    /// The name of the provider configuration.
    pub provider: String,
    /// What to perform.
    pub call: Call,
}

/// What became of a call.
pub type Reply = Result<Answer, Failure>;

/// A request to a provider. Configurations and planned values are conformed to the schema: every
/// attribute and block is present, null where unset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Call {
    /// Takes the provider's configuration; comes before every call but validation. Unknown parts
    /// are possible while planning, and the provider copes or refuses.
    Configure {
        /// The configuration.
        config: Value,
        /// Where calls will act.
        place: Place,
    },
    /// Checks a configuration beyond its schema. Has no effect and reads nothing.
    Validate {
        /// The type.
        kind: String,
        /// Whether it is read only.
        data: bool,
        /// The configuration, possibly with unknowns.
        config: Value,
    },
    /// Brings a stored value to the present schema version. Called for every stored object.
    Upgrade {
        /// The type.
        kind: String,
        /// The version the value follows.
        version: u64,
        /// The stored value.
        value: Value,
    },
    /// Reads an object. Answers [`Answer::Object`] with `None` where it is gone.
    Read {
        /// The type.
        kind: String,
        /// The object as last known.
        object: LiveObject,
    },
    /// Reads a data source.
    ReadData {
        /// The type.
        kind: String,
        /// Its configuration, wholly known.
        config: Value,
    },
    /// Says what applying would make of an object. Has no effect.
    Propose {
        /// The type.
        kind: String,
        /// The object as observed; absent for a create.
        prior: Option<LiveObject>,
        /// The configuration, possibly with unknowns; null for a delete.
        config: Value,
    },
    /// Creates, updates or deletes. The only call with an effect.
    Apply(ApplyCall),
    /// Looks for what a create with this marker made.
    Find {
        /// The type.
        kind: String,
        /// The marker that the create carried.
        marker: Marker,
        /// What was to be made, with unknowns where only the create would have told.
        planned: Value,
    },
    /// Takes in an existing object by the provider's own id.
    Import {
        /// The type.
        kind: String,
        /// The id.
        id: String,
    },
}

/// A create (no prior), update, or delete (planned is null).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApplyCall {
    /// The type.
    pub kind: String,
    /// The object before; absent for a create.
    pub prior: Option<LiveObject>,
    /// What was proposed; null for a delete.
    pub planned: Value,
    /// The provider's bytes from the proposal.
    pub planned_private: Private,
    /// The configuration, wholly known; null for a delete.
    pub config: Value,
    /// To be carried by a create, so that it can be found.
    pub marker: Marker,
    /// Begin before this on a clock that counts while suspended, or not at all.
    pub start_by: Timestamp,
}

impl Call {
    /// Whether performing it can change anything outside gov.
    #[must_use]
    pub fn is_mutating(&self) -> bool {
        matches!(self, Self::Apply(_))
    }

    /// The name used in logs and timings.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Configure { .. } => "configure",
            Self::Validate { .. } => "validate",
            Self::Upgrade { .. } => "upgrade",
            Self::Read { .. } => "read",
            Self::ReadData { .. } => "read data",
            Self::Propose { .. } => "propose",
            Self::Apply(_) => "apply",
            Self::Find { .. } => "find",
            Self::Import { .. } => "import",
        }
    }
}

/// What a provider answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// To configure and validate: fine, with warnings.
    Accepted {
        /// Advice for people.
        warnings: Vec<Remark>,
    },
    /// To upgrade: the value at the present version.
    Upgraded(Value),
    /// To read, apply and import: the object, or that there is none.
    Object(Option<LiveObject>),
    /// To apply: the object, of a type that says of itself that its values may differ in form from
    /// what was planned. Differences from the plan are then no failure.
    Approximate(LiveObject),
    /// To reading a data source: its value.
    Data(Value),
    /// To propose.
    Proposal(Proposal),
    /// To propose, for a type that says of itself that its values may differ in form from the
    /// configuration: text that means the same, nothing for empty, what is there for what is not
    /// configured. The plan holds what is proposed, and that is what is judged.
    ApproximateProposal(Proposal),
    /// To find.
    Found(Finding),
}

/// What applying would make of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposal {
    /// The object after, with unknowns where only applying will tell.
    pub planned: Value,
    /// Attributes whose change needs a new object; counts where prior and planned differ there.
    pub requires_replace: Vec<Path>,
    /// The provider's bytes for applying exactly this.
    pub private: Private,
    /// Advice for people.
    pub warnings: Vec<Remark>,
}

/// What became of a create whose reply was lost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// It happened: this is the object.
    Found(LiveObject),
    /// It happened: this is the object, whose values may differ in form from what was planned.
    Approximate(LiveObject),
    /// It did not happen and will not any more.
    Absent,
    /// Nobody can say. Never a reason to create again.
    CannotTell(String),
}

/// A remark with the attribute it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remark {
    /// What it is about; the root where it is about the whole.
    pub path: Path,
    /// What, in a sentence.
    pub summary: String,
    /// More of it; may be empty.
    pub detail: String,
}

impl Remark {
    /// A remark on the whole.
    pub fn new(summary: impl Into<String>) -> Self {
        Self { path: Path::root(), summary: summary.into(), detail: String::new() }
    }

    /// A remark on one attribute.
    pub fn on(attribute: &str, summary: impl Into<String>) -> Self {
        Self { path: Path::attribute(attribute), ..Self::new(summary) }
    }
}

impl std::fmt::Display for Remark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.path.0.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.summary)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

/// What the caller may do next after a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureClass {
    /// Nothing happened, and trying again will not help.
    Rejected,
    /// Nothing happened, and trying again later may help.
    Transient,
    /// Nobody knows whether it happened: look before anything else. Only for `Apply`.
    Unknown,
}

/// A call that failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", remarks.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Failure {
    /// What may be done next.
    pub class: FailureClass,
    /// Why, for people; at least one.
    pub remarks: Vec<Remark>,
    /// What exists all the same, from an `Apply` that got half-way. It is always recorded.
    pub partial: Option<LiveObject>,
}

impl Failure {
    /// Nothing happened and it will not help to try again.
    pub fn rejected(summary: impl Into<String>) -> Self {
        Self::of(FailureClass::Rejected, summary)
    }

    /// Nothing happened and it may help to try again.
    pub fn transient(summary: impl Into<String>) -> Self {
        Self::of(FailureClass::Transient, summary)
    }

    /// Nobody knows whether it happened.
    pub fn unknown(summary: impl Into<String>) -> Self {
        Self::of(FailureClass::Unknown, summary)
    }

    fn of(class: FailureClass, summary: impl Into<String>) -> Self {
        Self { class, remarks: vec![Remark::new(summary)], partial: None }
    }

    /// The same, about one attribute.
    #[must_use]
    pub fn on(mut self, attribute: &str) -> Self {
        for remark in &mut self.remarks {
            remark.path = Path::attribute(attribute);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Condition;
    use crate::model::value::Value;

    #[test]
    fn a_condition_looks_into_collections_and_takes_the_unknown_for_met() {
        let condition = Condition {
            class: "expose-public".to_owned(),
            attribute: vec!["ingress".to_owned(), "cidr_blocks".to_owned()],
            is: ["0.0.0.0/0".to_owned()].into(),
            begins: ["::".to_owned()].into(),
        };
        let object = |cidr: Value| {
            let rule = Value::object([("cidr_blocks", Value::list(vec![cidr]))]);
            Value::object([("ingress", Value::set(vec![rule]))])
        };
        assert!(condition.holds(&object(Value::string("0.0.0.0/0"))));
        assert!(condition.holds(&object(Value::string("::/0"))));
        assert!(condition.holds(&object(Value::unknown())));
        assert!(condition.holds(&Value::object([("ingress", Value::unknown())])));
        assert!(!condition.holds(&object(Value::string("10.0.0.0/8"))));
        assert!(!condition.holds(&Value::object([("ingress", Value::null())])));
        let keyed = Value::object([("a", object(Value::string("0.0.0.0/0")))]);
        assert!(condition.holds(&keyed), "a key on the way is passed over");
        let truth = Condition { attribute: vec!["public".to_owned()], ..condition };
        let truth = Condition { is: ["true".to_owned()].into(), ..truth };
        assert!(truth.holds(&Value::object([("public", Value::bool(true))])));
    }
}
