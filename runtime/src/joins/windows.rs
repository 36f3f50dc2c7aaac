//! [`JoinWindows`]: which windows streams are joined in, and by what head.

use std::marker::PhantomData;

use millstream_core::record::Record;

use super::{Grouped, session::SessionJoinPlan, window::JoinPlan};
use crate::{
    operator::KeyFn,
    process::{Either, EitherKey},
    stream::Plan,
    windows::{Assigner, Gap, Session, assigner::ClockMarker},
};

/// Windows that two streams can be joined in: those that are the same for all keys, and sessions, which the records of both sides make together.
#[diagnostic::on_unimplemented(
    message = "streams are not joined in windows of type `{Self}`",
    label = "not windows to join in",
    note = "streams are joined in `tumbling(1.minutes())`, `sliding(1.hours(), 1.minutes())`, `session(30.seconds())`, `global()` .., or a type of yours that implements `Assigner`",
    note = "a gap by record takes the records of both streams: `session_with(|record: EitherView<'_, Left, Right>| ..)`",
    note = "records that happened close to each other are joined without windows: `.between(before(1.minutes()), after(1.minutes()))`"
)]
pub trait JoinWindows<L: Record, R: Record, A: KeyFn<L>, B: KeyFn<R, Key = A::Key>>: Clone + Send + 'static {
    #[doc(hidden)]
    type Proof;
    /// The plan of the chain that the join begins.
    type Plan<G: Grouped<A::Key, L, R>>: Plan<Out = G::Out>;
    #[doc(hidden)]
    fn plan<G: Grouped<A::Key, L, R>>(
        self,
        key: EitherKey<A, B>,
        grouped: G,
        lateness_ms: i64,
        index: usize,
    ) -> Self::Plan<G>;
    #[doc(hidden)]
    fn describe(&self) -> String;
    #[doc(hidden)]
    fn mistake(&self) -> Option<String>;
}

#[diagnostic::do_not_recommend]
impl<L, R, A, B, W> JoinWindows<L, R, A, B> for W
where
    L: Record,
    R: Record,
    A: KeyFn<L>,
    B: KeyFn<R, Key = A::Key>,
    W: Assigner,
{
    // By way of the bound: of windows that are no `Assigner`, which match this head all the same, nobody knows it.
    type Proof = W::Layout;
    type Plan<G: Grouped<A::Key, L, R>> = JoinPlan<L, R, A, B, W, G>;

    fn plan<G: Grouped<A::Key, L, R>>(
        self,
        key: EitherKey<A, B>,
        grouped: G,
        lateness_ms: i64,
        index: usize,
    ) -> Self::Plan<G> {
        JoinPlan { key, windows: self, grouped, lateness_ms, index, records: PhantomData }
    }

    fn describe(&self) -> String {
        Assigner::describe(self)
    }

    fn mistake(&self) -> Option<String> {
        Assigner::mistake(self)
    }
}

#[diagnostic::do_not_recommend]
impl<L, R, A, B, P, C> JoinWindows<L, R, A, B> for Session<P, C>
where
    L: Record,
    R: Record,
    A: KeyFn<L>,
    B: KeyFn<R, Key = A::Key>,
    P: Gap<Either<L, R>>,
    C: ClockMarker,
{
    type Proof = P::Proof;
    type Plan<G: Grouped<A::Key, L, R>> = SessionJoinPlan<L, R, A, B, P, C, G>;

    fn plan<G: Grouped<A::Key, L, R>>(
        self,
        key: EitherKey<A, B>,
        grouped: G,
        lateness_ms: i64,
        index: usize,
    ) -> Self::Plan<G> {
        SessionJoinPlan { key, sessions: self, grouped, lateness_ms, index, records: PhantomData }
    }

    fn describe(&self) -> String {
        Self::describe::<Either<L, R>>(self)
    }

    fn mistake(&self) -> Option<String> {
        Self::mistake::<Either<L, R>>(self)
    }
}
