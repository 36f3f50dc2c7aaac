//! Watermark alignment: sources of a group that are far ahead wait for those that are behind.
//!
//! Who has to wait is decided here, from what the members of a group say of themselves and nothing else; [`group`] carries that from one to the other within a
//! process, and [`brake`] makes a source wait.

pub(crate) mod brake;
pub(crate) mod group;

use std::time::Duration;

use millstream_core::time::Timestamp;

use crate::settings::show_duration;

/// How often a source looks at the others of its group at least, unless it says otherwise.
const UPDATE_INTERVAL: Duration = Duration::from_secs(1);

/// How a source keeps together with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alignment {
    group: String,
    max_drift: Duration,
    update_interval: Duration,
}

impl Alignment {
    /// Sources that name the same group are kept together: one whose watermark is ahead of the least in the group by more than `max_drift` waits.
    pub fn new(group: impl Into<String>, max_drift: Duration) -> Self {
        Self { group: group.into(), max_drift, update_interval: UPDATE_INTERVAL }
    }

    /// The same, but it looks at the others at least this often.
    pub fn update_interval(self, update_interval: Duration) -> Self {
        Self { update_interval, ..self }
    }

    /// The group's name.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// For plans: `aligned as orders within 20s`.
    pub(crate) fn describe(&self) -> String {
        format!("aligned as {} within {}", self.group, show_duration(self.max_drift))
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn mistake(&self) -> Option<String> {
        let Self { group, max_drift, update_interval } = self;
        let millisecond = Duration::from_millis(1);
        if group.is_empty() {
            return Some(
                "aligned in a group without a name: give all sources that are to be kept together one name".into(),
            );
        }
        if *max_drift < millisecond {
            let drift = show_duration(*max_drift);
            return Some(format!(
                "aligned in group `{group}` within {drift}, which no two sources ever are: allow for a millisecond at least, better for as much as comes in \
                 a second"
            ));
        }
        if *update_interval < millisecond {
            let interval = show_duration(*update_interval);
            return Some(format!(
                "aligned in group `{group}` with an update interval of {interval}: give it a millisecond at least, as `.updated_every(200.milliseconds())`"
            ));
        }
        None
    }
}

/// What a member of a group, a subtask of a source, says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    /// How far it has come; [`Timestamp::MIN`] as long as it does not know.
    At(Timestamp),
    /// It is idle or has ended: nobody waits for it.
    LeftOut,
}

/// The member that is furthest behind; `None` if nobody is to be waited for.
pub(crate) fn minimum(reports: impl IntoIterator<Item = Report>) -> Option<Timestamp> {
    let behind = |report| if let Report::At(at) = report { Some(at) } else { None };
    reports.into_iter().filter_map(behind).min()
}

/// How far a member may come as long as this is the group's minimum.
pub(crate) fn limit(minimum: Option<Timestamp>, max_drift: Duration) -> Timestamp {
    minimum.map_or(Timestamp::MAX, |minimum| minimum + max_drift)
}

/// Whether a member has come too far. The one that is furthest behind never has.
pub(crate) fn is_ahead(own: Report, limit: Timestamp) -> bool {
    matches!(own, Report::At(at) if at > limit)
}

#[cfg(test)]
mod tests;
