//! [`Outlook`]: what will become of stored state in a job, said before anything runs.

use std::collections::{BTreeMap, BTreeSet};

use millstream_core::dynamic::StoredSchema;
use millstream_state::{
    manifest::{Manifest, OperatorState},
    schema::SchemaName,
};

use crate::{
    graph::{JobGraph, OperatorInfo, StateInfo, StateKind, VertexId},
    process::UNDECLARED_STATES,
};

/// The types of stored rows, by operator and state.
pub(crate) type RowTypes = BTreeMap<(String, String), RowType>;

/// The types of the keys and the values of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowType {
    pub(crate) key: SchemaName,
    pub(crate) value: SchemaName,
}

/// What becomes of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// It is read back.
    Restored,
    /// It is read back, and made of an earlier version of its type.
    Migrated,
    /// The job has it, and nothing is stored of it.
    Empty,
    /// It is stored, and the job does not have it.
    Dropped,
    /// It cannot be read back.
    Refused,
}

impl Fate {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Restored => "restored",
            Self::Migrated => "migrated",
            Self::Empty => "starts empty",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
        }
    }
}

/// What becomes of a state of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prospect {
    pub(crate) operator: String,
    /// Its name; none where an operator has nothing stored, and does not say what it keeps.
    pub(crate) state: Option<String>,
    pub(crate) fate: Fate,
    /// How much there is, or why it is so.
    pub(crate) detail: String,
    /// What can be done about it.
    pub(crate) repair: Option<String>,
}

/// What will become of stored state in a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// The checkpoint's number.
    pub(crate) checkpoint: u64,
    /// When it was complete, in milliseconds since 1970.
    pub(crate) at: i64,
    /// By operator, those of the job first.
    pub(crate) prospects: Vec<Prospect>,
}

impl Outlook {
    /// Compares a job with what is stored. Types are compared where they are known.
    pub(crate) fn of(graph: &JobGraph, manifest: &Manifest, types: &RowTypes) -> Self {
        let mut prospects = Vec::new();
        let mut known = BTreeSet::new();
        for (id, vertex) in graph.vertices.iter().enumerate() {
            for operator in vertex.operators.iter().filter(|operator| operator.stateful) {
                let name = operator.id_or_name();
                let stored = manifest.operators.iter().find(|stored| stored.id == name);
                of_operator(operator, &name, stored, graph.max_parallelism(VertexId(id)), types, &mut prospects);
                known.insert(name);
            }
        }
        // What any operator is called counts, as it may have become one without state.
        let operators = graph.vertices.iter().flat_map(|vertex| &vertex.operators);
        known.extend(operators.map(OperatorInfo::id_or_name));
        for stored in manifest.operators.iter().filter(|stored| !known.contains(&stored.id)) {
            let repair = format!("give the operator that is to have it `.uid(\"{}\")`", stored.id);
            // Nothing is lost with a state that is empty.
            for state in states(stored).into_iter().filter(|state| !is_empty(stored, state)) {
                let detail = "the job has no such operator".to_owned();
                let (operator, repair) = (stored.id.clone(), Some(repair.clone()));
                prospects.push(Prospect { operator, state: Some(state), fate: Fate::Dropped, detail, repair });
            }
        }
        Self { checkpoint: manifest.checkpoint, at: manifest.at, prospects }
    }

    /// The states that the job does not have.
    pub(crate) fn dropped(&self) -> impl Iterator<Item = &Prospect> {
        self.prospects.iter().filter(|prospect| prospect.fate == Fate::Dropped)
    }

    /// The states that cannot be read back.
    pub(crate) fn refused(&self) -> impl Iterator<Item = &Prospect> {
        self.prospects.iter().filter(|prospect| prospect.fate == Fate::Refused)
    }
}

