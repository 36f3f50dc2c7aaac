//! Records from one process to another over loopback TCP: encoded, framed, checked and read, on 1, 4 and 64 channels, beside a copy of as many bytes through a
//! raw socket in the same run. `MILLSTREAM_BENCH_ROUNDS` says how many rounds (5).
#![allow(clippy::disallowed_methods, reason = "benches stand outside of the engine")]

use std::{
    collections::VecDeque,
    env,
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use futures::{future::join_all, task::AtomicWaker};
use millstream::{prelude::*, settings::CHANNEL_CREDIT_MAX_BYTES};
use millstream_benches::{
    Machine,
    raw_socket::{self, BUFFER_BYTES, start_receiver},
    wanted,
};
use millstream_core::{
    batch::Batch,
    buffer::{BufferBuilder, Columns},
    impls::ByteString,
    record::Record,
    time::Timestamp,
};
use millstream_net::{
    inbound::{Acceptor, Closed, Incoming, Inlet},
    link::{Link, Options},
    outbound::Sender,
    window::{Pool, WindowBytes},
    wire::ReceivedBatch,
};

/// What goes over in a round, in bytes of records.
const ROUND_BYTES: usize = 1 << 30;
/// Of small records there are so many in a round at most.
const ROUND_RECORDS: usize = 40_000_000;
/// As TaskManagers have it.
const OPTIONS: Options = Options {
    body_bytes_limit: 64 << 20,
    channels_limit: 1 << 20,
    window: WindowBytes { first: 4 << 10, max: CHANNEL_CREDIT_MAX_BYTES as u64 },
};
const POOL_BYTES: u64 = 64 << 20;

/// A record of 16 bytes.
type Pair = (u64, u64);

/// A record of 64 bytes.
#[derive(Record)]
struct Eight {
    a: u64,
    b: u64,
    c: u64,
    d: u64,
    e: u64,
    f: u64,
    g: u64,
    h: u64,
}

/// A record that this bench moves.
trait Moved: Record {
    fn with<R>(n: u64, bytes: &[u8], act: impl FnOnce(Self::View<'_>) -> R) -> R;
    fn number(view: Self::View<'_>) -> u64;
}

impl Moved for Pair {
    fn with<R>(n: u64, _: &[u8], act: impl FnOnce(Self::View<'_>) -> R) -> R {
        act((n, n))
    }
    #[inline(always)]
    fn number(view: Self::View<'_>) -> u64 {
        view.0
    }
}

impl Moved for Eight {
    fn with<R>(n: u64, _: &[u8], act: impl FnOnce(Self::View<'_>) -> R) -> R {
        act(Eight { a: n, b: n, c: n, d: n, e: n, f: n, g: n, h: n }.view())
    }
    #[inline(always)]
    fn number(view: Self::View<'_>) -> u64 {
        view.a
    }
}

impl Moved for ByteString {
    fn with<R>(_: u64, bytes: &[u8], act: impl FnOnce(Self::View<'_>) -> R) -> R {
        act(bytes)
    }
    #[inline(always)]
    fn number(view: Self::View<'_>) -> u64 {
        view.len() as u64
    }
}

#[derive(Clone, Copy)]
struct Case {
    record_bytes: usize,
    channels: usize,
}

impl Case {
    fn records(self) -> usize {
        (ROUND_BYTES / self.record_bytes).min(ROUND_RECORDS)
    }

    fn bytes(self) -> usize {
        self.records() * self.record_bytes
    }
}

fn main() {
    if let Some(what) = raw_socket::receives() {
        return match what.as_str() {
            "raw" => {}
            "16" => receive::<Pair>(),
            "64" => receive::<Eight>(),
            _ => receive::<ByteString>(),
        };
    }
    let rounds = env::var("MILLSTREAM_BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    for record_bytes in [16, 64, 1 << 10, 32 << 10] {
        for channels in [1, 4, 64] {
            let case = Case { record_bytes, channels };
            if !wanted(&format!("exchange/{record_bytes}/{channels}")) {
                continue;
            }
            let mut seconds = Vec::new();
            for _ in 0..rounds {
                let raw = raw_socket::copy(case.bytes());
                let ours = match record_bytes {
                    16 => send::<Pair>(case),
                    64 => send::<Eight>(case),
                    _ => send::<ByteString>(case),
                };
                seconds.push((ours.as_secs_f64(), raw.as_secs_f64()));
            }
            let median = |mut values: Vec<f64>| {
                values.sort_by(f64::total_cmp);
                values[values.len() / 2]
            };
            let ours = median(seconds.iter().map(|(ours, _)| *ours).collect());
            let raw = median(seconds.iter().map(|(_, raw)| *raw).collect());
            let ratio = median(seconds.iter().map(|(ours, raw)| raw / ours).collect());
            let mb = case.bytes() as f64 / 1e6;
            let millions = case.records() as f64 / 1e6;
            println!(
                "exchange/{record_bytes}/{channels}: {:.0} MB/s, {:.2} M records/s; raw socket {:.0} MB/s; {ratio:.2} of it",
                mb / ours,
                millions / ours,
                mb / raw
            );
        }
    }
}

/// Nobody opens channels to the sender.
struct Nobody;

impl Acceptor for Nobody {
    fn opened(&self, channel: Arc<Incoming>, _: &[u8]) {
        channel.refuse("this end only sends");
    }
}

fn send<T: Moved>(case: Case) -> Duration {
    let (mut child, address) = start_receiver(&case.record_bytes.to_string());
    let machine = Machine::new(2);
    let env = machine.env();
    let took = machine.wait(async {
        let connection = env.network().connect(&address).await.expect("it listens");
        let (reading, writing) = connection.split();
        let (link, reader, writer) = Link::new(OPTIONS, &Pool::new(POOL_BYTES), Arc::new(Nobody));
        let writes = machine.spawn(async move { drop(writer.run(writing).await) });
        let reads = machine.spawn(async move { drop(reader.run(reading).await) });
        let bytes = Arc::new(vec![7_u8; case.record_bytes]);
        let began = Instant::now();
        let tasks: Vec<_> = (0..case.channels)
            .map(|_| {
                let sender = link.open(b"bench").expect("there are few");
                let records = (case.records() / case.channels) as u64;
                machine.spawn(send_channel::<T>(sender, records, Arc::clone(&bytes)))
            })
            .collect();
        join_all(tasks).await;
        let took = began.elapsed();
        link.close();
        writes.await.expect("it ends");
        reads.await.expect("it ends");
        took
    });
    child.wait().expect("it ends");
    took
}

async fn send_channel<T: Moved>(sender: Sender, records: u64, bytes: Arc<Vec<u8>>) {
    let mut builder = BufferBuilder::<T>::new(Columns::default(), 1 << 20);
    builder.reserve(BUFFER_BYTES + BUFFER_BYTES / 4);
    for n in 0..records {
        T::with(n, &bytes, |view| builder.push(view, Timestamp::MIN, 0)).expect("it fits");
        if builder.len_bytes() >= BUFFER_BYTES {
            sender.send(Batch::new(builder.seal(0), &[]));
            builder.reserve(BUFFER_BYTES + BUFFER_BYTES / 4);
            if !sender.has_credit() {
                poll_fn(|cx| sender.poll_credit(cx)).await;
            }
        }
    }
    sender.send(Batch::new(builder.seal(0), &[]));
    // Until all is read.
    while !sender.receiver_waits() {
        tokio::time::sleep(Duration::from_micros(100)).await;
    }
}

/// A channel that is received: what has come and was not read yet.
#[derive(Default)]
struct Channel {
    batches: Mutex<VecDeque<Option<ReceivedBatch>>>,
    task: AtomicWaker,
}

impl Channel {
    fn push(&self, batch: Option<ReceivedBatch>) {
        self.batches.lock().expect("nobody panics").push_back(batch);
        self.task.wake();
    }

    async fn next(&self) -> Option<ReceivedBatch> {
        poll_fn(|cx| {
            self.task.register(cx.waker());
            match self.batches.lock().expect("nobody panics").pop_front() {
                Some(next) => Poll::Ready(next),
                None => Poll::Pending,
            }
        })
        .await
    }
}

struct Place(Arc<Channel>);

impl Inlet for Place {
    fn batch(&self, batch: ReceivedBatch) {
        self.0.push(Some(batch));
    }

    fn note(&self, _: &[u8]) -> bool {
        false
    }

    fn closed(&self, _: &Closed) {
        self.0.push(None);
    }
}

/// Starts a task for every channel.
struct Reading<T> {
    handle: tokio::runtime::Handle,
    total: Arc<AtomicU64>,
    read: fn(Arc<Incoming>, Arc<Channel>, Arc<AtomicU64>) -> futures::future::BoxFuture<'static, ()>,
    record: std::marker::PhantomData<fn() -> T>,
}

impl<T: Moved> Acceptor for Reading<T> {
    fn opened(&self, incoming: Arc<Incoming>, _: &[u8]) {
        let channel = Arc::<Channel>::default();
        self.handle.spawn((self.read)(Arc::clone(&incoming), Arc::clone(&channel), Arc::clone(&self.total)));
        incoming.accept(Arc::new(Place(channel)));
    }
}

async fn read_channel<T: Moved>(incoming: Arc<Incoming>, channel: Arc<Channel>, total: Arc<AtomicU64>) {
    let mut sum = 0_u64;
    while let Some(batch) = channel.next().await {
        let cost = batch.cost();
        let buffer = batch.received.validate::<T>().expect("it is what was sent");
        for (record, _) in buffer.records::<T>(0) {
            sum = sum.wrapping_add(T::number(record));
        }
        drop(buffer);
        incoming.release(cost);
    }
    total.fetch_add(sum, Ordering::Relaxed);
}

fn receive<T: Moved>() {
    let machine = Machine::new(2);
    let env = machine.env();
    machine.wait(async {
        let mut listener = env.network().listen("127.0.0.1:0").await.expect("there are ports");
        println!("{}", listener.address());
        let (connection, _) = poll_fn(|cx| listener.poll_accept(cx)).await.expect("somebody connects");
        let (reading, writing) = connection.split();
        let acceptor = Reading::<T> {
            handle: tokio::runtime::Handle::current(),
            total: Arc::default(),
            read: |incoming, channel, total| Box::pin(read_channel::<T>(incoming, channel, total)),
            record: std::marker::PhantomData,
        };
        let (_link, reader, writer) = Link::new(OPTIONS, &Pool::new(POOL_BYTES), Arc::new(acceptor));
        let writes = machine.spawn(async move { drop(writer.run(writing).await) });
        machine.spawn(async move { drop(reader.run(reading).await) }).await.expect("it ends");
        writes.await.expect("it ends");
    });
}
