//! Functions of encodings: base64, JSON, URLs, digests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use sha2::Digest as _;
use sha2::Sha256;
use std::collections::BTreeMap;

use crate::blueprint::expr::convert;
use crate::blueprint::expr::fuel::Exhausted;
use crate::blueprint::expr::fuel::Fuel;
use crate::blueprint::expr::fuel::Text;
use crate::blueprint::expr::functions::Arguments;
use crate::blueprint::expr::functions::Body;
use crate::blueprint::expr::functions::Function;
use crate::blueprint::expr::functions::Problem;
use crate::blueprint::expr::functions::deep;
use crate::model::schema::DEPTH_MAX;
use crate::model::value::Kind;
use crate::model::value::Value;

/// The rows.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "base64decode",
        parameters: &[deep("text")],
        sentence: "The text that base64 stands for; it must be UTF-8.",
        example: "base64decode(\"Z292\")",
        result: "\"gov\"",
        body: Body::Strict(decode_base64),
    },
    Function {
        name: "base64encode",
        parameters: &[deep("text")],
        sentence: "The text in base64, with padding.",
        example: "base64encode(\"gov!\")",
        result: "\"Z292IQ==\"",
        body: Body::Strict(|call| {
            let made = STANDARD.encode(call.text(0)?);
            call.fuel.spend_text(made.len())?;
            Ok(Value::string(made))
        }),
    },
    Function {
        name: "jsondecode",
        parameters: &[deep("text")],
        sentence: "The value that JSON stands for, with numbers exact.",
        example: "jsondecode(\"{\\\"a\\\": [1, 0.10, null]}\")",
        result: "{a = [1, 0.1, null]}",
        body: Body::Strict(decode_json),
    },
    Function {
        name: "jsonencode",
        parameters: &[deep("value").nullable()],
        sentence: "The value as JSON, members in the order of their names.",
        example: "jsonencode({b = [1, true], a = \"x\"})",
        result: "\"{\\\"a\\\":\\\"x\\\",\\\"b\\\":[1,true]}\"",
        body: Body::Strict(|call| Ok(Value::string(encode_json(&call.take(0), call.fuel)?))),
    },
    Function {
        name: "sha256",
        parameters: &[deep("text")],
        sentence: "The SHA-256 digest of the text, in hexadecimal.",
        example: "substr(sha256(\"gov\"), 0, 8)",
        result: "\"7b5fe22b\"",
        body: Body::Strict(|call| {
            let text = call.text(0)?;
            call.pay(text.len() / 16)?;
            Ok(Value::string(
                Sha256::digest(text).iter().map(|b| format!("{b:02x}")).collect::<String>(),
            ))
        }),
    },
    Function {
        name: "urlencode",
        parameters: &[deep("text")],
        sentence: "The text as part of a query: all but letters, digits and `-_.~` escaped.",
        example: "urlencode(\"a b/é\")",
        result: "\"a+b%2F%C3%A9\"",
        body: Body::Strict(encode_url),
    },
];

fn decode_base64(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let text = call.text(0)?;
    let bytes = STANDARD.decode(text.as_bytes());
    let bytes = bytes.map_err(|_| Problem::Argument(0, "is not base64".to_owned()))?;
    match String::from_utf8(bytes) {
        Ok(decoded) => Ok(Value::string(decoded)),
        Err(_) => Err(Problem::Argument(0, "does not decode to UTF-8 text".to_owned())),
    }
}

fn encode_url(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let text = call.text(0)?;
    let mut made = Text::default();
    for byte in text.bytes() {
        let c = char::from(byte);
        match c {
            ' ' => made.repeat('+', 1, call.fuel)?,
            _ if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~') => {
                made.repeat(c, 1, call.fuel)?;
            }
            _ => made.push(&format!("%{byte:02X}"), call.fuel)?,
        }
    }
    Ok(Value::string(made.finish()))
}

/// A value as JSON.
pub fn encode_json(value: &Value, fuel: &mut Fuel) -> Result<String, Exhausted> {
    let mut made = Text::default();
    write_json(value, &mut made, fuel)?;
    Ok(made.finish())
}

