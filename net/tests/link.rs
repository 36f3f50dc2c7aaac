//! Two ends of a connection in a simulated network: what is sent arrives in order, within its credit, whatever the other channels do.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use futures::{channel::oneshot, future::join_all};
use millstream_core::{
    batch::{Batch, Marked},
    buffer::{BufferBuilder, Columns},
    time::Timestamp,
};
use millstream_net::{
    credit::{BATCH_OVERHEAD_BYTES, OVERDRAFT_BYTES},
    hello::{End, Hello, HelloError, Purpose, Secret},
    inbound::{Acceptor, Closed, Incoming, Inlet},
    link::{Link, LinkError, Options},
    outbound::Sender,
    window::{Pool, WindowBytes},
    wire::ReceivedBatch,
};
use millstream_runtime::env::{Connection, Env, Listener, ReadHalf, WriteHalf};
use millstream_testkit::{SimEnv, budget, rng::Rng};

const WINDOW: WindowBytes = WindowBytes { first: 2 << 10, max: 64 << 10 };
const POOL_BYTES: u64 = 256 << 10;
const OPTIONS: Options = Options { body_bytes_limit: 1 << 20, channels_limit: 100, window: WINDOW };

/// What has come on a channel.
#[derive(Default)]
struct Channel {
    incoming: Option<Arc<Incoming>>,
    /// What has come and was not read yet.
    batches: VecDeque<ReceivedBatch>,
    /// The most bytes that were in the queue at once.
    peak: u64,
    read: Vec<Read>,
    closed: Option<Closed>,
}

#[derive(Debug, Clone, PartialEq)]
enum Read {
    Records(Vec<u64>, Vec<Marked>),
    Note(Vec<u8>),
}

/// The receiving process: channels by address.
#[derive(Default)]
struct Receiver {
    channels: Mutex<BTreeMap<Vec<u8>, Channel>>,
    refuses: Option<u8>,
}

struct Place {
    receiver: Arc<Receiver>,
    address: Vec<u8>,
}

impl Receiver {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Channel>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, address: &[u8], act: impl FnOnce(&mut Channel) -> T) -> T {
        act(self.lock().entry(address.to_vec()).or_default())
    }

    /// Reads a batch of a channel, and gives its credit back. False if there is none.
    fn read(&self, address: &[u8]) -> bool {
        let Some((incoming, batch)) = self.with(address, |channel| {
            let batch = channel.batches.pop_front()?;
            channel.incoming.clone().map(|incoming| (incoming, batch))
        }) else {
            return false;
        };
        let cost = batch.cost();
        let buffer = batch.received.validate::<u64>().expect("it is what was sent");
        let records = buffer.records::<u64>(0).map(|(record, _)| record).collect();
        self.with(address, |channel| channel.read.push(Read::Records(records, batch.watermarks)));
        incoming.release(cost);
        true
    }
}

struct Accepting(Arc<Receiver>);

impl Acceptor for Accepting {
    fn opened(&self, channel: Arc<Incoming>, address: &[u8]) {
        if self.0.refuses == address.first().copied() {
            return channel.refuse("nobody is here");
        }
        let place = Place { receiver: Arc::clone(&self.0), address: address.to_vec() };
        self.0.with(address, |state| state.incoming = Some(Arc::clone(&channel)));
        channel.accept(Arc::new(place));
    }
}

impl Inlet for Place {
    fn batch(&self, batch: ReceivedBatch) {
        self.receiver.with(&self.address, |channel| {
            channel.batches.push_back(batch);
            let there: u64 = channel.batches.iter().map(ReceivedBatch::cost).sum();
            channel.peak = channel.peak.max(there);
        });
    }

    fn note(&self, note: &[u8]) -> bool {
        // In order with the records, as a task would see it.
        while self.receiver.read(&self.address) {}
        self.receiver.with(&self.address, |channel| channel.read.push(Read::Note(note.to_vec())));
        true
    }

    fn closed(&self, closed: &Closed) {
        self.receiver.with(&self.address, |channel| assert_eq!(channel.closed.replace(closed.clone()), None));
    }
}

/// Two processes and their connection.
struct World {
    env: Arc<SimEnv>,
    here: Link,
    there: Link,
    receiver: Arc<Receiver>,
    pool: Arc<Pool>,
    /// Why the two directions of each end have ended.
    ends: Vec<oneshot::Receiver<LinkError>>,
}

async fn connect(env: &Arc<SimEnv>, receiver: Receiver) -> World {
    connect_with(env, receiver, POOL_BYTES).await
}

