//! The plan of a chain that begins with windows by panes.

use std::{marker::PhantomData, time::Duration};

use millstream_core::{record::Record, time::Window};

use super::{
    Admits, Contents, FailWindow, PaneHead, RecordAssigner, Trigger,
    operator::{Panes, Rules},
};
use crate::{
    failure::Failure,
    graph::OutputId,
    operator::{KeyFn, Push},
    operators::fused::OnError,
    process::{Opening, Turns},
    stream::Plan,
    task::{contain::Guard, context::ChainContext, head::One},
};

/// The plan of a chain that begins with windows by panes; `H` is what happens to windows that a function rejects.
pub struct PanePlan<T, K, W, Tr, C, H = FailWindow> {
    pub(crate) key: K,
    pub(crate) windows: W,
    pub(crate) trigger: Tr,
    pub(crate) contents: C,
    pub(crate) on_error: H,
    pub(crate) lateness: Duration,
    pub(crate) index: usize,
    pub(crate) late: Option<OutputId>,
    pub(crate) timed: bool,
    pub(crate) record: PhantomData<fn(T)>,
}

impl<T, K, W, Tr, C> PanePlan<T, K, W, Tr, C> {
    /// The same with a policy for windows that are rejected.
    pub(crate) fn on_error<H>(self, on_error: H) -> PanePlan<T, K, W, Tr, C, H> {
        let Self { key, windows, trigger, contents, lateness, index, late, timed, record, .. } = self;
        PanePlan { key, windows, trigger, contents, on_error, lateness, index, late, timed, record }
    }
}

impl<T, K, W, Tr, C, H> Plan for PanePlan<T, K, W, Tr, C, H>
where
    T: Record,
    K: KeyFn<T, Key = C::Key>,
    W: RecordAssigner<T>,
    W::Kind: Admits<T, Tr>,
    Tr: Trigger<T>,
    C: Contents<T>,
    H: OnError<(C::Key, Window), C::Error>,
{
    type In = One<T>;
    type Out = C::Out;
    type Chain<N: Push<Self::Out>> = PaneHead<T, K, W, Tr, C, H::Handler, N>;

    fn chain<N: Push<Self::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure> {
        let info = cx.operator(self.index);
        cx.measure_state(&info);
        let access = cx.state(&info);
        let handler = self.on_error.open(cx, &info)?;
        let open = cx.open_context(&info);
        let rules = Rules {
            windows: self.windows.clone(),
            trigger: self.trigger.clone(),
            contents: self.contents.clone(),
            handler,
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
