//! [`generate()`]: a source of made-up records, the same ones for the same seed.

use std::{ops::Range, sync::Arc, time::Duration};

use millstream_core::{record::Record, time::Timestamp};
use millstream_runtime::{
    env::{Env, Instant},
    failure::Failure,
    operator::Push,
    source::{Boundedness, Discovered, Emit, Emitted, Fetched, Source, SourceContext, SplitEnumerator, SplitReader},
    stream::{EventTime, NoTime, Replayable, TimeDomain},
};

/// How many records a split of a bounded generator has.
const SPLIT_RECORDS: u64 = 64 * 1024;
/// How far a generator with a rate may fall behind and still catch up; what is behind further is not made up for.
const CATCH_UP: Duration = Duration::from_secs(1);

/// So many records, made by `make` from its index and random numbers. Bounded.
///
/// The random numbers follow from the seed and the index alone, so the records are the same at any parallelism.
///
/// ```
/// use millstream_connectors::generate;
///
/// let rolls = generate(1_000, 42, |random, index| (index, random.range(1..7)));
/// # let _ = rolls;
/// ```
pub fn generate<T, F>(records: u64, seed: u64, make: F) -> Generator<F>
where
    T: Record,
    F: Fn(&mut Random, u64) -> T + Send + Sync + 'static,
{
    Generator { records: Some(records), seed, rate: None, make: Arc::new(make), clock: Untimed }
}

/// Records without end, as by [`generate()`]. Unbounded.
pub fn generate_unbounded<T, F>(seed: u64, make: F) -> Generator<F>
where
    T: Record,
    F: Fn(&mut Random, u64) -> T + Send + Sync + 'static,
{
    Generator { records: None, seed, rate: None, make: Arc::new(make), clock: Untimed }
}

/// See [`generate()`].
#[must_use = "a source gives nothing until `job.source(..)` takes it"]
pub struct Generator<F, C = Untimed> {
    records: Option<u64>,
    seed: u64,
    rate: Option<f64>,
    make: Arc<F>,
    clock: C,
}

/// Says when the record of an index happens, if it does at a time.
pub trait Clock: Clone + Send + Sync + 'static {
    /// Whether it does.
    type Time: TimeDomain;
    /// When it does.
    fn time(&self, index: u64) -> Timestamp;
}

/// Records without a time.
#[derive(Debug, Clone, Copy)]
pub struct Untimed;

/// Records with a time; see [`Generator::event_time`].
#[derive(Debug, Clone)]
pub struct Timed<G>(G);

impl Clock for Untimed {
    type Time = NoTime;
    #[inline(always)]
    fn time(&self, _: u64) -> Timestamp {
        Timestamp::MIN
    }
}

impl<G: Fn(u64) -> Timestamp + Clone + Send + Sync + 'static> Clock for Timed<G> {
    type Time = EventTime;
    #[inline(always)]
    fn time(&self, index: u64) -> Timestamp {
        (self.0)(index)
    }
}

impl<F> Generator<F> {
    /// Gives each record the time that `time` says of its index. Watermarks come from `.watermarks(..)` on the stream.
    pub fn event_time<G>(self, time: G) -> Generator<F, Timed<G>>
    where
        G: Fn(u64) -> Timestamp + Clone + Send + Sync + 'static,
    {
        let Self { records, seed, rate, make, clock: Untimed } = self;
        Generator { records, seed, rate, make, clock: Timed(time) }
    }
}

impl<F, C> Generator<F, C> {
    /// Makes no more than so many records in a second, all subtasks together.
    ///
    /// # Panics
    ///
    /// If it is not above 0.
    #[track_caller]
    pub fn rate(mut self, records_per_second: f64) -> Self {
        assert!(records_per_second > 0.0 && records_per_second.is_finite(), "a rate is above 0");
        self.rate = Some(records_per_second);
        self
    }
}

/// Indices: the next one, the end, and the step from one to the next.
type Indices = (u64, u64, u64);

