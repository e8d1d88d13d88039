//! `[inputs.NAME]`: what an input may be, checked against itself.
//!
//! A declaration that cannot be met, or whose default its own bounds refuse, is an error here, so
//! that whoever gives a value meets only errors of their own.

use crate::blueprint::InputDeclaration;
use crate::blueprint::InputType;
use crate::blueprint::inputs;
use crate::blueprint::inputs::Bounds;
use crate::blueprint::tree::Entry;
use crate::blueprint::tree::Item;
use crate::blueprint::tree::Kind;
use crate::blueprint::tree::Table;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Span;
use crate::model::number::Number;
use crate::model::schema::nearest;
use crate::model::value;
use crate::model::value::Value;

/// The most values that `one_of` may list. Longer lists are data, which nobody reads in a message.
const ONE_OF_MAX: usize = 1_000;

/// Every type an input may have.
const TYPES: [InputType; 6] = [
    InputType::String,
    InputType::Integer,
    InputType::Number,
    InputType::Bool,
    InputType::List,
    InputType::Map,
];

const KEYS: [&str; 8] =
    ["type", "description", "default", "one_of", "min", "max", "pattern", "sensitive"];

/// Reads and checks one declaration. One that is too broken still declares the name, so that
/// nobody is told besides that it is undeclared.
pub(super) fn read(name: &str, entry: &Entry, problems: &mut Diagnostics) -> InputDeclaration {
    let place = format!("inputs.{name}");
    let mut declaration = InputDeclaration {
        span: entry.item.span.clone(),
        ty: InputType::String,
        description: String::new(),
        default: None,
        one_of: Vec::new(),
        min: None,
        max: None,
        pattern: None,
        sensitive: false,
    };
    let Some(table) = entry.item.table(&place, problems) else { return declaration };
    table.refuse_unknown(&place, &KEYS, problems);
    let help = "state one of string, integer, number, bool, list, map";
    let ty = table.required(&place, "type", help, problems);
    let ty = ty.and_then(|entry| input_type(&place, &entry.item, problems));
    let mut reading = Reading { place, table, problems };
    declaration.description = reading.text("description").unwrap_or_default();
    declaration.sensitive = reading.bool("sensitive").unwrap_or(false);
    match ty {
        Some(ty) => reading.bounds(InputDeclaration { ty, ..declaration }),
        None => declaration,
    }
}

fn input_type(place: &str, item: &Item, problems: &mut Diagnostics) -> Option<InputType> {
    let text = item.text(&format!("{place}.type"), problems)?;
    let found = TYPES.into_iter().find(|ty| ty.name() == text.value);
    if found.is_none() {
        let help = match nearest(&text.value, TYPES.iter().map(|ty| ty.name())) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "write one of string, integer, number, bool, list, map".to_owned(),
        };
        let detail = format!("`{place}` has the type \"{}\", which gov does not know", text.value);
        let problem = Diagnostic::error(Code::InvalidInputDeclaration, detail);
        problems.push(problem.at(text.span).help(help));
    }
    found
}

/// A declaration being read.
struct Reading<'a> {
    place: String,
    table: &'a Table,
    problems: &'a mut Diagnostics,
}

