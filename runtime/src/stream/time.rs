//! Event time for a stream: from the record's own field, or by a function.

use millstream_core::{event_time::EventTime as HasEventTime, record::Record, time::Timestamp};

use super::{Chain, EventTime, NoTime, Pipeline, Plan, Stream};
use crate::{
    event_time::WatermarkStrategy,
    failure::Location,
    graph::OperatorInfo,
    operator::Shippable,
    operators::watermarks::WithEventTime,
};

/// The time of a record as a plain function.
pub type TimeOf<T> = for<'a> fn(<T as Record>::View<'a>) -> Timestamp;

impl<P: Plan> Pipeline<P, NoTime> {
    /// Gives the stream event time: that of the field marked with `#[record(event_time)]`. The strategy says how far it has come.
    ///
    /// Directly behind a source, watermarks are made by split, and none passes as long as a bounded split (a part of a file) waits to be read: so
    /// results do not depend on which subtask reads which part first.
    #[track_caller]
    pub fn event_time<S>(self, strategy: S) -> Pipeline<WithEventTime<P, TimeOf<P::Out>, S>, EventTime>
    where
        P::Out: HasEventTime,
        S: WatermarkStrategy<P::Out>,
    {
        self.event_time_by(<P::Out as HasEventTime>::event_time, strategy)
    }

    /// Gives the stream event time: that which the function says of each record.
    #[track_caller]
    pub fn event_time_by<F, S>(self, time_of: F, strategy: S) -> Pipeline<WithEventTime<P, F, S>, EventTime>
    where
        F: for<'a> Fn(<P::Out as Record>::View<'a>) -> Timestamp,
        F: Shippable,
        S: WatermarkStrategy<P::Out>,
    {
        let Chain { plan: before, mut draft } = self.into_chain();
        let index = draft.operator(OperatorInfo::new("event_time", "", Location::caller()));
        Pipeline::new(WithEventTime { before, time_of, strategy, index }, draft)
    }
}
