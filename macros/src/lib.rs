//! The macros of Millstream, re-exported by the `millstream` crate. This file is the shell that rustc calls; each macro
//! is a module with up to four stages: *parse* (syntax to a model that keeps spans), *check* (rules across the model),
//! *expand*, and *fallback* (after an error: a stub, so that one mistake is reported once).

mod aggregate;
mod asynchronous;
mod durations;
mod errors;
mod job;
mod lock;
mod operator;
mod operator_state;
mod options;
mod paths;
mod process;
mod record;
mod state;
mod types;

use proc_macro::TokenStream;

/// Makes a struct or an enum a record: data that can flow through a job.
///
/// For `struct Trade` it also defines `TradeView<'a>`, which has the fields of `Trade` as their views (`&'a str` for a
/// `String`) and is what operators see and build.
///
/// On the type:
///
/// | attribute | meaning |
/// |---|---|
/// | `#[record(key)]` | the type may key a stream |
/// | `#[record(rename = "..")]` | its name in schemas |
/// | `#[record(version = 2, from = CartV1)]` | a new version of a type that is stored: what is stored of the earlier one is read by `From<CartV1>` |
/// | `#[record(crate = path)]` | where the `millstream` crate is |
///
/// On a field:
///
/// | attribute | meaning |
/// |---|---|
/// | `#[record(event_time)]` | the field, a `Timestamp`, says when the record happened |
/// | `#[record(rename = "..")]` | its name in schemas, the header of its column, and JSON |
/// | `#[record(default)]`, `#[record(default = view)]` | the column, or the field in JSON, may be missing: zero, empty, `None` (see `Blank`), or the given view |
/// | `#[record(skip)]` | no part of the record's bytes: `Default::default()` when it is read back |
/// | `#[record(with = Adapter)]` | a type of another crate, by way of an `Adapter` |
///
/// A variant of an enum may be renamed too.
///
/// Where all fields have a text form the record can be a row of CSV (`Row`), and where all are documents it can be read from and written
/// to JSON (`Document`); whether that is so is checked where it is asked for.
#[proc_macro_derive(Record, attributes(record))]
pub fn derive_record(input: TokenStream) -> TokenStream {
    record::derive(&syn::parse_macro_input!(input as syn::DeriveInput)).into()
}

/// Makes a function an operator that turns each record into one other: `.then(function)`.
///
/// The function takes the view of a record and, if it wants it, the record's time (`at: Timestamp`). What it returns is a
/// view if the type mentions a reference or a lifetime, and may then borrow from its argument; otherwise it is an owned
/// record. A `Result` of either may reject the record. `function::call` is the function itself, for unit tests.
///
/// ```ignore
/// #[map]
/// fn in_cents(trade: TradeView<'_>) -> TradeView<'_> {
///     TradeView { price: trade.price * 100.0, ..trade }
/// }
/// ```
///
/// What every call needs besides the record, such as a table or a compiled pattern, comes first, by reference. The operator is then made by a call
/// with a function that opens it, once per subtask and before its first record; an error fails the job.
///
/// ```ignore
/// #[map]
/// fn with_weather(weather: &Weather, flight: FlightView<'_>) -> FlightWeather { .. }
///
/// flights.then(with_weather(|_| Weather::load("weather.csv")))
/// ```
///
/// `#[map(blocking)]` is for a function that blocks its thread, or computes for long: it runs on threads beside the tasks, with `clients = 4` so many calls of a subtask at a time, and is put in by
/// `.then_async(function)`. What it borrows it has for itself (`db: &mut Db`): one is opened for each call that may run. It takes and returns what [`macro@async_map`] does, and has its other
/// options.
#[proc_macro_attribute]
pub fn map(arguments: TokenStream, item: TokenStream) -> TokenStream {
    operator::attribute(operator::Kind::Map, arguments.into(), item.into()).into()
}

/// Makes a function an operator that keeps the records for which it returns `true`, or `Ok(true)`: `.then(function)`.
///
/// Parameters are as of [`macro@map`].
#[proc_macro_attribute]
pub fn filter(arguments: TokenStream, item: TokenStream) -> TokenStream {
    operator::attribute(operator::Kind::Filter, arguments.into(), item.into()).into()
}

/// Makes a function an operator that turns each record into any number of others: `.then(function)`.
///
/// It returns `impl Iterator<Item = T>`, `Vec<T>`, `Option<T>`, `[T; N]`, or a `Result` of one of these, `T` being a view
/// or an owned record as for [`macro@map`].
#[proc_macro_attribute]
pub fn flat_map(arguments: TokenStream, item: TokenStream) -> TokenStream {
    operator::attribute(operator::Kind::FlatMap, arguments.into(), item.into()).into()
}

