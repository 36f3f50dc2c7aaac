//! Credit, fairness, order and wake-ups of channels; tasks are interleaved from a seed, and a task that nobody wakes is a failure.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use millstream_core::{
    batch::{Batch, Marked},
    buffer::{BufferBuilder, Columns},
    key::combine,
    time::Timestamp,
};
use millstream_net::credit::BATCH_OVERHEAD_BYTES as BUFFER_OVERHEAD_BYTES;

use super::{Arrival, Event, OVERDRAFT_BYTES, Sender, Shared};

mod over_connections;

fn buffer(first: u64, records: u64) -> Batch {
    let mut builder = BufferBuilder::<u64>::new(Columns::default(), 1 << 20);
    for number in first..first + records {
        builder.push(number, Timestamp::MIN, 0).expect("a number is small");
    }
    Batch::new(builder.seal(0), &[])
}

fn numbers(batch: &Batch) -> Vec<u64> {
    batch.buffer.records::<u64>(0).map(|(number, _)| number).collect()
}

fn senders(shared: &Arc<Shared>, count: usize) -> Vec<Sender> {
    (0..count).map(|channel| Sender::new(Arc::clone(shared), channel)).collect()
}

fn taken(shared: &Shared) -> Option<(usize, Vec<u64>)> {
    shared.try_next().map(|(channel, arrival)| match arrival {
        Arrival::Event(Event::Data(buffer)) => (channel, numbers(&buffer)),
        arrival => panic!("{arrival:?}"),
    })
}

#[test]
fn credit_is_counted_in_bytes_and_comes_back_when_a_buffer_was_read() {
    let one = buffer(0, 100);
    let cost = one.size() + BUFFER_OVERHEAD_BYTES;
    let shared = Shared::new(1, 2 * cost);
    let [sender] = senders(&shared, 1).try_into().ok().expect("one");
    assert!(sender.has_credit());
    sender.send(Event::Data(one.clone()));
    assert!(sender.has_credit());
    sender.send(Event::Data(one.clone()));
    assert!(!sender.has_credit());
    // Control events cost nothing, and what is taken is in flight until it was read.
    sender.send(Event::Idle);
    assert!(taken(&shared).is_some());
    assert!(!sender.has_credit());
    shared.release(0, &one);
    assert!(sender.has_credit());
}

#[test]
fn what_has_no_size_has_a_cost() {
    let mut builder = BufferBuilder::<()>::new(Columns::default(), 1 << 20);
    builder.push((), Timestamp::MIN, 0).expect("nothing is small");
    let nothing = Batch::new(builder.seal(0), &[]);
    let shared = Shared::new(1, 10 * BUFFER_OVERHEAD_BYTES);
    let [sender] = senders(&shared, 1).try_into().ok().expect("one");
    let sent =
        (0..100).take_while(|_| sender.has_credit()).inspect(|_| sender.send(Event::Data(nothing.clone()))).count();
    assert_eq!(sent, 10);
}

#[test]
fn watermarks_are_in_flight_like_records() {
    let watermark = Marked { behind: 0, at: Timestamp::MAX };
    let one = Batch::new(BufferBuilder::<()>::new(Columns::default(), 1 << 20).seal(0), &[watermark; 10]);
    let shared = Shared::new(1, BUFFER_OVERHEAD_BYTES + 10 * size_of::<Marked>());
    let [sender] = senders(&shared, 1).try_into().ok().expect("one");
    sender.send(Event::Data(one.clone()));
    assert!(!sender.has_credit());
    shared.release(0, &one);
    assert!(sender.has_credit());
}

#[test]
fn the_overdraft_is_above_the_credit() {
    let shared = Shared::new(1, 4096);
    let [sender] = senders(&shared, 1).try_into().ok().expect("one");
    let mut sent = 0;
    while !sender.is_overdrawn() {
        let buffer = buffer(0, 1000);
        sent += buffer.size() + BUFFER_OVERHEAD_BYTES;
        sender.send(Event::Data(buffer));
    }
    assert!(!sender.has_credit());
    assert!((4096 + OVERDRAFT_BYTES..4096 + OVERDRAFT_BYTES + 9000).contains(&sent));
}

#[test]
fn no_channel_starves_another() {
    let shared = Shared::new(3, 1 << 20);
    let senders = senders(&shared, 3);
    for number in 0..4 {
        senders[0].send(Event::Data(buffer(number, 1)));
    }
    senders[1].send(Event::Data(buffer(10, 1)));
    senders[2].send(Event::Data(buffer(20, 1)));
    let order: Vec<_> = std::iter::from_fn(|| taken(&shared)).map(|(channel, _)| channel).collect();
    assert_eq!(order, [0, 1, 2, 0, 0, 0]);
}

