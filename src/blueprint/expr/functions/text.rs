//! Functions of text. Positions and lengths count characters.

use crate::blueprint::expr::fuel::Text;
use crate::blueprint::expr::functions::Arguments;
use crate::blueprint::expr::functions::Body;
use crate::blueprint::expr::functions::Function;
use crate::blueprint::expr::functions::Problem;
use crate::blueprint::expr::functions::deep;
use crate::model::value::Value;

/// The rows.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "chomp",
        parameters: &[deep("text")],
        sentence: "The text without the newlines at its end.",
        example: "chomp(\"a\\n\")",
        result: "\"a\"",
        body: Body::Strict(|call| map(call, |text| text.trim_end_matches(['\r', '\n']).to_owned())),
    },
    Function {
        name: "endswith",
        parameters: &[deep("text"), deep("suffix")],
        sentence: "Whether the text ends with the suffix.",
        example: "endswith(\"gov.toml\", \".toml\")",
        result: "true",
        body: Body::Strict(|call| Ok(Value::bool(call.text(0)?.ends_with(&call.text(1)?)))),
    },
    Function {
        name: "indent",
        parameters: &[deep("spaces"), deep("text")],
        sentence: "The text with this many spaces before each line but the first.",
        example: "indent(2, \"a\\nb\")",
        result: "\"a\\n  b\"",
        body: Body::Strict(indent),
    },
    Function {
        name: "join",
        parameters: &[deep("separator"), deep("lists").some()],
        sentence: "The items of some lists as one text, with the separator between them.",
        example: "join(\"-\", [\"a\", 1, true])",
        result: "\"a-1-true\"",
        body: Body::Strict(join),
    },
    Function {
        name: "lower",
        parameters: &[deep("text")],
        sentence: "The text in small letters.",
        example: "lower(\"HÉLLO\")",
        result: "\"héllo\"",
        body: Body::Strict(|call| map(call, |text| text.to_lowercase())),
    },
    Function {
        name: "split",
        parameters: &[deep("separator"), deep("text")],
        sentence: "The pieces of a text between separators; with an empty one, its characters.",
        example: "split(\",\", \"a,b,,c\")",
        result: "[\"a\", \"b\", \"\", \"c\"]",
        body: Body::Strict(split),
    },
    Function {
        name: "startswith",
        parameters: &[deep("text"), deep("prefix")],
        sentence: "Whether the text begins with the prefix.",
        example: "startswith(\"gov.toml\", \"gov\")",
        result: "true",
        body: Body::Strict(|call| Ok(Value::bool(call.text(0)?.starts_with(&call.text(1)?)))),
    },
    Function {
        name: "strrev",
        parameters: &[deep("text")],
        sentence: "The characters of the text from the last to the first.",
        example: "strrev(\"héllo\")",
        result: "\"olléh\"",
        body: Body::Strict(|call| map(call, |text| text.chars().rev().collect())),
    },
    Function {
        name: "substr",
        parameters: &[deep("text"), deep("offset"), deep("length")],
        sentence: "Part of the text; an offset below 0 counts from the end, a length of -1 is all.",
        example: "substr(\"héllo\", 1, 3)",
        result: "\"éll\"",
        body: Body::Strict(substring),
    },
    Function {
        name: "title",
        parameters: &[deep("text")],
        sentence: "The text with the first letter of each word as a capital.",
        example: "title(\"hello world\")",
        result: "\"Hello World\"",
        body: Body::Strict(|call| map(call, title)),
    },
    Function {
        name: "trim",
        parameters: &[deep("text"), deep("characters")],
        sentence: "The text without any of these characters at its ends.",
        example: "trim(\"?!hello?!\", \"!?\")",
        result: "\"hello\"",
        body: Body::Strict(trim),
    },
    Function {
        name: "trimprefix",
        parameters: &[deep("text"), deep("prefix")],
        sentence: "The text without the prefix, where it has it.",
        example: "trimprefix(\"helloworld\", \"hello\")",
        result: "\"world\"",
        body: Body::Strict(|call| {
            let (text, prefix) = (call.text(0)?, call.text(1)?);
            Ok(Value::string(text.strip_prefix(&prefix).unwrap_or(&text)))
        }),
    },
    Function {
        name: "trimspace",
        parameters: &[deep("text")],
        sentence: "The text without space at its ends.",
        example: "trimspace(\"  hello\\n\")",
        result: "\"hello\"",
        body: Body::Strict(|call| map(call, |text| text.trim().to_owned())),
    },
    Function {
        name: "trimsuffix",
        parameters: &[deep("text"), deep("suffix")],
        sentence: "The text without the suffix, where it has it.",
        example: "trimsuffix(\"helloworld\", \"world\")",
        result: "\"hello\"",
        body: Body::Strict(|call| {
            let (text, suffix) = (call.text(0)?, call.text(1)?);
            Ok(Value::string(text.strip_suffix(&suffix).unwrap_or(&text)))
        }),
    },
    Function {
        name: "upper",
        parameters: &[deep("text")],
        sentence: "The text in capital letters.",
        example: "upper(\"héllo\")",
        result: "\"HÉLLO\"",
        body: Body::Strict(|call| map(call, |text| text.to_uppercase())),
    },
];

