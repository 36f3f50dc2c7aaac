//! The queries as timely dataflows. A message's time is that of the first event in its block, in milliseconds, so the frontier is a watermark.

use std::{cell::Cell, rc::Rc, sync::Arc};

use millstream::prelude::*;
use millstream_benches::{
    keyed_count::{self as by_key, Pair},
    nexmark::{
        Answer, Table, all, number_of_bid,
        open::Open,
        q1, q2, q3,
        q5::{self, Counts, Recent},
        q7::{self, Highest},
        q8, q11, q12,
    },
};
use millstream_nexmark::{Bid, Event, event::BidView};
use timely::{
    Config,
    dataflow::{
        Scope, StreamVec,
        channels::pact::{Exchange, ParallelizationContract, Pipeline},
        operators::{
            Capability, Inspect as _, Operator as _,
            generic::operator::source,
            vec::{Filter as _, Map as _},
        },
    },
    progress::frontier::MutableAntichain,
    worker::Worker,
};

use crate::{EVERY, Somebody};

/// As much as one buffer holds of references: what is behind them is then still in the cache when the next operator looks.
const BURST: usize = 1024;

type Events<'s> = StreamVec<'s, u64, &'static Event>;
type Total = Rc<Cell<Answer>>;

/// Which worker a key belongs to: any would do that spreads neighbours.
fn route(key: u64) -> u64 {
    key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

/// Runs a dataflow on so many workers, each with a part of the answer.
fn run(workers: usize, build: impl Fn(&mut Worker, Total) + Send + Sync + 'static) -> Answer {
    let config = if workers == 1 { Config::thread() } else { Config::process(workers) };
    let guards = timely::execute(config, move |worker| {
        let total = Total::default();
        build(worker, Rc::clone(&total));
        while worker.has_dataflows() {
            worker.step_or_park(None);
        }
        total.get()
    });
    let parts = guards.expect("timely starts its workers").join().into_iter();
    parts.map(|part| part.expect("a worker ends well")).fold(Answer::default(), |sum, part| Answer {
        records: sum.records + part.records,
        sum: sum.sum.wrapping_add(part.sum),
    })
}

/// Runs a query.
fn query(workers: usize, build: impl for<'s> Fn(Events<'s>, Total) + Send + Sync + 'static) -> Answer {
    run(workers, move |worker, total| {
        let (index, peers) = (worker.index(), worker.peers());
        worker.dataflow(|scope| build(events(scope, index, peers), total));
    })
}

/// A worker's blocks of the events, a burst each time that it comes by.
fn events<'s>(scope: Scope<'s, u64>, index: usize, peers: usize) -> Events<'s> {
    source(scope, "events", move |capability, info| {
        let activator = scope.activator_for(info.address);
        let (events, block) = (all(), EVERY / peers);
        let (mut capability, mut next) = (Some(capability), index * block);
        move |output| {
            let Some(held) = capability.as_mut().filter(|_| next < events.len()) else {
                capability = None;
                return;
            };
            let block_end = (next / block + 1) * block;
            let burst = &events[next..(next + BURST).min(block_end).min(events.len())];
            if next % block == 0 {
                held.downgrade(&millis(burst[0].date_time()));
            }
            output.session(held).give_iterator(burst.iter());
            next += burst.len();
            if next == block_end {
                next += (peers - 1) * block;
            }
            activator.activate();
        }
    })
}

fn millis(at: Timestamp) -> u64 {
    at.millis() as u64
}

fn watermark(frontier: &MutableAntichain<u64>) -> i64 {
    frontier.frontier().first().map_or(i64::MAX, |time| *time as i64 - 1)
}

fn bids(events: Events<'_>) -> StreamVec<'_, u64, &'static Bid> {
    events.flat_map(|event| if let Event::Bid(bid) = event { Some(bid) } else { None })
}

/// Adds up the results.
fn sink<D: 'static>(stream: StreamVec<'_, u64, D>, total: Total, number: impl Fn(&D) -> u64 + 'static) {
    stream.inspect_batch(move |_, results| {
        let mut answer = total.get();
        results.iter().for_each(|result| answer.add(number(result)));
        total.set(answer);
    });
}

