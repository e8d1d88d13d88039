//! From text to a [`Blueprint`]: every section, everything that is wrong with any of them at once.
//!
//! What needs more than one section (references, cycles) is left to [`resolve`](super::resolve),
//! what needs a provider's schema to the planner. Start with [`parse`].

use std::collections::BTreeMap;

use crate::blueprint::BUILTIN_PROVIDERS;
use crate::blueprint::Blueprint;
use crate::blueprint::Body;
use crate::blueprint::Governance;
use crate::blueprint::Integration;
use crate::blueprint::Node;
use crate::blueprint::OutputDeclaration;
use crate::blueprint::POLICIES;
use crate::blueprint::ProviderDeclaration;
use crate::blueprint::ResourceBlock;
use crate::blueprint::Spanned;
use crate::blueprint::declaration;
use crate::blueprint::endpoint;
use crate::blueprint::limits;
use crate::blueprint::node;
use crate::blueprint::node::Tables;
use crate::blueprint::provider_source;
use crate::blueprint::resource;
use crate::blueprint::tree;
use crate::blueprint::tree::Entry;
use crate::blueprint::tree::Table;
use crate::diagnostic::Code;
use crate::diagnostic::DIAGNOSTICS_MAX;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::model::address::Mode;
use crate::model::address::is_identifier;
use crate::model::limits::Limits;
use crate::model::schema::nearest;
use crate::model::value::Value;

/// The sections of a blueprint.
const SECTIONS: [&str; 10] = [
    "blueprint",
    "inputs",
    "limits",
    "governance",
    "integrations",
    "providers",
    "locals",
    "resource",
    "data",
    "outputs",
];

/// Reads a blueprint, with warnings beside it.
///
/// # Errors
/// Everything that is wrong, as far as one section alone can show it.
pub fn parse(source: &Source) -> Result<(Blueprint, Diagnostics), Diagnostics> {
    match attempt(source) {
        (Some(blueprint), problems) => problems.into_result(blueprint),
        (None, problems) => Err(problems),
    }
}

/// Reads as much as can be read. With errors among the problems, the blueprint declares whatever
/// names stand in the text, and is good for nothing but finding more errors.
pub(super) fn attempt(source: &Source) -> (Option<Blueprint>, Diagnostics) {
    let mut problems = Diagnostics::new();
    let Some(root) = tree::read(source, &mut problems) else { return (None, problems) };
    root.refuse_unknown("", &SECTIONS, &mut problems);
    let blueprint = Sections { source, root: &root, problems: &mut problems }.read();
    (Some(blueprint), problems)
}

/// Whether text may name something; says so in `problems` where it may not.
pub(super) fn check_name(name: &str, span: &Span, what: &str, problems: &mut Diagnostics) -> bool {
    let fits = is_identifier(name);
    if !fits {
        let detail = format!("`{name}` cannot name {what}");
        let problem = Diagnostic::error(Code::InvalidName, detail).at(span.clone());
        problems.push(problem.help("begin with a letter, then letters, digits, `_` and `-`"));
    }
    fits
}

/// The sections being read.
struct Sections<'a> {
    source: &'a Source,
    root: &'a Table,
    problems: &'a mut Diagnostics,
}

