//! [`Outlet`]: an output of a chain that others read by whole buffers, or in the same task.

use millstream_core::{record::Record, time::Timestamp};

use crate::{
    env::Instant,
    exchange::output::Output,
    operator::{Push, Signal, Stage, Wait, earliest},
};

/// Where a stream parts: side outputs, forks and the like. A branch that is chained gets views, and nothing is encoded for it; its code is known only when
/// the whole job has been written down, which makes one virtual call for a record that goes there.
pub(crate) struct Outlet<T: Record> {
    chained: Vec<Box<dyn Branch<T>>>,
    /// To those in tasks of their own, if there are any.
    exchange: Option<Output<T>>,
    /// As of the last call: asking is a virtual call, and the records that go elsewhere ask as well.
    full: bool,
}

/// A chain without its head.
pub(crate) trait Branch<T: Record>: Stage {
    /// Pushes a record, and says whether the chain is full then: one call for both.
    fn take(&mut self, record: T::View<'_>, at: Timestamp) -> bool;
}

impl<T: Record, N: Push<T>> Branch<T> for N {
    fn take(&mut self, record: T::View<'_>, at: Timestamp) -> bool {
        self.push(record, at);
        self.is_full()
    }
}

impl<T: Record> Outlet<T> {
    pub(crate) fn new(chained: Vec<Box<dyn Branch<T>>>, exchange: Option<Output<T>>) -> Self {
        Self { chained, exchange, full: false }
    }

    fn look(&mut self) {
        self.full = self.chained.iter().any(|branch| branch.is_full())
            | self.exchange.as_ref().is_some_and(|exchange| exchange.is_full());
    }
}

impl<T: Record> Push<T> for Outlet<T> {
    #[inline(always)]
    fn push(&mut self, record: T::View<'_>, at: Timestamp) {
        for branch in &mut self.chained {
            self.full |= branch.take(record, at);
        }
        if let Some(exchange) = &mut self.exchange {
            exchange.push(record, at);
            self.full |= exchange.is_full();
        }
    }
}

impl<T: Record> Stage for Outlet<T> {
    fn signal(&mut self, signal: Signal) {
        // What a source says of its splits is for a watermark generator directly behind it, which would have been in front of this.
        if !matches!(signal, Signal::Split(_)) {
            self.chained.iter_mut().for_each(|branch| branch.signal(signal));
        }
        if let Some(exchange) = &mut self.exchange {
            exchange.signal(signal);
        }
        self.look();
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.full
    }

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        let due = self.exchange.as_mut().and_then(|exchange| exchange.flush(now));
        let due = self.chained.iter_mut().fold(due, |due, branch| earliest(due, branch.flush(now)));
        self.look();
        due
    }

    fn idle(&mut self) {
        self.chained.iter_mut().for_each(|branch| branch.idle());
        self.look();
    }

    fn ready(&mut self) -> Wait<'_> {
        Box::pin(async {
            for branch in &mut self.chained {
                branch.ready().await?;
            }
            if let Some(exchange) = &mut self.exchange {
                exchange.ready().await?;
            }
            self.look();
            Ok(())
        })
    }

    fn finish(&mut self) -> Wait<'_> {
        Box::pin(async {
            for branch in &mut self.chained {
                branch.finish().await?;
            }
            match &mut self.exchange {
                Some(exchange) => exchange.finish().await,
                None => Ok(()),
            }
        })
    }
}