/// Makes a function an operator that turns each record into one other or into none: `.then(function)`.
///
/// It returns `Option<T>` or `Result<Option<T>, E>`, `T` being a view or an owned record as for [`macro@map`].
#[proc_macro_attribute]
pub fn filter_map(arguments: TokenStream, item: TokenStream) -> TokenStream {
    operator::attribute(operator::Kind::FilterMap, arguments.into(), item.into()).into()
}

/// Makes an async function an operator that turns each record into one other, and waits for many at a time: `.then_async(function)`.
///
/// The function takes an owned record, or borrows one (`trade: &Trade`, `trade: TradeView<'_>`), and, if it wants it, the record's time (`at: Timestamp`). It returns an owned record, or a
/// `Result` of one. What all calls of a subtask share, such as a client, comes first, by reference; the operator is then made by a call with a function that opens it.
///
/// ```ignore
/// #[async_map(capacity = 64, order = "unordered", timeout = "2s", retry = "exponential(3)")]
/// async fn priced(desk: &Desk, trade: Trade) -> Result<Trade, DeskError> {
///     Ok(Trade { price: desk.price(&trade.symbol).await?, ..trade })
/// }
///
/// trades.then_async(priced(|_| Desk::connect("localhost:4000")))
/// ```
///
/// | option | meaning |
/// |---|---|
/// | `capacity = 64` | how many calls of a subtask may be in flight; otherwise 100 |
/// | `order = "ordered"` | answers in the order of their records, the default; `"unordered"` as they come, though none overtakes a watermark; `"key"` as they come, and the calls for one key one after the other, on a keyed stream |
/// | `timeout = "2s"` | how long a call may take, further attempts included |
/// | `attempt_timeout = "500ms"` | how long one attempt may take; then it counts as one that has failed |
/// | `fallback = function` | what counts as the answer if there is none in time: a function that takes the record and returns what this one does |
/// | `retry = "exponential(3)"` | up to three further attempts, after 100 ms, 200 ms, 400 ms, each less a random share of up to a half; `"exponential(3, 10ms, 1s)"` begins with another wait and bounds them; `"fixed(3, 50ms)"` waits as long each time |
/// | `retry_if = function` | which errors are worth a further attempt, `fn(&Error) -> bool`; otherwise all |
/// | `retry_answer_if = function` | which answers are, `fn(&Answer) -> bool`; otherwise none |
/// | `cache = 10_000`, `cache_ttl = "10min"` | how many answers each subtask keeps for records that are equal, and for how long |
/// | `rate = 500` | how many calls are made in a second at most, by all subtasks together |
/// | `max_batch = 100`, `linger = "5ms"` | the function takes a `Vec` of up to so many records, and returns a `Vec` with something for each; the first waits so long for others |
/// | `crate = path` | where the `millstream` crate is |
#[proc_macro_attribute]
pub fn async_map(arguments: TokenStream, item: TokenStream) -> TokenStream {
    asynchronous::attribute(asynchronous::Kind::Map, arguments.into(), item.into()).into()
}

/// Makes an async function an operator that keeps the records for which it returns `true`, or `Ok(true)`: `.then_async(function)`.
///
/// Parameters and options are as of [`macro@async_map`].
#[proc_macro_attribute]
pub fn async_filter(arguments: TokenStream, item: TokenStream) -> TokenStream {
    asynchronous::attribute(asynchronous::Kind::Filter, arguments.into(), item.into()).into()
}

/// Makes an async function an operator that turns each record into any number of others: `.then_async(function)`.
///
/// It returns a `Vec<T>`, an `Option<T>`, a `[T; N]`, or a `Result` of one of these. Parameters and options are as of [`macro@async_map`].
#[proc_macro_attribute]
pub fn async_flat_map(arguments: TokenStream, item: TokenStream) -> TokenStream {
    asynchronous::attribute(asynchronous::Kind::FlatMap, arguments.into(), item.into()).into()
}

/// Makes an async function the end of a stream, which writes its records out: `.sink_async(function)`.
///
/// It takes a record, or with `max_batch` a `Vec` of them, and returns nothing, a `Result<(), E>`, or of a batch `Vec<Result<(), E>>`: then those that failed are written again alone. A
/// batch that fails as a whole is written record by record in the end. Parameters and options are as of [`macro@async_map`]; `idempotent` says that what is written again takes the place
/// of what was there, as a job needs that promises exactly once.
///
/// ```ignore
/// #[async_sink(max_batch = 500, linger = "20ms", retry = "exponential(5)")]
/// async fn stored(db: &Db, rows: Vec<Row>) -> Result<(), DbError> {
///     db.insert(&rows).await
/// }
///
/// rows.sink_async(stored(|_| Db::connect("localhost:5432")));
/// ```
#[proc_macro_attribute]
pub fn async_sink(arguments: TokenStream, item: TokenStream) -> TokenStream {
    asynchronous::attribute(asynchronous::Kind::Sink, arguments.into(), item.into()).into()
}

