//! Functions of sets. Lists given for sets count as sets.

use std::collections::BTreeSet;

use crate::blueprint::expr::convert;
use crate::blueprint::expr::functions::Arguments;
use crate::blueprint::expr::functions::Body;
use crate::blueprint::expr::functions::Function;
use crate::blueprint::expr::functions::Problem;
use crate::blueprint::expr::functions::deep;
use crate::blueprint::expr::functions::needs;
use crate::blueprint::expr::functions::shallow;
use crate::model::value::Kind;
use crate::model::value::Value;

/// The rows.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "setintersection",
        parameters: &[deep("sets").some()],
        sentence: "The items that are in all of some sets.",
        example: "setintersection([\"a\", \"b\"], [\"b\", \"c\"])",
        result: "toset([\"b\"])",
        body: Body::Strict(|call| combine(call, |a, b| a.intersection(&b).cloned().collect())),
    },
    Function {
        name: "setproduct",
        parameters: &[shallow("collections").some()],
        sentence: "Every choice of one item from each collection, in the order of lists.",
        example: "setproduct([\"a\", \"b\"], [1, 2])",
        result: "[[\"a\", 1], [\"a\", 2], [\"b\", 1], [\"b\", 2]]",
        body: Body::Strict(product),
    },
    Function {
        name: "setsubtract",
        parameters: &[deep("set"), deep("without")],
        sentence: "The items of a set that are not in another.",
        example: "setsubtract([\"a\", \"b\"], [\"b\", \"c\"])",
        result: "toset([\"a\"])",
        body: Body::Strict(|call| combine(call, |a, b| a.difference(&b).cloned().collect())),
    },
    Function {
        name: "setunion",
        parameters: &[deep("sets").some()],
        sentence: "The items that are in any of some sets.",
        example: "setunion([\"a\", \"b\"], [\"b\", \"c\"])",
        result: "toset([\"a\", \"b\", \"c\"])",
        body: Body::Strict(|call| combine(call, |a, b| a.union(&b).cloned().collect())),
    },
];

type Items = BTreeSet<Value>;

fn combine(call: &mut Arguments<'_>, two: fn(Items, Items) -> Items) -> Result<Value, Problem> {
    let mut made: Option<Items> = None;
    for index in 0..call.len() {
        let items = call.items(index)?;
        call.pay_sorting(&items)?;
        let items: Items = items.into_iter().collect();
        made = Some(match made {
            Some(before) => two(before, items),
            None => items,
        });
    }
    Ok(convert::set(made.unwrap_or_default().into_iter().collect()))
}

fn product(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let mut sets = false;
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for index in 0..call.len() {
        let value = call.take(index);
        sets |= matches!(value.kind(), Kind::Set(_));
        let items = super::into_items(value).map_err(|value| needs(index, "a list", &value))?;
        let mut longer = Vec::new();
        for row in &rows {
            for item in &items {
                let mut next = row.clone();
                next.push(item.clone());
                for value in &next {
                    call.fuel.spend_value(value)?;
                }
                call.pay(1)?;
                longer.push(next);
            }
        }
        rows = longer;
    }
    let rows: Vec<Value> = rows.into_iter().map(Value::list).collect();
    let settled = rows.iter().all(Value::is_wholly_known);
    Ok(match (sets, settled) {
        (false, _) => Value::list(rows),
        (true, true) => convert::set(rows),
        (true, false) => {
            let sensitive = rows.iter().any(Value::contains_sensitive);
            Value::unknown().with_sensitive(sensitive)
        }
    })
}

#[cfg(test)]
mod tests {
    use crate::blueprint::expr::tests::fails;
    use crate::blueprint::expr::tests::yields;

    #[test]
    fn products_are_bounded() {
        yields("setproduct([], [1])", "[]");
        yields("setproduct(toset([1]), [2])", "toset([[1, 2]])");
        fails("setproduct(range(2000), range(2000))", "E008", "steps");
        fails("setproduct([1], 2)", "E004", "needs a list, has a number");
    }

    #[test]
    fn a_secret_item_makes_the_whole_set_secret() {
        yields("issensitive(setunion([sensitive(\"a\")], [\"a\"]))", "true");
        yields("length(nonsensitive(setunion([sensitive(\"a\")], [\"a\"])))", "1");
    }
}