fn of_operator(
    operator: &OperatorInfo,
    name: &str,
    stored: Option<&OperatorState>,
    groups: u32,
    types: &RowTypes,
    prospects: &mut Vec<Prospect>,
) {
    let mut push = |state: Option<&str>, fate, detail: String, repair| {
        let (operator, state) = (name.to_owned(), state.map(str::to_owned));
        prospects.push(Prospect { operator, state, fate, detail, repair });
    };
    let Some(stored) = stored else {
        return push(None, Fate::Empty, "nothing is stored of this operator".to_owned(), None);
    };
    let there = states(stored);
    for state in &there {
        let declared = operator.states.iter().find(|declared| declared.name == state);
        let changed = stored.keyed.iter().find(|part| part.state == *state && part.groups.of != groups);
        if let Some(part) = changed {
            let detail = format!("its keys are in {} key groups, and the job has {groups}", part.groups.of);
            let repair = format!("set max_parallelism to {} again: it cannot change", part.groups.of);
            push(Some(state), Fate::Refused, detail, Some(repair));
        } else if declared.is_none() && !operator.states.is_empty() && !UNDECLARED_STATES.contains(&state.as_str()) {
            if is_empty(stored, state) {
                continue;
            }
            let repair = format!("call the state that is to have it `{state}`");
            push(Some(state), Fate::Dropped, "the operator has no such state".to_owned(), Some(repair));
        } else {
            let row = types.get(&(name.to_owned(), state.clone()));
            let how_much = how_much(stored, state);
            match declared.zip(row).map(|(declared, row)| fit(declared, row)) {
                None | Some(Ok(false)) => push(Some(state), Fate::Restored, how_much, None),
                Some(Ok(true)) => {
                    let from = row.map(|row| row.value.short()).unwrap_or_default();
                    push(Some(state), Fate::Migrated, format!("{how_much} of {from}"), None);
                }
                Some(Err(why)) => push(
                    Some(state),
                    Fate::Refused,
                    why,
                    Some("or run the version of the job that wrote it".to_owned()),
                ),
            }
        }
    }
    for declared in operator.states.iter().filter(|declared| !there.contains(declared.name)) {
        push(Some(declared.name), Fate::Empty, "nothing is stored of it".to_owned(), None);
    }
}

/// Whether rows are of an earlier version of a state's type; or why they cannot be read. Kinds whose rows are not the values themselves are looked at when they are read.
fn fit(declared: &StateInfo, row: &RowType) -> Result<bool, String> {
    let has_own_key = matches!(declared.kind, StateKind::Fields | StateKind::Value);
    if let Some(key) = declared.key.filter(|key| has_own_key && key.hash() != row.key.hash) {
        return Err(format!(
            "its keys are {}, and the job has {key}: keys cannot change, as they say where a row belongs",
            row.key
        ));
    }
    let is_plain = matches!(declared.kind, StateKind::Fields | StateKind::Value | StateKind::Map | StateKind::List);
    if !is_plain || declared.value.hash() == row.value.hash {
        return Ok(false);
    }
    let unknown = || format!("{} is stored, and the job has {declared}", row.value);
    let stored = row.value.schema().or_else(|| StoredSchema::of_past(declared.value, row.value.hash));
    stored.ok_or_else(unknown)?.check(declared.value).map_err(|mismatch| mismatch.to_string())?;
    Ok(true)
}

/// The names of all states of which something is stored.
fn states(stored: &OperatorState) -> BTreeSet<String> {
    let keyed = stored.keyed.iter().map(|part| &part.state);
    keyed.chain(stored.values.iter().map(|part| &part.state)).cloned().collect()
}

fn is_empty(stored: &OperatorState, state: &str) -> bool {
    let mut segments = stored.keyed.iter().filter(|part| part.state == state).flat_map(|part| &part.segments);
    let mut values = stored.values.iter().filter(|part| part.state == state);
    segments.all(|segment| segment.rows == 0) && values.all(|part| part.records == 0)
}

fn how_much(stored: &OperatorState, state: &str) -> String {
    let segments: BTreeMap<&str, u64> = stored
        .keyed
        .iter()
        .filter(|part| part.state == state)
        .flat_map(|part| &part.segments)
        .map(|segment| (segment.name.as_str(), segment.rows))
        .collect();
    let values: u64 = stored.values.iter().filter(|part| part.state == state).map(|part| u64::from(part.records)).sum();
    match (segments.values().sum::<u64>(), stored.keyed.iter().any(|part| part.state == state)) {
        (1, true) => "1 row".to_owned(),
        (rows, true) => format!("{rows} rows"),
        (_, false) if values == 1 => "1 value".to_owned(),
        (_, false) => format!("{values} values"),
    }
}
