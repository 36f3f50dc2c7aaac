//! [`Unkeyed`]: a process function without key, as an operator that is fused into its chain.

use std::{marker::PhantomData, sync::Arc};

use millstream_core::{record::Record, time::Timestamp};

use super::{Context, HasSides, OperatorState, ProcessFunction, Sides, StateAccess, ValuePart};
use crate::{
    env::Env,
    failure::{Failure, Location},
    graph::StateInfo,
    operator::{OpenContext, Operator, Push},
};

/// A process function with the state of its subtask.
pub struct Unkeyed<F: ProcessFunction> {
    function: F,
    state: F::State,
    sides: F::Sides,
    watermark: Timestamp,
    /// Set when it is opened.
    env: Option<Arc<dyn Env>>,
}

impl<F: ProcessFunction> Unkeyed<F> {
    /// With the state as it begins.
    pub fn new(function: F) -> Self {
        Self { function, state: F::State::begin(), sides: F::Sides::default(), watermark: Timestamp::MIN, env: None }
    }
}

impl<F: ProcessFunction> Clone for Unkeyed<F> {
    /// A clone has state of its own.
    fn clone(&self) -> Self {
        Self { sides: self.sides.clone(), ..Self::new(self.function.clone()) }
    }
}

/// What the function gets besides the record; borrows only some of the fields.
macro_rules! context {
    ($self:ident, $at:expr, $out:expr) => {
        Context {
            at: $at,
            watermark: $self.watermark,
            env: &**$self.env.as_ref().expect("`open` is called before the first record"),
            next: $out,
            sides: &mut $self.sides,
            out: PhantomData,
        }
    };
}

impl<F: ProcessFunction> Operator<F::In> for Unkeyed<F> {
    type Out = F::Out;
    type Error = F::Error;
    const KIND: &'static str = "process";

    fn name(&self) -> &'static str {
        self.function.name()
    }

    fn location(&self) -> Option<Location> {
        self.function.location()
    }

    fn states(&self) -> Vec<StateInfo> {
        F::State::describe()
    }

    fn restore(&mut self, access: &StateAccess) -> Result<(), Failure> {
        self.state.restore(access)
    }

    fn snapshot(&self, access: &StateAccess) -> Result<Vec<ValuePart>, Failure> {
        self.state.snapshot(access)
    }

    fn sides(&mut self) -> Option<&mut dyn Sides> {
        Some(&mut self.sides)
    }

    #[inline(always)]
    fn sides_full(&self) -> bool {
        self.sides.is_full()
    }

    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), Failure> {
        self.env = Some(Arc::clone(cx.env()));
        self.function.open(&mut self.state, cx)
    }

    #[inline(always)]
    fn process<N: Push<F::Out>>(
        &mut self,
        record: <F::In as Record>::View<'_>,
        at: Timestamp,
        out: &mut N,
    ) -> Result<(), F::Error> {
        self.function.on_record(record, &mut self.state, &mut context!(self, at, out))
    }

    fn watermark<N: Push<F::Out>>(&mut self, at: Timestamp, out: &mut N) -> Result<(), Failure> {
        self.watermark = at;
        if at == Timestamp::MAX {
            self.function.on_end(&mut self.state, &mut context!(self, at, out))?;
        }
        Ok(())
    }

    fn on_snapshot(&mut self, checkpoint: u64) {
        self.function.on_snapshot(&mut self.state, checkpoint);
    }

    fn on_complete(&mut self, checkpoint: u64) {
        self.function.on_complete(checkpoint);
    }

    fn on_abort(&mut self, checkpoint: u64) {
        self.function.on_abort(checkpoint);
    }

    fn close(&mut self) -> Result<(), Failure> {
        self.function.close()
    }
}

impl<F: ProcessFunction> HasSides for Unkeyed<F> {
    type Sides = F::Sides;

    fn list(&mut self) -> &mut F::Sides {
        &mut self.sides
    }
}
