//! The plainest heads: they read the batches of a stream, or of two as one of [`Either`], and push them on.

use std::{any::Any, marker::PhantomData};

use millstream_core::record::Record;

use crate::{
    failure::Failure,
    operator::{Push, Stage, forward_stage},
    operators::outlet::Branch,
    process::{Either, Inputs, Only, Port},
    stream::Plan,
    task::{
        context::ChainContext,
        head::{BatchCursor, Head, One, Progress, TaskContext, Two},
    },
};

/// The plan of a chain that begins behind an exchange.
pub struct Input<T>(pub(crate) PhantomData<fn() -> T>);

impl<T: Record> Plan for Input<T> {
    type In = One<T>;
    type Out = T;
    type Chain<N: Push<T>> = InputHead<T, N>;

    fn chain<N: Push<T>>(&self, _: &mut ChainContext<'_>, next: N) -> Result<InputHead<T, N>, Failure> {
        Ok(InputHead { next, record: PhantomData })
    }
}

/// Reads batches.
pub struct InputHead<T, N> {
    next: N,
    record: PhantomData<fn() -> T>,
}

impl<T: Record, N: Push<T>> Head for InputHead<T, N> {
    fn poll(&mut self, _: &TaskContext, input: &mut BatchCursor<'_>) -> Result<Progress, Failure> {
        Ok(push_on::<T, Only, N>(&mut self.next, input))
    }

    fn into_branch(self: Box<Self>) -> Option<Box<dyn Any + Send>> {
        let branch: Box<dyn Branch<T>> = Box::new(self.next);
        Some(Box::new(branch))
    }
}

impl<T: Record, N: Push<T>> Stage for InputHead<T, N> {
    forward_stage!();
}

/// The plan of a chain that begins behind two exchanges.
pub struct InputOfBoth<L, R>(pub(crate) PhantomData<fn() -> (L, R)>);

impl<L: Record, R: Record> Plan for InputOfBoth<L, R> {
    type In = Two<L, R>;
    type Out = Either<L, R>;
    type Chain<N: Push<Either<L, R>>> = HeadOfBoth<L, R, N>;

    fn chain<N: Push<Either<L, R>>>(&self, _: &mut ChainContext<'_>, next: N) -> Result<HeadOfBoth<L, R, N>, Failure> {
        Ok(HeadOfBoth { next, records: PhantomData })
    }
}

/// Reads batches of two streams.
pub struct HeadOfBoth<L, R, N> {
    next: N,
    records: PhantomData<fn() -> (L, R)>,
}

impl<L: Record, R: Record, N: Push<Either<L, R>>> Head for HeadOfBoth<L, R, N> {
    fn poll(&mut self, _: &TaskContext, input: &mut BatchCursor<'_>) -> Result<Progress, Failure> {
        let next = &mut self.next;
        Ok(match input.port() {
            None => Progress::Consumed,
            Some(0) => push_on::<_, <Two<L, R> as Inputs>::First, N>(next, input),
            Some(_) => push_on::<_, <Two<L, R> as Inputs>::Second, N>(next, input),
        })
    }
}

impl<L: Record, R: Record, N: Push<Either<L, R>>> Stage for HeadOfBoth<L, R, N> {
    forward_stage!();
}

/// Pushes the records of a batch of a port on, until the output is full.
#[inline(always)]
fn push_on<T: Record, P: Port<T>, N: Push<T>>(next: &mut N, input: &mut BatchCursor<'_>) -> Progress {
    let Some(records) = input.records::<P::Arrives>() else { return Progress::Consumed };
    let mut position = records.position();
    while position < records.len() {
        next.push(P::taken(records.get(position)), records.time(position));
        position += 1;
        if next.is_full() {
            break;
        }
    }
    input.advance_to(position);
    if position < records.len() { Progress::NeedsOutput } else { Progress::Consumed }
}
