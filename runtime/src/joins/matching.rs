//! [`Matching`]: which records of two sides are put out, and as what.

use std::{convert::Infallible, marker::PhantomData};

use millstream_core::{
    impls::VecView,
    key::Key,
    outcome::Several,
    packed::PackedReader,
    record::Record,
    time::{Timestamp, Window},
};

use crate::operator::Push;

/// What is kept of records of the right side, of which only some joins want to see more than that there are any. Those of the left side are kept as they are.
pub trait Keep<R: Record> {
    /// What is kept of a record.
    type Kept: Record;

    /// The same, of this one.
    fn kept(right: R::View<'_>) -> <Self::Kept as Record>::View<'_>;
}

/// A kind of join, with the user's function where it has one.
pub trait Matching<L: Record, R: Record>: Keep<R> + Clone + Send + 'static {
    /// What is put out.
    type Out: Record;
    /// For plans.
    const KIND: &'static str;

    /// With how many records of the left side how many of the right are paired, of so many of a key and window. Where one side has none and a pair is put out
    /// all the same, that counts as 1.
    fn extent(lefts: usize, rights: usize) -> (usize, usize);

    /// Puts out a pair.
    fn pair<N: Push<Self::Out>>(
        &self,
        left: Option<L::View<'_>>,
        right: Option<<Self::Kept as Record>::View<'_>>,
        at: Timestamp,
        next: &mut N,
    );
}

/// A join by a function of the user's: who it calls, and with how many of each side.
macro_rules! by_function {
    ($(
        #[doc = $doc:literal]
        $name:ident($kind:literal): ($left:ident, $right:ident) $extent:expr
    )*) => { $(
        #[doc = $doc]
        pub struct $name<F, O> {
            function: F,
            out: PhantomData<fn() -> O>,
        }

        impl<F, O> $name<F, O> {
            pub(crate) fn new(function: F) -> Self {
                Self { function, out: PhantomData }
            }
        }

        impl<F: Clone, O> Clone for $name<F, O> {
            fn clone(&self) -> Self {
                Self::new(self.function.clone())
            }
        }

        impl<R: Record, F, O> Keep<R> for $name<F, O> {
            type Kept = R;

            #[inline(always)]
            fn kept(right: R::View<'_>) -> R::View<'_> {
                right
            }
        }

        impl<L: Record, R: Record, F, O: Record> Matching<L, R> for $name<F, O>
        where
            F: for<'a, 'b> Fn(by_function!(@type $left L 'a), by_function!(@type $right R 'b)) -> O,
            F: Clone + Send + 'static,
        {
            type Out = O;
            const KIND: &'static str = $kind;

            #[inline(always)]
            fn extent(lefts: usize, rights: usize) -> (usize, usize) {
                let extent: fn(usize, usize) -> (usize, usize) = $extent;
                extent(lefts, rights)
            }

            #[inline(always)]
            fn pair<N: Push<O>>(&self, left: Option<L::View<'_>>, right: Option<R::View<'_>>, at: Timestamp, next: &mut N) {
                by_function!(@value $left left);
                by_function!(@value $right right);
                next.push((self.function)(left, right).view(), at);
            }
        }
    )* };
    (@type always $record:ident $life:lifetime) => { $record::View<$life> };
    (@type perhaps $record:ident $life:lifetime) => { Option<$record::View<$life>> };
    (@value always $side:ident) => { let Some($side) = $side else { return }; };
    (@value perhaps $side:ident) => {};
}
by_function! {
    /// Pairs of records that match.
    Inner("inner"): (always, always) |lefts, rights| (lefts, rights)
    /// Pairs of records that match, and the records of the left side that have no match.
    LeftOuter("left"): (always, perhaps) |lefts, rights| (lefts, rights.max(1))
    /// Pairs of records that match, and the records of the right side that have no match.
    RightOuter("right"): (perhaps, always) |lefts, rights| (lefts.max(1), rights)
    /// Pairs of records that match, and the records of both sides that have no match.
    FullOuter("full"): (perhaps, perhaps) |lefts, rights| (lefts.max(1), rights.max(1))
}

/// The records of the left side as they are, by whether there are matches.
macro_rules! by_presence {
    ($(
        #[doc = $doc:literal]
        $name:ident($kind:literal) $extent:expr
    )*) => { $(
        #[doc = $doc]
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl<R: Record> Keep<R> for $name {
            type Kept = ();

            #[inline(always)]
            fn kept(_: R::View<'_>) -> <Self::Kept as Record>::View<'_> {}
        }

        impl<L: Record, R: Record> Matching<L, R> for $name {
            type Out = L;
            const KIND: &'static str = $kind;

            #[inline(always)]
            fn extent(lefts: usize, rights: usize) -> (usize, usize) {
                let extent: fn(usize, usize) -> (usize, usize) = $extent;
                extent(lefts, rights)
            }

            #[inline(always)]
            fn pair<N: Push<L>>(&self, left: Option<L::View<'_>>, _: Option<()>, at: Timestamp, next: &mut N) {
                if let Some(left) = left {
                    next.push(left, at);
                }
            }
        }
    )* };
}
by_presence! {
    /// The records of the left side that have a match, each once.
    Semi("semi") |lefts, rights| (lefts, rights.min(1))
    /// The records of the left side that have no match.
    Anti("anti") |lefts, rights| (if rights == 0 { lefts } else { 0 }, 1)
}

/// What is put out for a key and window that has closed.
pub trait Grouped<K: Key, L: Record, R: Record>: Keep<R> + Clone + Send + 'static {
    /// What is put out.
    type Out: Record;

    /// In how many steps, outer and inner ones, the records of a key and window are put out.
    fn extent(lefts: usize, rights: usize) -> (usize, usize);
    /// Takes a step.
    fn step<N: Push<Self::Out>>(&self, group: &mut Group<'_, K, L, Self::Kept>, step: (usize, usize), next: &mut N);
}

/// The records of a key and window.
pub struct Group<'g, K, L: Record, R: Record> {
    pub(super) key: &'g K,
    pub(super) window: Window,
    pub(super) lefts: &'g mut PackedReader<L>,
    pub(super) rights: &'g mut PackedReader<R>,
}

/// Pair by pair.
#[derive(Debug, Clone)]
pub struct Pairs<M>(pub(crate) M);

impl<R: Record, M: Keep<R>> Keep<R> for Pairs<M> {
    type Kept = M::Kept;

    #[inline(always)]
    fn kept(right: R::View<'_>) -> <M::Kept as Record>::View<'_> {
        M::kept(right)
    }
}

impl<K: Key, L: Record, R: Record, M: Matching<L, R>> Grouped<K, L, R> for Pairs<M> {
    type Out = M::Out;

    #[inline(always)]
    fn extent(lefts: usize, rights: usize) -> (usize, usize) {
        M::extent(lefts, rights)
    }

    #[inline(always)]
    fn step<N: Push<M::Out>>(&self, group: &mut Group<'_, K, L, M::Kept>, (left, right): (usize, usize), next: &mut N) {
        let (left, right) = (group.lefts.get(left), group.rights.get(right));
        self.0.pair(left, right, group.window.max_timestamp(), next);
    }
}

/// All records of both sides together.
pub struct CoGroup<F, O> {
    function: F,
    out: PhantomData<fn() -> O>,
}

impl<F, O> CoGroup<F, O> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, out: PhantomData }
    }
}

