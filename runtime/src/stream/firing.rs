//! What windows may be given besides their aggregate: a trigger, an evictor, and functions on all that they hold.

use std::marker::PhantomData;

use millstream_core::{
    aggregate::{self, Aggregate, Of},
    proof::When,
    record::Record,
    time::Window,
};

use super::{Behind, Chain, KeyedStream, Pipeline, Plan, Planned, Stream, TimeDomain, Windowed};
use crate::{
    exchange::partition::ByKey,
    graph::{Draft, OperatorInfo},
    operator::{KeyFn, Several, Shippable},
    windows::{
        All, Elements, Evictor, Merging, RecordAssigner, Separate, Trigger, WindowFunction,
        panes::{
            Admits, Applied, ByCount, BySession, BySlice, Contents, FailWindow, Finished, Folded, Given, GivenBy,
            KeptBy, Kind, PanePlan, PutOut, Whole,
        },
    },
};

/// The windows' own trigger, or evictor.
#[derive(Debug, Clone, Copy)]
pub struct Preset;

/// A trigger, or an evictor, that windows were given.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<X>(X);

/// The trigger of windows.
pub trait TriggerChoice<T: Record, W> {
    /// Its type.
    type Trigger: Trigger<T>;
    #[doc(hidden)]
    fn trigger(self, windows: &W) -> Self::Trigger;
}

impl<T: Record, W: RecordAssigner<T>> TriggerChoice<T, W> for Preset {
    type Trigger = W::Trigger;

    fn trigger(self, windows: &W) -> W::Trigger {
        windows.trigger()
    }
}

impl<T: Record, W, Tr: Trigger<T>> TriggerChoice<T, W> for Chosen<Tr> {
    type Trigger = Tr;

    fn trigger(self, _: &W) -> Tr {
        self.0
    }
}

/// The evictor of windows.
pub trait EvictorChoice<T: Record, W> {
    /// Its type.
    type Evictor: Evictor<T>;
    #[doc(hidden)]
    fn evictor(self, windows: &W) -> Self::Evictor;
}

impl<T: Record, W: RecordAssigner<T>> EvictorChoice<T, W> for Preset {
    type Evictor = <W::Kind as Kind<T, W>>::Evictor;

    fn evictor(self, windows: &W) -> Self::Evictor {
        W::Kind::evictor(windows)
    }
}

impl<T: Record, W, E: Evictor<T>> EvictorChoice<T, W> for Chosen<E> {
    type Evictor = E;

    fn evictor(self, _: &W) -> E {
        self.0
    }
}

/// The key of a stream.
type KeyOf<S> = <<S as KeyedStream>::KeyFn as KeyFn<<S as Stream>::Out>>::Key;
/// The trigger of windows over a stream.
type TriggerOf<S, W, C> = <C as TriggerChoice<<S as Stream>::Out, W>>::Trigger;
/// The evictor of windows over a stream.
type EvictorOf<S, W, E> = <E as EvictorChoice<<S as Stream>::Out, W>>::Evictor;

/// The plan of windows by panes with these contents.
pub type Paned<S, W, C, X> =
    PanePlan<<S as Stream>::Out, <S as KeyedStream>::KeyFn, W, <C as TriggerChoice<<S as Stream>::Out, W>>::Trigger, X>;

/// Contents that are an accumulator, whose result is put out.
pub type Incremental<S, A> = Folded<A, PutOut<KeyOf<S>>>;
/// Contents that are an accumulator, whose result is given to a function.
pub type IncrementalWith<A, F> = Folded<A, Given<F>>;
/// Contents that are all elements, which are given to a function.
pub type OfElements<S, W, E, F> = Whole<<S as Stream>::Out, EvictorOf<S, W, E>, F>;
/// Contents that are all elements, which are aggregated when the window fires.
pub type Counted<S, W, A, F> = OfElements<S, W, Preset, Finished<A, F, <S as Stream>::Out>>;