impl<T, F, C> Source for Generator<F, C>
where
    C: Clock,
    T: Record,
    F: Fn(&mut Random, u64) -> T + Send + Sync + 'static,
{
    type Out = T;
    type Time = C::Time;
    type Split = Indices;
    type Enumerator = GeneratorEnumerator;
    type Reader = GeneratorReader<F, C>;

    fn name(&self) -> String {
        "generate".to_owned()
    }

    fn boundedness(&self) -> Boundedness {
        if self.records.is_some() { Boundedness::Bounded } else { Boundedness::Unbounded }
    }

    fn enumerator(&self, cx: &SourceContext) -> Result<GeneratorEnumerator, Failure> {
        let ranges = self.rate.is_none();
        Ok(GeneratorEnumerator { records: self.records, parallelism: cx.parallelism() as u64, ranges })
    }

    fn reader(&self, cx: &SourceContext) -> Result<GeneratorReader<F, C>, Failure> {
        let rate = self.rate.map(|rate| rate / cx.parallelism() as f64);
        Ok(GeneratorReader {
            seed: self.seed,
            make: Arc::clone(&self.make),
            clock: self.clock.clone(),
            indices: (0, 0, 1),
            pace: rate.map(|rate| Pace { env: Arc::clone(cx.env()), rate, began: None, made: 0 }),
            allowed: 0,
        })
    }
}

impl<T, F, C> Replayable for Generator<F, C>
where
    C: Clock,
    T: Record,
    F: Fn(&mut Random, u64) -> T + Send + Sync + 'static,
{
}

/// Cuts indices into splits.
#[derive(Debug)]
pub struct GeneratorEnumerator {
    records: Option<u64>,
    parallelism: u64,
    /// Whether splits may be ranges.
    ranges: bool,
}

impl SplitEnumerator for GeneratorEnumerator {
    type Split = Indices;
    type State = ();

    async fn discover(&mut self) -> Result<Discovered<Indices>, Failure> {
        let splits = match self.records {
            Some(records) if self.ranges => {
                let starts = (0..records.div_ceil(SPLIT_RECORDS)).map(|i| i * SPLIT_RECORDS);
                starts.map(|from| (from, records.min(from.saturating_add(SPLIT_RECORDS)), 1)).collect()
            }
            // One for each subtask, who take turns: what never ends has no ranges, and what keeps to a rate comes in the order of time.
            records => {
                let end = records.unwrap_or(u64::MAX);
                (0..self.parallelism).map(|first| (first, end, self.parallelism)).collect()
            }
        };
        Ok(Discovered::all(splits))
    }

    fn state(&self) {}

    fn restore(&mut self, (): ()) -> Result<(), Failure> {
        Ok(())
    }
}

/// Makes the records of splits.
pub struct GeneratorReader<F, C> {
    seed: u64,
    make: Arc<F>,
    clock: C,
    indices: Indices,
    pace: Option<Pace>,
    /// How many records may be made before the next `fetch`.
    allowed: u64,
}

impl<T, F, C> SplitReader for GeneratorReader<F, C>
where
    C: Clock,
    T: Record,
    F: Fn(&mut Random, u64) -> T + Send + Sync + 'static,
{
    type Out = T;
    type Split = Indices;

    fn open(&mut self, split: Indices) -> Result<(), Failure> {
        self.indices = split;
        Ok(())
    }

    async fn fetch(&mut self) -> Result<Fetched, Failure> {
        let (next, end, _) = self.indices;
        if next >= end {
            return Ok(Fetched::EndOfSplit);
        }
        if self.allowed == 0 {
            self.allowed = match &mut self.pace {
                Some(pace) => pace.wait().await,
                None => u64::MAX,
            };
        }
        Ok(Fetched::Data)
    }

    fn emit<N: Push<T>>(&mut self, out: &mut Emit<'_, T, N>) -> Result<Emitted, Failure> {
        let (mut next, end, step) = self.indices;
        let mut allowed = self.allowed;
        let emitted = loop {
            if next >= end || allowed == 0 {
                break Emitted::All;
            }
            if out.is_full() {
                break Emitted::Some;
            }
            let record = (self.make)(&mut Random::of(self.seed, next), next);
            out.push(record.view(), self.clock.time(next));
            allowed -= 1;
            next = next.saturating_add(step);
        };
        self.indices.0 = next;
        // Without a pace there is nothing to use up.
        self.allowed = if self.pace.is_some() { allowed } else { u64::MAX };
        Ok(emitted)
    }

    fn position(&self) -> Indices {
        self.indices
    }
}

