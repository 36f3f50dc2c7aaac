//! [`Chain`]: a chain under construction, and how it ends.

use std::sync::{Arc, Mutex, PoisonError};

use millstream_core::record::Record;

use super::{Guarantee, Plan, Sealed, TimeDomain};
use crate::{
    checkpoint::channels::reroute,
    event_time::{Alignment, WatermarkStrategy},
    exchange::{partition::Partition, partitioned::Partitioned},
    failure::Location,
    graph::{Draft, EdgeKind, OperatorInfo, OutputId},
    operator::{Operator, Shippable},
    operators::{
        fused::{Fail, Then},
        split::SplitTail,
        watermarks::WithEventTime,
    },
    task::{context::ChainContext, head::Head},
};

/// A chain that has not ended yet: its plan, and what the graph has to know of it.
pub struct Chain<P> {
    pub(crate) plan: P,
    pub(crate) draft: Draft,
}

impl<P: Plan> Chain<P> {
    /// Ends the chain with an exchange that looks at every record; the stream behind it.
    pub(crate) fn partition<Time: TimeDomain, G: Guarantee>(
        self,
        partition: impl Partition<P::Out>,
        location: Location,
    ) -> Sealed<P::Out, Time, G> {
        let reader = Draft::new(self.draft.graph());
        self.partition_to::<Time>(partition, location, &reader, 0);
        Sealed::reading(reader)
    }

    /// Ends the chain with an exchange that looks at every record, for a port of a chain that is there already.
    pub(crate) fn partition_to<Time: TimeDomain>(
        self,
        partition: impl Partition<P::Out>,
        location: Location,
        reader: &Draft,
        port: u8,
    ) {
        let Self { plan, mut draft } = self;
        let info = OperatorInfo::new(partition.kind(), "", location);
        let output = draft.output();
        let kind = EdgeKind::Partitioned(partition.describe());
        reader.read::<P::Out>(&draft, output, kind, port);
        let partition = Arc::new(Mutex::new(partition));
        reader.reroute(port, reroute(Arc::clone(&partition)));
        let make = move |cx: &mut ChainContext<'_>| {
            let senders = cx.senders(output);
            let (from, seed) = (cx.task.subtask, cx.task.env.random());
            let settings = &cx.task.settings;
            let partition = partition.lock().unwrap_or_else(PoisonError::into_inner);
            let route = partition.route(from, senders.len(), senders.max_parallelism, seed);
            drop(partition);
            let tail = Partitioned::new(route, senders, settings, Time::TIMED, info.clone());
            Ok(Box::new(plan.chain(cx, tail)?) as Box<dyn Head>)
        };
        draft.end(Box::new(make), None);
    }

    /// Ends the chain with one output for so many streams.
    pub(super) fn fork<Time: TimeDomain, G: Guarantee, const N: usize>(mut self) -> [Sealed<P::Out, Time, G>; N] {
        let output = self.draft.output();
        let streams = std::array::from_fn(|_| Sealed::parting(&self.draft, output));
        self.end_at::<Time>(output);
        streams
    }

    /// Ends the chain with one output that is spread by whole buffers.
    pub(crate) fn share<Time: TimeDomain, G: Guarantee>(mut self, kind: EdgeKind) -> Sealed<P::Out, Time, G> {
        let output = self.draft.output();
        let reader = self.draft.reader::<P::Out>(output, kind);
        self.end_at::<Time>(output);
        Sealed::reading(reader)
    }

    /// Ends the chain with an output that is spread by whole buffers, for a port of a chain that is there already.
    pub(super) fn share_to<Time: TimeDomain>(mut self, kind: EdgeKind, reader: &Draft, port: u8) {
        let output = self.draft.output();
        reader.read::<P::Out>(&self.draft, output, kind, port);
        self.end_at::<Time>(output);
    }

    /// Ends the chain with an output that has its readers.
    pub(super) fn end_at<Time: TimeDomain>(self, output: OutputId) {
        let Self { plan, draft } = self;
        let make = move |cx: &mut ChainContext<'_>| {
            let tail = cx.output::<P::Out>(output, Time::TIMED)?;
            Ok(Box::new(plan.chain(cx, tail)?) as Box<dyn Head>)
        };
        draft.end(Box::new(make), None);
    }

    /// Ends the chain with two outputs, by a predicate.
    pub(super) fn split<F, Time, G>(
        self,
        predicate: F,
        location: Location,
    ) -> (Sealed<P::Out, Time, G>, Sealed<P::Out, Time, G>)
    where
        F: for<'a> Fn(<P::Out as Record>::View<'a>) -> bool,
        F: Shippable,
        Time: TimeDomain,
        G: Guarantee,
    {
        let Self { plan, mut draft } = self;
        let index = draft.operator(OperatorInfo::new("split", "", location));
        let (matching, rest) = (draft.output(), draft.output());
        let streams = (Sealed::parting(&draft, matching), Sealed::parting(&draft, rest));
        let make = move |cx: &mut ChainContext<'_>| {
            let tail = SplitTail {
                predicate: predicate.clone(),
                matching: cx.output::<P::Out>(matching, Time::TIMED)?,
                rest: cx.output::<P::Out>(rest, Time::TIMED)?,
                info: cx.operator(index),
            };
            Ok(Box::new(plan.chain(cx, tail)?) as Box<dyn Head>)
        };
        draft.end(Box::new(make), None);
        streams
    }

    pub(super) fn event_time<F, S>(self, time_of: F, strategy: S, location: Location) -> Chain<WithEventTime<P, F, S>>
    where
        S: WatermarkStrategy<P::Out>,
    {
        let Self { plan: before, mut draft } = self;
        let alignment = strategy.alignment();
        let detail = alignment.map_or(String::new(), Alignment::describe);
        let index = draft.operator(OperatorInfo::new("event_time", "", location).detail(detail));
        if let Some(mistake) = strategy.mistake().or_else(|| alignment.and_then(Alignment::mistake)) {
            draft.graph().borrow_mut().mistake(format!("{location}: event_time: {mistake}"));
        } else if let Some(alignment) = alignment {
            draft.align(alignment.clone(), location);
        }
        Chain { plan: WithEventTime { before, time_of, strategy, index }, draft }
    }

    /// Puts an operator on single records behind the plan.
    pub(super) fn then<O: Operator<P::Out>>(self, operator: O, location: Location) -> Chain<Then<P, O>> {
        let Self { plan, mut draft } = self;
        let index = draft.operator(OperatorInfo::of(&operator, location));
        Chain { plan: Then { before: plan, operator, on_error: Fail, index }, draft }
    }
}
