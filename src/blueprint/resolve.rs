//! What can be checked of a blueprint without any value: references, and the order they make.
//!
//! Every reference is declared, every repetition is spoken of only where it is, and nothing depends
//! on itself. Whether an attribute exists is for schemas, what it is for evaluation; neither is
//! looked at here. Start with [`resolve`].

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use crate::blueprint::Blueprint;
use crate::blueprint::Body;
use crate::blueprint::Node;
use crate::blueprint::ResourceBlock;
use crate::blueprint::Spanned;
use crate::blueprint::expr::Reference;
use crate::diagnostic::Code;
use crate::diagnostic::DIAGNOSTICS_MAX;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Span;
use crate::graph::Cycle;
use crate::graph::Dag;
use crate::model::address::Mode;
use crate::model::address::ResourceName;
use crate::model::schema::nearest;

/// What `env.` has: facts of the environment that are known before anything is planned.
pub const ENV_ATTRIBUTES: &[&str] = &["name", "id", "owner", "team", "project", "purpose"];

/// The most cycles reported. Each is explained in full, and mending one often mends others.
const CYCLES_MAX: usize = 10;

/// What is evaluated as one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeId {
    /// A local.
    Local(String),
    /// A provider configuration.
    Provider(String),
    /// A block, with all its instances.
    Resource(ResourceName),
    /// An output.
    Output(String),
}

/// As written in the language: `local.root`, `provider.aws`, `local_file.a`, `output.x`.
impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(name) => write!(f, "local.{name}"),
            Self::Provider(name) => write!(f, "provider.{name}"),
            Self::Resource(name) => write!(f, "{name}"),
            Self::Output(name) => write!(f, "output.{name}"),
        }
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A blueprint's parts in their order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// Every local, provider, block and output, each after all that it needs.
    pub order: Vec<NodeId>,
    /// What needs what.
    pub graph: Dag<NodeId>,
    /// What each part refers to, outside its own `count`, `each` and iterators.
    pub references: BTreeMap<NodeId, BTreeSet<Reference>>,
}

impl Resolved {
    /// The blocks that a block comes after: those it or its provider's configuration refers to or
    /// names in `depends_on`, directly or through locals, but not through other blocks.
    #[must_use]
    pub fn resource_dependencies(&self, name: &ResourceName) -> BTreeSet<ResourceName> {
        let start = NodeId::Resource(name.clone());
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open: Vec<&NodeId> = self.graph.before(&start).collect();
        while let Some(node) = open.pop() {
            match node {
                NodeId::Resource(block) => {
                    found.insert(block.clone());
                }
                _ if seen.insert(node) => open.extend(self.graph.before(node)),
                _ => {}
            }
        }
        found
    }
}

/// Checks all references and orders what they connect.
///
/// # Errors
/// [`Code::UnknownReference`], [`Code::ReferenceCycle`]; all of them at once.
pub fn resolve(blueprint: &Blueprint) -> Result<(Resolved, Diagnostics), Diagnostics> {
    let mut walk = Walk {
        blueprint,
        problems: Diagnostics::new(),
        references: BTreeMap::new(),
        edges: BTreeMap::new(),
        iterators: BTreeSet::new(),
    };
    let bodies = blueprint.resources.values().map(|block| &block.body);
    for body in bodies.chain(blueprint.providers.values().map(|provider| &provider.config)) {
        body.members.values().for_each(|node| iterators(node, &mut walk.iterators));
    }
    for (name, node) in &blueprint.locals {
        walk.part(NodeId::Local(name.clone())).node(node);
    }
    for (name, provider) in &blueprint.providers {
        walk.part(NodeId::Provider(name.clone())).body(&provider.config);
    }
    for block in blueprint.resources.values() {
        walk.block(block);
    }
    for (name, output) in &blueprint.outputs {
        walk.part(NodeId::Output(name.clone())).node(&output.value);
    }
    walk.finish()
}

