//! The functions of the language: a table, and the rules that hold for each of them.
//!
//! A function is a row with its parameters, a sentence and an example that a test evaluates, and
//! a body over plain values. What is common is settled before the body runs: how many arguments,
//! which may be null, and what unknown and sensitive ones mean. No function reads a file, a clock,
//! the environment, the network or a random source. To add one, add a row in the file of its
//! domain. No message holds the value of an argument, for it may be sensitive, unless
//! [`Arguments::may_show`] says that none is.

mod collection;
mod conversion;
mod encoding;
mod format;
mod network;
mod number;
pub mod pattern;
mod set;
mod text;
mod time;

use std::collections::BTreeMap;

use crate::blueprint::expr::convert;
use crate::blueprint::expr::fuel::Exhausted;
use crate::blueprint::expr::fuel::Fuel;
use crate::blueprint::expr::functions::pattern::Patterns;
use crate::model::number::Number;
use crate::model::schema::nearest;
use crate::model::value::Kind;
use crate::model::value::Value;

/// Every row, by domain.
const TABLES: [&[Function]; 10] = [
    collection::FUNCTIONS,
    conversion::FUNCTIONS,
    encoding::FUNCTIONS,
    format::FUNCTIONS,
    network::FUNCTIONS,
    number::FUNCTIONS,
    pattern::FUNCTIONS,
    set::FUNCTIONS,
    text::FUNCTIONS,
    time::FUNCTIONS,
];

/// Functions that other tools have and gov leaves out, since their result would not follow from
/// the blueprint and its inputs alone.
const IMPURE: [&str; 14] = [
    "abspath",
    "bcrypt",
    "file",
    "filebase64",
    "fileexists",
    "fileset",
    "filesha256",
    "getenv",
    "pathexpand",
    "plantimestamp",
    "templatefile",
    "timestamp",
    "uuid",
    "uuidv5",
];

/// One function.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Its parameters, in order; the last one may take the rest.
    pub parameters: &'static [Parameter],
    /// What it does, in a sentence.
    pub sentence: &'static str,
    /// A call.
    pub example: &'static str,
    /// What the call yields, as an expression.
    pub result: &'static str,
    /// How it runs.
    pub body: Body,
}

/// How a function runs.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// Over values.
    Strict(fn(&mut Arguments<'_>) -> Result<Value, Problem>),
    /// Over the arguments as written; the evaluator does it.
    Lazy(Lazy),
}

/// Functions that see how their arguments are evaluated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lazy {
    /// The first argument that has a value.
    Try,
    /// Whether the argument has a value.
    Can,
    /// Whether the argument is sensitive.
    IsSensitive,
    /// The argument, marked.
    Sensitive,
    /// The argument without its own mark.
    NonSensitive,
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Whether the function looks inside collections given for it: anything unknown inside makes
    /// the result unknown, anything sensitive inside makes it sensitive. Else only the argument
    /// itself counts, and members keep their own marks.
    deep: bool,
    /// Whether the function settles for itself what an unknown argument means.
    open: bool,
    nullable: bool,
    optional: bool,
    rest: bool,
}

impl Parameter {
    const fn new(name: &'static str, deep: bool) -> Self {
        Self { name, deep, open: false, nullable: false, optional: false, rest: false }
    }

    /// The same, and null is a value like others.
    const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// The same, and the function settles for itself what an unknown argument means.
    const fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// The same, and it may be left out.
    const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// The same, for all arguments that follow, of which there may be none.
    const fn rest(mut self) -> Self {
        self.rest = true;
        self.optional = true;
        self
    }

    /// The same, for all arguments that follow, of which there is at least one.
    const fn some(mut self) -> Self {
        self.rest = true;
        self
    }
}

/// A parameter that the function reads to its leaves.
const fn deep(name: &'static str) -> Parameter {
    Parameter::new(name, true)
}

/// A parameter whose members the function passes on as they are.
const fn shallow(name: &'static str) -> Parameter {
    Parameter::new(name, false)
}

/// Why a call has no value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Problem {
    /// The argument at this position is wrong: "needs …".
    Argument(usize, String),
    /// The call is wrong: "is called with …".
    Call(String),
    /// It takes too much.
    Exhausted(Exhausted),
}

impl From<Exhausted> for Problem {
    fn from(why: Exhausted) -> Self {
        Self::Exhausted(why)
    }
}

/// One function, for the reference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FunctionDoc {
    /// Its name.
    pub name: &'static str,
    /// How it is called, such as `substr(text, offset, length)`.
    pub signature: String,
    /// What it does, in a sentence.
    pub sentence: &'static str,
    /// A call.
    pub example: &'static str,
    /// What the call yields, as an expression.
    pub result: &'static str,
}

