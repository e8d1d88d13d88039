//! The provider `builtin/local`: files, folders, processes and commands on this machine.
//!
//! Everything lies below the environment's root, and whoever works there is not trusted: names are
//! taken one by one and links are never followed (`below`). Processes are known to the kernel by
//! pid and start, not by a file (`kin`), and are started once by a supervisor of their own
//! ([`supervise`]).
//!
//! It deliberately has no data sources, keeps nothing between commands but what a blueprint asks
//! for, and judges nothing. Start with [`LocalProvider`]; then one module per type: `directory`,
//! `file`, `process`, `command`.

mod below;
mod command;
mod directory;
mod file;
mod ground;
mod kin;
mod launcher;
mod log;
mod pidfile;
mod process;
mod program;
mod run;
mod shape;
pub mod supervise;
mod tree;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

pub use launcher::Clock;
pub use launcher::Launcher;
pub use launcher::SPEC_OPTION;
pub use launcher::SUPERVISE_COMMAND;
pub use launcher::SystemClock;

use crate::model::schema::Schema;
use crate::model::value::Value;
use crate::provider::Answer;
use crate::provider::ApplyCall;
use crate::provider::Call;
use crate::provider::Failure;
use crate::provider::Finding;
use crate::provider::Governance;
use crate::provider::LiveObject;
use crate::provider::Offer;
use crate::provider::Pending;
use crate::provider::Place;
use crate::provider::PriceRule;
use crate::provider::Proposal;
use crate::provider::Provider;
use crate::provider::RegionRule;
use crate::provider::Remark;
use crate::provider::TagRule;
use crate::provider::TypeOffer;
use crate::provider::builtin::Means;
use crate::provider::builtin::local::ground::Ground;
use crate::provider::builtin::local::shape::deletion;

/// The class of acts that run programs of a blueprint's choice.
const CLASS_RUN_COMMAND: &str = "run-command";

/// Files, folders, processes and commands on this machine.
pub struct LocalProvider {
    offer: Arc<Offer>,
    launcher: Launcher,
    ground: Mutex<Option<Arc<Ground>>>,
    stopping: Arc<AtomicBool>,
}

/// Opens the provider.
#[must_use]
pub fn open(means: &Means) -> Arc<dyn Provider> {
    Arc::new(LocalProvider::new(means.launcher.clone()))
}

impl LocalProvider {
    /// A provider that starts processes by this launcher. It acts once it has been configured.
    #[must_use]
    pub fn new(launcher: Launcher) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        Self { offer: Arc::new(offer()), launcher, ground: Mutex::new(None), stopping }
    }

    fn configure(&self, place: Place) -> Result<Answer, Failure> {
        let root = PathBuf::from(place.root);
        if !root.is_absolute() || root.parent().is_none() {
            return Err(Failure::rejected(
                "the environment's root must be an absolute path below `/`",
            ));
        }
        let launcher = self.launcher.clone();
        let ground = Ground::new(place.environment, root, launcher, self.stopping.clone());
        *self.ground.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(ground));
        Ok(Answer::Accepted { warnings: Vec::new() })
    }

    fn ground(&self) -> Result<Arc<Ground>, Failure> {
        let ground = self.ground.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ground.ok_or_else(|| Failure::rejected("not configured yet. This is a bug in gov."))
    }

    fn upgrade(&self, kind: &str, version: u64, value: Value) -> Result<Answer, Failure> {
        let present = Kind::parse(kind)?.schema().version;
        if version == present {
            return Ok(Answer::Upgraded(value));
        }
        Err(Failure::rejected(format!(
            "the stored {kind} follows schema version {version} and this gov knows {present}; use \
             the gov that wrote it"
        )))
    }

    async fn act(&self, call: Call) -> Result<Answer, Failure> {
        let ground = self.ground()?;
        let is_mutating = call.is_mutating();
        match tokio::task::spawn_blocking(move || perform(&ground, call)).await {
            Ok(answer) => answer,
            Err(error) => {
                let problem = format!("a local call broke off: {error}. This is a bug in gov.");
                Err(match is_mutating {
                    true => Failure::unknown(problem),
                    false => Failure::rejected(problem),
                })
            }
        }
    }
}

impl Provider for LocalProvider {
    fn offer(&self) -> Arc<Offer> {
        self.offer.clone()
    }

    fn call<'a>(&'a self, call: Call) -> Pending<'a, Result<Answer, Failure>> {
        Box::pin(async move {
            match call {
                Call::Configure { config: _, place } => self.configure(place),
                Call::Validate { kind, data: false, config } => {
                    validated(Kind::parse(&kind)?.validate(&config))
                }
                Call::Validate { kind, data: true, .. } | Call::ReadData { kind, .. } => {
                    Err(Failure::rejected(format!("there is no data source `{kind}`")))
                }
                Call::Upgrade { kind, version, value } => self.upgrade(&kind, version, value),
                Call::Propose { kind, prior, config } => {
                    let kind = Kind::parse(&kind)?;
                    Ok(Answer::Proposal(kind.propose(prior.as_ref(), &config)))
                }
                effect @ (Call::Read { .. }
                | Call::Apply(_)
                | Call::Find { .. }
                | Call::Import { .. }) => self.act(effect).await,
            }
        })
    }

    fn stop<'a>(&'a self) -> Pending<'a, ()> {
        Box::pin(async move { self.stopping.store(true, Ordering::Relaxed) })
    }
}