/// Ends the stream's chain with an exchange by key, and begins one with windows by panes.
fn paned<S, W, C, E, X>(windowed: Windowed<S, W, C, E>, contents: impl FnOnce(&W, E) -> X) -> (Paned<S, W, C, X>, Draft)
where
    S: KeyedStream,
    W: RecordAssigner<S::Out>,
    C: TriggerChoice<S::Out, W>,
    X: Contents<S::Out>,
{
    let Windowed { stream, windows, location, late, lateness, trigger, evictor } = windowed;
    let (before, key): (Chain<S::Before>, _) = stream.into_keyed();
    let (mut draft, late) = match late {
        Some((draft, output)) => (draft, Some(output)),
        None => (Draft::new(before.draft.graph()), None),
    };
    let info = OperatorInfo::new("window", key.name(), location).stateful().detail(windows.describe());
    let trigger = trigger.trigger(&windows);
    let mistakes = windows.mistake().into_iter().chain(trigger.mistake());
    mistakes.for_each(|mistake| draft.graph().borrow_mut().mistake(format!("{location}: {mistake}")));
    before.partition_to::<S::Time>(ByKey(key.clone()), location, &draft, 0);
    let contents = contents(&windows, evictor);
    let index = draft.operator(info);
    let timed = S::Time::TIMED;
    let on_error = FailWindow;
    (PanePlan { key, windows, trigger, contents, on_error, lateness, index, late, timed, record: PhantomData }, draft)
}

/// How windows of a kind are aggregated.
pub trait AggregatesBy<S: KeyedStream, W, C, A: Aggregate<S::Out>>: Sized {
    /// The plan of the chain that the aggregate begins.
    type Plan: Plan;
    #[doc(hidden)]
    fn plan(windowed: Windowed<S, W, C>, aggregate: A) -> (Self::Plan, Draft);
}

/// Aggregates as elements come. Aligned windows and sessions do so only if they were given a trigger: otherwise they have heads of their own.
macro_rules! aggregates_incrementally {
    ($kind:ty, $choice:ty, [$($param:ident)?], $($merging:ident)?) => {
        impl<S, W, $($param,)? A> AggregatesBy<S, W, $choice, A> for $kind
        where
            S: KeyedStream,
            W: RecordAssigner<S::Out, Kind = Self>,
            $choice: TriggerChoice<S::Out, W>,
            Self: Admits<S::Out, TriggerOf<S, W, $choice>>,
            A: Aggregate<S::Out> $(+ aggregate::$merging)?,
        {
            type Plan = Paned<S, W, $choice, Incremental<S, A>>;

            fn plan(windowed: Windowed<S, W, $choice>, aggregate: A) -> (Self::Plan, Draft) {
                paned(windowed, |_, _| Folded { aggregate, then: PutOut::default() })
            }
        }
    };
}
aggregates_incrementally!(Separate, C, [C],);
aggregates_incrementally!(Merging, C, [C], Merging);
aggregates_incrementally!(BySlice, Chosen<Tr>, [Tr],);
aggregates_incrementally!(BySession, Chosen<Tr>, [Tr], Merging);

/// Of windows of the last so many elements all are kept.
impl<S, W, C, A> AggregatesBy<S, W, C, A> for ByCount
where
    S: KeyedStream,
    W: RecordAssigner<S::Out, Kind = Self>,
    Self: Kind<S::Out, W>,
    C: TriggerChoice<S::Out, W>,
    A: Aggregate<S::Out>,
{
    type Plan = Paned<S, W, C, Counted<S, W, A, PutOut<KeyOf<S>>>>;

    fn plan(windowed: Windowed<S, W, C>, aggregate: A) -> (Self::Plan, Draft) {
        let function = Finished::new(aggregate, PutOut::default());
        paned(windowed, |windows, evictor| Whole::new(evictor.evictor(windows), function))
    }
}

/// What is kept for an aggregate whose result goes to a function.
pub trait AggregatesWith<S: KeyedStream, W, A: Aggregate<S::Out>, F: WindowFunction<In = A::Out>> {
    #[doc(hidden)]
    type Contents: Contents<S::Out, Key = F::Key, Out = F::Out>;
    #[doc(hidden)]
    fn contents(windows: &W, aggregate: A, function: F) -> Self::Contents;
}

