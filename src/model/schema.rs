//! What a provider says of its types, and the conversion of values to them.
//!
//! The shapes hold Terraform's schemas as well as gov's own. Conversion is the host's job: a
//! number given for a string attribute becomes text, and what cannot be converted is refused with
//! the path where it stands.

use std::collections::BTreeMap;

use crate::model::number::Number;
use crate::model::value::Kind;
use crate::model::value::Path;
use crate::model::value::Step;
use crate::model::value::Value;

/// How deep a type or value may nest. Deeper ones come from attacks, not from infrastructure.
pub const DEPTH_MAX: usize = 64;

/// The type of an attribute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Type {
    /// Anything; decided by the value.
    Dynamic,
    /// True or false.
    Bool,
    /// A decimal number.
    Number,
    /// Text.
    String,
    /// A sequence of one type.
    List(Box<Type>),
    /// A collection without order of one type.
    Set(Box<Type>),
    /// Text keys to one type.
    Map(Box<Type>),
    /// Named attributes, each of its own type, of which the optional ones may be left out.
    Object(BTreeMap<String, ObjectAttribute>),
    /// A sequence with a type for each position.
    Tuple(Vec<Type>),
}

/// A member of an object type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectAttribute {
    /// Its type.
    pub ty: Type,
    /// Whether it may be left out, and is null then.
    pub optional: bool,
}

/// One attribute of a block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attribute {
    /// The type of its value.
    pub ty: Type,
    /// The configuration must set it.
    pub required: bool,
    /// The configuration may set it.
    pub optional: bool,
    /// The provider may set it.
    pub computed: bool,
    /// Never shown, stored only sealed.
    pub sensitive: bool,
    /// Sent to the provider, never stored.
    pub write_only: bool,
    /// For people, one sentence.
    pub description: String,
    /// Advice where the attribute is on its way out.
    pub deprecated: Option<String>,
}

impl Attribute {
    fn of(ty: Type) -> Self {
        Self {
            ty,
            required: false,
            optional: false,
            computed: false,
            sensitive: false,
            write_only: false,
            description: String::new(),
            deprecated: None,
        }
    }

    /// An attribute that the configuration must set.
    #[must_use]
    pub fn required(ty: Type) -> Self {
        Self { required: true, ..Self::of(ty) }
    }

    /// An attribute that the configuration may set.
    #[must_use]
    pub fn optional(ty: Type) -> Self {
        Self { optional: true, ..Self::of(ty) }
    }

    /// An attribute that only the provider sets.
    #[must_use]
    pub fn computed(ty: Type) -> Self {
        Self { computed: true, ..Self::of(ty) }
    }

    /// The same, never shown.
    #[must_use]
    pub fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// The same, filled in by the provider where the configuration is silent.
    #[must_use]
    pub fn or_computed(mut self) -> Self {
        self.computed = true;
        self
    }

    /// The same, with a sentence for people.
    #[must_use]
    pub fn describe(mut self, sentence: &str) -> Self {
        sentence.clone_into(&mut self.description);
        self
    }
}

/// How a nested block repeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nesting {
    /// At most once; null where absent.
    Single,
    /// Once; an object of nulls where absent.
    Group,
    /// A sequence.
    List,
    /// A collection without order.
    Set,
    /// Under keys.
    Map,
}

/// A block inside a block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NestedBlock {
    /// How it repeats.
    pub nesting: Nesting,
    /// What is in it.
    pub block: Block,
    /// Fewest repetitions.
    pub items_min: u64,
    /// Most repetitions; 0 for no bound.
    pub items_max: u64,
}

/// Attributes and nested blocks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Block {
    /// By name.
    pub attributes: BTreeMap<String, Attribute>,
    /// By name.
    pub blocks: BTreeMap<String, NestedBlock>,
}

/// The schema of one type, at one version.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Schema {
    /// Raised by the provider when stored objects need upgrading.
    pub version: u64,
    /// The shape.
    pub block: Block,
}

/// A value does not fit a type.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}{problem}", if path.0.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct ConvertError {
    /// Where in the value.
    pub path: Path,
    /// What is wrong there.
    pub problem: String,
}

fn wrong<T>(path: &Path, problem: impl Into<String>) -> Result<T, ConvertError> {
    Err(ConvertError { path: path.clone(), problem: problem.into() })
}

/// Converts a value to a type. Unknowns fit every type and marks stay where they are.
///
/// # Errors
/// [`ConvertError`] with the place that does not fit.
pub fn convert(value: &Value, ty: &Type) -> Result<Value, ConvertError> {
    convert_at(&Path::root(), value, ty)
}