fn validated(remarks: Vec<Remark>) -> Result<Answer, Failure> {
    if remarks.is_empty() {
        return Ok(Answer::Accepted { warnings: Vec::new() });
    }
    Err(Failure { remarks, ..Failure::rejected("") })
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Command,
    Directory,
    File,
    Process,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Command, Self::Directory, Self::File, Self::Process];

    fn name(self) -> &'static str {
        match self {
            Self::Command => "local_command",
            Self::Directory => "local_directory",
            Self::File => "local_file",
            Self::Process => "local_process",
        }
    }

    fn parse(name: &str) -> Result<Self, Failure> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| Failure::rejected(format!("there is no resource type `{name}`")))
    }

    fn schema(self) -> Schema {
        match self {
            Self::Command => command::schema(),
            Self::Directory => directory::schema(),
            Self::File => file::schema(),
            Self::Process => process::schema(),
        }
    }

    fn governance(self) -> Governance {
        let reason = match self {
            Self::Command => "runs on this machine, which is paid for already",
            Self::Directory | Self::File => {
                "lies on this machine's disk, which is paid for already"
            }
            Self::Process => "runs on this machine, which is paid for already",
        };
        let runs = matches!(self, Self::Command | Self::Process);
        let tags = (self == Self::Process).then(|| TagRule {
            attribute: "labels".into(),
            key_extra: "_".into(),
            text: None,
        });
        Governance {
            tags,
            region: RegionRule::Local,
            bears_data: self == Self::Directory,
            classes: runs.then(|| CLASS_RUN_COMMAND.to_owned()).into_iter().collect(),
            price: PriceRule::Free { reason: reason.into() },
            ..Governance::default()
        }
    }

    fn validate(self, config: &Value) -> Vec<Remark> {
        match self {
            Self::Command => command::validate(config),
            Self::Directory => directory::validate(config),
            Self::File => file::validate(config),
            Self::Process => process::validate(config),
        }
    }

    fn propose(self, prior: Option<&LiveObject>, config: &Value) -> Proposal {
        if config.is_null() {
            return deletion();
        }
        let value = prior.map(|object| &object.value);
        let proposal = match self {
            Self::Command => command::propose(value, config),
            Self::Directory => directory::propose(value, config),
            Self::File => file::propose(value, config),
            Self::Process => process::propose(value, config),
        };
        Proposal { private: prior.map(|p| p.private.clone()).unwrap_or_default(), ..proposal }
    }
}

fn offer() -> Offer {
    let type_offer = |kind: Kind| {
        let offer = TypeOffer { schema: kind.schema(), governance: kind.governance() };
        (kind.name().to_owned(), Arc::new(offer))
    };
    Offer {
        config: Schema::default(),
        resources: Kind::ALL.into_iter().map(type_offer).collect(),
        data: BTreeMap::new(),
    }
}

/// Performs a call that touches the machine, on a thread that may block.
fn perform(ground: &Ground, call: Call) -> Result<Answer, Failure> {
    match call {
        Call::Read { kind, object } => {
            let found = match Kind::parse(&kind)? {
                // What a command has done cannot be read; what is known of it stays known.
                Kind::Command => Some(object),
                Kind::Directory => directory::read(ground, &object)?,
                Kind::File => file::read(ground, &object)?,
                Kind::Process => process::read(ground, object)?,
            };
            Ok(Answer::Object(found))
        }
        Call::Apply(call) => apply(ground, call),
        Call::Find { kind, marker, planned } => {
            let finding = match Kind::parse(&kind)? {
                Kind::Command => command::find(ground, &marker, &planned),
                Kind::Directory => directory::find(ground, &marker, &planned),
                Kind::File => file::find(ground, &marker, &planned),
                Kind::Process => process::find(ground, &marker, &planned),
            }?;
            if finding == Finding::Absent {
                ground.clear();
            }
            Ok(Answer::Found(finding))
        }
        Call::Import { kind, id } => match Kind::parse(&kind)? {
            Kind::Directory => directory::import(ground, &id).map(Answer::Object),
            Kind::File => file::import(ground, &id).map(Answer::Object),
            Kind::Command | Kind::Process => Err(Failure::rejected(format!(
                "a {kind} cannot be imported, for nothing tells that `{id}` is what the blueprint \
                 describes; let gov make it, or forget it"
            ))),
        },
        other => Err(Failure::rejected(format!("`{}` has no effect here", other.name()))),
    }
}

fn apply(ground: &Ground, mut call: ApplyCall) -> Result<Answer, Failure> {
    let kind = Kind::parse(&call.kind)?;
    match call.prior.take() {
        None => {
            let created = match kind {
                Kind::Command => command::create(ground, &call),
                Kind::Directory => directory::create(ground, &call),
                Kind::File => file::create(ground, &call),
                Kind::Process => process::create(ground, &call),
            };
            if created.is_err() {
                ground.clear();
            }
            Ok(Answer::Object(Some(created?)))
        }
        Some(prior) if call.planned.is_null() => {
            match kind {
                Kind::Command => command::delete(ground, &call, &prior),
                Kind::Directory => directory::delete(ground, &call, &prior),
                Kind::File => file::delete(ground, &call, &prior),
                Kind::Process => process::delete(ground, &call, &prior),
            }?;
            ground.clear();
            Ok(Answer::Object(None))
        }
        Some(prior) => Ok(Answer::Object(Some(match kind {
            Kind::Command => command::update(&call, prior),
            Kind::Directory => directory::update(ground, &call)?,
            Kind::File => file::update(ground, &call)?,
            Kind::Process => process::update(&call, prior),
        }))),
    }
}
