//! What somebody asks an environment to be, put together with what it remembers.
//!
//! An omitted word keeps what is recorded. Everything that is missing or wrong is said at once,
//! before anything is planned.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::blueprint;
use crate::blueprint::Blueprint;
use crate::blueprint::inputs;
use crate::blueprint::inputs::Given;
use crate::blueprint::resolve::Resolved;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;
use crate::model::address::is_identifier;
use crate::model::digest::Digest;
use crate::model::digest::Domain;
use crate::model::environment::BlueprintRecord;
use crate::model::environment::EnvironmentRecord;
use crate::model::environment::Identity;
use crate::model::lifetime::Duration;
use crate::model::lifetime::Term;
use crate::model::lifetime::Timestamp;
use crate::model::limits::Budget;
use crate::model::limits::Limits;
use crate::model::limits::OnExpiry;
use crate::model::value::Value;
use crate::ops::Context;
use crate::ops::OpError;
use crate::state::seal::Sealer;
use crate::state::snapshot::Snapshot;

/// The longest word of an identity: they travel as tags, which clouds bound at 256.
const WORD_CHARS_MAX: usize = 256;

/// The longest name of an environment: a label of a host name.
const NAME_CHARS_MAX: usize = 63;

/// What somebody says about an environment; what they leave out is kept as recorded.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// Which environment.
    pub name: String,
    /// The blueprint's text with its name.
    pub blueprint: Option<Source>,
    /// Inputs by name, as text of the command line.
    pub inputs_text: BTreeMap<String, String>,
    /// Inputs by name, as values of an environment file.
    pub inputs: BTreeMap<String, Given>,
    /// Inputs that go back to the blueprint's default.
    pub reset_inputs: Vec<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Whose budget it is on.
    pub team: Option<String>,
    /// What it belongs to.
    pub project: Option<String>,
    /// Why it exists.
    pub purpose: Option<String>,
    /// The declared measure of its value.
    pub value: Option<String>,
    /// How long it is to live; only before it has started.
    pub term: Option<Term>,
    /// When it is to start; only before it has started.
    pub start: Option<Timestamp>,
    /// What it may cost.
    pub budget: Option<Budget>,
    /// The absolute folder of its local resources; only when it is made.
    pub root: Option<String>,
    /// Words for what nobody has said and nothing is recorded of.
    pub defaults: Defaults,
}

/// Words that hold where neither an ask nor a record says anything.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// Who answers for it.
    pub owner: Option<String>,
    /// Whose budget it is on.
    pub team: Option<String>,
    /// What it belongs to.
    pub project: Option<String>,
    /// The absolute folder of its local resources.
    pub root: Option<String>,
}

/// An ask, checked and complete.
#[derive(Clone, Debug)]
pub struct Settled {
    /// What the environment is asked to be.
    pub record: EnvironmentRecord,
    /// The blueprint with what was checked of it.
    pub source: Parsed,
    /// Inputs by name, defaults filled in.
    pub inputs: BTreeMap<String, Value>,
}

/// A blueprint, parsed and checked.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The blueprint.
    pub blueprint: Arc<Blueprint>,
    /// Its references and order.
    pub resolved: Arc<Resolved>,
    /// Declared endpoints by name.
    pub integrations: BTreeMap<String, String>,
    /// Advice.
    pub warnings: Diagnostics,
}

/// Parses and checks a blueprint.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_blueprint(source: &Source) -> Result<Parsed, Diagnostics> {
    let (blueprint, resolved, warnings) = blueprint::load(source)?;
    let integrations = blueprint
        .integrations
        .iter()
        .map(|(name, integration)| (name.clone(), integration.endpoint.clone()))
        .collect();
    let (blueprint, resolved) = (Arc::new(blueprint), Arc::new(resolved));
    Ok(Parsed { blueprint, resolved, integrations, warnings })
}

/// The blueprint and inputs of a recorded environment, as they were journalled.
///
/// # Errors
/// Where the recorded text is not understood any more, or a sealed input cannot be opened.
pub fn recorded(record: &EnvironmentRecord, sealer: &Sealer) -> Result<Settled, OpError> {
    let source = Source::new(record.blueprint.origin.clone(), record.blueprint.text.clone());
    let parsed = read_blueprint(&source)?;
    let given = opened_inputs(record, sealer)?;
    let inputs = inputs::settle(&parsed.blueprint.inputs, &given)?;
    Ok(Settled { record: record.clone(), source: parsed, inputs })
}

