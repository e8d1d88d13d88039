//! Providers that are part of gov: no plugin, no network, no account.
//!
//! Each module is one provider and opens with one function that [`Catalog`] calls. What a provider
//! would take from the machine (time, chance) it is given as [`Means`], so that a test can give it
//! something else. What several of them need is in [`draft`]; a type whose objects lie in gov's
//! books alone implements [`kept::Kept`]. Start with [`random`], the simplest one.
//!
//! [`Catalog`]: crate::provider::catalog::Catalog

pub(crate) mod draft;
pub(crate) mod kept;
pub mod local;
pub mod random;
pub mod tls;

use std::sync::Arc;

use crate::model::lifetime::Timestamp;
use crate::model::schema::nearest;
use crate::model::value::Value;
use crate::provider::Failure;
use crate::provider::FailureClass;
use crate::provider::Remark;

/// Tells the time. Counts while the machine is suspended, for `start_by` is judged by it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The machine has no random bytes to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system's random number source failed; nothing was made")]
pub struct EntropyError;

/// Where random bytes come from.
pub trait Entropy: Send + Sync {
    /// Fills the bytes with chance.
    ///
    /// # Errors
    /// [`EntropyError`]; the bytes are not to be used then.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// The random bytes of the operating system, fit for secrets.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(bytes).map_err(|_| EntropyError)
    }
}

/// What built-in providers are given instead of taking it from the machine.
#[derive(Clone)]
pub struct Means {
    /// The time.
    pub clock: Clock,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// How processes are started.
    pub launcher: local::Launcher,
}

/// Refuses a call whose time to begin has passed. Check it immediately before the effect.
pub(crate) fn in_time(now: Timestamp, start_by: Timestamp) -> Result<(), Failure> {
    if now < start_by {
        return Ok(());
    }
    Err(Failure::transient(format!(
        "the call was to begin before {start_by} and it is {now}; nothing was done"
    )))
}

/// The failure that carries these remarks; nothing happened.
pub(crate) fn refused(remarks: Vec<Remark>) -> Failure {
    Failure { class: FailureClass::Rejected, remarks, partial: None }
}

/// The failure of asking for a type that is not offered.
pub(crate) fn no_such_type<'a>(kind: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let hint = nearest(kind, known).map_or(String::new(), |n| format!("; did you mean `{n}`?"));
    Failure::rejected(format!("this provider has no type `{kind}`{hint}"))
}

/// An attribute of a value; unknown where the whole is, null where it has none.
pub(crate) fn attribute(value: &Value, name: &str) -> Value {
    if value.is_unknown() {
        return Value::unknown();
    }
    value.get(name).cloned().unwrap_or_else(Value::null)
}
