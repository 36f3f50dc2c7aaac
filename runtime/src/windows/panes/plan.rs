//! The plan of a chain that begins with windows by panes.

use std::{marker::PhantomData, time::Duration};

use millstream_core::record::Record;

use super::{
    Admits, Contents, PaneHead, RecordAssigner, Trigger,
    operator::{Panes, Rules},
};
use crate::{
    failure::Failure,
    graph::OutputId,
    operator::{KeyFn, Push},
    process::{Opening, Turns},
    stream::Plan,
    task::{contain::Guard, context::ChainContext, head::One},
};

/// The plan of a chain that begins with windows by panes.
pub struct PanePlan<T, K, W, Tr, C> {
    pub(crate) key: K,
    pub(crate) windows: W,
    pub(crate) trigger: Tr,
    pub(crate) contents: C,
    pub(crate) lateness: Duration,
    pub(crate) index: usize,
    pub(crate) late: Option<OutputId>,
    pub(crate) timed: bool,
    pub(crate) record: PhantomData<fn(T)>,
}

impl<T, K, W, Tr, C> Plan for PanePlan<T, K, W, Tr, C>
where
    T: Record,
    K: KeyFn<T, Key = C::Key>,
    W: RecordAssigner<T>,
    W::Kind: Admits<T, Tr>,
    Tr: Trigger<T>,
    C: Contents<T>,
{
    type In = One<T>;
    type Out = C::Out;
    type Chain<N: Push<Self::Out>> = PaneHead<T, K, W, Tr, C, N>;

    fn chain<N: Push<Self::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure> {
        let info = cx.operator(self.index);
        cx.measure_state(&info);
        let access = cx.state(&info);
        let open = cx.open_context(&info);
        let rules = Rules {
            windows: self.windows.clone(),
            trigger: self.trigger.clone(),
            contents: self.contents.clone(),
            lateness_ms: i64::try_from(self.lateness.as_millis()).unwrap_or(i64::MAX),
        };
        let opening = Opening { chain: cx, access: &access };
        let guard = Guard::new(&info);
        let panes = Panes::open(rules, &opening, &open);
        guard.done();
        let panes = panes.map_err(|failure| failure.at_operator(&info.to_string(), Some(info.location)))?;
        let late_records = open.counter("late_records");
        let turns = Turns::open(&opening)?;
        Ok(PaneHead {
            key: self.key.clone(),
            panes,
            access,
            turns,
            late: self.late.map(|output| cx.output(output, self.timed)).transpose()?,
            late_records,
            info,
            next,
        })
    }
}