async fn connect_with(env: &Arc<SimEnv>, receiver: Receiver, pool_bytes: u64) -> World {
    let mut listener = env.network().listen("there:1").await.expect("the address is free");
    let there = accept(&mut *listener);
    let (here, there) = futures::join!(env.network().connect("there:1"), there);
    let receiver = Arc::new(receiver);
    let pool = Pool::new(pool_bytes);
    let (here_link, mut ends) = drive(env, here.expect("it is listened to"), &Pool::new(0), Arc::default());
    let (there_link, ends_there) = drive(env, there, &pool, Arc::clone(&receiver));
    ends.extend(ends_there);
    World { env: Arc::clone(env), here: here_link, there: there_link, receiver, pool, ends }
}

async fn accept(listener: &mut dyn Listener) -> Box<dyn Connection> {
    poll_fn(|cx| listener.poll_accept(cx)).await.expect("somebody connects").0
}

fn drive(
    env: &Arc<SimEnv>,
    connection: Box<dyn Connection>,
    pool: &Arc<Pool>,
    receiver: Arc<Receiver>,
) -> (Link, Vec<oneshot::Receiver<LinkError>>) {
    let (link, reader, writer) = Link::new(OPTIONS, pool, Arc::new(Accepting(receiver)));
    let (reading, writing) = connection.split();
    let (read_end, read_ended) = oneshot::channel();
    let (write_end, write_ended) = oneshot::channel();
    env.spawn("reader", Box::pin(async move { drop(read_end.send(reader.run(reading).await)) }));
    env.spawn("writer", Box::pin(async move { drop(write_end.send(writer.run(writing).await)) }));
    (link, vec![read_ended, write_ended])
}

fn batch(records: &[u64], watermarks: &[Marked]) -> Batch {
    let mut builder = BufferBuilder::<u64>::new(Columns::default(), 1 << 20);
    for record in records {
        builder.push(*record, Timestamp::MIN, 0).expect("it fits");
    }
    Batch::new(builder.seal(0), watermarks)
}

/// Sends batches and notes of random sizes as a task does: when it is out of credit it waits. Gives what should be read.
async fn send(sender: Sender, env: Arc<SimEnv>, mut rng: Rng, batches: u64) -> Vec<Read> {
    let mut sent = Vec::new();
    let mut next = 0;
    for n in 0..batches {
        if rng.one_in(10) {
            let note = n.to_le_bytes().to_vec();
            sender.note(&note);
            sent.push(Read::Note(note));
        }
        let records: Vec<u64> = (next..next + rng.below(400)).collect();
        next += records.len() as u64;
        let watermarks: Vec<_> = (0..rng.below(3))
            .map(|at| Marked { behind: records.len(), at: Timestamp::from_millis(at as i64) })
            .collect();
        sender.send(batch(&records, &watermarks));
        sent.push(Read::Records(records, watermarks));
        while !sender.has_credit() {
            poll_fn(|cx| sender.poll_credit(cx)).await;
        }
        if rng.one_in(5) {
            env.sleep(Duration::from_micros(rng.below(300))).await;
        }
    }
    sent
}

impl World {
    /// Reads a channel at random moments until it is closed and empty.
    async fn read_to_end(&self, address: Vec<u8>, mut rng: Rng, pause_micros: u64) {
        loop {
            let reads = rng.below(4);
            for _ in 0..reads {
                self.receiver.read(&address);
            }
            if self.receiver.with(&address, |channel| channel.closed.is_some() && channel.batches.is_empty()) {
                return;
            }
            self.env.sleep(Duration::from_micros(1 + rng.below(pause_micros))).await;
        }
    }
}