/// Every function, by name.
pub fn reference() -> impl Iterator<Item = FunctionDoc> {
    let by_name: BTreeMap<&str, &Function> = all().map(|f| (f.name, f)).collect();
    by_name.into_values().map(|function| FunctionDoc {
        name: function.name,
        signature: function.signature(),
        sentence: function.sentence,
        example: function.example,
        result: function.result,
    })
}

fn all() -> impl Iterator<Item = &'static Function> {
    TABLES.into_iter().flatten()
}

/// The function of this name.
pub fn find(name: &str) -> Option<&'static Function> {
    all().find(|function| function.name == name)
}

/// The way out for a name that is no function.
pub fn hint(name: &str) -> Option<String> {
    if IMPURE.contains(&name) {
        let way = "Expressions read no file, clock, environment or random source: \
                   give the value as an input, or take it from a resource.";
        return Some(way.to_owned());
    }
    let near = nearest(name, all().map(|function| function.name))?;
    Some(format!("Did you mean `{near}`?"))
}

impl Function {
    /// How it is called.
    #[must_use]
    pub fn signature(&self) -> String {
        let mut text = format!("{}(", self.name);
        for (index, parameter) in self.parameters.iter().enumerate() {
            if index > 0 {
                text.push_str(", ");
            }
            text.push_str(parameter.name);
            if parameter.rest {
                text.push_str("...");
            } else if parameter.optional {
                text.push('?');
            }
        }
        text.push(')');
        text
    }

    /// The parameter that the argument at this position is for.
    #[must_use]
    pub fn parameter(&self, index: usize) -> Option<&'static Parameter> {
        self.parameters.get(index).or_else(|| self.parameters.last().filter(|last| last.rest))
    }

    /// Calls it. The result carries the marks that its arguments give it.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn call(
        &self,
        mut values: Vec<Value>,
        fuel: &mut Fuel,
        patterns: &mut Patterns,
    ) -> Result<Value, Problem> {
        let Body::Strict(body) = self.body else {
            return Err(Problem::Call("is not called like this".to_owned()));
        };
        let needed = self.parameters.iter().filter(|parameter| !parameter.optional).count();
        let rest = self.parameters.last().is_some_and(|last| last.rest);
        if values.len() < needed || (!rest && values.len() > self.parameters.len()) {
            return Err(Problem::Call(format!("is called with {} arguments", values.len())));
        }
        let mut sensitive = false;
        let mut unsettled = false;
        for (index, value) in values.iter_mut().enumerate() {
            let Some(parameter) = self.parameter(index) else { continue };
            if value.is_null() && !parameter.nullable {
                return Err(Problem::Argument(index, "is null".to_owned()));
            }
            // How many items a set has, and in which order, is open until all are known.
            let loose = parameter.deep || matches!(value.kind(), Kind::Set(_));
            let unknown = value.is_unknown() || (loose && !value.is_wholly_known());
            unsettled |= unknown && !parameter.open;
            if !parameter.deep {
                sensitive |= value.is_sensitive();
            } else if value.contains_sensitive() {
                sensitive = true;
                *value = value.unmarked();
            }
        }
        if unsettled {
            let inside = values.iter().any(Value::contains_sensitive);
            return Ok(Value::unknown().with_sensitive(sensitive || inside));
        }
        let may_show = !sensitive && !values.iter().any(Value::contains_sensitive);
        let mut arguments = Arguments { values, may_show, fuel, patterns };
        Ok(body(&mut arguments)?.with_sensitive(sensitive))
    }
}

/// The arguments of one call: as many as were given, none unknown where the function looks.
pub struct Arguments<'a> {
    values: Vec<Value>,
    may_show: bool,
    /// What is left to spend.
    pub fuel: &'a mut Fuel,
    /// Compiled patterns.
    pub patterns: &'a mut Patterns,
}

