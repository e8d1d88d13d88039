//! The catalog: which provider sources can be opened, and how.
//!
//! A source is `builtin/NAME`, or names a plugin as `hashicorp/aws` does. Built-in ones are rows
//! of [`BUILTIN`]; adding one is adding a row. It opens providers and keeps none. Start with
//! [`Catalog::builtin`].

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::schema::nearest;
use crate::provider::Provider;
use crate::provider::builtin::Means;
use crate::provider::builtin::local;
use crate::provider::builtin::random;
use crate::provider::builtin::tls;
use crate::provider::sim;

/// What begins the source of a built-in provider.
const BUILTIN_PREFIX: &str = "builtin/";

/// A built-in provider: its source, and the function that opens it.
type Row = (&'static str, fn(&Means) -> Arc<dyn Provider>);

/// The built-in providers, in the order of their sources.
const BUILTIN: [Row; 4] = [
    ("builtin/local", local::open),
    ("builtin/random", random::open),
    ("builtin/sim", sim::open),
    ("builtin/tls", tls::open),
];

/// Opens one provider. Each call gives a new value, to be configured on its own.
pub type Opener = Arc<dyn Fn() -> Arc<dyn Provider> + Send + Sync>;

/// Why a source cannot be opened.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CatalogError {
    /// No such built-in provider.
    #[error("there is no provider `{asked}`{}; there are {}", hint(nearest), known.join(", "))]
    Unknown {
        /// The source asked for.
        asked: String,
        /// The known source that was probably meant.
        nearest: Option<String>,
        /// All known sources, in order.
        known: Vec<String>,
    },
    /// The source names a plugin.
    #[error(
        "`{asked}` is a plugin provider, and those are not available in this version of gov; \
         there are {}",
        known.join(", ")
    )]
    PluginsUnavailable {
        /// The source asked for.
        asked: String,
        /// All known sources, in order.
        known: Vec<String>,
    },
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or(String::new(), |name| format!("; did you mean `{name}`?"))
}

/// Sources and how to open them.
#[derive(Clone, Default)]
pub struct Catalog {
    rows: BTreeMap<String, Opener>,
}

impl Catalog {
    /// All built-in providers, made with these means.
    #[must_use]
    pub fn builtin(means: &Means) -> Self {
        BUILTIN.into_iter().fold(Self::default(), |catalog, (source, open)| {
            let means = means.clone();
            catalog.with(source, Arc::new(move || open(&means)))
        })
    }

    /// The same with one more source, or with another provider for it.
    #[must_use]
    pub fn with(mut self, source: &str, opener: Opener) -> Self {
        self.rows.insert(source.to_owned(), opener);
        self
    }

    /// All known sources, in order.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(String::as_str)
    }

    /// Opens the provider of a source.
    ///
    /// # Errors
    /// [`CatalogError`], which names what there is.
    pub fn open(&self, source: &str) -> Result<Arc<dyn Provider>, CatalogError> {
        if let Some(opener) = self.rows.get(source) {
            return Ok(opener());
        }
        let asked = source.to_owned();
        let known: Vec<String> = self.sources().map(str::to_owned).collect();
        if is_plugin(source) {
            return Err(CatalogError::PluginsUnavailable { asked, known });
        }
        // `random` is what people write who mean `builtin/random`.
        let whole = match source.strip_prefix(BUILTIN_PREFIX) {
            Some(_) => asked.clone(),
            None => format!("{BUILTIN_PREFIX}{source}"),
        };
        let near = nearest(&whole, self.sources()).map(str::to_owned);
        Err(CatalogError::Unknown { asked, nearest: near, known })
    }
}

/// Whether a source has the form of a plugin's: `NAMESPACE/NAME` or `HOST/NAMESPACE/NAME`.
fn is_plugin(source: &str) -> bool {
    let is_part = |part: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
        !part.is_empty() && part.bytes().all(allowed)
    };
    let parts: Vec<&str> = source.split('/').collect();
    matches!(parts.len(), 2 | 3)
        && parts.iter().all(|part| is_part(part))
        && !source.starts_with(BUILTIN_PREFIX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Catalog;
    use super::CatalogError;
    use crate::model::lifetime::Timestamp;
    use crate::provider::builtin::Means;
    use crate::provider::builtin::SystemEntropy;
    use crate::provider::builtin::local::Launcher;
    use crate::provider::builtin::local::SystemClock;

    fn catalog() -> Catalog {
        let clock = Arc::new(|| Timestamp::from_millis(0));
        let launcher = Launcher {
            program: "/nonexistent/gov".into(),
            clock: Arc::new(SystemClock::start()),
            home: None,
            lang: None,
        };
        Catalog::builtin(&Means { clock, entropy: Arc::new(SystemEntropy), launcher })
    }

    fn error(source: &str) -> CatalogError {
        match catalog().open(source) {
            Ok(_) => panic!("`{source}` was opened"),
            Err(error) => error,
        }
    }

    #[test]
    fn every_known_source_opens_with_something_to_offer() {
        for source in catalog().sources() {
            let provider = catalog().open(source).unwrap();
            assert!(!provider.offer().resources.is_empty(), "{source}");
        }
    }

    /// G2: a provider that is not there is refused with the nearest name.
    #[test]
    fn g2_an_unknown_source_is_refused_with_the_nearest() {
        for wrong in ["builtin/randon", "random", "builtin/rando"] {
            let error = error(wrong);
            assert!(error.to_string().contains("did you mean `builtin/random`?"), "{error}");
        }
        for wrong in ["", "/", "builtin/", "a/b/c/d", "no such thing"] {
            assert!(matches!(error(wrong), CatalogError::Unknown { .. }), "{wrong}");
        }
    }

    #[test]
    fn a_plugin_is_known_for_one_and_refused() {
        for plugin in ["hashicorp/aws", "registry.terraform.io/hashicorp/null"] {
            let error = error(plugin);
            assert!(matches!(error, CatalogError::PluginsUnavailable { .. }), "{error}");
            assert!(error.to_string().contains("builtin/random"), "{error}");
        }
    }
}
