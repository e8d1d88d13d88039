//! Commands: each turns words into options, calls one operation, and turns its report into words.

mod apply;
mod ask;
mod books;
mod check;
mod drift;
mod freeze;
mod inspect;
mod lifetime;
mod prompt;
mod reap;
mod reference;
mod setup;
mod state;

use std::sync::Arc;

use serde_json::Value as Json;

use crate::cli::arguments::BlueprintCommand;
use crate::cli::arguments::Cli;
use crate::cli::arguments::Command;
use crate::cli::arguments::Global;
use crate::cli::arguments::StateCommand;
use crate::cli::config::Config;
use crate::cli::config::Overrides;
use crate::cli::context;
use crate::cli::context::Opened;
use crate::cli::context::Setup;
use crate::cli::context::SystemClock;
use crate::cli::exit::Exit;
use crate::cli::progress::Progress;
use crate::cli::render;
use crate::cli::ui::Ui;
use crate::engine::driver::Interrupt;
use crate::model::actor::Door;
use crate::model::decision::Rationale;
use crate::model::lifetime::Clock as _;
use crate::model::lifetime::Timestamp;
use crate::ops::OpError;

/// What a command has to say.
pub struct Answer {
    /// How it ended.
    pub exit: Exit,
    /// For people.
    pub text: String,
    /// For scripts.
    pub json: Json,
    /// Whether the text is for programs and passes as it is.
    pub raw: bool,
}

impl Answer {
    /// Done, in these words.
    pub fn done(text: impl Into<String>, json: Json) -> Self {
        Self::ended(Exit::Done, text, json)
    }

    /// Ended this way, in these words.
    pub fn ended(exit: Exit, text: impl Into<String>, json: Json) -> Self {
        Self { exit, text: text.into(), json, raw: false }
    }

    /// The same, in text for programs.
    #[must_use]
    pub fn raw(self) -> Self {
        Self { raw: true, ..self }
    }
}

/// One command under way.
pub struct Session<'a> {
    /// Where it is said.
    pub ui: &'a Ui,
    /// What goes for every command.
    pub global: Global,
    /// What is configured.
    pub config: Config,
    /// What is being done, such as `gov apply`.
    pub operation: String,
    /// Tells when to stop.
    pub interrupt: Interrupt,
    /// Shows what is going on.
    pub progress: Arc<Progress>,
}

impl Session<'_> {
    /// Whether there is a person at a terminal to ask.
    #[must_use]
    pub fn is_interactive(&self) -> bool {
        use std::io::IsTerminal as _;
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && !self.global.json
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        SystemClock::new().now()
    }

    /// The store and everything else that operations need.
    async fn open(&self, make: bool) -> Result<Opened, OpError> {
        let progress = Arc::clone(&self.progress);
        let setup = Setup {
            config: self.config.clone(),
            operation: self.operation.clone(),
            door: if self.is_interactive() { Door::Terminal } else { Door::Script },
            rationale: Rationale {
                objective: self.global.objective.clone(),
                ticket: self.global.ticket.clone(),
                ..Rationale::default()
            },
            watch: Arc::new(move |told| progress.tell(told)),
            interrupt: self.interrupt.clone(),
        };
        let opened = context::open(setup, make).await?;
        for notice in opened.store.notices() {
            self.ui.warn(&notice);
        }
        Ok(opened)
    }

    /// Ends the use of a store: the index is written, and timings are told where asked for.
    fn close(&self, opened: &Opened) {
        if let Err(error) = opened.store.checkpoint() {
            self.ui.warn(&format!("the index was not written, which loses nothing: {error}"));
        }
        if self.global.timings
            && let Ok(timings) = opened.context.timings.lock()
        {
            self.ui.talk(&render::timings::text(&self.ui.talk_screen(), &timings));
        }
    }
}

/// Runs a command.
///
/// # Errors
/// [`OpError`], to be told and turned into an exit code.
pub async fn run(
    cli: Cli,
    ui: &Ui,
    interrupt: Interrupt,
    progress: Arc<Progress>,
) -> Result<Answer, OpError> {
    let flags = Overrides {
        data_dir: cli.global.data_dir.clone(),
        config: cli.global.config.clone(),
        parallelism: cli.global.parallelism,
        lock_timeout: cli.global.lock_timeout,
    };
    let session = Session {
        ui,
        operation: format!("gov {}", name(&cli.command)),
        config: Config::load(&flags)?,
        global: cli.global,
        interrupt,
        progress,
    };
    dispatch(&session, cli.command).await
}