impl Arguments<'_> {
    /// How many were given.
    fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether a message may hold what was given.
    fn may_show(&self) -> bool {
        self.may_show
    }

    /// Takes the argument at a position; null where none was given.
    fn take(&mut self, index: usize) -> Value {
        self.values
            .get_mut(index)
            .map_or_else(Value::null, |value| std::mem::replace(value, Value::null()))
    }

    /// Takes the arguments from a position on.
    fn take_from(&mut self, index: usize) -> Vec<Value> {
        self.values.split_off(index.min(self.values.len()))
    }

    /// The text at a position.
    fn text(&mut self, index: usize) -> Result<String, Problem> {
        let value = self.take(index);
        convert::text(&value).ok_or_else(|| needs(index, "a string", &value))
    }

    /// The number at a position.
    fn number(&mut self, index: usize) -> Result<Number, Problem> {
        let value = self.take(index);
        convert::number(&value).ok_or_else(|| needs(index, "a number", &value))
    }

    /// The whole number at a position.
    fn integer(&mut self, index: usize) -> Result<i64, Problem> {
        let number = self.number(index)?;
        number.as_i64().ok_or_else(|| {
            Problem::Argument(index, "needs a whole number of at most 18 digits".to_owned())
        })
    }

    /// The count at a position: a whole number, not negative.
    fn count(&mut self, index: usize) -> Result<usize, Problem> {
        let number = self.number(index)?;
        number.as_usize().ok_or_else(|| {
            Problem::Argument(index, "needs a whole number that is not negative".to_owned())
        })
    }

    /// The items at a position: of a list, or of a set in its order.
    fn items(&mut self, index: usize) -> Result<Vec<Value>, Problem> {
        into_items(self.take(index)).map_err(|value| needs(index, "a list", &value))
    }

    /// The texts of the list at a position.
    fn texts(&mut self, index: usize) -> Result<Vec<String>, Problem> {
        self.items(index)?.iter().map(|item| text_of(index, item)).collect()
    }

    /// The members at a position.
    fn members(&mut self, index: usize) -> Result<BTreeMap<String, Value>, Problem> {
        let value = self.take(index);
        match value.kind() {
            Kind::Map(_) => match value.into_kind() {
                Kind::Map(members) => Ok(members),
                _ => Ok(BTreeMap::new()),
            },
            _ => Err(needs(index, "a map", &value)),
        }
    }

    /// Pays for work on this many things.
    fn pay(&mut self, units: usize) -> Result<(), Problem> {
        Ok(self.fuel.spend(u64::try_from(units).unwrap_or(u64::MAX))?)
    }

    /// Pays for bringing items into an order, which compares each several times.
    fn pay_sorting(&mut self, items: &[Value]) -> Result<(), Problem> {
        let rounds = u64::from(items.len().checked_ilog2().unwrap_or(0));
        let units = items.iter().map(crate::blueprint::expr::fuel::units).sum::<u64>();
        Ok(self.fuel.spend(units.saturating_mul(rounds))?)
    }
}

/// The items of a list or set, or the value back.
fn into_items(value: Value) -> Result<Vec<Value>, Value> {
    match value.kind() {
        Kind::List(_) | Kind::Set(_) => match value.into_kind() {
            Kind::List(items) | Kind::Set(items) => Ok(items),
            other => Err(Value::new(other)),
        },
        _ => Err(value),
    }
}

/// The text of an item of the argument at a position.
fn text_of(index: usize, item: &Value) -> Result<String, Problem> {
    convert::text(item).ok_or_else(|| {
        Problem::Argument(index, format!("needs strings, one item is {}", item.kind_name()))
    })
}

fn needs(index: usize, what: &str, value: &Value) -> Problem {
    let problem = match value.kind() {
        Kind::String(_) => format!("needs {what}, this string is none"),
        _ => format!("needs {what}, has {}", value.kind_name()),
    };
    Problem::Argument(index, problem)
}

#[cfg(test)]
mod tests {
    use super::all;
    use super::hint;
    use super::reference;
    use crate::blueprint::expr::MapScope;
    use crate::blueprint::expr::tests::evaluate;
    use crate::model::value::same;

    #[test]
    fn every_example_yields_its_result() {
        for doc in reference() {
            let scope = MapScope::default();
            let got = evaluate(&format!("${{{}}}", doc.example), &scope);
            let want = evaluate(&format!("${{{}}}", doc.result), &scope);
            let (got, want) = (got.expect(doc.example), want.expect(doc.result));
            assert!(same(&got, &want), "{} is {got:?}, not {want:?}", doc.example);
            assert!(doc.example.contains(doc.name), "{}", doc.name);
            assert!(doc.sentence.ends_with('.'), "{}", doc.name);
        }
    }

    #[test]
    fn names_are_unique_and_only_last_parameters_take_the_rest() {
        let mut names: Vec<&str> = all().map(|function| function.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        for function in all() {
            let before = function.parameters.split_last().map_or(&[][..], |(_, before)| before);
            assert!(before.iter().all(|parameter| !parameter.rest), "{}", function.name);
        }
    }

    #[test]
    fn wrong_names_have_a_way_out() {
        assert_eq!(hint("uper").as_deref(), Some("Did you mean `upper`?"));
        assert!(hint("timestamp").unwrap().contains("clock"));
        assert_eq!(hint("zzzzzz"), None);
    }
}
