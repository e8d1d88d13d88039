//! From TOML to a mapping, with a diagnostic at the place of whatever is wrong.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::Range as Bytes;

use toml_edit::Document;
use toml_edit::Item;
use toml_edit::TableLike;

use super::Component;
use super::Include;
use super::Mapping;
use super::Offer;
use super::Range;
use super::Reference;
use super::ResourceMapping;
use super::check;
use crate::cost::book::TierScope;
use crate::cost::expression::Expression;
use crate::cost::expression::SyntaxError;
use crate::cost::expression::Template;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::model::digest::Digest;
use crate::model::digest::Domain;

/// Bytes of a mapping. A provider's hundred types take about a hundred thousand.
const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The family of prices that are told apart by the provider's own usage types.
const FAMILY: &str = "usage";

/// The attributes by which resources are mostly referred to.
const REFERRED_BY: [&str; 4] = ["id", "arn", "name", "self_link"];

/// The mapping of a source, and all that is wrong with it.
pub fn mapping(source: &Source) -> (Mapping, Diagnostics) {
    let mut reader = Reader { source, diagnostics: Diagnostics::new() };
    let mut mapping = Mapping {
        provider: String::new(),
        resources: BTreeMap::new(),
        free: BTreeMap::new(),
        tables: BTreeMap::new(),
        offers: Vec::new(),
        digest: Digest::of(Domain::PriceBook, source.text.as_bytes()),
    };
    if source.text.len() > TEXT_BYTES_MAX {
        let message = format!("the mapping is longer than {TEXT_BYTES_MAX} bytes");
        return (mapping, Diagnostic::error(Code::TooLarge, message).into());
    }
    match Document::parse(source.text.to_string()) {
        Ok(document) => reader.root(document.as_table(), &mut mapping),
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            reader.error(Code::TomlSyntax, span, error.message().to_owned());
        }
    }
    check::names(&mapping, source, &mut reader.diagnostics);
    (mapping, reader.diagnostics)
}

struct Reader<'s> {
    source: &'s Source,
    diagnostics: Diagnostics,
}

/// Where an item stands; the start of the text for what the parser knows no place of.
fn place(item: &Item) -> Bytes<usize> {
    item.span().unwrap_or(0..0)
}

