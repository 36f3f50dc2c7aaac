//! The queries in Renoir: those that it answers rightly.

use std::{collections::VecDeque, sync::Arc};

use millstream::prelude::Record as _;
use millstream_benches::{
    keyed_count::{self as by_key, Pair},
    nexmark::{Answer, Table, all, number_of_bid, q1, q2, q3, q7, q11},
};
use millstream_nexmark::{Bid, Event, event::BidView};
use renoir::{
    Stream,
    operator::{ElementGenerator, Operator, StreamElement},
    prelude::*,
};

use crate::{EVERY, Somebody};

/// How many elements travel together: enough that more make no difference.
const BATCH: usize = 1024;
/// A worker takes its turn with so many events, all of one millisecond: windows begin at a worker's first event, and so at the same time for all of them.
const BLOCK: usize = 50;

fn context(workers: usize) -> StreamContext {
    StreamContext::new(RuntimeConfig::local(workers as u64).expect("a number of workers is all it takes"))
}

fn events(context: &StreamContext) -> Stream<impl Operator<Out = &'static Event> + use<>> {
    let blocks = |index: u64, workers: u64| {
        let chunks = all().chunks(BLOCK).skip(index as usize).step_by(workers as usize);
        chunks.flatten()
    };
    context.stream_par_iter(blocks).batch_mode(BatchMode::fixed(BATCH))
}

fn bids(context: &StreamContext) -> Stream<impl Operator<Out = &'static Bid> + use<>> {
    events(context).filter_map(|event| if let Event::Bid(bid) = event { Some(bid) } else { None })
}

/// Runs what was built, and adds up its results.
fn answer<D: Send + 'static>(
    context: StreamContext,
    results: Stream<impl Operator<Out = D> + 'static>,
    number: impl Fn(D) -> u64 + Send + Clone + 'static,
) -> Answer {
    let add = move |(records, sum): &mut (u64, u64), result| {
        *records += 1;
        *sum = sum.wrapping_add(number(result));
    };
    let merge = |sum: &mut (u64, u64), part: (u64, u64)| *sum = (sum.0 + part.0, sum.1.wrapping_add(part.1));
    let output = results.fold_assoc((0, 0), add, merge).collect_vec();
    context.execute_blocking();
    let (records, sum) = output.get().and_then(|mut sums| sums.pop()).expect("a sum comes out at the end");
    Answer { records, sum }
}

pub fn q0(workers: usize) -> Answer {
    let context = context(workers);
    let bids = bids(&context);
    answer(context, bids, |bid| number_of_bid(bid.view()))
}

pub fn q1(workers: usize) -> Answer {
    let context = context(workers);
    let converted = bids(&context).map(|bid| BidView { price: q1::in_euros(bid.price), ..bid.view() });
    answer(context, converted, number_of_bid)
}

pub fn q2(workers: usize) -> Answer {
    let context = context(workers);
    let selected = bids(&context).filter(|bid| bid.auction.is_multiple_of(123)).map(|bid| (bid.auction, bid.price));
    answer(context, selected, |(auction, price)| q2::number(auction, price))
}

pub fn q3(workers: usize) -> Answer {
    let context = context(workers);
    let is_person = |event: &&'static Event| matches!(event, Event::Person(person) if q3::lives_there(person));
    let is_auction = |event: &&'static Event| matches!(event, Event::Auction(auction) if q3::is_wanted(auction));
    let mut parts = events(&context)
        .filter_map(move |event| match event {
            Event::Person(person) if is_person(&event) => Some((person.id, 0, Somebody { person: Some(person) })),
            Event::Auction(auction) if is_auction(&event) => {
                Some((auction.seller, auction.id, Somebody { person: None }))
            }
            _ => None,
        })
        .split(2)
        .into_iter();
    let mut part = || parts.next().expect("it was split in two");
    let people = part().filter(|(.., somebody)| somebody.person.is_some());
    let auctions = part().filter(|(.., somebody)| somebody.person.is_none());
    let joined = people.join(auctions, |(id, ..)| *id, |(seller, ..)| *seller).drop_key();
    answer(context, joined, |((.., Somebody { person }), (_, auction, _))| {
        q3::number(person.expect("it was never sent out of the process"), auction)
    })
}

/// A watermark every so many elements of a worker.
fn watermarks<T>(workers: usize) -> impl FnMut(&T, &i64) -> Option<i64> + Clone + Send + 'static {
    let (every, mut count) = (EVERY / workers, 0);
    move |_, at| {
        count = (count + 1) % every;
        (count == 0).then_some(*at - 1)
    }
}

