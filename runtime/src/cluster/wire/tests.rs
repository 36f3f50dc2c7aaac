//! What is written is read back, and nothing else is taken for a message.

use std::time::Duration;

use bytes::Bytes;
use futures::executor::block_on;
use millstream_state::manifest::CheckpointKind;
use proptest::prelude::*;

use super::*;
use crate::{
    checkpoint::SubtaskReport,
    control::{
        AttemptId, JobId, SlotIndex, SubtaskId, TaskManagerId, Vertex,
        heartbeats::HeartbeatSettings,
        job::failure::{FailureClass, JobFailure},
        message::{Command, Deploy, Notification, Order, Placement, Report, TaskRef},
    },
    env::Instant,
};

fn epoch() -> Epoch {
    Epoch::new(7).expect("it is not 0")
}

fn task() -> TaskRef {
    let attempt = AttemptId { epoch: epoch(), number: 3 };
    TaskRef { subtask: SubtaskId { vertex: Vertex(1), subtask: 2 }, attempt }
}

/// One message of each kind.
fn upward() -> Vec<Upward> {
    let (job, task) = (JobId(u128::MAX - 3), task());
    let stats = SubtaskReport { bytes: 9, sync: Duration::from_micros(3), ..SubtaskReport::default() };
    let failure = JobFailure::new(FailureClass::Environment, "lost").with_hint("look");
    let reports = [
        Report::Running,
        Report::Drained,
        Report::Ack { checkpoint: 4, stats, state: Bytes::from_static(b"state") },
        Report::Declined { checkpoint: 4, reason: "no".to_owned() },
        Report::Ended { output: Bytes::new() },
        Report::Failed(failure),
        Report::Cancelled,
    ];
    let reports = reports.map(|report| Notification::Report { seq: 1, job, task, report });
    let others = [
        Notification::Register { sent: Instant::from_nanos(5), slots: 2, endpoint: "127.0.0.1:1".into() },
        Notification::Heartbeat { sent: Instant::from_nanos(6) },
        Notification::Deployed { job, attempt: task.attempt, result: Err("no slot".to_owned()) },
        Notification::SplitRequest { job, task, request: 8, payload: Bytes::from_static(&[1, 2]) },
    ];
    let message = |body| Upward::Control(ToJobManager { epoch: epoch(), taskmanager: TaskManagerId(1 << 90), body });
    let id = |name: &str| MetricId { operator: "map".to_owned(), subtask: 1, name: name.to_owned() };
    let group = "orders".to_owned();
    let aligned = Upward::Aligned { job, attempt: task.attempt, group, members: 3, at: Some(i64::MIN) };
    let values = vec![
        (id("records_in"), MetricValue::Counter(u64::MAX)),
        (id("watermark_ms"), MetricValue::Gauge(i64::MIN)),
        (id("took_ns"), MetricValue::Histogram(vec![(7, 9)])),
    ];
    reports.into_iter().chain(others).map(message).chain([Upward::Metrics { job, values }, aligned]).collect()
}

fn downward() -> Vec<Downward> {
    let (job, task) = (JobId(5), task());
    let placement =
        Placement { taskmanagers: vec![(TaskManagerId(3), "127.0.0.1:2".into())], tasks: vec![(task.subtask, 0)] };
    let deploy = Deploy {
        job,
        attempt: task.attempt,
        restore: Some(4),
        payload: Bytes::from_static(b"spec"),
        tasks: vec![(task.subtask, SlotIndex(1))],
        placement: placement.into(),
    };
    let sent = Instant::from_nanos(1);
    let order = Order::Trigger { checkpoint: 5, kind: CheckpointKind::Stop };
    let bodies = [
        Command::Registered { sent, heartbeats: HeartbeatSettings::default() },
        Command::HeartbeatAnswer { sent, noted: vec![1, 2, u64::MAX] },
        Command::Deploy(deploy.into()),
        Command::Order { job, order, tasks: vec![task] },
        Command::SplitAssignment { job, task, request: 1, payload: Bytes::from_static(b"split") },
    ];
    let control = bodies.into_iter().map(|body| Downward::Control(ToTaskManager { epoch: epoch(), body }));
    let leads = Downward::Leads { epoch: epoch() };
    let aligned = Downward::Aligned { job, attempt: task.attempt, group: "orders".to_owned(), at: None };
    control.chain([leads, aligned, Downward::StandsBy { leader: Some("127.0.0.1:3".to_owned()) }]).collect()
}

#[test]
fn messages_are_read_back() {
    let (up, down) = (upward(), downward());
    let mut bytes: Vec<u8> = up.iter().flat_map(|message| encode(message).expect("it is short")).collect();
    let mut messages = Messages::new(&bytes[..]);
    for message in up {
        assert_eq!(block_on(messages.next::<Upward>()).expect("it is whole"), message);
    }
    assert!(matches!(block_on(messages.next::<Upward>()), Err(WireError::Ended)));
    bytes = down.iter().flat_map(|message| encode(message).expect("it is short")).collect();
    let mut messages = Messages::new(&bytes[..]);
    for message in down {
        assert_eq!(block_on(messages.next::<Downward>()).expect("it is whole"), message);
    }
}

#[test]
fn no_bit_may_differ_and_no_byte_may_be_missing() {
    let message = upward().swap_remove(5);
    let whole = encode(&message).expect("it is short");
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let read = block_on(Messages::new(&bytes[..]).next::<Upward>());
        assert!(read.is_err(), "bit {bit} differs");
    }
    for length in 1..whole.len() {
        let read = block_on(Messages::new(&whole[..length]).next::<Upward>());
        assert!(matches!(read, Err(WireError::Damaged(_))), "only {length} bytes");
    }
}

#[test]
fn what_is_too_long_is_refused_before_it_is_read() {
    let mut header = encode(&downward()[0]).expect("it is short");
    header[4..8].copy_from_slice(&(MESSAGE_BYTES_LIMIT as u32 + 1).to_le_bytes());
    let read = block_on(Messages::new(&header[..]).next::<Downward>());
    assert!(matches!(read, Err(WireError::TooLong(bytes)) if bytes == MESSAGE_BYTES_LIMIT + 1));
    let body = Notification::Deployed {
        job: JobId(1),
        attempt: task().attempt,
        result: Err(String::from_iter(std::iter::repeat_n('x', MESSAGE_BYTES_LIMIT))),
    };
    let message = Upward::Control(ToJobManager { epoch: epoch(), taskmanager: TaskManagerId(1), body });
    assert!(encode(&message).is_err_and(|bytes| bytes > MESSAGE_BYTES_LIMIT));
}

proptest! {
    /// Whatever comes, it is no panic, and the memory that it takes is no more than it sent.
    #[test]
    fn anything_else_is_an_error(body in proptest::collection::vec(any::<u8>(), 0..200), known in any::<bool>()) {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes.extend(&body);
        if known {
            bytes[0] = VERSION;
            bytes[4..8].copy_from_slice(&(body.len() as u32).to_le_bytes());
            let checksum = crc32fast::hash(&body);
            bytes[8..12].copy_from_slice(&checksum.to_le_bytes());
        } else {
            bytes.drain(..HEADER_BYTES);
        }
        // A body that happens to be a message is one.
        let mut messages = Messages::new(&bytes[..]);
        let _ = block_on(messages.next::<Upward>());
        let mut messages = Messages::new(&bytes[..]);
        let _ = block_on(messages.next::<Downward>());
        prop_assert!(messages.body.capacity() <= CHUNK_BYTES + bytes.len());
    }
}
