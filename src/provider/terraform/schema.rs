//! Schemas of the protocol as gov's own, and what of them gov's have no place for.
//!
//! A [`TypeSchema`] holds both: the [`Schema`] that the rest of gov sees, and the [`Shape`] that
//! proposals and marks need, in which attributes nest. Where a part of a nested attribute is a
//! secret, gov's schema makes the whole attribute one, for it cannot say less.

use std::collections::BTreeMap;

use tfplugin::wire;
use tfplugin::wire::NestingMode;

use crate::model::schema::Attribute;
use crate::model::schema::Block;
use crate::model::schema::DEPTH_MAX;
use crate::model::schema::NestedBlock;
use crate::model::schema::Nesting;
use crate::model::schema::ObjectAttribute;
use crate::model::schema::Schema;
use crate::model::schema::Type;
use crate::model::value::Kind;
use crate::model::value::Value;
use crate::provider::terraform::type_json;

/// A type of a provider, whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TypeSchema {
    /// As the rest of gov sees it.
    pub schema: Schema,
    /// With everything that nests.
    pub shape: Shape,
    /// The type of its values on the wire.
    pub ty: Type,
}

/// Attributes and blocks, with everything that nests.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shape {
    /// By name.
    pub attributes: BTreeMap<String, AttributeShape>,
    /// By name.
    pub blocks: BTreeMap<String, NestedShape>,
}

/// An attribute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttributeShape {
    /// The type of its value.
    pub ty: Type,
    /// Attributes inside it, where they have rules of their own.
    pub nested: Option<NestedAttributes>,
    /// The configuration must set it.
    pub required: bool,
    /// The configuration may set it.
    pub optional: bool,
    /// The provider may set it.
    pub computed: bool,
    /// Never shown.
    pub sensitive: bool,
    /// Sent, never kept.
    pub write_only: bool,
}

/// Attributes inside an attribute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NestedAttributes {
    /// How they repeat; never [`Nesting::Group`].
    pub nesting: Nesting,
    /// By name.
    pub attributes: BTreeMap<String, AttributeShape>,
}

/// A block inside a block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NestedShape {
    /// How it repeats.
    pub nesting: Nesting,
    /// What is in it.
    pub shape: Shape,
}

/// The provider's schema makes no sense.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the provider's schema of {of} is wrong at {name}: {problem}")]
pub struct SchemaProblem {
    /// The type.
    pub of: String,
    /// The attribute or block.
    pub name: String,
    /// What is wrong there.
    pub problem: String,
}

impl TypeSchema {
    /// Takes over a schema. A provider without one for something has nothing to configure there.
    ///
    /// # Errors
    /// [`SchemaProblem`].
    pub fn from_wire(of: &str, schema: Option<wire::Schema>) -> Result<Self, SchemaProblem> {
        let schema = schema.unwrap_or_default();
        let reader = Reader { of };
        let (shape, block) = reader.block(schema.block.unwrap_or_default(), 0)?;
        let version = u64::try_from(schema.version).unwrap_or_default();
        let ty = shape.ty();
        Ok(Self { schema: Schema { version, block }, shape, ty })
    }
}

struct Reader<'a> {
    of: &'a str,
}

