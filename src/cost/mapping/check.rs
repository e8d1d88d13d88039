//! What holds between the parts of a mapping: definitions before their use, ids once, tables and
//! references that are there. Attributes are the provider's, so any other name may be one.

use std::collections::BTreeSet;

use super::Component;
use super::Mapping;
use super::Range;
use super::ResourceMapping;
use super::parse::known_names;
use crate::cost::expression::Expression;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;
use crate::diagnostic::Span;

/// Names that mean something by themselves, so that no definition may take them.
const RESERVED: [&str; 6] = ["each", "each_key", "region", "usage", "hours", "resource_type"];

/// Checks every resource of a mapping.
pub fn names(mapping: &Mapping, source: &Source, diagnostics: &mut Diagnostics) {
    for (kind, resource) in &mapping.resources {
        let mut wrong = |what: String| {
            let at = source.text.find(&format!("\"{kind}\"")).unwrap_or(0);
            let span = Span::new(source, at..at.saturating_add(kind.len() + 2));
            let message = format!("{kind}: {what}");
            diagnostics.push(Diagnostic::error(Code::InvalidMapping, message).at(span));
        };
        definitions(resource, &mut wrong);
        ids(resource, &mut wrong);
        for expression in expressions(resource) {
            for table in expression.tables() {
                if !mapping.tables.contains_key(table) {
                    wrong(format!("there is no table `{table}`"));
                }
            }
        }
        for include in &resource.includes {
            if !resource.references.contains_key(&include.of) {
                wrong(format!("`{}` is no reference of it", include.of));
            }
        }
    }
}

fn definitions(resource: &ResourceMapping, wrong: &mut impl FnMut(String)) {
    let mut later: BTreeSet<&str> =
        resource.definitions.iter().map(|(name, _)| name.as_str()).collect();
    for name in known_names(resource) {
        if RESERVED.contains(&name) {
            wrong(format!("`{name}` has a meaning of its own"));
        }
    }
    for (name, expression) in &resource.definitions {
        // A definition may name the attribute it stands before: `engine = "lower(engine)"`.
        later.remove(name.as_str());
        if let Some(early) = expression.names().into_iter().find(|used| later.contains(used)) {
            wrong(format!("`{name}` uses `{early}`, which is defined after it"));
        }
    }
}

fn ids(resource: &ResourceMapping, wrong: &mut impl FnMut(String)) {
    let mut seen = BTreeSet::new();
    for component in &resource.components {
        if !seen.insert(component.id.as_str()) {
            wrong(format!("two components are called `{}`", component.id));
        }
    }
}

/// Every expression of a resource.
pub fn expressions(resource: &ResourceMapping) -> impl Iterator<Item = &Expression> {
    let definitions = resource.definitions.iter().map(|(_, expression)| expression);
    let whole = resource.region.iter().chain(resource.free_when.iter().map(|(when, _)| when));
    let included = resource.includes.iter().flat_map(|include| {
        range(&include.times).chain(&include.when).chain(include.with.values())
    });
    definitions.chain(whole).chain(included).chain(resource.components.iter().flat_map(of))
}

fn range(range: &Range) -> impl Iterator<Item = &Expression> {
    std::iter::once(&range.expected).chain(&range.least).chain(&range.most)
}

fn of(component: &Component) -> impl Iterator<Item = &Expression> {
    let templates = std::iter::once(&component.name)
        .chain(&component.group)
        .chain([&component.service])
        .chain(component.key.values())
        .chain(&component.region)
        .chain(&component.free);
    let alone = component.when.iter().chain(&component.each);
    templates
        .flat_map(|template| template.expressions())
        .chain(range(&component.quantity))
        .chain(alone)
}
