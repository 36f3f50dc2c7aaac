//! [`EventTime`]: when a record happened, said by the record itself.

use crate::{record::Record, time::Timestamp};

/// A record that knows when it happened: `#[derive(Record)]` implements it for a struct with a field marked
/// `#[record(event_time)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say when it happened",
    label = "no event time",
    note = "mark its field of type `Timestamp` with `#[record(event_time)]`, or use `.event_time_by(|record| .., ..)`"
)]
pub trait EventTime: Record {
    /// `()`; see [`When`](crate::proof::When).
    #[doc(hidden)]
    type Proof;
    /// When the record happened.
    fn event_time(view: Self::View<'_>) -> Timestamp;
}
