//! The evaluator: a tree and a scope to a value.
//!
//! Two rules hold in every node. What is known in the result stays true whatever the unknown
//! inputs turn out to be, so a branch that depends on an unknown condition yields an unknown. And
//! whatever a sensitive value could have decided is sensitive: where a branch is not taken for
//! want of knowledge, it is still looked at for its marks, and its errors are dropped.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::blueprint::expr::EXPRESSION_DEPTH_MAX;
use crate::blueprint::expr::Fuel;
use crate::blueprint::expr::Reference;
use crate::blueprint::expr::Scope;
use crate::blueprint::expr::TEXT_BYTES_MAX;
use crate::blueprint::expr::ast::Call;
use crate::blueprint::expr::ast::Conditional;
use crate::blueprint::expr::ast::Node;
use crate::blueprint::expr::ast::NodeKind;
use crate::blueprint::expr::ast::Place;
use crate::blueprint::expr::convert;
use crate::blueprint::expr::fuel::Exhausted;
use crate::blueprint::expr::functions;
use crate::blueprint::expr::functions::Body;
use crate::blueprint::expr::functions::Function;
use crate::blueprint::expr::functions::Lazy;
use crate::blueprint::expr::functions::pattern::Patterns;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::model::value::Kind;
use crate::model::value::Value;

/// Evaluates a tree.
///
/// # Errors
/// Everything that is wrong, each with its place.
pub fn evaluate(
    root: &Node,
    source: &Source,
    scope: &dyn Scope,
    fuel: &mut Fuel,
) -> Result<Value, Diagnostics> {
    let mut evaluator = Evaluator {
        source,
        scope,
        fuel,
        seen: BTreeMap::new(),
        bound: Vec::new(),
        touched_unknown: false,
        patterns: Patterns::default(),
    };
    let value = evaluator.value(root).map_err(|failure| failure.problems)?;
    if depth_exceeds(&value, EXPRESSION_DEPTH_MAX) {
        let detail = format!("The value nests deeper than {EXPRESSION_DEPTH_MAX} levels.");
        return Err(evaluator.failure(root.place, Code::TooExpensive, detail).problems);
    }
    Ok(value)
}

fn depth_exceeds(value: &Value, depth_max: usize) -> bool {
    value.children().any(|child| depth_max == 0 || depth_exceeds(child, depth_max - 1))
}

/// Why there is no value.
#[derive(Clone, Debug)]
pub struct Failure {
    problems: Diagnostics,
    /// Whether nothing may go on: the fuel is spent.
    stops: bool,
}

impl Failure {
    /// Whether `try` may go on to its next argument: names that do not exist are mistakes of
    /// whoever wrote the expression, whatever the values are.
    fn is_recoverable(&self) -> bool {
        let mistake = |code| matches!(code, Code::UnknownReference | Code::UnknownFunction);
        !self.stops && !self.problems.iter().any(|problem| mistake(problem.code))
    }

    /// The same, with a way out on its last problem.
    pub fn help(self, help: impl Into<String>) -> Self {
        let mut all: Vec<Diagnostic> = self.problems.iter().cloned().collect();
        if let Some(last) = all.pop() {
            all.push(last.help(help));
        }
        Self { problems: all.into_iter().collect(), stops: self.stops }
    }
}

/// A value, or why there is none.
pub type Outcome<T = Value> = Result<T, Failure>;

/// One evaluation.
pub struct Evaluator<'a> {
    source: &'a Source,
    scope: &'a dyn Scope,
    /// What is left to spend.
    pub fuel: &'a mut Fuel,
    /// Values of the scope that were already asked for, so that each is copied once.
    seen: BTreeMap<Reference, Option<Rc<Value>>>,
    /// Names bound by the `for` around, innermost last.
    bound: Vec<(String, Rc<Value>)>,
    /// Whether anything that was not wholly known has been read. `try`, `can` and `issensitive`
    /// may not decide then: what fails or is marked later may differ.
    pub touched_unknown: bool,
    patterns: Patterns,
}

