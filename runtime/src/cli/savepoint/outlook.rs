//! The text of an [`Outlook`], and its JSON.

use millstream_core::time::Timestamp;
use millstream_state::location::Location;
use serde_json::{Value, json};

use crate::{
    attempt::outlook::{Outlook, Prospect},
    cli::table::{Align, aligned},
};

/// A table of all states.
pub(super) fn text(outlook: &Outlook, place: &Location) -> String {
    let mut text = format!(
        "the savepoint in {place} is of checkpoint {}, made at {}:\n\n",
        outlook.checkpoint,
        Timestamp::from_millis(outlook.at)
    );
    if outlook.prospects.is_empty() {
        return text + "  there is no state in it, and the job keeps none\n";
    }
    let row = |Prospect { operator, state, fate, detail, .. }: &Prospect| {
        [operator.clone(), state.clone().unwrap_or_default(), fate.name().to_owned(), detail.clone()]
    };
    let mut rows = vec![["operator", "state", "what becomes of it", ""].map(str::to_owned)];
    rows.extend(outlook.prospects.iter().map(row));
    for line in aligned([Align::Left; 4], &rows) {
        text += &format!("  {line}\n");
    }
    text
}

/// `savepoint`, `checkpoint`, `at_ms`, and `states`: each with `operator`, `state` (null where it is not known), `fate` (`restored`, `migrated`, `starts empty`, `dropped` or `refused`),
/// `detail` and `repair` (null where nothing is to be repaired).
pub(super) fn json(outlook: &Outlook, place: &Location) -> Value {
    let state = |Prospect { operator, state, fate, detail, repair }: &Prospect| json!({ "operator": operator, "state": state, "fate": fate.name(), "detail": detail, "repair": repair });
    json!({
        "savepoint": place.to_string(),
        "checkpoint": outlook.checkpoint,
        "at_ms": outlook.at,
        "states": outlook.prospects.iter().map(state).collect::<Vec<_>>(),
    })
}

/// Why the job cannot begin with it, if it cannot.
pub(super) fn refusal(outlook: &Outlook, may_drop: bool) -> Option<String> {
    let dropped = (!may_drop).then(|| outlook.dropped().next()).flatten();
    let prospect = outlook.refused().next().or(dropped)?;
    let Prospect { operator, state, detail, repair, .. } = prospect;
    let state = state.as_deref().unwrap_or_default();
    let repair = repair.as_deref().unwrap_or_default();
    let what = format!("the job cannot begin with state `{state}` of operator `{operator}`: {detail}");
    Some(match dropped.is_some_and(|dropped| dropped == prospect) {
        true => format!("{what}\nhint: {repair}, or drop it with `--allow-dropped-state`"),
        false => format!("{what}\nhint: {repair}"),
    })
}