#[test]
fn what_is_sent_arrives_in_order_and_within_its_credit() {
    for seed in 0..budget::choose(40, 1_000) {
        let env = SimEnv::new(seed);
        env.block_on(async {
            let rng = &mut Rng::new(seed ^ 0x11);
            let world = connect(&env, Receiver::default()).await;
            let channels = 1 + rng.below(12) as u8;
            let (mut sends, mut reads) = (Vec::new(), Vec::new());
            for channel in 0..channels {
                let sender = world.here.open(&[channel]).expect("there are few");
                let rng_of = |salt: u64| Rng::new(seed * 1_000 + u64::from(channel) * 10 + salt);
                sends.push(send(sender, Arc::clone(&env), rng_of(1), rng.below(150)));
                let pause = [10, 300, 3_000][rng.index(3)];
                reads.push(world.read_to_end(vec![channel], rng_of(2), pause));
            }
            let (sent, _) = futures::join!(join_all(sends), join_all(reads));
            for (channel, sent) in (0..).zip(sent) {
                world.receiver.with(&[channel], |channel| {
                    let wrong = channel.read.iter().zip(&sent).position(|(read, sent)| read != sent);
                    let counts = (channel.read.len(), sent.len());
                    assert!(
                        channel.read == sent,
                        "seed {seed}: {wrong:?} of {counts:?} is not what was sent; {:?}",
                        channel.closed
                    );
                    assert_eq!(channel.closed, Some(Closed::BySender), "seed {seed}");
                    let most = WINDOW.max + 400 * 8 + 200;
                    assert!(channel.peak <= most, "seed {seed}: {} bytes were under way", channel.peak);
                });
            }
            assert_eq!(world.pool.free(), POOL_BYTES, "seed {seed}: all is given back");
        });
    }
}

#[test]
fn a_channel_that_nobody_reads_does_not_hold_up_the_others() {
    for seed in 0..budget::choose(10, 200) {
        let env = SimEnv::new(seed);
        env.block_on(async {
            let world = connect(&env, Receiver::default()).await;
            let stuck = world.here.open(b"stuck").expect("there are few");
            while !stuck.is_overdrawn() {
                stuck.send(batch(&[7; 300], &[]));
            }
            let sender = world.here.open(b"lively").expect("there are few");
            let reads = world.read_to_end(b"lively".to_vec(), Rng::new(seed), 100);
            let (sent, ()) = futures::join!(send(sender, Arc::clone(&env), Rng::new(seed), 300), reads);
            world.receiver.with(b"lively", |channel| assert!(channel.read == sent, "seed {seed}"));
            let waits = poll_fn(|cx| Poll::Ready(stuck.poll_credit(cx).is_pending())).await;
            assert!(waits && !stuck.has_ended() && !stuck.receiver_waits(), "seed {seed}");
            world.receiver.with(b"stuck", |channel| {
                assert!(channel.peak < WINDOW.first + 3_000, "seed {seed}: {} bytes were sent", channel.peak);
            });
            // As soon as it is read it goes on.
            let reads = world.read_to_end(b"stuck".to_vec(), Rng::new(seed), 100);
            drop(stuck);
            reads.await;
            let records = world.receiver.with(b"stuck", |channel| channel.read.len());
            assert!(
                records * (300 * 8 + BATCH_OVERHEAD_BYTES) > OVERDRAFT_BYTES,
                "seed {seed}: {records} batches were read; {:?}",
                world.receiver.with(b"stuck", |channel| channel.closed.clone())
            );
        });
    }
}

#[test]
fn idle_channels_give_way_to_busy_ones() {
    for seed in 0..budget::choose(10, 200) {
        let env = SimEnv::new(seed);
        env.block_on(async {
            // So little that those that came first have all of it.
            let pool_bytes = 32 << 10;
            let world = connect_with(&env, Receiver::default(), pool_bytes).await;
            let mut senders = Vec::new();
            for channel in 0..12 {
                let sender = world.here.open(&[channel]).expect("there are few");
                for _ in 0..200 {
                    sender.send(batch(&[u64::from(channel); 300], &[]));
                    while !sender.has_credit() {
                        world.receiver.read(&[channel]);
                        env.sleep(Duration::from_micros(20)).await;
                    }
                }
                while world.receiver.read(&[channel]) || !sender.receiver_waits() {
                    env.sleep(Duration::from_micros(20)).await;
                }
                senders.push(sender);
            }
            let last = senders.last().map_or(0, Sender::window_bytes);
            assert!(last >= 4 * WINDOW.first, "seed {seed}: the last one has {last} bytes");
            let lent: u64 =
                senders.iter().map(|sender| sender.window_bytes() - WINDOW.first.min(sender.window_bytes())).sum();
            assert!(lent <= pool_bytes, "seed {seed}: {lent} bytes are lent out");
        });
    }
}

#[test]
fn a_channel_that_is_refused_takes_what_is_sent_and_holds_nobody_up() {
    let env = SimEnv::new(3);
    env.block_on(async {
        let world = connect(&env, Receiver { refuses: Some(b'n'), ..Receiver::default() }).await;
        let sender = world.here.open(b"no").expect("there are few");
        assert!(!sender.has_credit(), "nobody has accepted it");
        sender.send(batch(&[1], &[]));
        poll_fn(|cx| sender.poll_credit(cx)).await;
        assert!(sender.has_ended());
        sender.send(batch(&[2], &[]));
        drop(sender);
        let other = world.here.open(b"yes").expect("there are few");
        poll_fn(|cx| other.poll_credit(cx)).await;
        assert!(!other.has_ended());
    });
}

