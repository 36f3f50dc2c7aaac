//! [`Either`]: the records of two streams as those of one.

use millstream_core::record::Record;
use millstream_macros::Record;

use crate::operator::KeyFn;

/// A record of one stream or of another: what a function on two connected streams takes.
#[derive(Debug, Clone, PartialEq, Eq, Record)]
#[record(crate = crate::process::either)]
pub enum Either<L, R> {
    /// Of the stream in front of `.connect(..)`.
    Left(L),
    /// Of the stream that it takes.
    Right(R),
}

/// The records of two streams as those of one.
pub trait OfTwo: Record {
    /// Of the stream in front of `.connect(..)`.
    type Left: Record;
    /// Of the stream that it takes.
    type Right: Record;
}

#[diagnostic::do_not_recommend]
impl<L: Record, R: Record> OfTwo for Either<L, R> {
    type Left = L;
    type Right = R;
}

/// The key of either.
#[derive(Clone)]
pub struct EitherKey<L, R> {
    pub(crate) left: L,
    pub(crate) right: R,
}

impl<L, R, A, B> KeyFn<Either<A, B>> for EitherKey<L, R>
where
    A: Record,
    B: Record,
    L: KeyFn<A>,
    R: KeyFn<B, Key = L::Key>,
{
    type Key = L::Key;

    #[inline(always)]
    fn with<T>(&self, record: EitherView<'_, A, B>, then: impl FnOnce(<L::Key as Record>::View<'_>) -> T) -> T {
        match record {
            EitherView::Left(record) => self.left.with(record, then),
            EitherView::Right(record) => self.right.with(record, then),
        }
    }
}

/// What the derive macro names.
mod __private {
    pub(super) use millstream_core::{self as core, __private::rkyv};
}
