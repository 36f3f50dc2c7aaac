//! [`Pending`]: rows in memory that are to be written to disk.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use millstream_core::key::mix;

use super::codec::hash_of;

/// In front of an entry: how long its key and its value are.
const HEAD_BYTES: usize = 2 * size_of::<u32>();

/// Encoded rows and removed keys, in the order in which they came, and an index by key.
#[derive(Default)]
pub(super) struct Pending {
    index: HashTable<Slot>,
    /// `[ key length: u32 ][ value length: u32 ][ key ][ value ]` for each; of a key that came again the last counts.
    bytes: Vec<u8>,
}

struct Slot {
    hash: u64,
    at: u32,
}

fn own(hash: u64) -> u64 {
    mix(hash)
}

/// The entry at a position.
fn entry(bytes: &[u8], at: u32) -> (&[u8], &[u8]) {
    let at = at as usize;
    let length = |from: usize| {
        let mut length = [0; size_of::<u32>()];
        length.copy_from_slice(&bytes[from..from + size_of::<u32>()]);
        u32::from_le_bytes(length) as usize
    };
    let (key, value) = (length(at), length(at + size_of::<u32>()));
    let begin = at + HEAD_BYTES;
    (&bytes[begin..begin + key], &bytes[begin + key..begin + key + value])
}

impl Pending {
    /// Puts in a row, or the mark of a removed one, in the place of what there was of its key.
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) {
        let hash = hash_of(key);
        let at = self.bytes.len() as u32;
        let bytes = &self.bytes;
        let is = |slot: &Slot| slot.hash == hash && entry(bytes, slot.at).0 == key;
        match self.index.entry(own(hash), is, |slot| own(slot.hash)) {
            Entry::Occupied(mut slot) => slot.get_mut().at = at,
            Entry::Vacant(slot) => _ = slot.insert(Slot { hash, at }),
        }
        self.bytes.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
    }

    /// What there is of a key.
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let hash = hash_of(key);
        let is = |slot: &Slot| slot.hash == hash && entry(&self.bytes, slot.at).0 == key;
        self.index.find(own(hash), is).map(|slot| entry(&self.bytes, slot.at).1)
    }

    /// How many keys it has.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Where its entries are, in the order of their keys.
    pub(super) fn sorted(&self) -> Vec<u32> {
        let mut slots: Vec<(u64, u32)> = self.index.iter().map(|slot| (slot.hash, slot.at)).collect();
        slots.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| self.entry(a.1).0.cmp(self.entry(b.1).0)));
        slots.into_iter().map(|(_, at)| at).collect()
    }

    /// The entry at a position that [`Pending::sorted`] gave.
    pub(super) fn entry(&self, at: u32) -> (&[u8], &[u8]) {
        entry(&self.bytes, at)
    }

    /// Gives back what it does not need: nothing is put in any more.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.index.shrink_to_fit(|slot| own(slot.hash));
    }

    /// What it takes in memory, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.bytes.capacity() + self.index.allocation_size()
    }

    /// What has been put in, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }
}