fn opened_inputs(
    record: &EnvironmentRecord,
    sealer: &Sealer,
) -> Result<BTreeMap<String, Given>, OpError> {
    let open = |(name, value): (&String, &crate::model::sealed::SealedValue)| {
        Ok((name.clone(), Given { value: sealer.open(value)?, span: None }))
    };
    record.inputs.iter().map(open).collect()
}

/// Puts an ask together with what is recorded.
///
/// # Errors
/// [`OpError::Diagnostics`] with everything that is missing or wrong.
pub fn settle(context: &Context, ask: &Ask, known: Option<&Snapshot>) -> Result<Settled, OpError> {
    let recorded = known.map(|snapshot| &snapshot.record);
    let mut problems = check_name(&ask.name);
    let source = match (&ask.blueprint, recorded) {
        (Some(source), _) => source.clone(),
        (None, Some(record)) => {
            Source::new(record.blueprint.origin.clone(), record.blueprint.text.clone())
        }
        (None, None) => {
            problems.push(missing_blueprint(&ask.name));
            return Err(problems.into());
        }
    };
    let parsed = match read_blueprint(&source) {
        Ok(parsed) => parsed,
        Err(wrong) => {
            problems.extend(wrong);
            problems.extend(missing_words(&identity(ask, recorded), &ask.name));
            return Err(problems.into());
        }
    };
    let identity = identity(ask, recorded);
    problems.extend(missing_words(&identity, &ask.name));
    problems.extend(missing_policy(&parsed));
    let (given, inputs) = match settle_inputs(context, ask, recorded, &parsed) {
        Ok(settled) => settled,
        Err(OpError::Diagnostics(wrong)) => {
            problems.extend(wrong);
            (BTreeMap::new(), BTreeMap::new())
        }
        Err(other) => return Err(other),
    };
    let digest = Digest::of(Domain::Blueprint, source.text.as_bytes());
    let limits = settle_limits(context, &parsed, &digest, &mut problems);
    let budget = settle_budget(
        context,
        ask,
        recorded,
        &parsed.blueprint.limits.value,
        &digest,
        &mut problems,
    );
    let term = settle_term(context, ask, known, &limits, &digest, &mut problems);
    let root = settle_root(ask, recorded, &mut problems);
    if problems.has_errors() {
        return Err(problems.into());
    }
    let record = EnvironmentRecord {
        name: ask.name.clone(),
        identity,
        budget,
        on_expiry: consent(&limits, recorded),
        limits,
        blueprint: BlueprintRecord {
            name: parsed.blueprint.name.clone(),
            version: parsed.blueprint.version.clone(),
            digest,
            published: context.trust.published.contains_key(&digest),
            origin: source.name.to_string(),
            text: source.text.to_string(),
        },
        inputs: given,
        root,
        term,
        start: ask.start.or(recorded.and_then(|record| record.start)),
    };
    Ok(Settled { record, source: parsed, inputs })
}

/// What the blueprint states, within what the trust root bounds.
fn settle_limits(
    context: &Context,
    parsed: &Parsed,
    blueprint: &Digest,
    problems: &mut Diagnostics,
) -> Limits {
    let mut stated = parsed.blueprint.limits.value.clone();
    // A ceiling on grace bounds one; it grants none to a blueprint that states none.
    stated.ttl.grace = stated.ttl.grace.or(Some(Duration::ZERO));
    match stated.tighten(context.trust.bound(blueprint)) {
        Ok(limits) => limits,
        Err(error) => {
            problems.push(Diagnostic::error(Code::InvalidIdentity, error.to_string()));
            stated
        }
    }
}

