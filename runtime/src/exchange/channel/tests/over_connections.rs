//! Channels whose senders are in another process: the receiver sees what it would see of one in its own.

use std::{sync::Arc, time::Duration};

use futures::executor::LocalPool;
use millstream_core::{
    batch::Marked,
    buffer::{BufferBuilder, Columns, Received},
    time::Timestamp,
};
use millstream_net::{
    inbound::{Acceptor, Incoming},
    link::{Link, Options},
    window::WindowBytes,
};
use millstream_state::manifest::CheckpointKind;

use super::{Event, Sender, Shared, buffer, numbers};
use crate::{
    checkpoint::Barrier,
    env::Instant,
    exchange::{
        gate::{Change, Gate, HasOvertaken, Port},
        in_flight::{ChannelId, InFlight, Overtaken},
        pipe::connect,
    },
    failure::Failure,
};

const OPTIONS: Options =
    Options { body_bytes_limit: 1 << 20, channels_limit: 10, window: WindowBytes { first: 4 << 10, max: 4 << 10 } };

/// Attaches what is opened to the channel of a gate; the address is its number.
struct Attaching(Arc<Shared>);

impl Acceptor for Attaching {
    fn opened(&self, incoming: Arc<Incoming>, address: &[u8]) {
        self.0.attach(address[0].into(), incoming);
    }
}

/// A gate in one process, and an end of the connection in the other.
struct World {
    pool: LocalPool,
    link: Link,
    shared: Arc<Shared>,
    gate: Option<Gate>,
    overtaken: Overtaken,
}

impl World {
    /// With so many channels.
    fn new(channels: usize) -> Self {
        let pool = LocalPool::new();
        let shared = Shared::new(channels, 4 << 10);
        let id = |sender| ChannelId { edge: 0, sender, receiver: 0 };
        let validate = Received::validate::<u64>;
        let port = |sender| Port { number: 0, validate, beside: None, may_overtake: true, id: id(sender) };
        let gate = Gate::new(Arc::clone(&shared), (0..channels).map(port).collect(), true);
        let attaching = |shared: &Arc<Shared>| Arc::new(Attaching(Arc::clone(shared)));
        let [link, _] = connect(&pool, OPTIONS, [attaching(&Shared::new(0, 0)), attaching(&shared)]);
        Self { pool, link, shared, gate: Some(gate), overtaken: Overtaken::default() }
    }

    fn open(&mut self, channel: u8) -> Sender {
        let id = ChannelId { edge: 0, sender: usize::from(channel), receiver: 0 };
        let overtaken = Some((id, self.overtaken.clone()));
        let sender = Sender::remote(self.link.open(&[channel]).expect("there are few"), overtaken);
        self.pool.run_until_stalled();
        sender
    }

    fn gate(&mut self) -> &mut Gate {
        self.pool.run_until_stalled();
        self.gate.as_mut().expect("it was not dropped")
    }

    fn next(&mut self) -> Result<Option<(usize, Event)>, Failure> {
        self.gate().try_next()
    }