fn convert_at(path: &Path, value: &Value, ty: &Type) -> Result<Value, ConvertError> {
    if path.0.len() > DEPTH_MAX {
        return wrong(path, format!("nested deeper than {DEPTH_MAX} levels"));
    }
    if value.is_null() || value.is_unknown() {
        return Ok(value.clone());
    }
    let converted = match ty {
        Type::Dynamic => value.clone(),
        Type::Bool | Type::Number | Type::String => convert_primitive(path, value, ty)?,
        Type::List(item) => Value::list(convert_items(path, value, |_| Ok(item))?),
        Type::Set(item) => Value::set(convert_items(path, value, |_| Ok(item))?),
        Type::Tuple(types) => {
            let count = value.as_items().map_or(0, <[Value]>::len);
            if count != types.len() {
                return wrong(path, format!("needs {} items, has {count}", types.len()));
            }
            Value::list(convert_items(path, value, |index| {
                types
                    .get(index)
                    .ok_or(ConvertError { path: path.clone(), problem: "too many items".into() })
            })?)
        }
        Type::Map(item) => {
            let Some(members) = value.as_map() else {
                return wrong(path, format!("needs a map, has {}", value.kind_name()));
            };
            let convert_member = |(key, member): (&String, &Value)| {
                let at = path.join(Step::Key(key.clone()));
                Ok((key.clone(), convert_at(&at, member, item)?))
            };
            Value::map(members.iter().map(convert_member).collect::<Result<_, ConvertError>>()?)
        }
        Type::Object(attributes) => convert_object(path, value, attributes)?,
    };
    Ok(converted.with_sensitive(value.is_sensitive()))
}

fn convert_items<'t>(
    path: &Path,
    value: &Value,
    type_of: impl Fn(usize) -> Result<&'t Type, ConvertError>,
) -> Result<Vec<Value>, ConvertError>
where
{
    let Some(items) = value.as_items() else {
        return wrong(path, format!("needs a list, has {}", value.kind_name()));
    };
    let convert_item = |(index, item): (usize, &Value)| {
        convert_at(&path.join(Step::Index(index)), item, type_of(index)?)
    };
    items.iter().enumerate().map(convert_item).collect()
}

fn convert_object(
    path: &Path,
    value: &Value,
    attributes: &BTreeMap<String, ObjectAttribute>,
) -> Result<Value, ConvertError> {
    let Some(members) = value.as_map() else {
        return wrong(path, format!("needs an object, has {}", value.kind_name()));
    };
    if let Some(unknown) = members.keys().find(|name| !attributes.contains_key(*name)) {
        let near = nearest(unknown, attributes.keys().map(String::as_str));
        let hint = near.map_or(String::new(), |n| format!("; did you mean `{n}`?"));
        return wrong(path, format!("has no attribute `{unknown}`{hint}"));
    }
    let mut converted = BTreeMap::new();
    for (name, attribute) in attributes {
        let at = path.join(Step::Attribute(name.clone()));
        let member = match members.get(name) {
            Some(member) => convert_at(&at, member, &attribute.ty)?,
            None if attribute.optional => Value::null(),
            None => return wrong(&at, "is required"),
        };
        converted.insert(name.clone(), member);
    }
    Ok(Value::map(converted))
}

fn convert_primitive(path: &Path, value: &Value, ty: &Type) -> Result<Value, ConvertError> {
    let converted = match (ty, value.kind()) {
        (Type::Bool, Kind::Bool(_))
        | (Type::Number, Kind::Number(_))
        | (Type::String, Kind::String(_)) => Some(value.clone()),
        (Type::String, Kind::Number(number)) => Some(Value::string(number.to_string())),
        (Type::String, Kind::Bool(truth)) => Some(Value::string(truth.to_string())),
        (Type::Number, Kind::String(text)) => Number::parse(text).ok().map(Value::number),
        (Type::Bool, Kind::String(text)) => match text.as_str() {
            "true" => Some(Value::bool(true)),
            "false" => Some(Value::bool(false)),
            _ => None,
        },
        _ => None,
    };
    match converted {
        Some(converted) => Ok(converted),
        None => wrong(path, format!("needs {}, has {}", ty.name(), value.kind_name())),
    }
}

impl Type {
    /// The type's name for messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dynamic => "any value",
            Self::Bool => "a bool",
            Self::Number => "a number",
            Self::String => "a string",
            Self::List(_) | Self::Tuple(_) => "a list",
            Self::Set(_) => "a set",
            Self::Map(_) => "a map",
            Self::Object(_) => "an object",
        }
    }
}

impl Block {
    /// The implied object value for a configuration: every attribute and block present, converted.
    /// Required attributes must be set and attributes only the provider sets must not be.
    ///
    /// # Errors
    /// Every problem found, each with its place.
    pub fn conform(&self, config: &Value) -> Result<Value, Vec<ConvertError>> {
        let mut problems = Vec::new();
        let value = self.conform_at(&Path::root(), config, &mut problems);
        if problems.is_empty() { Ok(value) } else { Err(problems) }
    }

