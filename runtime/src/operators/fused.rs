//! [`Fused`]: a stateless operator inside its chain, with what happens to records that it rejects.

use std::{fmt::Display, marker::PhantomData};

use millstream_core::{record::Record, time::Timestamp};

use crate::{
    checkpoint::subtask::{OperatorReport, StateAccess},
    env::Instant,
    exchange::output::fail,
    failure::Failure,
    graph::{OperatorInfo, OutputId},
    local::RECORDS_SKIPPED,
    metrics::Counter,
    operator::{Operator, Push, Signal, Stage, Wait, earliest},
    operators::outlet::Outlet,
    stream::Plan,
    task::{contain::Guard, context::ChainContext},
};

/// A plan with a stateless operator behind it.
pub struct Then<P, O, H = Fail> {
    pub(crate) before: P,
    pub(crate) operator: O,
    pub(crate) on_error: H,
    pub(crate) index: usize,
}

impl<P, O, H> Plan for Then<P, O, H>
where
    P: Plan,
    O: Operator<P::Out>,
    H: OnError<P::Out, O::Error>,
{
    type In = P::In;
    type Out = O::Out;
    type Chain<N: Push<O::Out>> = P::Chain<Fused<P::Out, O, H::Handler, N>>;

    fn chain<N: Push<O::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure> {
        let info = cx.operator(self.index);
        let mut operator = self.operator.clone();
        if let Some(sides) = operator.sides() {
            sides.open(cx)?;
        }
        let access = (!info.states.is_empty()).then(|| cx.state(&info));
        let guard = Guard::new(&info);
        let restored = access.as_ref().map_or(Ok(()), |access| operator.restore(access));
        let opened = restored.and_then(|()| operator.open(&cx.open_context(&info)));
        guard.done();
        opened.map_err(|failure| failure.at_operator(&info.to_string(), Some(info.location)))?;
        let handler = self.on_error.open(cx, &info)?;
        self.before.chain(cx, Fused { operator, handler, next, access, info, failure: None, record: PhantomData })
    }
}

/// An operator, what is behind it, and what handles its errors.
pub struct Fused<T, O, H, N> {
    operator: O,
    handler: H,
    next: N,
    /// Of an operator with state.
    access: Option<StateAccess>,
    info: OperatorInfo,
    failure: Option<Failure>,
    record: PhantomData<fn(T)>,
}

impl<T, O, H, N> Fused<T, O, H, N>
where
    T: Record,
    O: Operator<T>,
{
    /// False if the error type has no values, and watermarks are taken without failing: then there is nothing to ask for after each record.
    const CAN_FAIL: bool = size_of::<Result<(), O::Error>>() > 0 || O::WATERMARK_MAY_FAIL;
}

impl<T, O, H, N> Push<T> for Fused<T, O, H, N>
where
    T: Record,
    O: Operator<T>,
    H: Handler<T, O::Error>,
    N: Push<O::Out>,
{
    #[inline(always)]
    fn push(&mut self, record: T::View<'_>, at: Timestamp) {
        let guard = Guard::new(&self.info);
        let mut result = Ok(());
        if let Err(error) = self.operator.process(record, at, &mut self.next) {
            result = self.handler.handle(record, at, error);
        }
        guard.done();
        if let Err(failure) = result {
            fail(&mut self.failure, failure.at_operator(&self.info.to_string(), Some(self.info.location)));
        }
    }
}

impl<T, O, H, N> Stage for Fused<T, O, H, N>
where
    T: Record,
    O: Operator<T>,
    H: Handler<T, O::Error>,
    N: Push<O::Out>,
{
    fn signal(&mut self, signal: Signal) {
        let Self { operator, access, next, info, .. } = self;
        let guard = Guard::new(info);
        let mut result = Ok(());
        match signal {
            Signal::Watermark(at) => result = operator.watermark(at, next),
            Signal::Barrier(barrier) => {
                operator.on_snapshot(barrier.checkpoint);
                if let Some(access) = access {
                    let values = operator.snapshot(access);
                    access.report(barrier, values.map(|values| OperatorReport { values, ..OperatorReport::default() }));
                }
            }
            Signal::Completed(checkpoint) => operator.on_complete(checkpoint),
            Signal::Aborted(checkpoint) => operator.on_abort(checkpoint),
            _ => {}
        }
        guard.done();
        if let Err(failure) = result {
            fail(&mut self.failure, failure.at_operator(&self.info.to_string(), Some(self.info.location)));
        }
        if let Some(sides) = self.operator.sides() {
            sides.signal(signal);
        }
        self.handler.signal(signal);
        self.next.signal(signal);
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.next.is_full()
            | self.operator.sides_full()
            | (Self::CAN_FAIL && (self.handler.is_full() | self.failure.is_some()))
    }

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        let aside = self.operator.sides().and_then(|sides| sides.flush(now));
        earliest(earliest(self.handler.flush(now), aside), self.next.flush(now))
    }

    fn idle(&mut self) {
        self.next.idle();
    }

    fn ready(&mut self) -> Wait<'_> {
        if let Some(failure) = self.failure.take() {
            return Box::pin(async { Err(failure) });
        }
        if !H::WRITES && self.operator.sides().is_none() {
            return self.next.ready();
        }
        Box::pin(async {
            self.handler.ready().await?;
            if let Some(sides) = self.operator.sides() {
                sides.ready().await?;
            }
            self.next.ready().await
        })
    }

    fn finish(&mut self) -> Wait<'_> {
        Box::pin(async {
            let info = &self.info;
            let guard = Guard::new(info);
            let closed = self.operator.close();
            guard.done();
            closed.map_err(|failure| failure.at_operator(&info.to_string(), Some(info.location)))?;
            self.handler.finish().await?;
            if let Some(sides) = self.operator.sides() {
                sides.finish().await?;
            }
            self.next.finish().await
        })
    }
}