/// Makes a function a key selector: `.key_with(function)`. The key may borrow from the record, or be made on the spot.
///
/// ```ignore
/// #[key]
/// fn symbol(trade: TradeView<'_>) -> &str {
///     trade.symbol
/// }
/// ```
#[proc_macro_attribute]
pub fn key(arguments: TokenStream, item: TokenStream) -> TokenStream {
    operator::attribute(operator::Kind::Key, arguments.into(), item.into()).into()
}

/// Makes a type an aggregate, from an impl block with its functions: `.aggregate(|of| of.with(Spread))`.
///
/// ```ignore
/// #[derive(Clone)]
/// struct Spread;
///
/// #[aggregate]
/// impl Spread {
///     fn add(acc: &mut Range, trade: TradeView<'_>) { .. }
///     fn merge(acc: &mut Range, other: RangeView<'_>) { .. }
///     fn finish(acc: &Range) -> f64 { acc.high - acc.low }
/// }
/// ```
///
/// `add` may take the record's time last (`at: Timestamp`). `merge` may be left out; then records travel one by one to
/// where they are aggregated. The state begins as its `Default`, or as `fn create() -> State` says. Every function may
/// take `&self` first. The type must be `Clone` and `Send`, since each subtask has one of its own. `add` is inlined where
/// records come, so that of these only what it looks at is read; an `#[inline]` or `#[inline(never)]` on it counts instead.
#[proc_macro_attribute]
pub fn aggregate(arguments: TokenStream, item: TokenStream) -> TokenStream {
    aggregate::attribute(arguments.into(), item.into()).into()
}

/// Makes a struct state that a process function keeps for each key.
///
/// ```ignore
/// #[derive(State, Default)]
/// struct Session {
///     logins: u64,
///     last: Option<Timestamp>,
///     pages: MapState<String, u64>,
/// }
/// ```
///
/// Fields of record types are kept together, one row for each key. A field that is a `MapState`, a `ListState`, an `AggregatingState`, a `ReducingState` or a
/// `ValueState` is a state of its own, which is stored entry by entry. Functions get `&mut StateOf<Session>`, a handle with the same fields: `state.logins += 1`,
/// `state.pages.insert("/", 1)`. Reading costs nothing; a use as `&mut` keeps the row from then on. Before that the plain fields read as those of the
/// struct's [`Default`]. `state.clear()` removes what is stored for the key, `state.clear_fields()` the plain fields only, and `state.is_absent()` says whether
/// there is anything.
///
/// A struct of plain fields only is what the handle derefs to, so its methods work. (It may derive [`Record`](macro@Record), too, to be put out.) Of others the
/// plain fields become a struct `SessionFields`, and the handle is a struct `SessionHandle`.
///
/// | attribute | on | meaning |
/// |---|---|---|
/// | `#[state(name = "..")]` | a collection | the state's name, by which it is found again; otherwise that of the field |
/// | `#[state(ttl = "1h")]` | the struct, a collection | how long what is stored lives since it was last written, by processing time; on the struct for all that do not say themselves; `none` for ever |
/// | `#[state(ttl = "1h", update = "read")]` | the struct, a collection | since it was last written or read; otherwise `"write"` |
/// | `#[state(ttl = "1h", visibility = "expired")]` | the struct, a collection | what has expired is seen until it is removed; otherwise `"live"` |
/// | `#[record(rename = "..")]`, `#[record(with = Adapter)]` | a plain field | as for a record |
/// | `#[record(version = 2, from = SessionV1)]` | the struct | a new version of the plain fields, made from a record of the earlier ones |
/// | `#[state(crate = path)]` | the struct | where the `millstream` crate is |
#[proc_macro_derive(State, attributes(state, record))]
pub fn derive_state(input: TokenStream) -> TokenStream {
    state::derive(&syn::parse_macro_input!(input as syn::DeriveInput)).into()
}

