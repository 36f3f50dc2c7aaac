//! Windows of so many elements.

use millstream_core::{
    record::Record,
    time::{Timestamp, Window},
};

use super::{
    Assigner as _, Clock, RecordAssigner, Separate, WindowsOn, global,
    panes::ByCount,
    triggers::{self, Purging},
};
use crate::stream::TimeDomain;

/// See [`count`].
#[derive(Debug, Clone, Copy)]
pub struct Count {
    size: u64,
}

/// Windows of so many elements of a key each, in the order in which they come: global windows that fire and are emptied at every so many. Those that
/// are not full at the end of the input do not fire (as in Flink).
pub fn count(size: u64) -> Count {
    Count { size }
}

impl Count {
    /// Windows that fire at every so many elements, with the last `size` of them: `count(100).slide(10)`. The first ones have fewer.
    ///
    /// All elements of a window are kept, by aggregates, too.
    pub fn slide(self, step: u64) -> SlidingCount {
        SlidingCount { size: self.size, step }
    }
}

const NO_SIZE: &str = "these windows have no size: `count(..)` takes 1 or more elements";

fn everything() -> Window {
    global().slice(Timestamp::MIN)
}

impl<T: Record> RecordAssigner<T> for Count {
    const CLOCK: Clock = Clock::Event;
    type Kind = Separate;
    type Trigger = Purging<triggers::Count>;

    #[inline(always)]
    fn assign(&self, _: T::View<'_>, _: Timestamp, mut visit: impl FnMut(Window)) {
        visit(everything());
    }

    fn trigger(&self) -> Self::Trigger {
        triggers::purging(triggers::count(self.size))
    }

    fn describe(&self) -> String {
        format!("count {}", self.size)
    }

    fn mistake(&self) -> Option<String> {
        (self.size == 0).then(|| NO_SIZE.to_owned())
    }
}

impl<Time: TimeDomain> WindowsOn<Time> for Count {}

/// See [`Count::slide`].
#[derive(Debug, Clone, Copy)]
pub struct SlidingCount {
    size: u64,
    step: u64,
}

impl SlidingCount {
    pub(super) fn size(&self) -> u64 {
        self.size
    }
}

impl<T: Record> RecordAssigner<T> for SlidingCount {
    const CLOCK: Clock = Clock::Event;
    type Kind = ByCount;
    type Trigger = triggers::Count;

    #[inline(always)]
    fn assign(&self, _: T::View<'_>, _: Timestamp, mut visit: impl FnMut(Window)) {
        visit(everything());
    }

    fn trigger(&self) -> triggers::Count {
        triggers::count(self.step)
    }

    fn describe(&self) -> String {
        format!("count {} slide {}", self.size, self.step)
    }

    fn mistake(&self) -> Option<String> {
        match (self.size, self.step) {
            (0, _) => Some(NO_SIZE.to_owned()),
            (_, 0) => Some("these windows do not move on: `.slide(..)` takes 1 or more elements".to_owned()),
            _ => None,
        }
    }
}

impl<Time: TimeDomain> WindowsOn<Time> for SlidingCount {}