    fn conform_at(&self, path: &Path, config: &Value, problems: &mut Vec<ConvertError>) -> Value {
        if config.is_unknown() || path.0.len() > DEPTH_MAX {
            return Value::unknown().with_sensitive(config.is_sensitive());
        }
        let empty = BTreeMap::new();
        let members = config.as_map().unwrap_or(&empty);
        for name in members.keys() {
            if !self.attributes.contains_key(name) && !self.blocks.contains_key(name) {
                let known = self.attributes.keys().chain(self.blocks.keys());
                let near = nearest(name, known.map(String::as_str));
                let hint = near.map_or(String::new(), |n| format!("; did you mean `{n}`?"));
                problems.push(ConvertError {
                    path: path.join(Step::Attribute(name.clone())),
                    problem: format!("there is no attribute `{name}`{hint}"),
                });
            }
        }
        let mut conformed = BTreeMap::new();
        for (name, attribute) in &self.attributes {
            let at = path.join(Step::Attribute(name.clone()));
            let value = conform_attribute(&at, attribute, members.get(name), problems);
            conformed.insert(name.clone(), value);
        }
        for (name, nested) in &self.blocks {
            let at = path.join(Step::Attribute(name.clone()));
            conformed.insert(name.clone(), nested.conform_at(&at, members.get(name), problems));
        }
        Value::map(conformed).with_sensitive(config.is_sensitive())
    }

    /// The configuration as it may be kept: what may only be sent is unknown, so that whoever
    /// sends it evaluates it again.
    #[must_use]
    pub fn withhold_write_only(&self, config: &Value) -> Value {
        let Some(members) = config.as_map() else { return config.clone() };
        let withhold = |(name, member): (&String, &Value)| {
            let withheld = match (self.attributes.get(name), self.blocks.get(name)) {
                (Some(attribute), _) if attribute.write_only && !member.is_null() => {
                    Value::unknown().with_sensitive(true)
                }
                (None, Some(nested)) => nested.withhold_write_only(member),
                _ => member.clone(),
            };
            (name.clone(), withheld)
        };
        Value::map(members.iter().map(withhold).collect()).with_sensitive(config.is_sensitive())
    }

    /// Marks as sensitive whatever the schema says is: providers return values without marks.
    #[must_use]
    pub fn mark_sensitive(&self, value: &Value) -> Value {
        let Some(members) = value.as_map() else { return value.clone() };
        let mark = |(name, member): (&String, &Value)| {
            let marked = match (self.attributes.get(name), self.blocks.get(name)) {
                (Some(attribute), _) => member.clone().with_sensitive(attribute.sensitive),
                (None, Some(nested)) => nested.mark_sensitive(member),
                (None, None) => member.clone(),
            };
            (name.clone(), marked)
        };
        Value::map(members.iter().map(mark).collect()).with_sensitive(value.is_sensitive())
    }
}

fn conform_attribute(
    path: &Path,
    attribute: &Attribute,
    value: Option<&Value>,
    problems: &mut Vec<ConvertError>,
) -> Value {
    let null = Value::null();
    let value = value.unwrap_or(&null);
    if value.is_null() && attribute.required {
        problems.push(ConvertError { path: path.clone(), problem: "is required".into() });
    }
    if !value.is_null() && !attribute.required && !attribute.optional {
        let problem = "is set by the provider and cannot be configured".into();
        problems.push(ConvertError { path: path.clone(), problem });
    }
    match convert_at(path, value, &attribute.ty) {
        Ok(converted) => converted.with_sensitive(attribute.sensitive && !value.is_null()),
        Err(problem) => {
            problems.push(problem);
            Value::unknown()
        }
    }
}

impl NestedBlock {
    fn conform_at(
        &self,
        path: &Path,
        value: Option<&Value>,
        problems: &mut Vec<ConvertError>,
    ) -> Value {
        let absent = value.is_none_or(Value::is_null);
        let null = Value::null();
        let value = value.unwrap_or(&null);
        if value.is_unknown() {
            return value.clone();
        }
        let count = if absent {
            0
        } else {
            match value.kind() {
                Kind::List(items) | Kind::Set(items) => items.len(),
                Kind::Map(members) if self.nesting == Nesting::Map => members.len(),
                _ => 1,
            }
        };
        self.check_count(path, u64::try_from(count).unwrap_or(u64::MAX), problems);
        match self.nesting {
            Nesting::Single if absent => Value::null(),
            Nesting::Single | Nesting::Group => {
                let only = value.as_items().and_then(<[Value]>::first).unwrap_or(value);
                self.block.conform_at(path, only, problems)
            }
            Nesting::List | Nesting::Set => {
                let single = std::slice::from_ref(value);
                let items = value.as_items().unwrap_or(if absent { &[] } else { single });
                let conform = |(index, item): (usize, &Value)| {
                    self.block.conform_at(&path.join(Step::Index(index)), item, problems)
                };
                let conformed = items.iter().enumerate().map(conform).collect();
                if self.nesting == Nesting::Set {
                    Value::set(conformed)
                } else {
                    Value::list(conformed)
                }
            }
            Nesting::Map => {
                let empty = BTreeMap::new();
                let members = value.as_map().unwrap_or(&empty);
                let conform = |(key, item): (&String, &Value)| {
                    let at = path.join(Step::Key(key.clone()));
                    (key.clone(), self.block.conform_at(&at, item, problems))
                };
                Value::map(members.iter().map(conform).collect())
            }
        }
    }

