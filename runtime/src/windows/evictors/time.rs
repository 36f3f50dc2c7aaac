//! An evictor that keeps the elements of the latest stretch of time.

use std::time::Duration;

use millstream_core::{record::Record, time::Timestamp};

use super::{Evicting, EvictionContext, Evictor, by_one_rule};

/// See [`time`].
#[derive(Debug, Clone, Copy)]
pub struct Time {
    keep: Duration,
    after: bool,
}

/// Keeps the elements that happened less than so long before the latest of them. In a stream without event time it keeps all.
pub fn time(keep: Duration) -> Time {
    Time { keep, after: false }
}

impl Time {
    /// Evicts once the window's function has seen the elements.
    #[must_use]
    pub fn after(self) -> Self {
        Self { after: true, ..self }
    }

    fn evict<T: Record>(&self, elements: &mut Evicting<'_, T>) {
        let latest = elements.iter().map(|(_, at)| at).max().unwrap_or(Timestamp::MIN);
        if latest > Timestamp::MIN {
            let until = latest - self.keep;
            elements.retain(|_, at| at > until);
        }
    }
}

impl<T: Record> Evictor<T> for Time {
    by_one_rule!();

    fn mistake(&self) -> Option<String> {
        let keeps_nothing = self.keep < Duration::from_millis(1);
        keeps_nothing
            .then(|| "an evictor that keeps no time: `evictors::time(..)` takes a millisecond or more".to_owned())
    }
}