impl Evaluator<'_> {
    /// The value of a node.
    pub fn value(&mut self, node: &Node) -> Outcome {
        self.pay(node.place, 1)?;
        match &node.kind {
            NodeKind::Literal(value) => {
                self.pay_value(node.place, value)?;
                Ok(value.clone())
            }
            NodeKind::Template(parts) => self.template(parts, node.place),
            NodeKind::Reference(_) | NodeKind::Open { .. } | NodeKind::Variable(_) => {
                self.access(node, &[], node.place)
            }
            NodeKind::Access(base, steps) => self.access(base, steps, node.place),
            NodeKind::List(items) => Ok(Value::list(self.values(items)?)),
            NodeKind::Object(members) => self.object(members, node.place),
            NodeKind::Call(call) => self.call(call, node.place),
            NodeKind::Conditional(conditional) => self.conditional(conditional),
            NodeKind::Unary(operator, inner) => self.unary(*operator, inner, node.place),
            NodeKind::Chain(first, links) => self.chain(first, links, node.place),
            NodeKind::For(repeat) => self.for_each(repeat, node.place),
        }
    }

    /// The values of several nodes; all of their problems, where there are any.
    pub fn values(&mut self, nodes: &[Node]) -> Outcome<Vec<Value>> {
        let mut values = Vec::with_capacity(nodes.len());
        let mut failed: Option<Failure> = None;
        for node in nodes {
            let outcome = self.value(node);
            if let Some(value) = collect(&mut failed, outcome)? {
                values.push(value);
            }
        }
        failed.map_or(Ok(values), Err)
    }

    /// The value of a node that may turn out not to matter: its errors are dropped.
    pub fn probe(&mut self, node: &Node) -> Outcome<Option<Value>> {
        let outcome = self.value(node);
        self.dropped(outcome)
    }

    /// An outcome without its errors, unless nothing may go on.
    pub fn dropped<T>(&mut self, outcome: Outcome<T>) -> Outcome<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(failure) if failure.stops => Err(failure),
            Err(_) => Ok(None),
        }
    }

    #[inline(never)]
    fn object(&mut self, members: &[(Node, Node)], place: Place) -> Outcome {
        let mut made = BTreeMap::new();
        let mut failed = None;
        let mut sensitive = false;
        let mut known = true;
        for (key_node, value_node) in members {
            let key = self.value(key_node);
            let value = self.value(value_node);
            let key = collect(&mut failed, key)?;
            let value = collect(&mut failed, value)?;
            let (Some(key), Some(value)) = (key, value) else { continue };
            sensitive |= key.is_sensitive();
            match self.key_text(&key, key_node.place) {
                Ok(Some(name)) => {
                    if made.insert(name, value).is_some() {
                        let detail = "A key appears twice in this object.".to_owned();
                        let again = self.failure(key_node.place, Code::TypeMismatch, detail);
                        collect::<()>(&mut failed, Err(again))?;
                    }
                }
                Ok(None) => {
                    known = false;
                    sensitive |= value.contains_sensitive();
                }
                Err(failure) => {
                    collect::<()>(&mut failed, Err(failure))?;
                }
            }
        }
        if let Some(failure) = failed {
            return Err(failure);
        }
        self.pay(place, u64::try_from(made.len()).unwrap_or(u64::MAX))?;
        let value = Value::map(made);
        if known {
            return Ok(value.with_sensitive(sensitive));
        }
        let sensitive = sensitive || value.contains_sensitive();
        Ok(Value::unknown().with_sensitive(sensitive))
    }

    /// The text of a key; `None` where it is unknown.
    pub fn key_text(&mut self, key: &Value, place: Place) -> Outcome<Option<String>> {
        if key.is_unknown() {
            return Ok(None);
        }
        convert::text(key).map(Some).ok_or_else(|| {
            let detail = format!("A key needs a string, this is {}.", key.kind_name());
            self.failure(place, Code::TypeMismatch, detail)
        })
    }

    #[inline(never)]
    fn conditional(&mut self, conditional: &Conditional) -> Outcome {
        let condition = self.value(&conditional.condition)?;
        let sensitive = condition.is_sensitive();
        match self.truth(&condition, conditional.condition.place, "A condition")? {
            Some(true) => Ok(self.value(&conditional.yes)?.with_sensitive(sensitive)),
            Some(false) => Ok(self.value(&conditional.no)?.with_sensitive(sensitive)),
            None => {
                let yes = self.probe(&conditional.yes)?;
                let no = self.probe(&conditional.no)?;
                let inside = yes.iter().chain(&no).any(Value::contains_sensitive);
                Ok(Value::unknown().with_sensitive(sensitive || inside))
            }
        }
    }

    /// Whether a value is true; `None` where it is unknown.
    pub fn truth(&mut self, value: &Value, place: Place, what: &str) -> Outcome<Option<bool>> {
        if value.is_unknown() {
            return Ok(None);
        }
        convert::truth(value).map(Some).ok_or_else(|| {
            let detail = format!("{what} needs a bool, this is {}.", value.kind_name());
            self.failure(place, Code::TypeMismatch, detail)
        })
    }

    #[inline(never)]
    fn call(&mut self, call: &Call, place: Place) -> Outcome {
        if let Some(provider) = call.namespace.first() {
            let detail = format!(
                "`{}::{}` is a function of a provider, and gov calls none of those.",
                call.namespace.join("::"),
                call.name
            );
            let help = format!(
                "Use a function of gov, or read the value from a `data` block of `{provider}`."
            );
            let failure = self.failure(call.name_place, Code::UnknownFunction, detail);
            return Err(failure.help(help));
        }
        let Some(function) = functions::find(&call.name) else {
            let detail = format!("There is no function `{}`.", call.name);
            let failure = self.failure(call.name_place, Code::UnknownFunction, detail);
            return Err(match functions::hint(&call.name) {
                Some(hint) => failure.help(hint),
                None => failure,
            });
        };
        match function.body {
            Body::Lazy(lazy) => self.lazy(function, lazy, call, place),
            Body::Strict(_) => self.strict(function, call, place),
        }
    }

    fn strict(&mut self, function: &'static Function, call: &Call, place: Place) -> Outcome {
        let mut values = self.values(&call.arguments)?;
        let mut sensitive = false;
        if call.expand
            && let Some(last) = values.pop()
        {
            let at = call.arguments.last().map_or(place, |node| node.place);
            sensitive = last.is_sensitive();
            let unsettled = matches!(last.kind(), Kind::Set(_)) && !last.is_wholly_known();
            if last.is_unknown() || unsettled {
                let inside = values.iter().chain([&last]).any(Value::contains_sensitive);
                return Ok(Value::unknown().with_sensitive(inside));
            }
            match last.into_kind() {
                Kind::List(items) | Kind::Set(items) => values.extend(items),
                other => {
                    let name = Value::new(other).kind_name();
                    let detail = format!("`...` needs a list of arguments, this is {name}.");
                    return Err(self.failure(at, Code::InvalidCall, detail));
                }
            }
        }
        for value in &values {
            self.pay_value(place, value)?;
        }
        let outcome = function.call(values, self.fuel, &mut self.patterns);
        let made = outcome.map_err(|problem| self.call_failure(function, call, place, problem))?;
        self.pay_value(place, &made)?;
        Ok(made.with_sensitive(sensitive))
    }

    fn call_failure(
        &self,
        function: &Function,
        call: &Call,
        place: Place,
        problem: functions::Problem,
    ) -> Failure {
        let name = function.name;
        match problem {
            functions::Problem::Exhausted(why) => self.exhausted(place, why),
            functions::Problem::Call(text) => {
                let failure = self.failure(place, Code::InvalidCall, format!("`{name}` {text}."));
                failure.help(format!("It is called as `{}`.", function.signature()))
            }
            functions::Problem::Argument(index, text) => {
                let node = call.arguments.get(index).or(call.arguments.last());
                let parameter = function.parameter(index).map_or("an argument", |p| p.name);
                let detail = format!("`{parameter}` of `{name}` {text}.");
                let at = node.map_or(place, |node| node.place);
                self.failure(at, Code::InvalidCall, detail)
            }
        }
    }

    /// Functions that see how their arguments are evaluated, not only to what.
    fn lazy(&mut self, function: &Function, lazy: Lazy, call: &Call, place: Place) -> Outcome {
        let count = call.arguments.len();
        let right = if lazy == Lazy::Try { count >= 1 } else { count == 1 };
        if !right || call.expand {
            let text = format!("is called with {count} arguments");
            let problem = functions::Problem::Call(text);
            return Err(self.call_failure(function, call, place, problem));
        }
        let mut touched = self.touched_unknown;
        let outcome = self.lazily(lazy, &call.arguments, place, &mut touched);
        self.touched_unknown |= touched;
        outcome
    }

    fn lazily(
        &mut self,
        lazy: Lazy,
        arguments: &[Node],
        place: Place,
        touched: &mut bool,
    ) -> Outcome {
        let mut last = None;
        for (index, argument) in arguments.iter().enumerate() {
            self.touched_unknown = false;
            let outcome = self.value(argument);
            *touched |= self.touched_unknown;
            let unsettled = self.touched_unknown;
            match (lazy, outcome) {
                (_, Err(failure)) if !failure.is_recoverable() => return Err(failure),
                (Lazy::Try, Err(failure)) => last = Some(failure),
                (Lazy::Can, Err(_)) => return Ok(Value::bool(false)),
                (_, Err(failure)) => return Err(failure),
                (Lazy::Sensitive, Ok(value)) => return Ok(value.into_sensitive()),
                (Lazy::NonSensitive, Ok(value)) => return Ok(Value::new(value.into_kind())),
                (Lazy::Try, Ok(value)) if unsettled => {
                    // It may fail once all is known, and then one of the others is the value.
                    let mut sensitive = value.contains_sensitive();
                    for other in arguments.iter().skip(index + 1) {
                        let other = self.probe(other)?;
                        sensitive |= other.is_some_and(|other| other.contains_sensitive());
                    }
                    return Ok(Value::unknown().with_sensitive(sensitive));
                }
                (Lazy::Try, Ok(value)) => return Ok(value),
                (Lazy::Can | Lazy::IsSensitive, Ok(_)) if unsettled => return Ok(Value::unknown()),
                (Lazy::Can, Ok(_)) => return Ok(Value::bool(true)),
                (Lazy::IsSensitive, Ok(value)) => {
                    return Ok(Value::bool(value.contains_sensitive()));
                }
            }
        }
        let detail = "No argument of `try` has a value.".to_owned();
        let failed = self.failure(place, Code::InvalidCall, detail);
        Err(merge(Some(failed), last).unwrap_or_else(|| self.exhausted(place, Exhausted::Fuel)))
    }

    /// Does something while names are bound.
    pub fn with<T>(
        &mut self,
        names: impl IntoIterator<Item = (String, Rc<Value>)>,
        inner: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let before = self.bound.len();
        self.bound.extend(names);
        let made = inner(self);
        self.bound.truncate(before);
        made
    }

    /// What a `for` around bound to this name.
    pub fn variable(&self, name: &str) -> Option<Rc<Value>> {
        let found = self.bound.iter().rev().find(|(bound, _)| bound == name);
        found.map(|(_, value)| Rc::clone(value))
    }

    /// What the scope has for this reference. It is copied, and paid for, once.
    pub fn lookup(&mut self, reference: &Reference, place: Place) -> Outcome<Option<Rc<Value>>> {
        if let Some(seen) = self.seen.get(reference) {
            return Ok(seen.clone());
        }
        let found = self.scope.value(reference);
        if let Some(value) = &found {
            self.pay_value(place, value)?;
        }
        let found = found.map(Rc::new);
        self.seen.insert(reference.clone(), found.clone());
        Ok(found)
    }

    /// The failure for a reference to nothing.
    pub fn undeclared(&self, reference: &Reference, place: Place) -> Failure {
        let detail = format!("`{reference}` is not declared.");
        let failure = self.failure(place, Code::UnknownReference, detail);
        match self.scope.nearest(reference) {
            Some(near) => failure.help(format!("Did you mean `{near}`?")),
            None => failure,
        }
    }

    /// A failure at a place.
    pub fn failure(&self, place: Place, code: Code, detail: String) -> Failure {
        let span = Span::new(self.source, place.0..place.1);
        Failure { problems: Diagnostic::error(code, detail).at(span).into(), stops: false }
    }

    /// The failure that ends everything.
    pub fn exhausted(&self, place: Place, why: Exhausted) -> Failure {
        let detail = match why {
            Exhausted::Fuel => "The evaluation takes more steps than gov allows.".to_owned(),
            Exhausted::Text => {
                format!("The evaluation makes a text longer than {TEXT_BYTES_MAX} bytes.")
            }
        };
        let failure = self.failure(place, Code::TooExpensive, detail);
        let help = "Make collections smaller, or nest fewer `for` expressions.";
        Failure { stops: true, ..failure.help(help) }
    }

    /// Pays.
    pub fn pay(&mut self, place: Place, units: u64) -> Outcome<()> {
        self.fuel.spend(units).map_err(|why| self.exhausted(place, why))
    }

    /// Pays for a value.
    pub fn pay_value(&mut self, place: Place, value: &Value) -> Outcome<()> {
        self.fuel.spend_value(value).map_err(|why| self.exhausted(place, why))
    }
}

/// The value of an outcome, or its failure put with those before. A failure that stops returns.
pub fn collect<T>(failed: &mut Option<Failure>, outcome: Outcome<T>) -> Outcome<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(failure) if failure.stops => Err(failure),
        Err(failure) => {
            *failed = merge(failed.take(), Some(failure));
            Ok(None)
        }
    }
}

fn merge(one: Option<Failure>, other: Option<Failure>) -> Option<Failure> {
    match (one, other) {
        (Some(mut one), Some(other)) => {
            one.problems.extend(other.problems);
            one.stops |= other.stops;
            Some(one)
        }
        (one, other) => one.or(other),
    }
}
