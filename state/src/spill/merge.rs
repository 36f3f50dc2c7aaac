//! [`Merge`]: what several sources have of their keys, in order; of each key the newest.

use std::sync::Arc;

use redb::Range;

use super::{codec::hash_of, error::SpillError, pending::Pending, run::Run};

/// Rows in the order of their keys, and the first of them that has not been taken.
struct Source {
    rows: Rows,
    /// The hash of `key`; what most comparisons need.
    hash: u64,
    key: Vec<u8>,
    value: Vec<u8>,
}

enum Rows {
    Pending { rows: Arc<Pending>, order: Vec<u32>, next: usize },
    Run { range: Box<Range<'static, &'static [u8], &'static [u8]>>, _keeps_its_file: Arc<Run> },
}

impl Source {
    /// Goes on to the next row; false at the end.
    fn advance(&mut self) -> Result<bool, SpillError> {
        self.key.clear();
        self.value.clear();
        match &mut self.rows {
            Rows::Pending { rows, order, next } => {
                let Some(at) = order.get(*next) else { return Ok(false) };
                *next += 1;
                let (key, value) = rows.entry(*at);
                self.key.extend_from_slice(key);
                self.value.extend_from_slice(value);
            }
            Rows::Run { range, .. } => {
                let Some(row) = range.next() else { return Ok(false) };
                let (key, value) = row.map_err(SpillError::of("read"))?;
                self.key.extend_from_slice(key.value());
                self.value.extend_from_slice(value.value());
            }
        }
        self.hash = hash_of(&self.key);
        Ok(true)
    }
}

/// The newest rows of several sources, in the order of their keys.
#[derive(Default)]
pub(super) struct Merge {
    /// Older ones come first. None is at its end.
    sources: Vec<Source>,
    /// The source whose row was shown last.
    shown: Option<usize>,
}

impl Merge {
    /// Adds a source that is newer than those before.
    pub(super) fn add_run(&mut self, run: &Arc<Run>) -> Result<(), SpillError> {
        let rows = Rows::Run { range: Box::new(run.iter()?), _keeps_its_file: Arc::clone(run) };
        self.add(rows)
    }

    /// Adds a source that is newer than those before.
    pub(super) fn add_pending(&mut self, rows: &Arc<Pending>) -> Result<(), SpillError> {
        self.add(Rows::Pending { order: rows.sorted(), rows: Arc::clone(rows), next: 0 })
    }

    fn add(&mut self, rows: Rows) -> Result<(), SpillError> {
        let mut source = Source { rows, hash: 0, key: Vec::new(), value: Vec::new() };
        if source.advance()? {
            self.sources.push(source);
        }
        Ok(())
    }

    /// The next key, and what is newest of it.
    pub(super) fn next(&mut self) -> Result<Option<(&[u8], &[u8])>, SpillError> {
        if let Some(shown) = self.shown.take()
            && !self.sources[shown].advance()?
        {
            self.sources.remove(shown);
        }
        let Some(mut first) = self.sources.len().checked_sub(1) else { return Ok(None) };
        // From the newest to the oldest: so one that is newer is passed over by none that has the same key.
        let mut at = first;
        while at > 0 {
            at -= 1;
            let (found, of) = (&self.sources[first], &self.sources[at]);
            match of.hash.cmp(&found.hash).then_with(|| of.key.cmp(&found.key)) {
                std::cmp::Ordering::Less => first = at,
                std::cmp::Ordering::Greater => {}
                std::cmp::Ordering::Equal => {
                    if !self.sources[at].advance()? {
                        self.sources.remove(at);
                        first -= 1;
                    }
                }
            }
        }
        self.shown = Some(first);
        let source = &self.sources[first];
        Ok(Some((&source.key, &source.value)))
    }
}