async fn dispatch(session: &Session<'_>, command: Command) -> Result<Answer, OpError> {
    match command {
        Command::Plan(arguments) => apply::plan(session, &arguments).await,
        Command::Apply(arguments) => apply::apply(session, &arguments).await,
        Command::Destroy { env, yes } => apply::destroy(session, &env, yes).await,
        Command::Start { .. } => apply::start_due(session).await,
        Command::List { mine, team, expiring, purpose, all } => {
            inspect::list(session, inspect::Wanted { mine, team, expiring, purpose, all }).await
        }
        Command::Show { env, plan } => {
            inspect::show(session, env.as_deref(), plan.as_deref()).await
        }
        Command::Why { env } => inspect::why(session, &env).await,
        Command::History { env } => inspect::history(session, env.as_deref()).await,
        Command::Output { env, name } => inspect::output(session, &env, name.as_deref()).await,
        Command::Graph { env } => inspect::graph(session, &env).await,
        Command::Extend { env, by, until, reason } => {
            lifetime::extend(session, &env, by, until, &reason).await
        }
        Command::Expire { env, reason } => lifetime::expire(session, &env, &reason).await,
        Command::Reap(arguments) => reap::reap(session, &arguments).await,
        Command::Drift { env, remediate, auto, yes, .. } => {
            drift::drift(session, env.as_deref(), remediate, auto, yes).await
        }
        Command::Freeze { env, reason } => freeze::freeze(session, env.as_deref(), &reason).await,
        Command::Unfreeze { env, reason } => {
            freeze::unfreeze(session, env.as_deref(), &reason).await
        }
        Command::Import { env, address, id } => books::import(session, &env, &address, &id).await,
        Command::Forget { env, address, reason } => {
            books::forget(session, &env, &address, &reason).await
        }
        Command::Unlock { env, lease, reason } => {
            books::unlock(session, &env, lease, &reason).await
        }
        Command::Check { blueprint } => check::check(session, &blueprint),
        Command::Blueprint(BlueprintCommand::List { dir }) => check::list(session, dir.as_deref()),
        Command::Blueprint(BlueprintCommand::Show { blueprint }) => {
            check::show(session, &blueprint)
        }
        Command::Fmt { path, check } => check::fmt(session, path.as_deref(), check),
        Command::Init { dir } => setup::init(session, dir.as_deref()),
        Command::Doctor => setup::doctor(session).await,
        Command::State(command) => dispatch_state(session, command).await,
        Command::Completions { shell } => Ok(setup::completions(shell)),
        Command::Reference { dir } => reference::write(&dir),
    }
}

async fn dispatch_state(session: &Session<'_>, command: StateCommand) -> Result<Answer, OpError> {
    match command {
        StateCommand::List { env } => state::list(session, &env).await,
        StateCommand::Show { env, address } => state::show(session, &env, &address).await,
        StateCommand::Mv { env, from, to } => books::rename(session, &env, &from, &to).await,
        StateCommand::Verify => state::verify(session),
        StateCommand::Rebuild => state::rebuild(session),
        StateCommand::Export => state::export(session),
    }
}

/// The environment a command is about, for advice on what to do next.
#[must_use]
pub fn about(command: &Command) -> Option<String> {
    match command {
        Command::Plan(arguments) => Some(arguments.env.clone()),
        Command::Apply(arguments) => arguments.env.clone(),
        Command::Destroy { env, .. }
        | Command::Why { env }
        | Command::Output { env, .. }
        | Command::Graph { env }
        | Command::Extend { env, .. }
        | Command::Expire { env, .. }
        | Command::Import { env, .. }
        | Command::Forget { env, .. }
        | Command::Unlock { env, .. } => Some(env.clone()),
        Command::Show { env, .. }
        | Command::History { env }
        | Command::Drift { env, .. }
        | Command::Freeze { env, .. }
        | Command::Unfreeze { env, .. } => env.clone(),
        _ => None,
    }
}

fn name(command: &Command) -> &'static str {
    match command {
        Command::Plan(_) => "plan",
        Command::Apply(_) => "apply",
        Command::Destroy { .. } => "destroy",
        Command::Start { .. } => "start",
        Command::Reap(_) => "reap",
        Command::Drift { .. } => "drift",
        Command::Extend { .. } => "extend",
        Command::Expire { .. } => "expire",
        Command::Freeze { .. } => "freeze",
        Command::Unfreeze { .. } => "unfreeze",
        Command::Import { .. } => "import",
        Command::Forget { .. } => "forget",
        Command::Unlock { .. } => "unlock",
        Command::State(_) => "state",
        _ => "look",
    }
}
