//! Millstream: a distributed stream processor with typed, compile-time checked operator chains.
//!
//! A job is ordinary Rust: `#[derive(Record)]` on the data, closures or annotated functions as operators, a `#[job]` function as the graph. This crate
//! is the facade: it re-exports the parts and owns the [`prelude`].
//!
//! ```
//! use millstream::prelude::*;
//!
//! #[derive(Record)]
//! struct Trade {
//!     symbol: String,
//!     price: f64,
//!     #[record(event_time)]
//!     at: Timestamp,
//! }
//!
//! #[key]
//! fn symbol(trade: TradeView<'_>) -> &str {
//!     trade.symbol
//! }
//!
//! fn trade(symbol: &str, price: f64, seconds: i64) -> Trade {
//!     Trade { symbol: symbol.to_owned(), price, at: Timestamp::from_millis(seconds * 1000) }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), millstream::launch::Error> {
//!     let highest = collect();
//!     let sink = highest.sink();
//!     let trades = vec![trade("mill", 7.0, 3), trade("stone", 2.0, 10), trade("mill", 8.5, 59), trade("mill", 6.0, 61)];
//!
//!     let job = move |job: &mut Job| {
//!         job.source(records(trades))
//!             .event_time(out_of_order(5.seconds()))
//!             .key_with(symbol)
//!             .window(tumbling(1.minutes()))
//!             .aggregate(|of| of.max(|trade| trade.price))
//!             .map(|(symbol, window, highest)| (symbol.to_owned(), window.start.millis() / 60_000, highest))
//!             .sink(sink);
//!     };
//!     millstream::run(job, ()).await?;
//!
//!     let mut rows: Vec<(String, i64, f64)> = highest.take();
//!     rows.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.cmp(&b.1)));
//!     assert_eq!(rows, [("mill".into(), 0, 8.5), ("mill".into(), 1, 6.0), ("stone".into(), 0, 2.0)]);
//!     Ok(())
//! }
//! ```
//!
//! # A tour
//!
//! - **Data.** [`Record`](macro@Record) makes a struct or an enum something that can flow, and its *view* (`TradeView<'_>`), which operators get to see: borrowed, whether the record was
//!   just parsed, built or received. [`Key`] is what streams are grouped by, [`Timestamp`] and [`Window`] are time.
//! - **Streams.** [`Stream`] has the operators. What they take are closures, or functions annotated with [`map`](macro@map), [`filter`](macro@filter), [`flat_map`](macro@flat_map),
//!   [`filter_map`](macro@filter_map) or [`key`](macro@key), which may borrow from their record; and async functions annotated with [`async_map`](macro@async_map),
//!   [`async_filter`](macro@async_filter) or [`async_flat_map`](macro@async_flat_map), of which [`AsyncStream`] makes many calls at a time.
//! - **Time.** [`event_time`] has the strategies for watermarks, [`windows`] says which records belong together.
//! - **Aggregates.** [`Of`] builds them, for a window, for every record (`rolling`) or once (`at_end`); [`aggregate`](macro@aggregate) makes one of your own.
//! - **State and timers.** [`process`](macro@process) makes a process function, with state ([`State`](macro@State)) and timers for each key; [`mod@process`] has what it is made of. Sorting, deduplication,
//!   ranks and closures with state are methods of [`StatefulStream`].
//! - **Two streams.** [`connect`](Stream::connect) gives two streams to one process function, [`join`](Stream::join) pairs their records by key.
//! - **Files and the rest of the world.** [`connectors`] has CSV, JSON Lines, text, sockets and more; [`source`] and [`sink`] have the traits for your own.
//! - **Running.** [`job`](macro@job) and [`main!`] give a binary its command line; [`run`](fn@run) and [`start`] run a job from a `main` of yours. [`settings`] may be given by flags, variables and a file.
//! - **Testing.** [`collect()`](connectors::collect()) is a sink whose records a test can look at; an annotated function is tested by itself, as `function::call(..)`.
//!
//! The guide in `docs/guide` of the repository has a page for each of these, and begins with a job over a CSV file of your own.

#[doc(inline)]
pub use millstream_core::{
    aggregate::{self, Aggregate, Of, Rolling},
    blank::Blank,
    cell::{Cell, Column, Row},
    document::{self, Document},
    error::ParseError,
    event_time::EventTime as HasEventTime,
    impls::{ByteString, MapView, VecView},
    key::Key,
    rate::{Rate, RateExt},
    record::{Adapter, Record},
    schema::Schema,
    time::{DurationExt, Timestamp, Window},
    view::View,
};
pub use millstream_macros::{
    OperatorState, Record, State, aggregate, async_filter, async_flat_map, async_map, async_sink, filter, filter_map,
    flat_map, job, key, map, process,
};
#[doc(inline)]
pub use millstream_runtime::{
    async_io, by_key, checkpoint, env, event_time, failure, graph, joins, launch, local, metrics,
    operator::{self, KeyFn, Operator, Push},
    process, registry, restart, settings, sink, source, stream,
    stream::{
        AsyncStream, AtLeastOnce, BestEffort, Broadcast, EventTime, ExactlyOnce, Job, NoKey, NoTime, StatefulStream,
        Stream,
    },
    windows,
};

