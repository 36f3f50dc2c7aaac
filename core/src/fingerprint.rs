//! [`Fingerprints`]: a number for any record, the same for records that are the same.

use rkyv::ser::allocator::Arena;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{buffer::PushError, encode::encode, record::Record};

/// Makes fingerprints of records of any type, keys or not: hashes of their archives. A fingerprint is a function of the record and the seed. It may be another one in another
/// version of the record's type, so it is nothing to be stored.
#[derive(Default)]
pub struct Fingerprints {
    bytes: Vec<u8>,
    arena: Arena,
}

impl Fingerprints {
    /// The fingerprint of a record.
    ///
    /// # Errors
    ///
    /// If the record is too large to be encoded.
    #[inline]
    pub fn of<T: Record>(&mut self, record: T::View<'_>, seed: u64) -> Result<u64, PushError> {
        self.bytes.clear();
        encode::<T>(record, &mut self.bytes, &mut self.arena, usize::MAX)?;
        Ok(xxh3_64_with_seed(&self.bytes, seed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Several = (Option<String>, Vec<(u8, Option<u64>)>);

    #[test]
    fn records_that_are_the_same_have_one_and_others_have_others() {
        let mut prints = Fingerprints::default();
        let records: Vec<Several> = vec![
            (None, vec![]),
            (Some(String::new()), vec![]),
            (Some("short".into()), vec![(1, None)]),
            (Some("a text that is too long to be in place".into()), vec![(1, Some(2)), (3, None)]),
            (Some("a text that is too long to be in place".into()), vec![(1, None), (3, None)]),
        ];
        let of: Vec<_> = records.iter().map(|record| prints.of::<Several>(record.view(), 7).expect("small")).collect();
        // What was encoded before leaves no trace.
        for (record, print) in records.iter().zip(&of).rev() {
            assert_eq!(prints.of::<Several>(record.clone().view(), 7).expect("small"), *print);
            assert_ne!(prints.of::<Several>(record.view(), 8).expect("small"), *print, "another seed");
        }
        let mut different = of.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), of.len());
    }
}
