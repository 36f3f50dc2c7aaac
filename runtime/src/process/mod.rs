//! Process functions: code of the user's that has state and timers for each key, or state of its own.
//!
//! `#[process]` implements [`KeyedProcessFunction`], [`ProcessFunction`] or [`KeyedBroadcastProcessFunction`] for an impl block, `#[derive(State)]` implements [`State`],
//! `#[derive(OperatorState)]` [`OperatorState`]. Everything in here may also be used without them. A function on two connected streams is one on the records of [`Either`].

mod aggregating;
mod broadcast;
mod broadcast_function;
mod context;
mod either;
mod expiring_map;
mod function;
mod head;
mod hooks;
mod inputs;
mod list;
mod map;
mod operator_state;
mod row;
mod rows;
mod sides;
mod state;
mod tables;
mod timers;
mod ttl;
mod turns;
mod unkeyed;

pub use aggregating::{AggregatingRef, AggregatingState, Reducer, ReducingRef, ReducingState};
pub use broadcast::{LeftKey, WithBroadcast};
pub use broadcast_function::{BroadcastState, KeyedBroadcastProcessFunction};
pub(crate) use context::Moment;
pub use context::{Context, KeyedContext, NeedsKey};
pub use either::{Either, EitherKey, EitherView, OfTwo};
pub use expiring_map::{ExpiringMap, ExpiringMapRef};
pub use function::{KeyedProcessFunction, ProcessFunction};
pub(crate) use head::describe;
pub use head::{ProcessHead, ProcessPlan};
pub use hooks::{Absent, HookResult, hook};
pub use inputs::Inputs;
pub(crate) use inputs::{Only, Port};
pub use list::{ListRef, ListState};
pub use map::{MapRef, MapState};
pub use operator_state::{OperatorState, Part, Spread, StateAccess, ValuePart};
pub use row::{Fields, FieldsTable, Row, ValueRef, ValueState};
pub use rows::{ExpiringRows, KeyRows, Plain};
pub use sides::{HasSides, Here, Later, OneOf, Side, SideOutput, Sides};
pub use state::{Hashed, State, StateField, StateOf, StateRef, StateTable, StateTables};
pub use tables::Opening;
pub(crate) use tables::Stored;
pub use timers::{Timer, TimerDomain};
pub use ttl::{Expiring, Ttl};
pub(crate) use turns::{HeldBack, TakesTurns, Turns, UNDECLARED_STATES};
pub use unkeyed::Unkeyed;