    fn check_count(&self, path: &Path, count: u64, problems: &mut Vec<ConvertError>) {
        if count < self.items_min {
            let problem = format!("needs at least {} of these blocks", self.items_min);
            problems.push(ConvertError { path: path.clone(), problem });
        }
        if self.items_max > 0 && count > self.items_max {
            let problem = format!("allows at most {} of these blocks", self.items_max);
            problems.push(ConvertError { path: path.clone(), problem });
        }
    }

    fn withhold_write_only(&self, value: &Value) -> Value {
        self.each(value, &|item| self.block.withhold_write_only(item))
    }

    fn mark_sensitive(&self, value: &Value) -> Value {
        self.each(value, &|item| self.block.mark_sensitive(item))
    }

    fn each(&self, value: &Value, change: &dyn Fn(&Value) -> Value) -> Value {
        let changed = match (self.nesting, value.kind()) {
            (Nesting::List, Kind::List(items)) => Value::list(items.iter().map(change).collect()),
            (Nesting::Set, Kind::Set(items)) => Value::set(items.iter().map(change).collect()),
            (Nesting::Map, Kind::Map(members)) => {
                Value::map(members.iter().map(|(k, v)| (k.clone(), change(v))).collect())
            }
            _ => change(value),
        };
        changed.with_sensitive(value.is_sensitive())
    }
}

/// The known name closest to a wrong one, where it is close enough to be what was meant.
pub fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Similarity below which a suggestion would be a guess.
    const SIMILARITY_MIN: f64 = 0.75;
    known
        .map(|name| (strsim::jaro_winkler(wrong, name), name))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::Attribute;
    use super::Block;
    use super::NestedBlock;
    use super::Nesting;
    use super::Type;
    use super::convert;
    use crate::model::value::Value;

    #[test]
    fn conversion_is_the_hosts_job() {
        assert_eq!(convert(&Value::number(5_i64), &Type::String).unwrap(), Value::string("5"));
        assert_eq!(convert(&Value::string("5"), &Type::Number).unwrap(), Value::number(5_i64));
        let wrong =
            convert(&Value::list(vec![Value::bool(true)]), &Type::List(Box::new(Type::Number)));
        assert_eq!(wrong.unwrap_err().to_string(), "[0]: needs a number, has a bool");
    }

    #[test]
    fn what_may_only_be_sent_is_withheld() {
        let secret = Attribute { write_only: true, ..Attribute::optional(Type::String) };
        let inner =
            Block { attributes: [("pin".to_owned(), secret.clone())].into(), ..Block::default() };
        let nested =
            NestedBlock { nesting: Nesting::List, block: inner, items_min: 0, items_max: 0 };
        let block = Block {
            attributes: [("a".to_owned(), secret.clone()), ("b".to_owned(), secret)].into(),
            blocks: [("login".to_owned(), nested)].into(),
        };
        let login = Value::object([("pin", Value::string("1234"))]);
        let config = Value::object([
            ("a", Value::string("hunter2")),
            ("b", Value::null()),
            ("login", Value::list(vec![login])),
        ]);
        let kept = block.withhold_write_only(&config);
        assert!(kept.get("a").unwrap().is_unknown() && kept.get("b").unwrap().is_null());
        let paths: Vec<String> = kept.unknown_paths().iter().map(ToString::to_string).collect();
        assert_eq!(paths, ["a", "login[0].pin"]);
    }

    #[test]
    fn a_configuration_conforms_or_says_all_that_is_wrong() {
        let block = Block {
            attributes: [
                ("path".to_owned(), Attribute::required(Type::String)),
                ("id".to_owned(), Attribute::computed(Type::String)),
            ]
            .into(),
            ..Block::default()
        };
        let config = Value::object([("pth", Value::string("x")), ("id", Value::string("y"))]);
        let problems = block.conform(&config).unwrap_err();
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 3, "{texts:?}");
        assert!(texts[0].contains("did you mean `path`?"));
    }
}
