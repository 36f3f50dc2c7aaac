//! Segments written, read, damaged and merged.

use std::collections::BTreeMap;

use bytes::Bytes;
use millstream_core::{
    buffer::{BufferBuilder, DEFAULT_MAX_RECORD_SIZE},
    record::Record,
    time::{Timestamp, Window},
};

use super::*;
use crate::{
    groups::GroupRange,
    row::{ByEntry, ByKey, RowKey},
    snapshot::{Frozen, Namespace, SnapshotKind},
};

/// Everything that a segment has, in order: namespace, key, and the value if it is no tombstone.
type Contents<K, V> = Vec<(Namespace, K, Option<V>)>;

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

const ALL: GroupRange = GroupRange { start: 0, end: 128, of: 128 };

fn window(end: i64) -> Namespace {
    Namespace(Some(Window::new(Timestamp::from_millis(end - 10), Timestamp::from_millis(end))))
}

fn frozen<R: RowKey, V: Record>(rows: &[(R::Key, V)], removed: &[R::Key]) -> Frozen {
    let hashed = millstream_core::buffer::Columns { timed: false, hashed: true };
    let mut frozen = Frozen::default();
    for rows in rows.chunks(7) {
        let mut builder = BufferBuilder::<Row<R, V>>::new(hashed, DEFAULT_MAX_RECORD_SIZE);
        for (key, value) in rows {
            builder.push((key.view(), value.view()), Timestamp::MIN, R::hash(key.view())).expect("rows are small");
        }
        frozen.rows.push(builder.seal(0));
    }
    for keys in removed.chunks(3) {
        let mut builder = BufferBuilder::<R::Key>::new(hashed, DEFAULT_MAX_RECORD_SIZE);
        for key in keys {
            builder.push(key.view(), Timestamp::MIN, R::hash(key.view())).expect("keys are small");
        }
        frozen.removed.push(builder.seal(0));
    }
    frozen
}

fn joined(pieces: &[Bytes]) -> Vec<u8> {
    pieces.concat()
}

fn write<R: RowKey, V: Record>(
    kind: SnapshotKind,
    dropped: Vec<Namespace>,
    ranges: &[(Namespace, Frozen)],
) -> (Vec<u8>, SegmentSummary) {
    let mut writer = SegmentWriter::<R, V>::new(GroupRange::all(128), kind, dropped);
    let mut out = Vec::new();
    for (namespace, range) in ranges {
        writer.push(*namespace, range, &mut out).expect("rows are small");
    }
    let summary = writer.finish(&mut out);
    (joined(&out), summary)
}

fn open<R: RowKey, V: Record>(bytes: &[u8]) -> Result<SegmentReader<R, V>, SegmentError> {
    let size = bytes.len() as u64;
    let end = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
    let length = Footer::length(end, size)?;
    SegmentReader::new(Footer::read(&bytes[(size - length) as usize..], size)?)
}

fn block<R: RowKey, V: Record>(
    reader: &SegmentReader<R, V>,
    bytes: &[u8],
    number: usize,
) -> Result<Block<R, V>, SegmentError> {
    let entry = reader.footer().blocks[number];
    reader.decode(number, &bytes[entry.offset as usize..entry.end() as usize])
}

fn read<R: RowKey, V: Record>(bytes: &[u8], groups: GroupRange) -> Result<Contents<R::Key, V>, SegmentError> {
    let reader = open::<R, V>(bytes)?;
    let mut contents = Vec::new();
    for number in reader.overlapping(groups) {
        let mut block = block(&reader, bytes, number)?;
        block.restrict(groups);
        let owned = <R::Key as Record>::from_view;
        let rows = block.rows().map(|(hash, key, value)| (hash, owned(key), Some(V::from_view(value))));
        let removed = block.removed().map(|(hash, key)| (hash, owned(key), None));
        let mut of_block: Vec<_> = rows.chain(removed).collect();
        of_block.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| R::compare(a.1.view(), b.1.view())));
        contents.extend(of_block.into_iter().map(|(_, key, value)| (block.namespace(), key, value)));
    }
    Ok(contents)
}