/// Gathers what falls into each window, and puts out what `fire` makes of it when the frontier has passed its end.
fn by_window<'s, D: 'static, W: Default + 'static, R: 'static>(
    stream: StreamVec<'s, u64, D>,
    pact: impl ParallelizationContract<u64, Vec<D>>,
    size: i64,
    at: impl Fn(&D) -> i64 + 'static,
    add: impl Fn(&mut W, D) + 'static,
    fire: impl Fn(i64, W, &mut dyn FnMut(R)) + 'static,
) -> StreamVec<'s, u64, R> {
    stream.unary_frontier(pact, "windows", move |_, _| {
        let mut windows = Open::<(Option<Capability<u64>>, W)>::of(size);
        move |(input, frontier), output| {
            input.for_each_time(|time, data| {
                for record in data.flat_map(|data| data.drain(..)) {
                    let at = at(&record);
                    let (capability, window) = windows.at(at);
                    let end = || (at - at.rem_euclid(size) + size) as u64;
                    capability.get_or_insert_with(|| time.delayed(&end(), output.output_index()));
                    add(window, record);
                }
            });
            while let Some((start, (capability, window))) = windows.close(watermark(frontier)) {
                let capability = capability.expect("a window is made for what is in it");
                let mut session = output.session(&capability);
                fire(start, window, &mut |result| session.give(result));
            }
        }
    })
}

pub fn q0(workers: usize) -> Answer {
    query(workers, |events, total| sink(bids(events), total, |bid| number_of_bid(bid.view())))
}

pub fn q1(workers: usize) -> Answer {
    query(workers, |events, total| {
        let converted = bids(events).map(|bid| BidView { price: q1::in_euros(bid.price), ..bid.view() });
        sink(converted, total, |bid| number_of_bid(*bid));
    })
}

pub fn q2(workers: usize) -> Answer {
    query(workers, |events, total| {
        let selected = bids(events).filter(|bid| bid.auction.is_multiple_of(123));
        sink(selected.map(|bid| (bid.auction, bid.price)), total, |(auction, price)| q2::number(*auction, *price));
    })
}

pub fn q3(workers: usize) -> Answer {
    query(workers, |events, total| {
        let person = |event: &'static Event| match event {
            Event::Person(person) if q3::lives_there(person) => Some((person.id, Somebody { person: Some(person) })),
            _ => None,
        };
        let auction = |event: &'static Event| match event {
            Event::Auction(auction) if q3::is_wanted(auction) => Some((auction.seller, auction.id)),
            _ => None,
        };
        let (people, auctions) = (events.clone().flat_map(person), events.flat_map(auction));
        let people_by_id = Exchange::new(|(id, _): &(u64, Somebody)| route(*id));
        let auctions_by_seller = Exchange::new(|(seller, _): &(u64, u64)| route(*seller));
        let joined = people.binary(auctions, people_by_id, auctions_by_seller, "join", |_, _| {
            let (mut people, mut auctions) = (Table::<u64, Somebody>::default(), Table::<u64, Vec<u64>>::default());
            move |new_people, new_auctions, output| {
                new_people.for_each_time(|time, data| {
                    let mut session = output.session(&time);
                    for (id, person) in data.flat_map(|data| data.drain(..)) {
                        for auction in auctions.get(&id).into_iter().flatten() {
                            session.give((person, *auction));
                        }
                        people.insert(id, person);
                    }
                });
                new_auctions.for_each_time(|time, data| {
                    let mut session = output.session(&time);
                    for (seller, auction) in data.flat_map(|data| data.drain(..)) {
                        if let Some(person) = people.get(&seller) {
                            session.give((*person, auction));
                        }
                        auctions.entry(seller).or_default().push(auction);
                    }
                });
            }
        });
        sink(joined, total, |(Somebody { person }, auction): &(Somebody, u64)| {
            q3::number(person.expect("it was never sent out of the process"), *auction)
        });
    })
}