#[test]
fn a_receiver_that_is_gone_holds_nobody_up_and_keeps_nothing() {
    let shared = Shared::new(1, 1000);
    let [sender] = senders(&shared, 1).try_into().ok().expect("one");
    let big = buffer(0, 1000);
    sender.send(Event::Data(big.clone()));
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    assert!(sender.poll_credit(&mut Context::from_waker(&waker)).is_pending());
    shared.close();
    assert!(woken.0.load(SeqCst), "who waits for credit hears of it");
    for _ in 0..10 {
        assert!(sender.poll_credit(&mut Context::from_waker(&waker)).is_ready());
        sender.send(Event::Data(big.clone()));
    }
    assert!(!sender.is_overdrawn());
    assert!(shared.lock().queues[0].is_empty());
}

#[test]
fn senders_see_whether_the_receiver_waits() {
    let shared = Shared::new(1, 1000);
    let [sender] = senders(&shared, 1).try_into().ok().expect("one");
    let mut cx = Context::from_waker(Waker::noop());
    assert!(!sender.receiver_waits());
    assert!(shared.poll_next(&mut cx).is_pending());
    assert!(sender.receiver_waits());
    sender.send(Event::Idle);
    assert!(shared.poll_next(&mut cx).is_ready());
    assert!(!sender.receiver_waits());
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

type Task = (Arc<Woken>, Pin<Box<dyn Future<Output = ()>>>);

/// Runs tasks to their end in an order drawn from a seed.
fn interleave(seed: u64, tasks: Vec<Pin<Box<dyn Future<Output = ()>>>>) {
    let mut state = seed;
    let mut tasks: Vec<Task> = tasks.into_iter().map(|task| (Arc::new(Woken(AtomicBool::new(true))), task)).collect();
    while !tasks.is_empty() {
        let runnable: Vec<_> = (0..tasks.len()).filter(|i| tasks[*i].0.0.load(SeqCst)).collect();
        assert!(!runnable.is_empty(), "a wake-up was lost: {} tasks wait for ever (seed {seed})", tasks.len());
        state = combine(state, runnable.len() as u64);
        let chosen = runnable[(state % runnable.len() as u64) as usize];
        let (woken, task) = &mut tasks[chosen];
        woken.0.store(false, SeqCst);
        let waker = Waker::from(Arc::clone(woken));
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            drop(tasks.swap_remove(chosen));
        }
    }
}

/// Lets another task run.
async fn pause() {
    let mut paused = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[test]
fn nothing_is_lost_or_reordered_in_any_interleaving() {
    const SENDERS: usize = 3;
    const BUFFERS: u64 = 40;
    for seed in 0..300 {
        // Credit for a buffer or two, so that everyone waits for everyone.
        let shared = Shared::new(SENDERS, 300);
        let received: Rc<RefCell<Vec<Vec<u64>>>> = Rc::new(RefCell::new(vec![Vec::new(); SENDERS]));
        let mut tasks: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
        for (i, sender) in senders(&shared, SENDERS).into_iter().enumerate() {
            tasks.push(Box::pin(async move {
                for number in 0..BUFFERS {
                    sender.send(Event::Data(buffer(number * 10, 1 + (seed + number + i as u64) % 7)));
                    poll_fn(|cx| sender.poll_credit(cx)).await;
                    if number % 5 == seed % 5 {
                        sender.send(Event::Idle);
                        pause().await;
                    }
                }
                sender.send(Event::End);
            }));
        }
        let (to, from) = (Rc::clone(&received), Arc::clone(&shared));
        tasks.push(Box::pin(async move {
            let mut open = SENDERS;
            while open > 0 {
                match poll_fn(|cx| from.poll_next(cx)).await {
                    (channel, Arrival::Event(Event::Data(buffer))) => {
                        to.borrow_mut()[channel].extend(numbers(&buffer));
                        pause().await;
                        from.release(channel, &buffer);
                    }
                    (channel, Arrival::Event(Event::Idle)) => {
                        let last = *to.borrow()[channel].last().expect("records come before the first");
                        assert_eq!(last / 10 % 5, seed % 5, "an event keeps its place (seed {seed})");
                    }
                    (_, Arrival::Event(Event::End)) => open -= 1,
                    (_, event) => panic!("{event:?}"),
                }
            }
            assert!(from.try_next().is_none(), "nothing follows the end (seed {seed})");
        }));
        interleave(seed, tasks);
        for (i, numbers) in received.borrow().iter().enumerate() {
            let sent = (0..BUFFERS).flat_map(|n| n * 10..n * 10 + 1 + (seed + n + i as u64) % 7);
            assert!(sent.eq(numbers.iter().copied()), "channel {i} (seed {seed}): {numbers:?}");
        }
    }
}