fn merged<R: RowKey, V: Record>(chain: &[Vec<u8>], groups: GroupRange) -> Vec<u8> {
    let readers = chain.iter().map(|bytes| open::<R, V>(bytes).expect("the segment is whole")).collect();
    let mut merge = Merge::new(readers, groups);
    let mut out = Vec::new();
    while let Wanted::Block { segment, block: number } = merge.step(&mut out).expect("rows are small") {
        assert_eq!(merge.coming(segment).next(), Some(number));
        let block = block(&merge.chain()[segment], &chain[segment], number).expect("the block is whole");
        merge.supply(segment, block);
    }
    merge.finish(&mut out);
    joined(&out)
}

type Names = ByEntry<String, u64>;

fn names(from: u64, to: u64) -> Vec<((String, u64), String)> {
    (from..to).map(|i| ((format!("customer {}", i % 97), i), format!("item number {i} of many"))).collect()
}

/// Ranges of a table, split by key group.
fn ranges<R: RowKey<Key: Clone>, V: Record + Clone>(
    namespace: Namespace,
    rows: &[(R::Key, V)],
    removed: &[R::Key],
    parts: u32,
) -> Vec<(Namespace, Frozen)> {
    (0..parts)
        .map(|part| {
            let groups = GroupRange::owned_by(part, parts, 128);
            let rows: Vec<_> = rows.iter().filter(|row| groups.holds(R::hash(row.0.view()))).cloned().collect();
            let removed: Vec<_> = removed.iter().filter(|key| groups.holds(R::hash(key.view()))).cloned().collect();
            (namespace, frozen::<R, V>(&rows, &removed))
        })
        .collect()
}

fn sorted<R: RowKey<Key: Clone>, V: Clone>(namespace: Namespace, rows: &[(R::Key, V)]) -> Contents<R::Key, V> {
    let mut rows = rows.to_vec();
    rows.sort_by(|(a, _), (b, _)| {
        R::hash(a.view()).cmp(&R::hash(b.view())).then_with(|| R::compare(a.view(), b.view()))
    });
    rows.into_iter().map(|(key, value)| (namespace, key, Some(value))).collect()
}

#[test]
fn rows_come_back_sorted_whatever_their_order_and_their_ranges() {
    let rows = names(0, 9000);
    let only = Namespace::default();
    let (bytes, summary) = write::<Names, String>(SnapshotKind::Full, vec![], &ranges::<Names, _>(only, &rows, &[], 5));
    assert_eq!((summary.bytes, summary.rows, summary.tombstones), (bytes.len() as u64, 9000, 0));
    let reader = open::<Names, String>(&bytes).expect("the segment is whole");
    assert!(reader.footer().blocks.len() > 2, "there are several blocks");
    assert!(reader.footer().blocks.iter().all(|block| block.compressed));
    assert!(read::<Names, String>(&bytes, ALL).expect("the segment is whole") == sorted::<Names, _>(only, &rows));
    let block = block(&reader, &bytes, 1).expect("the block is whole");
    assert!(block.rows().len() > 0 && block.rows().all(|(hash, key, _)| hash == Names::hash(key)));
}

/// Cuts rows to so many ranges of hashes; of three rows, one was copied early: with its own range or one before it.
fn ranges_with_early_rows<R: RowKey<Key: Clone>, V: Record + Clone>(rows: &[(R::Key, V)], parts: usize) -> Vec<Frozen> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| R::hash(row.0.view()));
    let size = rows.len().div_ceil(parts);
    let (mut own, mut early) = (vec![Vec::new(); parts], vec![Vec::new(); parts]);
    let mut lasts = vec![0; parts];
    for (i, row) in rows.into_iter().enumerate() {
        let part = i / size;
        lasts[part] = R::hash(row.0.view());
        match i % 3 {
            0 => early[(i * 7919) % (part + 1)].push(row),
            _ => own[part].push(row),
        }
    }
    let parts = own.into_iter().zip(early).zip(lasts);
    parts
        .map(|((own, early), last)| Frozen {
            last,
            early: frozen::<R, V>(&early, &[]).rows,
            ..frozen::<R, V>(&own, &[])
        })
        .collect()
}

