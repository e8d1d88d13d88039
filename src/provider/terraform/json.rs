//! Values in JSON: as a provider may answer, and as it wants stored state for upgrading.
//!
//! Numbers are read from and written as their text, so that no digit is lost on the way through
//! a float.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::value::RawValue;

use crate::model::number::Number;
use crate::model::schema::ConvertError;
use crate::model::schema::DEPTH_MAX;
use crate::model::schema::Type;
use crate::model::value::Kind;
use crate::model::value::Path;
use crate::model::value::Step;
use crate::model::value::Value;
use crate::provider::terraform::type_json;
use crate::provider::terraform::value::wrong;

/// Decodes a value of a type. A member that an object lacks is null.
///
/// # Errors
/// Where the text holds no value of the type.
pub fn decode(bytes: &[u8], ty: &Type) -> Result<Value, ConvertError> {
    let raw: &RawValue = match serde_json::from_slice(bytes) {
        Ok(raw) => raw,
        Err(error) => return wrong(&Path::root(), format!("is not JSON: {error}")),
    };
    read(&Path::root(), raw, ty)
}

fn read(path: &Path, raw: &RawValue, ty: &Type) -> Result<Value, ConvertError> {
    if path.0.len() > DEPTH_MAX {
        return wrong(path, format!("nested deeper than {DEPTH_MAX} levels"));
    }
    let text = raw.get();
    if text == "null" {
        return Ok(Value::null());
    }
    match ty {
        Type::Dynamic => {
            let parts: BTreeMap<String, &RawValue> = part(path, raw, ty)?;
            let (Some(declared), Some(value)) = (parts.get("type"), parts.get("value")) else {
                return wrong(path, "needs the type of its value");
            };
            match type_json::parse(declared.get().as_bytes()) {
                Ok(ty) => read(path, value, &ty),
                Err(error) => wrong(path, error.to_string()),
            }
        }
        Type::Bool => Ok(Value::bool(part(path, raw, ty)?)),
        Type::String => Ok(Value::string(part::<String>(path, raw, ty)?)),
        Type::Number => {
            // A number of many digits may come as text.
            let unquoted = part::<String>(path, raw, ty).unwrap_or_else(|_| text.to_owned());
            match Number::parse(&unquoted) {
                Ok(number) => Ok(Value::number(number)),
                Err(error) => wrong(path, format!("needs a number: {error}")),
            }
        }
        Type::List(item) => Ok(Value::list(read_items(path, raw, ty, |_| Some(&**item))?)),
        Type::Set(item) => Ok(Value::set(read_items(path, raw, ty, |_| Some(&**item))?)),
        Type::Tuple(types) => {
            let items = read_items(path, raw, ty, |index| types.get(index))?;
            if items.len() == types.len() {
                Ok(Value::list(items))
            } else {
                wrong(path, format!("needs {} items, has {}", types.len(), items.len()))
            }
        }
        Type::Map(item) => {
            let members: BTreeMap<String, &RawValue> = part(path, raw, ty)?;
            let member = |(key, raw): (String, &RawValue)| {
                let value = read(&path.join(Step::Key(key.clone())), raw, item)?;
                Ok((key, value))
            };
            Ok(Value::map(members.into_iter().map(member).collect::<Result<_, ConvertError>>()?))
        }
        Type::Object(attributes) => {
            let members: BTreeMap<String, &RawValue> = part(path, raw, ty)?;
            if let Some(name) = members.keys().find(|name| !attributes.contains_key(*name)) {
                return wrong(&path.join(Step::Attribute(name.clone())), "is not part of the type");
            }
            let mut object = BTreeMap::new();
            for (name, attribute) in attributes {
                let member = match members.get(name) {
                    Some(raw) => {
                        read(&path.join(Step::Attribute(name.clone())), raw, &attribute.ty)?
                    }
                    None => Value::null(),
                };
                object.insert(name.clone(), member);
            }
            Ok(Value::map(object))
        }
    }
}

fn read_items<'t>(
    path: &Path,
    raw: &RawValue,
    ty: &Type,
    item: impl Fn(usize) -> Option<&'t Type>,
) -> Result<Vec<Value>, ConvertError> {
    let items: Vec<&RawValue> = part(path, raw, ty)?;
    let read_item = |(index, raw): (usize, &RawValue)| {
        let at = path.join(Step::Index(index));
        match item(index) {
            Some(ty) => read(&at, raw, ty),
            None => wrong(&at, "is one item too many"),
        }
    };
    items.into_iter().enumerate().map(read_item).collect()
}