/// Keeps to a rate.
struct Pace {
    env: Arc<dyn Env>,
    /// Records in a second.
    rate: f64,
    /// When the first record was due.
    began: Option<Instant>,
    /// Records allowed since.
    made: u64,
}

impl Pace {
    /// Waits until a record is due, and says how many are. Nothing is lost if the wait is given up.
    async fn wait(&mut self) -> u64 {
        let now = self.env.now();
        let began = *self.began.get_or_insert(now);
        if now.since(self.due(began)) > CATCH_UP {
            (self.began, self.made) = (Some(now), 0);
        }
        let began = self.began.unwrap_or(now);
        self.env.sleep_until(self.due(began)).await;
        let until_now = self.env.now().since(began).as_secs_f64() * self.rate;
        // The record that was waited for is due by the clock, whatever rounding says.
        let due = (until_now as u64).saturating_sub(self.made).max(1);
        self.made += due;
        due
    }

    /// When the next record is due.
    fn due(&self, began: Instant) -> Instant {
        began + Duration::from_secs_f64(((self.made + 1) as f64 / self.rate).min(u32::MAX.into()))
    }
}

/// Random numbers that follow from a seed (SplitMix64). Not for secrets.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The numbers of a seed for one index.
    #[inline]
    fn of(seed: u64, index: u64) -> Self {
        // Mixed twice, so that neighbouring indices and seeds have nothing in common.
        Self(mix(mix(seed ^ Self::STEP).wrapping_add(index.wrapping_mul(Self::STEP))))
    }

    /// 2^64 divided by the golden ratio, as in the original.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    /// Any number.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(Self::STEP);
        mix(self.0)
    }

    /// A number from a range; its bias is below 2^-64 times the length of the range.
    ///
    /// # Panics
    ///
    /// If the range is empty.
    #[inline]
    pub fn range(&mut self, range: Range<u64>) -> u64 {
        assert!(range.start < range.end, "a range to draw from is not empty");
        let product = u128::from(self.next_u64()) * u128::from(range.end - range.start);
        range.start + (product >> 64) as u64
    }

    /// A number from 0 up to, but not including, 1.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with this probability.
    #[inline]
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of several.
    ///
    /// # Panics
    ///
    /// If there are none.
    #[inline]
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.range(0..from.len() as u64) as usize]
    }
}

/// The output function of SplitMix64.
#[inline]
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_published_generator() {
        let mut random = Random::new(1_234_567);
        let first: Vec<_> = (0..3).map(|_| random.next_u64()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn numbers_stay_in_range_and_reach_all_of_it() {
        let mut random = Random::new(1);
        let mut seen = [false; 6];
        for _ in 0..200 {
            seen[(random.range(1..7) - 1) as usize] = true;
            assert!((0.0..1.0).contains(&random.unit()));
        }
        assert_eq!(seen, [true; 6]);
        assert_eq!(*random.pick(&["only"]), "only");
        assert!(!random.chance(0.0) && random.chance(1.0));
    }

    #[test]
    fn numbers_of_an_index_depend_on_seed_and_index_alone() {
        let first = |seed, index| Random::of(seed, index).next_u64();
        assert_eq!(first(7, 9), first(7, 9));
        let mut all: Vec<_> = (0..100).flat_map(|seed| (0..100).map(move |index| first(seed, index))).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 10_000);
    }
}