#[test]
fn rows_that_were_copied_early_wait_for_their_range() {
    fn check<R: RowKey<Key: Clone>, V: Record + Clone>(rows: &[(R::Key, V)]) {
        // With a thousand ranges, several end in one heap.
        for parts in [1, 3, 100, 1000] {
            let of = |namespace| ranges_with_early_rows::<R, V>(rows, parts).into_iter().map(move |it| (namespace, it));
            let (bytes, _) = write::<R, V>(SnapshotKind::Full, vec![], &of(window(10)).collect::<Vec<_>>());
            let plain = write::<R, V>(SnapshotKind::Full, vec![], &[(window(10), frozen::<R, V>(rows, &[]))]);
            assert!(bytes == plain.0, "in {parts} ranges");

            // What was copied early may be all that is left of a table: then no range comes for it.
            let (mut first, second): (Vec<_>, Vec<_>) = (of(window(10)).collect(), of(window(20)).collect());
            let left = first.pop().expect("there is a range").1;
            let copied = Frozen { early: [left.rows, left.early].concat(), ..Frozen::default() };
            first.insert(0, (window(10), copied));
            let (bytes, _) =
                write::<R, V>(SnapshotKind::Full, vec![], &first.into_iter().chain(second).collect::<Vec<_>>());
            let plain = [10, 20].map(|end| (window(end), frozen::<R, V>(rows, &[])));
            assert!(bytes == write::<R, V>(SnapshotKind::Full, vec![], &plain).0, "two tables in {parts} ranges");
        }
    }
    check::<Names, String>(&names(0, 9000));
    check::<ByKey<u64>, String>(&(10..22).map(|i| (i, i.to_string().repeat(150_000))).collect::<Vec<_>>());
    check::<ByKey<u64>, u64>(&(0..30_000).map(|i| (i, i * i)).collect::<Vec<_>>());
}

#[test]
fn a_part_of_the_groups_is_read_from_the_blocks_that_have_them() {
    let rows: Vec<(u64, u64)> = (0..60_000).map(|i| (i, i * i)).collect();
    let only = Namespace::default();
    let (bytes, _) =
        write::<ByKey<u64>, u64>(SnapshotKind::Full, vec![], &[(only, frozen::<ByKey<u64>, _>(&rows, &[]))]);
    let reader = open::<ByKey<u64>, u64>(&bytes).expect("the segment is whole");
    for groups in [
        GroupRange { start: 7, end: 9, ..ALL },
        GroupRange { start: 0, end: 1, ..ALL },
        GroupRange::owned_by(2, 3, 128),
    ] {
        let wanted: Vec<_> = rows.iter().copied().filter(|row| groups.holds(ByKey::<u64>::hash(row.0))).collect();
        let found = read::<ByKey<u64>, u64>(&bytes, groups).expect("the segment is whole");
        assert!(found == sorted::<ByKey<u64>, _>(only, &wanted));
        assert!(reader.overlapping(groups).count() < reader.footer().blocks.len());
    }
    let none = GroupRange { start: 5, end: 5, ..ALL };
    assert_eq!(read::<ByKey<u64>, u64>(&bytes, none).expect("the segment is whole"), []);
}

