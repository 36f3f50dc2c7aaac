//! Ten thousand channels on one TCP connection: what is received and not read stays within the budget, and one that nobody reads holds up no other.

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use millstream_core::{
    batch::Batch,
    buffer::{BufferBuilder, Columns},
    time::Timestamp,
};
use millstream_net::{
    credit::BATCH_OVERHEAD_BYTES,
    inbound::{Acceptor, Closed, Incoming, Inlet},
    link::{Link, Options},
    outbound::Sender,
    window::{Pool, WindowBytes},
    wire::ReceivedBatch,
};
use millstream_runtime::env::{Env, TokioEnv};

const CHANNELS: u32 = 10_000;
/// What every channel has to itself, and what all of them may have beside that: together the budget.
const WINDOW: WindowBytes = WindowBytes { first: 4 << 10, max: 256 << 10 };
const POOL_BYTES: u64 = 24 << 20;
const OPTIONS: Options = Options { body_bytes_limit: 1 << 20, channels_limit: CHANNELS as usize, window: WINDOW };
/// Records of eight bytes in a batch.
const BATCH_RECORDS: u64 = 128;
/// How long a test may wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// The receiving end: what has come and was not read, in bytes, and at most.
#[derive(Default)]
struct Receiver {
    held: AtomicU64,
    peak: AtomicU64,
    batches: AtomicU64,
    /// Channels whose batches are read as they come; all others keep them.
    reads: Option<fn(u32) -> bool>,
    kept: Mutex<HashMap<u32, Vec<ReceivedBatch>>>,
}

struct Accepting(Arc<Receiver>);

struct Place {
    receiver: Arc<Receiver>,
    number: u32,
    incoming: Arc<Incoming>,
}

impl Acceptor for Accepting {
    fn opened(&self, channel: Arc<Incoming>, address: &[u8]) {
        let number = u32::from_le_bytes(address.try_into().expect("an address is a number here"));
        let place = Place { receiver: Arc::clone(&self.0), number, incoming: Arc::clone(&channel) };
        channel.accept(Arc::new(place));
    }
}

impl Inlet for Place {
    fn batch(&self, batch: ReceivedBatch) {
        let receiver = &self.receiver;
        receiver.batches.fetch_add(1, Relaxed);
        if receiver.reads.is_some_and(|reads| reads(self.number)) {
            return self.incoming.release(batch.cost());
        }
        let held = receiver.held.fetch_add(batch.cost(), Relaxed) + batch.cost();
        receiver.peak.fetch_max(held, Relaxed);
        receiver.kept.lock().unwrap_or_else(PoisonError::into_inner).entry(self.number).or_default().push(batch);
    }

    fn note(&self, _: &[u8]) -> bool {
        true
    }

    fn closed(&self, _: &Closed) {}
}

/// Two ends of a connection over loopback, the second with this receiver.
async fn connect(env: &Arc<dyn Env>, receiver: &Arc<Receiver>) -> [Link; 2] {
    let mut listener = env.network().listen("127.0.0.1:0").await.expect("there are free ports");
    let address = listener.address().to_owned();
    let here = env.network().connect(&address).await.expect("somebody listens");
    let (there, _) = poll_fn(|cx| listener.poll_accept(cx)).await.expect("somebody connects");
    let nobody = Arc::new(Receiver::default());
    let mut links = Vec::new();
    for (connection, receiver) in [(here, &nobody), (there, receiver)] {
        let (link, reader, writer) =
            Link::new(OPTIONS, &Pool::new(POOL_BYTES), Arc::new(Accepting(Arc::clone(receiver))));
        let (reading, writing) = connection.split();
        env.spawn("reading", Box::pin(async { drop(reader.run(reading).await) }));
        env.spawn("writing", Box::pin(async { drop(writer.run(writing).await) }));
        links.push(link);
    }
    links.try_into().unwrap_or_else(|_| unreachable!("there are two"))
}

fn batch() -> Batch {
    let mut builder = BufferBuilder::<u64>::new(Columns::default(), 1 << 10);
    for record in 0..BATCH_RECORDS {
        builder.push(record, Timestamp::MIN, 0).expect("it is small");
    }
    Batch::new(builder.seal(0), &[])
}

async fn until(env: &Arc<dyn Env>, what: &str, is_so: impl Fn() -> bool) {
    let late = env.now() + PATIENCE;
    while !is_so() {
        assert!(env.now() < late, "never {what}");
        env.sleep(Duration::from_millis(5)).await;
    }
}

fn on_tokio(test: impl AsyncFnOnce(Arc<dyn Env>)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("there are threads to be had");
    runtime.block_on(async { test(TokioEnv::current() as Arc<dyn Env>).await });
}

#[test]
fn ten_thousand_channels_that_nobody_reads_stay_within_the_budget() {
    on_tokio(async |env| {
        let receiver = Arc::<Receiver>::default();
        let [here, _there] = connect(&env, &receiver).await;
        let senders: Vec<Sender> =
            (0..CHANNELS).map(|number| here.open(&number.to_le_bytes()).expect("there is room")).collect();
        for sender in &senders {
            poll_fn(|cx| sender.poll_credit(cx)).await;
        }
        // Each sends for as long as it may.
        let mut sent = 0;
        for _ in 0..64 {
            for sender in senders.iter().filter(|sender| sender.has_credit()) {
                sender.send(batch());
                sent += 1;
            }
            env.sleep(Duration::from_millis(2)).await;
        }
        assert!(senders.iter().all(|sender| !sender.has_credit()), "all have used up what they had");
        until(&env, "everything has come", || receiver.batches.load(Relaxed) == sent).await;
        let batch_cost = BATCH_RECORDS * 8 + BATCH_OVERHEAD_BYTES as u64 + 256;
        let budget = u64::from(CHANNELS) * WINDOW.first + POOL_BYTES;
        let peak = receiver.peak.load(Relaxed);
        // The last batch of each may exceed its credit by itself.
        let most = budget + u64::from(CHANNELS) * batch_cost;
        assert!(peak <= most, "{peak} bytes were held, and {budget} are the budget");
        assert!(peak >= u64::from(CHANNELS) * WINDOW.first, "every channel has had its window: {peak}");
    });
}

#[test]
fn a_channel_that_nobody_reads_holds_up_no_other() {
    const STALLED: u32 = 0;
    const OTHERS: u32 = 63;
    const BATCHES: u64 = 2_000;
    on_tokio(async |env| {
        let reads = |number| number != STALLED;
        let receiver = Arc::new(Receiver { reads: Some(reads), ..Receiver::default() });
        let [here, _there] = connect(&env, &receiver).await;
        let open = |number: u32| here.open(&number.to_le_bytes()).expect("there is room");
        let stalled = open(STALLED);
        poll_fn(|cx| stalled.poll_credit(cx)).await;
        while stalled.has_credit() {
            stalled.send(batch());
        }
        let others = (1..=OTHERS).map(|number| {
            let sender = open(number);
            async move {
                for _ in 0..BATCHES {
                    poll_fn(|cx| sender.poll_credit(cx)).await;
                    sender.send(batch());
                }
                sender
            }
        });
        let others = futures::future::join_all(others).await;
        let wanted = u64::from(OTHERS) * BATCHES;
        until(&env, "the others have come", || receiver.batches.load(Relaxed) >= wanted).await;
        assert!(!stalled.has_credit(), "nobody has read anything of the first");
        let kept = receiver.kept.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(kept.keys().copied().collect::<Vec<_>>(), [STALLED]);
        drop(others);
    });
}
