//! The order of execution: which step comes after which.
//!
//! What is made comes after what it is made from; what is deleted goes before what it was made
//! from. A replacement deletes first unless the block, or anything made from it, asks for the
//! new one first.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::graph::Cycle;
use crate::graph::Dag;
use crate::model::address::Address;
use crate::model::address::ResourceName;
use crate::model::plan::Action;
use crate::model::plan::Change;
use crate::model::plan::Step;
use crate::model::plan::StepAction;
use crate::model::plan::StepId;

/// Where a change stands among the changes.
type Index = usize;

/// The two things a change can consist of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Half {
    Delete,
    Forward,
}

/// One half of one change, before it has a number.
type Node = (Index, Half);

/// Pairs of a later and an earlier node.
type Edges = Vec<(Node, Node)>;

/// Which blocks were made from which, as the books say: what deletes must respect.
pub type Recorded = BTreeMap<Address, BTreeSet<ResourceName>>;

/// Marks replacements that must be made before the old object goes: those made from others that
/// are, too, since an object cannot be deleted while a new one still needs it.
pub fn spread_create_before_destroy(changes: &mut [Change]) {
    loop {
        let wanted: BTreeSet<ResourceName> = changes
            .iter()
            .filter(|change| change.create_before_destroy)
            .flat_map(|change| change.dependencies.iter().cloned())
            .collect();
        let mut spread = false;
        for change in changes.iter_mut() {
            if !change.create_before_destroy && wanted.contains(&change.address.resource) {
                change.create_before_destroy = true;
                spread = true;
            }
        }
        if !spread {
            return;
        }
    }
}

/// Puts changes in order.
///
/// # Errors
/// A [`Cycle`] of addresses, where the books and the blueprint contradict each other.
pub fn order(changes: &[Change], recorded: &Recorded) -> Result<Vec<Step>, Cycle<String>> {
    let plan = Ordering::new(changes, recorded);
    let mut dag: Dag<Node> = Dag::new();
    for node in plan.halves.iter().flat_map(|(index, halves)| halves.iter().map(|h| (*index, *h))) {
        dag.add(node);
    }
    let (edges, wishes) = plan.edges();
    for (later, earlier) in edges {
        dag.edge(later, earlier);
    }
    for (later, earlier) in wishes {
        // An object that has to go before another can come cannot wait for all to let go of it.
        if !dag.ancestors(&earlier).contains(&later) {
            dag.edge(later, earlier);
        }
    }
    let order = dag.order().map_err(|cycle| {
        Cycle(cycle.0.iter().map(|(index, half)| plan.describe(*index, *half)).collect())
    })?;
    let mut numbers: BTreeMap<Node, StepId> = BTreeMap::new();
    for (number, node) in order.iter().enumerate() {
        numbers.insert(*node, StepId(u32::try_from(number).unwrap_or(u32::MAX)));
    }
    let step = |node: &Node| {
        let change = changes.get(node.0)?;
        Some(Step {
            id: *numbers.get(node)?,
            action: action(change, node.1)?,
            change: u32::try_from(node.0).ok()?,
            after: dag.before(node).filter_map(|before| numbers.get(before).copied()).collect(),
        })
    };
    Ok(order.iter().filter_map(step).collect())
}

fn action(change: &Change, half: Half) -> Option<StepAction> {
    Some(match (change.action, half) {
        (Action::Create, _) => StepAction::Create,
        (Action::Update, _) => StepAction::Update,
        (Action::Read, _) => StepAction::Read,
        (Action::Replace, Half::Forward) if change.create_before_destroy => {
            StepAction::CreateBeside
        }
        (Action::Replace, Half::Forward) => StepAction::Create,
        (Action::Replace, Half::Delete) if change.create_before_destroy => {
            StepAction::DeleteDeposed
        }
        (Action::Replace, Half::Delete) => StepAction::Delete,
        (Action::Delete, _) if change.deposed.is_some() => StepAction::DeleteDeposed,
        (Action::Delete, _) => StepAction::Delete,
        (Action::NoOp | Action::Hold, _) => return None,
    })
}

