//! Values of gov to values on the wire and back, driven by types.
//!
//! [`encode`] writes MessagePack, which every provider reads; [`decode`] reads that and JSON, for
//! a provider may answer in either. What comes from a provider is never trusted: a wrong shape, a
//! missing member or one too many is an error with its place. Numbers keep every digit.
//!
//! It does not convert: configurations have been conformed to their schema before. Marks do not
//! travel; whoever decodes puts them back. What a provider says beside an unknown value (that it
//! is not null, how it begins) is dropped, which is always allowed.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use tfplugin::wire::DynamicValue;
use tfplugin::wire::Encoded;

use crate::model::number::Number;
use crate::model::schema::ConvertError;
use crate::model::schema::DEPTH_MAX;
use crate::model::schema::ObjectAttribute;
use crate::model::schema::Type;
use crate::model::value::Kind;
use crate::model::value::Path;
use crate::model::value::Step;
use crate::model::value::Value;
use crate::provider::terraform::json;
use crate::provider::terraform::msgpack::Reader;
use crate::provider::terraform::msgpack::Token;
use crate::provider::terraform::msgpack::Writer;
use crate::provider::terraform::type_json;

/// Digits behind the point that write any 64-bit float exactly.
const FLOAT_FRACTION_DIGITS: usize = 1074;

pub(super) fn wrong<T>(path: &Path, problem: impl Into<String>) -> Result<T, ConvertError> {
    Err(ConvertError { path: path.clone(), problem: problem.into() })
}

/// Encodes a value of a type.
///
/// # Errors
/// Where the value is not of the type.
pub fn encode(value: &Value, ty: &Type) -> Result<DynamicValue, ConvertError> {
    let mut writer = Writer::default();
    write(&mut writer, &Path::root(), value, ty)?;
    Ok(DynamicValue::msgpack(writer.into_bytes()))
}

/// Decodes a value of a type. Nothing at all is null.
///
/// # Errors
/// Where the bytes hold no value of the type, and nothing else.
pub fn decode(encoded: Option<&DynamicValue>, ty: &Type) -> Result<Value, ConvertError> {
    match encoded.map_or(Encoded::Null, DynamicValue::encoded) {
        Encoded::Null => Ok(Value::null()),
        Encoded::Json(bytes) => json::decode(bytes, ty),
        Encoded::Msgpack(bytes) => {
            let mut reader = Reader::new(bytes);
            let value = read(&mut reader, &Path::root(), ty)?;
            if reader.is_at_end() {
                Ok(value)
            } else {
                wrong(&Path::root(), "is followed by bytes that belong to nothing")
            }
        }
    }
}

// ---- writing -------------------------------------------------------------------------------

fn write(writer: &mut Writer, path: &Path, value: &Value, ty: &Type) -> Result<(), ConvertError> {
    if path.0.len() > DEPTH_MAX {
        return wrong(path, format!("nested deeper than {DEPTH_MAX} levels"));
    }
    match (value.kind(), ty) {
        (Kind::Null, _) => writer.nil(),
        (Kind::Unknown, _) => writer.unknown(),
        (_, Type::Dynamic) => {
            let ty = type_json::of_value(value);
            writer.array(2);
            writer.binary(type_json::write(&ty).to_string().as_bytes());
            write(writer, path, value, &ty)?;
        }
        (Kind::Bool(truth), Type::Bool) => writer.bool(*truth),
        (Kind::Number(number), Type::Number) => write_number(writer, number),
        (Kind::String(text), Type::String) => writer.text(text),
        (Kind::List(items), Type::List(item)) => {
            writer.array(items.len());
            for (index, value) in items.iter().enumerate() {
                write(writer, &path.join(Step::Index(index)), value, item)?;
            }
        }
        (Kind::Set(items) | Kind::List(items), Type::Set(item)) => {
            write_set(writer, path, items, item)?;
        }
        (Kind::List(items) | Kind::Set(items), Type::Tuple(types))
            if items.len() == types.len() =>
        {
            writer.array(items.len());
            for (index, (value, item)) in items.iter().zip(types).enumerate() {
                write(writer, &path.join(Step::Index(index)), value, item)?;
            }
        }
        (Kind::Map(members), Type::Map(item)) => {
            writer.map(members.len());
            for (key, value) in members {
                writer.text(key);
                write(writer, &path.join(Step::Key(key.clone())), value, item)?;
            }
        }
        (Kind::Map(members), Type::Object(attributes)) => {
            write_object(writer, path, members, attributes)?;
        }
        _ => return wrong(path, format!("needs {}, has {}", ty.name(), value.kind_name())),
    }
    Ok(())
}

