//! Functions of numbers. All arithmetic is exact or an error.

use crate::blueprint::expr::convert;
use crate::blueprint::expr::functions::Arguments;
use crate::blueprint::expr::functions::Body;
use crate::blueprint::expr::functions::Function;
use crate::blueprint::expr::functions::Problem;
use crate::blueprint::expr::functions::deep;
use crate::blueprint::expr::functions::needs;
use crate::model::number::Number;
use crate::model::number::NumberError;
use crate::model::value::Value;

/// The largest base that digits and letters can write.
const BASE_MAX: u32 = 36;

/// The longest text that is read in a base: some more digits than a number may have in base 2.
const DIGITS_MAX: usize = 1_400;

/// The largest exponent: with base 1 anything goes, with base 2 a number is full long before.
const EXPONENT_MAX: i64 = 10_000;

/// The rows.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "abs",
        parameters: &[deep("number")],
        sentence: "The number without its sign.",
        example: "abs(-5)",
        result: "5",
        body: Body::Strict(|call| Ok(Value::number(call.number(0)?.absolute()))),
    },
    Function {
        name: "ceil",
        parameters: &[deep("number")],
        sentence: "The smallest whole number that is not below it.",
        example: "ceil(5.1)",
        result: "6",
        body: Body::Strict(|call| Ok(Value::number(call.number(0)?.ceiling()))),
    },
    Function {
        name: "floor",
        parameters: &[deep("number")],
        sentence: "The largest whole number that is not above it.",
        example: "floor(-5.1)",
        result: "-6",
        body: Body::Strict(|call| Ok(Value::number(call.number(0)?.floor()))),
    },
    Function {
        name: "max",
        parameters: &[deep("numbers").some()],
        sentence: "The largest of some numbers.",
        example: "max(5, 12, 9)",
        result: "12",
        body: Body::Strict(|call| extreme(call, |candidate, best| candidate > best)),
    },
    Function {
        name: "min",
        parameters: &[deep("numbers").some()],
        sentence: "The smallest of some numbers.",
        example: "min(5, 12, 9)",
        result: "5",
        body: Body::Strict(|call| extreme(call, |candidate, best| candidate < best)),
    },
    Function {
        name: "parseint",
        parameters: &[deep("text"), deep("base")],
        sentence: "The whole number that text writes in a base from 2 to 36.",
        example: "parseint(\"ff\", 16)",
        result: "255",
        body: Body::Strict(parse_integer),
    },
    Function {
        name: "pow",
        parameters: &[deep("number"), deep("exponent")],
        sentence: "The number raised to a whole exponent.",
        example: "pow(2, 10)",
        result: "1024",
        body: Body::Strict(power),
    },
    Function {
        name: "signum",
        parameters: &[deep("number")],
        sentence: "-1, 0 or 1: the sign of the number.",
        example: "signum(-13)",
        result: "-1",
        body: Body::Strict(sign),
    },
    Function {
        name: "sum",
        parameters: &[deep("numbers")],
        sentence: "The sum of a list of numbers.",
        example: "sum([0.1, 0.2, 3])",
        result: "3.3",
        body: Body::Strict(sum),
    },
];

fn extreme(
    call: &mut Arguments<'_>,
    better: fn(&Number, &Number) -> bool,
) -> Result<Value, Problem> {
    let mut best = call.number(0)?;
    for index in 1..call.len() {
        let candidate = call.number(index)?;
        if better(&candidate, &best) {
            best = candidate;
        }
    }
    Ok(Value::number(best))
}

fn parse_integer(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let text = call.text(0)?;
    let base = call.integer(1)?;
    let base = u32::try_from(base).ok().filter(|base| (2..=BASE_MAX).contains(base));
    let Some(base) = base else {
        return Err(Problem::Argument(1, format!("needs a number from 2 to {BASE_MAX}")));
    };
    let wrong = || Problem::Argument(0, "is no whole number in this base".to_owned());
    let digits = text.strip_prefix('-').unwrap_or(&text);
    if digits.is_empty() || digits.len() > DIGITS_MAX {
        return Err(wrong());
    }
    call.pay(digits.len().saturating_mul(16))?;
    let factor = Number::from(i64::from(base));
    let mut number = Number::from(0_i64);
    for digit in digits.chars() {
        let digit = Number::from(i64::from(digit.to_digit(base).ok_or_else(wrong)?));
        let next = number.multiply(&factor).and_then(|shifted| shifted.add(&digit));
        number = next.map_err(|error| Problem::Argument(0, format!("is {error}")))?;
    }
    Ok(Value::number(if text.starts_with('-') { number.negate() } else { number }))
}

fn power(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let base = call.number(0)?;
    let exponent = call.integer(1)?;
    if exponent.abs() > EXPONENT_MAX {
        let text = format!("needs a whole number of at most {EXPONENT_MAX}");
        return Err(Problem::Argument(1, text));
    }
    call.pay(256)?;
    raise(&base, exponent)
        .map(Value::number)
        .map_err(|error| Problem::Call(format!("yields {error}")))
}

/// By squaring.
fn raise(base: &Number, exponent: i64) -> Result<Number, NumberError> {
    let mut result = Number::from(1_i64);
    let mut factor = base.clone();
    let mut left = exponent.unsigned_abs();
    while left > 0 {
        if left % 2 == 1 {
            result = result.multiply(&factor)?;
        }
        left /= 2;
        if left > 0 {
            factor = factor.multiply(&factor)?;
        }
    }
    if exponent < 0 { Number::from(1_i64).divide(&result) } else { Ok(result) }
}

fn sign(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let zero = Number::from(0_i64);
    Ok(Value::number(match call.number(0)?.cmp(&zero) {
        std::cmp::Ordering::Less => -1_i64,
        std::cmp::Ordering::Equal => 0,
        std::cmp::Ordering::Greater => 1,
    }))
}

fn sum(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let items = call.items(0)?;
    call.pay(items.len().saturating_mul(8))?;
    let mut total = Number::from(0_i64);
    for item in &items {
        let number = convert::number(item).ok_or_else(|| needs(0, "numbers", item))?;
        total = total.add(&number).map_err(|error| Problem::Call(format!("yields {error}")))?;
    }
    Ok(Value::number(total))
}

#[cfg(test)]
mod tests {
    use crate::blueprint::expr::tests::fails;
    use crate::blueprint::expr::tests::yields;

    #[test]
    fn powers_are_exact_or_refused() {
        yields("pow(2, -2)", "0.25");
        yields("pow(0.1, 3)", "0.001");
        fails("pow(0, -1)", "E004", "division by zero");
        fails("pow(10, 9999)", "E004", "digits");
        fails("pow(2, 0.5)", "E004", "whole number");
    }

    #[test]
    fn integers_are_parsed_in_their_base_alone() {
        yields("parseint(\"-ZZ\", 36)", "-1295");
        fails("parseint(\"12\", 2)", "E004", "base");
        fails("parseint(\"\", 10)", "E004", "base");
        fails("parseint(\"1\", 37)", "E004", "2 to 36");
    }

    #[test]
    fn sums_need_numbers() {
        yields("sum([\"1\", 2])", "3");
        yields("sum([])", "0");
        fails("sum([[]])", "E004", "`numbers` of `sum` needs numbers, has a list");
    }
}
