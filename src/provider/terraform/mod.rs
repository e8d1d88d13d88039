//! Terraform providers: any plugin of protocol 5 or 6 as a [`Provider`].
//!
//! One [`TerraformProvider`] is one running plugin with one configuration. A plugin that died is
//! never started again: it has taken with it what it was doing, and only the caller can decide
//! what that means. Only another configuration takes another process, since plugins are made to be
//! configured once. Only the types that the caller names are decoded, for a
//! large provider has two thousand of them.
//!
//! * [`lifecycle`] and [`change`] make the remote calls of each [`Call`] and judge the answers.
//! * [`value`], [`json`], [`type_json`] and [`msgpack`] are values on the wire, [`schema`] shapes.
//! * [`propose`] merges configuration and what exists, as the protocol asks of a host.
//! * [`find`] looks for what a lost create made; [`governance`] is what gov knows of types.
//! * [`process`] starts plugins, [`schema_cache`] spares asking for schemas, [`install`] finds
//!   installed ones.
//!
//! It does not know resource identities, functions, ephemeral resources and state moves yet, and
//! refuses what a provider wants to put off.

pub mod change;
pub mod find;
pub mod governance;
pub mod install;
pub mod json;
pub mod lifecycle;
pub mod msgpack;
pub mod process;
pub mod propose;
pub mod schema;
pub mod schema_cache;
pub mod type_json;
pub mod value;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::RwLock;

use tfplugin::client::Client;
use tfplugin::client::SchemaDocument;
use tfplugin::client::SchemaError;
use tfplugin::process::Launch;
use tfplugin::process::Plugin;

use crate::provider::Call;
use crate::provider::Failure;
use crate::provider::Offer;
use crate::provider::Pending;
use crate::provider::Provider;
use crate::provider::Reply;
use crate::provider::TypeOffer;
use crate::provider::terraform::find::FindRule;
use crate::provider::terraform::governance::GovernanceTable;
use crate::provider::terraform::lifecycle::refusal;
use crate::provider::terraform::schema::SchemaProblem;
use crate::provider::terraform::schema::TypeSchema;

/// The types that a command uses. No others are decoded or offered.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TypesInUse {
    /// Types to be made or already made.
    pub resources: BTreeSet<String>,
    /// Types to be read.
    pub data: BTreeSet<String>,
}

/// A running Terraform provider.
#[derive(Debug)]
pub struct TerraformProvider {
    /// Killed when dropped.
    plugin: RwLock<Arc<Plugin>>,
    /// How to start it for another configuration.
    launch: Launch,
    configured: tokio::sync::Mutex<Configured>,
    offer: Arc<Offer>,
    types: Types,
    find: BTreeMap<String, FindRule>,
    /// Digests of configurations that the plugin has found valid. What is proposed was validated
    /// as it is, also where an expression got its value only while applying.
    validated: Mutex<BTreeSet<[u8; 32]>>,
}

/// What a plugin process was given for a configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Configured {
    /// None yet.
    Not,
    /// One that it did not take.
    InVain,
    /// The one with this digest.
    With([u8; 32]),
}

/// What the lifecycle needs to know of types.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Types {
    config: TypeSchema,
    resources: BTreeMap<String, TypeSchema>,
    data: BTreeMap<String, TypeSchema>,
    /// Whether the provider wants module metadata, if only to be told that there are none.
    takes_meta: bool,
    /// Whether the provider wants to be asked before a deletion.
    plans_destroy: bool,
    /// Whether each process wants to be asked for its schemas before anything else.
    wants_schema_call: bool,
}

