//! A directed graph without cycles: order of evaluation, order of execution.
//!
//! It knows nodes and edges and nothing of what they stand for. Everything it returns is ordered.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Display;

/// A graph of nodes `N`; an edge says that a node comes after another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dag<N: Ord> {
    /// Each node with the nodes it comes after.
    after: BTreeMap<N, BTreeSet<N>>,
}

/// A path that leads back to where it began.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cycle<N>(
    /// The nodes on the path, the first one again at the end left out.
    pub Vec<N>,
);

impl<N: Display> Display for Cycle<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for node in &self.0 {
            write!(f, "{node} → ")?;
        }
        self.0.first().map_or(Ok(()), |first| write!(f, "{first}"))
    }
}

impl<N: Ord> Default for Dag<N> {
    fn default() -> Self {
        Self { after: BTreeMap::new() }
    }
}

impl<N: Ord + Clone> Dag<N> {
    /// A graph without nodes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node, if it is not there.
    pub fn add(&mut self, node: N) {
        self.after.entry(node).or_default();
    }

    /// Says that `later` comes after `earlier`; adds both.
    pub fn edge(&mut self, later: N, earlier: N) {
        self.add(earlier.clone());
        self.after.entry(later).or_default().insert(earlier);
    }

    /// The nodes, in their own order.
    pub fn nodes(&self) -> impl Iterator<Item = &N> {
        self.after.keys()
    }

    /// What a node comes directly after.
    pub fn before(&self, node: &N) -> impl Iterator<Item = &N> {
        self.after.get(node).into_iter().flatten()
    }

    /// Every node that `node` comes after, directly or not.
    #[must_use]
    pub fn ancestors(&self, node: &N) -> BTreeSet<N> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&N> = self.before(node).collect();
        while let Some(next) = open.pop() {
            if found.insert(next.clone()) {
                open.extend(self.before(next));
            }
        }
        found
    }

    /// The nodes in an order in which each comes after all it must; ties in the nodes' own order.
    ///
    /// # Errors
    /// A [`Cycle`], the path it runs along.
    pub fn order(&self) -> Result<Vec<N>, Cycle<N>> {
        let mut waits: BTreeMap<&N, usize> =
            self.after.iter().map(|(node, before)| (node, before.len())).collect();
        let mut followers: BTreeMap<&N, Vec<&N>> = BTreeMap::new();
        for (node, before) in &self.after {
            for earlier in before {
                followers.entry(earlier).or_default().push(node);
            }
        }
        let mut ready: BTreeSet<&N> =
            waits.iter().filter(|(_, count)| **count == 0).map(|(node, _)| *node).collect();
        let mut order = Vec::with_capacity(self.after.len());
        while let Some(node) = ready.pop_first() {
            order.push(node.clone());
            for follower in followers.get(node).into_iter().flatten() {
                if let Some(count) = waits.get_mut(follower) {
                    *count -= 1;
                    if *count == 0 {
                        ready.insert(follower);
                    }
                }
            }
        }
        if order.len() == self.after.len() { Ok(order) } else { Err(self.cycle(&order)) }
    }

    /// A cycle among the nodes that could not be ordered: from any of them, following what it
    /// waits for must come round, for each waits for another of them.
    fn cycle(&self, ordered: &[N]) -> Cycle<N> {
        let done: BTreeSet<&N> = ordered.iter().collect();
        let mut path: Vec<&N> = Vec::new();
        let mut next = self.after.keys().find(|node| !done.contains(node));
        while let Some(node) = next {
            if let Some(start) = path.iter().position(|seen| *seen == node) {
                return Cycle(path.into_iter().skip(start).cloned().collect());
            }
            path.push(node);
            next = self.before(node).find(|earlier| !done.contains(earlier));
        }
        Cycle(path.into_iter().cloned().collect())
    }

    /// The graph in Graphviz's language, an arrow from each node to what it comes after.
    #[must_use]
    pub fn dot(&self, label: impl Fn(&N) -> String) -> String {
        let quote = |node: &N| serde_json::Value::String(label(node)).to_string();
        let mut text = String::from("digraph {\n  rankdir = \"LR\"\n");
        for (node, before) in &self.after {
            text.push_str(&format!("  {}\n", quote(node)));
            for earlier in before {
                text.push_str(&format!("  {} -> {}\n", quote(node), quote(earlier)));
            }
        }
        text.push_str("}\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Dag;

    #[test]
    fn order_is_stable_and_cycles_are_shown() {
        let mut dag = Dag::new();
        dag.edge("c", "a");
        dag.edge("b", "a");
        dag.add("d");
        assert_eq!(dag.order().unwrap(), ["a", "b", "c", "d"]);
        dag.edge("a", "c");
        assert_eq!(dag.order().unwrap_err().to_string(), "a → c → a");
        assert_eq!(dag.ancestors(&"b").len(), 2);
    }
}
