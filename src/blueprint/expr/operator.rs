//! Operators: `! - && || == != < <= > >= + - * / %`.

use crate::blueprint::expr::ast::Binary;
use crate::blueprint::expr::ast::Calculation;
use crate::blueprint::expr::ast::Comparison;
use crate::blueprint::expr::ast::Link;
use crate::blueprint::expr::ast::Node;
use crate::blueprint::expr::ast::Place;
use crate::blueprint::expr::ast::Unary;
use crate::blueprint::expr::convert;
use crate::blueprint::expr::evaluate::Evaluator;
use crate::blueprint::expr::evaluate::Outcome;
use crate::diagnostic::Code;
use crate::model::number::Number;
use crate::model::number::NumberError;
use crate::model::value::Kind;
use crate::model::value::Value;

/// What an operation on numbers costs: each walks up to 800 digits several times.
const CALCULATION_UNITS: u64 = 8;

impl Evaluator<'_> {
    /// `-a` and `!a`.
    #[inline(never)]
    pub fn unary(&mut self, operator: Unary, inner: &Node, place: Place) -> Outcome {
        let value = self.value(inner)?;
        let sensitive = value.is_sensitive();
        let made = match operator {
            Unary::Not => {
                let truth = self.truth(&value, inner.place, "`!`")?;
                truth.map_or_else(Value::unknown, |truth| Value::bool(!truth))
            }
            Unary::Negate => {
                self.pay(place, CALCULATION_UNITS)?;
                let number = self.number(&value, inner.place, "`-`")?;
                number.map_or_else(Value::unknown, |number| Value::number(number.negate()))
            }
        };
        Ok(made.with_sensitive(sensitive))
    }

    /// A chain of operators, applied from the left.
    #[inline(never)]
    pub fn chain(&mut self, first: &Node, links: &[Link], place: Place) -> Outcome {
        let mut left = self.value(first)?;
        let mut left_place = first.place;
        for link in links {
            self.pay(place, 1)?;
            left = match link.operator {
                Binary::And => self.logic(left, left_place, &link.right, false)?,
                Binary::Or => self.logic(left, left_place, &link.right, true)?,
                operator => {
                    let right = self.value(&link.right)?;
                    self.strictly(operator, (&left, left_place), (&right, link.right.place))?
                }
            };
            left_place = (first.place.0, link.right.place.1);
        }
        Ok(left)
    }

    /// `&&`, which `false` decides, and `||`, which `true` decides. The right side is evaluated
    /// only where the left one does not decide.
    fn logic(&mut self, left: Value, at: Place, right: &Node, decides: bool) -> Outcome {
        let name = if decides { "`||`" } else { "`&&`" };
        let sensitive = left.is_sensitive();
        match self.truth(&left, at, name)? {
            Some(truth) if truth == decides => Ok(Value::bool(decides).with_sensitive(sensitive)),
            Some(_) => {
                let value = self.value(right)?;
                let truth = self.truth(&value, right.place, name)?;
                let made = truth.map_or_else(Value::unknown, Value::bool);
                Ok(made.with_sensitive(sensitive || value.is_sensitive()))
            }
            None => {
                let value = self.probe(right)?.unwrap_or_else(Value::unknown);
                let made = match convert::truth(&value) {
                    Some(truth) if truth == decides => Value::bool(decides),
                    _ => Value::unknown(),
                };
                Ok(made.with_sensitive(sensitive || value.is_sensitive()))
            }
        }
    }

    fn strictly(
        &mut self,
        operator: Binary,
        (left, left_place): (&Value, Place),
        (right, right_place): (&Value, Place),
    ) -> Outcome {
        let name = name(operator);
        let equality = matches!(operator, Binary::Equal | Binary::Unequal);
        if equality {
            let same = convert::equal(left, right);
            let wanted = operator == Binary::Equal;
            let made = same.map_or_else(Value::unknown, |same| Value::bool(same == wanted));
            let sensitive = left.contains_sensitive() || right.contains_sensitive();
            return Ok(made.with_sensitive(sensitive));
        }
        self.pay(left_place, CALCULATION_UNITS)?;
        let sensitive = left.is_sensitive() || right.is_sensitive();
        let a = self.number(left, left_place, name)?;
        let b = self.number(right, right_place, name)?;
        let made = match (a, b) {
            (Some(a), Some(b)) => match operator {
                Binary::Compare(comparison) => Value::bool(compare(comparison, &a, &b)),
                Binary::Calculate(calculation) => {
                    let place = (left_place.0, right_place.1);
                    Value::number(calculate(calculation, &a, &b).map_err(|error| {
                        self.failure(place, Code::Arithmetic, format!("The result is {error}."))
                    })?)
                }
                Binary::And | Binary::Or | Binary::Equal | Binary::Unequal => Value::unknown(),
            },
            _ => Value::unknown(),
        };
        Ok(made.with_sensitive(sensitive))
    }

    /// A number; `None` where it is unknown.
    fn number(&mut self, value: &Value, place: Place, what: &str) -> Outcome<Option<Number>> {
        if value.is_unknown() {
            return Ok(None);
        }
        convert::number(value).map(Some).ok_or_else(|| {
            let detail = match value.kind() {
                Kind::String(_) => format!("{what} needs a number, this string is none."),
                _ => format!("{what} needs a number, this is {}.", value.kind_name()),
            };
            self.failure(place, Code::TypeMismatch, detail)
        })
    }
}

fn compare(comparison: Comparison, a: &Number, b: &Number) -> bool {
    match comparison {
        Comparison::Less => a < b,
        Comparison::LessOrEqual => a <= b,
        Comparison::Greater => a > b,
        Comparison::GreaterOrEqual => a >= b,
    }
}

fn calculate(calculation: Calculation, a: &Number, b: &Number) -> Result<Number, NumberError> {
    match calculation {
        Calculation::Add => a.add(b),
        Calculation::Subtract => a.subtract(b),
        Calculation::Multiply => a.multiply(b),
        Calculation::Divide => a.divide(b),
        Calculation::Remainder => a.remainder(b),
    }
}

fn name(operator: Binary) -> &'static str {
    match operator {
        Binary::And => "`&&`",
        Binary::Or => "`||`",
        Binary::Equal => "`==`",
        Binary::Unequal => "`!=`",
        Binary::Compare(Comparison::Less) => "`<`",
        Binary::Compare(Comparison::LessOrEqual) => "`<=`",
        Binary::Compare(Comparison::Greater) => "`>`",
        Binary::Compare(Comparison::GreaterOrEqual) => "`>=`",
        Binary::Calculate(Calculation::Add) => "`+`",
        Binary::Calculate(Calculation::Subtract) => "`-`",
        Binary::Calculate(Calculation::Multiply) => "`*`",
        Binary::Calculate(Calculation::Divide) => "`/`",
        Binary::Calculate(Calculation::Remainder) => "`%`",
    }
}
