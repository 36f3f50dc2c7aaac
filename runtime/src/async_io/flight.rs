//! [`Flight`]: the calls of an operator that are in flight, from the record that one is made for to its answer.

use std::{
    collections::VecDeque,
    iter,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hashbrown::{HashMap, hash_map::Entry};
use millstream_core::{
    packed::{Packed, Packer},
    record::Record,
    time::Timestamp,
};

use super::{
    alarms::{Alarm, Alarms, Due},
    cache::Cache,
    function::{Answers, AsyncError, AsyncFunction, Requests},
    line::{Line, Turn},
    metrics::FlightMetrics,
    options::{AsyncOptions, Order},
    rate::Rate,
    ready::Ready,
    unit::{Answered, State, Unit},
};
use crate::{
    env::{BoxFuture, Env, Instant},
    failure::Failure,
    operator::Signal,
};

/// What becomes of a record at once.
pub(super) enum Admitted<F: AsyncFunction> {
    /// It is answered, and nothing is in front of it.
    Answered(Answered<F>),
    /// It is on its way.
    InFlight,
}

/// Calls in flight, and the order in which their answers are put out.
pub(super) struct Flight<F: AsyncFunction> {
    function: F,
    client: Arc<F::Client>,
    options: AsyncOptions,
    env: Arc<dyn Env>,
    metrics: FlightMetrics,
    units: Vec<Unit<F>>,
    free: Vec<u32>,
    /// The batch that takes further records.
    forming: Option<u32>,
    line: Line,
    ready: Arc<Ready>,
    /// Those that have been woken and not been looked at.
    woken: VecDeque<u32>,
    alarms: Alarms,
    /// Goes off when the first alarm is due, or before.
    sleep: Option<(Instant, BoxFuture<'static, ()>)>,
    /// By the hash of a key in flight, those that wait for it. Keys with one hash wait for each other, too.
    keys: HashMap<u64, VecDeque<u32>>,
    rate: Option<Rate>,
    cache: Option<Cache<F::Answer>>,
    sequence: u64,
    packer: Packer,
    request: Packed<F::Request>,
}

impl<F: AsyncFunction> Flight<F> {
    pub(super) fn new(
        function: F,
        client: Arc<F::Client>,
        options: AsyncOptions,
        env: Arc<dyn Env>,
        metrics: FlightMetrics,
    ) -> Self {
        let rate = options.rate.map(|rate| Rate::new(rate, env.now()));
        Self {
            function,
            client,
            env,
            metrics,
            units: Vec::new(),
            free: Vec::new(),
            forming: None,
            line: Line::new(options.order),
            ready: Ready::new(options.capacity),
            woken: VecDeque::new(),
            alarms: Alarms::default(),
            sleep: None,
            keys: HashMap::new(),
            rate,
            cache: options.cache.map(Cache::new),
            sequence: 0,
            packer: Packer::default(),
            request: Packed::default(),
            options,
        }
    }

    /// True if a further record may be admitted.
    #[inline(always)]
    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty() || self.units.len() < self.options.capacity || self.forming.is_some()
    }

    /// True if there is nothing whose answer has not been put out.
    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// True if a call can go on at once.
    pub(super) fn has_woken(&self) -> bool {
        !self.woken.is_empty()
    }

    /// Takes a record; there is room for it. `key` is the hash of its key, if calls wait for each other by key.
    ///
    /// # Errors
    ///
    /// If the record is too large to be kept.
    #[inline]
    pub(super) fn admit(
        &mut self,
        record: <F::In as Record>::View<'_>,
        at: Timestamp,
        key: Option<u64>,
        now: Instant,
    ) -> Result<Admitted<F>, Failure> {
        let mut cached_as = None;
        if self.cache.is_some() {
            match self.kept(record, at, now)? {
                Ok(answer) if self.forming.is_none() && self.line.is_open() => {
                    return Ok(Admitted::Answered(Ok(answer)));
                }
                Ok(answer) => return self.admit_kept(record, at, answer, now),
                Err(name) => cached_as = Some(name),
            }
        }
        if self.options.batch.is_some() {
            self.add_to_batch(record, at, None, cached_as, now)?;
            return Ok(Admitted::InFlight);
        }
        if key.is_some() || self.rate.is_some() {
            let request = self.enter(record, at, cached_as)?;
            match key.map(|key| (key, self.keys.entry(key))) {
                Some((key, Entry::Occupied(mut queue))) => {
                    queue.get_mut().push_back(request);
                    let unit = &mut self.units[request as usize];
                    (unit.state, unit.key) = (State::Queued, key);
                    return Ok(Admitted::InFlight);
                }
                Some((key, Entry::Vacant(queue))) => {
                    queue.insert(VecDeque::new());
                    self.units[request as usize].key = key;
                }
                None => {}
            }
            self.begin(request, now);
            return Ok(Admitted::InFlight);
        }

        let request = self.place();
        let unit = &mut self.units[request as usize];
        let requests = F::Requests::of(iter::once(self.function.request(record, at)));
        unit.call.begin(Arc::clone(&self.client), requests);
        let answers = match unit.call.poll(&mut Context::from_waker(&unit.waker)) {
            Poll::Ready(Answers::One(answer))
                if self.line.is_open() && (self.options.retry.is_none() || !F::wants_retry(answer.as_ref())) =>
            {
                self.free.push(request);
                if let (Some(cache), Some(name), Ok(answer)) = (&mut self.cache, cached_as, &answer) {
                    cache.put(name, F::copy(answer), now);
                }
                let answered = answer.map_err(|error| AsyncError::Failed { error, attempts: 1 });
                return Ok(Admitted::Answered(answered));
            }
            Poll::Ready(answers) => Some(answers),
            Poll::Pending => None,
        };
        self.free.push(request);
        let entered = self.enter(record, at, cached_as)?;
        debug_assert_eq!(entered, request, "the place that was free last is taken first");
        let unit = &mut self.units[request as usize];
        (unit.state, unit.attempts) = (State::Asked, 1);
        self.set_timeouts(request, now);
        if let Some(answers) = answers {
            self.settle(request, answers, now);
        }
        Ok(Admitted::InFlight)
    }

    /// A free place.
    #[inline]
    fn place(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            let request = self.units.len() as u32;
            debug_assert!(self.units.len() < self.options.capacity, "nobody asks where there is no room");
            self.units.push(Unit::new(self.ready.waker(request)));
            request
        })
    }

    /// The answer to the same request of a record before, or the request's name in the cache.
    fn kept(
        &mut self,
        record: <F::In as Record>::View<'_>,
        at: Timestamp,
        now: Instant,
    ) -> Result<Result<F::Answer, Box<[u8]>>, Failure> {
        let request = self.function.request(record, at);
        self.request.clear();
        self.request.push(&mut self.packer, request.view()).map_err(|error| Failure::new(error.to_string()))?;
        let kept = self.cache.as_mut().and_then(|cache| cache.get(self.request.as_bytes(), now));
        let counter = if kept.is_some() { &self.metrics.cache_hits } else { &self.metrics.cache_misses };
        counter.add(1);
        Ok(kept.map(F::copy).ok_or_else(|| self.request.as_bytes().into()))
    }

    /// Takes a record whose answer has to wait for others.
    fn admit_kept(
        &mut self,
        record: <F::In as Record>::View<'_>,
        at: Timestamp,
        answer: F::Answer,
        now: Instant,
    ) -> Result<Admitted<F>, Failure> {
        if self.forming.is_some() {
            self.add_to_batch(record, at, Some(answer), None, now)?;
        } else {
            let request = self.enter(record, at, None)?;
            self.units[request as usize].answers[0] = Some(Ok(answer));
            self.finish(request, now);
        }
        Ok(Admitted::InFlight)
    }

    /// Puts a record into a place of its own, at the end of the line.
    fn enter(
        &mut self,
        record: <F::In as Record>::View<'_>,
        at: Timestamp,
        cached_as: Option<Box<[u8]>>,
    ) -> Result<u32, Failure> {
        let request = self.place();
        let unit = &mut self.units[request as usize];
        unit.sequence = self.sequence;
        self.sequence += 1;
        if let Err(error) = unit.add(&mut self.packer, record, at, None, cached_as) {
            self.free.push(request);
            return Err(error);
        }
        self.line.join(request);
        Ok(request)
    }

    fn add_to_batch(
        &mut self,
        record: <F::In as Record>::View<'_>,
        at: Timestamp,
        answer: Option<F::Answer>,
        cached_as: Option<Box<[u8]>>,
        now: Instant,
    ) -> Result<(), Failure> {
        let batch = self.options.batch.expect("only operators with batches form one");
        let request = match self.forming {
            Some(request) => {
                let unit = &mut self.units[request as usize];
                unit.add(&mut self.packer, record, at, answer.map(Ok), cached_as)?;
                request
            }
            None => {
                let request = self.enter(record, at, cached_as)?;
                let unit = &mut self.units[request as usize];
                unit.state = State::Forming;
                if batch.max > 1 {
                    let (at, sequence) = (now + batch.linger, unit.sequence);
                    self.alarms.set(Alarm { at, sequence, request, due: Due::Linger });
                }
                self.forming = Some(request);
                request
            }
        };
        if self.units[request as usize].times.len() >= batch.max {
            self.close_batch(now);
        }
        Ok(())
    }

    /// Asks for the records of the batch that is being formed.
    pub(super) fn close_batch(&mut self, now: Instant) {
        if let Some(request) = self.forming.take() {
            self.begin(request, now);
        }
    }

    /// A signal comes; given back if nothing is in front of it.
    pub(super) fn signal(&mut self, signal: Signal, now: Instant) -> Option<Signal> {
        // Records behind the signal are in another batch.
        self.close_batch(now);
        self.line.signal(signal)
    }

    /// Has a call made as soon as the rate has room for it.
    fn begin(&mut self, request: u32, now: Instant) {
        if self.units[request as usize].first_open().is_none() {
            return self.finish(request, now);
        }
        match self.rate.as_mut().map(|rate| rate.reserve(now)).filter(|at| *at > now) {
            Some(at) => self.rest(request, at, Due::Begin),
            None => self.call(request, now),
        }
    }

    fn rest(&mut self, request: u32, at: Instant, due: Due) {
        let unit = &mut self.units[request as usize];
        unit.state = State::Resting;
        self.alarms.set(Alarm { at, sequence: unit.sequence, request, due });
    }

    /// Makes a call.
    fn call(&mut self, request: u32, now: Instant) {
        let (unit, function) = (&mut self.units[request as usize], &self.function);
        let requests = F::Requests::of(unit.open().map(|(record, at)| function.request(record, at)));
        unit.attempts += 1;
        unit.state = State::Asked;
        unit.call.begin(Arc::clone(&self.client), requests);
        self.set_timeouts(request, now);
        self.poll(request, now);
    }

    /// The time that a call may take begins.
    fn set_timeouts(&mut self, request: u32, now: Instant) {
        let unit = &mut self.units[request as usize];
        let all = self.options.timeout.filter(|_| unit.began.is_none()).map(|timeout| (timeout, Due::Timeout));
        unit.began.get_or_insert(now);
        let one = self.options.attempt_timeout.map(|timeout| (timeout, Due::Attempt(unit.attempts)));
        for (timeout, due) in all.into_iter().chain(one) {
            self.alarms.set(Alarm { at: now + timeout, sequence: unit.sequence, request, due });
        }
        let (units, limit) = (&self.units, self.units.len() * Alarms::PER_REQUEST);
        self.alarms.keep_within(limit, |alarm| units[alarm.request as usize].awaits(alarm));
    }

    /// Goes on with a call.
    fn poll(&mut self, request: u32, now: Instant) {
        let unit = &mut self.units[request as usize];
        if unit.state != State::Asked {
            return; // it was woken for what is over
        }
        if let Poll::Ready(answers) = unit.call.poll(&mut Context::from_waker(&unit.waker)) {
            self.settle(request, answers, now);
        }
    }

    /// Decides what becomes of the records that a call was for.
    fn settle(&mut self, request: u32, answers: Answers<F::Answer, F::Error>, now: Instant) {
        let unit = &mut self.units[request as usize];
        let attempts = unit.attempts;
        let tries_again = !unit.is_last_attempt && self.options.retry.is_some_and(|retry| attempts <= retry.times);
        let asked = unit.open().count();
        let mut before = None;
        let mut judge = |answer: Result<F::Answer, F::Error>| {
            if tries_again && F::wants_retry(answer.as_ref()) {
                before = answer.err();
                return None;
            }
            Some(answer.map_err(|error| AsyncError::Failed { error, attempts }))
        };
        match answers {
            Answers::One(answer) => unit.answer(iter::once(judge(answer))),
            Answers::Each(answers) if answers.len() == asked => unit.answer(answers.into_iter().map(judge)),
            Answers::Each(answers) => {
                let answers = answers.len();
                unit.answer(iter::repeat_with(|| Some(Err(AsyncError::Count { answers, records: asked }))));
            }
            // Each record is asked for once more, alone, and told of what is wrong with it.
            Answers::None(error) if asked > 1 && !(tries_again && F::wants_retry(Err(&error))) => {
                unit.is_last_attempt = true;
            }
            Answers::None(error) => unit.answer(iter::once(judge(Err(error)))),
        }
        unit.before = before;
        self.go_on(request, asked, now);
    }

    /// Goes on with records that have no answer behind a call that was for so many.
    fn go_on(&mut self, request: u32, asked: usize, now: Instant) {
        let unit = &mut self.units[request as usize];
        let attempts = unit.attempts;
        let Some(first) = unit.first_open() else { return self.finish(request, now) };
        let goes_on_alone = match unit.alone {
            Some(alone) => first != alone,
            None => unit.is_last_attempt || unit.open().count() < asked,
        };
        if goes_on_alone {
            let was_alone = unit.alone.replace(first).is_some();
            if !was_alone {
                unit.together = attempts;
            }
            unit.attempts = unit.together;
            if was_alone || unit.is_last_attempt {
                return self.rest(request, now, Due::Next);
            }
        }
        self.metrics.retried.add(1);
        let retry = self.options.retry.expect("a record stays open only to be asked for again");
        let wait = retry.wait(attempts, self.env.random());
        self.rest(request, now + wait, Due::Next);
    }

    /// All records of a unit have their answers.
    fn finish(&mut self, request: u32, now: Instant) {
        let unit = &mut self.units[request as usize];
        unit.state = State::Answered;
        if let Some(cache) = &mut self.cache {
            for (name, answer) in unit.cached_as.drain(..).zip(&unit.answers) {
                if let Some(Ok(answer)) = answer.as_ref().filter(|_| !name.is_empty()) {
                    cache.put(name, F::copy(answer), now);
                }
            }
        }
        if let Some(began) = unit.began {
            self.metrics.latency.record(now.since(began).as_nanos() as u64);
        }
        self.line.answered(request);
        if self.options.order == Order::ByKey
            && let Entry::Occupied(mut waiting) = self.keys.entry(unit.key)
        {
            match waiting.get_mut().pop_front() {
                Some(next) => self.rest(next, now, Due::Next),
                None => drop(waiting.remove()),
            }
        }
    }

    /// A call, or an attempt, has taken too long; unless its answer is there and nobody has looked, since the output was full.
    fn time_is_over(&mut self, alarm: Alarm, now: Instant) {
        self.poll(alarm.request, now);
        if !self.units[alarm.request as usize].awaits(&alarm) {
            return;
        }
        match alarm.due {
            Due::Timeout => self.time_out(alarm.request, self.options.timeout.unwrap_or_default(), now),
            _ => self.attempt_out(alarm.request, self.options.attempt_timeout.unwrap_or_default(), now),
        }
    }

    /// An attempt has taken too long.
    fn attempt_out(&mut self, request: u32, after: Duration, now: Instant) {
        let unit = &mut self.units[request as usize];
        unit.call.give_up();
        let asked = unit.open().count();
        let retry = self.options.retry.filter(|_| !unit.is_last_attempt);
        if retry.is_none_or(|retry| unit.attempts > retry.times) {
            self.metrics.timed_out.add(1);
            self.answer_without(request, after);
        }
        self.go_on(request, asked, now);
    }

    /// There was no answer in time, whatever was tried.
    fn time_out(&mut self, request: u32, after: Duration, now: Instant) {
        let unit = &mut self.units[request as usize];
        unit.call.give_up();
        unit.alone = None;
        self.metrics.timed_out.add(1);
        self.answer_without(request, after);
        self.finish(request, now);
    }

    /// Answers records that were asked for in vain.
    fn answer_without(&mut self, request: u32, after: Duration) {
        let (unit, function) = (&mut self.units[request as usize], &self.function);
        // What counts instead of an answer is none for other records.
        unit.cached_as.clear();
        let (attempts, mut before) = (unit.attempts, unit.before.take());
        let answers: Vec<_> = unit
            .open()
            .map(|(record, at)| {
                Some(match F::fallback(function.request(record, at)) {
                    Some(Ok(answer)) => Ok(answer),
                    Some(Err(error)) => Err(AsyncError::Failed { error, attempts }),
                    None => Err(AsyncError::TimedOut { after, attempts, before: before.take() }),
                })
            })
            .collect();
        unit.answer(answers.into_iter());
    }

    /// Goes on with what is due and what was woken, in so many steps at most; says how many are left.
    pub(super) fn collect(&mut self, now: Instant, mut steps: usize) -> usize {
        while steps > 0
            && let Some(alarm) = self.alarms.pop(now)
        {
            steps -= 1;
            let unit = &self.units[alarm.request as usize];
            if !unit.awaits(&alarm) {
                continue;
            }
            match alarm.due {
                Due::Begin => self.call(alarm.request, now),
                Due::Next => self.begin(alarm.request, now),
                Due::Linger => self.close_batch(now),
                Due::Timeout | Due::Attempt(_) => self.time_is_over(alarm, now),
            }
        }
        if self.woken.is_empty() {
            let woken = &mut self.woken;
            self.ready.take(|request| woken.push_back(request));
        }
        while steps > 0
            && let Some(request) = self.woken.pop_front()
        {
            steps -= 1;
            self.poll(request, now);
        }
        steps
    }

    /// Says how many units are in flight.
    pub(super) fn tell(&self) {
        self.metrics.in_flight.set((self.units.len() - self.free.len()) as i64);
    }

    /// Takes what is to be put out next. A unit is given back by [`Flight::put_out`].
    pub(super) fn next(&mut self) -> Option<Turn> {
        self.line.next()
    }

    /// The answered unit of this number.
    pub(super) fn unit(&mut self, request: u32) -> &mut Unit<F> {
        &mut self.units[request as usize]
    }

    /// The answers of a unit have been put out.
    pub(super) fn put_out(&mut self, request: u32) {
        self.units[request as usize].clear();
        self.free.push(request);
    }

    /// All records whose answers have not been put out, in the order in which they came.
    pub(super) fn records(&self) -> impl Iterator<Item = (<F::In as Record>::View<'_>, Timestamp)> {
        let mut units: Vec<_> = self.units.iter().filter(|unit| unit.state != State::Free).collect();
        units.sort_unstable_by_key(|unit| unit.sequence);
        units.into_iter().flat_map(|unit| unit.records.iter().zip(unit.times.iter().copied()))
    }

    /// Waits until something is woken or due.
    pub(super) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_woken() || self.ready.register(cx.waker()) {
            return Poll::Ready(());
        }
        let Some(due) = self.alarms.next() else { return Poll::Pending };
        if self.sleep.as_ref().is_none_or(|(at, _)| *at > due) {
            self.sleep = Some((due, self.env.sleep_until(due)));
        }
        let Some((_, sleep)) = &mut self.sleep else { return Poll::Pending };
        let over = sleep.as_mut().poll(cx);
        if over.is_ready() {
            self.sleep = None;
        }
        over
    }

    /// Drops all calls, and gives the client back, which nobody else has then.
    pub(super) fn end(&mut self) -> Arc<F::Client> {
        self.units.clear();
        self.free.clear();
        Arc::clone(&self.client)
    }
}
