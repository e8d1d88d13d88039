//! `[resource.TYPE.NAME]` and `[data.TYPE.NAME]`: what a block says of itself, and its body.

use std::collections::BTreeMap;

use crate::blueprint::Lifecycle;
use crate::blueprint::ResourceBlock;
use crate::blueprint::Spanned;
use crate::blueprint::expr;
use crate::blueprint::node;
use crate::blueprint::node::Tables;
use crate::blueprint::parse::check_name;
use crate::blueprint::tree::Entry;
use crate::blueprint::tree::Item;
use crate::blueprint::tree::Table;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::model::address::Mode;
use crate::model::address::ResourceName;

/// Keys that say something of the block itself. No resource type has attributes of these names.
pub(super) const RESERVED: [&str; 5] = ["count", "for_each", "depends_on", "provider", "lifecycle"];

/// Reads every block of `[resource]` or `[data]` into `blocks`.
pub(super) fn read(
    mode: Mode,
    entry: &Entry,
    blocks: &mut BTreeMap<ResourceName, ResourceBlock>,
    problems: &mut Diagnostics,
) {
    let section = match mode {
        Mode::Managed => "resource",
        Mode::Data => "data",
    };
    let Some(types) = entry.item.table(section, problems) else { return };
    for (kind, entry) in &types.entries {
        let place = format!("{section}.{kind}");
        let Some(names) = entry.item.table(&place, problems) else { continue };
        let named = check_name(kind, &entry.key, "a resource type", problems);
        if named && expr::reserved_roots().contains(kind.as_str()) {
            let detail = format!("`{kind}` has a meaning of its own in expressions");
            let problem = Diagnostic::error(Code::ReservedName, detail).at(entry.key.clone());
            problems.push(problem.help("a type looks like `local_file`"));
        }
        for (name, entry) in &names.entries {
            let place = format!("{place}.{name}");
            let mut wrong = Diagnostics::new();
            // What is no block still declares the name: references to it are no further error.
            let empty = Table { span: entry.item.span.clone(), entries: BTreeMap::new() };
            let table = entry.item.table(&place, &mut wrong).unwrap_or(&empty);
            let help = format!("a block is written `[{section}.{kind}.NAME]`");
            problems.extend(wrong.iter().cloned().map(|p| p.help(help.clone())).collect());
            check_name(name, &entry.key, "a block", problems);
            let name = ResourceName { mode, kind: kind.clone(), name: name.clone() };
            let block = Reading { place, mode, table, problems }.block(&name, entry);
            blocks.insert(name, block);
        }
    }
}

/// The name of the provider configuration that a type belongs to by its own name.
pub(super) fn prefix(kind: &str) -> &str {
    kind.split_once('_').map_or(kind, |(prefix, _)| prefix)
}

/// A block being read.
struct Reading<'a> {
    place: String,
    mode: Mode,
    table: &'a Table,
    problems: &'a mut Diagnostics,
}

impl Reading<'_> {
    fn block(mut self, name: &ResourceName, entry: &Entry) -> ResourceBlock {
        let span = entry.item.span.clone();
        let count = self.node("count");
        let for_each = self.node("for_each");
        if let (Some(count), Some(for_each)) = (&count, &for_each) {
            let detail = format!("`{name}` has both `count` and `for_each`");
            let problem = Diagnostic::error(Code::InvalidRepetition, detail)
                .label(for_each.span.clone(), "for each of these")
                .label(count.span.clone(), "so many");
            self.problems.push(problem.help("keep one of them"));
        }
        let provider = self.provider().unwrap_or_else(|| Spanned {
            value: prefix(&name.kind).to_owned(),
            span: span.clone(),
        });
        ResourceBlock {
            name: name.clone(),
            count,
            for_each,
            provider,
            depends_on: self.depends_on(),
            lifecycle: self.lifecycle(),
            body: node::body(self.table, &RESERVED, self.problems),
            span,
        }
    }

    fn node(&mut self, key: &str) -> Option<Spanned<super::Node>> {
        let entry = self.table.entries.get(key)?;
        Some(node::read(&entry.item, key, Tables::Plain, self.problems))
    }

    fn provider(&mut self) -> Option<Spanned<String>> {
        let entry = self.table.entries.get("provider")?;
        entry.item.text(&format!("{}.provider", self.place), self.problems)
    }

    fn depends_on(&mut self) -> Vec<Spanned<ResourceName>> {
        let Some(entry) = self.table.entries.get("depends_on") else { return Vec::new() };
        let mut targets = Vec::new();
        for text in entry.item.texts(&format!("{}.depends_on", self.place), self.problems) {
            match text.value.parse() {
                Ok(value) => targets.push(Spanned { value, span: text.span }),
                Err(_) => {
                    let detail = format!("`{}` does not name a block", text.value);
                    let problem = Diagnostic::error(Code::InvalidName, detail).at(text.span);
                    let help = "write \"TYPE.NAME\" or \"data.TYPE.NAME\", without an index";
                    self.problems.push(problem.help(help));
                }
            }
        }
        targets
    }

    fn lifecycle(&mut self) -> Lifecycle {
        const KEYS: [&str; 3] = ["prevent_destroy", "create_before_destroy", "ignore_changes"];
        let mut lifecycle = Lifecycle::default();
        let Some(entry) = self.table.entries.get("lifecycle") else { return lifecycle };
        if self.mode == Mode::Data {
            let detail = format!("`{}` is only read, so `lifecycle` means nothing", self.place);
            let problem = Diagnostic::error(Code::ReservedName, detail).at(entry.key.clone());
            self.problems.push(problem.help("remove it"));
            return lifecycle;
        }
        let place = format!("{}.lifecycle", self.place);
        let Some(table) = entry.item.table(&place, self.problems) else { return lifecycle };
        table.refuse_unknown(&place, &KEYS, self.problems);
        let bool = |key: &str, problems: &mut Diagnostics| {
            let item: Option<&Item> = table.entries.get(key).map(|entry| &entry.item);
            item.and_then(|item| item.bool(&format!("{place}.{key}"), problems)).unwrap_or(false)
        };
        lifecycle.prevent_destroy = bool("prevent_destroy", self.problems);
        lifecycle.create_before_destroy = bool("create_before_destroy", self.problems);
        if let Some(entry) = table.entries.get("ignore_changes") {
            let place = format!("{place}.ignore_changes");
            lifecycle.ignore_changes = entry.item.texts(&place, self.problems);
        }
        lifecycle
    }
}
