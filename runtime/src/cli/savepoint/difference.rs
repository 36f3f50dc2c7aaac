//! [`Difference`]: in which states two savepoints differ.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use millstream_state::inspect::{CheckpointSeen, EntrySeen, Inspection, StateSeen};
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
}

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
            Compared { operator: name.0, state: name.1, change, before, after }
        };
        Self { states: names.into_iter().map(compare).collect() }
    }
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
        let mut rows = vec![["operator", "state", "", "rows", "bytes", "type"].map(str::to_owned)];
        for Compared { operator, state, change, before, after } in &self.states {
            let both = |show: fn(&Measured) -> String| {
                let (before, after) = (before.as_ref().map(show), after.as_ref().map(show));
                match (before, after) {
                    (Some(before), Some(after)) if before != after => format!("{before} -> {after}"),
                    (before, after) => before.or(after).unwrap_or_default(),
                }
            };
            let change = match change {
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
                both(|state| state.rows.to_string()),
                both(|state| state.bytes.to_string()),
                both(|state| state.schema.clone().unwrap_or_default()),
            ]);
        }
        if self.states.is_empty() {
            return f.write_str("there is no state in either\n");
        }
        let columns = [Align::Left, Align::Left, Align::Left, Align::Right, Align::Right, Align::Left];
        aligned(columns, &rows).iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
