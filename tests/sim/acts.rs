//! What actors of a world do, drawn from the seed.

use std::collections::BTreeSet;

use gov::diagnostic::Source;
use gov::model::lifetime::Term;
use gov::ops::Context;
use gov::ops::OpError;
use gov::ops::apply;
use gov::ops::apply::Confirm;
use gov::ops::apply::Consent;
use gov::ops::apply::Options;
use gov::ops::ask::Ask;
use gov::ops::drift;
use gov::ops::drift::Remedy;
use gov::ops::freeze;
use gov::ops::lifetime;
use gov::ops::proposal::Proposal;
use gov::ops::reap;

use super::wire::Chance;

/// Few enough names that actors meet.
const NAMES: [&str; 3] = ["red", "green", "blue"];

/// Something that somebody does with gov.
#[derive(Clone, Debug)]
pub enum Act {
    Apply { name: &'static str, blueprint: String, human: bool },
    Destroy { name: &'static str, human: bool },
    Extend { name: &'static str, hours: u64 },
    Expire { name: &'static str },
    Reap,
    Drift { name: Option<&'static str>, remedy: Remedy },
    Freeze { name: Option<&'static str> },
    Unfreeze { name: Option<&'static str> },
    StartDue,
}

/// Answers every question the same way.
pub struct Always(pub Consent);

impl Confirm for Always {
    fn confirm(&self, _: &Proposal, _: bool) -> Result<Consent, OpError> {
        Ok(self.0)
    }
}

fn consent(human: bool) -> Always {
    Always(if human { Consent::Human } else { Consent::Yes })
}

impl Act {
    /// Draws one.
    pub fn draw(chance: &Chance) -> Self {
        let name = NAMES[usize::try_from(chance.below(3)).unwrap()];
        let somewhere = chance.percent(70).then_some(name);
        let human = chance.percent(50);
        match chance.below(100) {
            0..=44 => Self::apply(name, chance),
            45..=51 => Self::Destroy { name, human },
            52..=58 => Self::Extend { name, hours: 1 + chance.below(30) },
            59..=63 => Self::Expire { name },
            64..=75 => Self::Reap,
            76..=79 => Self::Drift { name: somewhere, remedy: Remedy::None },
            80..=87 => Self::Drift { name: somewhere, remedy: Remedy::Policy },
            88..=91 => Self::Freeze { name: somewhere },
            92..=97 => Self::Unfreeze { name: somewhere },
            _ => Self::StartDue,
        }
    }

    /// An apply of something to this environment.
    pub fn apply(name: &'static str, chance: &Chance) -> Self {
        Self::Apply { name, blueprint: blueprint(chance), human: chance.percent(50) }
    }

    /// On which environment alone it acts.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Self::Apply { name, .. } | Self::Destroy { name, .. } => Some(name),
            _ => None,
        }
    }

    /// In a line, without the text of a blueprint.
    pub fn words(&self) -> String {
        match self {
            Self::Apply { name, blueprint, human } => {
                let resources = blueprint.lines().filter(|line| line.starts_with("#:"));
                let resources: Vec<&str> = resources.collect();
                format!("apply {name} human={human} {}", resources.join(" "))
            }
            other => format!("{other:?}"),
        }
    }

    /// Does it. What it came to, in words.
    pub async fn perform(&self, context: &Context) -> Result<String, OpError> {
        let reason = "the world turns";
        match self {
            Self::Apply { name, blueprint, human } => {
                let options = options(name, Some(blueprint));
                let report = apply::apply(context, &options, &consent(*human)).await?;
                Ok(ended(&report))
            }
            Self::Destroy { name, human } => {
                let options = Options { destroy: true, ..options(name, None) };
                let report = apply::apply(context, &options, &consent(*human)).await?;
                Ok(ended(&report))
            }
            Self::Extend { name, hours } => {
                let hours = Term::For(format!("{hours}h").parse().unwrap());
                lifetime::extend(context, name, hours, reason).await?;
                Ok("extended".to_owned())
            }
            Self::Expire { name } => {
                lifetime::expire(context, name, reason).await?;
                Ok("expired".to_owned())
            }
            Self::Reap => {
                let all = all();
                let report = reap::reap(context, &all).await?;
                let lines: Vec<String> = report
                    .lines
                    .iter()
                    .map(|line| format!("{}: {:?}", line.name, line.outcome))
                    .collect();
                Ok(lines.join("; "))
            }
            Self::Drift { name, remedy } => {
                let reports = drift::drift(context, *name, *remedy, &consent(false)).await?;
                let mut told = String::new();
                for report in reports {
                    match report.error {
                        Some(error @ (OpError::Bug(_) | OpError::Store(_))) => return Err(error),
                        Some(error) => told.push_str(&format!("{}: {error}; ", report.name)),
                        None => told.push_str(&format!("{} lines; ", report.lines.len())),
                    }
                }
                Ok(told)
            }
            Self::Freeze { name } => {
                freeze::freeze(context, *name, reason).await?;
                Ok("frozen".to_owned())
            }
            Self::Unfreeze { name } => {
                freeze::unfreeze(context, *name, reason).await?;
                Ok("unfrozen".to_owned())
            }
            Self::StartDue => {
                let started = lifetime::start_due(context, &consent(true)).await?;
                Ok(format!("{} started", started.len()))
            }
        }
    }
}

/// Reap without a limit: worlds are small and their time goes by in leaps.
pub fn all() -> reap::Options {
    reap::Options { max: Some(100), max_percent: Some(100), ..reap::Options::default() }
}

fn ended(report: &apply::Report) -> String {
    match &report.ending {
        None => "nothing to do".to_owned(),
        Some(ending) => format!("{:?} {:?}", ending.outcome, ending.stopped),
    }
}

/// What is asked of an environment; what is left out stays as it is recorded.
pub fn options(name: &str, blueprint: Option<&str>) -> Options {
    let given = |text: &str| blueprint.is_some().then(|| text.to_owned());
    let ask = Ask {
        name: name.into(),
        blueprint: blueprint.map(|text| Source::new("world.toml", text)),
        owner: given("ann"),
        team: given("core"),
        project: given("worlds"),
        purpose: given("to be lived in"),
        root: given("/nonexistent"),
        ..Ask::default()
    };
    Options { ask, replace: BTreeSet::new(), destroy: false }
}

fn blueprint(chance: &Chance) -> String {
    let (size, leaves) = (1 + chance.below(3), chance.below(4));
    let databases = [0, 0, 1, 1, 2, 3][usize::try_from(chance.below(6)).unwrap()];
    let (zone, region) = (chance.below(2), 1 + chance.below(2));
    let beside = chance.percent(40);
    let kept = chance.percent(5);
    let on_expiry = if chance.percent(75) { "delete-data" } else { "keep-data" };
    let link = if leaves > 0 && databases > 0 && chance.percent(60) {
        "[resource.sim_link.tie]\nfrom = \"${sim_object.leaf[0].id}\"\n\
         to = \"${sim_database.data[0].id}\"\n"
    } else {
        ""
    };
    format!(
        r#"#: size={size} leaves={leaves} zone={zone} databases={databases} region={region}
#: beside={beside} kept={kept} {on_expiry} link={}
[blueprint]
name = "world"
version = "1.0.0"
description = "For simulation"

[limits]
ttl = {{ default = "8h", max = "24h", max_total = "72h", grace = "15m" }}
budget = {{ monthly = "50.00 USD", total = "50.00 USD" }}
resources = 20
regions = ["local", "sim-1", "sim-2"]
on_expiry = "{on_expiry}"

[governance]
policies = ["baseline"]

[providers.sim]
source = "builtin/sim"
[providers.sim.config]
region = "sim-1"

[resource.sim_object.base]
name = "base"
size = {size}
secret = "hush"
lifecycle = {{ prevent_destroy = {kept} }}

[resource.sim_object.leaf]
count = {leaves}
name = "leaf-${{count.index}}"
zone = "zone-{zone}"
content = "on ${{sim_object.base.id}}"
lifecycle = {{ create_before_destroy = {beside} }}

[resource.sim_database.data]
count = {databases}
name = "data-${{count.index}}"
region = "sim-{region}"
lifecycle = {{ create_before_destroy = {beside} }}

{link}
[outputs.base]
value = "${{sim_object.base.id}}"
"#,
        !link.is_empty()
    )
}