fn settle_budget(
    context: &Context,
    ask: &Ask,
    recorded: Option<&EnvironmentRecord>,
    limits: &Limits,
    blueprint: &Digest,
    problems: &mut Diagnostics,
) -> Budget {
    let asked = ask.budget.or(recorded.map(|record| record.budget)).unwrap_or_default();
    match bounded_budget(context, limits, asked, blueprint) {
        Ok(budget) if budget.is_empty() => {
            let detail = format!("the environment {} has no budget", ask.name);
            let help = "state one: --budget \"5.00 USD\", or limits.budget in the blueprint";
            problems.push(Diagnostic::error(Code::MissingIdentity, detail).help(help));
            budget
        }
        Ok(budget) => budget,
        Err(error) => {
            problems.push(Diagnostic::error(Code::InvalidIdentity, error.to_string()));
            Budget::default()
        }
    }
}

/// Consent to deleting data is given when an environment is made. Later it can be taken back, not
/// given: what was to be kept then is kept.
fn consent(limits: &Limits, recorded: Option<&EnvironmentRecord>) -> OnExpiry {
    let made_with = recorded.map_or(OnExpiry::DeleteData, |record| record.on_expiry);
    match (made_with, limits.on_expiry) {
        (OnExpiry::DeleteData, Some(OnExpiry::DeleteData)) => OnExpiry::DeleteData,
        _ => OnExpiry::KeepData,
    }
}

fn missing_blueprint(name: &str) -> Diagnostic {
    let detail = format!("there is no environment {name} and no blueprint for one");
    Diagnostic::error(Code::MissingIdentity, detail).help("name its blueprint: -b FOLDER")
}

fn check_name(name: &str) -> Diagnostics {
    let fits = is_identifier(name) && name.len() <= NAME_CHARS_MAX;
    if fits {
        return Diagnostics::new();
    }
    let detail = format!("`{name}` cannot name an environment");
    let help = format!("a letter, then letters, digits, - and _, at most {NAME_CHARS_MAX} in all");
    Diagnostic::error(Code::InvalidIdentity, detail).help(help).into()
}

fn identity(ask: &Ask, recorded: Option<&EnvironmentRecord>) -> Identity {
    let usual = |word: &Option<String>| word.clone().unwrap_or_default();
    let known = recorded.map(|record| record.identity.clone()).unwrap_or_else(|| Identity {
        owner: usual(&ask.defaults.owner),
        team: usual(&ask.defaults.team),
        project: usual(&ask.defaults.project),
        ..Identity::default()
    });
    let pick = |said: &Option<String>, known: String| said.clone().unwrap_or(known);
    Identity {
        owner: pick(&ask.owner, known.owner),
        team: pick(&ask.team, known.team),
        project: pick(&ask.project, known.project),
        purpose: pick(&ask.purpose, known.purpose),
        value: ask.value.clone().or(known.value),
    }
}

/// G1: every word that is missing, at once.
fn missing_words(identity: &Identity, name: &str) -> Diagnostics {
    let words = [
        ("owner", &identity.owner, "--owner ann"),
        ("team", &identity.team, "--team platform"),
        ("project", &identity.project, "--project search"),
        ("purpose", &identity.purpose, "--purpose \"what it is for\""),
    ];
    let mut problems = Diagnostics::new();
    for (word, text, example) in words {
        if text.trim().is_empty() {
            let detail = format!("the environment {name} has no {word}");
            let missing = Diagnostic::error(Code::MissingIdentity, detail);
            problems.push(missing.help(format!("state it: {example}")));
        } else if text.chars().count() > WORD_CHARS_MAX || text.chars().any(char::is_control) {
            let detail = format!(
                "the {word} is longer than {WORD_CHARS_MAX} characters or has control characters"
            );
            problems.push(Diagnostic::error(Code::InvalidIdentity, detail));
        }
    }
    problems
}

/// G1: a blueprint that names no policy is not governed by anyone's choice.
fn missing_policy(parsed: &Parsed) -> Diagnostics {
    if !parsed.blueprint.governance.policies.is_empty() {
        return Diagnostics::new();
    }
    let detail = format!("the blueprint {} names no policy", parsed.blueprint.name);
    let help = "name one: [governance] policies = [\"baseline\"]";
    Diagnostic::error(Code::MissingIdentity, detail).help(help).into()
}

type Inputs = (BTreeMap<String, crate::model::sealed::SealedValue>, BTreeMap<String, Value>);