macro_rules! aggregates_with {
    ($kind:ty, $($merging:ident)?) => {
        impl<S, W, A, F> AggregatesWith<S, W, A, F> for $kind
        where
            S: KeyedStream,
            A: Aggregate<S::Out> $(+ aggregate::$merging)?,
            F: WindowFunction<In = A::Out>,
        {
            type Contents = IncrementalWith<A, F>;

            fn contents(_: &W, aggregate: A, function: F) -> Self::Contents {
                Folded { aggregate, then: Given(function) }
            }
        }
    };
}
aggregates_with!(Separate,);
aggregates_with!(Merging, Merging);
aggregates_with!(BySlice,);
aggregates_with!(BySession, Merging);

impl<S, W, A, F> AggregatesWith<S, W, A, F> for ByCount
where
    S: KeyedStream,
    W: RecordAssigner<S::Out, Kind = Self>,
    Self: Kind<S::Out, W>,
    A: Aggregate<S::Out>,
    F: WindowFunction<In = A::Out>,
{
    type Contents = Counted<S, W, A, Given<F>>;

    fn contents(windows: &W, aggregate: A, function: F) -> Self::Contents {
        Whole::new(Preset.evictor(windows), Finished::new(aggregate, Given(function)))
    }
}

impl<S: KeyedStream, W: RecordAssigner<S::Out>, C, E> Windowed<S, W, C, E> {
    /// Says when windows fire, instead of their own trigger: `.trigger(triggers::continuous(10.seconds()))`. See [`triggers`](crate::windows::triggers).
    pub fn trigger<Tr>(
        self,
        trigger: Tr,
    ) -> When<
        Tr::State,
        When<
            <W::Kind as Admits<S::Out, Tr>>::Proof,
            When<<Tr::Time as GivenBy<S::Time>>::Proof, Windowed<S, W, Chosen<Tr>, E>>,
        >,
    >
    where
        Tr: Trigger<S::Out>,
        Tr::Time: GivenBy<S::Time>,
        W::Kind: Admits<S::Out, Tr>,
    {
        let Self { stream, windows, location, late, lateness, evictor, .. } = self;
        Windowed { stream, windows, location, late, lateness, trigger: Chosen(trigger), evictor }
    }

    /// Says which elements a window forgets when it fires: `.evictor(evictors::count(10))`. It goes with [`Windowed::apply`], since all elements have to be
    /// kept. See [`evictors`](crate::windows::evictors).
    pub fn evictor<Ev>(self, evictor: Ev) -> Windowed<S, W, C, Chosen<Ev>>
    where
        Ev: Evictor<S::Out>,
    {
        let Self { stream, windows, location, late, lateness, trigger, .. } = self;
        if let Some(mistake) = evictor.mistake() {
            stream.new_draft().graph().borrow_mut().mistake(format!("{location}: {mistake}"));
        }
        Windowed { stream, windows, location, late, lateness, trigger, evictor: Chosen(evictor) }
    }
}

