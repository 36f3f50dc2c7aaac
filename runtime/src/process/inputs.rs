//! [`Inputs`]: how what comes in on a head's ports becomes the records that its function takes.

use std::marker::PhantomData;

use millstream_core::record::Record;

use super::either::{Either, EitherView};
use crate::task::head::{One, Ports, Two};

/// What a process function may take: the records of one stream, or those of two as [`Either`].
pub trait Inputs: Ports {
    /// What the function takes.
    type Record: Record;
    #[doc(hidden)]
    type First: Port<Self::Record>;
    #[doc(hidden)]
    type Second: Port<Self::Record>;
}

/// A port: what arrives there, and as what the function takes it.
#[doc(hidden)]
pub trait Port<T: Record> {
    type Arrives: Record;
    fn taken(record: <Self::Arrives as Record>::View<'_>) -> T::View<'_>;
}

/// The only port that there is.
#[doc(hidden)]
#[derive(Debug)]
pub struct Only;

impl<T: Record> Port<T> for Only {
    type Arrives = T;

    #[inline(always)]
    fn taken(record: T::View<'_>) -> T::View<'_> {
        record
    }
}

impl<T: Record> Inputs for One<T> {
    type Record = T;
    type First = Only;
    type Second = Only;
}

/// The ports of two connected streams.
#[doc(hidden)]
#[derive(Debug)]
pub struct LeftPort<L, R>(PhantomData<fn(L, R)>);
#[doc(hidden)]
#[derive(Debug)]
pub struct RightPort<L, R>(PhantomData<fn(L, R)>);

impl<L: Record, R: Record> Port<Either<L, R>> for LeftPort<L, R> {
    type Arrives = L;

    #[inline(always)]
    fn taken(record: L::View<'_>) -> EitherView<'_, L, R> {
        EitherView::Left(record)
    }
}

impl<L: Record, R: Record> Port<Either<L, R>> for RightPort<L, R> {
    type Arrives = R;

    #[inline(always)]
    fn taken(record: R::View<'_>) -> EitherView<'_, L, R> {
        EitherView::Right(record)
    }
}

impl<L: Record, R: Record> Inputs for Two<L, R> {
    type Record = Either<L, R>;
    type First = LeftPort<L, R>;
    type Second = RightPort<L, R>;
}