impl<F: Clone, O> Clone for CoGroup<F, O> {
    fn clone(&self) -> Self {
        Self::new(self.function.clone())
    }
}

impl<R: Record, F, O> Keep<R> for CoGroup<F, O> {
    type Kept = R;

    #[inline(always)]
    fn kept(right: R::View<'_>) -> R::View<'_> {
        right
    }
}

impl<K: Key, L: Record, R: Record, F, O> Grouped<K, L, R> for CoGroup<F, O>
where
    F: for<'a> Fn(K::View<'a>, Window, VecView<'a, L>, VecView<'a, R>) -> O,
    F: Clone + Send + 'static,
    O: Several<Error = Infallible> + 'static,
{
    type Out = O::Value;

    fn extent(_: usize, _: usize) -> (usize, usize) {
        (1, 1)
    }

    fn step<N: Push<O::Value>>(&self, group: &mut Group<'_, K, L, R>, _: (usize, usize), next: &mut N) {
        let Group { key, window, lefts, rights } = group;
        // The function may want any of them at any time, which is slow in a packed list.
        let lefts: Vec<_> = lefts.list().iter().map(L::from_view).collect();
        let rights: Vec<_> = rights.list().iter().map(R::from_view).collect();
        let Ok(results) = (self.function)(key.view(), *window, lefts.view(), rights.view()).several();
        for result in results {
            next.push(result.view(), window.max_timestamp());
        }
    }
}
