//! `format` and `formatlist`: text after a pattern with verbs.
//!
//! Verbs are `%s %v %d %f %t %q %x %X %o %b %%`, with flags `-+ 0`, a width, a precision and an
//! argument number `%[2]s`. Numbers are exact, so there is no verb with an exponent.

use crate::blueprint::expr::convert;
use crate::blueprint::expr::fuel::Text;
use crate::blueprint::expr::functions::Arguments;
use crate::blueprint::expr::functions::Body;
use crate::blueprint::expr::functions::Function;
use crate::blueprint::expr::functions::Problem;
use crate::blueprint::expr::functions::deep;
use crate::blueprint::expr::functions::encoding;
use crate::model::number::Number;
use crate::model::value::Kind;
use crate::model::value::Value;

/// Digits behind the point of `%f` where none are asked for.
const PRECISION: usize = 6;

/// The most digits behind the point: as many as a number may have.
const PRECISION_MAX: usize = 400;

/// The rows.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "format",
        parameters: &[deep("pattern"), deep("values").nullable().rest()],
        sentence: "The pattern with its verbs filled in: %s text, %d whole numbers, %f numbers, \
                   %t bools, %q quoted, %x %o %b other bases, %v anything.",
        example: "format(\"%s-%03d %.2f%%\", \"web\", 7, 99.5)",
        result: "\"web-007 99.50%\"",
        body: Body::Strict(|call| {
            let pattern = call.text(0)?;
            let values = call.take_from(1);
            let values: Vec<&Value> = values.iter().collect();
            render(call, &pattern, &values)
        }),
    },
    Function {
        name: "formatlist",
        parameters: &[deep("pattern"), deep("values").nullable().rest()],
        sentence: "A list of texts, one for each item of the lists given; other values repeat.",
        example: "formatlist(\"%s=%s\", [\"a\", \"b\"], \"x\")",
        result: "[\"a=x\", \"b=x\"]",
        body: Body::Strict(format_list),
    },
];

fn format_list(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let pattern = call.text(0)?;
    let values = call.take_from(1);
    let lengths: Vec<(usize, usize)> = values
        .iter()
        .enumerate()
        .filter_map(|(index, value)| Some((index, value.as_items()?.len())))
        .collect();
    let length = lengths.first().map_or(1, |(_, length)| *length);
    if let Some((index, _)) = lengths.iter().find(|(_, other)| *other != length) {
        let problem = "has a list that is not as long as the others".to_owned();
        return Err(Problem::Argument(index + 1, problem));
    }
    let mut made = Vec::new();
    for position in 0..length {
        call.pay(1 + values.len())?;
        let row: Vec<&Value> = values
            .iter()
            .filter_map(|value| match value.as_items() {
                Some(items) => items.get(position),
                None => Some(value),
            })
            .collect();
        made.push(render(call, &pattern, &row)?);
    }
    Ok(Value::list(made))
}

/// One verb with what stands between it and its percent sign.
#[derive(Default)]
struct Verb {
    minus: bool,
    plus: bool,
    space: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    argument: Option<usize>,
    letter: char,
}

fn render(call: &mut Arguments<'_>, pattern: &str, values: &[&Value]) -> Result<Value, Problem> {
    let mut made = Text::default();
    let mut rest = pattern;
    let mut next = 0;
    let mut used_max = 0;
    let mut numbered = false;
    while let Some((before, after)) = rest.split_once('%') {
        made.push(before, call.fuel)?;
        let (verb, later) = parse_verb(after)
            .ok_or_else(|| Problem::Argument(0, "has a verb that is not complete".to_owned()))?;
        rest = later;
        if verb.letter == '%' {
            made.push("%", call.fuel)?;
            continue;
        }
        numbered |= verb.argument.is_some();
        let index = verb.argument.unwrap_or(next);
        next = index + 1;
        used_max = used_max.max(next);
        let Some(value) = values.get(index) else {
            let problem = format!("has a verb for value {}, of {}", next, values.len());
            return Err(Problem::Argument(0, problem));
        };
        write_verb(call, &verb, index + 1, value, &mut made)?;
    }
    made.push(rest, call.fuel)?;
    if used_max < values.len() && !numbered {
        let problem = format!("has verbs for {used_max} values, there are {}", values.len());
        return Err(Problem::Argument(0, problem));
    }
    Ok(Value::string(made.finish()))
}

fn parse_verb(text: &str) -> Option<(Verb, &str)> {
    let mut verb = Verb::default();
    let mut rest = text;
    loop {
        let c = rest.chars().next()?;
        match c {
            '-' => verb.minus = true,
            '+' => verb.plus = true,
            ' ' => verb.space = true,
            '0' => verb.zero = true,
            _ => break,
        }
        rest = rest.get(1..)?;
    }
    (verb.width, rest) = digits(rest)?;
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, after) = digits(after)?;
        verb.precision = Some(precision);
        rest = after;
    }
    if let Some(after) = rest.strip_prefix('[') {
        let (number, after) = digits(after)?;
        verb.argument = Some(number.checked_sub(1)?);
        rest = after.strip_prefix(']')?;
    }
    verb.letter = rest.chars().next()?;
    let later = rest.get(verb.letter.len_utf8()..)?;
    Some((verb, later))
}

/// A number that may be missing, and what follows.
fn digits(text: &str) -> Option<(usize, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(end)?;
    Some((if number.is_empty() { 0 } else { number.parse().ok()? }, rest))
}