#[test]
fn a_tombstone_whose_key_is_among_the_rows_is_dropped() {
    let rows = [(1_u64, 10_u64), (2, 20), (3, 30)];
    let range = frozen::<ByKey<u64>, _>(&rows, &[2, 4, 4, 3]);
    let (bytes, summary) = write::<ByKey<u64>, u64>(SnapshotKind::Delta, vec![], &[(Namespace::default(), range)]);
    assert_eq!((summary.rows, summary.tombstones), (3, 1));
    let mut found = read::<ByKey<u64>, u64>(&bytes, ALL).expect("the segment is whole");
    found.sort_by_key(|row| row.1);
    let found: Vec<_> = found.into_iter().map(|(_, key, value)| (key, value)).collect();
    assert_eq!(found, [(1, Some(10)), (2, Some(20)), (3, Some(30)), (4, None)]);
}

#[test]
fn a_full_segment_has_no_tombstones() {
    let range = frozen::<ByKey<u64>, _>(&[(1_u64, 10_u64)], &[2]);
    let (_, summary) = write::<ByKey<u64>, u64>(SnapshotKind::Full, vec![], &[(Namespace::default(), range)]);
    assert_eq!((summary.rows, summary.tombstones), (1, 0));
}

#[test]
fn an_empty_segment_is_a_segment() {
    let (bytes, summary) = write::<ByKey<u64>, ()>(SnapshotKind::Delta, vec![window(20), window(10), window(20)], &[]);
    assert_eq!((summary.bytes, summary.rows), (bytes.len() as u64, 0));
    let reader = open::<ByKey<u64>, ()>(&bytes).expect("the segment is whole");
    assert_eq!(reader.footer().dropped, [window(10), window(20)]);
    assert_eq!(reader.footer().kind, SnapshotKind::Delta);
}

#[test]
fn a_row_larger_than_a_block_gets_a_block_of_its_own() {
    let rows: Vec<(u64, String)> = (0..4).map(|i| (i, "long ".repeat(BLOCK_BYTES / 4))).collect();
    let only = Namespace::default();
    let (bytes, _) =
        write::<ByKey<u64>, String>(SnapshotKind::Full, vec![], &[(only, frozen::<ByKey<u64>, _>(&rows, &[]))]);
    assert_eq!(open::<ByKey<u64>, String>(&bytes).expect("the segment is whole").footer().blocks.len(), 4);
    assert!(
        read::<ByKey<u64>, String>(&bytes, ALL).expect("the segment is whole") == sorted::<ByKey<u64>, _>(only, &rows)
    );
}

#[test]
#[should_panic(expected = "ranges ascend by hash")]
fn ranges_out_of_order_are_a_broken_invariant() {
    let all = ranges::<Names, _>(Namespace::default(), &names(0, 100), &[], 2);
    let mut writer = SegmentWriter::<Names, String>::new(GroupRange::all(128), SnapshotKind::Full, vec![]);
    for (namespace, range) in all.iter().rev() {
        let _ = writer.push(*namespace, range, &mut Vec::new());
    }
}

#[test]
fn a_segment_of_other_types_is_refused_and_both_are_named() {
    let (bytes, _) = write::<ByKey<u64>, String>(SnapshotKind::Full, vec![], &[]);
    let error = open::<ByKey<u64>, u32>(&bytes).expect_err("the values are of another type").to_string();
    assert!(error.contains("`String` is stored and `u32` is wanted"), "{error}");
    let error = open::<ByKey<i64>, String>(&bytes).expect_err("the keys are of another type").to_string();
    assert!(error.contains("keys of `u64` (") && error.contains("keys are of `i64` ("), "{error}");
}

#[test]
fn a_later_version_is_named() {
    let (mut bytes, _) = write::<ByKey<u64>, u64>(SnapshotKind::Full, vec![], &[]);
    let at = bytes.len() - MAGIC.len() - 4;
    bytes[at] = VERSION as u8 + 1;
    let error = open::<ByKey<u64>, u64>(&bytes).expect_err("the version is unknown").to_string();
    assert!(error.contains("format version 2") && error.contains("up to 1"), "{error}");
}

