//! The macros of Millstream, re-exported by the `millstream` crate. This file is the shell that rustc calls; each macro
//! is a module with up to four stages: *parse* (syntax to a model that keeps spans), *check* (rules across the model),
//! *expand*, and *fallback* (after an error: a stub, so that one mistake is reported once).

mod aggregate;
mod errors;
mod job;
mod operator;
mod options;
mod paths;
mod record;
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
/// take `&self` first. The type must be `Clone` and `Send`, since each subtask has one of its own.
#[proc_macro_attribute]
pub fn aggregate(arguments: TokenStream, item: TokenStream) -> TokenStream {
    aggregate::attribute(arguments.into(), item.into()).into()
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
