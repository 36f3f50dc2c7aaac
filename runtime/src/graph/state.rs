//! [`StateInfo`]: what is known of a state apart from what is in it.

use std::fmt;

use millstream_core::schema::Schema;

/// A state of an operator: its name, and the types by which it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateInfo {
    /// Its name, of which an operator has no second.
    pub name: &'static str,
    /// How it is organised.
    pub kind: StateKind,
    /// The type of the stream's key; `None` for what a subtask keeps for itself.
    pub key: Option<&'static Schema>,
    /// The type of the keys of its entries, if it is a map.
    pub entry: Option<&'static Schema>,
    /// The type of its values: of a map's values, of a list's elements, of accumulators, of the times of timers.
    pub value: &'static Schema,
}

/// How a state is organised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateKind {
    /// The plain fields of a struct, for each key.
    Fields,
    /// A value for each key.
    Value,
    /// A map for each key.
    Map,
    /// A list for each key.
    List,
    /// An accumulator for each key.
    Aggregating,
    /// What records were joined to, for each key.
    Reducing,
    /// Timers for each key.
    Timers,
    /// A list of each subtask, whose elements each go to one subtask when the job goes on.
    OperatorList,
    /// A list of each subtask; all of them go to every subtask when the job goes on.
    OperatorUnion,
    /// What all subtasks have alike.
    Broadcast,
}

impl fmt::Display for StateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fields => "fields",
            Self::Value => "value",
            Self::Map => "map",
            Self::List => "list",
            Self::Aggregating => "aggregating",
            Self::Reducing => "reducing",
            Self::Timers => "timers",
            Self::OperatorList => "operator list",
            Self::OperatorUnion => "operator union",
            Self::Broadcast => "broadcast",
        })
    }
}

/// `pages (map String -> u64)`.
impl fmt::Display for StateInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind, entry, value, .. } = self;
        match (kind, entry) {
            (StateKind::Timers, _) => f.write_str(name),
            (StateKind::Fields, _) => write!(f, "{name} ({value})"),
            (_, Some(entry)) => write!(f, "{name} ({kind} {entry} -> {value})"),
            (_, None) => write!(f, "{name} ({kind} {value})"),
        }
    }
}