/// A few rows of every kind, as a segment.
fn sample() -> Vec<u8> {
    let removed = [("customer 1".to_owned(), 5000), ("nobody".to_owned(), 1)];
    let mut all = ranges::<Names, _>(Namespace::default(), &names(0, 40), &removed, 2);
    all.extend(ranges::<Names, _>(window(10), &names(5, 9), &[], 1));
    write::<Names, String>(SnapshotKind::Delta, vec![window(5)], &all).0
}

#[test]
fn cut_off_anywhere_it_is_an_error() {
    let bytes = sample();
    assert!(read::<Names, String>(&bytes, ALL).is_ok());
    for length in 0..bytes.len() {
        assert!(read::<Names, String>(&bytes[..length], ALL).is_err(), "cut off at {length}");
        assert!(read::<Names, String>(&bytes[bytes.len() - length..], ALL).is_err(), "the last {length} bytes");
    }
}

#[test]
fn a_flipped_bit_anywhere_is_an_error() {
    let mut bytes = sample();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            assert!(read::<Names, String>(&bytes, ALL).is_err(), "bit {bit} of byte {at}");
            bytes[at] ^= 1 << bit;
        }
    }
    assert!(read::<Names, String>(&bytes, ALL).is_ok());
}

/// Whoever forges the checksums gets an error, or other rows; never a panic, nor more memory than the limits allow.
#[test]
fn damage_with_right_checksums_is_an_error_or_other_rows() {
    let whole = sample();
    let rounds = if full_budget() { 50_000 } else { 1500 };
    let (mut refused, mut read_back) = (0, 0);
    for seed in 0..rounds {
        let mut rng = Rng(seed);
        let mut bytes = whole.clone();
        let end = bytes.len() - TAIL_BYTES;
        let footer = open::<Names, String>(&whole).expect("the sample is whole").footer().data_bytes() as usize;
        for _ in 0..1 + rng.below(3) {
            // The footer is short, but most is decided in it.
            let (start, length) = if rng.below(2) == 0 { (0, footer) } else { (footer, end - footer) };
            bytes[start + rng.below(length as u64) as usize] = rng.next() as u8;
        }
        forge_checksums(&mut bytes, footer);
        match read::<Names, String>(&bytes, ALL) {
            Ok(_) => read_back += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0 && read_back > 0, "{refused} were refused, {read_back} were read");
}

fn full_budget() -> bool {
    std::env::var_os("MILLSTREAM_TEST_BUDGET").is_some_and(|budget| budget == "full")
}

/// Writes the checksums anew: of the blocks, wherever the damaged index says that they lie, and of the footer.
fn forge_checksums(bytes: &mut [u8], footer: usize) {
    // In an entry of the index, the length of the block, and its checksum.
    const STORED: usize = 33;
    const CRC: usize = 38;
    let end = bytes.len() - TAIL_BYTES;
    let blocks = open::<Names, String>(&sample()).expect("the sample is whole").footer().blocks.len();
    let mut start = 0_usize;
    for number in 0..blocks {
        let entry = end - 16 - (blocks - number) * footer::ENTRY_BYTES;
        let stored = u32::from_le_bytes(bytes[entry + STORED..entry + STORED + 4].try_into().expect("four bytes"));
        let block = start..start.saturating_add(stored as usize);
        start = block.end;
        let Some(block) = bytes.get(block) else { continue };
        let crc = crc32fast::hash(block).to_le_bytes();
        bytes[entry + CRC..entry + CRC + 4].copy_from_slice(&crc);
    }
    let crc = crc32fast::hash(&bytes[footer..end]).to_le_bytes();
    bytes[end + 4..end + 8].copy_from_slice(&crc);
}

#[test]
fn a_merge_keeps_the_newest_row_of_every_key() {
    let (key, other) = (window(10), window(30));
    let full = write::<Names, String>(SnapshotKind::Full, vec![], &ranges::<Names, _>(key, &names(0, 3000), &[], 3)).0;
    let changed: Vec<_> = names(1000, 3500).into_iter().map(|(key, value)| (key, value + ", again")).collect();
    let gone: Vec<_> = names(0, 500).into_iter().map(|row| row.0).collect();
    let delta = write::<Names, String>(SnapshotKind::Delta, vec![], &ranges::<Names, _>(key, &changed, &gone, 2)).0;
    let mut last = ranges::<Names, _>(key, &names(0, 100), &[], 1);
    last.extend(ranges::<Names, _>(other, &names(0, 10), &[], 1));
    let last = write::<Names, String>(SnapshotKind::Delta, vec![], &last).0;

    let mut wanted: BTreeMap<_, _> = names(0, 3000).into_iter().collect();
    wanted.retain(|key, _| !gone.contains(key));
    wanted.extend(changed);
    wanted.extend(names(0, 100));
    let wanted: Vec<_> = wanted.into_iter().collect();

    let bytes = merged::<Names, String>(&[full, delta, last], ALL);
    let footer = open::<Names, String>(&bytes).expect("the segment is whole").footer().clone();
    assert_eq!((footer.kind, footer.tombstones(), footer.dropped.len()), (SnapshotKind::Full, 0, 0));
    let mut wanted = sorted::<Names, _>(key, &wanted);
    wanted.extend(sorted::<Names, _>(other, &names(0, 10)));
    assert!(read::<Names, String>(&bytes, ALL).expect("the segment is whole") == wanted);
}

#[test]
fn what_was_dropped_vanishes_and_what_came_afterwards_stays() {
    let (first, second) = (window(10), window(20));
    let of = |namespace, rows: &[(u64, u64)]| (namespace, frozen::<ByKey<u64>, _>(rows, &[]));
    let full = write::<ByKey<u64>, u64>(SnapshotKind::Full, vec![], &[of(first, &[(1, 1)]), of(second, &[(2, 2)])]).0;
    let again = write::<ByKey<u64>, u64>(SnapshotKind::Delta, vec![first, second], &[of(first, &[(3, 3)])]).0;
    let bytes = merged::<ByKey<u64>, u64>(&[full.clone(), again.clone()], ALL);
    assert_eq!(read::<ByKey<u64>, u64>(&bytes, ALL).expect("the segment is whole"), [(first, 3, Some(3))]);

    let readers = [open::<ByKey<u64>, u64>(&full), open(&again)].map(|reader| reader.expect("the segment is whole"));
    assert_eq!(counted_blocks(&readers, ALL), [vec![], vec![0]], "the blocks of the full one are not even read");
}

/// Chains of random changes, merged and compared with a map.
#[test]
fn merges_agree_with_a_model() {
    let seeds = if full_budget() { 3000 } else { 60 };
    for seed in 0..seeds {
        let mut rng = Rng(seed);
        let mut model: BTreeMap<(Namespace, u64), u64> = BTreeMap::new();
        let keys = 1 + rng.below(300);
        let mut chain = Vec::new();
        for number in 0..1 + rng.below(5) {
            let kind = if number == 0 { SnapshotKind::Full } else { SnapshotKind::Delta };
            let mut dropped = Vec::new();
            for end in 0..3 {
                if kind == SnapshotKind::Delta && rng.below(4) == 0 {
                    dropped.push(window(end));
                    model.retain(|(namespace, _), _| *namespace != window(end));
                }
            }
            let mut all = Vec::new();
            for namespace in [Namespace::default(), window(0), window(1), window(2)] {
                if rng.below(3) == 0 {
                    continue;
                }
                let (mut rows, mut removed) = (BTreeMap::new(), Vec::new());
                for _ in 0..rng.below(keys * 2) {
                    let (key, value) = (rng.below(keys), rng.next());
                    if rng.below(3) > 0 {
                        rows.insert(key, value);
                        model.insert((namespace, key), value);
                    } else if kind == SnapshotKind::Delta {
                        removed.push(key);
                        rows.remove(&key);
                        model.remove(&(namespace, key));
                    }
                }
                let rows: Vec<(u64, u64)> = rows.into_iter().collect();
                all.extend(ranges::<ByKey<u64>, _>(namespace, &rows, &removed, 1 + rng.below(4) as u32));
            }
            chain.push(write::<ByKey<u64>, u64>(kind, dropped, &all).0);
        }
        let parallelism = 1 + rng.below(4) as u32;
        let groups = GroupRange::owned_by(rng.below(u64::from(parallelism)) as u32, parallelism, 128);
        let bytes = merged::<ByKey<u64>, u64>(&chain, groups);
        let mut found = read::<ByKey<u64>, u64>(&bytes, ALL).expect("the segment is whole");
        found.sort_by_key(|(namespace, key, _)| (*namespace, *key));
        let wanted: Contents<u64, u64> = model
            .into_iter()
            .filter(|((_, key), _)| groups.holds(ByKey::<u64>::hash(*key)))
            .map(|((namespace, key), value)| (namespace, key, Some(value)))
            .collect();
        assert!(found == wanted, "seed {seed}");
    }
}

/// Written by version 1 of the format. It must be readable for ever.
const YESTERDAY: &str = "\
    f2096120736f6d6577686174206c6f6e676572207465787462ff010022020001009296000000daffffff61170022ff01170041006f6e65\
    1200f10a160000002e000000a79abbe71c0b5a57c0b7ee75b632c6e6631e0033ffff033000c000000000e208bbd39a21408c2261ff0100\
    2201000100316f6e651100c000000000c0b7ee75b632c6e60295464d3b4943dc960d00000028537472696e672c2075363429b66fcdf97a\
    c6555306000000537472696e67010000000100000000000000000a00000000000000020000000000000000000000000000000000000000\
    a79abbe71c0b5a57c0b7ee75b632c6e66900000001b577747c020000005e000000010000001c000000010a000000000000001400000000\
    000000c0b7ee75b632c6e6c0b7ee75b632c6e61d00000001f883c860010000002400000000000000000000000300000000000000010000\
    0000000000c90000007e8d5f95010000004d494c4c5345474d";

#[test]
fn yesterdays_bytes_still_read() {
    let rows = [(("a".to_owned(), 1), "one".to_owned()), (("b".to_owned(), 2), "a somewhat longer text".to_owned())];
    let removed = [("c".to_owned(), 3)];
    let mut all = vec![(Namespace::default(), frozen::<Names, _>(&rows, &removed))];
    all.push((window(20), frozen::<Names, _>(&rows[..1], &[])));
    let (today, _) = write::<Names, String>(SnapshotKind::Delta, vec![window(10)], &all);
    let hex: String = today.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, YESTERDAY, "the format has changed: raise its version, and keep this test for the old one");

    let bytes: Vec<u8> = (0..YESTERDAY.len() / 2)
        .map(|i| u8::from_str_radix(&YESTERDAY[2 * i..2 * i + 2], 16).expect("hexadecimal digits"))
        .collect();
    let footer = open::<Names, String>(&bytes).expect("the segment is whole").footer().clone();
    assert_eq!((footer.kind, footer.hashed, footer.dropped), (SnapshotKind::Delta, true, vec![window(10)]));
    let mut found = read::<Names, String>(&bytes, ALL).expect("the segment is whole");
    found.sort();
    let mut wanted: Contents<(String, u64), String> = vec![
        (Namespace::default(), rows[0].0.clone(), Some(rows[0].1.clone())),
        (Namespace::default(), rows[1].0.clone(), Some(rows[1].1.clone())),
        (Namespace::default(), removed[0].clone(), None),
        (window(20), rows[0].0.clone(), Some(rows[0].1.clone())),
    ];
    wanted.sort();
    assert_eq!(found, wanted);
}