fn write_verb(
    call: &mut Arguments<'_>,
    verb: &Verb,
    index: usize,
    value: &Value,
    into: &mut Text,
) -> Result<(), Problem> {
    let wrong =
        |what: &str| Problem::Argument(index, format!("needs {what} for `%{}`", verb.letter));
    let number = || convert::number(value).ok_or_else(|| wrong("a number"));
    let whole = || {
        let number = convert::number(value).filter(Number::is_integer);
        number.ok_or_else(|| wrong("a whole number"))
    };
    let body = match verb.letter {
        's' => cut(verb, convert::text(value).ok_or_else(|| wrong("a string"))?),
        'v' => match value.kind() {
            Kind::String(text) => text.clone(),
            _ => encoding::encode_json(value, call.fuel)?,
        },
        'q' => encoding::quoted(&convert::text(value).ok_or_else(|| wrong("a string"))?),
        't' => convert::truth(value).ok_or_else(|| wrong("a bool"))?.to_string(),
        'd' => signed(verb, whole()?.to_string()),
        'f' => {
            let precision = verb.precision.unwrap_or(PRECISION);
            let number = number()?;
            signed(verb, fixed(&number, precision).ok_or_else(|| wrong("fewer digits"))?)
        }
        'x' | 'X' | 'o' | 'b' => {
            let text = value.as_str().filter(|_| matches!(verb.letter, 'x' | 'X'));
            let made = match text {
                Some(text) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
                None => {
                    let number = whole()?.as_i64().ok_or_else(|| wrong("a smaller number"))?;
                    in_base(verb, number)
                }
            };
            if verb.letter == 'X' { made.to_uppercase() } else { made }
        }
        _ => {
            let problem = "has a verb that gov does not know, of %s %v %d %f %t %q %x %X %o %b";
            return Err(Problem::Argument(0, problem.to_owned()));
        }
    };
    pad(call, verb, &body, into)
}

/// Text of at most as many characters as the precision says.
fn cut(verb: &Verb, text: String) -> String {
    match verb.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text,
    }
}

fn signed(verb: &Verb, digits: String) -> String {
    match (digits.starts_with('-'), verb.plus, verb.space) {
        (false, true, _) => format!("+{digits}"),
        (false, false, true) => format!(" {digits}"),
        _ => digits,
    }
}

fn in_base(verb: &Verb, number: i64) -> String {
    let size = number.unsigned_abs();
    let digits = match verb.letter {
        'o' => format!("{size:o}"),
        'b' => format!("{size:b}"),
        _ => format!("{size:x}"),
    };
    signed(verb, if number < 0 { format!("-{digits}") } else { digits })
}

/// A number with exactly this many digits behind the point, halves rounded away from zero.
fn fixed(number: &Number, precision: usize) -> Option<String> {
    if precision > PRECISION_MAX {
        return None;
    }
    let shift = Number::parse(&format!("1e{precision}")).ok()?;
    let half = Number::parse("0.5").ok()?;
    let digits = number.absolute().multiply(&shift).ok()?.add(&half).ok()?.floor().to_string();
    let zero = digits.bytes().all(|digit| digit == b'0');
    let sign = if *number < Number::from(0_i64) && !zero { "-" } else { "" };
    let digits = format!("{digits:0>width$}", width = precision + 1);
    let (whole, behind) = digits.split_at_checked(digits.len() - precision)?;
    Some(if precision == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{behind}") })
}

fn pad(call: &mut Arguments<'_>, verb: &Verb, body: &str, into: &mut Text) -> Result<(), Problem> {
    let missing = verb.width.saturating_sub(body.chars().count());
    let numeric = matches!(verb.letter, 'd' | 'f' | 'x' | 'X' | 'o' | 'b');
    if verb.minus {
        into.push(body, call.fuel)?;
        into.repeat(' ', missing, call.fuel)?;
    } else if verb.zero && numeric {
        let sign = body.len() - body.trim_start_matches(['-', '+', ' ']).len();
        let (sign, digits) = body.split_at_checked(sign).unwrap_or(("", body));
        into.push(sign, call.fuel)?;
        into.repeat('0', missing, call.fuel)?;
        into.push(digits, call.fuel)?;
    } else {
        into.repeat(' ', missing, call.fuel)?;
        into.push(body, call.fuel)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::blueprint::expr::tests::fails;
    use crate::blueprint::expr::tests::yields;

    #[test]
    fn verbs_flags_and_widths() {
        yields("format(\"[%5s|%-5s|%.2s]\", \"é\", \"b\", \"xyz\")", "\"[    é|b    |xy]\"");
        yields("format(\"%+d % d %05d\", 1, 2, -3)", "\"+1  2 -0003\"");
        yields("format(\"%x %X %o %b %x\", 255, 255, 8, 5, \"hi\")", "\"ff FF 10 101 6869\"");
        yields(
            "format(\"%v %v %q %t\", [1, \"a\"], null, \"a\", true)",
            "\"[1,\\\"a\\\"] null \\\"a\\\" true\"",
        );
        yields("format(\"%[2]s %[1]s\", \"a\", \"b\")", "\"b a\"");
    }

    #[test]
    fn decimals_round_exactly() {
        yields(
            "format(\"%.1f %.0f %f %.2f\", 0.25, 2.5, -1.5, -0.001)",
            "\"0.3 3 -1.500000 0.00\"",
        );
    }

    #[test]
    fn patterns_and_values_must_fit() {
        fails("format(\"%s\")", "E004", "a verb for value 1, of 0");
        fails("format(\"%s\", 1, 2)", "E004", "verbs for 1 values, there are 2");
        fails("format(\"%d\", 1.5)", "E004", "needs a whole number for `%d`");
        fails("format(\"%e\", 1)", "E004", "a verb that gov does not know");
        fails("format(\"%\")", "E004", "not complete");
        fails("format(\"%99999999999s\", 1)", "E008", "longer than");
        fails("formatlist(\"%s%s\", [1], [1, 2])", "E004", "not as long");
        yields("formatlist(\"%s\", [])", "[]");
    }
}
