//! Values as written: from TOML to [`Node`]s, strings to templates, blocks to repeated blocks.
//!
//! Nothing is evaluated here.

use std::collections::BTreeMap;

use crate::blueprint::Body;
use crate::blueprint::Node;
use crate::blueprint::Repeated;
use crate::blueprint::Spanned;
use crate::blueprint::expr;
use crate::blueprint::expr::Template;
use crate::blueprint::tree::Item;
use crate::blueprint::tree::Kind;
use crate::blueprint::tree::Table;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::model::address::is_identifier;
use crate::model::value::Value;

/// Whether tables with `for_each` repeat: those of resources and providers are blocks and do,
/// those of locals and outputs are data, whose keys mean nothing to gov.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tables {
    /// Blocks.
    Repeat,
    /// Data.
    Plain,
}

/// Reads one value. `key` names the block that it would be, and so its iterator.
pub(super) fn read(
    item: &Item,
    key: &str,
    tables: Tables,
    problems: &mut Diagnostics,
) -> Spanned<Node> {
    Reading { tables, iterators: Vec::new(), problems }.node(item, key)
}

/// Reads the members of a table, those in `reserved` left out.
pub(super) fn body(table: &Table, reserved: &[&str], problems: &mut Diagnostics) -> Body {
    let entries = table.entries.iter().filter(|(name, _)| !reserved.contains(&name.as_str()));
    let member = |(name, entry): (&String, &super::tree::Entry)| {
        (name.clone(), read(&entry.item, name, Tables::Repeat, problems))
    };
    Body { members: entries.map(member).collect() }
}

/// A reading under way, with the iterators of the blocks around.
struct Reading<'a> {
    tables: Tables,
    iterators: Vec<String>,
    problems: &'a mut Diagnostics,
}

impl Reading<'_> {
    fn node(&mut self, item: &Item, key: &str) -> Spanned<Node> {
        let value = match &item.kind {
            Kind::Text(text) => self.text(item, text),
            Kind::Number(number) => Node::Literal(Value::number(number.clone())),
            Kind::Bool(truth) => Node::Literal(Value::bool(*truth)),
            Kind::Refused => Node::Literal(Value::null()),
            Kind::List(items) => {
                Node::List(items.iter().map(|item| self.node(item, key)).collect())
            }
            Kind::Table(table)
                if self.tables == Tables::Repeat && table.entries.contains_key("for_each") =>
            {
                self.repeated(table, key)
            }
            Kind::Table(table) => self.map(table, &[]),
        };
        Spanned { value, span: item.span.clone() }
    }

    fn text(&mut self, item: &Item, text: &str) -> Node {
        if !expr::is_template(text) {
            return Node::Literal(Value::string(text));
        }
        let (start, end) = item.span.range;
        match Template::parse(&item.span.source, start..end, text) {
            Ok(template) => Node::Template(template),
            Err(wrong) => {
                self.problems.extend(wrong);
                Node::Literal(Value::null())
            }
        }
    }

    fn map(&mut self, table: &Table, reserved: &[&str]) -> Node {
        let mut members = BTreeMap::new();
        for (name, entry) in &table.entries {
            if !reserved.contains(&name.as_str()) {
                members.insert(name.clone(), self.node(&entry.item, name));
            }
        }
        Node::Map(members)
    }

    fn repeated(&mut self, table: &Table, key: &str) -> Node {
        let iterator = self.iterator(table, key);
        let for_each = match table.entries.get("for_each") {
            Some(entry) => self.node(&entry.item, "for_each"),
            None => Spanned { value: Node::List(Vec::new()), span: table.span.clone() },
        };
        self.iterators.push(iterator.clone());
        let content = self.map(table, &["for_each", "iterator"]);
        self.iterators.pop();
        let content = Spanned { value: content, span: table.span.clone() };
        Node::Repeated(Box::new(Repeated { for_each, iterator, content }))
    }

    /// The iterator's name: given, or the block's own.
    fn iterator(&mut self, table: &Table, key: &str) -> String {
        let given = table.entries.get("iterator").map(|entry| &entry.item);
        let name = match given {
            Some(item) => match item.text("iterator", self.problems) {
                Some(text) => text.value,
                None => return key.to_owned(),
            },
            None => key.to_owned(),
        };
        let span = given.map_or(&table.span, |item| &item.span);
        let problem = if !is_identifier(&name) {
            Diagnostic::error(Code::InvalidName, format!("`{name}` cannot name an iterator"))
                .help("begin with a letter, then letters, digits, `_` and `-`")
        } else if expr::reserved_roots().contains(name.as_str()) {
            let detail = format!("the iterator `{name}` would hide what expressions call `{name}`");
            Diagnostic::error(Code::ReservedName, detail)
                .help("give the block another name with `iterator = \"…\"`")
        } else if self.iterators.contains(&name) {
            let detail = format!("the iterator `{name}` hides that of a block around it");
            Diagnostic::error(Code::DuplicateName, detail)
                .help("give one of the blocks another name with `iterator = \"…\"`")
        } else {
            return name;
        };
        self.problems.push(problem.at(span.clone()));
        name
    }
}
