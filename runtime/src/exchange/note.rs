//! Control events as notes: what goes to another process beside batches.

use std::time::Duration;

use millstream_state::manifest::CheckpointKind;

use super::channel::Event;
use crate::checkpoint::Barrier;

const IDLE: u8 = 0;
const ACTIVE: u8 = 1;
const BARRIER: u8 = 2;
const END: u8 = 3;

/// The patience of a barrier that overtakes nothing.
const NEVER: u64 = u64::MAX;

/// The bytes of an event that is no batch.
pub(super) fn encode(event: &Event) -> Vec<u8> {
    match event {
        Event::Data(_) | Event::Rest(..) | Event::Replayed => unreachable!("batches are not notes"),
        Event::Idle => vec![IDLE],
        Event::Active => vec![ACTIVE],
        Event::Barrier(Barrier { checkpoint, kind, patience }) => {
            let kind = match kind {
                CheckpointKind::Periodic => 0,
                CheckpointKind::Stop => 1,
                CheckpointKind::Final => 2,
                CheckpointKind::Savepoint => 3,
            };
            let patience = patience.map_or(NEVER, |patience| u64::try_from(patience.as_nanos()).unwrap_or(NEVER - 1));
            [&[BARRIER, kind], &checkpoint.to_le_bytes()[..], &patience.to_le_bytes()].concat()
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
        [BARRIER, kind, ref numbers @ ..] => {
            let kind = match kind {
                0 => CheckpointKind::Periodic,
                1 => CheckpointKind::Stop,
                2 => CheckpointKind::Final,
                3 => CheckpointKind::Savepoint,
                _ => return None,
            };
            let (&[checkpoint, patience], []) = numbers.as_chunks() else { return None };
            let (checkpoint, patience) = (u64::from_le_bytes(checkpoint), u64::from_le_bytes(patience));
            let patience = (patience != NEVER).then(|| Duration::from_nanos(patience));
            Some(Event::Barrier(Barrier { checkpoint, kind, patience }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_back() {
        let barrier = |kind| Event::Barrier(Barrier::new(u64::MAX - 1, kind));
        let barriers =
            [CheckpointKind::Periodic, CheckpointKind::Stop, CheckpointKind::Final, CheckpointKind::Savepoint]
                .map(barrier);
        let patient =
            |nanos| Barrier::new(7, CheckpointKind::Periodic).with_patience(Some(Duration::from_nanos(nanos)));
        let barriers = barriers.into_iter().chain([0, 5_000_000_000].map(patient).map(Event::Barrier));
        for event in barriers.chain([Event::Idle, Event::Active, Event::End]) {
            let read = decode(&encode(&event)).expect("it is an event");
            assert_eq!(format!("{read:?}"), format!("{event:?}"));
        }
    }

    #[test]
    fn other_bytes_are_no_events() {
        let barrier = encode(&Event::Barrier(Barrier::new(5, CheckpointKind::Final)));
        let mut other_kind = barrier.clone();
        other_kind[1] = 4;
        for bytes in
            [&[][..], &[4], &[IDLE, 0], &barrier[..9], &barrier[..10], &[&barrier[..], &[0]].concat(), &other_kind]
        {
            assert!(decode(bytes).is_none(), "{bytes:?}");
        }
    }
}