/// The runtime as it is: what the other modules of this crate are taken from.
#[doc(no_inline)]
pub use millstream_runtime as runtime;

/// Running a job from a `main` of one's own. The function is passed by its name; `#[job]` leaves it as it is.
///
/// ```
/// use millstream::prelude::*;
///
/// #[derive(Args)]
/// struct Bound {
///     #[arg(long)]
///     below: u64,
/// }
///
/// /// Prints squares.
/// #[job]
/// fn squares(job: &mut Job, bound: Bound) {
///     job.source(records((0..bound.below).collect::<Vec<_>>())).map(|n| n * n).sink(print());
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<(), millstream::launch::Error> {
///     // To its end:
///     millstream::run(squares, Bound { below: 10 }).await?;
///
///     // Or with a handle, to wait, drain, cancel and read counters:
///     let job = millstream::start(squares, Bound { below: 10 })?;
///     let report = job.wait().await?;
///     println!("{} took {:?}", job.name(), report.elapsed);
///     Ok(())
/// }
/// ```
#[doc(inline)]
pub use millstream_runtime::launch::run;
#[doc(inline)]
pub use millstream_runtime::launch::{start, start_with};

/// Sources and sinks.
pub use millstream_connectors as connectors;

/// The crate behind job arguments: `#[derive(clap::Args)]`.
pub use clap;

/// What a job needs: `use millstream::prelude::*;`.
pub mod prelude {
    pub use clap::{self, Args};
    pub use millstream_connectors::{CsvFiles, JsonLines, SocketLines, TextFiles, collect, generate, print, records};
    pub use millstream_core::{
        aggregate::{Aggregate, Rolling},
        impls::ByteString,
        key::Key,
        outcome::each,
        rate::RateExt,
        record::Record,
        time::{DurationExt, Timestamp, Window},
    };
    pub use millstream_macros::{
        OperatorState, Record, State, aggregate, async_filter, async_flat_map, async_map, async_sink, filter,
        filter_map, flat_map, job, key, map, process,
    };
    pub use millstream_runtime::{
        event_time::{WatermarkStrategyExt, monotonous, out_of_order, punctuated},
        joins::{after, before},
        operator::{KeyFn, OpenContext, Operator, Push},
        process::{
            AggregatingState, Context, KeyedContext, ListState, MapState, OperatorState, Reducer, ReducingState,
            SideOutput, State, StateOf, Timer, ValueState,
        },
        sink::Sink,
        stream::{
            AsyncStream, AtLeastOnce, BestEffort, Broadcast, EventTime, ExactlyOnce, Job, NoKey, NoTime,
            StatefulStream, Stream,
        },
        windows::{count, cumulate, evictors, global, session, session_with, sliding, triggers, tumbling},
    };

    #[cfg(feature = "time-zones")]
    pub use millstream_runtime::windows::calendar;
}

/// What the macros name in the code they emit. Not a public interface.
#[doc(hidden)]
pub mod __private {
    pub use inventory;
    pub use millstream_core as core;
    pub use millstream_core::__private::rkyv;
    pub use millstream_runtime as runtime;
}

/// The `main` function of a binary with jobs: the commands `run`, `plan`, `jobs`, `config` and `completions`, with every job's own arguments; and `status`,
/// `checkpoint`, `stop` and `set` for a job that runs with checkpoints in another process.
///
/// ```no_run
/// millstream::main!();
/// ```
///
/// Exit codes: 0 if the job ended well, 1 if it failed or was cancelled, 2 if it was not started since the arguments or the job itself are wrong.
///
/// # Settings
///
/// Whoever runs a job may give it [settings](settings::KEYS) by name; `config` shows all of them with their values and where these come from. The
/// strongest first:
///
/// 1. the command line: `-D buffer-timeout=5ms`, or `--buffer-timeout 5ms` for those that have an option of their own; the last one counts;
/// 2. the environment: `MILLSTREAM_BUFFER_TIMEOUT=5ms`;
/// 3. a file: that of `--config`, else of `MILLSTREAM_CONFIG`, else `millstream.toml` in the current directory, if there is one. Keys at its top are
///    for all jobs, those of a table `[job.my_job]` for one;
/// 4. what the job sets in code, by `job.settings()`;
/// 5. the default.
///
/// So what is said outside of a job wins over its code, which gives it defaults of its own. A parallelism that a single chain is given in code stays.
///
/// # Output
///
/// Plans, lists and help go to standard output; progress, logs, summaries and errors go to standard error. With `--json` a run says nothing
/// there but its errors and logs (and progress, on a terminal), and writes a report on one line of standard output when the job has ended: if the job
/// prints records there, too, the report is the last line. `plan`, `jobs` and `config` have `--json`, too.
///
/// Events are logged by `tracing`, at `warn` and above unless `--log` says otherwise. What an operator logs has the fields `job`, `operator` and
/// `subtask` of its task. A subscriber is installed only if there is none yet.
#[macro_export]
macro_rules! main {
    () => {
        fn main() -> ::std::process::ExitCode {
            $crate::__private::runtime::cli::main()
        }
    };
}

/// The programs of the README and of the guide are compiled with the doc tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;

    #[doc = include_str!("../docs/internals/macros.md")]
    struct Macros;

    #[doc = include_str!("../docs/guide/first-job.md")]
    struct FirstJob;

    #[doc = include_str!("../docs/guide/records-and-views.md")]
    struct RecordsAndViews;

    #[doc = include_str!("../docs/guide/operators.md")]
    struct Operators;

    #[doc = include_str!("../docs/guide/aggregates.md")]
    struct Aggregates;

    #[doc = include_str!("../docs/guide/time.md")]
    struct Time;

    #[doc = include_str!("../docs/guide/windows.md")]
    struct Windows;

    #[doc = include_str!("../docs/guide/triggers.md")]
    struct Triggers;

    #[doc = include_str!("../docs/guide/state.md")]
    struct State;

    #[doc = include_str!("../docs/guide/changing-state.md")]
    struct ChangingState;

    #[doc = include_str!("../docs/guide/two-streams.md")]
    struct TwoStreams;

    #[doc = include_str!("../docs/guide/async.md")]
    struct Async;

    #[doc = include_str!("../docs/guide/files.md")]
    struct Files;

    #[doc = include_str!("../docs/guide/errors.md")]
    struct Errors;

    #[doc = include_str!("../docs/guide/running.md")]
    struct Running;

    #[doc = include_str!("../docs/guide/savepoints.md")]
    struct Savepoints;

    #[doc = include_str!("../docs/guide/cluster.md")]
    struct Cluster;

    #[doc = include_str!("../docs/guide/cluster-rest.md")]
    struct ClusterRest;
}