/// The schemas of a provider are of no use.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// Its bytes cannot be read.
    #[error(transparent)]
    Damaged(#[from] SchemaError),
    /// It makes no sense.
    #[error(transparent)]
    Problem(#[from] SchemaProblem),
    /// The provider reported errors instead.
    #[error("the provider cannot describe itself: {0}")]
    Refused(String),
}

impl TerraformProvider {
    /// Takes over a plugin that runs and has no configuration yet, with its schemas and the way
    /// in which it was started.
    ///
    /// # Errors
    /// Where the schemas of the types in use, or of the configuration, make no sense. A type in
    /// use that the provider does not have is no error: it is not offered.
    pub fn new(
        plugin: Plugin,
        launch: Launch,
        document: &SchemaDocument,
        in_use: &TypesInUse,
        table: &GovernanceTable,
    ) -> Result<Self, DescribeError> {
        if let Some(failure) = refusal(document.diagnostics()) {
            return Err(DescribeError::Refused(failure.to_string()));
        }
        let types = Types::describe(document, in_use)?;
        let offer = Arc::new(offer(&types, table));
        let find = in_use
            .resources
            .iter()
            .filter_map(|kind| table.find(kind).map(|rule| (kind.clone(), rule.clone())));
        let find = find.collect();
        Ok(Self {
            plugin: RwLock::new(Arc::new(plugin)),
            launch,
            configured: tokio::sync::Mutex::new(Configured::Not),
            offer,
            types,
            find,
            validated: Mutex::default(),
        })
    }

    fn client(&self) -> Client {
        self.plugin().client().clone()
    }

    /// The running plugin, for measuring it.
    #[must_use]
    pub fn plugin(&self) -> Arc<Plugin> {
        Arc::clone(&self.plugin.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a new process in the place of the running one, whose configuration no longer holds.
    /// Configuring comes before all other calls, so none is under way.
    async fn renew(&self) -> Result<(), Failure> {
        let plugin = Plugin::start(self.launch.clone()).await.map_err(|error| {
            let class = error.class();
            lifecycle::of_class(class, error.to_string())
        })?;
        if self.types.wants_schema_call {
            let asked = plugin.client().get_provider_schema_bytes().await;
            asked.map_err(|error| lifecycle::failed(&error))?;
        }
        *self.plugin.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(plugin);
        Ok(())
    }
}

impl Types {
    fn describe(document: &SchemaDocument, in_use: &TypesInUse) -> Result<Self, DescribeError> {
        let mut resources = BTreeMap::new();
        for kind in &in_use.resources {
            if let Some(schema) = document.resource(kind)? {
                resources.insert(kind.clone(), TypeSchema::from_wire(kind, Some(schema))?);
            }
        }
        let mut data = BTreeMap::new();
        for kind in &in_use.data {
            if let Some(schema) = document.data_source(kind)? {
                data.insert(kind.clone(), TypeSchema::from_wire(kind, Some(schema))?);
            }
        }
        Ok(Self {
            config: TypeSchema::from_wire("its configuration", document.provider()?)?,
            resources,
            data,
            takes_meta: document.provider_meta()?.is_some(),
            plans_destroy: document.capabilities().plan_destroy,
            wants_schema_call: !document.capabilities().get_provider_schema_optional,
        })
    }
}

fn offer(types: &Types, table: &GovernanceTable) -> Offer {
    let governed = |(kind, made): (&String, &TypeSchema)| {
        let governance = table.governance(kind, &made.schema);
        (kind.clone(), Arc::new(TypeOffer { schema: made.schema.clone(), governance }))
    };
    Offer {
        config: types.config.schema.clone(),
        resources: types.resources.iter().map(governed).collect(),
        data: types.data.iter().map(governed).collect(),
    }
}

impl Provider for TerraformProvider {
    fn offer(&self) -> Arc<Offer> {
        Arc::clone(&self.offer)
    }

    fn call<'a>(&'a self, call: Call) -> Pending<'a, Reply> {
        Box::pin(self.perform(call))
    }

    /// The provider is of no use afterwards. Calls under way answer early, with what they did.
    fn stop<'a>(&'a self) -> Pending<'a, ()> {
        Box::pin(async {
            // A plugin that cannot be asked has no calls under way, or is killed in the end.
            let _asked = self.client().stop_provider().await;
        })
    }
}
