//! Functions of kinds and marks: conversions, `try`, `can` and the sensitive ones.

use crate::blueprint::expr::convert;
use crate::blueprint::expr::functions::Arguments;
use crate::blueprint::expr::functions::Body;
use crate::blueprint::expr::functions::Function;
use crate::blueprint::expr::functions::Lazy;
use crate::blueprint::expr::functions::Problem;
use crate::blueprint::expr::functions::deep;
use crate::blueprint::expr::functions::needs;
use crate::blueprint::expr::functions::shallow;
use crate::model::value::Kind;
use crate::model::value::Value;

/// The rows.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "can",
        parameters: &[deep("expression")],
        sentence: "Whether the expression has a value.",
        example: "can(tonumber(\"ten\"))",
        result: "false",
        body: Body::Lazy(Lazy::Can),
    },
    Function {
        name: "issensitive",
        parameters: &[deep("value")],
        sentence: "Whether the value, or anything in it, is sensitive.",
        example: "issensitive([sensitive(\"a\")])",
        result: "true",
        body: Body::Lazy(Lazy::IsSensitive),
    },
    Function {
        name: "nonsensitive",
        parameters: &[shallow("value").nullable()],
        sentence: "The value without its own sensitivity mark: to be used where it is no secret.",
        example: "issensitive(nonsensitive(sensitive(\"a\")))",
        result: "false",
        body: Body::Lazy(Lazy::NonSensitive),
    },
    Function {
        name: "sensitive",
        parameters: &[shallow("value").nullable()],
        sentence: "The value, never shown and stored only sealed.",
        example: "issensitive(sensitive(\"a\"))",
        result: "true",
        body: Body::Lazy(Lazy::Sensitive),
    },
    Function {
        name: "tobool",
        parameters: &[deep("value").nullable()],
        sentence: "The value as a bool, where it is one or is the text `true` or `false`.",
        example: "tobool(\"true\")",
        result: "true",
        body: Body::Strict(|call| {
            primitive(call, "a bool", |v| convert::truth(v).map(Value::bool))
        }),
    },
    Function {
        name: "tolist",
        parameters: &[shallow("value").nullable()],
        sentence: "A list of the items of a list or a set.",
        example: "tolist(toset([\"b\", \"a\"]))",
        result: "[\"a\", \"b\"]",
        body: Body::Strict(|call| collection(call, Value::list)),
    },
    Function {
        name: "tomap",
        parameters: &[shallow("value").nullable()],
        sentence: "The value as a map, where it is a map or an object.",
        example: "tomap({a = 1})",
        result: "{a = 1}",
        body: Body::Strict(to_map),
    },
    Function {
        name: "tonumber",
        parameters: &[deep("value").nullable()],
        sentence: "The value as a number, where it is one or is the text of one.",
        example: "tonumber(\"1.50\")",
        result: "1.5",
        body: Body::Strict(|call| {
            primitive(call, "a number", |v| convert::number(v).map(Value::number))
        }),
    },
    Function {
        name: "toset",
        parameters: &[deep("value").nullable()],
        sentence: "A set of the items of a list: each once, without an order.",
        example: "length(toset([\"b\", \"a\", \"b\"]))",
        result: "2",
        body: Body::Strict(|call| collection(call, convert::set)),
    },
    Function {
        name: "tostring",
        parameters: &[deep("value").nullable()],
        sentence: "The value as text, where it is text, a number or a bool.",
        example: "tostring(1.50)",
        result: "\"1.5\"",
        body: Body::Strict(|call| {
            primitive(call, "a string, a number or a bool", |v| convert::text(v).map(Value::string))
        }),
    },
    Function {
        name: "try",
        parameters: &[deep("expressions").some()],
        sentence: "The first of some expressions that has a value.",
        example: "try({a = 1}.b, tonumber(\"ten\"), \"fallback\")",
        result: "\"fallback\"",
        body: Body::Lazy(Lazy::Try),
    },
];

/// A conversion that keeps null.
fn primitive(
    call: &mut Arguments<'_>,
    what: &str,
    conversion: fn(&Value) -> Option<Value>,
) -> Result<Value, Problem> {
    let value = call.take(0);
    if value.is_null() {
        return Ok(value);
    }
    conversion(&value).ok_or_else(|| needs(0, what, &value))
}

fn collection(call: &mut Arguments<'_>, make: fn(Vec<Value>) -> Value) -> Result<Value, Problem> {
    let value = call.take(0);
    match value.kind() {
        Kind::Null => Ok(value),
        Kind::List(_) | Kind::Set(_) => {
            let items = super::into_items(value).map_err(|value| needs(0, "a list", &value))?;
            call.pay_sorting(&items)?;
            Ok(make(items))
        }
        _ => Err(needs(0, "a list or a set", &value)),
    }
}

fn to_map(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let value = call.take(0);
    match value.kind() {
        Kind::Null | Kind::Map(_) => Ok(value),
        _ => Err(needs(0, "a map or an object", &value)),
    }
}

#[cfg(test)]
mod tests {
    use crate::blueprint::expr::tests::fails;
    use crate::blueprint::expr::tests::yields;

    #[test]
    fn conversions_lose_nothing_or_refuse() {
        yields("tonumber(null)", "null");
        yields("tostring(true)", "\"true\"");
        fails("tonumber(\"ten\")", "E004", "needs a number, this string is none");
        fails("tobool(1)", "E004", "needs a bool, has a number");
        fails("tolist({})", "E004", "needs a list or a set, has a map");
        fails("tomap([])", "E004", "needs a map or an object, has a list");
    }

    #[test]
    fn try_does_not_hide_mistakes() {
        fails("try(input.nothing, 1)", "E002", "`input.nothing`");
        fails("try(uper(\"a\"), 1)", "E003", "`uper`");
        fails("try([].a, {}.b)", "E004", "No argument of `try` has a value");
        yields("try(null, 1)", "null");
        yields("can({a = 1}.a)", "true");
    }
}
