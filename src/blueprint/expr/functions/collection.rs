//! Functions of lists and maps.
//!
//! Those that only rearrange take shallow parameters, so that an unknown or sensitive member stays
//! what it is and makes nothing else unknown or sensitive.

use std::collections::BTreeMap;

use crate::blueprint::expr::convert;
use crate::blueprint::expr::functions::Arguments;
use crate::blueprint::expr::functions::Body;
use crate::blueprint::expr::functions::Function;
use crate::blueprint::expr::functions::Problem;
use crate::blueprint::expr::functions::deep;
use crate::blueprint::expr::functions::into_items;
use crate::blueprint::expr::functions::needs;
use crate::blueprint::expr::functions::shallow;
use crate::blueprint::expr::functions::text_of;
use crate::model::number::Number;
use crate::model::value::Kind;
use crate::model::value::Value;

/// The rows.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "alltrue",
        parameters: &[shallow("list")],
        sentence: "Whether every item of a list is true.",
        example: "alltrue([true, \"true\"])",
        result: "true",
        body: Body::Strict(|call| truths(call, false)),
    },
    Function {
        name: "anytrue",
        parameters: &[shallow("list")],
        sentence: "Whether some item of a list is true.",
        example: "anytrue([false, true])",
        result: "true",
        body: Body::Strict(|call| truths(call, true)),
    },
    Function {
        name: "chunklist",
        parameters: &[shallow("list"), deep("size")],
        sentence: "The items of a list in lists of this size, the last one as short as it must be.",
        example: "chunklist([1, 2, 3], 2)",
        result: "[[1, 2], [3]]",
        body: Body::Strict(chunk),
    },
    Function {
        name: "coalesce",
        parameters: &[shallow("values").nullable().open().some()],
        sentence: "The first value that is neither null nor empty text.",
        example: "coalesce(null, \"\", \"b\")",
        result: "\"b\"",
        body: Body::Strict(coalesce),
    },
    Function {
        name: "coalescelist",
        parameters: &[shallow("lists").nullable().open().some()],
        sentence: "The first list that is neither null nor empty.",
        example: "coalescelist([], [1])",
        result: "[1]",
        body: Body::Strict(coalesce_list),
    },
    Function {
        name: "compact",
        parameters: &[deep("list")],
        sentence: "A list of texts without null and empty ones.",
        example: "compact([\"a\", \"\", null, \"b\"])",
        result: "[\"a\", \"b\"]",
        body: Body::Strict(|call| {
            let mut items = call.items(0)?;
            items.retain(|item| !item.is_null() && item.as_str() != Some(""));
            Ok(Value::list(items))
        }),
    },
    Function {
        name: "concat",
        parameters: &[shallow("lists").some()],
        sentence: "The items of some lists, one list behind the other.",
        example: "concat([1], [2, 3])",
        result: "[1, 2, 3]",
        body: Body::Strict(|call| {
            let mut made = Vec::new();
            for index in 0..call.len() {
                made.extend(call.items(index)?);
            }
            Ok(Value::list(made))
        }),
    },
    Function {
        name: "contains",
        parameters: &[shallow("list"), shallow("value").nullable().open()],
        sentence: "Whether a list or set has an item that equals the value.",
        example: "contains([\"a\", \"b\"], \"b\")",
        result: "true",
        body: Body::Strict(contains),
    },
    Function {
        name: "distinct",
        parameters: &[deep("list")],
        sentence: "The items of a list, each where it comes first.",
        example: "distinct([\"b\", \"a\", \"b\"])",
        result: "[\"b\", \"a\"]",
        body: Body::Strict(|call| {
            let mut items = call.items(0)?;
            call.pay_sorting(&items)?;
            let mut seen = std::collections::BTreeSet::new();
            items.retain(|item| seen.insert(item.clone()));
            Ok(Value::list(items))
        }),
    },
    Function {
        name: "element",
        parameters: &[shallow("list"), deep("index")],
        sentence: "The item at a position, counted on from the start behind the end of the list.",
        example: "element([\"a\", \"b\", \"c\"], 4)",
        result: "\"b\"",
        body: Body::Strict(element),
    },
    Function {
        name: "flatten",
        parameters: &[deep("list")],
        sentence: "The items of a list, with those of lists inside in place of the lists.",
        example: "flatten([[1, [2]], [], 3])",
        result: "[1, 2, 3]",
        body: Body::Strict(|call| {
            let mut flat = Vec::new();
            flatten(call.items(0)?, &mut flat);
            Ok(Value::list(flat))
        }),
    },
    Function {
        name: "index",
        parameters: &[shallow("list"), shallow("value").nullable().open()],
        sentence: "The position of the first item that equals the value.",
        example: "index([\"a\", \"b\"], \"b\")",
        result: "1",
        body: Body::Strict(index),
    },
    Function {
        name: "keys",
        parameters: &[shallow("map")],
        sentence: "The keys of a map, in order.",
        example: "keys({b = 1, a = 2})",
        result: "[\"a\", \"b\"]",
        body: Body::Strict(|call| {
            Ok(Value::list(call.members(0)?.into_keys().map(Value::string).collect()))
        }),
    },
    Function {
        name: "length",
        parameters: &[shallow("value")],
        sentence: "How many items, members or characters there are.",
        example: "length([\"a\", \"b\"])",
        result: "2",
        body: Body::Strict(length),
    },
    Function {
        name: "lookup",
        parameters: &[shallow("map"), deep("key"), shallow("default").nullable().open().optional()],
        sentence: "The member of this key, or the default.",
        example: "lookup({a = 1}, \"b\", 0)",
        result: "0",
        body: Body::Strict(lookup),
    },
    Function {
        name: "matchkeys",
        parameters: &[shallow("values"), deep("keys"), deep("wanted")],
        sentence: "The values whose key, at the same position, is wanted.",
        example: "matchkeys([\"x\", \"y\", \"z\"], [1, 2, 1], [1])",
        result: "[\"x\", \"z\"]",
        body: Body::Strict(match_keys),
    },
    Function {
        name: "merge",
        parameters: &[shallow("maps").nullable().rest()],
        sentence: "The members of some maps, of which later ones win.",
        example: "merge({a = 1, b = 1}, {b = 2})",
        result: "{a = 1, b = 2}",
        body: Body::Strict(merge),
    },
    Function {
        name: "one",
        parameters: &[shallow("list").nullable()],
        sentence: "The only item of a list or set, null where there is none.",
        example: "one([\"a\"])",
        result: "\"a\"",
        body: Body::Strict(one),
    },
    Function {
        name: "range",
        parameters: &[deep("start"), deep("limit").optional(), deep("step").optional()],
        sentence: "Numbers from the start (or 0) up to the limit, without it, by the step (or 1).",
        example: "range(1, 7, 2)",
        result: "[1, 3, 5]",
        body: Body::Strict(range),
    },
    Function {
        name: "reverse",
        parameters: &[shallow("list")],
        sentence: "The items of a list from the last to the first.",
        example: "reverse([1, 2])",
        result: "[2, 1]",
        body: Body::Strict(|call| {
            let mut items = call.items(0)?;
            items.reverse();
            Ok(Value::list(items))
        }),
    },
    Function {
        name: "slice",
        parameters: &[shallow("list"), deep("from"), deep("to")],
        sentence: "The items from one position up to another, without it.",
        example: "slice([\"a\", \"b\", \"c\"], 1, 3)",
        result: "[\"b\", \"c\"]",
        body: Body::Strict(slice),
    },
    Function {
        name: "sort",
        parameters: &[deep("list")],
        sentence: "Texts in the order of their characters.",
        example: "sort([\"b\", \"c\", \"a\"])",
        result: "[\"a\", \"b\", \"c\"]",
        body: Body::Strict(|call| {
            let texts = call.texts(0)?;
            let mut texts: Vec<Value> = texts.into_iter().map(Value::string).collect();
            call.pay_sorting(&texts)?;
            texts.sort();
            Ok(Value::list(texts))
        }),
    },
    Function {
        name: "transpose",
        parameters: &[deep("map")],
        sentence: "A map of lists of texts turned round: each text to the keys it was under.",
        example: "transpose({a = [\"x\", \"y\"], b = [\"x\"]})",
        result: "{x = [\"a\", \"b\"], y = [\"a\"]}",
        body: Body::Strict(transpose),
    },
    Function {
        name: "values",
        parameters: &[shallow("map")],
        sentence: "The values of a map, in the order of their keys.",
        example: "values({b = 1, a = 2})",
        result: "[2, 1]",
        body: Body::Strict(|call| Ok(Value::list(call.members(0)?.into_values().collect()))),
    },
    Function {
        name: "zipmap",
        parameters: &[deep("keys"), shallow("values")],
        sentence: "A map of keys and of values at the same positions.",
        example: "zipmap([\"a\", \"b\"], [1, 2])",
        result: "{a = 1, b = 2}",
        body: Body::Strict(zip_map),
    },
];