impl Reader<'_> {
    fn error(&mut self, code: Code, span: Bytes<usize>, message: String) {
        let span = Span::new(self.source, span);
        self.diagnostics.push(Diagnostic::error(code, message).at(span));
    }

    fn wrong(&mut self, item: &Item, wanted: &str) {
        let found = item.type_name();
        self.error(Code::WrongType, place(item), format!("{wanted} is wanted here, not {found}"));
    }

    fn root(&mut self, table: &dyn TableLike, mapping: &mut Mapping) {
        for (name, item) in table.iter() {
            match name {
                "provider" => mapping.provider = self.text(item).unwrap_or_default(),
                "free" => mapping.free = self.texts(item),
                "table" => {
                    for (name, item) in self.members(item) {
                        mapping.tables.insert(name, self.texts(item));
                    }
                }
                "resource" => {
                    for (table, span) in self.tables(item) {
                        self.resource(table, span, mapping);
                    }
                }
                "offer" => {
                    for (table, span) in self.tables(item) {
                        if let Some(offer) = self.offer(table, span) {
                            mapping.offers.push(offer);
                        }
                    }
                }
                _ => self.unknown(name, item),
            }
        }
        if mapping.provider.is_empty() {
            let message = "the mapping does not name its provider".to_owned();
            self.error(Code::MissingKey, 0..0, message);
        }
    }

    fn unknown(&mut self, name: &str, item: &Item) {
        self.error(Code::UnknownKey, place(item), format!("`{name}` has no meaning here"));
    }

    fn text(&mut self, item: &Item) -> Option<String> {
        let text = item.as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong(item, "text");
        }
        text
    }

    fn texts(&mut self, item: &Item) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for (name, item) in self.members(item) {
            if let Some(text) = self.text(item) {
                texts.insert(name, text);
            }
        }
        texts
    }

    fn list(&mut self, item: &Item) -> Vec<String> {
        let texts = item.as_array().map(|array| {
            array.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        match texts {
            Some(Some(texts)) => texts,
            _ => {
                self.wrong(item, "a list of texts");
                Vec::new()
            }
        }
    }

    fn members<'i>(&mut self, item: &'i Item) -> Vec<(String, &'i Item)> {
        match item.as_table_like() {
            Some(table) => table.iter().map(|(name, item)| (name.to_owned(), item)).collect(),
            None => {
                self.wrong(item, "a table");
                Vec::new()
            }
        }
    }

    fn tables<'i>(&mut self, item: &'i Item) -> Vec<(&'i dyn TableLike, Bytes<usize>)> {
        if let Some(tables) = item.as_array_of_tables() {
            let each = tables.iter();
            return each.map(|t| (t as &dyn TableLike, t.span().unwrap_or(0..0))).collect();
        }
        let mut found = Vec::new();
        let Some(array) = item.as_array() else {
            self.wrong(item, "a list of tables");
            return found;
        };
        for value in array {
            match value.as_inline_table() {
                Some(t) => found.push((t as &dyn TableLike, t.span().unwrap_or(0..0))),
                None => self.wrong(item, "a list of tables"),
            }
        }
        found
    }

    /// The place of a byte inside a text, one behind its opening quote.
    fn inside(item: &Item, at: usize) -> Bytes<usize> {
        let start = place(item).start.saturating_add(1).saturating_add(at);
        start..start.saturating_add(1)
    }

    fn syntax(&mut self, item: &Item, error: &SyntaxError) {
        self.error(Code::ExpressionSyntax, Self::inside(item, error.at), error.message.clone());
    }

    fn expression(&mut self, item: &Item) -> Option<Expression> {
        // Numbers may stand for themselves: `quantity = 1`.
        let text = match (item.as_integer(), item.as_str()) {
            (Some(number), _) => number.to_string(),
            (_, Some(text)) => text.to_owned(),
            _ => {
                self.wrong(item, "an expression");
                return None;
            }
        };
        Expression::parse(&text).map_err(|error| self.syntax(item, &error)).ok()
    }

    fn template(&mut self, item: &Item) -> Option<Template> {
        let text = self.text(item)?;
        Template::parse(&text).map_err(|error| self.syntax(item, &error)).ok()
    }

    fn templates(&mut self, item: &Item) -> BTreeMap<String, Template> {
        let mut templates = BTreeMap::new();
        for (name, item) in self.members(item) {
            if let Some(template) = self.template(item) {
                templates.insert(name, template);
            }
        }
        templates
    }

    fn resource(&mut self, table: &dyn TableLike, span: Bytes<usize>, mapping: &mut Mapping) {
        let mut kinds: Vec<String> = Vec::new();
        let mut resource = ResourceMapping::default();
        let mut service = None;
        let mut free_when = (None, None);
        let mut components = Vec::new();
        for (name, item) in table.iter() {
            match name {
                "type" => kinds.extend(self.text(item)),
                "types" => kinds.extend(self.list(item)),
                "service" => service = self.template(item),
                "region" => resource.region = self.expression(item),
                "free_when" => free_when.0 = self.expression(item),
                "free_reason" => free_when.1 = self.text(item),
                "template" => resource.is_template = self.text(item),
                "scale" => resource.scale = self.list(item).into_iter().collect(),
                "let" => {
                    for (name, item) in self.members(item) {
                        let expression = self.expression(item);
                        resource.definitions.extend(expression.map(|e| (name, e)));
                    }
                }
                "ref" => {
                    for (name, item) in self.members(item) {
                        let reference = self.reference(item);
                        resource.references.extend(reference.map(|r| (name, r)));
                    }
                }
                "include" => {
                    for (table, span) in self.tables(item) {
                        resource.includes.extend(self.include(table, span));
                    }
                }
                "component" => components = self.tables(item),
                _ => self.unknown(name, item),
            }
        }
        // After the service, which holds for every component wherever it stands in the table.
        for (table, span) in components {
            resource.components.extend(self.component(table, span, service.as_ref()));
        }
        resource.free_when = match free_when {
            (Some(when), Some(reason)) => Some((when, reason)),
            (None, None) => None,
            _ => {
                let message = "`free_when` and `free_reason` go together".to_owned();
                self.error(Code::MissingKey, span.clone(), message);
                None
            }
        };
        if kinds.is_empty() {
            self.error(Code::MissingKey, span.clone(), "a resource needs a `type`".to_owned());
        }
        for kind in kinds {
            if mapping.free.contains_key(&kind)
                || mapping.resources.insert(kind.clone(), resource.clone()).is_some()
            {
                let message = format!("{kind} is mapped twice");
                self.error(Code::DuplicateName, span.clone(), message);
            }
        }
    }

    fn reference(&mut self, item: &Item) -> Option<Reference> {
        let mut reference = Reference {
            attribute: String::new(),
            kinds: Vec::new(),
            by: REFERRED_BY.iter().map(|name| (*name).to_owned()).collect(),
            is_reverse: false,
        };
        for (name, inner) in self.members(item) {
            match name.as_str() {
                "attribute" => reference.attribute = self.text(inner).unwrap_or_default(),
                "types" => reference.kinds = self.list(inner),
                "by" => reference.by.extend(self.list(inner)),
                "reverse" => reference.is_reverse = inner.as_bool().unwrap_or(false),
                _ => self.unknown(&name, inner),
            }
        }
        if reference.attribute.is_empty() || reference.kinds.is_empty() {
            let message = "a reference needs `attribute` and `types`".to_owned();
            self.error(Code::MissingKey, place(item), message);
            return None;
        }
        Some(reference)
    }

    fn include(&mut self, table: &dyn TableLike, span: Bytes<usize>) -> Option<Include> {
        let (mut of, mut times, mut least, mut most, mut when) = (None, None, None, None, None);
        let mut with = BTreeMap::new();
        for (name, item) in table.iter() {
            match name {
                "of" => of = self.text(item),
                "times" => times = self.expression(item),
                "least" => least = self.expression(item),
                "most" => most = self.expression(item),
                "when" => when = self.expression(item),
                "with" => {
                    for (name, item) in self.members(item) {
                        with.extend(self.expression(item).map(|expression| (name, expression)));
                    }
                }
                _ => self.unknown(name, item),
            }
        }
        let (Some(of), Some(expected)) = (of, times) else {
            self.error(Code::MissingKey, span, "an include needs `of` and `times`".to_owned());
            return None;
        };
        Some(Include { of, times: Range { expected, least, most }, when, with })
    }

    fn component(
        &mut self,
        table: &dyn TableLike,
        span: Bytes<usize>,
        service: Option<&Template>,
    ) -> Option<Component> {
        let mut texts: BTreeMap<&str, String> = BTreeMap::new();
        let mut templates: BTreeMap<&str, Template> = BTreeMap::new();
        let mut expressions: BTreeMap<&str, Expression> = BTreeMap::new();
        let mut key = BTreeMap::new();
        for (name, item) in table.iter() {
            match name {
                "id" | "family" | "unit" => texts.extend(self.text(item).map(|t| (name, t))),
                "name" | "group" | "service" | "region" | "free" => {
                    templates.extend(self.template(item).map(|t| (name, t)));
                }
                "quantity" | "least" | "most" | "when" | "each" => {
                    expressions.extend(self.expression(item).map(|e| (name, e)));
                }
                "key" => key = self.templates(item),
                // The most common key of all has a short form.
                "usagetype" => {
                    key.extend(self.template(item).map(|t| ("usagetype".to_owned(), t)));
                }
                _ => self.unknown(name, item),
            }
        }
        let service = templates.remove("service").or_else(|| service.cloned());
        let free = templates.remove("free");
        let (id, quantity) = (texts.remove("id"), expressions.remove("quantity"));
        let (Some(id), Some(unit), Some(service), Some(expected)) =
            (id, texts.remove("unit"), service, quantity)
        else {
            let message = "a component needs `id`, `unit`, `quantity` and a `service`".to_owned();
            self.error(Code::MissingKey, span, message);
            return None;
        };
        if key.is_empty() && free.is_none() {
            let message = format!("component `{id}` needs a `key`, or a reason to be `free`");
            self.error(Code::MissingKey, span.clone(), message);
        }
        let name = templates.remove("name").or_else(|| Template::parse(&id).ok());
        Some(Component {
            name: name?,
            id,
            group: templates.remove("group"),
            service,
            family: texts.remove("family").unwrap_or_else(|| FAMILY.to_owned()),
            key,
            unit,
            quantity: Range {
                expected,
                least: expressions.remove("least"),
                most: expressions.remove("most"),
            },
            when: expressions.remove("when"),
            each: expressions.remove("each"),
            region: templates.remove("region"),
            free,
        })
    }

    fn offer(&mut self, table: &dyn TableLike, span: Bytes<usize>) -> Option<Offer> {
        let (mut service, mut family, mut unit) = (None, FAMILY.to_owned(), None);
        let (mut when, mut per, mut key) = (None, None, BTreeMap::new());
        let mut scope = TierScope::Resource;
        for (name, item) in table.iter() {
            match name {
                "service" => service = self.text(item),
                "family" => family = self.text(item).unwrap_or_default(),
                "unit" => unit = self.template(item),
                "when" => when = self.expression(item),
                "per" => per = self.expression(item),
                "key" => key = self.templates(item),
                "scope" => match self.text(item).as_deref() {
                    Some("account") => scope = TierScope::Account,
                    Some("environment") => scope = TierScope::Environment,
                    Some("resource") | None => {}
                    Some(other) => {
                        let message = format!("`{other}` is not a tier scope");
                        self.error(Code::InvalidMapping, place(item), message);
                    }
                },
                _ => self.unknown(name, item),
            }
        }
        let (Some(service), Some(unit), false) = (service, unit, key.is_empty()) else {
            let message = "an offer needs `service`, `unit` and `key`".to_owned();
            self.error(Code::MissingKey, span, message);
            return None;
        };
        Some(Offer { service, family, when, key, unit, per, scope })
    }
}

/// The names that an include may use beside the attributes.
pub(super) fn known_names(resource: &ResourceMapping) -> BTreeSet<&str> {
    let definitions = resource.definitions.iter().map(|(name, _)| name.as_str());
    definitions.chain(resource.references.keys().map(String::as_str)).collect()
}
