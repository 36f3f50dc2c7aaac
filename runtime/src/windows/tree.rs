//! [`Tree`]: slices merged two by two, so that a window of many is put together from few tables.
//!
//! Slices are numbered in the order of their ends. The node `(level, index)` has the rows of the slices from `index << level` to before
//! `(index + 1) << level`; those of level 0 are the slices themselves. A range of n slices is covered by at most `2 * log2(n)` nodes.

use std::{collections::BTreeMap, ops::Range};

use millstream_core::{aggregate::Aggregate, key::Key, record::Record};
use millstream_state::{
    row::ByKey,
    table::{Cursor, Table},
};

/// Level and index.
pub(super) type Node = (u32, u64);

/// The numbers of the slices in a node.
fn range_of((level, index): Node) -> Range<u64> {
    index << level..(index + 1) << level
}

/// The nodes above the slices, as far as windows have asked for them. They can be made again from the slices, so they are part of no checkpoint.
pub(super) struct Tree<K: Key, V: Record> {
    nodes: BTreeMap<Node, Table<ByKey<K>, V>>,
    /// What is being made.
    growing: Option<Growing<K, V>>,
    /// What the nodes of the cover come to that has been asked for last, if they are several.
    whole: Option<Table<ByKey<K>, V>>,
}

struct Growing<K: Key, V: Record> {
    /// Which node it is; none if it is what a cover comes to.
    node: Option<Node>,
    table: Table<ByKey<K>, V>,
    /// Which nodes are merged, which of them is being, and how far that is.
    from: Vec<Node>,
    at: usize,
    cursor: Cursor,
}

impl<K: Key, V: Record> Default for Tree<K, V> {
    fn default() -> Self {
        Self { nodes: BTreeMap::new(), growing: None, whole: None }
    }
}

/// The two nodes below one.
fn below((level, index): Node) -> [Node; 2] {
    [(level - 1, 2 * index), (level - 1, 2 * index + 1)]
}

/// The largest nodes that cover a range of slices together, from the first to the last of them.
pub(super) fn cover(slices: Range<u64>) -> Vec<Node> {
    let (mut from, mut to, mut level) = (slices.start, slices.end, 0);
    let (mut front, mut back) = (Vec::new(), Vec::new());
    while from < to {
        if from & 1 == 1 {
            front.push((level, from));
            from += 1;
        }
        if to & 1 == 1 {
            to -= 1;
            back.push((level, to));
        }
        (from, to, level) = (from >> 1, to >> 1, level + 1);
    }
    front.extend(back.into_iter().rev());
    front
}

impl<K: Key, V: Record> Tree<K, V> {
    /// A node's rows, if it has been made; of a slice `slice` has them.
    pub(super) fn get<'t>(
        &'t self,
        node: Node,
        slice: impl Fn(u64) -> &'t Table<ByKey<K>, V>,
    ) -> Option<&'t Table<ByKey<K>, V>> {
        if node.0 == 0 { Some(slice(node.1)) } else { self.nodes.get(&node) }
    }

    /// The lowest node that is missing for this one.
    fn missing(&self, node: Node) -> Option<Node> {
        if node.0 == 0 || self.nodes.contains_key(&node) {
            return None;
        }
        below(node).into_iter().find_map(|below| self.missing(below)).or(Some(node))
    }

    /// What is still to be made for a cover: the node, if it is one, and what it is made from.
    fn next(&self, cover: &[Node]) -> Option<(Option<Node>, Vec<Node>)> {
        match cover.iter().find_map(|node| self.missing(*node)) {
            Some(node) => Some((Some(node), below(node).to_vec())),
            None => (cover.len() > 1 && self.whole.is_none()).then(|| (None, cover.to_vec())),
        }
    }

    /// Takes a step, of about so many rows, towards all nodes of a cover, and what they come to if they are several; true once it is there.
    pub(super) fn grow<'t, T: Record, A: Aggregate<T, Acc = V>>(
        &mut self,
        cover: &[Node],
        rows: usize,
        aggregate: &A,
        empty: impl Fn() -> Table<ByKey<K>, V>,
        slice: impl Fn(u64) -> &'t Table<ByKey<K>, V>,
    ) -> bool {
        let mut left = rows;
        loop {
            let Some(growing) = &mut self.growing else {
                let Some((node, from)) = self.next(cover) else { return true };
                self.growing = Some(Growing { node, table: empty(), from, at: 0, cursor: Cursor::default() });
                continue;
            };
            let from = growing.from[growing.at];
            let from = if from.0 == 0 { slice(from.1) } else { &self.nodes[&from] };
            let more = from.scan(&mut growing.cursor, |key, value| {
                let to = growing.table.entry(K::hash(key.view()), key.view(), || aggregate.create());
                aggregate.merge(to, value.view());
                left -= 1;
                left == 0
            });
            if more {
                return false;
            }
            (growing.at, growing.cursor) = (growing.at + 1, Cursor::default());
            if growing.at == growing.from.len()
                && let Some(Growing { node, table, .. }) = self.growing.take()
            {
                match node {
                    Some(node) => _ = self.nodes.insert(node, table),
                    None => self.whole = Some(table),
                }
            }
        }
    }

    /// What the nodes of a cover come to, once it has been made.
    pub(super) fn whole(&self) -> Option<&Table<ByKey<K>, V>> {
        self.whole.as_ref()
    }

    /// Gives that away, so that it is made anew for the next cover.
    pub(super) fn take_whole(&mut self) -> Option<Table<ByKey<K>, V>> {
        self.whole.take()
    }

    /// Shows the nodes that have a slice.
    pub(super) fn for_each_with(&mut self, slice: u64, mut visit: impl FnMut(&mut Table<ByKey<K>, V>)) {
        let with = self.nodes.iter_mut().filter(|(node, _)| range_of(**node).contains(&slice));
        with.for_each(|(_, table)| visit(table));
    }

    /// Gives away the nodes for which slices are missing, since those before this one have been closed.
    pub(super) fn forget_before(&mut self, slice: u64) -> impl Iterator<Item = Table<ByKey<K>, V>> {
        self.nodes.extract_if(.., move |node, _| range_of(*node).start < slice).map(|(_, table)| table)
    }

    /// Gives away the nodes that a slice which has come late would be in, and all behind it: their numbers have changed.
    pub(super) fn forget_from(&mut self, slice: u64) -> impl Iterator<Item = Table<ByKey<K>, V>> {
        self.nodes.extract_if(.., move |node, _| range_of(*node).end > slice).map(|(_, table)| table)
    }

    /// What it takes in memory, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let growing = self.growing.as_ref().map(|growing| &growing.table);
        self.nodes.values().chain(growing).chain(&self.whole).map(|table| table.size_bytes()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_covered_once_and_by_few_nodes() {
        for from in 0..70 {
            for to in from..70 {
                let cover = cover(from..to);
                let covered: Vec<_> = cover.iter().flat_map(|node| range_of(*node)).collect();
                assert_eq!(covered, (from..to).collect::<Vec<_>>());
                assert!(cover.len() <= 2 * (u64::BITS - (to - from).leading_zeros()) as usize, "{from}..{to}");
            }
        }
    }
}