fn write_json(value: &Value, into: &mut Text, fuel: &mut Fuel) -> Result<(), Exhausted> {
    match value.kind() {
        // Unknown values never come here: the parameter is deep.
        Kind::Null | Kind::Unknown => into.push("null", fuel),
        Kind::Bool(truth) => into.push(if *truth { "true" } else { "false" }, fuel),
        Kind::Number(number) => into.push(&number.to_string(), fuel),
        Kind::String(text) => into.push(&quoted(text), fuel),
        Kind::List(items) | Kind::Set(items) => {
            into.push("[", fuel)?;
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    into.push(",", fuel)?;
                }
                write_json(item, into, fuel)?;
            }
            into.push("]", fuel)
        }
        Kind::Map(members) => {
            into.push("{", fuel)?;
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    into.push(",", fuel)?;
                }
                into.push(&quoted(name), fuel)?;
                into.push(":", fuel)?;
                write_json(member, into, fuel)?;
            }
            into.push("}", fuel)
        }
    }
}

/// Text as a JSON string.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn decode_json(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let text = call.text(0)?;
    // The parser bounds its own depth; each level of ours reads its part of the text again.
    let depth = DEPTH_MAX.min(text.matches(['[', '{']).count());
    call.fuel.spend_text(text.len())?;
    call.pay((text.len() / 64).saturating_mul(depth))?;
    let raw: &RawValue = serde_json::from_str(&text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Problem::Argument(0, format!("is not JSON, see its {place}"))
    })?;
    read_json(call, raw, DEPTH_MAX)
}

fn read_json(
    call: &mut Arguments<'_>,
    raw: &RawValue,
    depth_left: usize,
) -> Result<Value, Problem> {
    call.pay(1)?;
    let text = raw.get();
    let wrong = |_| Problem::Argument(0, "is not JSON".to_owned());
    let Some(deeper) = depth_left.checked_sub(1) else {
        return Err(Problem::Argument(0, format!("nests deeper than {DEPTH_MAX} levels")));
    };
    match text.bytes().next() {
        Some(b'{') => {
            let raw: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(wrong)?;
            let mut members = BTreeMap::new();
            for (name, member) in raw {
                members.insert(name, read_json(call, member, deeper)?);
            }
            Ok(Value::map(members))
        }
        Some(b'[') => {
            let raw: Vec<&RawValue> = serde_json::from_str(text).map_err(wrong)?;
            let items: Result<Vec<Value>, Problem> =
                raw.into_iter().map(|item| read_json(call, item, deeper)).collect();
            Ok(Value::list(items?))
        }
        Some(b'"') => Ok(Value::string(serde_json::from_str::<String>(text).map_err(wrong)?)),
        Some(b't') => Ok(Value::bool(true)),
        Some(b'f') => Ok(Value::bool(false)),
        Some(b'n') => Ok(Value::null()),
        _ => match convert::parse_number(text) {
            Some(number) => Ok(Value::number(number)),
            None => Err(Problem::Argument(0, "has a number that is too large".to_owned())),
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::blueprint::expr::tests::fails;
    use crate::blueprint::expr::tests::yields;

    #[test]
    fn json_keeps_every_digit() {
        let digits = "123456789012345678901234567890.000000000000000000000000001";
        yields(&format!("jsonencode(jsondecode(\"{digits}\"))"), &format!("\"{digits}\""));
        yields("jsonencode(\"\\\"é\\n\")", "\"\\\"\\\\\\\"é\\\\n\\\"\"");
        yields("jsonencode(toset([2, 1]))", "\"[1,2]\"");
    }

    #[test]
    fn hostile_json_is_refused() {
        fails("jsondecode(\"1e999999999\")", "E004", "too large");
        fails("jsondecode(join(\"\", [for i in range(100): \"[\"]))", "E004", "is not JSON");
        let deep = "jsondecode(\"${join(\"\", [for i in range(90): \"[\"])}1\
                    ${join(\"\", [for i in range(90): \"]\"])}\")";
        fails(deep, "E004", "deeper");
        fails("jsondecode(\"{\")", "E004", "line 1, column 1");
    }

    #[test]
    fn base64_is_of_text() {
        fails("base64decode(\"/w==\")", "E004", "UTF-8");
        fails("base64decode(\"?\")", "E004", "not base64");
    }
}