#[test]
fn the_end_of_a_connection_is_told_to_all() {
    for seed in 0..budget::choose(20, 400) {
        let env = SimEnv::new(seed);
        env.block_on(async {
            let world = connect(&env, Receiver::default()).await;
            let senders: Vec<_> = (0..3).map(|n| world.here.open(&[n]).expect("there are few")).collect();
            for sender in &senders {
                while !sender.is_overdrawn() {
                    sender.send(batch(&[1; 300], &[]));
                }
            }
            env.sleep(Duration::from_micros(Rng::new(seed).below(2_000))).await;
            if seed % 2 == 0 {
                world.here.close()
            } else {
                world.there.close()
            }
            for sender in &senders {
                while !sender.has_ended() {
                    poll_fn(|cx| sender.poll_credit(cx)).await;
                }
                sender.send(batch(&[1], &[]));
                assert!(sender.has_credit(), "seed {seed}: nobody is held up");
            }
            for ended in world.ends {
                ended.await.expect("both directions of both ends come to an end");
            }
            for (_, channel) in world.receiver.lock().iter() {
                assert!(matches!(channel.closed, Some(Closed::Link(_))), "seed {seed}: {:?}", channel.closed);
            }
            assert_eq!(world.pool.free(), POOL_BYTES, "seed {seed}");
            assert!(world.here.open(b"more").is_err() && world.there.open(b"more").is_err(), "seed {seed}");
        });
    }
}

#[test]
fn nothing_is_read_before_both_ends_know_each_other() {
    let hello = |process: u128, secret: u8| Hello {
        purpose: Purpose::Data,
        process,
        build: 3,
        nonce: [process as u8; 32],
        secret: Secret([secret; 32]),
    };
    for seed in 0..20 {
        let env = SimEnv::new(seed);
        env.block_on(async {
            let mut listener = env.network().listen("there:1").await.expect("the address is free");
            let mut meet = async |first: Hello, second: Hello| {
                let there = accept(&mut *listener);
                let (here, there) = futures::join!(env.network().connect("there:1"), there);
                let (here, there) = (here.expect("it is listened to").split(), there.split());
                let say = |hello: Hello, end: End, (mut reading, mut writing): (ReadHalf, WriteHalf)| async move {
                    hello.exchange(end, &mut reading, &mut writing).await
                };
                futures::join!(say(first, End::Connects, here), say(second, End::Accepts, there))
            };
            let (here, there) = meet(hello(1, 5), hello(2, 5)).await;
            assert_eq!((here.map(|there| there.process).ok(), there.map(|here| here.process).ok()), (Some(2), Some(1)));
            let (here, there) = meet(hello(1, 5), hello(2, 6)).await;
            assert!(matches!(here, Err(HelloError::Refused)), "{here:?}");
            assert!(matches!(there, Err(HelloError::Secret)), "{there:?}");

            // A browser that has lost its way.
            let (connected, there) = futures::join!(env.network().connect("there:1"), accept(&mut *listener));
            let mut browser = connected.expect("it is listened to");
            let ask = async {
                futures::AsyncWriteExt::write_all(&mut browser, b"GET / HTTP/1.1\r\n\r\n").await.expect("it is read");
            };
            let (mut reading, mut writing) = {
                ask.await;
                there.split()
            };
            let said = hello(1, 5).exchange(End::Accepts, &mut reading, &mut writing).await;
            assert!(matches!(said, Err(HelloError::Stranger)), "it is not waited for more: {said:?}");
        });
    }
}

#[test]
fn channels_have_a_bound() {
    let env = SimEnv::new(1);
    env.block_on(async {
        let world = connect(&env, Receiver::default()).await;
        let senders: Vec<_> = (0..OPTIONS.channels_limit as u8).map(|n| world.here.open(&[n])).collect();
        assert!(senders.iter().all(Result::is_ok));
        let error = world.here.open(b"more").err().map(|error| error.to_string());
        let wanted = "the connection has 100 channels in one direction already, and may not have more";
        assert_eq!(error.as_deref(), Some(wanted));
        let error = world.there.open(&[0; 257]).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("the address of a channel has 257 bytes, and may have 256 at most"));
    });
}