/// One of the highest bids where there are several: for the generator's prices that is the same.
pub fn q7(workers: usize) -> Answer {
    let context = context(workers);
    let highest = bids(&context)
        .add_timestamps(|bid| bid.date_time.millis(), watermarks(workers))
        .map(|bid| (bid.price, number_of_bid(bid.view())))
        .key_by(|_| ())
        .window(EventTimeWindow::tumbling(q7::SIZE))
        .max_by_key(|(price, _)| *price)
        .drop_key()
        .window_all(EventTimeWindow::tumbling(q7::SIZE))
        .max_by_key(|(price, _)| *price)
        .drop_key();
    answer(context, highest, |(_, bid)| bid)
}

pub fn q11(workers: usize) -> Answer {
    let context = context(workers);
    let mut sessions = Sessions::default();
    let sessions = bids(&context)
        .map(|bid| (bid.bidder, bid.date_time.millis()))
        .add_timestamps(|(_, at)| *at, watermarks(workers))
        .group_by(|(bidder, _)| *bidder)
        .rich_map_custom(move |elements| sessions.next(elements));
    answer(context, sessions, |(bidder, bids, start, end)| q11::number(bidder, bids, start, end))
}

/// Bidder, bids, start and end.
type Session = (u64, u64, i64, i64);

/// The sessions of a worker's bidders. (Renoir's own session windows go by the clock on the wall.)
#[derive(Clone, Default)]
struct Sessions {
    open: Table<u64, (i64, i64, u64)>,
    ended: VecDeque<Session>,
    searched: i64,
    last_element: Option<StreamElement<Session>>,
}

impl Sessions {
    fn next(
        &mut self,
        mut elements: ElementGenerator<'_, impl Operator<Out = (u64, (u64, i64))>>,
    ) -> StreamElement<Session> {
        loop {
            if let Some(session) = self.ended.pop_front() {
                return StreamElement::Item(session);
            }
            if let Some(last) = self.last_element.take() {
                return last;
            }
            match elements.next() {
                StreamElement::Item((bidder, (_, at))) | StreamElement::Timestamped((bidder, (_, at)), _) => {
                    let (start, last, bids) = self.open.entry(bidder).or_insert((at, at, 0));
                    if at > *last + q11::GAP {
                        self.ended.push_back((bidder, *bids, *start, *last + q11::GAP));
                        (*start, *last, *bids) = (at, at, 0);
                    }
                    (*start, *last, *bids) = (at.min(*start), at.max(*last), *bids + 1);
                }
                StreamElement::Watermark(at) => {
                    if at >= self.searched + q11::GAP / 10 {
                        self.searched = at;
                        self.end_until(at);
                    }
                }
                StreamElement::FlushAndRestart => {
                    self.end_until(i64::MAX);
                    self.last_element = Some(StreamElement::FlushAndRestart);
                }
                StreamElement::FlushBatch => return StreamElement::FlushBatch,
                StreamElement::Terminate => return StreamElement::Terminate,
            }
        }
    }

    fn end_until(&mut self, watermark: i64) {
        let ended = &mut self.ended;
        self.open.retain(|bidder, (start, last, bids)| {
            let goes_on = *last + q11::GAP > watermark;
            if !goes_on {
                ended.push_back((*bidder, *bids, *start, *last + q11::GAP));
            }
            goes_on
        });
    }
}

fn keys(context: &StreamContext, pairs: Arc<[Pair]>) -> Stream<impl Operator<Out = u64> + use<>> {
    let part = move |index: u64, workers: u64| {
        let (len, index, workers) = (pairs.len(), index as usize, workers as usize);
        (len * index / workers..len * (index + 1) / workers).map(move |place| pairs[place].0)
    };
    context.stream_par_iter(part).batch_mode(BatchMode::fixed(BATCH))
}

/// Each key goes to the worker that counts it.
pub fn keyed_count(workers: usize, pairs: Arc<[Pair]>) -> Answer {
    let context = context(workers);
    let counts = keys(&context, pairs).group_by(|key| *key).fold(0_u64, |count, _| *count += 1).unkey();
    answer(context, counts, |(key, count)| by_key::number(key, count))
}

/// Each worker counts by itself, and what it has counted goes to the worker that adds it up.
pub fn keyed_count_preaggregated(workers: usize, pairs: Arc<[Pair]>) -> Answer {
    let context = context(workers);
    let counts = keys(&context, pairs).group_by_count(|key| *key).unkey();
    answer(context, counts, |(key, count)| by_key::number(key, count as u64))
}
