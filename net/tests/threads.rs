//! Many threads send on one TCP connection at once, and write it themselves: nothing is lost, changes places or waits for ever, and when the connection ends all are told.
#![allow(clippy::disallowed_methods, reason = "threads are what is tested here: nothing is simulated")]

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::future::join_all;
use millstream_core::{
    batch::Batch,
    buffer::{BufferBuilder, Columns},
    time::Timestamp,
};
use millstream_net::{
    inbound::{Acceptor, Closed, Incoming, Inlet},
    link::{Link, LinkError, Options},
    outbound::Sender,
    window::{Pool, WindowBytes},
    wire::ReceivedBatch,
};
use millstream_runtime::env::{Env, TokioEnv};
use millstream_testkit::{budget, rng::Rng};
use tokio::{task::JoinHandle, time::timeout};

const OPTIONS: Options =
    Options { body_bytes_limit: 1 << 20, channels_limit: 64, window: WindowBytes { first: 2 << 10, max: 64 << 10 } };
const CHANNELS: u8 = 12;
const BATCHES: u64 = 2_000;
/// How long a test may wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// What has come on each channel: the number of the batch that is next.
#[derive(Default)]
struct Receiver {
    next: [AtomicU64; CHANNELS as usize],
    closed: AtomicU64,
    wrong: Mutex<Option<String>>,
}

struct Accepting(Arc<Receiver>);

struct Place {
    receiver: Arc<Receiver>,
    channel: usize,
    incoming: Arc<Incoming>,
}

impl Acceptor for Accepting {
    fn opened(&self, incoming: Arc<Incoming>, address: &[u8]) {
        let place =
            Place { receiver: Arc::clone(&self.0), channel: address[0].into(), incoming: Arc::clone(&incoming) };
        incoming.accept(Arc::new(place));
    }
}

impl Inlet for Place {
    fn batch(&self, batch: ReceivedBatch) {
        let cost = batch.cost();
        let next = self.receiver.next[self.channel].fetch_add(1, Relaxed);
        let read = batch.received.validate::<u64>().expect("it is what was sent");
        if !read.records::<u64>(0).all(|(number, _)| number == next) {
            let what = format!("batch {next} of channel {} is another one", self.channel);
            self.receiver.wrong.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(what);
        }
        // On this thread some grants are written by the reader, on another one by a task.
        let incoming = Arc::clone(&self.incoming);
        match next % 3 {
            0 => incoming.release(cost),
            _ => drop(tokio::spawn(async move { incoming.release(cost) })),
        }
    }

    fn note(&self, _: &[u8]) -> bool {
        true
    }

    fn closed(&self, _: &Closed) {
        self.receiver.closed.fetch_add(1, Relaxed);
    }
}

struct World {
    here: Link,
    receiver: Arc<Receiver>,
    ends: Vec<JoinHandle<LinkError>>,
}

async fn connect() -> World {
    let env: Arc<dyn Env> = TokioEnv::current();
    let mut listener = env.network().listen("127.0.0.1:0").await.expect("there are free ports");
    let address = listener.address().to_owned();
    let here = env.network().connect(&address).await.expect("somebody listens");
    let (there, _) = poll_fn(|cx| listener.poll_accept(cx)).await.expect("somebody connects");
    let (receiver, mut ends, mut links) = (Arc::<Receiver>::default(), Vec::new(), Vec::new());
    for connection in [here, there] {
        let (link, reader, writer) =
            Link::new(OPTIONS, &Pool::new(256 << 10), Arc::new(Accepting(Arc::clone(&receiver))));
        let (reading, writing) = connection.split();
        ends.push(tokio::spawn(reader.run(reading)));
        ends.push(tokio::spawn(writer.run(writing)));
        links.push(link);
    }
    World { here: links.swap_remove(0), receiver, ends }
}

fn batch(number: u64, records: u64) -> Batch {
    let mut builder = BufferBuilder::<u64>::new(Columns::default(), 1 << 10);
    (0..records).for_each(|_| builder.push(number, Timestamp::MIN, 0).expect("it is small"));
    Batch::new(builder.seal(0), &[])
}

/// Sends batches of all sizes: many at once, or each when the one before was read.
async fn send(sender: Sender, mut random: Rng) -> Sender {
    for number in 0..BATCHES {
        poll_fn(|cx| sender.poll_credit(cx)).await;
        let records = if random.below(20) == 0 { 4_000 } else { 1 + random.below(40) };
        sender.send(batch(number, records));
        while random.below(8) == 0 && !sender.receiver_waits() && !sender.has_ended() {
            tokio::task::yield_now().await;
        }
    }
    sender
}

fn on_threads(seed: u64, test: impl AsyncFnOnce(World, Vec<JoinHandle<Sender>>)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    runtime.expect("there are threads to be had").block_on(async {
        let world = connect().await;
        let senders = (0..CHANNELS).map(|channel| {
            let sender = world.here.open(&[channel]).expect("there is room");
            tokio::spawn(send(sender, Rng::new(seed * 1_000 + u64::from(channel))))
        });
        let senders = senders.collect();
        timeout(PATIENCE, test(world, senders))
            .await
            .unwrap_or_else(|_| panic!("seed {seed}: something waits for ever"));
    });
}

#[test]
fn all_that_many_threads_send_comes_in_order() {
    for seed in 0..budget::choose(4, 100) {
        on_threads(seed, async |world, senders| {
            let senders = join_all(senders).await;
            drop(senders); // which closes the channels, behind all that was sent
            while world.receiver.closed.load(Relaxed) < CHANNELS.into() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let came: Vec<_> = world.receiver.next.iter().map(|next| next.load(Relaxed)).collect();
            assert_eq!(came, [BATCHES; CHANNELS as usize], "seed {seed}");
            assert_eq!(*world.receiver.wrong.lock().unwrap_or_else(PoisonError::into_inner), None, "seed {seed}");
            world.here.close();
            join_all(world.ends).await;
        });
    }
}

#[test]
fn a_connection_that_ends_while_many_threads_send_tells_all_of_them() {
    for seed in 0..budget::choose(8, 200) {
        on_threads(seed, async |world, senders| {
            tokio::time::sleep(Duration::from_micros(Rng::new(seed).below(20_000))).await;
            world.here.close();
            // Nobody is held up any more: they send the rest to nobody.
            for sender in join_all(senders).await {
                assert!(sender.expect("it has not panicked").has_ended(), "seed {seed}");
            }
            for end in join_all(world.ends).await {
                end.expect("it has not panicked");
            }
            assert_eq!(*world.receiver.wrong.lock().unwrap_or_else(PoisonError::into_inner), None, "seed {seed}");
        });
    }
}
