//! [`OperatorState`]: what each subtask of an operator keeps for itself, and who gets it when a job goes on.

use millstream_core::record::Record;

pub use millstream_state::manifest::{Spread, ValuePart};

pub use crate::checkpoint::subtask::StateAccess;
use crate::{
    failure::Failure,
    graph::{StateInfo, StateKind},
};

/// What each subtask of a function without key keeps: `#[derive(OperatorState)]` implements it for a struct, each field of which is a state.
///
/// A field says who gets what it held when a job goes on from a checkpoint, perhaps with another parallelism:
///
/// | attribute | type | |
/// |---|---|---|
/// | `#[state(list)]` | `Vec<T>` | each element goes to one subtask |
/// | `#[state(union)]` | `Vec<T>` | all elements go to every subtask |
/// | `#[state(broadcast)]` | any record | every subtask has the same, which is stored once, and gets it again |
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not state that an operator without key can keep",
    label = "not operator state",
    note = "put `#[derive(OperatorState)]` on the struct, and say of each field who gets it when a job goes on: `#[state(list)]`, `#[state(union)]` or `#[state(broadcast)]`",
    note = "state that is kept for each key (`#[derive(State)]`) needs a `KeyedContext`"
)]
pub trait OperatorState: Send + Sized + 'static {
    /// The state before the first record.
    fn begin() -> Self;
    /// What it consists of.
    fn describe() -> Vec<StateInfo>;
    /// What is to be kept of it.
    ///
    /// # Errors
    ///
    /// If a record is too large.
    fn snapshot(&self, access: &StateAccess) -> Result<Vec<ValuePart>, Failure>;
    /// Takes what this subtask gets of what all subtasks had. What the checkpoint does not know stays as it is.
    ///
    /// # Errors
    ///
    /// If what was kept is damaged, or of another type.
    fn restore(&mut self, access: &StateAccess) -> Result<(), Failure>;
}

/// No state.
impl OperatorState for () {
    fn begin() {}

    fn describe() -> Vec<StateInfo> {
        Vec::new()
    }

    fn snapshot(&self, _: &StateAccess) -> Result<Vec<ValuePart>, Failure> {
        Ok(Vec::new())
    }

    fn restore(&mut self, _: &StateAccess) -> Result<(), Failure> {
        Ok(())
    }
}

/// A field of operator state: what the derive calls.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    state: &'static str,
    spread: Spread,
}

impl Part {
    /// The state of this name, and who gets it.
    pub fn new(state: &'static str, spread: Spread) -> Self {
        Self { state, spread }
    }

    /// What it is, of records of this type.
    pub fn describe<T: Record>(self) -> StateInfo {
        let kind = match self.spread {
            Spread::List => StateKind::OperatorList,
            Spread::Union => StateKind::OperatorUnion,
            Spread::Broadcast => StateKind::Broadcast,
        };
        StateInfo { name: self.state, kind, key: None, entry: None, value: T::SCHEMA }
    }

    /// Its records, as they are kept. What every subtask has is kept once, by the first, which takes part in every checkpoint.
    ///
    /// # Errors
    ///
    /// If one is too large.
    pub fn snapshot<T: Record>(self, access: &StateAccess, records: &[T]) -> Result<Option<ValuePart>, Failure> {
        if self.spread == Spread::Broadcast && !access.is_first() {
            return Ok(None);
        }
        access.encode(self.state, self.spread, records).map(Some)
    }

