//! Process functions: state per key, timers, contexts, hooks, errors and plans.

mod broadcast;
mod connected;
mod connected_unkeyed;
mod errors;
mod hooks;
mod plans;
mod sides;
mod state;
mod timers;
mod ttl;
mod unkeyed;

use millstream::prelude::*;

use crate::{
    script::{Script, Step},
    support::ms,
};

/// What a test tells a function to do.
#[derive(Record, Debug, Clone)]
pub(crate) struct Order {
    pub(crate) key: u64,
    #[record(event_time)]
    pub(crate) at: Timestamp,
    pub(crate) what: What,
    pub(crate) time: Timestamp,
}

#[derive(Record, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Set or delete a timer for the order's `time`.
    Set,
    Delete,
    SetProcessing,
    DeleteProcessing,
    /// Say how far time has come.
    Tell,
    /// Event time has come to the order's time.
    Watermark,
}

pub(crate) fn order(key: u64, at: i64, what: What, time: i64) -> Order {
    Order { key, at: ms(at), what, time: ms(time) }
}

/// Event time comes to this time. (The order is for key 0, which does nothing else.)
pub(crate) fn watermark(at: i64) -> Order {
    order(0, at, What::Watermark, 0)
}

/// A stream of orders in their order, with event time.
pub(crate) fn orders(job: &mut Job, steps: Vec<Step<Order>>) -> impl Stream<Out = Order, Time = EventTime> + use<> {
    let said = |order: OrderView<'_>, at: Timestamp| matches!(order.what, WhatView::Watermark).then_some(at);
    job.source(Script::steps(vec![steps])).event_time(punctuated(said))
}

pub(crate) fn steps(orders: impl IntoIterator<Item = Order>) -> Vec<Step<Order>> {
    orders.into_iter().map(Step::Record).collect()
}
