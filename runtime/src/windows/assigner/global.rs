//! [`Global`]: one window for everything.

use millstream_core::time::{Timestamp, Window};

use super::{Apart, Assigner, Clock, WindowsOn};
use crate::stream::TimeDomain;

/// One window for everything; it fires at the end of a bounded input. See [`global`].
#[derive(Debug, Clone, Copy)]
pub struct Global;

/// One window per key for the whole input. It fires once, at the end of a bounded input (as Flink's global windows with the end-of-stream trigger).
pub fn global() -> Global {
    Global
}

impl Assigner for Global {
    const CLOCK: Clock = Clock::Event;
    type Layout = Apart;

    #[inline(always)]
    fn slice(&self, _: Timestamp) -> Window {
        Window { start: Timestamp::MIN, end: Timestamp::MAX }
    }

    fn describe(&self) -> String {
        "global".into()
    }
}

impl<Time: TimeDomain> WindowsOn<Time> for Global {}