/// Items that differ in their marks alone are one item.
fn write_set(
    writer: &mut Writer,
    path: &Path,
    items: &[Value],
    item: &Type,
) -> Result<(), ConvertError> {
    let mut seen = BTreeSet::new();
    let mut written = Vec::new();
    for (index, value) in items.iter().enumerate() {
        let mut one = Writer::default();
        write(&mut one, &path.join(Step::Index(index)), value, item)?;
        let bytes = one.into_bytes();
        if !value.is_wholly_known() || seen.insert(bytes.clone()) {
            written.push(bytes);
        }
    }
    writer.array(written.len());
    for bytes in written {
        writer.raw(&bytes);
    }
    Ok(())
}

/// Every attribute is written, null where unset, for providers refuse an object that lacks one.
fn write_object(
    writer: &mut Writer,
    path: &Path,
    members: &BTreeMap<String, Value>,
    attributes: &BTreeMap<String, ObjectAttribute>,
) -> Result<(), ConvertError> {
    if let Some(name) = members.keys().find(|name| !attributes.contains_key(*name)) {
        return wrong(&path.join(Step::Attribute(name.clone())), "is not part of the type");
    }
    writer.map(attributes.len());
    for (name, attribute) in attributes {
        writer.text(name);
        match members.get(name) {
            Some(value) => {
                write(writer, &path.join(Step::Attribute(name.clone())), value, &attribute.ty)?;
            }
            None => writer.nil(),
        }
    }
    Ok(())
}

/// Whole numbers as such; fractions as floats where that is exact, else as decimal text.
fn write_number(writer: &mut Writer, number: &Number) {
    if let Some(whole) = number.as_i64() {
        return writer.signed(whole);
    }
    let text = number.to_string();
    match exact_float(number, &text) {
        Some(float) => writer.float(float),
        None => writer.text(&text),
    }
}

/// The float that is exactly this number and that is read back as this number.
fn exact_float(number: &Number, text: &str) -> Option<f64> {
    let float: f64 = text.parse().ok()?;
    let expanded = format!("{float:.FLOAT_FRACTION_DIGITS$}");
    let expanded = expanded.trim_end_matches('0').trim_end_matches('.');
    let exact = float.is_finite() && expanded == text;
    (exact && float_number(float).as_ref() == Some(number)).then_some(float)
}

/// The number that a float stands for. A whole one is exact; a fraction is read as the shortest
/// text that names the float, as people wrote it: 0.1 and not the 55 digits of its binary form.
pub(super) fn float_number(float: f64) -> Option<Number> {
    if !float.is_finite() {
        return None;
    }
    // Rust writes a float in full, without an exponent, and a whole one with all its digits.
    let text = if float.fract() == 0.0 { format!("{float:.0}") } else { float.to_string() };
    Number::parse(&text).ok()
}

// ---- reading -------------------------------------------------------------------------------

