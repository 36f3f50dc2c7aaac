//! Which blocks of a chain of segments count.

use std::collections::BTreeMap;

use millstream_core::record::Record;

use super::SegmentReader;
use crate::{groups::GroupRange, row::RowKey, snapshot::Namespace};

/// The numbers of the blocks, by segment, that may hold something that counts for these groups, given the segments from the oldest on: those of namespaces
/// that a later segment dropped do not.
pub fn counted_blocks<R: RowKey, V: Record>(chain: &[SegmentReader<R, V>], groups: GroupRange) -> Vec<Vec<usize>> {
    let mut dropped_by: BTreeMap<Namespace, usize> = BTreeMap::new();
    for (number, segment) in chain.iter().enumerate() {
        dropped_by.extend(segment.footer().dropped.iter().map(|namespace| (*namespace, number)));
    }
    let counts = |number: usize, namespace: &Namespace| dropped_by.get(namespace).is_none_or(|by| *by <= number);
    let of_segment = |(number, segment): (usize, &SegmentReader<R, V>)| {
        let blocks = &segment.footer().blocks;
        segment.overlapping(groups).filter(|block| counts(number, &blocks[*block].namespace)).collect()
    };
    chain.iter().enumerate().map(of_segment).collect()
}