/// What happens to a record that an operator rejects: the policy, before it is opened.
pub trait OnError<T: Record, E>: Send + 'static {
    #[doc(hidden)]
    type Handler: Handler<T, E>;
    #[doc(hidden)]
    fn open(&self, cx: &mut ChainContext<'_>, info: &OperatorInfo) -> Result<Self::Handler, Failure>;
}

/// The policy at work.
#[doc(hidden)]
pub trait Handler<T: Record, E>: Send + 'static {
    /// True if it has an output of its own.
    const WRITES: bool = false;
    /// True if it looks at the records, and does not only count them.
    const READS: bool = true;
    fn handle(&mut self, record: T::View<'_>, at: Timestamp, error: E) -> Result<(), Failure>;
    fn signal(&mut self, signal: Signal) {
        let _ = signal;
    }
    fn is_full(&self) -> bool {
        false
    }
    fn flush(&mut self, now: Instant) -> Option<Instant> {
        let _ = now;
        None
    }
    fn ready(&mut self) -> Wait<'_> {
        Box::pin(std::future::ready(Ok(())))
    }
    fn finish(&mut self) -> Wait<'_> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The job fails, with operator, source line and record in the message. The default.
#[derive(Debug, Clone, Copy)]
pub struct Fail;

/// How much of a record a message repeats, in characters.
const RECORD_TEXT_LIMIT: usize = 500;

impl<T: Record, E: Display> OnError<T, E> for Fail {
    type Handler = Fail;
    fn open(&self, _: &mut ChainContext<'_>, _: &OperatorInfo) -> Result<Fail, Failure> {
        Ok(Fail)
    }
}

impl<T: Record, E: Display> Handler<T, E> for Fail {
    #[cold]
    fn handle(&mut self, record: T::View<'_>, _: Timestamp, error: E) -> Result<(), Failure> {
        Err(Failure::new(format!(
            "{error}\n  record: {}\n  to go on without such records use `.skip_errors()` or `.divert_errors()` behind the operator",
            shorten(format!("{record:?}"))
        )))
    }
}

fn shorten(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(RECORD_TEXT_LIMIT) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The record is left out and counted, by the metric `records_skipped`.
#[derive(Debug, Clone, Copy)]
pub struct Skip;

#[doc(hidden)]
pub struct Skipping(Counter);

impl<T: Record, E: Send> OnError<T, E> for Skip {
    type Handler = Skipping;
    fn open(&self, cx: &mut ChainContext<'_>, info: &OperatorInfo) -> Result<Skipping, Failure> {
        Ok(Skipping(cx.open_context(info).counter(RECORDS_SKIPPED)))
    }
}

impl<T: Record, E: Send> Handler<T, E> for Skipping {
    const READS: bool = false;

    #[cold]
    fn handle(&mut self, _: T::View<'_>, _: Timestamp, _: E) -> Result<(), Failure> {
        self.0.add(1);
        Ok(())
    }
}

/// The record goes to a stream of errors, as what the function makes of it and the error.
pub struct Divert<F, R> {
    pub(crate) make: F,
    pub(crate) output: OutputId,
    pub(crate) timed: bool,
    pub(crate) rejected: PhantomData<fn() -> R>,
}

#[doc(hidden)]
pub struct Diverting<F, R: Record> {
    make: F,
    output: Outlet<R>,
    diverted: Counter,
}

impl<T: Record, E: Send, F, R: Record> OnError<T, E> for Divert<F, R>
where
    F: for<'a> Fn(T::View<'a>, E) -> R + Clone + Send + 'static,
{
    type Handler = Diverting<F, R>;
    fn open(&self, cx: &mut ChainContext<'_>, info: &OperatorInfo) -> Result<Diverting<F, R>, Failure> {
        let diverted = cx.open_context(info).counter("records_diverted");
        Ok(Diverting { make: self.make.clone(), output: cx.output(self.output, self.timed)?, diverted })
    }
}

impl<T: Record, E: Send, F, R: Record> Handler<T, E> for Diverting<F, R>
where
    F: for<'a> Fn(T::View<'a>, E) -> R + Send + 'static,
{
    const WRITES: bool = true;

    #[cold]
    fn handle(&mut self, record: T::View<'_>, at: Timestamp, error: E) -> Result<(), Failure> {
        self.diverted.add(1);
        self.output.push((self.make)(record, error).view(), at);
        Ok(())
    }

    fn signal(&mut self, signal: Signal) {
        self.output.signal(signal);
    }

    fn is_full(&self) -> bool {
        self.output.is_full()
    }

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        self.output.flush(now)
    }

    fn ready(&mut self) -> Wait<'_> {
        self.output.ready()
    }

    fn finish(&mut self) -> Wait<'_> {
        self.output.finish()
    }
}
