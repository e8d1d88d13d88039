//! What the first words of a traversal stand for, and every reference that a tree makes.
//!
//! Names bound by a `for` never come here. Whether something of that name exists is for whoever
//! holds the declarations; only words that cannot begin a reference at all are refused.

use std::collections::BTreeSet;

use crate::blueprint::expr::Reference;
use crate::blueprint::expr::ast::Access;
use crate::blueprint::expr::ast::Node;
use crate::blueprint::expr::ast::NodeKind;
use crate::blueprint::expr::ast::Part;
use crate::blueprint::expr::ast::Place;
use crate::model::address::ResourceName;
use crate::model::schema::nearest;

/// Members of `env`.
const ENV_MEMBERS: [&str; 6] = ["id", "name", "owner", "project", "purpose", "team"];

/// What a root stands for and how many of its members belong to the name; or what is wrong with
/// it, and the way out.
pub fn resolve(root: &str, members: &[&str]) -> Result<(NodeKind, usize), (String, String)> {
    let first = members.first().copied();
    let named = |make: fn(String) -> Reference| match first {
        Some(name) => Ok((NodeKind::Reference(make(name.to_owned())), 1)),
        None => Err((
            format!("`{root}` is not a value by itself."),
            format!("Name a member: `{root}.NAME`."),
        )),
    };
    match root {
        "input" => named(Reference::Input),
        "local" => named(Reference::Local),
        "env" => match first {
            Some(name) if !ENV_MEMBERS.contains(&name) => {
                let near = nearest(name, ENV_MEMBERS.into_iter());
                Err((format!("`env` has no member `{name}`."), suggest(near, &ENV_MEMBERS)))
            }
            _ => named(Reference::Env),
        },
        "count" => fixed("count", first, &["index"], Reference::Count),
        "each" => fixed("each", first, &["key", "value"], Reference::Each),
        "data" => match members {
            [kind, name, ..] => {
                let name = ResourceName::data(*kind, *name);
                Ok((NodeKind::Reference(Reference::Resource(name)), 2))
            }
            _ => Err((
                "`data` needs a type and a name.".to_owned(),
                "Write `data.TYPE.NAME`.".to_owned(),
            )),
        },
        "var" => absent(root, "Inputs are reached as `input.NAME`."),
        "path" | "module" | "self" | "provider" => absent(
            root,
            "References begin with `input`, `local`, `env`, `data`, `count`, `each`, \
             a resource type, or the name of an iterator.",
        ),
        _ => Ok((
            NodeKind::Open { root: root.to_owned(), member: first.map(str::to_owned) },
            usize::from(first.is_some()),
        )),
    }
}

/// A root whose value is an object with these members.
fn fixed(
    root: &str,
    member: Option<&str>,
    members: &[&'static str],
    reference: Reference,
) -> Result<(NodeKind, usize), (String, String)> {
    match member {
        Some(name) if members.contains(&name) => Ok((NodeKind::Reference(reference), 0)),
        Some(name) => {
            let near = nearest(name, members.iter().copied());
            Err((format!("`{root}` has no member `{name}`."), suggest(near, members)))
        }
        None => Err((
            format!("`{root}` is not a value by itself."),
            format!("It has {}.", quoted(members)),
        )),
    }
}

fn absent(root: &str, help: &str) -> Result<(NodeKind, usize), (String, String)> {
    Err((format!("Nothing is reached through `{root}`."), help.to_owned()))
}

fn suggest(near: Option<&str>, all: &[&str]) -> String {
    match near {
        Some(near) => format!("Did you mean `{near}`?"),
        None => format!("It has {}.", quoted(all)),
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Every reference of a tree, in the order of the text.
pub fn references(node: &Node, iterators: &BTreeSet<String>) -> Vec<(Reference, Place)> {
    let mut found = Vec::new();
    let mut collect = |node: &Node| match &node.kind {
        NodeKind::Reference(reference) => found.push((reference.clone(), node.place)),
        NodeKind::Open { root, member } => {
            let reference = match member {
                Some(member) if !iterators.contains(root) => {
                    Reference::Resource(ResourceName::managed(root, member))
                }
                _ => Reference::Iterator(root.clone()),
            };
            found.push((reference, node.place));
        }
        _ => {}
    };
    visit(node, &mut collect);
    found.sort_by_key(|(_, place)| *place);
    found
}

/// Visits every node, parents first.
pub fn visit(node: &Node, seen: &mut impl FnMut(&Node)) {
    seen(node);
    match &node.kind {
        NodeKind::Literal(_)
        | NodeKind::Reference(_)
        | NodeKind::Open { .. }
        | NodeKind::Variable(_) => {}
        NodeKind::Template(parts) => visit_parts(parts, seen),
        NodeKind::List(items) => items.iter().for_each(|item| visit(item, seen)),
        NodeKind::Object(members) => {
            for (key, value) in members {
                visit(key, seen);
                visit(value, seen);
            }
        }
        NodeKind::Access(base, steps) => {
            visit(base, seen);
            visit_steps(steps, seen);
        }
        NodeKind::Call(call) => call.arguments.iter().for_each(|item| visit(item, seen)),
        NodeKind::Conditional(conditional) => {
            visit(&conditional.condition, seen);
            visit(&conditional.yes, seen);
            visit(&conditional.no, seen);
        }
        NodeKind::Unary(_, inner) => visit(inner, seen),
        NodeKind::Chain(first, links) => {
            visit(first, seen);
            links.iter().for_each(|link| visit(&link.right, seen));
        }
        NodeKind::For(repeat) => {
            visit(&repeat.collection, seen);
            let inner = [repeat.key.as_ref(), Some(&repeat.value), repeat.condition.as_ref()];
            inner.into_iter().flatten().for_each(|node| visit(node, seen));
        }
    }
}

fn visit_steps(steps: &[Access], seen: &mut impl FnMut(&Node)) {
    for step in steps {
        match step {
            Access::Attribute(..) => {}
            Access::Index(key) => visit(key, seen),
            Access::Splat(inner, _) => visit_steps(inner, seen),
        }
    }
}

fn visit_parts(parts: &[Part], seen: &mut impl FnMut(&Node)) {
    for part in parts {
        match part {
            Part::Text(_) => {}
            Part::Value(node) => visit(node, seen),
            Part::If(written) => {
                visit(&written.condition, seen);
                visit_parts(&written.yes, seen);
                visit_parts(&written.no, seen);
            }
            Part::For(repeat) => {
                visit(&repeat.collection, seen);
                visit_parts(&repeat.body, seen);
            }
        }
    }
}
