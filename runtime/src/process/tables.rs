//! The tables in which state is kept, and how they are opened: the one place that knows.

use std::{cmp::Ordering, collections::BTreeMap, marker::PhantomData, ops::{Bound, RangeBounds}};

use hashbrown::HashTable;
use millstream_core::{key::Key, record::Record, time::Timestamp};

use super::StateTable;
use crate::operator::OpenContext;

struct Own<K>(K);
impl<K: Key> PartialEq for Own<K> { fn eq(&self, o: &Self) -> bool { K::same(self.0.view(), o.0.view()) } }
impl<K: Key> Eq for Own<K> {}
impl<K: Key> PartialOrd for Own<K> { fn partial_cmp(&self, o: &Self) -> Option<Ordering> { Some(self.cmp(o)) } }
impl<K: Key> Ord for Own<K> { fn cmp(&self, o: &Self) -> Ordering { K::compare(self.0.view(), o.0.view()) } }

pub(super) struct Rows<K: Key, V> { name: &'static str, rows: HashTable<(u64, K, V)> }
impl<K: Key, V> Rows<K, V> {
    pub(super) fn prefetch(&self, _: u64) {}
    pub(super) fn get(&self, hash: u64, key: K::View<'_>) -> Option<&V> {
        self.rows.find(hash, |(_, k, _)| K::same(k.view(), key)).map(|(_, _, v)| v)
    }
    pub(super) fn get_mut(&mut self, hash: u64, key: K::View<'_>) -> Option<&mut V> {
        self.rows.find_mut(hash, |(_, k, _)| K::same(k.view(), key)).map(|(_, _, v)| v)
    }
    pub(super) fn entry(&mut self, hash: u64, key: K::View<'_>, value: impl FnOnce() -> V) -> &mut V {
        &mut self.rows.entry(hash, |(_, k, _)| K::same(k.view(), key), |(h, _, _)| *h).or_insert_with(|| (hash, K::from_view(key), value())).into_mut().2
    }
    pub(super) fn remove(&mut self, hash: u64, key: K::View<'_>) -> Option<V> {
        self.rows.find_entry(hash, |(_, k, _)| K::same(k.view(), key)).ok().map(|e| e.remove().0.2)
    }
}
impl<K: Key, V: Send> StateTable for Rows<K, V> {
    fn name(&self) -> &'static str { self.name }
    fn bytes(&self) -> usize { self.rows.allocation_size() }
}
pub(super) fn rows<K: Key, V>(name: &'static str, _: &OpenContext<'_>) -> Rows<K, V> { Rows { name, rows: HashTable::new() } }

pub(super) struct Maps<K: Key, E: Key, V>(Rows<K, BTreeMap<Own<E>, (E, V)>>);
pub(super) fn maps<K: Key, E: Key, V>(name: &'static str, cx: &OpenContext<'_>) -> Maps<K, E, V> { Maps(rows(name, cx)) }
impl<K: Key, E: Key, V: Record> StateTable for Maps<K, E, V> {
    fn name(&self) -> &'static str { self.0.name }
    fn bytes(&self) -> usize { self.0.bytes() }
}
fn own<E: Key>(e: E::View<'_>) -> Own<E> { Own(E::from_view(e)) }
impl<K: Key, E: Key, V: Record> Maps<K, E, V> {
    pub(super) fn prefetch(&self, _: u64) {}
    pub(super) fn get(&self, hash: u64, key: K::View<'_>, entry: E::View<'_>) -> Option<&V> { self.0.get(hash, key)?.get(&own(entry)).map(|(_, v)| v) }
    pub(super) fn get_mut(&mut self, hash: u64, key: K::View<'_>, entry: E::View<'_>) -> Option<&mut V> { self.0.get_mut(hash, key)?.get_mut(&own(entry)).map(|(_, v)| v) }
    pub(super) fn entry(&mut self, hash: u64, key: K::View<'_>, entry: E::View<'_>, value: impl FnOnce() -> V) -> &mut V {
        &mut self.0.entry(hash, key, BTreeMap::new).entry(own(entry)).or_insert_with(|| (E::from_view(entry), value())).1
    }
    pub(super) fn insert(&mut self, hash: u64, key: K::View<'_>, entry: E::View<'_>, value: V) -> Option<V> {
        self.0.entry(hash, key, BTreeMap::new).insert(own(entry), (E::from_view(entry), value)).map(|(_, v)| v)
    }
    pub(super) fn remove(&mut self, hash: u64, key: K::View<'_>, entry: E::View<'_>) -> Option<V> { self.0.get_mut(hash, key)?.remove(&own(entry)).map(|(_, v)| v) }
    pub(super) fn len(&self, hash: u64, key: K::View<'_>) -> usize { self.0.get(hash, key).map_or(0, BTreeMap::len) }
    pub(super) fn clear(&mut self, hash: u64, key: K::View<'_>) { self.0.remove(hash, key); }
    pub(super) fn range<'e, R: RangeBounds<E::View<'e>>>(&self, hash: u64, key: K::View<'_>, range: R) -> impl Iterator<Item = (&E, &V)> + use<'_, 'e, K, E, V, R> {
        let bound = |b: Bound<&E::View<'e>>| match b { Bound::Included(e) => Bound::Included(own(*e)), Bound::Excluded(e) => Bound::Excluded(own(*e)), Bound::Unbounded => Bound::Unbounded };
        let r = (bound(range.start_bound()), bound(range.end_bound()));
        self.0.get(hash, key).into_iter().flat_map(move |m| m.range((r.0.as_ref(), r.1.as_ref())).map(|(_, (e, v))| (e, v)).collect::<Vec<_>>())
    }
}

pub(super) struct Lists<K: Key, T>(Rows<K, Vec<T>>);
pub(super) fn lists<K: Key, T>(name: &'static str, cx: &OpenContext<'_>) -> Lists<K, T> { Lists(rows(name, cx)) }
impl<K: Key, T: Record> StateTable for Lists<K, T> {
    fn name(&self) -> &'static str { self.0.name }
    fn bytes(&self) -> usize { self.0.bytes() }
}
impl<K: Key, T: Record> Lists<K, T> {
    pub(super) fn prefetch(&self, _: u64) {}
    pub(super) fn push(&mut self, hash: u64, key: K::View<'_>, v: T) { self.0.entry(hash, key, Vec::new).push(v) }
    pub(super) fn len(&self, hash: u64, key: K::View<'_>) -> usize { self.0.get(hash, key).map_or(0, Vec::len) }
    pub(super) fn iter(&self, hash: u64, key: K::View<'_>) -> impl Iterator<Item = &T> + use<'_, K, T> { self.0.get(hash, key).into_iter().flatten() }
    pub(super) fn clear(&mut self, hash: u64, key: K::View<'_>) { self.0.remove(hash, key); }
}

pub(super) struct TimerQueue<K: Key> { name: &'static str, queue: BTreeMap<(Timestamp, u64, Own<K>), ()>, key: PhantomData<K> }
pub(super) fn timers<K: Key>(name: &'static str, _: &OpenContext<'_>) -> TimerQueue<K> { TimerQueue { name, queue: BTreeMap::new(), key: PhantomData } }
impl<K: Key> StateTable for TimerQueue<K> {
    fn name(&self) -> &'static str { self.name }
    fn bytes(&self) -> usize { self.queue.len() * size_of::<(Timestamp, u64, K)>() }
}
impl<K: Key> TimerQueue<K> {
    pub(super) fn set(&mut self, hash: u64, key: K::View<'_>, at: Timestamp) { self.queue.insert((at, hash, own(key)), ()); }
    pub(super) fn delete(&mut self, hash: u64, key: K::View<'_>, at: Timestamp) { self.queue.remove(&(at, hash, own(key))); }
    pub(super) fn pop_until(&mut self, until: Timestamp) -> Option<(K, Timestamp)> {
        let first = self.queue.first_entry()?;
        if first.key().0 > until { return None; }
        let ((at, _, key), ()) = first.remove_entry();
        Some((key.0, at))
    }
    pub(super) fn first(&self) -> Option<Timestamp> { self.queue.first_key_value().map(|(k, ())| k.0) }
    pub(super) fn last(&self) -> Option<Timestamp> { self.queue.last_key_value().map(|(k, ())| k.0) }
    pub(super) fn len(&self) -> usize { self.queue.len() }
}
