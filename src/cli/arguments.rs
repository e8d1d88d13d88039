//! What may be typed: one definition gives the parser, the help and the completions.

use std::path::PathBuf;

use clap::Args;
use clap::Parser;
use clap::Subcommand;

use crate::model::address::Address;
use crate::model::id::LeaseId;
use crate::model::lifetime::Duration;
use crate::model::lifetime::Timestamp;
use crate::model::money::Money;

/// A governed provisioner: nothing exists without an owner, a purpose, a budget and an expiry.
#[derive(Parser, Debug)]
#[command(name = "gov", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 done · 1 error · 2 changes (--detailed-exitcode) · 3 denied · \
    4 approval needed or held · 5 drift · 6 locked · 7 over budget or unpriced · 8 partly done · \
    70 bug · 130 interrupted"
)]
pub struct Cli {
    /// What goes for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What goes for every command.
#[derive(Args, Clone, Debug)]
pub struct Global {
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// The store's folder [default: the user's data folder; GOV_DATA_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The convenience file [default: the nearest gov.toml upward]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How long to wait for somebody else's lease, such as 30s [default: not at all]
    #[arg(long, global = true, value_name = "D")]
    pub lock_timeout: Option<Duration>,
    /// How many provider calls may be under way at once [default: 10]
    #[arg(long, global = true, value_name = "N")]
    pub parallelism: Option<usize>,
    /// Print without colour
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Say nothing but the result and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Show long values whole
    #[arg(long, global = true)]
    pub verbose: bool,
    /// Show where the time went
    #[arg(long, global = true)]
    pub timings: bool,
    /// What this is to achieve, for the record
    #[arg(long, global = true, value_name = "TEXT")]
    pub objective: Option<String>,
    /// The change ticket, for the record
    #[arg(long, global = true, value_name = "ID")]
    pub ticket: Option<String>,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Show what would change, what it costs and what the gate says
    Plan(PlanArgs),
    /// Bring an environment to what its blueprint says
    Apply(ApplyArgs),
    /// Take an environment down
    Destroy {
        /// The environment
        env: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// List environments, the next to expire first
    List {
        /// Only those owned by you
        #[arg(long)]
        mine: bool,
        /// Only of this team
        #[arg(long, value_name = "T")]
        team: Option<String>,
        /// Only those that expire within this
        #[arg(long, value_name = "D")]
        expiring: Option<Duration>,
        /// Only those with this word in their purpose
        #[arg(long, value_name = "WORD")]
        purpose: Option<String>,
        /// Those that have ended, too
        #[arg(long)]
        all: bool,
    },
    /// Show an environment, or a saved plan
    Show {
        /// The environment
        #[arg(required_unless_present = "plan")]
        env: Option<String>,
        /// A saved plan
        #[arg(long, value_name = "FILE", conflicts_with = "env")]
        plan: Option<PathBuf>,
    },
    /// Say why an environment exists: purpose, owner, decisions, cost and life
    Why {
        /// The environment
        env: String,
    },
    /// Tell everything that happened to an environment
    History {
        /// The environment; everything in the store where absent
        env: Option<String>,
    },
    /// Print an environment's outputs
    Output {
        /// The environment
        env: String,
        /// The output, printed alone; the only way to see a sensitive one
        name: Option<String>,
    },
    /// Print an environment's graph in Graphviz's language
    Graph {
        /// The environment
        env: String,
    },
    /// Give an environment more life
    Extend {
        /// The environment
        env: String,
        /// Add so much to the later of now and the expiry
        #[arg(long, value_name = "D", conflicts_with = "until", required_unless_present = "until")]
        by: Option<Duration>,
        /// Set the expiry
        #[arg(long, value_name = "T", value_parser = Timestamp::parse)]
        until: Option<Timestamp>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// End an environment's life now
    Expire {
        /// The environment
        env: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Start environments whose start has come
    Start {
        /// All of them
        #[arg(long, required = true)]
        due: bool,
    },
    /// Take down everything past its expiry and grace
    Reap(ReapArgs),
    /// Compare what is with what the books say
    Drift {
        /// The environment
        #[arg(required_unless_present = "all")]
        env: Option<String>,
        /// Every living environment
        #[arg(long, conflicts_with = "env")]
        all: bool,
        /// Undo the drift that policy does not accept
        #[arg(long, conflicts_with = "auto")]
        remediate: bool,
        /// Do what policy says, attribute by attribute
        #[arg(long)]
        auto: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Let nothing start any more
    Freeze {
        /// The environment; everything where absent
        env: Option<String>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Let things go on
    Unfreeze {
        /// The environment; everything where absent
        env: Option<String>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Take an existing object into the books
    Import {
        /// The environment
        env: String,
        /// The address it gets
        address: Address,
        /// The provider's own id of it
        id: String,
    },
    /// Drop a resource from the books; whatever exists of it goes on existing
    Forget {
        /// The environment
        env: String,
        /// The resource
        address: Address,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Break somebody else's lease
    Unlock {
        /// The environment
        env: String,
        /// The lease, as shown where it stands in the way
        lease: LeaseId,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Check a blueprint without an environment
    Check {
        /// A folder with a blueprint.toml, or a file
        blueprint: PathBuf,
    },
    /// List or show blueprints
    #[command(subcommand)]
    Blueprint(BlueprintCommand),
    /// Bring blueprints into their normal form
    Fmt {
        /// A blueprint, or a folder that is searched for them [default: the working folder]
        path: Option<PathBuf>,
        /// Change nothing; exit 1 where something would be
        #[arg(long)]
        check: bool,
    },
    /// Make a folder ready: a first blueprint and an environment file
    Init {
        /// The folder [default: the working folder]
        dir: Option<PathBuf>,
    },
    /// Look whether everything gov needs is in order
    Doctor,
    /// Look into the store
    #[command(subcommand)]
    State(StateCommand),
    /// Print a completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the reference pages.
    #[command(name = "__reference", hide = true)]
    Reference {
        /// The folder to write to.
        dir: PathBuf,
    },
}

/// What an environment is asked to be.
#[derive(Args, Clone, Debug)]
pub struct AskArgs {
    /// A folder with a blueprint.toml, or a file [default: the one recorded]
    #[arg(long, short, value_name = "BLUEPRINT")]
    pub blueprint: Option<PathBuf>,
    /// An input
    #[arg(long, short, value_name = "K=V", value_parser = key_value)]
    pub input: Vec<(String, String)>,
    /// Take an input back to the blueprint's default
    #[arg(long, value_name = "K")]
    pub reset_input: Vec<String>,
    /// The environment's file [default: environments/ENV.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// Who answers for it
    #[arg(long, value_name = "O")]
    pub owner: Option<String>,
    /// Whose budget it is on
    #[arg(long, value_name = "T")]
    pub team: Option<String>,
    /// What it belongs to
    #[arg(long, value_name = "P")]
    pub project: Option<String>,
    /// Why it exists
    #[arg(long, value_name = "W")]
    pub purpose: Option<String>,
    /// How long it lives, such as 8h; only before it has started
    #[arg(long, value_name = "D", conflicts_with = "until")]
    pub ttl: Option<Duration>,
    /// When it ends; only before it has started
    #[arg(long, value_name = "T", value_parser = Timestamp::parse)]
    pub until: Option<Timestamp>,
    /// When it starts [default: at once]
    #[arg(long, value_name = "T", value_parser = Timestamp::parse)]
    pub start: Option<Timestamp>,
    /// What its whole life may cost, such as "5.00 USD"
    #[arg(long, value_name = "M")]
    pub budget: Option<Money>,
    /// The folder of its local resources; only when it is made
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Replace a resource
    #[arg(long, value_name = "ADDR")]
    pub replace: Vec<Address>,
}

/// `gov plan`.
#[derive(Args, Debug)]
pub struct PlanArgs {
    /// The environment
    pub env: String,
    /// What it is asked to be.
    #[command(flatten)]
    pub ask: AskArgs,
    /// Save the plan
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Plan taking everything down
    #[arg(long)]
    pub destroy: bool,
    /// Exit 2 where there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// `gov apply`.
#[derive(Args, Debug)]
pub struct ApplyArgs {
    /// The environment
    #[arg(required_unless_present = "plan")]
    pub env: Option<String>,
    /// What it is asked to be.
    #[command(flatten)]
    pub ask: AskArgs,
    /// Apply a saved plan
    #[arg(long, value_name = "FILE", conflicts_with = "env")]
    pub plan: Option<PathBuf>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// `gov reap`.
#[derive(Args, Debug)]
pub struct ReapArgs {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Write what would be done, for review; implies --dry-run
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    pub out: Option<PathBuf>,
    /// Reap what was reviewed, and nothing else
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// At most so many environments
    #[arg(long, value_name = "N")]
    pub max: Option<usize>,
    /// At most this share of the store
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub max_percent: Option<u32>,
}

/// `gov blueprint`.
#[derive(Subcommand, Debug)]
pub enum BlueprintCommand {
    /// List blueprints in a folder
    List {
        /// The folder [default: blueprints]
        dir: Option<PathBuf>,
    },
    /// Show a blueprint: inputs, limits, resources
    Show {
        /// A folder with a blueprint.toml, or a file
        blueprint: PathBuf,
    },
}

/// `gov state`.
#[derive(Subcommand, Debug)]
pub enum StateCommand {
    /// List an environment's resources
    List {
        /// The environment
        env: String,
    },
    /// Show a resource as it stands in the books
    Show {
        /// The environment
        env: String,
        /// The resource
        address: Address,
    },
    /// Give a resource another address
    Mv {
        /// The environment
        env: String,
        /// The old address
        from: Address,
        /// The new one
        to: Address,
    },
    /// Check the whole journal: checksums, chain, digests, transitions
    Verify,
    /// Make the index anew from the journal
    Rebuild,
    /// Print the whole journal, one event a line; sensitive values stay sealed
    Export,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}