pub fn q5(workers: usize) -> Answer {
    query(workers, |events, total| {
        let bids = bids(events).map(|bid| (bid.auction, bid.date_time.millis()));
        let by_auction = Exchange::new(|(auction, _): &(u64, i64)| route(*auction));
        // The most of each worker's auctions ..
        let most = bids.unary_frontier(by_auction, "count", |_, _| {
            let (mut slices, mut recent) = (Open::<Counts>::of(q5::SLIDE), Recent::default());
            let mut held: Option<Capability<u64>> = None;
            move |(input, frontier), output| {
                input.for_each_time(|time, data| {
                    held.get_or_insert_with(|| time.retain(output.output_index()));
                    for (auction, at) in data.flat_map(|data| data.drain(..)) {
                        *slices.at(at).entry(auction).or_default() += 1;
                    }
                });
                let Some(capability) = &mut held else { return };
                recent.advance(&mut slices, watermark(frontier), |end, auction, bids| {
                    if *capability.time() < end as u64 {
                        capability.downgrade(&(end as u64));
                    }
                    output.session(capability).give((end, auction, bids));
                });
                match frontier.frontier().first() {
                    Some(time) if time > capability.time() => capability.downgrade(time),
                    Some(_) => {}
                    None => held = None,
                }
            }
        });
        // .. and of all of them.
        let add = |window: &mut Vec<(u64, u64)>, (_, auction, bids): (i64, u64, u64)| window.push((auction, bids));
        let one = Exchange::new(|_: &(i64, u64, u64)| 0);
        let most = by_window(
            most,
            one,
            q5::SLIDE,
            |(end, ..)| *end,
            add,
            |_, window, put_out| {
                let most = window.iter().map(|(_, bids)| *bids).max();
                window.into_iter().filter(|(_, bids)| Some(*bids) == most).for_each(put_out);
            },
        );
        sink(most, total, |(auction, bids)| q5::number(*auction, *bids));
    })
}

pub fn q7(workers: usize) -> Answer {
    query(workers, |events, total| {
        let at = |bid: &&'static Bid| bid.date_time.millis();
        let highest = by_window(bids(events), Pipeline, q7::SIZE, at, Highest::add, |start, Highest(bids), put_out| {
            bids.into_iter().for_each(|bid| put_out((start + q7::SIZE, bid.price, number_of_bid(bid.view()))));
        });
        let add = |window: &mut Vec<(i64, u64)>, (_, price, bid): (i64, i64, u64)| window.push((price, bid));
        let one = Exchange::new(|_: &(i64, i64, u64)| 0);
        let highest = by_window(
            highest,
            one,
            q7::SIZE,
            |(end, ..)| *end,
            add,
            |_, window, put_out| {
                let highest = window.iter().map(|(price, _)| *price).max();
                window.into_iter().filter(|(price, _)| Some(*price) == highest).for_each(put_out);
            },
        );
        sink(highest, total, |(_, bid)| *bid);
    })
}

pub fn q8(workers: usize) -> Answer {
    type New = (u64, i64, Somebody);
    #[derive(Default)]
    struct Window {
        people: Table<u64, Somebody>,
        sellers: Table<u64, ()>,
    }
    query(workers, |events, total| {
        let new = events.flat_map(|event| match event {
            Event::Person(person) => Some((person.id, person.date_time.millis(), Somebody { person: Some(person) })),
            Event::Auction(auction) => Some((auction.seller, auction.date_time.millis(), Somebody { person: None })),
            Event::Bid(_) => None,
        });
        let add = |window: &mut Window, (id, _, somebody): New| {
            if somebody.person.is_some() {
                window.people.insert(id, somebody);
            } else {
                window.sellers.insert(id, ());
            }
        };
        let by_id = Exchange::new(|(id, ..): &New| route(*id));
        let sellers = by_window(
            new,
            by_id,
            q8::SIZE,
            |(_, at, _)| *at,
            add,
            |start, window, put_out| {
                for seller in window.sellers.keys() {
                    if let Some(Somebody { person: Some(person) }) = window.people.get(seller) {
                        put_out((person.id, &*person.name, start));
                    }
                }
            },
        );
        sink(sellers, total, |(id, name, start): &(u64, &str, i64)| q8::number(*id, name, *start));
    })
}