fn read(reader: &mut Reader<'_>, path: &Path, ty: &Type) -> Result<Value, ConvertError> {
    if path.0.len() > DEPTH_MAX {
        return wrong(path, format!("nested deeper than {DEPTH_MAX} levels"));
    }
    let token = match reader.token() {
        Ok(token) => token,
        Err(damaged) => return wrong(path, damaged.to_string()),
    };
    match (token, ty) {
        (Token::Nil, _) => Ok(Value::null()),
        (Token::Extension, _) => Ok(Value::unknown()),
        (Token::Array(2), Type::Dynamic) => {
            let Ok(Token::Bytes(ty) | Token::Text(ty)) = reader.token() else {
                return wrong(path, "needs the type of its value");
            };
            match type_json::parse(ty) {
                Ok(ty) => read(reader, path, &ty),
                Err(error) => wrong(path, error.to_string()),
            }
        }
        (Token::Bool(truth), Type::Bool) => Ok(Value::bool(truth)),
        (token, Type::Number) => read_number(path, token),
        (Token::Text(bytes), Type::String) => Ok(Value::string(text(path, bytes)?)),
        (Token::Array(count), Type::List(item)) => {
            Ok(Value::list(read_items(reader, path, count, |_| Some(&**item))?))
        }
        (Token::Array(count), Type::Set(item)) => {
            Ok(Value::set(read_items(reader, path, count, |_| Some(&**item))?))
        }
        (Token::Array(count), Type::Tuple(types)) if count == types.len() => {
            Ok(Value::list(read_items(reader, path, count, |index| types.get(index))?))
        }
        (Token::Map(count), Type::Map(item)) => {
            let members = read_members(reader, path, count, Step::Key, |_| Some(&**item))?;
            Ok(Value::map(members))
        }
        (Token::Map(count), Type::Object(attributes)) => {
            let ty = |name: &str| attributes.get(name).map(|attribute| &attribute.ty);
            let members = read_members(reader, path, count, Step::Attribute, ty)?;
            match attributes.keys().find(|name| !members.contains_key(*name)) {
                Some(name) => wrong(&path.join(Step::Attribute(name.clone())), "is missing"),
                None => Ok(Value::map(members)),
            }
        }
        _ => wrong(path, format!("needs {}, has something else", ty.name())),
    }
}

fn read_items<'t>(
    reader: &mut Reader<'_>,
    path: &Path,
    count: usize,
    ty: impl Fn(usize) -> Option<&'t Type>,
) -> Result<Vec<Value>, ConvertError> {
    // Grows as items really come: the count alone is only a claim.
    let mut items = Vec::new();
    for index in 0..count {
        let at = path.join(Step::Index(index));
        match ty(index) {
            Some(ty) => items.push(read(reader, &at, ty)?),
            None => return wrong(&at, "is one item too many"),
        }
    }
    Ok(items)
}

fn read_members<'t>(
    reader: &mut Reader<'_>,
    path: &Path,
    count: usize,
    step: fn(String) -> Step,
    ty: impl Fn(&str) -> Option<&'t Type>,
) -> Result<BTreeMap<String, Value>, ConvertError> {
    let mut members = BTreeMap::new();
    for _ in 0..count {
        let Ok(Token::Text(name)) = reader.token() else {
            return wrong(path, "needs names of text");
        };
        let name = text(path, name)?;
        let at = path.join(step(name.clone()));
        let Some(ty) = ty(&name) else { return wrong(&at, "is not part of the type") };
        let member = read(reader, &at, ty)?;
        if members.insert(name, member).is_some() {
            return wrong(&at, "is there twice");
        }
    }
    Ok(members)
}

fn read_number(path: &Path, token: Token<'_>) -> Result<Value, ConvertError> {
    let number = match token {
        Token::Signed(whole) => Some(Number::from(whole)),
        Token::Unsigned(whole) => Some(Number::from(whole)),
        Token::Float(float) => float_number(float),
        Token::Text(bytes) => Number::parse(&text(path, bytes)?).ok(),
        _ => None,
    };
    match number {
        Some(number) => Ok(Value::number(number)),
        None => wrong(path, "needs a number, has something else"),
    }
}

