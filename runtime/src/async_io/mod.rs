//! Async operators: functions that wait for services, many calls at a time.
//!
//! `#[async_map]`, `#[async_filter]` and `#[async_flat_map]` implement [`AsyncFunction`], and `.then_async(..)` puts one into a stream; `.lookup(..)` joins with one, and `.sink_async(..)` ends a
//! stream with one that has `#[async_sink]`. A blocking function, as of `#[map(blocking)]`, is one too: its calls wait for threads. Everything in here may also be used without the attributes.
//!
//! ```text
//! records -> flight (units, each a record or a batch, with its call) -> line (the order of answers) -> chain
//! ```
//!
//! The head ([`AsyncHead`]) polls the calls itself, in the task of its subtask: what a call does between two waits runs there, and a call costs no task of its own. Records whose answers have
//! not been put out are state: a barrier passes them, and calls are made for them again after a failure. So a call may be made more than once for a record, and its answer is put
//! out once.
//!
//! Semantics follow Flink's [asynchronous I/O](https://nightlies.apache.org/flink/flink-docs-stable/docs/dev/datastream/operators/asyncio/): ordered and unordered
//! answers, a timeout over all attempts, retries by predicate on answer or error, and order by key.

mod alarms;
mod blocking;
mod cache;
mod calling;
mod flight;
mod function;
mod head;
mod line;
mod lookup;
mod metrics;
mod options;
mod plan;
mod rate;
mod ready;
mod sink;
mod state;
mod unit;

pub use blocking::Pool;
pub use function::{Answers, AsyncError, AsyncFunction, KeyByKey, OneRequest, Requests, Together};
pub use head::AsyncHead;
pub use lookup::{LookedUp, Lookup, Table};
pub use options::{
    AsyncOptions, BatchOptions, CacheOptions, DEFAULT_BACKOFF, DEFAULT_BACKOFF_LIMIT, DEFAULT_CAPACITY,
    DEFAULT_CLIENTS, LIMIT_CAPACITY, Order, Retry,
};
pub(crate) use plan::{AllAtOnce, OneByOne};
pub use plan::{AsyncPlan, Asynchronous, Queueing};
pub use sink::{AsyncSink, Written};
pub(crate) use state::describe;