    /// The next event, which is a batch; its credit goes back.
    fn batch(&mut self) -> Option<(usize, Vec<u64>, usize)> {
        match self.next().expect("nothing is damaged")? {
            (channel, Event::Data(batch)) => {
                self.gate().release(channel, &batch);
                self.pool.run_until_stalled();
                Some((channel, numbers(&batch), batch.watermarks().len()))
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_sent_from_another_process_comes_in_order() {
    let mut world = World::new(2);
    let (here, there) = (Sender::new(Arc::clone(&world.shared), 0), world.open(1));
    there.send(Event::Data(buffer(0, 3)));
    let marked = Marked { behind: 2, at: Timestamp::from_millis(7) };
    there.send(Event::Data(super::Batch::new(buffer(3, 2).buffer, &[marked])));
    here.send(Event::Data(buffer(10, 1)));
    let barrier = Barrier::new(4, CheckpointKind::Periodic);
    for event in [Event::Idle, Event::Active, Event::Barrier(barrier)] {
        there.send(event);
    }
    there.send(Event::Data(buffer(5, 1)));
    there.send(Event::End);

    let mut batches = [world.batch(), world.batch(), world.batch()].map(|batch| batch.expect("three have come"));
    batches.sort();
    assert_eq!(batches, [(0, vec![10], 0), (1, vec![0, 1, 2], 0), (1, vec![3, 4], 1)]);
    assert!(matches!(world.next(), Ok(Some((1, Event::Idle)))));
    assert!(matches!(world.next(), Ok(Some((1, Event::Active)))));
    assert!(world.gate().barrier_waits());
    assert!(matches!(world.next(), Ok(Some((1, Event::Barrier(found)))) if found == barrier));
    // The channel waits until the barrier has come on the other one.
    assert!(world.gate().barrier(1, barrier, Instant::default()).is_none());
    assert!(matches!(world.next(), Ok(None)));
    here.send(Event::Barrier(barrier));
    assert!(matches!(world.next(), Ok(Some((0, Event::Barrier(_))))));
    assert!(world.gate().barrier(0, barrier, Instant::default()).is_some());
    assert_eq!(world.batch(), Some((1, vec![5], 0)));
    assert!(matches!(world.next(), Ok(Some((1, Event::End)))));
    assert_eq!(world.gate().inputs().end(1), Change::None);
    drop(there);
    assert!(matches!(world.next(), Ok(None)), "that a sender has gone after its end means nothing");
}

#[test]
fn credit_comes_back_over_the_connection() {
    let mut world = World::new(1);
    let sender = world.open(0);
    assert!(sender.has_credit() && sender.receiver_waits());
    while sender.has_credit() {
        sender.send(Event::Data(buffer(0, 100)));
        world.pool.run_until_stalled();
    }
    assert!(!sender.receiver_waits());
    world.batch().expect("it has come");
    world.batch().expect("it has come");
    assert!(sender.has_credit());
    while world.batch().is_some() {}
    assert!(sender.receiver_waits());
}

#[test]
fn a_task_that_has_ended_holds_no_sender_up() {
    let mut world = World::new(2);
    let sender = world.open(0);
    while !sender.is_overdrawn() {
        sender.send(Event::Data(buffer(0, 100)));
    }
    world.gate = None;
    world.pool.run_until_stalled();
    assert!(sender.has_credit());
    let late = world.open(1);
    assert!(late.has_credit(), "nor one that comes later");
}

#[test]
fn what_another_process_sends_is_looked_at_before_it_is_read() {
    let mut world = World::new(1);
    let sender = world.open(0);
    let mut builder = millstream_core::buffer::BufferBuilder::<String>::new(Default::default(), 100);
    builder.push("text", Timestamp::MIN, 0).expect("it fits");
    sender.send(Event::Data(super::Batch::new(builder.seal(0), &[])));
    let failure = world.next().expect_err("the port reads numbers");
    assert!(failure.message().starts_with("the buffer holds records of schema "), "{failure}");
    let mut builder = millstream_core::buffer::BufferBuilder::<u64>::new(Default::default(), 100);
    builder.push(1, Timestamp::MIN, 0).expect("it fits");
    sender.send(Event::Data(super::Batch::new(builder.seal(1), &[])));
    let failure = world.next().expect_err("the channel leads to port 0");
    assert_eq!(failure.message(), "a batch for port 1 came on a channel to port 0");
}

#[test]
fn a_connection_that_ends_fails_the_task_behind_what_came_before() {
    let mut world = World::new(1);
    let sender = world.open(0);
    sender.send(Event::Data(buffer(0, 1)));
    world.pool.run_until_stalled();
    world.link.close();
    assert_eq!(world.batch(), Some((0, vec![0], 0)));
    let failure = world.next().expect_err("the sender is lost");
    let wanted = "a task that sends to this one is lost: the other end has closed the connection";
    assert_eq!(failure.message(), wanted);
}

fn impatient(checkpoint: u64) -> Barrier {
    Barrier::new(checkpoint, CheckpointKind::Periodic).with_patience(Some(Duration::from_secs(1)))
}

/// What was recorded, by channel.
fn recorded(overtaken: HasOvertaken) -> Vec<(usize, Vec<u64>)> {
    let mut recorded = overtaken.recorded;
    let batches = recorded.try_recv().expect("nobody gave it up").expect("it is complete");
    batches.expect("it is little").iter().map(|(channel, batch)| (*channel, in_flight(batch))).collect()
}

fn in_flight(batch: &InFlight) -> Vec<u64> {
    let (skip, (header, bytes), _) = batch.parts();
    let received = Received { header: *header, bytes: bytes.to_vec() };
    let buffer = received.validate::<u64>().expect("they are numbers");
    buffer.records::<u64>(skip).map(|(number, _)| number).collect()
}

#[test]
fn a_barrier_that_overtakes_leaves_each_record_on_one_side_of_it() {
    let mut world = World::new(2);
    let (here, there) = (Sender::new(Arc::clone(&world.shared), 0), world.open(1));
    let mut sent = Vec::new();
    // More than there is credit for, on both.
    for number in 0..40 {
        sent.push(vec![number; 50]);
        here.send(Event::Data(buffer_of(&sent[number as usize])));
        there.send(Event::Data(buffer_of(&sent[number as usize])));
    }
    let Ok(Some((channel, Event::Data(held)))) = world.next() else { panic!("something has come") };
    let at = |seconds| Instant::default() + Duration::from_secs(seconds);

    there.send(Event::Barrier(impatient(7)));
    there.send(Event::Data(buffer(1_000, 1)));
    world.gate().look(at(10));
    assert_eq!(world.gate().overtakes_at(), Some(at(11)));
    let rest = InFlight::rest(&held, 20, &[]);
    let overtaken = world.gate().overtake(at(11), Some(rest), Some(channel)).expect("it may");
    assert_eq!((overtaken.barrier.patience, overtaken.after), (Some(Duration::ZERO), Duration::from_secs(1)));
    assert_eq!(world.gate().overtakes_at(), None);
    // On the other channel the barrier is still to come, and so is what is in front of it.
    here.send(Event::Data(buffer(2_000, 1)));
    here.send(Event::Barrier(impatient(7)));
    here.send(Event::Data(buffer(3_000, 1)));

    let recorded = recorded(overtaken);
    let of = |channel: usize| recorded.iter().filter(move |(of, _)| *of == channel).map(|(_, batch)| batch.clone());
    let mut expected = sent.clone();
    if channel == 0 {
        expected[0].truncate(30);
    }
    assert_eq!(of(0).collect::<Vec<_>>(), [&expected[..], &[vec![2_000]]].concat());
    let mut expected = sent.clone();
    if channel == 1 {
        expected[0].truncate(30);
    }
    let left = world.overtaken.take();
    assert!(!left.is_empty() && left.len() < sent.len(), "{} have not left", left.len());
    assert!(left.iter().all(|(id, _)| id.sender == 1));
    let left = left.iter().map(|(_, batch)| in_flight(batch));
    assert_eq!(of(1).chain(left).collect::<Vec<_>>(), expected);

    // All of it is still read, and no barrier comes any more.
    world.gate().release(channel, &held);
    let mut read = [0, 0];
    while let Some((channel, numbers, _)) = world.batch() {
        read[channel] += numbers.len();
    }
    let all = 40 * 50 - held.buffer.len() * usize::from(channel == 0);
    assert_eq!(read[0], all + 2);
    assert_eq!(read[0] + read[1], 2 * 40 * 50 - held.buffer.len() + 3);
    assert!(!world.gate().barrier_waits());
}

fn buffer_of(numbers: &[u64]) -> super::Batch {
    let mut builder = BufferBuilder::<u64>::new(Columns::default(), 1 << 20);
    numbers.iter().for_each(|number| builder.push(*number, Timestamp::MIN, 0).expect("a number is small"));
    super::Batch::new(builder.seal(0), &[])
}

#[test]
fn nothing_is_overtaken_where_that_may_not_be() {
    let mut world = World::new(2);
    let senders = [0, 1].map(|channel| Sender::new(Arc::clone(&world.shared), channel));
    world.gate.as_mut().expect("it was not dropped").set_may_overtake(1, false);
    senders[0].send(Event::Data(buffer(0, 1)));
    senders[1].send(Event::Data(buffer(1, 1)));
    let now = Instant::default() + Duration::from_secs(5);
    for sender in &senders {
        sender.send(Event::Barrier(impatient(1)));
    }
    world.gate().look(now);
    let later = now + Duration::from_secs(1);
    assert!(world.gate().overtake(later, None, None).is_none());
    assert_eq!(world.gate().overtakes_at(), None, "not before something has been read");
    assert_eq!(world.batch(), Some((0, vec![0], 0)));
    assert_eq!(world.batch(), Some((1, vec![1], 0)));
    world.gate().takes();
    assert_eq!(world.gate().overtakes_at(), Some(later));
    let overtaken = world.gate().overtake(later, None, None).expect("nothing is in front of it any more");
    assert!(recorded(overtaken).is_empty());
    assert!(!world.gate().barrier_waits() && matches!(world.next(), Ok(None)));
}

#[test]
fn what_is_recorded_is_given_up_with_its_checkpoint() {
    let mut world = World::new(2);
    let senders = [0, 1].map(|channel| Sender::new(Arc::clone(&world.shared), channel));
    let now = Instant::default() + Duration::from_secs(5);
    for (checkpoint, by_notice) in [(1, true), (3, false)] {
        senders[0].send(Event::Barrier(impatient(checkpoint)));
        world.gate().look(now);
        let overtaken = world.gate().overtake(now, None, None).expect("nothing is in its way");
        assert_eq!(overtaken.barrier.checkpoint, checkpoint);
        match by_notice {
            true => world.gate().abort(checkpoint),
            false => senders[1].send(Event::Barrier(impatient(checkpoint + 1))),
        }
        let mut recorded = overtaken.recorded;
        recorded.try_recv().expect_err("it was given up");
    }
    // The one behind it is not.
    senders[0].send(Event::Barrier(impatient(4)));
    world.gate().look(now);
    let overtaken = world.gate().overtake(now, None, None).expect("nothing is in its way");
    assert_eq!(overtaken.barrier.checkpoint, 4);
}