/// Whether some item, or all, are `wanted`; unknown where unknown items decide.
fn truths(call: &mut Arguments<'_>, wanted: bool) -> Result<Value, Problem> {
    let items = call.items(0)?;
    let sensitive = items.iter().any(Value::is_sensitive);
    let mut open = false;
    let mut found = false;
    for item in &items {
        match item.kind() {
            Kind::Unknown => open = true,
            Kind::Null => found |= !wanted,
            _ => {
                let truth = convert::truth(item).ok_or_else(|| needs(0, "bools", item))?;
                found |= truth == wanted;
            }
        }
    }
    let made = match (found, open) {
        (true, _) => Value::bool(wanted),
        (false, true) => Value::unknown(),
        (false, false) => Value::bool(!wanted),
    };
    Ok(made.with_sensitive(sensitive))
}

fn chunk(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let items = call.items(0)?;
    let size = call.count(1)?;
    if size == 0 {
        return Err(Problem::Argument(1, "needs a number above 0".to_owned()));
    }
    Ok(Value::list(items.chunks(size).map(|chunk| Value::list(chunk.to_vec())).collect()))
}

fn coalesce(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    first(call, |value| match value.kind() {
        Kind::Null => Ok(false),
        Kind::String(text) => Ok(!text.is_empty()),
        _ => Ok(true),
    })
}