/// One text to another that is about as long.
fn map(call: &mut Arguments<'_>, change: fn(&str) -> String) -> Result<Value, Problem> {
    let changed = change(&call.text(0)?);
    call.fuel.spend_text(changed.len())?;
    Ok(Value::string(changed))
}

fn indent(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let spaces = call.count(0)?;
    let text = call.text(1)?;
    let mut made = Text::default();
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            made.push("\n", call.fuel)?;
            made.repeat(' ', spaces, call.fuel)?;
        }
        made.push(line, call.fuel)?;
    }
    Ok(Value::string(made.finish()))
}

fn join(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let separator = call.text(0)?;
    let mut made = Text::default();
    let mut first = true;
    for index in 1..call.len() {
        for item in call.texts(index)? {
            if !std::mem::take(&mut first) {
                made.push(&separator, call.fuel)?;
            }
            made.push(&item, call.fuel)?;
        }
    }
    Ok(Value::string(made.finish()))
}

fn split(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let (separator, text) = (call.text(0)?, call.text(1)?);
    let mut pieces = Vec::new();
    let mut add = |piece: &str, call: &mut Arguments<'_>| {
        pieces.push(Value::string(piece));
        call.pay(1)
    };
    if separator.is_empty() {
        let mut buffer = [0; 4];
        for c in text.chars() {
            add(c.encode_utf8(&mut buffer), call)?;
        }
    } else {
        for piece in text.split(&separator) {
            add(piece, call)?;
        }
    }
    Ok(Value::list(pieces))
}

fn substring(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let text = call.text(0)?;
    let (offset, length) = (call.integer(1)?, call.integer(2)?);
    if length < -1 {
        return Err(Problem::Argument(2, "needs a number that is not below -1".to_owned()));
    }
    let have = text.chars().count();
    let from = match usize::try_from(offset) {
        Ok(offset) => offset,
        Err(_) => {
            let back = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
            have.saturating_sub(back)
        }
    };
    let part = text.chars().skip(from);
    let part: String = match usize::try_from(length) {
        Ok(length) => part.take(length).collect(),
        Err(_) => part.collect(),
    };
    Ok(Value::string(part))
}

fn title(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut begins = true;
    for c in text.chars() {
        if begins {
            made.extend(c.to_uppercase());
        } else {
            made.push(c);
        }
        begins = c.is_whitespace() || c == '-';
    }
    made
}

fn trim(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let text = call.text(0)?;
    let cut: std::collections::BTreeSet<char> = call.text(1)?.chars().collect();
    Ok(Value::string(text.trim_matches(|c| cut.contains(&c))))
}

#[cfg(test)]
mod tests {
    use crate::blueprint::expr::tests::fails;
    use crate::blueprint::expr::tests::yields;

    #[test]
    fn parts_are_counted_in_characters_from_either_end() {
        yields("substr(\"héllo\", -2, 1)", "\"l\"");
        yields("substr(\"héllo\", -99, -1)", "\"héllo\"");
        yields("substr(\"héllo\", 99, 1)", "\"\"");
        fails("substr(\"a\", 0, -2)", "E004", "`length` of `substr`");
    }

    #[test]
    fn growing_text_pays() {
        fails("indent(1000000000000, \"a\\nb\")", "E008", "longer than");
        fails(
            "join(\"${indent(9999, \"a\\nb\")}\", split(\"\", indent(9999, \"a\\nb\")))",
            "E008",
            "longer than",
        );
    }

    #[test]
    fn what_cannot_be_text_is_refused() {
        fails("upper([])", "E004", "`text` of `upper` needs a string, has a list");
        fails("upper(null)", "E004", "`text` of `upper` is null");
        fails("trim([], \"a\")", "E004", "`text` of `trim` needs a string");
        fails("join(\",\", [[1]])", "E004", "needs strings, one item is a list");
    }

    #[test]
    fn text_splits_into_characters() {
        yields("split(\"\", \"hé\")", "[\"h\", \"é\"]");
    }
}