impl Reader<'_> {
    fn wrong<T>(&self, name: &str, problem: impl ToString) -> Result<T, SchemaProblem> {
        let (of, name) = (self.of.to_owned(), name.to_owned());
        Err(SchemaProblem { of, name, problem: problem.to_string() })
    }

    fn block(&self, block: wire::Block, depth: usize) -> Result<(Shape, Block), SchemaProblem> {
        let (mut shape, mut model) = (Shape::default(), Block::default());
        for attribute in block.attributes {
            let name = attribute.name.clone();
            let (own, seen) = self.attribute(attribute, depth + 1)?;
            shape.attributes.insert(name.clone(), own);
            model.attributes.insert(name, seen);
        }
        for nested in block.block_types {
            let name = nested.type_name.clone();
            if depth > DEPTH_MAX {
                return self.wrong(&name, format!("nested deeper than {DEPTH_MAX} levels"));
            }
            let Some(nesting) = nesting(nested.nesting()) else {
                return self.wrong(&name, "it does not say how it repeats");
            };
            let (inner, block) = self.block(nested.block.unwrap_or_default(), depth + 1)?;
            let items_min = u64::try_from(nested.min_items).unwrap_or_default();
            let items_max = u64::try_from(nested.max_items).unwrap_or_default();
            let seen = NestedBlock { nesting, block, items_min, items_max };
            model.blocks.insert(name.clone(), seen);
            shape.blocks.insert(name, NestedShape { nesting, shape: inner });
        }
        Ok((shape, model))
    }

    fn attribute(
        &self,
        attribute: wire::Attribute,
        depth: usize,
    ) -> Result<(AttributeShape, Attribute), SchemaProblem> {
        let name = attribute.name.as_str();
        let nested = match attribute.nested_type {
            None => None,
            Some(object) => Some(self.nested(name, object, depth)?),
        };
        let ty = match &nested {
            Some(nested) => nested.ty(),
            None => match type_json::parse(&attribute.r#type) {
                Ok(ty) => ty,
                Err(error) => return self.wrong(name, error),
            },
        };
        let shape = AttributeShape {
            ty: ty.clone(),
            nested,
            required: attribute.required,
            optional: attribute.optional,
            computed: attribute.computed,
            sensitive: attribute.sensitive,
            write_only: attribute.write_only,
        };
        let seen = Attribute {
            ty,
            required: attribute.required,
            optional: attribute.optional,
            computed: attribute.computed,
            sensitive: shape.has_secret(),
            write_only: shape.has_write_only(),
            description: attribute.description,
            deprecated: attribute.deprecated.then_some(attribute.deprecation_message),
        };
        Ok((shape, seen))
    }

    fn nested(
        &self,
        name: &str,
        object: wire::Object,
        depth: usize,
    ) -> Result<NestedAttributes, SchemaProblem> {
        if depth > DEPTH_MAX {
            return self.wrong(name, format!("nested deeper than {DEPTH_MAX} levels"));
        }
        let nesting = match nesting(object.nesting()) {
            Some(Nesting::Group) | None => {
                return self.wrong(name, "it does not say how it repeats");
            }
            Some(nesting) => nesting,
        };
        let mut attributes = BTreeMap::new();
        for attribute in object.attributes {
            let name = attribute.name.clone();
            attributes.insert(name, self.attribute(attribute, depth + 1)?.0);
        }
        Ok(NestedAttributes { nesting, attributes })
    }
}

fn nesting(mode: NestingMode) -> Option<Nesting> {
    match mode {
        NestingMode::Invalid => None,
        NestingMode::Single => Some(Nesting::Single),
        NestingMode::Group => Some(Nesting::Group),
        NestingMode::List => Some(Nesting::List),
        NestingMode::Set => Some(Nesting::Set),
        NestingMode::Map => Some(Nesting::Map),
    }
}

fn repeated(nesting: Nesting, object: Type) -> Type {
    match nesting {
        Nesting::Single | Nesting::Group => object,
        Nesting::List => Type::List(Box::new(object)),
        Nesting::Set => Type::Set(Box::new(object)),
        Nesting::Map => Type::Map(Box::new(object)),
    }
}

/// Applies a change to each object that a nested value consists of.
pub(super) fn each_object(
    nesting: Nesting,
    value: &Value,
    change: &dyn Fn(&Value) -> Value,
) -> Value {
    let changed = match (nesting, value.kind()) {
        (_, Kind::Null | Kind::Unknown) => return value.clone(),
        (Nesting::Single | Nesting::Group, _) => return change(value),
        (_, Kind::List(items)) => Value::list(items.iter().map(change).collect()),
        (_, Kind::Set(items)) => Value::set(items.iter().map(change).collect()),
        (_, Kind::Map(members)) => {
            Value::map(members.iter().map(|(key, item)| (key.clone(), change(item))).collect())
        }
        _ => return value.clone(),
    };
    changed.with_sensitive(value.is_sensitive())
}