impl Sections<'_> {
    fn read(mut self) -> Blueprint {
        let [name, version, description] = self.head();
        let mut providers = self.providers();
        let resources = self.resources();
        for block in resources.values() {
            self.provider_of(block, &mut providers);
        }
        Blueprint {
            source: self.source.clone(),
            name,
            version,
            description,
            inputs: self.inputs(),
            limits: self.limits(),
            governance: self.governance(),
            integrations: self.integrations(),
            providers,
            locals: self.locals(),
            resources,
            outputs: self.outputs(),
        }
    }

    /// The entries of a section whose keys are the user's own names, wrong names reported.
    fn named(&mut self, section: &str, what: &str) -> Vec<(String, Entry)> {
        let Some(entry) = self.root.entries.get(section) else { return Vec::new() };
        let table = entry.item.table(section, self.problems);
        let entries: Vec<_> = table
            .into_iter()
            .flat_map(|t| &t.entries)
            .map(|(n, e)| (n.clone(), e.clone()))
            .collect();
        for (name, entry) in &entries {
            check_name(name, &entry.key, what, self.problems);
        }
        entries
    }

    /// Name, version and description.
    fn head(&mut self) -> [String; 3] {
        const HELP: &str = "begin with [blueprint], and name, version and description in it";
        const KEYS: [&str; 3] = ["name", "version", "description"];
        let none = KEYS.map(|_| String::new());
        let Some(entry) = self.root.required("", "blueprint", HELP, self.problems) else {
            return none;
        };
        let Some(table) = entry.item.table("blueprint", self.problems) else { return none };
        table.refuse_unknown("blueprint", &KEYS, self.problems);
        KEYS.map(|key| {
            let help = match key {
                "name" => "name = \"sandbox\"",
                "version" => "version = \"1.0.0\"",
                _ => "say in a sentence what it is for: description = \"…\"",
            };
            let entry = table.required("blueprint", key, help, self.problems);
            let text = entry.and_then(|e| e.item.text(&format!("blueprint.{key}"), self.problems));
            let Some(text) = text else { return String::new() };
            self.head_value(key, &text);
            text.value
        })
    }

    fn head_value(&mut self, key: &str, text: &Spanned<String>) {
        match key {
            "name" => {
                check_name(&text.value, &text.span, "a blueprint", self.problems);
            }
            "version" => {
                let numbers: Vec<&str> = text.value.split('.').collect();
                let whole = |number: &&str| provider_source::is_version_number(number);
                if numbers.len() != 3 || !numbers.iter().all(whole) {
                    let detail = format!("`{}` is not a version of three numbers", text.value);
                    let problem = Diagnostic::error(Code::InvalidVersion, detail);
                    self.problems
                        .push(problem.at(text.span.clone()).help("write it like \"1.2.0\""));
                }
            }
            _ if text.value.trim().is_empty() => {
                let detail = "`blueprint.description` is empty";
                let problem = Diagnostic::error(Code::MissingKey, detail).at(text.span.clone());
                self.problems.push(problem.help("say in a sentence what it is for"));
            }
            _ => {}
        }
    }

    fn inputs(&mut self) -> BTreeMap<String, super::InputDeclaration> {
        let entries = self.named("inputs", "an input");
        let mut inputs = BTreeMap::new();
        for (name, entry) in entries {
            let declared = declaration::read(&name, &entry, self.problems);
            inputs.insert(name, declared);
        }
        inputs
    }

    fn limits(&mut self) -> Spanned<Limits> {
        let Some(entry) = self.root.entries.get("limits") else {
            return Spanned { value: Limits::default(), span: self.root.span.clone() };
        };
        let value = match entry.item.table("limits", self.problems) {
            Some(table) => limits::read(table, self.problems),
            None => Limits::default(),
        };
        Spanned { value, span: entry.item.span.clone() }
    }

    fn governance(&mut self) -> Governance {
        let mut governance = Governance::default();
        let Some(entry) = self.root.entries.get("governance") else { return governance };
        let Some(table) = entry.item.table("governance", self.problems) else { return governance };
        table.refuse_unknown("governance", &["policies", "compliance"], self.problems);
        if let Some(entry) = table.entries.get("policies") {
            governance.policies = entry.item.texts("governance.policies", self.problems);
        }
        for policy in &governance.policies {
            if POLICIES.contains(&policy.value.as_str()) {
                continue;
            }
            let help = match nearest(&policy.value, POLICIES.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("gov has: {}", POLICIES.join(", ")),
            };
            let detail = format!("there is no policy \"{}\"", policy.value);
            let problem = Diagnostic::error(Code::UnknownPolicy, detail);
            self.problems.push(problem.at(policy.span.clone()).help(help));
        }
        if let Some(entry) = table.entries.get("compliance") {
            for scope in entry.item.texts("governance.compliance", self.problems) {
                check_name(&scope.value, &scope.span, "a compliance scope", self.problems);
                governance.compliance.insert(scope.value);
            }
        }
        governance
    }

    fn integrations(&mut self) -> BTreeMap<String, Integration> {
        let entries = self.named("integrations", "an integration");
        let mut integrations = BTreeMap::new();
        for (name, entry) in entries {
            if let Some(integration) = self.integration(&name, &entry) {
                integrations.insert(name, integration);
            }
        }
        integrations
    }

    fn integration(&mut self, name: &str, entry: &Entry) -> Option<Integration> {
        let place = format!("integrations.{name}");
        let table = entry.item.table(&place, self.problems)?;
        table.refuse_unknown(&place, &["endpoint", "data_class"], self.problems);
        let help = "endpoint = \"https://db.example\"";
        let endpoint = table
            .required(&place, "endpoint", help, self.problems)
            .and_then(|entry| entry.item.text(&format!("{place}.endpoint"), self.problems));
        let data_class = table
            .entries
            .get("data_class")
            .and_then(|entry| entry.item.text(&format!("{place}.data_class"), self.problems));
        let endpoint = endpoint?;
        match endpoint::normalize(&endpoint.value) {
            Ok(normal) => Some(Integration {
                span: entry.item.span.clone(),
                endpoint: normal,
                data_class: data_class.map(|class| class.value),
            }),
            // The text is not repeated: it may carry a password.
            Err(error) => {
                let detail = format!("the endpoint of `{place}` is refused: {error}");
                let problem = Diagnostic::error(Code::InvalidEndpoint, detail).at(endpoint.span);
                self.problems.push(problem.help("write scheme and host: \"https://db.example\""));
                None
            }
        }
    }

    fn providers(&mut self) -> BTreeMap<String, ProviderDeclaration> {
        let entries = self.named("providers", "a provider");
        let mut providers = BTreeMap::new();
        for (name, entry) in entries {
            if let Some(provider) = self.provider(&name, &entry) {
                providers.insert(name, provider);
            }
        }
        providers
    }

    fn provider(&mut self, name: &str, entry: &Entry) -> Option<ProviderDeclaration> {
        let place = format!("providers.{name}");
        let table = entry.item.table(&place, self.problems)?;
        self.provider_keys(&place, table);
        let text = |key: &str, problems: &mut Diagnostics| {
            let entry = table.entries.get(key)?;
            entry.item.text(&format!("{place}.{key}"), problems)
        };
        let source = match text("source", self.problems) {
            Some(text) => self.source_of(&text).unwrap_or_else(|| provider_source::implied(name)),
            None => provider_source::implied(name),
        };
        let version = text("version", self.problems);
        if let Some(version) = &version {
            self.version_of(&source, version);
        }
        let config = match table.entries.get("config") {
            Some(entry) => entry.item.table(&format!("{place}.config"), self.problems),
            None => None,
        };
        let config = match config {
            Some(table) => node::body(table, &[], self.problems),
            None => Body::default(),
        };
        let version = version.map(|version| version.value);
        Some(ProviderDeclaration { span: entry.item.span.clone(), source, version, config })
    }

    /// Refuses keys beside the known ones: most likely they are meant as configuration.
    fn provider_keys(&mut self, place: &str, table: &Table) {
        const KEYS: [&str; 3] = ["source", "version", "config"];
        for (name, entry) in &table.entries {
            if KEYS.contains(&name.as_str()) {
                continue;
            }
            let detail = format!("`{place}` has no key `{name}`");
            let problem = Diagnostic::error(Code::UnknownKey, detail).at(entry.key.clone());
            self.problems.push(problem.help(format!(
                "what configures the provider goes under [{place}.config]; beside that are {}",
                KEYS.join(", ")
            )));
        }
    }

    fn source_of(&mut self, text: &Spanned<String>) -> Option<String> {
        match provider_source::whole(&text.value) {
            Ok(source) => Some(source),
            Err(refusal) => {
                let code = if refusal.unknown { Code::UnknownProvider } else { Code::InvalidName };
                let problem = Diagnostic::error(code, refusal.detail).at(text.span.clone());
                self.problems.push(problem.help(refusal.help));
                None
            }
        }
    }

    fn version_of(&mut self, source: &str, version: &Spanned<String>) {
        let problem = if provider_source::is_builtin(source) {
            Diagnostic::error(Code::InvalidVersion, format!("`{source}` has no version of its own"))
                .help("it comes with gov; remove the line")
        } else {
            match provider_source::check_constraint(&version.value) {
                Ok(()) => return,
                Err(refusal) => {
                    Diagnostic::error(Code::InvalidVersion, refusal.detail).help(refusal.help)
                }
            }
        };
        self.problems.push(problem.at(version.span.clone()));
    }

    fn locals(&mut self) -> BTreeMap<String, Spanned<Node>> {
        let entries = self.named("locals", "a local");
        let node = |(name, entry): (String, Entry)| {
            let node = node::read(&entry.item, &name, Tables::Plain, self.problems);
            (name, node)
        };
        entries.into_iter().map(node).collect()
    }

    fn resources(&mut self) -> BTreeMap<crate::model::address::ResourceName, ResourceBlock> {
        let mut blocks = BTreeMap::new();
        for (section, mode) in [("resource", Mode::Managed), ("data", Mode::Data)] {
            if let Some(entry) = self.root.entries.get(section) {
                resource::read(mode, entry, &mut blocks, self.problems);
            }
        }
        blocks
    }

    /// Checks that a block's provider configuration is there, and adds a built-in one in default.
    fn provider_of(
        &mut self,
        block: &ResourceBlock,
        providers: &mut BTreeMap<String, ProviderDeclaration>,
    ) {
        let name = &block.provider.value;
        if providers.contains_key(name) || self.is_declared(name) {
            return;
        }
        let span = block.provider.span.clone();
        if BUILTIN_PROVIDERS.contains(&name.as_str()) {
            let source = provider_source::implied(name);
            let config = Body::default();
            providers
                .insert(name.clone(), ProviderDeclaration { span, source, version: None, config });
            return;
        }
        // What is dropped anyway is not worth a search among thousands of names.
        if self.problems.len() >= DIAGNOSTICS_MAX {
            return;
        }
        let known = providers.keys().map(String::as_str).chain(BUILTIN_PROVIDERS.iter().copied());
        let help = match nearest(name, known) {
            Some(near) => format!("did you mean `{near}`? Else declare [providers.{name}]"),
            None => format!("declare it: [providers.{name}] with source = \"NAMESPACE/{name}\""),
        };
        let detail = format!("`{}` needs the provider `{name}`, which is not declared", block.name);
        let problem = Diagnostic::error(Code::UnknownProvider, detail).at(span);
        self.problems.push(problem.help(help));
    }

    /// Whether a declaration stands there, even one too broken to be read.
    fn is_declared(&self, provider: &str) -> bool {
        match self.root.entries.get("providers").map(|entry| &entry.item.kind) {
            Some(tree::Kind::Table(table)) => table.entries.contains_key(provider),
            _ => false,
        }
    }

    fn outputs(&mut self) -> BTreeMap<String, OutputDeclaration> {
        let entries = self.named("outputs", "an output");
        let mut outputs = BTreeMap::new();
        for (name, entry) in entries {
            if let Some(output) = self.output(&name, &entry) {
                outputs.insert(name, output);
            }
        }
        outputs
    }

    fn output(&mut self, name: &str, entry: &Entry) -> Option<OutputDeclaration> {
        let place = format!("outputs.{name}");
        let table = entry.item.table(&place, self.problems)?;
        table.refuse_unknown(&place, &["value", "description", "sensitive"], self.problems);
        let help = "value = \"${TYPE.NAME.ATTRIBUTE}\"";
        let value = match table.required(&place, "value", help, self.problems) {
            Some(entry) => node::read(&entry.item, "value", Tables::Plain, self.problems),
            None => Spanned { value: Node::Literal(Value::null()), span: entry.item.span.clone() },
        };
        let description = table.entries.get("description");
        let description = description
            .and_then(|entry| entry.item.text(&format!("{place}.description"), self.problems));
        let sensitive = table.entries.get("sensitive");
        let sensitive = sensitive
            .and_then(|entry| entry.item.bool(&format!("{place}.sensitive"), self.problems));
        Some(OutputDeclaration {
            span: entry.item.span.clone(),
            description: description.map(|text| text.value).unwrap_or_default(),
            sensitive: sensitive.unwrap_or(false),
            value,
        })
    }
}
