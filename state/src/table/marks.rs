//! [`Marks`]: what a shard knows of its buckets between snapshots, 64 buckets at a time.

use std::cell::Cell;

use millstream_core::processor::prefetch;

/// What is known of one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Its row was written since the last freeze.
    pub(crate) changed: bool,
    /// Its row belongs to the running snapshot and has not been copied.
    pub(crate) pending: bool,
    /// Its row was inserted since the last freeze: no snapshot knows of it.
    pub(crate) fresh: bool,
}

/// The marks of 64 buckets. What is changed at one snapshot is pending in the next, so the two take turns instead of being copied.
#[derive(Clone, Default)]
struct Word {
    turns: [u64; 2],
    fresh: u64,
    /// Rows that were looked at since a hand last came by: what is to be kept when rows have to make room.
    used: Cell<u64>,
}

/// The marks of a shard; none if its table keeps none.
#[derive(Default)]
pub(super) struct Marks {
    words: Box<[Word]>,
    /// Which of the two is `changed`; the other is `pending`.
    turn: usize,
    /// True if any bit of `fresh` may be set.
    any_fresh: bool,
}

#[inline(always)]
fn place(bucket: usize) -> (usize, u64) {
    (bucket / 64, 1 << (bucket % 64))
}

impl Marks {
    /// For so many buckets.
    pub(super) fn new(buckets: usize) -> Self {
        Self { words: vec![Word::default(); buckets.div_ceil(64)].into(), turn: 0, any_fresh: false }
    }

    /// How many words there are, of 64 buckets each.
    pub(super) fn words(&self) -> usize {
        self.words.len()
    }

    #[inline(always)]
    fn pending(&self) -> usize {
        self.turn ^ 1
    }

    /// Notes that a row is about to be written; true if it has to be copied first.
    #[inline(always)]
    pub(super) fn write(&mut self, bucket: usize) -> bool {
        let (word, bit) = place(bucket);
        let (changed, pending) = (self.turn & 1, self.pending() & 1);
        let Some(word) = self.words.get_mut(word) else { return false };
        word.turns[changed] |= bit;
        word.used.set(word.used.get() | bit);
        let copy = word.turns[pending] & bit != 0;
        if copy {
            word.turns[pending] &= !bit;
        }
        copy
    }

    /// Notes a new row.
    #[inline(always)]
    pub(super) fn insert(&mut self, bucket: usize) {
        self.set(bucket, Mark { changed: true, pending: false, fresh: true });
    }

    /// What is known of a bucket.
    pub(super) fn get(&self, bucket: usize) -> Mark {
        let (word, bit) = place(bucket);
        let Some(word) = self.words.get(word) else { return Mark::default() };
        Mark {
            changed: word.turns[self.turn] & bit != 0,
            pending: word.turns[self.pending()] & bit != 0,
            fresh: word.fresh & bit != 0,
        }
    }

    /// Replaces what is known of a bucket.
    #[inline(always)]
    pub(super) fn set(&mut self, bucket: usize, mark: Mark) {
        let (word, bit) = place(bucket);
        let (changed, pending) = (self.turn & 1, self.pending() & 1);
        let Some(word) = self.words.get_mut(word) else { return };
        let put = |bits: &mut u64, on: bool| if on { *bits |= bit } else { *bits &= !bit };
        put(&mut word.turns[changed], mark.changed);
        put(&mut word.turns[pending], mark.pending);
        put(&mut word.fresh, mark.fresh);
        self.any_fresh |= mark.fresh;
    }

    /// What was written becomes pending. Nothing must be pending before.
    pub(super) fn freeze_changed(&mut self) {
        self.turn ^= 1;
        if std::mem::take(&mut self.any_fresh) {
            self.words.iter_mut().for_each(|word| word.fresh = 0);
        }
    }

    /// Every bucket is as if its row had just been put in.
    pub(super) fn renew_all(&mut self) {
        for word in &mut self.words {
            (word.turns[self.turn], word.fresh) = (!0, !0);
        }
        self.any_fresh = true;
    }

    /// Every bucket becomes pending that is not changed.
    pub(super) fn keep_unchanged(&mut self) {
        let (changed, pending) = (self.turn, self.pending());
        for word in &mut self.words {
            word.turns[pending] = !word.turns[changed];
        }
    }

    /// What was written becomes pending, too, besides what may still be.
    pub(super) fn flush_changed(&mut self) {
        let (changed, pending) = (self.turn, self.pending());
        for word in &mut self.words {
            word.turns[pending] |= std::mem::take(&mut word.turns[changed]);
            word.fresh = 0;
        }
        self.any_fresh = false;
    }

    /// Notes that a row was looked at.
    #[inline(always)]
    pub(super) fn touch(&self, bucket: usize) {
        let (word, bit) = place(bucket);
        if let Some(word) = self.words.get(word) {
            word.used.set(word.used.get() | bit);
        }
    }

    /// Takes the bits of a word that say what was looked at.
    pub(super) fn take_used(&mut self, word: usize) -> u64 {
        self.words.get(word).map_or(0, |word| word.used.take())
    }

    /// Every bucket becomes pending, whether it has a row or not.
    pub(super) fn freeze_all(&mut self) {
        let pending = self.pending();
        for word in &mut self.words {
            *word = Word::default();
            word.turns[pending] = !0;
        }
        self.any_fresh = false;
    }

    /// Nothing is pending any more.
    pub(super) fn forget_pending(&mut self) {
        let pending = self.pending();
        self.words.iter_mut().for_each(|word| word.turns[pending] = 0);
    }

    /// Takes the pending bits of a word.
    pub(super) fn take_pending(&mut self, word: usize) -> u64 {
        let pending = self.pending();
        self.words.get_mut(word).map_or(0, |word| std::mem::take(&mut word.turns[pending]))
    }

    /// The pending bits of a word.
    #[inline(always)]
    pub(super) fn pending_in(&self, word: usize) -> u64 {
        self.words.get(word).map_or(0, |word| word.turns[self.pending() & 1])
    }

    /// How many buckets are pending from this word on.
    pub(super) fn pending_from(&self, word: usize) -> usize {
        let words = self.words.get(word..).unwrap_or_default();
        words.iter().map(|word| word.turns[self.pending()].count_ones() as usize).sum()
    }

    /// How many of 64 buckets were written since the last freeze.
    pub(super) fn changed_in(&self, word: usize) -> u32 {
        self.words.get(word).map_or(0, |word| word.turns[self.turn].count_ones())
    }

    /// Asks the processor to load what is known of a bucket.
    #[inline(always)]
    pub(super) fn prefetch(&self, bucket: usize) {
        if let Some(word) = self.words.get(bucket / 64) {
            prefetch(word);
        }
    }

    /// What they take in memory, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.words.len() * size_of::<Word>()
    }
}