/// One level of the text, in the form that a type needs.
fn part<'r, T: serde::Deserialize<'r>>(
    path: &Path,
    raw: &'r RawValue,
    ty: &Type,
) -> Result<T, ConvertError> {
    match serde_json::from_str(raw.get()) {
        Ok(part) => Ok(part),
        Err(_) => wrong(path, format!("needs {}, has something else", ty.name())),
    }
}

/// Writes a stored value as JSON. The type is the present one and only a guide, for the value may
/// follow an older: it says where a value travels with its own type, and nothing else is changed,
/// left out or added. Providers bring old values to their present form themselves.
#[must_use]
pub fn stored(value: &Value, guide: &Type) -> Vec<u8> {
    let mut text = String::new();
    write(&mut text, value, Some(guide));
    text.into_bytes()
}

fn write(text: &mut String, value: &Value, guide: Option<&Type>) {
    let declared = match (value.kind(), guide) {
        (Kind::Null | Kind::Unknown, _) => None,
        (_, Some(Type::Dynamic)) => Some(type_json::of_value(value)),
        _ => None,
    };
    if let Some(ty) = declared {
        text.push_str("{\"value\":");
        write(text, value, Some(&ty));
        text.push_str(",\"type\":");
        text.push_str(&type_json::write(&ty).to_string());
        return text.push('}');
    }
    match value.kind() {
        // The books hold no unknowns.
        Kind::Null | Kind::Unknown => text.push_str("null"),
        Kind::Bool(truth) => text.push_str(if *truth { "true" } else { "false" }),
        Kind::Number(number) => {
            // Writing to a string cannot fail.
            let _written = write!(text, "{number}");
        }
        Kind::String(content) => quote(text, content),
        Kind::List(items) | Kind::Set(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                let guide = match guide {
                    Some(Type::List(item) | Type::Set(item)) => Some(&**item),
                    Some(Type::Tuple(types)) => types.get(index),
                    _ => None,
                };
                write(text, item, guide);
            }
            text.push(']');
        }
        Kind::Map(members) => {
            text.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                quote(text, name);
                text.push(':');
                let guide = match guide {
                    Some(Type::Map(item)) => Some(&**item),
                    Some(Type::Object(attributes)) => attributes.get(name).map(|a| &a.ty),
                    _ => None,
                };
                write(text, member, guide);
            }
            text.push('}');
        }
    }
}

fn quote(text: &mut String, content: &str) {
    text.push_str(&serde_json::Value::from(content).to_string());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::ProptestConfig;
    use proptest::proptest;
    use tfplugin::wire::DynamicValue;

    use super::stored;
    use crate::model::schema::Type;
    use crate::model::value::Value;
    use crate::provider::terraform::value::decode;
    use crate::provider::terraform::value::tests::typed;

    fn from_json(text: &str, ty: &Type) -> Result<Value, String> {
        let encoded = DynamicValue { msgpack: Vec::new(), json: text.as_bytes().to_vec() };
        decode(Some(&encoded), ty).map_err(|error| error.to_string())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn stored_values_come_back((ty, value) in typed()) {
            let known = value.rebuild(&mut |node| {
                if node.is_unknown() { Value::null() } else { node }
            });
            let text = String::from_utf8(stored(&known, &ty)).unwrap();
            assert_eq!(from_json(&text, &ty).unwrap(), known, "{text}");
        }
    }

    #[test]
    fn digits_survive() {
        let text = "123456789012345678901234567890.12345678901234567890123456789";
        let value = from_json(text, &Type::Number).unwrap();
        assert_eq!(from_json(&format!("\"{text}\""), &Type::Number).unwrap(), value);
        assert_eq!(stored(&value, &Type::Number), text.as_bytes());
    }

    #[test]
    fn members_that_the_present_type_lacks_are_kept_for_the_provider() {
        let old = Value::object([("gone", Value::number(1_i64)), ("any", Value::string("x"))]);
        let ty = super::type_json::parse(br#"["object",{"any":"dynamic","new":"bool"}]"#).unwrap();
        let text = String::from_utf8(stored(&old, &ty)).unwrap();
        assert_eq!(text, r#"{"any":{"value":"x","type":"string"},"gone":1}"#);
        assert_eq!(from_json(&text, &ty).unwrap_err(), "gone: is not part of the type");
    }

    #[test]
    fn absent_members_are_null_and_nonsense_is_refused() {
        let ty =
            super::type_json::parse(br#"["object",{"a":"bool","b":["list","bool"]}]"#).unwrap();
        let value = from_json(r#"{"a":true}"#, &ty).unwrap();
        assert!(value.get("b").unwrap().is_null());
        let error = from_json(r#"{"b":[true,"x"]}"#, &ty).unwrap_err();
        assert_eq!(error, "b[1]: needs a bool, has something else");
        assert!(from_json("{", &ty).is_err());
    }
}