/// Changes with what is needed to find each other.
struct Ordering<'a> {
    changes: &'a [Change],
    recorded: &'a Recorded,
    halves: BTreeMap<Index, Vec<Half>>,
    by_block: BTreeMap<&'a ResourceName, Vec<Index>>,
}

impl<'a> Ordering<'a> {
    fn new(changes: &'a [Change], recorded: &'a Recorded) -> Self {
        let mut by_block: BTreeMap<&ResourceName, Vec<Index>> = BTreeMap::new();
        let mut halves = BTreeMap::new();
        for (index, change) in changes.iter().enumerate() {
            by_block.entry(&change.address.resource).or_default().push(index);
            let parts = match change.action {
                Action::Create | Action::Update | Action::Read => vec![Half::Forward],
                Action::Replace => vec![Half::Delete, Half::Forward],
                Action::Delete => vec![Half::Delete],
                Action::NoOp | Action::Hold => continue,
            };
            halves.insert(index, parts);
        }
        Self { changes, recorded, halves, by_block }
    }

    fn has(&self, index: Index, half: Half) -> bool {
        self.halves.get(&index).is_some_and(|halves| halves.contains(&half))
    }

    fn describe(&self, index: Index, half: Half) -> String {
        let address = self.changes.get(index).map(|change| change.address.to_string());
        let verb = if half == Half::Delete { "delete" } else { "make" };
        format!("{verb} {}", address.unwrap_or_default())
    }

    /// Every pair (later, earlier): those that must hold, and those that are wished for.
    fn edges(&self) -> (Edges, Edges) {
        let mut edges = Vec::new();
        let mut wishes = Vec::new();
        let mut memo = BTreeMap::new();
        for (index, change) in self.changes.iter().enumerate() {
            if self.has(index, Half::Forward) {
                for earlier in self.made_from(&change.dependencies, &mut memo) {
                    edges.push(((index, Half::Forward), (earlier, Half::Forward)));
                }
            }
            if change.action == Action::Replace {
                let (later, earlier) = if change.create_before_destroy {
                    (Half::Delete, Half::Forward)
                } else {
                    (Half::Forward, Half::Delete)
                };
                edges.push(((index, later), (index, earlier)));
            }
            self.delete_edges(index, change, &mut edges, &mut wishes);
        }
        (edges, wishes)
    }

    /// The changes with a forward half that these blocks consist of, looking through those
    /// without one to what they were made from.
    fn made_from(
        &self,
        blocks: &BTreeSet<ResourceName>,
        memo: &mut BTreeMap<ResourceName, BTreeSet<Index>>,
    ) -> BTreeSet<Index> {
        let mut found = BTreeSet::new();
        for block in blocks {
            if let Some(known) = memo.get(block) {
                found.extend(known);
                continue;
            }
            // Set before descending: the blueprint's graph has no cycles, the books might.
            memo.insert(block.clone(), BTreeSet::new());
            let mut own = BTreeSet::new();
            for index in self.by_block.get(block).into_iter().flatten() {
                if self.has(*index, Half::Forward) {
                    own.insert(*index);
                } else if let Some(change) = self.changes.get(*index) {
                    own.extend(self.made_from(&change.dependencies, memo));
                }
            }
            found.extend(&own);
            memo.insert(block.clone(), own);
        }
        found
    }

    /// What was made from this change's old object goes, or lets go of it, first.
    fn delete_edges(&self, index: Index, change: &Change, edges: &mut Edges, wishes: &mut Edges) {
        let Some(made_from) = self.recorded.get(&change.address) else { return };
        for earlier in made_from.iter().flat_map(|block| self.by_block.get(block)).flatten() {
            let Some(other) = self.changes.get(*earlier) else { continue };
            if *earlier == index || !self.has(*earlier, Half::Delete) {
                continue;
            }
            if self.has(index, Half::Delete) {
                edges.push(((*earlier, Half::Delete), (index, Half::Delete)));
            }
            // An update lets go of the old object before it is deleted, unless the old one has to
            // go before the new one that the update needs can come.
            let waits_for_new = change.dependencies.contains(&other.address.resource)
                && other.action == Action::Replace
                && !other.create_before_destroy;
            if self.has(index, Half::Forward) && !waits_for_new {
                wishes.push(((*earlier, Half::Delete), (index, Half::Forward)));
            }
        }
    }
}