fn coalesce_list(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    first(call, |value| match value.kind() {
        Kind::Null => Ok(false),
        Kind::List(items) | Kind::Set(items) => Ok(!items.is_empty()),
        _ => Err(()),
    })
}

/// The first value that counts; an unknown one before it may count as well, and so it is unknown
/// which one is first.
fn first(
    call: &mut Arguments<'_>,
    counts: fn(&Value) -> Result<bool, ()>,
) -> Result<Value, Problem> {
    let values = call.take_from(0);
    for (index, value) in values.iter().enumerate() {
        if value.is_unknown() {
            let sensitive = values.iter().any(Value::contains_sensitive);
            return Ok(Value::unknown().with_sensitive(sensitive));
        }
        if counts(value).map_err(|()| needs(index, "a list", value))? {
            return Ok(value.clone());
        }
    }
    Err(Problem::Call("has no argument that counts".to_owned()))
}

fn contains(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let items = call.items(0)?;
    let value = call.take(1);
    let sensitive = items.iter().chain([&value]).any(Value::contains_sensitive);
    let mut open = false;
    for item in &items {
        match convert::equal(item, &value) {
            Some(true) => return Ok(Value::bool(true).with_sensitive(sensitive)),
            Some(false) => {}
            None => open = true,
        }
    }
    let made = if open { Value::unknown() } else { Value::bool(false) };
    Ok(made.with_sensitive(sensitive))
}

fn element(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let mut items = call.items(0)?;
    let position = call.integer(1)?;
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    if length == 0 {
        return Err(Problem::Argument(0, "is empty".to_owned()));
    }
    let position = usize::try_from(position.rem_euclid(length)).unwrap_or(0);
    if position < items.len() { Ok(items.swap_remove(position)) } else { Ok(Value::null()) }
}

fn flatten(items: Vec<Value>, into: &mut Vec<Value>) {
    for item in items {
        match into_items(item) {
            Ok(inner) => flatten(inner, into),
            Err(item) => into.push(item),
        }
    }
}

fn index(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let items = call.items(0)?;
    let value = call.take(1);
    let sensitive = items.iter().chain([&value]).any(Value::contains_sensitive);
    for (position, item) in items.iter().enumerate() {
        match convert::equal(item, &value) {
            Some(true) => return Ok(Value::number(position).with_sensitive(sensitive)),
            Some(false) => {}
            None => return Ok(Value::unknown().with_sensitive(sensitive)),
        }
    }
    Err(Problem::Argument(0, "has no item that equals the value".to_owned()))
}

fn length(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let value = call.take(0);
    match value.kind() {
        Kind::String(text) => Ok(Value::number(text.chars().count())),
        Kind::List(items) | Kind::Set(items) => Ok(Value::number(items.len())),
        Kind::Map(members) => Ok(Value::number(members.len())),
        _ => Err(needs(0, "a list, a set, a map or a string", &value)),
    }
}

fn lookup(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let defaulted = call.len() > 2;
    let mut members = call.members(0)?;
    let key = call.text(1)?;
    match members.remove(&key) {
        Some(member) => Ok(member),
        None if defaulted => Ok(call.take(2)),
        None => Err(Problem::Argument(0, "has no such key, and there is no default".to_owned())),
    }
}

fn match_keys(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let (values, keys, wanted) = (call.items(0)?, call.items(1)?, call.items(2)?);
    if values.len() != keys.len() {
        return Err(Problem::Argument(1, "needs as many items as there are values".to_owned()));
    }
    call.pay_sorting(&wanted)?;
    let wanted: std::collections::BTreeSet<Value> = wanted.into_iter().collect();
    let pairs = values.into_iter().zip(keys);
    let matched = pairs.filter(|(_, key)| wanted.contains(key)).map(|(value, _)| value);
    Ok(Value::list(matched.collect()))
}

