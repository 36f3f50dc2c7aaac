//! [`Difference`]: in which states two savepoints differ.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use millstream_core::dynamic::Value;
use millstream_state::{
    inspect::{CheckpointSeen, EntrySeen, Inspection, StateSeen},
    manifest::Manifest,
    segment::SegmentError,
    snapshot::Namespace,
    store::{CheckpointStore, StoreError},
};
use serde::Serialize;

use crate::cli::table::{Align, aligned};

/// In which states two savepoints differ.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    states: Vec<Compared>,
}

/// A state, in the one and in the other; null where it is not there.
#[derive(Debug, Serialize)]
struct Compared {
    operator: String,
    state: String,
    change: Change,
    before: Option<Measured>,
    after: Option<Measured>,
    /// Row by row, where both have the state by key, of one type; null where there are too many rows, or their types are not stored.
    entries: Option<Entries>,
}

/// How many entries differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Entries {
    added: u64,
    removed: u64,
    changed: u64,
}

/// States of more rows than this are compared by their sizes alone: of each row two hashes are remembered.
const ROWS_LIMIT: u64 = 4 << 20;

/// Hashes of the values of a state, by those of their keys.
type Hashes = HashMap<(Namespace, u128), u128>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Same,
    Added,
    Removed,
    /// Its type is another one.
    Type,
    /// It has other contents, as far as its size tells.
    Contents,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Measured {
    rows: u64,
    bytes: u64,
    #[serde(rename = "type")]
    schema: Option<String>,
    subtasks: u32,
}

type States = BTreeMap<(String, String), Measured>;

impl Difference {
    /// Compares what there is to be gone on from.
    pub(super) fn between(before: &Inspection, after: &Inspection) -> Self {
        let (before, after) = (states(before), states(after));
        let names: BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
        let compare = |name: (String, String)| {
            let (before, after) = (before.get(&name).cloned(), after.get(&name).cloned());
            let change = match (&before, &after) {
                (None, _) => Change::Added,
                (_, None) => Change::Removed,
                (Some(before), Some(after)) if before.schema != after.schema => Change::Type,
                (Some(before), Some(after)) if (before.rows, before.bytes) != (after.rows, after.bytes) => {
                    Change::Contents
                }
                _ => Change::Same,
            };
            Compared { operator: name.0, state: name.1, change, before, after, entries: None }
        };
        Self { states: names.into_iter().map(compare).collect() }
    }

    /// Compares states by key row by row, where that can be done.
    ///
    /// # Errors
    ///
    /// What a store says.
    pub(super) async fn compare_entries(
        &mut self,
        before: &(CheckpointStore, Manifest),
        after: &(CheckpointStore, Manifest),
    ) -> Result<(), StoreError> {
        for compared in &mut self.states {
            let (Some(one), Some(other)) = (&compared.before, &compared.after) else { continue };
            if one.schema != other.schema || one.rows > ROWS_LIMIT || other.rows > ROWS_LIMIT {
                continue;
            }
            let (operator, state) = (&compared.operator, &compared.state);
            let (Some(one), Some(mut other)) =
                (hashes(before, operator, state).await?, hashes(after, operator, state).await?)
            else {
                continue;
            };
            let mut entries = Entries::default();
            for (key, value) in one {
                match other.remove(&key) {
                    None => entries.removed += 1,
                    Some(after) if after != value => entries.changed += 1,
                    Some(_) => {}
                }
            }
            entries.added = other.len() as u64;
            compared.change = if entries == Entries::default() { Change::Same } else { Change::Contents };
            compared.entries = Some(entries);
        }
        Ok(())
    }
}

/// None for what is not by key, or was written before types were stored.
async fn hashes(
    (store, manifest): &(CheckpointStore, Manifest),
    operator: &str,
    state: &str,
) -> Result<Option<Hashes>, StoreError> {
    let parts = manifest.operators.iter().filter(|stored| stored.id == operator).flat_map(|stored| &stored.keyed);
    let (mut hashes, mut is_keyed) = (Hashes::new(), false);
    for part in parts.filter(|part| part.state == state) {
        is_keyed = true;
        let each = |namespace, key: &Value<'_>, value: &Value<'_>| {
            hashes.insert((namespace, key.fingerprint()), value.fingerprint());
        };
        match store.read_values(part, each).await {
            Ok(()) => {}
            Err(StoreError::Segment { source: SegmentError::Undescribed { .. }, .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(is_keyed.then_some(hashes))
}

fn states(inspection: &Inspection) -> States {
    let newest = inspection.entries.iter().find(|entry| Some(entry.entry) == inspection.newest);
    let operators = newest.and_then(EntrySeen::checkpoint).map_or(&[][..], |seen: &CheckpointSeen| &seen.operators);
    let measured = |state: &StateSeen, subtasks| Measured {
        rows: state.rows,
        bytes: state.bytes,
        schema: state.schema.clone(),
        subtasks,
    };
    let states = operators.iter().flat_map(|operator| operator.states.iter().map(move |state| (operator, state)));
    states
        .map(|(operator, state)| ((operator.id.clone(), state.state.clone()), measured(state, operator.parallelism)))
        .collect()
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![["operator", "state", "", "entries", "rows", "bytes", "type"].map(str::to_owned)];
        for Compared { operator, state, change, before, after, entries } in &self.states {
            let both = |show: fn(&Measured) -> String| {
                let (before, after) = (before.as_ref().map(show), after.as_ref().map(show));
                match (before, after) {
                    (Some(before), Some(after)) if before != after => format!("{before} -> {after}"),
                    (before, after) => before.or(after).unwrap_or_default(),
                }
            };
            let change = match change {
                Change::Same if entries.is_some() => "same",
                Change::Same => "same size",
                Change::Added => "added",
                Change::Removed => "removed",
                Change::Type => "another type",
                Change::Contents => "changed",
            };
            rows.push([
                operator.clone(),
                state.clone(),
                change.to_owned(),
                entries.filter(|entries| *entries != Entries::default()).map_or_else(String::new, |entries| {
                    format!("+{} -{} ~{}", entries.added, entries.removed, entries.changed)
                }),
                both(|state| state.rows.to_string()),
                both(|state| state.bytes.to_string()),
                both(|state| state.schema.clone().unwrap_or_default()),
            ]);
        }
        if self.states.is_empty() {
            return f.write_str("there is no state in either\n");
        }
        let columns = [Align::Left, Align::Left, Align::Left, Align::Left, Align::Right, Align::Right, Align::Left];
        aligned(columns, &rows).iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