impl<S, W, C, E> Windowed<S, W, C, E>
where
    S: KeyedStream,
    W: RecordAssigner<S::Out>,
    C: TriggerChoice<S::Out, W>,
    E: EvictorChoice<S::Out, W>,
    W::Kind: Admits<S::Out, C::Trigger>,
{
    /// Calls a function with each key, window, and all elements that this holds when it fires. It returns what the closure of `flat_map` may: a `Vec`, an array, an
    /// `Option`, or [`each`](crate::operator::each) of an iterator. What it returns has the window's last millisecond as its time.
    ///
    /// ```
    /// # use millstream_core::time::DurationExt;
    /// # use millstream_runtime::{stream::{EventTime, Stream}, windows::tumbling};
    /// # fn job(numbers: impl Stream<Out = i64, Time = EventTime>) -> impl Stream {
    /// numbers.key_by(|n| n % 10).window(tumbling(1.minutes())).apply(|key, _, numbers| {
    ///     let mut sorted: Vec<i64> = numbers.iter().collect();
    ///     sorted.sort_unstable();
    ///     Some((key, sorted[sorted.len() / 2]))
    /// })
    /// # }
    /// ```
    ///
    /// All elements are kept until the window ends: where an aggregate will do, use [`Windowed::aggregate`].
    ///
    /// An error that the function returns rejects the window: the job fails, unless `.skip_errors()` or `.divert_errors()` follows.
    #[track_caller]
    pub fn apply<F, R>(
        self,
        function: F,
    ) -> When<R::Proof, Planned<S, Paned<S, W, C, OfElements<S, W, E, Applied<F, KeyOf<S>, S::Out, R>>>>>
    where
        F: for<'k, 'a> Fn(<KeyOf<S> as Record>::View<'k>, Window, Elements<'a, S::Out>) -> R,
        F: Shippable,
        R: Several + 'static,
    {
        let function = Applied::new(function);
        let (plan, draft) = paned(self, |windows, evictor| Whole::new(evictor.evictor(windows), function));
        Pipeline::new(plan, draft)
    }

    /// Calls a [`WindowFunction`] with all elements that a window holds when it fires. Beside what [`Windowed::apply`] gives a closure it has state for each
    /// window, the watermark and the clock.
    #[track_caller]
    pub fn apply_with<F>(self, function: F) -> When<F::Out, Planned<S, Paned<S, W, C, OfElements<S, W, E, F>>>>
    where
        F: WindowFunction<Key = KeyOf<S>, In = All<S::Out>>,
        F::State: KeptBy<W::Kind>,
    {
        let (plan, draft) = paned(self, |windows, evictor| Whole::new(evictor.evictor(windows), function));
        Pipeline::new(plan, draft)
    }
}

impl<S, W, C> Windowed<S, W, C>
where
    S: KeyedStream,
    W: RecordAssigner<S::Out>,
    C: TriggerChoice<S::Out, W>,
    W::Kind: Admits<S::Out, TriggerOf<S, W, C>>,
{
    /// Aggregates as [`Windowed::aggregate`] does, and gives each result to a [`WindowFunction`] instead of putting it out.
    #[track_caller]
    pub fn aggregate_with<A, F>(
        self,
        aggregate: impl FnOnce(Of<S::Out>) -> A,
        function: F,
    ) -> When<A::Out, Planned<S, Paned<S, W, C, <W::Kind as AggregatesWith<S, W, A, F>>::Contents>>>
    where
        A: Aggregate<S::Out>,
        F: WindowFunction<Key = KeyOf<S>, In = A::Out>,
        F::State: KeptBy<W::Kind>,
        W::Kind: AggregatesWith<S, W, A, F>,
    {
        let aggregate = aggregate(Of::new());
        let contents = |windows: &W, _| W::Kind::contents(windows, aggregate, function);
        let (plan, draft) = paned(self, contents);
        Pipeline::new(plan, draft)
    }
}

/// The check of an aggregate behind an evictor. Never implemented.
#[diagnostic::on_unimplemented(
    message = "windows with an evictor keep their elements, so nothing can be aggregated as they come",
    label = "these windows have an evictor",
    note = "use `.apply(|key, window, elements| ..)`, which sees the elements that are left",
    note = "or leave out the evictor: `.trigger(..)` alone says when an aggregate is put out"
)]
pub trait KeepsNoElements {}

/// What one would call without an evictor, to say why it cannot be called here.
impl<S: KeyedStream, W, C, Ev> Windowed<S, W, C, Chosen<Ev>> {
    #[doc(hidden)]
    pub fn aggregate<A>(self, _: impl FnOnce(Of<S::Out>) -> A) -> Behind<S>
    where
        Self: KeepsNoElements,
    {
        unreachable!("nothing implements this bound")
    }

    #[doc(hidden)]
    pub fn reduce<F>(self, _: F) -> Behind<S>
    where
        Self: KeepsNoElements,
        F: for<'a, 'b> Fn(<S::Out as Record>::View<'a>, <S::Out as Record>::View<'b>) -> S::Out,
    {
        unreachable!("nothing implements this bound")
    }

    #[doc(hidden)]
    pub fn aggregate_with<A, F>(self, _: impl FnOnce(Of<S::Out>) -> A, _: F) -> Behind<S>
    where
        Self: KeepsNoElements,
    {
        unreachable!("nothing implements this bound")
    }
}
