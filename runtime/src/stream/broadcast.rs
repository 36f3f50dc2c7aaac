//! [`Broadcasted`]: a stream that goes to every subtask, and a keyed stream beside it.

use std::marker::PhantomData;

use millstream_core::{key::Key, proof::When};

use super::{
    Chain, CoProcessor, Connected, FeedsBoth, Guarantee, KeyedAs, KeyedStream, NoKey, Pipeline, Plan, Planned, SameKey,
    SameRecord, Sealed, Stream, TimeDomain,
};
use crate::{
    exchange::partition::ByKey,
    failure::Location,
    graph::{Draft, EdgeKind, OperatorInfo, StateInfo, StateKind},
    operator::KeyFn as _,
    operators::{fused::Fail, input::Input},
    process::{KeyedBroadcastProcessFunction, LeftKey, ProcessPlan, UNDECLARED_STATES, WithBroadcast, describe},
    task::head::Two,
};

/// A stream each record of which goes to every subtask of what follows. Beside a keyed one it is what the broadcast state is made from; any other operator takes it as a
/// stream of which every subtask has all.
#[must_use = "a stream that reaches no sink does nothing: end it with `.sink(..)`"]
pub struct Broadcasted<P, Time, G> {
    chain: Chain<P>,
    time: PhantomData<fn() -> (Time, G)>,
}

impl<P, Time, G> Broadcasted<P, Time, G> {
    pub(crate) fn new(chain: Chain<P>) -> Self {
        Self { chain, time: PhantomData }
    }
}

/// What a stream is keyed by that is broadcast: by nothing, but every subtask has all of it.
#[derive(Debug, Clone, Copy)]
pub struct Broadcast;

impl<P: Plan, Time: TimeDomain, G: Guarantee> Stream for Broadcasted<P, Time, G> {
    type Out = P::Out;
    type Time = Time;
    type Guarantee = G;
    type KeyedBy = Broadcast;
    type Plan = Input<P::Out>;

    fn into_chain(self) -> Chain<Input<P::Out>> {
        let everywhere: Sealed<P::Out, Time, G> = self.chain.share(EdgeKind::Broadcast);
        everywhere.chain
    }

    /// Straight to the port, rather than by tasks that only pass records on.
    fn end_at(self, reader: &Draft, port: u8) {
        self.chain.share_to::<Time>(EdgeKind::Broadcast, reader, port);
    }

    fn new_draft(&self) -> Draft {
        Draft::new(self.chain.draft.graph())
    }
}

/// Beside a keyed stream it is read by all keys.
#[diagnostic::do_not_recommend]
impl<K: Key> KeyedAs<K> for Broadcast {
    type Proof = ();
}
#[diagnostic::do_not_recommend]
impl KeyedAs<NoKey> for Broadcast {
    type Proof = ();
}
#[diagnostic::do_not_recommend]
impl KeyedAs<Broadcast> for NoKey {
    type Proof = ();
}

/// The check that a stream is broadcast.
#[diagnostic::on_unimplemented(
    message = "this function's `on_right` takes what every subtask gets, and the right stream is not broadcast",
    label = "writes state that all subtasks have",
    note = "broadcast it: `left.key_by(|record| ..).connect(rules.broadcast())`",
    note = "where the right stream is keyed, too, `on_right` takes `cx: &mut KeyedContext<'_, Key, Out>`, and shares the state of the key with `on_left`"
)]
pub trait IsBroadcast: Stream {}
impl<P: Plan, Time: TimeDomain, G: Guarantee> IsBroadcast for Broadcasted<P, Time, G> {}

/// How a function fits two streams: its left one has a key, its right one is broadcast.
#[derive(Debug)]
pub struct WithBroadcastState;

#[diagnostic::do_not_recommend]
impl<F: KeyedBroadcastProcessFunction> CoProcessor<WithBroadcastState> for F {}

/// The plan of a function on a keyed stream and one that is broadcast.
pub type ProcessedBroadcast<L, R, F> =
    ProcessPlan<Two<<L as Stream>::Out, <R as Stream>::Out>, LeftKey<<L as KeyedStream>::KeyFn>, WithBroadcast<F>>;

impl<L, R, F> FeedsBoth<F, WithBroadcastState> for Connected<L, R>
where
    L: KeyedStream,
    R: IsBroadcast,
    F: KeyedBroadcastProcessFunction,
    L::Out: SameRecord<F::Left>,
    R::Out: SameRecord<F::Right>,
    L::Key: SameKey<F::Key>,
{
    type Processed = When<
        <L::Out as SameRecord<F::Left>>::Proof,
        When<
            <R::Out as SameRecord<F::Right>>::Proof,
            When<<L::Key as SameKey<F::Key>>::Proof, Planned<L, ProcessedBroadcast<L, R, F>>>,
        >,
    >;

    fn feed(self, function: F, location: Location) -> Self::Processed {
        let (left, right, meeting) = self.into_parts();
        let location = function.location().unwrap_or(location);
        let mut info = OperatorInfo::new("process", function.name(), location);
        let mut draft = left.new_draft();
        let (before, key) = left.into_keyed();
        before.partition_to::<L::Time>(ByKey(key.clone()), meeting, &draft, 0);
        right.end_at(&draft, 1);
        if info.name.is_empty() {
            key.name().clone_into(&mut info.name);
        }
        let states = describe::<WithBroadcast<F>>();
        if let Some(mistake) = unclear(&states) {
            draft.graph().borrow_mut().mistake(format!("{location}: process {}: {mistake}", function.name()));
        }
        let index = draft.operator(info.stateful().states(states));
        let (function, sides) = (WithBroadcast::new(function), F::Sides::default());
        let plan = ProcessPlan { key: LeftKey(key), function, sides, on_error: Fail, index, inputs: PhantomData };
        Pipeline { chain: Chain { plan, draft }, time: PhantomData }
    }
}

/// Why states could not be told apart in a checkpoint, if so: those of a key and those that are broadcast are written in two structs, and stored under one operator.
fn unclear(states: &[StateInfo]) -> Option<String> {
    let twice = states.iter().enumerate().find(|(index, state)| {
        let before = states[..*index].iter().any(|other| other.name == state.name);
        before || (state.kind == StateKind::Broadcast && UNDECLARED_STATES.contains(&state.name))
    });
    twice.map(|(_, StateInfo { name, .. })| {
        format!("there is another state `{name}`: give the broadcast one a name of its own, `#[state(broadcast, name = \"rules\")]`")
    })
}