    /// The records that this subtask gets; `None` if the checkpoint does not know the state.
    ///
    /// # Errors
    ///
    /// If what was kept is damaged, or of another type.
    pub fn restore<T: Record>(self, access: &StateAccess) -> Result<Option<Vec<T>>, Failure> {
        if !access.restored().has(self.state) {
            return Ok(None);
        }
        access.share(self.state).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use millstream_macros::OperatorState;
    use millstream_state::manifest::{CheckpointKind, Manifest, OperatorState as Kept};

    use super::*;
    use crate::checkpoint::restored::Restored;

    /// Where emitted code finds the crates.
    mod root {
        pub(super) mod __private {
            pub(crate) use crate as runtime;
        }
    }

    #[derive(OperatorState, Debug, PartialEq)]
    #[state(crate = root)]
    struct Everything {
        #[state(list)]
        waiting: Vec<String>,
        #[state(union, name = "offsets")]
        read: Vec<(u32, u64)>,
        #[state(broadcast)]
        rules: BTreeMap<String, i64>,
    }

    impl Default for Everything {
        fn default() -> Self {
            Self { waiting: vec!["nothing yet".into()], read: Vec::new(), rules: BTreeMap::from([("limit".into(), 3)]) }
        }
    }

    fn access(subtask: usize, parallelism: usize, values: &[ValuePart]) -> StateAccess {
        let operators = vec![Kept { id: "x".into(), parallelism: 1, keyed: Vec::new(), values: values.to_vec() }];
        let kind = CheckpointKind::Periodic;
        let manifest = Manifest {
            job: "job".into(),
            run: 1,
            checkpoint: 1,
            kind,
            at: 0,
            origin: None,
            operators,
            channels: Vec::new(),
        };
        let restored = Restored::of(Some(&Arc::new(manifest)), "x");
        StateAccess::new("x".into(), (subtask, parallelism), 1 << 20, restored, None)
    }

    fn begun(subtask: usize, parallelism: usize, values: &[ValuePart]) -> Everything {
        let mut state = Everything::begin();
        state.restore(&access(subtask, parallelism, values)).expect("nothing is damaged");
        state
    }

    #[test]
    fn each_field_goes_to_who_should_have_it() {
        let rules = BTreeMap::from([("limit".to_owned(), 7), ("least".to_owned(), 1)]);
        let of = |subtask: usize, waiting: &[&str]| {
            let waiting = waiting.iter().map(|text| (*text).to_owned()).collect();
            let state = Everything { waiting, read: vec![(subtask as u32, 100)], rules: rules.clone() };
            state.snapshot(&access(subtask, 2, &[])).expect("it is small")
        };
        let kept: Vec<_> = [of(1, &["c"]), of(0, &["a", "b"])].into_iter().flatten().collect();
        let names: Vec<_> = kept.iter().map(|part| (part.state.as_str(), part.subtask, part.spread)).collect();
        let of_both = [("waiting", 1, Spread::List), ("offsets", 1, Spread::Union), ("waiting", 0, Spread::List)];
        assert_eq!(names[..3], of_both);
        assert_eq!(names[3..], [("offsets", 0, Spread::Union), ("rules", 0, Spread::Broadcast)], "rules are kept once");
        for (subtask, waiting) in [(0, vec!["a".to_owned(), "c".to_owned()]), (1, vec!["b".to_owned()])] {
            let expected = Everything { waiting, read: vec![(0, 100), (1, 100)], rules: rules.clone() };
            assert_eq!(begun(subtask, 2, &kept), expected);
        }
        assert_eq!(begun(3, 4, &kept).waiting, [""; 0], "there is none left, and it is not as at the beginning");
    }

    #[test]
    fn what_a_checkpoint_does_not_know_is_as_at_the_beginning() {
        assert_eq!(begun(0, 1, &[]), Everything::default());
        let only = Part::new("offsets", Spread::Union).snapshot(&access(0, 1, &[]), &[(5_u32, 6_u64)]);
        let expected = Everything { read: vec![(5, 6)], ..Everything::default() };
        let only: Vec<_> = only.expect("it is small").into_iter().collect();
        assert_eq!(begun(0, 1, &only), expected);
    }

    #[test]
    fn another_type_is_refused() {
        let other = Part::new("waiting", Spread::List).snapshot(&access(0, 1, &[]), &[5_u64]);
        let other: Vec<_> = other.expect("it is small").into_iter().collect();
        let failure = Everything::begin().restore(&access(0, 1, &other)).expect_err("a number is no text");
        assert!(failure.to_string().contains("state `waiting` is of type u64 in the checkpoint"), "{failure}");
    }

    #[test]
    fn it_says_what_it_consists_of() {
        let described: Vec<_> = Everything::describe().iter().map(ToString::to_string).collect();
        let expected = [
            "waiting (operator list String)",
            "offsets (operator union (u32, u64))",
            "rules (broadcast Map<String, i64>)",
        ];
        assert_eq!(described, expected);
    }
}