/// Which sinks a job takes whose streams have gone through helpers, which hide its guarantee.
#[cfg(doctest)]
mod hidden_guarantees {
    /// ```compile_fail
    /// use millstream::prelude::*;
    ///
    /// fn words(lines: impl Stream<Out = String>) -> impl Stream<Out = String> {
    ///     lines.filter(|line| !line.is_empty())
    /// }
    ///
    /// #[job]
    /// fn printed(job: &mut Job<ExactlyOnce>) {
    ///     words(job.source(TextFiles::read("in"))).map(|word| word.to_owned()).sink(print());
    /// }
    /// ```
    struct SinkBehindHelper;

    /// ```compile_fail
    /// use millstream::prelude::*;
    ///
    /// fn print_words(lines: impl Stream<Out = String>) {
    ///     lines.filter(|line| !line.is_empty()).sink(print());
    /// }
    ///
    /// #[job]
    /// fn printed(job: &mut Job<ExactlyOnce>) {
    ///     print_words(job.source(TextFiles::read("in")));
    /// }
    /// ```
    struct SinkInHelper;

    /// ```
    /// use millstream::prelude::*;
    ///
    /// fn words(lines: impl Stream<Out = String>) -> impl Stream<Out = String> {
    ///     lines.filter(|line| !line.is_empty())
    /// }
    ///
    /// fn print_words(lines: impl Stream<Out = String>) {
    ///     lines.filter(|line| !line.is_empty()).sink(print());
    /// }
    ///
    /// fn write_words(lines: impl Stream<Out = String>) {
    ///     lines.filter(|line| !line.is_empty()).sink(TextFiles::write("out"));
    /// }
    ///
    /// #[job]
    /// fn exactly_once(job: &mut Job<ExactlyOnce>) {
    ///     words(job.source(TextFiles::read("in"))).map(|word| word.to_owned()).sink(TextFiles::write("out"));
    ///     write_words(job.source(TextFiles::read("in")));
    /// }
    ///
    /// #[job]
    /// fn at_least_once(job: &mut Job<AtLeastOnce>) {
    ///     words(job.source(TextFiles::read("in"))).map(|word| word.to_owned()).sink(print());
    ///     print_words(job.source(TextFiles::read("in")));
    /// }
    ///
    /// #[job]
    /// fn best_effort(job: &mut Job) {
    ///     words(job.source(TextFiles::read("in"))).map(|word| word.to_owned()).sink(print());
    ///     print_words(job.source(TextFiles::read("in")));
    ///     write_words(job.source(TextFiles::read("in")));
    /// }
    /// ```
    struct SinksThatFit;
}