impl Shape {
    /// The type of its values: every attribute and block is a member.
    #[must_use]
    pub fn ty(&self) -> Type {
        let optional = |ty| ObjectAttribute { ty, optional: true };
        let attributes =
            self.attributes.iter().map(|(name, a)| (name.clone(), optional(a.ty.clone())));
        let blocks = self.blocks.iter().map(|(name, nested)| {
            (name.clone(), optional(repeated(nested.nesting, nested.shape.ty())))
        });
        Type::Object(attributes.chain(blocks).collect())
    }

    /// Puts on a value from the provider the marks that it travelled without.
    #[must_use]
    pub fn mark(&self, value: &Value) -> Value {
        self.each(value, &|attribute, member| attribute.mark(member), &Self::mark)
    }

    /// The value as it may be kept: what is only ever sent is null.
    #[must_use]
    pub fn without_write_only(&self, value: &Value) -> Value {
        let keep = |attribute: &AttributeShape, member: &Value| attribute.keep(member);
        self.each(value, &keep, &Self::without_write_only)
    }

    fn each(
        &self,
        value: &Value,
        attribute: &dyn Fn(&AttributeShape, &Value) -> Value,
        block: &dyn Fn(&Self, &Value) -> Value,
    ) -> Value {
        let Some(members) = value.as_map() else { return value.clone() };
        let change = |(name, member): (&String, &Value)| {
            let changed = match (self.attributes.get(name), self.blocks.get(name)) {
                (Some(shape), _) => attribute(shape, member),
                (None, Some(nested)) => {
                    each_object(nested.nesting, member, &|item| block(&nested.shape, item))
                }
                (None, None) => member.clone(),
            };
            (name.clone(), changed)
        };
        Value::map(members.iter().map(change).collect()).with_sensitive(value.is_sensitive())
    }
}

impl NestedAttributes {
    fn ty(&self) -> Type {
        let member = |(name, attribute): (&String, &AttributeShape)| {
            let member =
                ObjectAttribute { ty: attribute.ty.clone(), optional: !attribute.required };
            (name.clone(), member)
        };
        repeated(self.nesting, Type::Object(self.attributes.iter().map(member).collect()))
    }

    fn each(&self, value: &Value, change: &dyn Fn(&AttributeShape, &Value) -> Value) -> Value {
        each_object(self.nesting, value, &|item| {
            let Some(members) = item.as_map() else { return item.clone() };
            let members = members.iter().map(|(name, member)| {
                let changed = match self.attributes.get(name) {
                    Some(attribute) => change(attribute, member),
                    None => member.clone(),
                };
                (name.clone(), changed)
            });
            Value::map(members.collect()).with_sensitive(item.is_sensitive())
        })
    }
}

impl AttributeShape {
    /// Whether it or anything in it is a secret.
    fn has_secret(&self) -> bool {
        let inner = |nested: &NestedAttributes| nested.attributes.values().any(Self::has_secret);
        self.sensitive || self.write_only || self.nested.as_ref().is_some_and(inner)
    }

    /// Whether it or anything in it is only ever sent.
    fn has_write_only(&self) -> bool {
        let inner =
            |nested: &NestedAttributes| nested.attributes.values().any(Self::has_write_only);
        self.write_only || self.nested.as_ref().is_some_and(inner)
    }

    /// The rest of gov treats an attribute with a secret in it as one secret, so the mark is whole.
    fn mark(&self, value: &Value) -> Value {
        value.clone().with_sensitive(self.has_secret() && !value.is_null())
    }

