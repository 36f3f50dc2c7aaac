//! [`Provision`]: how many TaskManagers there should be, where somebody can start and stop them: enough for the slots that are waited for, and none that has been idle for long.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::ids::TaskManagerId;
use crate::env::Instant;

/// One that was started and does not register within this time is taken for dead.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause after one could not be started, or died before it registered; it doubles each time.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
const PAUSE_LIMIT: Duration = Duration::from_secs(60);

/// How TaskManagers are provided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProvisionSettings {
    /// How many slots each has; at least 1.
    pub(crate) slots: u32,
    /// How many may have been started at a time.
    pub(crate) most: u32,
    /// One whose slots nobody has had for so long is stopped.
    pub(crate) idle_timeout: Duration,
}

/// A TaskManager that is registered, whoever has started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) id: TaskManagerId,
    /// How many of its slots are in use.
    pub(crate) used: u32,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Start a TaskManager, which is to register under this id.
    Start(TaskManagerId),
    /// Let it end.
    Stop(TaskManagerId),
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// It was started, and has not registered yet.
    Starting { until: Instant },
    /// Since when nobody has a slot of it, if that is so.
    There { idle: Option<Instant> },
}

/// The TaskManagers that were started for this leader.
#[derive(Debug)]
pub(crate) struct Provision {
    settings: ProvisionSettings,
    own: BTreeMap<TaskManagerId, State>,
    /// None is started before, since some could not be.
    not_before: Option<Instant>,
    pause: Duration,
}

impl Provision {
    pub(crate) fn new(settings: ProvisionSettings) -> Self {
        Self { settings, own: BTreeMap::new(), not_before: None, pause: PAUSE }
    }

    /// Says what is to be done now. `missing` is how many slots are waited for beyond those that are free, and `draw` gives ids that no other process has.
    pub(crate) fn step(
        &mut self,
        now: Instant,
        missing: usize,
        registered: &[Registered],
        mut draw: impl FnMut() -> TaskManagerId,
    ) -> Vec<Command> {
        let mut commands = Vec::new();
        let there: BTreeMap<_, _> = registered.iter().map(|of| (of.id, of.used)).collect();
        let mut over = BTreeSet::new();
        for (id, state) in &mut self.own {
            match (there.get(id), &mut *state) {
                (Some(0), State::There { idle: Some(since) }) if now.since(*since) >= self.settings.idle_timeout => {
                    commands.push(Command::Stop(*id));
                    over.insert(*id);
                }
                (Some(0), State::There { idle: Some(_) }) => {}
                (Some(0), _) => *state = State::There { idle: Some(now) },
                (Some(_), _) => *state = State::There { idle: None },
                // It is lost. Whatever is left of it is to end, too.
                (None, State::There { .. }) => {
                    commands.push(Command::Stop(*id));
                    over.insert(*id);
                }
                (None, State::Starting { until }) if now >= *until => {
                    commands.push(Command::Stop(*id));
                    over.insert(*id);
                }
                (None, State::Starting { .. }) => {}
            }
        }
        if there.keys().any(|id| self.own.contains_key(id)) {
            (self.not_before, self.pause) = (None, PAUSE);
        }
        if over.iter().any(|id| matches!(self.own[id], State::Starting { .. })) {
            self.failed(now);
        }
        self.own.retain(|id, _| !over.contains(id));
        let starting = self.own.values().filter(|state| matches!(state, State::Starting { .. })).count();
        let wanted = missing.div_ceil(self.settings.slots as usize).saturating_sub(starting);
        let room = (self.settings.most as usize).saturating_sub(self.own.len());
        if self.not_before.is_none_or(|at| now >= at) {
            for _ in 0..wanted.min(room) {
                let id = draw();
                self.own.insert(id, State::Starting { until: now + START_TIMEOUT });
                commands.push(Command::Start(id));
            }
        }
        commands
    }

    /// One could not be started, or has ended before it registered.
    pub(crate) fn gone(&mut self, now: Instant, id: TaskManagerId) {
        if let Some(State::Starting { .. }) = self.own.remove(&id) {
            self.failed(now);
        }
    }

    fn failed(&mut self, now: Instant) {
        self.not_before = Some(now + self.pause);
        self.pause = (self.pause * 2).min(PAUSE_LIMIT);
    }

    /// When there may be something to do though nothing happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let of_state = |state: &State| match state {
            State::Starting { until } => Some(*until),
            State::There { idle } => idle.map(|since| since + self.settings.idle_timeout),
        };
        self.own.values().filter_map(of_state).chain(self.not_before).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: ProvisionSettings = ProvisionSettings { slots: 2, most: 3, idle_timeout: Duration::from_secs(10) };

    struct Driven {
        provision: Provision,
        drawn: u128,
    }

    impl Driven {
        fn new() -> Self {
            Self { provision: Provision::new(SETTINGS), drawn: 0 }
        }

        fn step(&mut self, seconds: u64, missing: usize, registered: &[(u128, u32)]) -> Vec<Command> {
            let registered: Vec<_> =
                registered.iter().map(|(id, used)| Registered { id: TaskManagerId(*id), used: *used }).collect();
            let drawn = &mut self.drawn;
            self.provision.step(at(seconds), missing, &registered, || {
                *drawn += 1;
                TaskManagerId(*drawn)
            })
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn start(id: u128) -> Command {
        Command::Start(TaskManagerId(id))
    }

    fn stop(id: u128) -> Command {
        Command::Stop(TaskManagerId(id))
    }

    #[test]
    fn as_many_are_started_as_slots_are_missing_and_no_more_than_allowed() {
        let mut driven = Driven::new();
        assert_eq!(driven.step(0, 0, &[]), []);
        assert_eq!(driven.step(1, 3, &[]), [start(1), start(2)]);
        assert_eq!(driven.step(1, 3, &[]), [], "they are on their way");
        assert_eq!(driven.step(2, 9, &[(1, 0)]), [start(3)], "three may be there");
        // Somebody else's counts as slots that are free, and is never stopped.
        assert_eq!(driven.step(3, 0, &[(1, 2), (2, 1), (3, 0), (99, 0)]), []);
        assert_eq!(driven.provision.deadline(), Some(at(13)));
        assert_eq!(driven.step(13, 0, &[(1, 2), (2, 0), (3, 0), (99, 0)]), [stop(3)]);
        assert_eq!(driven.step(22, 0, &[(1, 2), (2, 0), (99, 0)]), []);
        assert_eq!(driven.step(23, 0, &[(1, 2), (2, 0), (99, 0)]), [stop(2)]);
    }

    #[test]
    fn what_does_not_come_up_is_given_up_and_tried_again_after_pauses_that_grow() {
        let mut driven = Driven::new();
        assert_eq!(driven.step(0, 1, &[]), [start(1)]);
        assert_eq!(driven.provision.deadline(), Some(at(30)));
        assert_eq!(driven.step(30, 1, &[]), [stop(1)]);
        assert_eq!(driven.step(31, 1, &[]), [start(2)]);
        driven.provision.gone(at(31), TaskManagerId(2));
        assert_eq!(driven.step(32, 1, &[]), [], "the second pause is longer");
        assert_eq!(driven.step(33, 1, &[]), [start(3)]);
        assert_eq!(driven.step(34, 0, &[(3, 1)]), []);
        // It is there, so the next pause is short again.
        assert_eq!(driven.step(35, 1, &[]), [stop(3), start(4)]);
        driven.provision.gone(at(35), TaskManagerId(4));
        assert_eq!(driven.step(36, 1, &[]), [start(5)]);
    }
}
