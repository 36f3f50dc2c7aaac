//! Side outputs: typed streams beside the one that a function puts out.

use millstream_core::{record::Record, time::Timestamp};

use crate::{
    env::Instant,
    failure::Failure,
    graph::{Draft, OutputId},
    operator::{Push as _, Signal, Stage as _, Wait, earliest},
    operators::outlet::Outlet,
    task::context::ChainContext,
};

/// The name of a side output, and what it has: a type of its own, so that the compiler knows both.
///
/// ```
/// use millstream_runtime::process::SideOutput;
///
/// /// Readings that cannot be true.
/// struct Implausible;
///
/// impl SideOutput for Implausible {
///     type Record = f64;
/// }
/// ```
///
/// A function says in its context which ones it has, `cx: &mut KeyedContext<'_, String, f64, Implausible>` (or a tuple of several), puts records out by
/// `cx.emit_to(Implausible, reading)`, and its stream hands them out: `let (readings, implausible) = stream.process(Check).side_output(Implausible)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no side output",
    label = "not a side output",
    note = "a side output is a type of its own, with what it has: `struct Alerts;` and `impl SideOutput for Alerts {{ type Record = Alert; }}`",
    note = "a context names what is put out, then side outputs: `Context<'_, Out, Alerts>`; with a key it is `KeyedContext<'_, Key, Out, Alerts>`"
)]
pub trait SideOutput: 'static {
    /// What it has.
    type Record: Record;
}

/// The writing end of a side output. What nobody reads is left out, at no cost.
pub struct Side<A: SideOutput> {
    /// Which output of its chain it is; `None` if nobody reads it.
    output: Option<OutputId>,
    timed: bool,
    /// Once it is opened.
    writer: Option<Outlet<A::Record>>,
}

impl<A: SideOutput> Side<A> {
    /// Puts out a record.
    #[inline(always)]
    pub fn push(&mut self, record: <A::Record as Record>::View<'_>, at: Timestamp) {
        if let Some(writer) = &mut self.writer {
            writer.push(record, at);
        }
    }

    /// The output that it is written to.
    pub(crate) fn output(&mut self, of: &mut Draft, timed: bool) -> OutputId {
        self.timed = timed;
        *self.output.get_or_insert_with(|| of.output())
    }
}

impl<A: SideOutput> Default for Side<A> {
    fn default() -> Self {
        Self { output: None, timed: false, writer: None }
    }
}

impl<A: SideOutput> Clone for Side<A> {
    /// A clone is opened for itself.
    fn clone(&self) -> Self {
        Self { output: self.output, timed: self.timed, writer: None }
    }
}

/// The side outputs of an operator, as a list: `(Side<Alerts>, (Side<Late>, ()))`. Everything that travels down the chain goes through them, too.
pub trait Sides: Send + 'static {
    /// Called once before the first record, in each subtask.
    ///
    /// # Errors
    ///
    /// What an operator of a chain that reads one says to being opened.
    #[doc(hidden)]
    fn open(&mut self, cx: &mut ChainContext<'_>) -> Result<(), Failure>;
    /// Takes a signal, in order with the records.
    #[doc(hidden)]
    fn signal(&mut self, signal: Signal);
    /// True if nothing more should be pushed for now.
    #[doc(hidden)]
    fn is_full(&self) -> bool;
    /// Sends what is due, and says when the next will be.
    #[doc(hidden)]
    fn flush(&mut self, now: Instant) -> Option<Instant>;
    /// Waits until more may be pushed.
    #[doc(hidden)]
    fn ready(&mut self) -> Wait<'_>;
    /// Ends what goes on behind them.
    #[doc(hidden)]
    fn finish(&mut self) -> Wait<'_>;
}

impl Sides for () {
    fn open(&mut self, _: &mut ChainContext<'_>) -> Result<(), Failure> {
        Ok(())
    }

    fn signal(&mut self, _: Signal) {}

    #[inline(always)]
    fn is_full(&self) -> bool {
        false
    }

    fn flush(&mut self, _: Instant) -> Option<Instant> {
        None
    }

    fn ready(&mut self) -> Wait<'_> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn finish(&mut self) -> Wait<'_> {
        self.ready()
    }
}

impl<A: SideOutput, Rest: Sides> Sides for (Side<A>, Rest) {
    fn open(&mut self, cx: &mut ChainContext<'_>) -> Result<(), Failure> {
        let Side { output, timed, writer } = &mut self.0;
        *writer = output.map(|output| cx.output(output, *timed)).transpose()?;
        self.1.open(cx)
    }

    fn signal(&mut self, signal: Signal) {
        if let Some(writer) = &mut self.0.writer {
            writer.signal(signal);
        }
        self.1.signal(signal);
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.0.writer.as_ref().is_some_and(|writer| writer.is_full()) | self.1.is_full()
    }

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        let first = self.0.writer.as_mut().and_then(|writer| writer.flush(now));
        earliest(first, self.1.flush(now))
    }

    fn ready(&mut self) -> Wait<'_> {
        Box::pin(async {
            if let Some(writer) = &mut self.0.writer {
                writer.ready().await?;
            }
            self.1.ready().await
        })
    }

    fn finish(&mut self) -> Wait<'_> {
        Box::pin(async {
            if let Some(writer) = &mut self.0.writer {
                writer.finish().await?;
            }
            self.1.finish().await
        })
    }
}

/// The check that a side output is in a list. `At` says where, for the compiler to find.
#[diagnostic::on_unimplemented(
    message = "this function has no side output `{Self}`",
    label = "not one of its side outputs",
    note = "name it in the context of all functions of the `#[process]` block: `cx: &mut KeyedContext<'_, Key, Out, {Self}>`, or several as a tuple",
    note = "without a key it is `cx: &mut Context<'_, Out, {Self}>`"
)]
pub trait OneOf<List, At>: SideOutput + Sized {
    #[doc(hidden)]
    fn of(list: &mut List) -> &mut Side<Self>;
}

/// Where a side output stands: first.
#[derive(Debug)]
pub struct Here;

/// Where a side output stands: behind the first.
#[derive(Debug)]
pub struct Later<At>(At);

#[diagnostic::do_not_recommend]
impl<A: SideOutput, Rest> OneOf<(Side<A>, Rest), Here> for A {
    #[inline(always)]
    fn of(list: &mut (Side<A>, Rest)) -> &mut Side<A> {
        &mut list.0
    }
}

#[diagnostic::do_not_recommend]
impl<A: OneOf<Rest, At>, B: SideOutput, Rest, At> OneOf<(Side<B>, Rest), Later<At>> for A {
    #[inline(always)]
    fn of(list: &mut (Side<B>, Rest)) -> &mut Side<A> {
        A::of(&mut list.1)
    }
}

/// An [`Operator`](crate::operator::Operator) with side outputs: `.side_output(..)` behind it hands them out.
pub trait HasSides {
    /// The list of them: `(Side<Alerts>, (Side<Late>, ()))`.
    type Sides: Sides;
    /// Where it has them.
    fn list(&mut self) -> &mut Self::Sides;
}
