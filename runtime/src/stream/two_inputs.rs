//! [`two_inputs`]: a head of one's own behind two streams.

use millstream_core::record::Record;

use super::{Pipeline, Plan, Planned, Stream};
use crate::{failure::Location, graph::OperatorInfo, task::head::Two};

/// Puts a plan whose head has two ports behind two streams: `left` arrives on port 0, `right` on port 1. What joins and connected streams are made of;
/// `kind` is what plans and messages call it.
///
/// A keyed stream is spread by its key, any other one subtask to subtask. Records of a channel keep their order; there is none between the
/// two. The head sees the watermark of the whole: the minimum over both.
///
/// Streams by event time and streams without are not mixed:
///
/// ```compile_fail
/// # use millstream_runtime::stream::{EventTime, NoTime, Plan, Stream, two_inputs};
/// # use millstream_runtime::Two;
/// fn mixed<P: Plan<In = Two<u64, u64>>>(
///     left: impl Stream<Out = u64, Time = EventTime>,
///     right: impl Stream<Out = u64, Time = NoTime>,
///     plan: P,
/// ) {
///     let _ = two_inputs("join", left, right, plan);
/// }
/// ```
#[track_caller]
pub fn two_inputs<L, R, P>(kind: &'static str, left: L, right: R, plan: P) -> Planned<L, P>
where
    L: Stream<Out: Record>,
    R: Stream<Time = L::Time>,
    P: Plan<In = Two<L::Out, R::Out>>,
{
    let mut draft = left.new_draft();
    left.end_at(&draft, 0);
    right.end_at(&draft, 1);
    draft.operator(OperatorInfo::new(kind, "", Location::caller()).stateful());
    Pipeline::new(plan, draft)
}
