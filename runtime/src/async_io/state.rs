//! What an async operator has in checkpoints: the records whose answers have not been put out. Calls are made for them again.

use std::collections::VecDeque;

use millstream_core::{record::Record, time::Timestamp};
use millstream_state::manifest::Spread;

use super::{flight::Flight, function::AsyncFunction, plan::InTurn};
use crate::{
    checkpoint::{
        Barrier,
        subtask::{OperatorReport, StateAccess},
    },
    failure::Failure,
    graph::{StateInfo, StateKind},
};

/// The state's name.
const IN_FLIGHT: &str = "in flight";

/// What plans say of the state.
pub(crate) fn describe<T: Record>() -> StateInfo {
    StateInfo {
        name: IN_FLIGHT,
        kind: StateKind::OperatorList,
        key: None,
        entry: None,
        value: <(T, Timestamp)>::SCHEMA,
    }
}

/// Reports what is in flight, at a barrier: nothing is waited for.
pub(super) fn report<F: AsyncFunction>(
    access: &StateAccess,
    barrier: Barrier,
    flight: &Flight<F>,
    restored: &VecDeque<(F::In, Timestamp)>,
) {
    if !access.is_checkpointed() {
        return;
    }
    let restored = restored.iter().map(|(record, at)| (record.view(), *at));
    let records = flight.records().chain(restored);
    let values = access.encode_views::<(F::In, Timestamp)>(IN_FLIGHT, Spread::List, records);
    access.report(barrier, values.map(|values| OperatorReport { values: vec![values], ..OperatorReport::default() }));
}

/// What was in flight: that of this subtask, if there are as many as there were. Otherwise records go to who has their keys, or to one subtask after the other.
pub(super) fn restore<F: AsyncFunction, K: InTurn<F::In>>(
    access: &StateAccess,
    turn: &K,
) -> Result<VecDeque<(F::In, Timestamp)>, Failure> {
    if let Some(own) = access.own_only::<(F::In, Timestamp)>(IN_FLIGHT)? {
        return Ok(own.into());
    }
    if !K::BY_KEY {
        return Ok(access.share(IN_FLIGHT)?.into());
    }
    let mut all: VecDeque<(F::In, Timestamp)> = access.restored().all(IN_FLIGHT)?.into();
    all.retain(|(record, _)| turn.of(record.view()).is_some_and(|hash| turn.is_here(hash)));
    Ok(all)
}
