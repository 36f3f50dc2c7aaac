//! What a checkpoint has of an operator, for the subtasks of the next attempt.

use std::sync::Arc;

use millstream_core::record::Record;
use millstream_state::{
    groups::GroupRange,
    manifest::{KeyedPart, Manifest, OperatorState, Spread},
};

use super::values::decode;
use crate::failure::Failure;

/// The part of a checkpoint that belongs to one operator; nothing if there is no checkpoint, or if it does not know the operator.
#[derive(Clone, Default)]
pub(crate) struct Restored(Option<(Arc<Manifest>, usize)>);

impl Restored {
    pub(crate) fn of(manifest: Option<&Arc<Manifest>>, operator: &str) -> Self {
        Self(manifest.and_then(|manifest| {
            let index = manifest.operators.iter().position(|known| known.id == operator)?;
            Some((Arc::clone(manifest), index))
        }))
    }

    fn operator(&self) -> Option<&OperatorState> {
        self.0.as_ref().map(|(manifest, index)| &manifest.operators[*index])
    }

    /// True if it has values of a state, were it none at all.
    pub(crate) fn has(&self, state: &str) -> bool {
        self.operator().is_some_and(|operator| operator.values.iter().any(|part| part.state == state))
    }

    /// All values of a state, in the order of the subtasks that had them.
    pub(crate) fn all<T: Record>(&self, state: &str) -> Result<Vec<T>, Failure> {
        self.values(state, |_, _| true)
    }

    /// The values that a subtask had itself, if there are as many subtasks as there were; otherwise those of all. For what subtasks had in common unless the barrier
    /// overtook records, as their event time: then each had come to a point of its own.
    pub(crate) fn own<T: Record>(&self, state: &str, subtask: usize, parallelism: usize) -> Result<Vec<T>, Failure> {
        match self.own_only(state, subtask, parallelism)? {
            Some(own) => Ok(own),
            None => self.all(state),
        }
    }

    /// The values that a subtask had itself; `None` if there are not as many subtasks as there were.
    pub(crate) fn own_only<T: Record>(
        &self,
        state: &str,
        subtask: usize,
        parallelism: usize,
    ) -> Result<Option<Vec<T>>, Failure> {
        let Some(operator) = self.operator() else { return Ok(None) };
        let parts: Vec<_> = operator.values.iter().filter(|part| part.state == state).collect();
        match parts.iter().find(|part| part.subtask as usize == subtask) {
            Some(part) if parts.len() == parallelism => {
                decode::<T>(part).map(Some).map_err(|failure| failure.at_operator(&operator.id, None))
            }
            _ => Ok(None),
        }
    }

    /// The values of a state that a subtask gets.
    pub(crate) fn share<T: Record>(&self, state: &str, subtask: usize, parallelism: usize) -> Result<Vec<T>, Failure> {
        self.values(state, |spread, index| spread != Spread::List || index % parallelism == subtask)
    }

    fn values<T: Record>(&self, state: &str, takes: impl Fn(Spread, usize) -> bool) -> Result<Vec<T>, Failure> {
        let Some(operator) = self.operator() else { return Ok(Vec::new()) };
        let mut parts: Vec<_> = operator.values.iter().filter(|part| part.state == state).collect();
        parts.sort_by_key(|part| part.subtask);
        if parts.first().is_some_and(|part| part.spread == Spread::Broadcast) {
            parts.truncate(1);
        }
        let mut values = Vec::new();
        let mut index = 0;
        for part in parts {
            for value in decode::<T>(part).map_err(|failure| failure.at_operator(&operator.id, None))? {
                if takes(part.spread, index) {
                    values.push(value);
                }
                index += 1;
            }
        }
        Ok(values)
    }

    /// The rows of a keyed state that a subtask with these groups has to read.
    pub(crate) fn keyed(&self, state: &str, groups: GroupRange) -> Vec<KeyedPart> {
        let parts = self.operator().into_iter().flat_map(|operator| &operator.keyed);
        let overlapping = parts.filter(|part| part.state == state && !part.groups.intersection(groups).is_empty());
        overlapping.cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{CheckpointKind, values::encode};

    #[test]
    fn values_go_to_who_should_have_them() {
        let spreads = [("list", Spread::List), ("union", Spread::Union), ("broadcast", Spread::Broadcast)];
        let values = spreads.iter().flat_map(|(state, spread)| {
            // The subtasks report in any order.
            [(1, vec![3_u64, 4]), (0, vec![1, 2])]
                .map(|(subtask, values)| encode(state, subtask, *spread, &values, 1 << 20).expect("they are small"))
        });
        let operator =
            OperatorState { id: "window w".into(), parallelism: 2, keyed: Vec::new(), values: values.collect() };
        let manifest = Manifest {
            job: "job".into(),
            run: 1,
            checkpoint: 1,
            kind: CheckpointKind::Periodic,
            at: 0,
            origin: None,
            channels: Vec::new(),
            operators: vec![operator],
        };
        let restored = Restored::of(Some(&Arc::new(manifest)), "window w");
        let share = |state: &str, subtask| restored.share::<u64>(state, subtask, 3).expect("the types fit");
        assert_eq!([share("list", 0), share("list", 1), share("list", 2)], [vec![1, 4], vec![2], vec![3]]);
        assert_eq!(share("union", 2), [1, 2, 3, 4]);
        assert_eq!(share("broadcast", 2), [1, 2]);
        assert!(share("unknown", 0).is_empty());
        assert_eq!(restored.all::<u64>("list").expect("the types fit"), [1, 2, 3, 4]);
        let own = |subtask, parallelism| restored.own::<u64>("union", subtask, parallelism).expect("the types fit");
        assert_eq!([own(0, 2), own(1, 2), own(1, 3)], [vec![1, 2], vec![3, 4], vec![1, 2, 3, 4]]);
        restored.all::<String>("list").expect_err("another type");
    }
}
