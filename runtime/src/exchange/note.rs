//! Control events as notes: what goes to another process beside batches.

use millstream_state::manifest::CheckpointKind;

use super::channel::Event;
use crate::checkpoint::Barrier;

const IDLE: u8 = 0;
const ACTIVE: u8 = 1;
const BARRIER: u8 = 2;
const END: u8 = 3;

/// The bytes of an event that is no batch.
pub(super) fn encode(event: &Event) -> Vec<u8> {
    match event {
        Event::Data(_) => unreachable!("batches are not notes"),
        Event::Idle => vec![IDLE],
        Event::Active => vec![ACTIVE],
        Event::Barrier(Barrier { checkpoint, kind }) => {
            let kind = match kind {
                CheckpointKind::Periodic => 0,
                CheckpointKind::Stop => 1,
                CheckpointKind::Final => 2,
                CheckpointKind::Savepoint => 3,
            };
            [&[BARRIER, kind], &checkpoint.to_le_bytes()[..]].concat()
        }
        Event::End => vec![END],
    }
}

/// The event that these are the bytes of, if they are any.
pub(super) fn decode(note: &[u8]) -> Option<Event> {
    match *note {
        [IDLE] => Some(Event::Idle),
        [ACTIVE] => Some(Event::Active),
        [END] => Some(Event::End),
        [BARRIER, kind, ref checkpoint @ ..] => {
            let kind = match kind {
                0 => CheckpointKind::Periodic,
                1 => CheckpointKind::Stop,
                2 => CheckpointKind::Final,
                3 => CheckpointKind::Savepoint,
                _ => return None,
            };
            Some(Event::Barrier(Barrier { checkpoint: u64::from_le_bytes(checkpoint.try_into().ok()?), kind }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_back() {
        let barrier = |kind| Event::Barrier(Barrier { checkpoint: u64::MAX - 1, kind });
        let barriers =
            [CheckpointKind::Periodic, CheckpointKind::Stop, CheckpointKind::Final, CheckpointKind::Savepoint]
                .map(barrier);
        for event in barriers.into_iter().chain([Event::Idle, Event::Active, Event::End]) {
            let read = decode(&encode(&event)).expect("it is an event");
            assert_eq!(format!("{read:?}"), format!("{event:?}"));
        }
    }

    #[test]
    fn other_bytes_are_no_events() {
        let barrier = encode(&Event::Barrier(Barrier { checkpoint: 5, kind: CheckpointKind::Final }));
        let mut other_kind = barrier.clone();
        other_kind[1] = 4;
        for bytes in [&[][..], &[4], &[IDLE, 0], &barrier[..9], &[&barrier[..], &[0]].concat(), &other_kind] {
            assert!(decode(bytes).is_none(), "{bytes:?}");
        }
    }
}
