//! Channels whose senders are in another process: the receiver sees what it would see of one in its own.

use std::sync::Arc;

use futures::executor::LocalPool;
use millstream_core::{batch::Marked, buffer::Received, time::Timestamp};
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
        gate::{Change, Gate, Port},
        in_flight::{ChannelId, Overtaken},
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
