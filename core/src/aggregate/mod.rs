//! [`Aggregate`]: many records become one value, piece by piece.

mod avg;
mod collect;
mod count;
mod distinct;
mod edge;
mod extreme;
mod extreme_by;
mod fold;
mod number;
mod of;
mod ordered;
mod quantiles;
mod reduce;
mod rolling;
mod sum;
mod top;
mod tuple;
mod variance;

pub use avg::Avg;
pub use collect::Collect;
pub use count::Count;
pub use distinct::{CountDistinct, CountDistinctApprox, Distinct, KeySet, KeySetView};
pub use edge::{Edge, First, Last};
pub use extreme::{End, Extreme, Greatest, Least, Max, Min};
pub use extreme_by::{ExtremeBy, MaxBy, MinBy};
pub use fold::Fold;
pub use number::{Addend, Number};
pub use of::Of;
pub use ordered::Ordered;
pub use quantiles::Quantiles;
pub use reduce::Reduce;
pub use rolling::Rolling;
pub use sum::Sum;
pub use top::{BottomK, Top, TopK};
pub use variance::{Spread, StdDev, Variance};

use crate::{record::Record, time::Timestamp};

/// Folds records into an accumulator, merges accumulators, and makes the result.
///
/// `merge` must agree with `add`: folding a stream in pieces and merging them gives what folding it whole gives.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not aggregate records of type `{T}`",
    label = "not an aggregate of this record",
    note = "build aggregates from the closure's argument, as `.aggregate(|of| (of.count(), of.avg(|trade| trade.price)))`; your own (`#[aggregate]`) as `of.with(MyAggregate)`"
)]
pub trait Aggregate<T: Record>: Clone + Send + 'static {
    /// What is kept per key and window; it may travel to another task.
    type Acc: Record;
    /// The result.
    type Out: Record;
    /// True if `merge` may be called; only then are records combined before they are sent.
    const MERGES: bool;

    /// The accumulator of no records.
    fn create(&self) -> Self::Acc;
    /// Adds a record.
    fn add(&self, acc: &mut Self::Acc, record: T::View<'_>, at: Timestamp);
    /// Adds what another accumulator has seen.
    fn merge(&self, acc: &mut Self::Acc, other: <Self::Acc as Record>::View<'_>);
    /// The result of what was added: at least one record, by `add` or through `merge`.
    fn finish(&self, acc: &Self::Acc) -> Self::Out;

    /// True if `subtract` may be called: windows that overlap are then kept up to date by what leaves them and what enters them, rather than put together
    /// from parts. Results must not depend on whether they are, so only what is exact subtracts: counts and sums of integers, not of floats.
    const SUBTRACTS: bool = false;

    /// Takes away what another accumulator has seen, all of which has been merged into this one.
    fn subtract(&self, acc: &mut Self::Acc, other: <Self::Acc as Record>::View<'_>) {
        let _ = (acc, other);
        unreachable!("an aggregate of which `SUBTRACTS` is false is never subtracted from");
    }
}

/// Marks the aggregates of which accumulators can be merged ([`Aggregate::MERGES`]): sessions, which grow together, and windows that overlap take no others.
/// `#[aggregate]` implements it for a block with `merge`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be merged, and these windows merge what they have aggregated",
    label = "does not merge",
    note = "sessions grow together, and windows that overlap are put together from slices: both need an aggregate with `merge`, as all of `of` but `collect` and `fold` are",
    note = "your own (`#[aggregate]`) gets it by `fn merge(acc: &mut State, other: StateView<'_>)`",
    note = "where all records are needed together, let `.apply(..)` have them"
)]
pub trait Merging {}