/// Inputs as given, sealed for the record, and complete with defaults.
fn settle_inputs(
    context: &Context,
    ask: &Ask,
    recorded: Option<&EnvironmentRecord>,
    parsed: &Parsed,
) -> Result<Inputs, OpError> {
    let declared = &parsed.blueprint.inputs;
    let mut given = match recorded {
        Some(record) => opened_inputs(record, &context.sealer)?,
        None => BTreeMap::new(),
    };
    // An input that the blueprint has dropped is dropped with it, unless somebody still gives it.
    given.retain(|name, _| declared.contains_key(name) && !ask.reset_inputs.contains(name));
    given.extend(ask.inputs.clone());
    let mut problems = Diagnostics::new();
    for (name, text) in &ask.inputs_text {
        let value = match declared.get(name) {
            Some(declaration) => inputs::parse_given(name, declaration, text),
            // Refused below with the nearest name.
            None => Ok(Value::string(text.clone())),
        };
        match value {
            Ok(value) => {
                given.insert(name.clone(), Given { value, span: None });
            }
            Err(problem) => problems.push(problem),
        }
    }
    let complete = match inputs::settle(declared, &given) {
        Ok(complete) => complete,
        Err(wrong) => {
            problems.extend(wrong);
            BTreeMap::new()
        }
    };
    if problems.has_errors() {
        return Err(problems.into());
    }
    let mut sealed = BTreeMap::new();
    for name in given.keys() {
        if let Some(value) = complete.get(name) {
            sealed.insert(name.clone(), context.sealer.seal(value)?);
        }
    }
    Ok((sealed, complete))
}

/// The tightest of what is asked, what the blueprint allows and what the trust root bounds.
fn bounded_budget(
    context: &Context,
    limits: &Limits,
    asked: Budget,
    blueprint: &Digest,
) -> Result<Budget, OpError> {
    let stated = asked.tighten(&limits.budget)?;
    if stated.is_empty() {
        return Ok(stated);
    }
    Ok(stated.tighten(&context.trust.bound(blueprint).budget)?)
}

fn settle_term(
    context: &Context,
    ask: &Ask,
    known: Option<&Snapshot>,
    limits: &Limits,
    blueprint: &Digest,
    problems: &mut Diagnostics,
) -> Term {
    // An environment file goes on saying what it was made with: only another word is a wish.
    let begun = known.filter(|snapshot| snapshot.life().is_some()).map(|known| &known.record);
    let moves = |record: &EnvironmentRecord| {
        ask.term.is_some_and(|term| term != record.term)
            || ask.start.is_some_and(|start| Some(start) != record.start)
    };
    if begun.is_some_and(moves) {
        let detail = format!("the life of {} has begun; apply never moves its expiry", ask.name);
        let help = format!("gov extend {} --by … --reason …", ask.name);
        problems.push(Diagnostic::error(Code::InvalidIdentity, detail).help(help));
    }
    if let Some(term) = ask.term.or(known.map(|snapshot| snapshot.record.term)) {
        return term;
    }
    let bound = context.trust.bound(blueprint).ttl;
    match limits.ttl.default.and(limits.ttl.tighten(&bound).complete()) {
        Some(ttl) => Term::For(ttl.default),
        None => {
            let detail = format!("the environment {} has no expiry", ask.name);
            let help = "state one: --ttl 8h, or limits.ttl.default in the blueprint";
            problems.push(Diagnostic::error(Code::MissingIdentity, detail).help(help));
            Term::For(crate::model::lifetime::Duration::ZERO)
        }
    }
}

fn settle_root(
    ask: &Ask,
    recorded: Option<&EnvironmentRecord>,
    problems: &mut Diagnostics,
) -> String {
    match (recorded, &ask.root) {
        (Some(record), Some(root)) if *root != record.root => {
            let detail = format!("the root of {} is {} and cannot move", ask.name, record.root);
            problems.push(Diagnostic::error(Code::InvalidIdentity, detail));
            record.root.clone()
        }
        (Some(record), _) => record.root.clone(),
        (None, Some(root)) => {
            if !root.starts_with('/') {
                let detail = format!("the root {root} is not absolute");
                problems.push(Diagnostic::error(Code::InvalidIdentity, detail));
            }
            root.clone()
        }
        (None, None) => ask.defaults.root.clone().unwrap_or_default(),
    }
}