impl Reading<'_> {
    fn item(&self, key: &str) -> Option<&Item> {
        self.table.entries.get(key).map(|entry| &entry.item)
    }

    fn text(&mut self, key: &str) -> Option<String> {
        let entry = self.table.entries.get(key)?;
        entry.item.text(&format!("{}.{key}", self.place), self.problems).map(|text| text.value)
    }

    fn bool(&mut self, key: &str) -> Option<bool> {
        let entry = self.table.entries.get(key)?;
        entry.item.bool(&format!("{}.{key}", self.place), self.problems)
    }

    fn number(&mut self, key: &str) -> Option<Number> {
        let entry = self.table.entries.get(key)?;
        entry.item.number(&format!("{}.{key}", self.place), self.problems).cloned()
    }

    fn invalid(&mut self, key: &str, what: &str, help: &str) {
        let span = match self.table.entries.get(key) {
            Some(entry) => entry.item.span.clone(),
            None => self.table.span.clone(),
        };
        self.invalid_at(&span, what, help);
    }

    fn invalid_at(&mut self, span: &Span, what: &str, help: &str) {
        let detail = format!("`{}`: {what}", self.place);
        let problem = Diagnostic::error(Code::InvalidInputDeclaration, detail);
        self.problems.push(problem.at(span.clone()).help(help));
    }

    fn bounds(&mut self, mut declaration: InputDeclaration) -> InputDeclaration {
        declaration.min = self.number("min");
        declaration.max = self.number("max");
        self.range(&declaration);
        declaration.pattern = self.pattern(declaration.ty);
        // The values are judged by the bounds read so far, the default by `one_of` as well.
        declaration.one_of = self.one_of(&declaration);
        declaration.default = self.default(&declaration);
        declaration
    }

    fn range(&mut self, declaration: &InputDeclaration) {
        let (min, max) = (&declaration.min, &declaration.max);
        if declaration.ty == InputType::Bool {
            for key in ["min", "max"] {
                if self.item(key).is_some() {
                    let what = format!("`{key}` means nothing for a bool");
                    self.invalid(key, &what, "remove it");
                }
            }
            return;
        }
        let counts = matches!(declaration.ty, InputType::String | InputType::List | InputType::Map);
        for (key, bound) in [("min", min), ("max", max)] {
            let Some(bound) = bound else { continue };
            if counts && bound.as_usize().is_none() {
                let what = format!("`{key}` is a length here, and {bound} is none");
                self.invalid(key, &what, "write a whole number, zero or above");
            }
        }
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            let what = format!("`min` is {min}, above `max`, which is {max}");
            self.invalid("min", &what, "no value fits between them; exchange them");
        }
    }

    /// The pattern, where it is one; a broken one is reported and then left out.
    fn pattern(&mut self, ty: InputType) -> Option<String> {
        let pattern = self.text("pattern")?;
        if ty != InputType::String {
            let what = format!("`pattern` is for strings, and the type is {}", ty.name());
            self.invalid("pattern", &what, "remove it, or make the input a string");
            return None;
        }
        match inputs::compile(&pattern) {
            Ok(_) => Some(pattern),
            Err(why) => {
                let what = format!("`pattern` is not a regular expression: {why}");
                self.invalid("pattern", &what, "it must match the whole text; `.*` matches any");
                None
            }
        }
    }

    fn one_of(&mut self, declaration: &InputDeclaration) -> Vec<Value> {
        let Some(item) = self.table.entries.get("one_of").map(|entry| &entry.item) else {
            return Vec::new();
        };
        let place = format!("{}.one_of", self.place);
        let items = match &item.kind {
            Kind::List(items) if items.is_empty() => {
                self.invalid("one_of", "`one_of` is empty, so no value fits", "list some values");
                return Vec::new();
            }
            _ => item.list(&place, self.problems).unwrap_or_default(),
        };
        if items.len() > ONE_OF_MAX {
            let what = format!("`one_of` has more than {ONE_OF_MAX} values");
            self.invalid("one_of", &what, "use a `pattern` instead");
            return Vec::new();
        }
        let bounds = Bounds::new(declaration);
        let mut values: Vec<Value> = Vec::new();
        for item in items {
            let Some(value) = item.literal(&place, self.problems) else { continue };
            if values.iter().any(|known| value::same(known, &value)) {
                let detail = format!("`{place}` has a value twice");
                let problem = Diagnostic::error(Code::DuplicateName, detail);
                self.problems.push(problem.at(item.span.clone()).help("remove one of them"));
                continue;
            }
            for what in misfits(declaration, &bounds, &value) {
                let what = format!("a value of `one_of` {what}");
                self.invalid_at(&item.span, &what, "change the value, or the bound it passes");
            }
            values.push(value);
        }
        values
    }

    fn default(&mut self, declaration: &InputDeclaration) -> Option<Value> {
        let entry = self.table.entries.get("default")?;
        let item = &entry.item;
        // INVARIANT (secrets have no text): a blueprint is printed, and journaled as it stands.
        if declaration.sensitive {
            let what = "a sensitive input cannot have a default, which anyone could read here";
            self.invalid_at(&entry.key, what, "remove the default, so that it has to be given");
            return None;
        }
        let value = item.literal(&format!("{}.default", self.place), self.problems)?;
        for what in misfits(declaration, &Bounds::new(declaration), &value) {
            let what = format!("`default` {what}");
            self.invalid("default", &what, "change the default, or the bound it passes");
        }
        Some(value)
    }
}

/// What is wrong with a value that the declaration itself states: here no type is converted.
fn misfits(declaration: &InputDeclaration, bounds: &Bounds<'_>, value: &Value) -> Vec<String> {
    let fits = match declaration.ty {
        InputType::String => value.as_str().is_some(),
        InputType::Integer => value.as_number().is_some_and(Number::is_integer),
        InputType::Number => value.as_number().is_some(),
        InputType::Bool => value.as_bool().is_some(),
        InputType::List => value.as_items().is_some(),
        InputType::Map => value.as_map().is_some(),
    };
    if fits {
        return bounds.violations(value);
    }
    let found = match value.as_number() {
        Some(_) if declaration.ty == InputType::Integer => "a fraction",
        _ => value.kind_name(),
    };
    vec![format!("must be of type {}, and is {found}", declaration.ty.name())]
}
