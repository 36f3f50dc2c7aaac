//! A hosted pool, ask by ask.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    task::{Context, Poll, Waker},
};

use super::{
    super::{
        Driver,
        message::{Answer, Ask, Given},
        pool::Known,
    },
    lines::{Kind, Numbers},
    still::StillEnv,
    subtask::Woken,
};
use crate::{
    checkpoint::restored::Restored,
    failure::{Failure, Location},
    graph::{HostedSplits, OperatorInfo, SourceDriver},
    source::ConnectorContext,
};

const HELD: Known = Known { holds: true, discovered: false };
const FOUND: Known = Known { holds: true, discovered: true };
const FREE: Known = Known { holds: false, discovered: true };

/// A pool for two subtasks, of a bounded source with these splits.
fn host(splits: &[u64]) -> HostedSplits {
    let rounds = Arc::new(vec![splits.to_vec()]);
    let source = Numbers { kind: Kind::Bounded, rounds, there: Arc::new(AtomicUsize::new(1)) };
    let cx = ConnectorContext::detached(StillEnv::shared(), "numbers").at_subtask(0, 2);
    let info = OperatorInfo::new("source", "numbers", Location::caller());
    Driver(Arc::new(source)).host(&cx, &info, 1 << 10, &Restored::default()).expect("nothing fails here")
}

fn discover(host: &mut HostedSplits) {
    let found = host.discovery.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(found, Poll::Ready(Ok(())));
}

fn ask(host: &HostedSplits, (subtask, request): (usize, u64), ask: Ask) -> Result<Option<Answer<(u64, u64)>>, Failure> {
    let answer = host.pool.ask(subtask, request, &ask.encode().expect("it is small"))?;
    Ok(answer.map(|answer| Answer::decode(&answer).expect("it is an answer")))
}

fn ready(host: &HostedSplits) -> Poll<Vec<usize>> {
    host.pool.poll_ready(&mut Context::from_waker(Waker::noop()))
}

fn answer(host: &HostedSplits, subtask: usize) -> Option<(u64, Answer<(u64, u64)>)> {
    let answer = host.pool.answer(subtask).expect("it is small");
    answer.map(|(request, answer)| (request, Answer::decode(&answer).expect("it is an answer")))
}

const WANTS: Ask = Ask { wants: true, begun: 0, known: HELD };

#[test]
fn asks_are_kept_until_there_is_something_to_say() {
    let mut host = host(&[4]);
    assert_eq!(ask(&host, (0, 1), WANTS), Ok(None), "nothing has been found");
    assert_eq!(ask(&host, (1, 1), WANTS), Ok(None));
    assert_eq!(ready(&host), Poll::Pending);
    discover(&mut host);
    assert_eq!(ready(&host), Poll::Ready(vec![0, 1]));
    assert_eq!(answer(&host, 0), Some((1, Answer { given: Given::Split(0, (4, 0)), known: FOUND })));
    assert_eq!(answer(&host, 0), None, "that was answered");
    assert_eq!(answer(&host, 1), Some((1, Answer { given: Given::End, known: FOUND })), "none waits for others");
    assert_eq!(ready(&host), Poll::Pending);
    let begun = Ask { wants: false, begun: 1, known: FOUND };
    let free = Answer { given: Given::Nothing, known: FREE };
    assert_eq!(ask(&host, (0, 2), begun), Ok(Some(free)), "all are begun");
}

#[test]
fn what_is_kept_is_replaced_and_what_is_old_is_ignored() {
    let mut host = host(&[4, 5]);
    assert_eq!(ask(&host, (0, 3), Ask { wants: false, ..WANTS }), Ok(None));
    assert_eq!(ask(&host, (0, 5), WANTS), Ok(None));
    assert_eq!(ask(&host, (0, 4), Ask { wants: false, ..WANTS }), Ok(None), "it comes late");
    discover(&mut host);
    assert_eq!(ready(&host), Poll::Ready(vec![0]));
    let (request, first) = answer(&host, 0).expect("there is a split");
    assert_eq!((request, first.given), (5, Given::Split(0, (4, 0))));
    assert_eq!(ask(&host, (0, 5), WANTS), Ok(None), "it comes twice, and no second split is lost");
    let begun = Ask { wants: false, begun: 1, known: FOUND };
    assert_eq!(ask(&host, (0, 6), begun), Ok(None), "a split waits still");
    assert_eq!(ready(&host), Poll::Pending, "nobody is told what he knows");
    let second = ask(&host, (1, 1), WANTS).expect("it makes sense").expect("there is a split");
    assert_eq!(second.given, Given::Split(1, (5, 0)));
    assert_eq!(ask(&host, (1, 2), Ask { begun: 1, ..begun }), Ok(Some(Answer { given: Given::Nothing, known: FREE })));
    assert_eq!(ready(&host), Poll::Ready(vec![0]));
    assert_eq!(answer(&host, 0), Some((6, Answer { given: Given::Nothing, known: FREE })));
}

#[test]
fn who_waits_for_a_change_is_woken() {
    let mut host = host(&[4]);
    let woken = Arc::<Woken>::default();
    let waker = Waker::from(Arc::clone(&woken));
    assert_eq!(host.pool.poll_ready(&mut Context::from_waker(&waker)), Poll::Pending);
    assert_eq!(ask(&host, (1, 1), WANTS), Ok(None));
    assert!(!woken.take());
    discover(&mut host);
    assert!(woken.take());
    assert_eq!(ready(&host), Poll::Ready(vec![1]));
}

#[test]
fn asks_that_make_no_sense_are_failures() {
    let mut host = host(&[4, 5]);
    discover(&mut host);
    let failure = host.pool.ask(0, 1, b"what").expect_err("that is none");
    assert!(failure.to_string().contains("source numbers"), "{failure}");
    ask(&host, (2, 1), WANTS).expect_err("there are two subtasks");
    ask(&host, (0, 1), Ask { begun: 1, ..WANTS }).expect_err("it was given none");
    assert!(matches!(ask(&host, (0, 2), WANTS), Ok(Some(_))));
    ask(&host, (0, 3), WANTS).expect_err("it has not begun the one that it was given");
    assert!(matches!(ask(&host, (0, 4), Ask { wants: true, begun: 1, known: FOUND }), Ok(Some(_))));
    ask(&host, (0, 5), Ask { wants: false, ..WANTS }).expect_err("it has begun one already");
}