fn text(path: &Path, bytes: &[u8]) -> Result<String, ConvertError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => wrong(path, "holds text that is not UTF-8"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::BoxedStrategy;
    use proptest::prelude::Just;
    use proptest::prelude::ProptestConfig;
    use proptest::prelude::Strategy;
    use proptest::prelude::any;
    use proptest::prop_oneof;
    use proptest::proptest;
    use tfplugin::wire::DynamicValue;

    use super::decode;
    use super::encode;
    use super::float_number;
    use crate::model::number::Number;
    use crate::model::schema::ObjectAttribute;
    use crate::model::schema::Type;
    use crate::model::value::Value;

    fn number() -> BoxedStrategy<Value> {
        let parse = |text: String| Value::number(Number::parse(&text).unwrap());
        prop_oneof![
            any::<i64>().prop_map(Value::number),
            any::<u64>().prop_map(Value::number),
            "-?[1-9][0-9]{0,60}(\\.[0-9]{0,40})?".prop_map(parse),
            any::<f64>().prop_filter_map("a number of gov", |f| float_number(f).map(Value::number)),
            (-4096_i64..4096)
                .prop_map(|n| n as f64 / 64.0)
                .prop_filter_map("a number of gov", |f| float_number(f).map(Value::number)),
        ]
        .boxed()
    }

    /// Values that need no declared type to come back as they were.
    fn untyped() -> BoxedStrategy<Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::bool),
            number(),
            ".{0,8}".prop_map(Value::string),
            Just(Value::null()),
            Just(Value::unknown()),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::list),
                proptest::collection::btree_map("[a-z]{1,3}", inner, 0..4).prop_map(Value::map),
                proptest::collection::vec("[a-z]{0,3}".prop_map(Value::string), 0..4)
                    .prop_map(Value::set),
            ]
        })
        .boxed()
    }

    fn ty() -> BoxedStrategy<Type> {
        let leaf = prop_oneof![
            Just(Type::Bool),
            Just(Type::Number),
            Just(Type::String),
            Just(Type::Dynamic),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            let member = |ty| ObjectAttribute { ty, optional: false };
            prop_oneof![
                inner.clone().prop_map(|item| Type::List(Box::new(item))),
                inner.clone().prop_map(|item| Type::Set(Box::new(item))),
                inner.clone().prop_map(|item| Type::Map(Box::new(item))),
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Type::Tuple),
                proptest::collection::btree_map("[a-z]{1,3}", inner.prop_map(member), 0..3)
                    .prop_map(Type::Object),
            ]
        })
        .boxed()
    }

    /// Values of a type, nulls and unknowns among them.
    pub fn of(ty: &Type) -> BoxedStrategy<Value> {
        let known = match ty {
            Type::Dynamic => untyped(),
            Type::Bool => any::<bool>().prop_map(Value::bool).boxed(),
            Type::Number => number(),
            Type::String => ".{0,40}".prop_map(Value::string).boxed(),
            Type::List(item) => {
                proptest::collection::vec(of(item), 0..4).prop_map(Value::list).boxed()
            }
            Type::Set(item) => {
                proptest::collection::vec(of(item), 0..4).prop_map(Value::set).boxed()
            }
            Type::Map(item) => proptest::collection::btree_map(".{0,4}", of(item), 0..4)
                .prop_map(Value::map)
                .boxed(),
            Type::Tuple(items) => {
                let items: Vec<_> = items.iter().map(of).collect();
                items.prop_map(Value::list).boxed()
            }
            Type::Object(members) => {
                let names: Vec<String> = members.keys().cloned().collect();
                let values: Vec<_> = members.values().map(|member| of(&member.ty)).collect();
                values
                    .prop_map(move |values| Value::map(names.iter().cloned().zip(values).collect()))
                    .boxed()
            }
        };
        prop_oneof![8 => known, 1 => Just(Value::null()), 1 => Just(Value::unknown())].boxed()
    }

    pub fn typed() -> BoxedStrategy<(Type, Value)> {
        ty().prop_flat_map(|ty| of(&ty).prop_map(move |value| (ty.clone(), value))).boxed()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn values_come_back_as_they_went((ty, value) in typed()) {
            let encoded = encode(&value, &ty).unwrap();
            assert_eq!(decode(Some(&encoded), &ty).unwrap(), value);
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..64),
            ty in ty()) {
            let _either = decode(Some(&DynamicValue::msgpack(bytes)), &ty);
        }
    }

    fn bytes(value: &Value, ty: &Type) -> Vec<u8> {
        encode(value, ty).unwrap().msgpack
    }

    fn parsed(text: &str) -> Value {
        Value::number(Number::parse(text).unwrap())
    }

    #[test]
    fn numbers_travel_in_three_forms() {
        assert_eq!(bytes(&parsed("7"), &Type::Number), [7]);
        assert_eq!(bytes(&parsed("0.5"), &Type::Number), [0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes(&parsed("0.1"), &Type::Number), b"\xa30.1");
        let large = "1267650600228229401496703205376";
        assert_eq!(bytes(&parsed(large), &Type::Number).first(), Some(&0xcb), "2^100 is a float");
        let larger = "1267650600228229401496703205377";
        assert_eq!(bytes(&parsed(larger), &Type::Number).len(), 1 + larger.len(), "text");
        let float =
            DynamicValue::msgpack(vec![0xcb, 0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a]);
        assert_eq!(decode(Some(&float), &Type::Number).unwrap(), parsed("0.1"));
        let nan = DynamicValue::msgpack(vec![0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]);
        decode(Some(&nan), &Type::Number).unwrap_err();
    }

    #[test]
    fn an_object_has_every_attribute() {
        let member = |ty| ObjectAttribute { ty, optional: true };
        let members = [("a", member(Type::String)), ("b", member(Type::Bool))];
        let ty = Type::Object(members.map(|(name, member)| (name.to_owned(), member)).into());
        let value = Value::object([("b", Value::bool(true))]);
        assert_eq!(bytes(&value, &ty), b"\x82\xa1a\xc0\xa1b\xc3");
        let unknown_member = Value::object([("c", Value::null())]);
        assert_eq!(
            encode(&unknown_member, &ty).unwrap_err().to_string(),
            "c: is not part of the type"
        );
        let short = DynamicValue::msgpack(b"\x81\xa1a\xc0".to_vec());
        assert_eq!(decode(Some(&short), &ty).unwrap_err().to_string(), "b: is missing");
    }

    #[test]
    fn a_set_has_no_doubles_whatever_their_marks() {
        let items = vec![Value::string("x"), Value::string("x").into_sensitive()];
        let ty = Type::Set(Box::new(Type::String));
        assert_eq!(bytes(&Value::set(items), &ty), b"\x91\xa1x");
        let unknowns = Value::set(vec![Value::unknown(), Value::unknown()]);
        assert_eq!(bytes(&unknowns, &ty), [0x92, 0xd4, 0, 0, 0xd4, 0, 0]);
    }

    #[test]
    fn an_unknown_may_say_more_than_it_needs() {
        let refined = DynamicValue::msgpack(vec![0xc7, 3, 12, 0x81, 1, 0xc2]);
        assert_eq!(decode(Some(&refined), &Type::String).unwrap(), Value::unknown());
        let dynamic = DynamicValue::msgpack(vec![0xd4, 0, 0]);
        assert_eq!(decode(Some(&dynamic), &Type::Dynamic).unwrap(), Value::unknown());
    }

    #[test]
    fn nonsense_has_its_place() {
        let ty = Type::List(Box::new(Type::Bool));
        let wrong = DynamicValue::msgpack(vec![0x92, 0xc3, 0xa1, b'x']);
        let error = decode(Some(&wrong), &ty).unwrap_err().to_string();
        assert_eq!(error, "[1]: needs a bool, has something else");
        let longer = DynamicValue::msgpack(vec![0x90, 0x90]);
        decode(Some(&longer), &ty).unwrap_err();
        let claim = DynamicValue::msgpack(vec![0xdd, 0xff, 0xff, 0xff, 0xff]);
        decode(Some(&claim), &ty).unwrap_err();
        assert_eq!(decode(None, &ty).unwrap(), Value::null());
    }
}
