//! An evictor that keeps so many elements.

use millstream_core::record::Record;

use super::{Evicting, EvictionContext, Evictor, by_one_rule};

/// See [`count`].
#[derive(Debug, Clone, Copy)]
pub struct Count {
    keep: u64,
    after: bool,
}

/// Keeps the last so many elements, and removes those that came before them.
pub fn count(keep: u64) -> Count {
    Count { keep, after: false }
}

impl Count {
    /// Evicts once the window's function has seen the elements.
    #[must_use]
    pub fn after(self) -> Self {
        Self { after: true, ..self }
    }

    fn evict<T: Record>(&self, elements: &mut Evicting<'_, T>) {
        let keep = usize::try_from(self.keep).unwrap_or(usize::MAX);
        elements.remove_first(elements.len().saturating_sub(keep));
    }
}

impl<T: Record> Evictor<T> for Count {
    by_one_rule!();

    fn mistake(&self) -> Option<String> {
        (self.keep == 0).then(|| "an evictor that keeps 0 elements: `evictors::count(..)` takes 1 or more".to_owned())
    }
}
