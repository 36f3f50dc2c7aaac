//! Events in memory: made once, and read in place by whoever measures something.

use std::sync::OnceLock;

use millstream::{
    event_time::{WatermarkGenerator, WatermarkStrategy},
    failure::Failure,
    operator::Push,
    prelude::*,
    source::{Boundedness, Discovered, Emit, Emitted, Fetched, Source, SourceContext, SplitEnumerator, SplitReader},
    stream::{EventTime, Replayable},
};
use millstream_nexmark::{Event, Nexmark, event::EventView};

/// How many events there are, unless this variable says otherwise.
const EVENTS: u64 = 10_000_000;
const VARIABLE: &str = "MILLSTREAM_NEXMARK_EVENTS";

/// All events, 100,000 of them in a second of event time. They are made when they are first asked for, and stay until the process ends.
///
/// # Panics
///
/// If `MILLSTREAM_NEXMARK_EVENTS` is set and no number.
pub fn all() -> &'static [Event] {
    static ALL: OnceLock<Vec<Event>> = OnceLock::new();
    ALL.get_or_init(|| {
        let events = match std::env::var(VARIABLE) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{VARIABLE} is a number of events, not `{text}`")),
            Err(_) => EVENTS,
        };
        Nexmark { events, ..Nexmark::default() }.all()
    })
}

/// The events as a loop takes them: so many, and then the watermark behind them, in milliseconds. The last step has no events, and the last watermark.
pub fn steps(events: &[Event], every: usize) -> impl Iterator<Item = (&[Event], i64)> {
    let last = |events: &[Event]| events.last().map_or(i64::MIN, |event| event.date_time().millis() - 1);
    events.chunks(every).map(move |events| (events, last(events))).chain([(&[][..], i64::MAX)])
}

/// How a job takes the events.
#[derive(Debug, Clone, Copy)]
pub struct Input {
    /// The events.
    pub events: &'static [Event],
    /// How many subtasks read them. Each takes its turn with blocks of events.
    pub subtasks: usize,
    /// A watermark follows so many events of all subtasks together: a block of each.
    pub every: usize,
    /// How often it goes through them, each time later.
    pub rounds: u64,
}

impl Input {
    /// The events as a stream of a job.
    pub fn stream(&self, job: &mut Job<ExactlyOnce>) -> impl Stream<Out = Event, Time = EventTime> + use<> {
        job.source(Blocks(*self)).watermarks(Every(self.block()))
    }

    fn block(&self) -> usize {
        (self.every / self.subtasks).max(1)
    }

    /// By how much later a round is than the one before.
    fn round_millis(&self) -> i64 {
        let millis = |event: Option<&Event>| event.map_or(0, |event| event.date_time().millis());
        millis(self.events.last()) - millis(self.events.first()) + 1
    }
}

/// See [`Input`].
#[derive(Debug, Clone, Copy)]
struct Blocks(Input);

/// The round, and the place of the next event in it.
type Place = (u64, u64);

impl Source for Blocks {
    type Out = Event;
    type Time = EventTime;
    type Split = Place;
    type Enumerator = Firsts;
    type Reader = BlocksReader;

    fn name(&self) -> String {
        "events".to_owned()
    }

    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn enumerator(&self, _: &SourceContext) -> Result<Firsts, Failure> {
        Ok(Firsts { subtasks: self.0.subtasks, block: self.0.block() })
    }

    fn reader(&self, _: &SourceContext) -> Result<BlocksReader, Failure> {
        Ok(BlocksReader { of: self.0, round_millis: self.0.round_millis(), round: 0, next: 0 })
    }
}

impl Replayable for Blocks {}

/// Gives each subtask its first block.
#[derive(Debug)]
struct Firsts {
    subtasks: usize,
    block: usize,
}

impl SplitEnumerator for Firsts {
    type Split = Place;
    type State = ();

    async fn discover(&mut self) -> Result<Discovered<Place>, Failure> {
        Ok(Discovered::all((0..self.subtasks).map(|subtask| (0, (subtask * self.block) as u64)).collect()))
    }

    fn state(&self) {}

    fn restore(&mut self, (): ()) -> Result<(), Failure> {
        Ok(())
    }
}

/// Reads the blocks of one subtask.
#[derive(Debug)]
struct BlocksReader {
    of: Input,
    round_millis: i64,
    round: u64,
    next: usize,
}

impl SplitReader for BlocksReader {
    type Out = Event;
    type Split = Place;

    fn open(&mut self, (round, next): Place) -> Result<(), Failure> {
        (self.round, self.next) = (round, next as usize);
        Ok(())
    }

    async fn fetch(&mut self) -> Result<Fetched, Failure> {
        Ok(if self.round < self.of.rounds { Fetched::Data } else { Fetched::EndOfSplit })
    }

    fn emit<N: Push<Event>>(&mut self, out: &mut Emit<'_, Event, N>) -> Result<Emitted, Failure> {
        let Input { events, subtasks, rounds, .. } = self.of;
        let block = self.of.block();
        let subtask = self.next / block % subtasks;
        while self.round < rounds {
            let later = self.round as i64 * self.round_millis;
            while self.next < events.len() {
                let end = (self.next / block + 1) * block;
                let part = &events[self.next..end.min(events.len())];
                let pushed = out.push_all(part, |event| Timestamp::from_millis(event.date_time().millis() + later));
                if pushed < part.len() {
                    self.next += pushed;
                    return Ok(Emitted::Some);
                }
                self.next = end + (subtasks - 1) * block;
            }
            self.round += 1;
            self.next = subtask * block;
        }
        Ok(Emitted::All)
    }

    fn position(&self) -> Place {
        (self.round, self.next as u64)
    }
}

/// A watermark behind so many events of a subtask.
#[derive(Debug, Clone, Copy)]
struct Every(usize);

impl WatermarkStrategy<Event> for Every {
    type Generator = Counting;
    fn generator(&self) -> Counting {
        Counting { every: self.0, left: self.0, last: Timestamp::MIN }
    }
}

/// Counts events up to the next watermark.
#[derive(Debug)]
struct Counting {
    every: usize,
    left: usize,
    last: Timestamp,
}

impl WatermarkGenerator<Event> for Counting {
    #[inline(always)]
    fn on_record(&mut self, _: EventView<'_>, at: Timestamp) -> bool {
        self.left -= 1;
        if self.left > 0 {
            return false;
        }
        self.left = self.every;
        self.last = Timestamp::from_millis(at.millis() - 1);
        true
    }

    fn watermark(&self) -> Timestamp {
        self.last
    }
}
