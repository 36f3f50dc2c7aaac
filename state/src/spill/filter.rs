//! [`Filter`]: which hashes a run may have, so that most runs without a row need not be read for it.

use millstream_core::key::mix;

/// How many rows share a word of 64 bits: so about one hash in thirty passes that is not there.
const ROWS_PER_WORD: usize = 8;

/// A Bloom filter whose bits for a hash are all in one word: one cache miss.
#[derive(Debug)]
pub(super) struct Filter {
    words: Box<[u64]>,
}

impl Filter {
    /// For so many rows.
    pub(super) fn new(rows: usize) -> Self {
        Self { words: vec![0; Self::words_of(rows)].into() }
    }

    fn words_of(rows: usize) -> usize {
        (rows / ROWS_PER_WORD + 1).next_power_of_two()
    }

    /// What one for so many rows takes in memory, in bytes.
    pub(super) fn bytes_of(rows: usize) -> usize {
        Self::words_of(rows) * size_of::<u64>()
    }

    /// The word of a hash, and four of its bits.
    #[inline(always)]
    fn place(&self, hash: u64) -> (usize, u64) {
        let mixed = mix(hash);
        let bits =
            (1 << (mixed & 63)) | (1 << (mixed >> 6 & 63)) | (1 << (mixed >> 12 & 63)) | (1 << (mixed >> 18 & 63));
        ((mixed >> 24) as usize & (self.words.len() - 1), bits)
    }

    pub(super) fn add(&mut self, hash: u64) {
        let (word, bits) = self.place(hash);
        self.words[word] |= bits;
    }

    /// False if the hash was not added.
    #[inline(always)]
    pub(super) fn may_have(&self, hash: u64) -> bool {
        let (word, bits) = self.place(hash);
        self.words[word] & bits == bits
    }

    /// What it takes in memory, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        size_of_val(&*self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_passes_and_little_else_does() {
        let mut filter = Filter::new(10_000);
        (0..10_000).for_each(|i| filter.add(mix(i)));
        assert!((0..10_000).all(|i| filter.may_have(mix(i))));
        let wrong = (10_000..110_000).filter(|i| filter.may_have(mix(*i))).count();
        assert!(wrong < 8_000, "{wrong} of 100,000 pass that were not added");
    }
}