/// Adds the names of all iterators inside a node.
fn iterators(node: &Spanned<Node>, names: &mut BTreeSet<String>) {
    match &node.value {
        Node::Literal(_) | Node::Template(_) => {}
        Node::List(items) => items.iter().for_each(|item| iterators(item, names)),
        Node::Map(members) => members.values().for_each(|member| iterators(member, names)),
        Node::Repeated(repeated) => {
            names.insert(repeated.iterator.clone());
            iterators(&repeated.for_each, names);
            iterators(&repeated.content, names);
        }
    }
}

/// A walk over all parts.
struct Walk<'a> {
    blueprint: &'a Blueprint,
    problems: Diagnostics,
    references: BTreeMap<NodeId, BTreeSet<Reference>>,
    /// Later and earlier, with the places that say so.
    edges: BTreeMap<(NodeId, NodeId), Vec<Span>>,
    /// Iterators of all repeated blocks, for the advice given to who uses one outside of its own.
    iterators: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    fn part(&mut self, id: NodeId) -> Part<'_, 'a> {
        self.references.entry(id.clone()).or_default();
        Part { walk: self, id, iterators: BTreeSet::new(), repeats: Repeats::Never }
    }

    fn block(&mut self, block: &ResourceBlock) {
        let id = NodeId::Resource(block.name.clone());
        let mut part = self.part(id.clone());
        // What says how many there are cannot ask which of them it is.
        for node in [&block.count, &block.for_each].into_iter().flatten() {
            part.node(node);
        }
        part.repeats = match (&block.count, &block.for_each) {
            (None, None) => Repeats::No,
            (Some(_), None) => Repeats::Count,
            (_, Some(_)) => Repeats::Each,
        };
        part.body(&block.body);
        for target in &block.depends_on {
            if self.blueprint.resources.contains_key(&target.value) {
                let earlier = NodeId::Resource(target.value.clone());
                self.edge(&id, earlier, target.span.clone());
            } else {
                self.unknown_block(&target.value, &target.span);
            }
        }
        if self.blueprint.providers.contains_key(&block.provider.value) {
            let provider = NodeId::Provider(block.provider.value.clone());
            self.edge(&id, provider, block.provider.span.clone());
        }
    }

    /// Says that `later` needs `earlier`. Needing oneself is refused at once and makes no edge.
    fn edge(&mut self, later: &NodeId, earlier: NodeId, span: Span) {
        if *later == earlier {
            let detail = format!("{later} refers to itself");
            let problem = Diagnostic::error(Code::ReferenceCycle, detail).at(span);
            self.problems.push(problem.help("its own values are known only after it is made"));
            return;
        }
        self.edges.entry((later.clone(), earlier)).or_default().push(span);
    }

    fn unknown(&mut self, detail: String, span: &Span, help: String) {
        let problem = Diagnostic::error(Code::UnknownReference, detail).at(span.clone());
        self.problems.push(problem.help(help));
    }

    fn unknown_block(&mut self, name: &ResourceName, span: &Span) {
        // What is dropped anyway is not worth a search among thousands of names.
        if self.problems.len() >= DIAGNOSTICS_MAX {
            return;
        }
        let known: Vec<String> = self.blueprint.resources.keys().map(ToString::to_string).collect();
        let text = name.to_string();
        // `Display` of the two modes differs by a prefix that would drown the rest of the name.
        let other = match name.mode {
            Mode::Managed => ResourceName::data(&name.kind, &name.name),
            Mode::Data => ResourceName::managed(&name.kind, &name.name),
        };
        let help = if name.kind == "var" {
            format!("an input is reached as `input.{}`", name.name)
        } else if self.iterators.contains(&name.kind) {
            format!("the iterator `{}` has a meaning only inside its own block", name.kind)
        } else if self.blueprint.resources.contains_key(&other) {
            format!("did you mean `{other}`?")
        } else if let Some(near) = nearest(&text, known.iter().map(String::as_str)) {
            format!("did you mean `{near}`?")
        } else {
            let section = if name.mode == Mode::Data { "" } else { "resource." };
            format!("declare it: [{section}{name}]")
        };
        self.unknown(format!("`{name}` is not declared"), span, help);
    }

    fn unknown_name(
        &mut self,
        root: &str,
        name: &str,
        known: &[String],
        otherwise: &str,
        span: &Span,
    ) {
        if self.problems.len() >= DIAGNOSTICS_MAX {
            return;
        }
        let help = match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{root}.{near}`?"),
            None => otherwise.to_owned(),
        };
        self.unknown(format!("`{root}.{name}` is not declared"), span, help);
    }

    fn finish(mut self) -> Result<(Resolved, Diagnostics), Diagnostics> {
        let mut graph = Dag::new();
        for node in self.references.keys() {
            graph.add(node.clone());
        }
        for (later, earlier) in self.edges.keys() {
            graph.edge(later.clone(), earlier.clone());
        }
        let order = match graph.order() {
            Ok(order) => order,
            Err(cycle) => {
                self.cycles(cycle);
                Vec::new()
            }
        };
        let resolved = Resolved { order, graph, references: self.references };
        self.problems.into_result(resolved)
    }

    /// Reports a cycle, takes its nodes away, and looks for the next.
    fn cycles(&mut self, first: Cycle<NodeId>) {
        let mut taken: BTreeSet<NodeId> = BTreeSet::new();
        let mut next = Some(first);
        for _ in 0..CYCLES_MAX {
            let Some(cycle) = next.take() else { return };
            self.problems.push(self.explain(&cycle));
            taken.extend(cycle.0);
            let mut rest = Dag::new();
            for (later, earlier) in self.edges.keys() {
                if !taken.contains(later) && !taken.contains(earlier) {
                    rest.edge(later.clone(), earlier.clone());
                }
            }
            next = rest.order().err();
        }
    }

    fn explain(&self, cycle: &Cycle<NodeId>) -> Diagnostic {
        let detail = format!("each of these needs the next: {cycle}");
        let mut problem = Diagnostic::error(Code::ReferenceCycle, detail);
        let followers = cycle.0.iter().cycle().skip(1);
        for (later, earlier) in cycle.0.iter().zip(followers) {
            let spans = self.edges.get(&(later.clone(), earlier.clone()));
            if let Some(span) = spans.and_then(|spans| spans.first()) {
                problem = problem.label(span.clone(), format!("{later} needs {earlier}"));
            }
        }
        problem.help("take one of these references away, or put what both need into a third place")
    }
}

/// Which words for the present instance have a meaning.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeats {
    /// Not a block, or what says how many.
    Never,
    /// A block that is there once.
    No,
    /// A block with `count`.
    Count,
    /// A block with `for_each`.
    Each,
}

/// One part under way.
struct Part<'w, 'a> {
    walk: &'w mut Walk<'a>,
    id: NodeId,
    iterators: BTreeSet<String>,
    repeats: Repeats,
}

impl Part<'_, '_> {
    fn body(&mut self, body: &Body) {
        for node in body.members.values() {
            self.node(node);
        }
    }

    fn node(&mut self, node: &Spanned<Node>) {
        match &node.value {
            Node::Literal(_) => {}
            Node::List(items) => items.iter().for_each(|item| self.node(item)),
            Node::Map(members) => members.values().for_each(|member| self.node(member)),
            Node::Repeated(repeated) => {
                self.node(&repeated.for_each);
                let added = self.iterators.insert(repeated.iterator.clone());
                self.node(&repeated.content);
                if added {
                    self.iterators.remove(&repeated.iterator);
                }
            }
            Node::Template(template) => {
                for (reference, span) in template.references(&self.iterators) {
                    self.reference(reference, span);
                }
            }
        }
    }

    fn reference(&mut self, reference: Reference, span: Span) {
        let blueprint = self.walk.blueprint;
        let names = |map: &mut dyn Iterator<Item = &String>| map.cloned().collect::<Vec<_>>();
        match &reference {
            Reference::Input(name) if !blueprint.inputs.contains_key(name) => {
                let known = names(&mut blueprint.inputs.keys());
                let help = format!("declare it: [inputs.{name}] with a type");
                self.walk.unknown_name("input", name, &known, &help, &span);
            }
            Reference::Local(name) if !blueprint.locals.contains_key(name) => {
                let known = names(&mut blueprint.locals.keys());
                let help = format!("declare it under [locals]: {name} = …");
                self.walk.unknown_name("local", name, &known, &help, &span);
            }
            Reference::Env(name) if !ENV_ATTRIBUTES.contains(&name.as_str()) => {
                let known: Vec<String> = ENV_ATTRIBUTES.iter().map(ToString::to_string).collect();
                let help = format!("`env` has: {}", ENV_ATTRIBUTES.join(", "));
                self.walk.unknown_name("env", name, &known, &help, &span);
            }
            Reference::Resource(name) if !blueprint.resources.contains_key(name) => {
                self.walk.unknown_block(name, &span);
            }
            Reference::Count | Reference::Each => return self.instance(&reference, &span),
            Reference::Iterator(name) if self.iterators.contains(name) => return,
            Reference::Iterator(name) => return self.unknown_word(name, &span),
            Reference::Local(name) => {
                self.walk.edge(&self.id, NodeId::Local(name.clone()), span);
            }
            Reference::Resource(name) => {
                self.walk.edge(&self.id, NodeId::Resource(name.clone()), span);
            }
            Reference::Input(_) | Reference::Env(_) => {}
        }
        self.walk.references.entry(self.id.clone()).or_default().insert(reference);
    }

    /// A word that begins no reference and names no iterator around.
    fn unknown_word(&mut self, name: &str, span: &Span) {
        let around = self.iterators.iter().map(String::as_str);
        let help = if self.walk.iterators.contains(name) {
            format!("the iterator `{name}` has a meaning only inside its own block")
        } else if let Some(near) = nearest(name, around) {
            format!("did you mean `{near}`?")
        } else {
            "refer to `input.NAME`, `local.NAME`, `env.NAME` or `TYPE.NAME`".to_owned()
        };
        self.walk.unknown(format!("`{name}` is not declared"), span, help);
    }

    /// `count` and `each` have a meaning only where there is something to count.
    fn instance(&mut self, reference: &Reference, span: &Span) {
        let (word, need) = match reference {
            Reference::Count => ("count", Repeats::Count),
            _ => ("each", Repeats::Each),
        };
        // A repeated block inside one that is there once takes `each` for its own items.
        let inside = word == "each" && !self.iterators.is_empty();
        if self.repeats == need || inside {
            return;
        }
        let key = if word == "count" { "count" } else { "for_each" };
        let help = match self.repeats {
            Repeats::Never => format!("use `{word}` only inside a resource that has `{key}`"),
            Repeats::No => format!("give the block a `{key}`"),
            Repeats::Count => "the block has `count`: use `count.index`".to_owned(),
            Repeats::Each => "the block has `for_each`: use `each.key`, `each.value`".to_owned(),
        };
        self.walk.unknown(format!("`{word}` has no meaning in {}", self.id), span, help);
    }
}

#[cfg(test)]
mod tests {
    use super::NodeId;
    use super::Resolved;
    use super::resolve;
    use crate::blueprint::expr::Reference;
    use crate::blueprint::parse::parse;
    use crate::diagnostic::Code;
    use crate::diagnostic::Diagnostics;
    use crate::diagnostic::Source;
    use crate::model::address::ResourceName;

    const HEAD: &str = "[blueprint]\nname = \"t\"\nversion = \"1.0.0\"\ndescription = \"d\"\n";

    fn resolved(text: &str) -> Result<Resolved, Diagnostics> {
        let (blueprint, _) = parse(&Source::new("t", format!("{HEAD}{text}")))?;
        resolve(&blueprint).map(|(resolved, _)| resolved)
    }

    #[test]
    fn order_follows_references_through_locals_and_providers() {
        let text = r#"
            [locals]
            folder = "${local_directory.d.path}"
            [providers.sim.config]
            seed = "${local.folder}"
            [resource.local_directory.d]
            path = "work"
            [resource.sim_disk.a]
            [resource.local_file.f]
            path = "${local.folder}/f"
            depends_on = ["sim_disk.a"]
            [outputs.o]
            value = "${local_file.f.path}"
        "#;
        let resolved = resolved(text).unwrap();
        let order: Vec<String> = resolved.order.iter().map(ToString::to_string).collect();
        let want = [
            "provider.local",
            "local_directory.d",
            "local.folder",
            "provider.sim",
            "sim_disk.a",
            "local_file.f",
            "output.o",
        ];
        assert_eq!(order, want);
        let names = |kind: &str, name: &str| {
            let found = resolved.resource_dependencies(&ResourceName::managed(kind, name));
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names("local_file", "f"), ["local_directory.d", "sim_disk.a"]);
        assert_eq!(names("sim_disk", "a"), ["local_directory.d"]);
        assert!(names("local_directory", "d").is_empty());
        let references = &resolved.references[&NodeId::Local("folder".into())];
        let directory = ResourceName::managed("local_directory", "d");
        assert!(references.contains(&Reference::Resource(directory)));
    }

    #[test]
    fn every_cycle_is_shown_as_the_path_it_runs_along() {
        let text = r#"
            [locals]
            a = "${local.b}"
            b = ["${local.c}"]
            c = { x = "${local.a}" }
            own = "${local.own}"
            [resource.local_file.x]
            path = "${local_file.y.path}"
            [resource.local_file.y]
            depends_on = ["local_file.x"]
        "#;
        let problems = resolved(text).unwrap_err().into_sorted();
        assert!(problems.iter().all(|p| p.code == Code::ReferenceCycle));
        let mut details: Vec<&str> = problems.iter().map(|p| p.detail.as_str()).collect();
        details.sort_unstable();
        let want = [
            "each of these needs the next: local.a → local.b → local.c → local.a",
            "each of these needs the next: local_file.x → local_file.y → local_file.x",
            "local.own refers to itself",
        ];
        assert_eq!(details, want);
        let long = problems.iter().find(|p| p.detail.contains("local.c")).unwrap();
        let labels: Vec<&str> = long.spans.iter().map(|(_, label)| label.as_str()).collect();
        let want = ["local.a needs local.b", "local.b needs local.c", "local.c needs local.a"];
        assert_eq!(labels, want);
        assert_eq!(long.spans[0].0.line_column().0, 7);
    }

    #[test]
    fn words_for_the_instance_are_kept_to_where_they_mean_something() {
        let repeated = r#"
            [resource.sim_rule.a]
            [[resource.sim_rule.a.port]]
            for_each = [1, 2]
            from = "${port.value}"
            to = "${each.value}"
            [resource.sim_rule.b]
            count = 2
            index = "${count.index}"
            [resource.sim_rule.c]
            for_each = ["x"]
            key = "${each.key}"
        "#;
        assert!(resolved(repeated).is_ok());
        for wrong in [
            "[locals]\na = \"${count.index}\"",
            "[resource.sim_rule.a]\nx = \"${each.key}\"",
            "[resource.sim_rule.a]\ncount = \"${count.index}\"",
            "[resource.sim_rule.a]\ncount = 1\nx = \"${each.key}\"",
            "[resource.sim_rule.a]\nx = \"${port.value}\"\nport = { for_each = [1], y = 1 }",
            "[resource.sim_rule.a]\nport = { for_each = [\"${port.value}\"], y = 1 }",
        ] {
            let problems = resolved(wrong).unwrap_err().into_sorted();
            assert_eq!(problems.len(), 1, "{wrong}");
            assert_eq!(problems[0].code, Code::UnknownReference, "{wrong}");
        }
    }
}
