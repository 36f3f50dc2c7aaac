//! The plainest head: reads batches of one record type and pushes them on.

use std::{any::Any, marker::PhantomData};

use millstream_core::record::Record;

use crate::{
    failure::Failure,
    operator::{Push, Stage, forward_stage},
    operators::outlet::Branch,
    stream::Plan,
    task::{
        context::ChainContext,
        head::{BatchCursor, Head, One, Progress, TaskContext},
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
        let Some(records) = input.records::<T>() else { return Ok(Progress::Consumed) };
        let mut position = records.position();
        while position < records.len() {
            self.next.push(records.get(position), records.time(position));
            position += 1;
            if self.next.is_full() {
                break;
            }
        }
        input.advance_to(position);
        Ok(if position < records.len() { Progress::NeedsOutput } else { Progress::Consumed })
    }

    fn into_branch(self: Box<Self>) -> Option<Box<dyn Any + Send>> {
        let branch: Box<dyn Branch<T>> = Box::new(self.next);
        Some(Box::new(branch))
    }
}

impl<T: Record, N: Push<T>> Stage for InputHead<T, N> {
    forward_stage!();
}
