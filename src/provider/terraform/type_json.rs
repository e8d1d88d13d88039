//! Types as the protocol writes them: JSON such as `["map","string"]`.
//!
//! Both ways: schemas bring types, and a value without a type of its own travels with one.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::model::schema::DEPTH_MAX;
use crate::model::schema::ObjectAttribute;
use crate::model::schema::Type;
use crate::model::value::Kind;
use crate::model::value::Value;

/// The text is no type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a type that gov does not know, or one nested deeper than {DEPTH_MAX} levels")]
pub struct TypeError;

/// Reads a type.
///
/// # Errors
/// [`TypeError`].
pub fn parse(bytes: &[u8]) -> Result<Type, TypeError> {
    let json: Json = serde_json::from_slice(bytes).map_err(|_| TypeError)?;
    read(&json, 0)
}

fn read(json: &Json, depth: usize) -> Result<Type, TypeError> {
    if depth > DEPTH_MAX {
        return Err(TypeError);
    }
    if let Some(name) = json.as_str() {
        return match name {
            "dynamic" => Ok(Type::Dynamic),
            "bool" => Ok(Type::Bool),
            "number" => Ok(Type::Number),
            "string" => Ok(Type::String),
            _ => Err(TypeError),
        };
    }
    let parts = json.as_array().map(Vec::as_slice).unwrap_or_default();
    let (name, content, optional) = match parts {
        [name, content] => (name, content, None),
        [name, content, optional] => (name, content, Some(optional)),
        _ => return Err(TypeError),
    };
    let inner = || read(content, depth + 1).map(Box::new);
    match (name.as_str().unwrap_or_default(), optional) {
        ("list", None) => Ok(Type::List(inner()?)),
        ("set", None) => Ok(Type::Set(inner()?)),
        ("map", None) => Ok(Type::Map(inner()?)),
        ("tuple", None) => {
            let items = content.as_array().ok_or(TypeError)?;
            let items = items.iter().map(|item| read(item, depth + 1));
            Ok(Type::Tuple(items.collect::<Result<_, _>>()?))
        }
        ("object", optional) => {
            let members = content.as_object().ok_or(TypeError)?;
            let named = |name: &str| match optional.and_then(Json::as_array) {
                Some(names) => names.iter().any(|other| other.as_str() == Some(name)),
                None => false,
            };
            let member = |(name, ty): (&String, &Json)| {
                let ty = read(ty, depth + 1)?;
                Ok((name.clone(), ObjectAttribute { ty, optional: named(name) }))
            };
            let members = members.iter().map(member).collect::<Result<BTreeMap<_, _>, _>>()?;
            Ok(Type::Object(members))
        }
        _ => Err(TypeError),
    }
}

/// Writes a type. Which members of an object may be left out is a matter of configurations and
/// does not travel with values.
#[must_use]
pub fn write(ty: &Type) -> Json {
    match ty {
        Type::Dynamic => Json::from("dynamic"),
        Type::Bool => Json::from("bool"),
        Type::Number => Json::from("number"),
        Type::String => Json::from("string"),
        Type::List(item) => Json::from(vec![Json::from("list"), write(item)]),
        Type::Set(item) => Json::from(vec![Json::from("set"), write(item)]),
        Type::Map(item) => Json::from(vec![Json::from("map"), write(item)]),
        Type::Tuple(items) => {
            let items: Vec<Json> = items.iter().map(write).collect();
            Json::from(vec![Json::from("tuple"), Json::from(items)])
        }
        Type::Object(members) => {
            let members: serde_json::Map<String, Json> =
                members.iter().map(|(name, member)| (name.clone(), write(&member.ty))).collect();
            Json::from(vec![Json::from("object"), Json::from(members)])
        }
    }
}

/// The type that a value without a declared one has: what a literal of the same shape would have.
/// Items of a set must be of one type; where they are not, it is sent as a tuple.
#[must_use]
pub fn of_value(value: &Value) -> Type {
    match value.kind() {
        Kind::Null | Kind::Unknown => Type::Dynamic,
        Kind::Bool(_) => Type::Bool,
        Kind::Number(_) => Type::Number,
        Kind::String(_) => Type::String,
        Kind::List(items) => Type::Tuple(items.iter().map(of_value).collect()),
        Kind::Set(items) => match items.split_first() {
            None => Type::Set(Box::new(Type::Dynamic)),
            Some((first, rest)) => {
                let ty = of_value(first);
                let uniform = rest.iter().all(|item| of_value(item) == ty);
                if uniform {
                    Type::Set(Box::new(ty))
                } else {
                    Type::Tuple(items.iter().map(of_value).collect())
                }
            }
        },
        Kind::Map(members) => {
            let member = |(name, member): (&String, &Value)| {
                (name.clone(), ObjectAttribute { ty: of_value(member), optional: false })
            };
            Type::Object(members.iter().map(member).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TypeError;
    use super::parse;
    use super::write;
    use crate::model::schema::Type;

    #[test]
    fn types_come_back() {
        let texts = [
            r#""dynamic""#,
            r#"["map","string"]"#,
            r#"["set",["object",{"a":"number","b":["list","bool"]}]]"#,
            r#"["tuple",["string",["tuple",[]]]]"#,
        ];
        for text in texts {
            let ty = parse(text.as_bytes()).unwrap();
            assert_eq!(serde_json::to_string(&write(&ty)).unwrap(), text);
        }
    }

    #[test]
    fn members_may_be_optional() {
        let Type::Object(members) = parse(br#"["object",{"a":"bool","b":"bool"},["b"]]"#).unwrap()
        else {
            panic!("not an object");
        };
        assert!(!members["a"].optional);
        assert!(members["b"].optional);
    }

    #[test]
    fn nonsense_is_refused() {
        let deep = format!("{}\"bool\"{}", "[\"list\",".repeat(70), "]".repeat(70));
        for text in ["", "\"text\"", "[\"list\"]", "[\"list\",\"bool\",[]]", "{}", "7", &deep] {
            assert_eq!(parse(text.as_bytes()), Err(TypeError), "{text}");
        }
    }
}
