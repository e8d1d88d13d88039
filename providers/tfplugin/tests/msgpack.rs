//! As much of MessagePack as the tests need: enough to write configurations and read states.

use std::collections::BTreeMap;

use tfplugin::wire::DynamicValue;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Unknown,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Value>),
    Object(BTreeMap<String, Value>),
}

pub fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

impl Value {
    pub fn encode(&self) -> DynamicValue {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        DynamicValue::msgpack(bytes)
    }

    pub fn decode(value: &Option<DynamicValue>) -> Self {
        let bytes = value.as_ref().map(|value| value.msgpack.as_slice()).unwrap_or_default();
        if bytes.is_empty() {
            return Self::Null;
        }
        let mut reader = Reader { bytes, position: 0 };
        let value = reader.value();
        assert_eq!(reader.position, bytes.len(), "bytes after the value");
        value
    }

    pub fn get(&self, key: &str) -> &Self {
        match self {
            Self::Object(entries) => &entries[key],
            other => panic!("{other:?} is not an object"),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0xc0),
            Self::Unknown => out.extend([0xd4, 0, 0]),
            Self::Bool(value) => out.push(if *value { 0xc3 } else { 0xc2 }),
            Self::Number(value) => {
                out.push(0xcb);
                out.extend(value.to_be_bytes());
            }
            Self::Text(text) => {
                out.push(0xdb);
                out.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
                out.extend(text.as_bytes());
            }
            Self::List(items) => {
                out.push(0xdd);
                out.extend(u32::try_from(items.len()).unwrap().to_be_bytes());
                items.iter().for_each(|item| item.write(out));
            }
            Self::Object(entries) => {
                out.push(0xdf);
                out.extend(u32::try_from(entries.len()).unwrap().to_be_bytes());
                for (key, value) in entries {
                    Self::Text(key.clone()).write(out);
                    value.write(out);
                }
            }
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Reader<'_> {
    fn take(&mut self, length: usize) -> &[u8] {
        let start = self.position;
        self.position += length;
        &self.bytes[start..self.position]
    }

    fn unsigned(&mut self, length: usize) -> usize {
        self.take(length).iter().fold(0, |value, byte| value << 8 | usize::from(*byte))
    }

    fn text(&mut self, length: usize) -> Value {
        Value::Text(String::from_utf8(self.take(length).to_vec()).unwrap())
    }

    fn list(&mut self, length: usize) -> Value {
        Value::List((0..length).map(|_| self.value()).collect())
    }

    fn object(&mut self, length: usize) -> Value {
        let entries = (0..length).map(|_| match self.value() {
            Value::Text(key) => (key, self.value()),
            other => panic!("{other:?} is not a key"),
        });
        Value::Object(entries.collect())
    }

    fn value(&mut self) -> Value {
        let head = self.unsigned(1);
        match head {
            0x00..=0x7f => Value::Number(head as f64),
            0x80..=0x8f => self.object(head & 0x0f),
            0x90..=0x9f => self.list(head & 0x0f),
            0xa0..=0xbf => self.text(head & 0x1f),
            0xc0 => Value::Null,
            0xc2 => Value::Bool(false),
            0xc3 => Value::Bool(true),
            0xcb => Value::Number(f64::from_be_bytes(self.take(8).try_into().unwrap())),
            0xcc => Value::Number(self.unsigned(1) as f64),
            0xcd => Value::Number(self.unsigned(2) as f64),
            // Any extension is an unknown value, whatever its code and length.
            0xc7 => {
                let length = self.unsigned(1);
                self.take(1 + length);
                Value::Unknown
            }
            0xd4 => {
                self.take(2);
                Value::Unknown
            }
            0xd9 => {
                let length = self.unsigned(1);
                self.text(length)
            }
            0xdb => {
                let length = self.unsigned(4);
                self.text(length)
            }
            0xdc => {
                let length = self.unsigned(2);
                self.list(length)
            }
            0xdd => {
                let length = self.unsigned(4);
                self.list(length)
            }
            0xde => {
                let length = self.unsigned(2);
                self.object(length)
            }
            0xdf => {
                let length = self.unsigned(4);
                self.object(length)
            }
            other => panic!("{other:#x} is not read here"),
        }
    }
}

#[test]
fn values_survive() {
    let value = object([
        ("a", Value::List(vec![Value::Null, Value::Unknown, Value::Bool(true)])),
        ("b", Value::Number(1.5)),
        ("c", text(&"x".repeat(300))),
    ]);
    assert_eq!(Value::decode(&Some(value.encode())), value);
    let short = vec![0x81, 0xa1, b'k', 0x92, 0x05, 0xcc, 0xff];
    let expected = object([("k", Value::List(vec![Value::Number(5.0), Value::Number(255.0)]))]);
    assert_eq!(Value::decode(&Some(DynamicValue::msgpack(short))), expected);
}
