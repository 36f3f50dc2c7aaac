//! [`View`]: from the view that a function names in its signature back to the record it is a view of.

use crate::record::Record;

/// A view names its record. `#[derive(Record)]` implements it for the view type; the annotated functions (`#[map]`,
/// `#[key]` and the others) use it to find the record behind `TradeView<'_>` or `&str`.
///
/// Only the view that lives for ever implements it, which says as much. An impl for views of any lifetime would have to be matched by lifetimes wherever an
/// annotated function is called, and compilers up to 1.95 at least do so with another answer in each incremental build, and give up.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the view of a record",
    label = "not a view",
    note = "an annotated function takes the view of a record: for `struct Trade` with `#[derive(Record)]` that is `TradeView<'_>`, for `String` it is `&str`, for `u64` it is `u64`"
)]
pub trait View: Copy {
    /// The record this is a view of.
    type Record: Record;
}