pub fn q11(workers: usize) -> Answer {
    query(workers, |events, total| {
        let bids = bids(events).map(|bid| (bid.bidder, bid.date_time.millis()));
        let by_bidder = Exchange::new(|(bidder, _): &(u64, i64)| route(*bidder));
        let sessions = bids.unary_frontier(by_bidder, "sessions", |_, _| {
            let mut sessions = Table::<u64, (i64, i64, u64)>::default();
            let mut searched = i64::MIN;
            let mut held: Option<Capability<u64>> = None;
            move |(input, frontier), output| {
                input.for_each_time(|time, data| {
                    held.get_or_insert_with(|| time.retain(output.output_index()));
                    let mut session = output.session(&time);
                    for (bidder, at) in data.flat_map(|data| data.drain(..)) {
                        let (start, last, bids) = sessions.entry(bidder).or_insert((at, at, 0));
                        if at > *last + q11::GAP {
                            session.give((bidder, *bids, *start, *last + q11::GAP));
                            (*start, *last, *bids) = (at, at, 0);
                        }
                        (*start, *last, *bids) = (at.min(*start), at.max(*last), *bids + 1);
                    }
                });
                let Some(capability) = &mut held else { return };
                let watermark = watermark(frontier);
                if watermark < searched.saturating_add(q11::GAP / 10) {
                    return;
                }
                searched = watermark;
                let mut session = output.session(capability);
                sessions.retain(|bidder, (start, last, bids)| {
                    let goes_on = *last + q11::GAP > watermark;
                    if !goes_on {
                        session.give((*bidder, *bids, *start, *last + q11::GAP));
                    }
                    goes_on
                });
                drop(session);
                match frontier.frontier().first() {
                    Some(time) if time > capability.time() => capability.downgrade(time),
                    Some(_) => {}
                    None => held = None,
                }
            }
        });
        sink(sessions, total, |(bidder, bids, start, end)| q11::number(*bidder, *bids, *start, *end));
    })
}

pub fn q12(workers: usize) -> Answer {
    query(workers, |events, total| {
        let bids = bids(events).map(|bid| (bid.bidder, bid.date_time.millis()));
        let by_bidder = Exchange::new(|(bidder, _): &(u64, i64)| route(*bidder));
        let add = |counts: &mut Table<u64, u64>, (bidder, _)| *counts.entry(bidder).or_default() += 1;
        let counts = by_window(
            bids,
            by_bidder,
            q12::SIZE,
            |(_, at)| *at,
            add,
            |start, counts, put_out| {
                counts.into_iter().for_each(|(bidder, bids)| put_out((bidder, bids, start)));
            },
        );
        sink(counts, total, |(bidder, bids, start)| q12::number(*bidder, *bids, *start));
    })
}

pub fn keyed_count(workers: usize, pairs: Arc<[Pair]>) -> Answer {
    run(workers, move |worker, total| {
        let (index, peers, pairs) = (worker.index(), worker.peers(), Arc::clone(&pairs));
        worker.dataflow::<u64, _, _>(|scope| {
            let keys = source(scope, "pairs", move |capability, info| {
                let activator = scope.activator_for(info.address);
                let (mut capability, mut next) = (Some(capability), index * BURST);
                move |output| {
                    let Some(held) = capability.as_ref().filter(|_| next < pairs.len()) else {
                        capability = None;
                        return;
                    };
                    let burst = &pairs[next..(next + BURST).min(pairs.len())];
                    output.session(held).give_iterator(burst.iter().map(|(key, _)| *key));
                    next += peers * BURST;
                    activator.activate();
                }
            });
            let counts = keys.unary_frontier(Exchange::new(|key: &u64| route(*key)), "count", |capability, _| {
                let (mut counts, mut held) = (Table::<u64, u64>::default(), Some(capability));
                move |(input, frontier), output| {
                    input.for_each(|_, data| data.drain(..).for_each(|key| *counts.entry(key).or_default() += 1));
                    if frontier.is_empty()
                        && let Some(capability) = held.take()
                    {
                        output.session(&capability).give_iterator(counts.drain());
                    }
                }
            });
            sink(counts, total, |(key, count)| by_key::number(*key, *count));
        });
    })
}