/// Makes a struct state that each subtask of a process function without key keeps for itself.
///
/// ```ignore
/// #[derive(OperatorState, Default)]
/// struct Batch {
///     #[state(list)]
///     waiting: Vec<Trade>,
///     #[state(broadcast)]
///     rules: BTreeMap<String, f64>,
/// }
/// ```
///
/// Functions get it as `&mut Batch`. Each field is a state, and says who gets it when a job goes on from a checkpoint, perhaps with another parallelism:
///
/// | attribute | type | |
/// |---|---|---|
/// | `#[state(list)]` | `Vec<T>` | each element goes to one subtask |
/// | `#[state(union)]` | `Vec<T>` | all elements go to every subtask |
/// | `#[state(broadcast)]` | any record | every subtask has the same, and gets it again |
///
/// `#[state(list, name = "..")]` gives the state another name than that of the field, `#[state(crate = path)]` on the struct says where the `millstream` crate is. The
/// struct has a [`Default`], the state before the first record.
#[proc_macro_derive(OperatorState, attributes(state))]
pub fn derive_operator_state(input: TokenStream) -> TokenStream {
    operator_state::derive(&syn::parse_macro_input!(input as syn::DeriveInput)).into()
}

/// Makes a type a process function, from an impl block with its functions: `.process(Inactivity { after })`.
///
/// ```ignore
/// #[derive(Clone)]
/// struct Inactivity {
///     after: Duration,
/// }
///
/// #[process]
/// impl Inactivity {
///     fn on_record(
///         &mut self,
///         login: LoginView<'_>,
///         state: &mut StateOf<Session>,
///         cx: &mut KeyedContext<'_, String, Alert>,
///     ) {
///         if let Some(last) = state.last.replace(cx.timestamp()) {
///             cx.delete_event_timer(last + self.after);
///         }
///         cx.event_timer(cx.timestamp() + self.after);
///     }
///
///     fn on_timer(
///         &mut self,
///         timer: Timer,
///         state: &mut StateOf<Session>,
///         cx: &mut KeyedContext<'_, String, Alert>,
///     ) {
///         cx.emit(AlertView { user: cx.key(), since: state.last });
///         state.clear();
///     }
/// }
/// ```
///
/// With a `KeyedContext<'_, Key, Out>` the function stands behind `.key_by(..)` or `.key_with(..)`, and has state ([`State`](macro@State)) and timers for each key;
/// with a `Context<'_, Out>` it takes any stream, and has state of each subtask's own ([`OperatorState`](macro@OperatorState)). The parameter for state may be
/// left out. Side outputs are named last, one or a tuple of several: `KeyedContext<'_, Key, Out, Alerts>`, `Context<'_, Out, (Alerts, Late)>`; then
/// `cx.emit_to(Alerts, ..)` puts records out to them.
///
/// | function | called |
/// |---|---|
/// | `on_record(record, state, cx)` | for each record; may return a `Result` to reject it |
/// | `on_left(record, state, cx)`, `on_right(record, state, cx)` | instead of `on_record`, for each record of two streams: `left.connect(right).process(..)` |
/// | `on_left(record, state, broadcast, cx)`, `on_right(record, broadcast, cx)` | for a keyed stream and one that is broadcast: `left.connect(right.broadcast()).process(..)`. `on_left` takes `&mut StateOf<S>`, `&B` and a `KeyedContext`, `on_right` takes `&mut B` and a `Context`; `B` derives [`OperatorState`](macro@OperatorState) with fields that are all `#[state(broadcast)]` |
/// | `on_timer(timer, state, cx)` | when a timer of the key fires; with broadcast state also `on_timer(timer, state, broadcast, cx)` |
/// | `on_end(state, cx)` | at the end of the input; without key only |
/// | `open(cx: &OpenContext<'_>)` | once in each subtask before the first record; without key also `open(state, cx)`, with broadcast state `open(broadcast, cx)` |
/// | `close()` | once in each subtask, after the end |
/// | `on_snapshot(checkpoint)` | before the state goes into a checkpoint; without key also `on_snapshot(state, checkpoint)` |
/// | `on_complete(checkpoint)`, `on_abort(checkpoint)` | when a checkpoint is complete, or was given up |
///
/// All but `on_record`, or `on_left` and `on_right`, may be left out. `on_timer`, `on_end`, `open` and `close` may return a `Result`, whose error fails the job. The type must be `Clone` and
/// `Send`, since each subtask has one of its own; what is kept in its fields is not part of checkpoints.
#[proc_macro_attribute]
pub fn process(arguments: TokenStream, item: TokenStream) -> TokenStream {
    process::attribute(arguments.into(), item.into()).into()
}

/// Makes a function a job of this binary: `cargo run -- run name`.
///
/// It is `fn name(job: &mut Job)` or `fn name(job: &mut Job, args: Args)`, where `Args` derives `clap::Args`, and returns
/// nothing or `Result<(), E>`. Its doc comment is the help text. In its body a stream that is made and dropped, or bound
/// and never used, is a compile error, since it reaches no sink.
#[proc_macro_attribute]
pub fn job(arguments: TokenStream, item: TokenStream) -> TokenStream {
    job::attribute(arguments.into(), item.into()).into()
}