fn merge(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let mut made = BTreeMap::new();
    for index in 0..call.len() {
        let value = call.take(index);
        match value.kind() {
            Kind::Null => {}
            Kind::Map(members) => made.extend(members.clone()),
            _ => return Err(needs(index, "a map", &value)),
        }
    }
    Ok(Value::map(made))
}

fn one(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let value = call.take(0);
    if value.is_null() {
        return Ok(value);
    }
    let mut items = into_items(value).map_err(|value| needs(0, "a list or a set", &value))?;
    match (items.len(), items.pop()) {
        (0, _) => Ok(Value::null()),
        (1, Some(only)) => Ok(only),
        _ => Err(Problem::Argument(0, "has more than one item".to_owned())),
    }
}

fn range(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let zero = Number::from(0_i64);
    let first = call.number(0)?;
    let (start, limit) = match call.len() {
        1 => (zero.clone(), first),
        _ => (first, call.number(1)?),
    };
    let step = match call.len() {
        3 => call.number(2)?,
        _ => Number::from(if start > limit { -1_i64 } else { 1 }),
    };
    if step == zero {
        return Err(Problem::Argument(2, "is 0".to_owned()));
    }
    let mut made = Vec::new();
    let mut next = start;
    while if step > zero { next < limit } else { next > limit } {
        call.pay(8)?;
        made.push(Value::number(next.clone()));
        next = next.add(&step).map_err(|error| Problem::Call(format!("yields {error}")))?;
    }
    Ok(Value::list(made))
}

fn slice(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let items = call.items(0)?;
    let (from, to) = (call.count(1)?, call.count(2)?);
    match items.get(from..to) {
        Some(part) => Ok(Value::list(part.to_vec())),
        None if from > to => {
            Err(Problem::Argument(2, "needs a position that is not before `from`".to_owned()))
        }
        None => Err(Problem::Argument(2, "needs a position that is not behind the end".to_owned())),
    }
}

fn transpose(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let mut turned: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (key, list) in call.members(0)? {
        let items = into_items(list).map_err(|list| needs(0, "lists", &list))?;
        for item in &items {
            call.fuel.spend_text(key.len())?;
            turned.entry(text_of(0, item)?).or_default().push(Value::string(key.as_str()));
        }
    }
    Ok(Value::object(turned.into_iter().map(|(key, list)| (key, Value::list(list)))))
}

fn zip_map(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let (keys, values) = (call.texts(0)?, call.items(1)?);
    if keys.len() != values.len() {
        return Err(Problem::Argument(1, "needs as many items as there are keys".to_owned()));
    }
    Ok(Value::map(keys.into_iter().zip(values).collect()))
}

#[cfg(test)]
mod tests {
    use crate::blueprint::expr::tests::fails;
    use crate::blueprint::expr::tests::yields;

    #[test]
    fn positions_and_bounds() {
        yields("element([1, 2, 3], -1)", "3");
        fails("element([], 0)", "E004", "`list` of `element` is empty");
        fails("slice([1], 1, 0)", "E004", "not before `from`");
        fails("slice([1], 0, 2)", "E004", "not behind the end");
        yields("slice([1], 1, 1)", "[]");
        fails("chunklist([1], 0)", "E004", "above 0");
        fails("index([1], 2)", "E004", "no item that equals");
        fails("one([1, 2])", "E004", "more than one item");
        yields("one(null)", "null");
        yields("one([])", "null");
    }

    #[test]
    fn ranges_are_bounded_by_fuel() {
        yields("range(3, 0)", "[3, 2, 1]");
        yields("range(0, 1, 0.25)", "[0, 0.25, 0.5, 0.75]");
        yields("range(0)", "[]");
        fails("range(0, 1, 0)", "E004", "`step` of `range` is 0");
        fails("range(1000000000)", "E008", "steps");
        fails("range(0, 1, 0.0000000001)", "E008", "steps");
    }

    #[test]
    fn merging_skips_null_and_lookup_falls_back() {
        yields("merge({a = 1}, null)", "{a = 1}");
        yields("merge()", "{}");
        yields("lookup({a = null}, \"a\", 1)", "null");
        fails("lookup({}, \"a\")", "E004", "no default");
        fails("coalesce(null, \"\")", "E004", "no argument that counts");
        fails("coalescelist(1)", "E004", "needs a list, has a number");
    }

    #[test]
    fn lengths_must_agree() {
        fails("zipmap([\"a\"], [])", "E004", "as many items");
        fails("matchkeys([1], [], [])", "E004", "as many items");
        fails("length(1)", "E004", "`value` of `length` needs a list");
    }
}