    fn keep(&self, value: &Value) -> Value {
        match &self.nested {
            _ if self.write_only => Value::null(),
            Some(nested) => nested.each(value, &Self::keep),
            None => value.clone(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use tfplugin::wire;
    use tfplugin::wire::NestingMode;

    use super::TypeSchema;
    use crate::model::value::Value;

    /// An attribute with its flags: `r`equired, `o`ptional, `c`omputed, `s`ensitive, `w`rite-only.
    pub fn attribute(name: &str, ty: &str, flags: &str) -> wire::Attribute {
        wire::Attribute {
            name: name.to_owned(),
            r#type: ty.as_bytes().to_vec(),
            required: flags.contains('r'),
            optional: flags.contains('o'),
            computed: flags.contains('c'),
            sensitive: flags.contains('s'),
            write_only: flags.contains('w'),
            ..Default::default()
        }
    }

    pub fn nested(
        name: &str,
        nesting: NestingMode,
        flags: &str,
        attributes: Vec<wire::Attribute>,
    ) -> wire::Attribute {
        let object = wire::Object { attributes, nesting: nesting as i32 };
        wire::Attribute { nested_type: Some(object), ..attribute(name, "", flags) }
    }

    pub fn block(
        name: &str,
        nesting: NestingMode,
        attributes: Vec<wire::Attribute>,
    ) -> wire::NestedBlock {
        wire::NestedBlock {
            type_name: name.to_owned(),
            block: Some(wire::Block { attributes, ..Default::default() }),
            nesting: nesting as i32,
            ..Default::default()
        }
    }

    pub fn schema(
        attributes: Vec<wire::Attribute>,
        block_types: Vec<wire::NestedBlock>,
    ) -> TypeSchema {
        let block = wire::Block { attributes, block_types, ..Default::default() };
        let schema = wire::Schema { version: 2, block: Some(block) };
        TypeSchema::from_wire("test_thing", Some(schema)).unwrap()
    }

    #[test]
    fn a_schema_keeps_what_it_says() {
        let made = schema(
            vec![
                attribute("name", "\"string\"", "r"),
                nested(
                    "auth",
                    NestingMode::List,
                    "o",
                    vec![
                        attribute("user", "\"string\"", "r"),
                        attribute("password", "\"string\"", "os"),
                    ],
                ),
            ],
            vec![block("rule", NestingMode::Set, vec![attribute("port", "\"number\"", "o")])],
        );
        assert_eq!(made.schema.version, 2);
        assert!(made.schema.block.attributes["name"].required);
        assert!(made.schema.block.attributes["auth"].sensitive, "a part of it is");
        let written = Value::object([
            ("name", Value::number(5_i64)),
            ("auth", Value::list(vec![Value::object([("user", Value::string("u"))])])),
        ]);
        let conformed = made.schema.block.conform(&written).unwrap();
        assert!(conformed.get("auth").unwrap().as_items().unwrap()[0].get("password").is_some());
        assert_eq!(conformed.get("rule"), Some(&Value::set(Vec::new())));
        crate::provider::terraform::value::encode(&conformed, &made.ty).unwrap();
    }

    #[test]
    fn what_is_only_sent_is_never_kept() {
        let made = schema(
            vec![
                attribute("value_wo", "\"string\"", "ow"),
                nested(
                    "auth",
                    NestingMode::Single,
                    "o",
                    vec![
                        attribute("token", "\"string\"", "ow"),
                        attribute("user", "\"string\"", "o"),
                    ],
                ),
            ],
            vec![block("login", NestingMode::List, vec![attribute("pin", "\"string\"", "ow")])],
        );
        let secret = || Value::string("secret");
        let value = Value::object([
            ("value_wo", secret()),
            ("auth", Value::object([("token", secret()), ("user", Value::string("u"))])),
            ("login", Value::list(vec![Value::object([("pin", secret())])])),
        ]);
        let kept = made.shape.without_write_only(&value);
        assert!(!format!("{kept:?}").contains("secret"), "{kept:?}");
        assert_eq!(kept.get("auth").unwrap().get("user"), Some(&Value::string("u")));
        let marked = made.shape.mark(&value);
        assert!(!format!("{marked:?}").contains("secret"), "{marked:?}");
    }

    #[test]
    fn a_schema_that_makes_no_sense_is_refused() {
        let wrong = |block| {
            let schema = wire::Schema { version: 0, block: Some(block) };
            TypeSchema::from_wire("t", Some(schema)).unwrap_err().to_string()
        };
        let attributes = vec![attribute("a", "\"capsule\"", "o")];
        let error = wrong(wire::Block { attributes, ..Default::default() });
        assert!(error.starts_with("the provider's schema of t is wrong at a"), "{error}");
        let attributes = vec![nested("n", NestingMode::Group, "o", Vec::new())];
        wrong(wire::Block { attributes, ..Default::default() });
        let block_types = vec![block("b", NestingMode::Invalid, Vec::new())];
        wrong(wire::Block { block_types, ..Default::default() });
    }
}
