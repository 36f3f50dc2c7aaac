//! [`generate()`]: a source of made-up records, the same ones for the same seed.

use std::{collections::VecDeque, ops::Range, sync::Arc, time::Duration};

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
///
/// Each subtask takes its turn with the indices. A job that goes on from a checkpoint makes each index that is missing once, also with another parallelism.
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
    /// Sequences of indices, of which the next is always the lowest.
    type Split = Vec<Indices>;
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
        Ok(GeneratorEnumerator { records: self.records, parallelism: cx.parallelism(), given: 0, ranges })
    }

    fn reader(&self, cx: &SourceContext) -> Result<GeneratorReader<F, C>, Failure> {
        let pace = self.rate.map(|rate| Pace { env: Arc::clone(cx.env()), of_all: rate, rate, began: None, made: 0 });
        Ok(GeneratorReader {
            seed: self.seed,
            make: Arc::clone(&self.make),
            clock: self.clock.clone(),
            sequences: Vec::new(),
            pace,
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
    parallelism: usize,
    /// How many splits have been given.
    given: usize,
    /// Whether splits may be ranges.
    ranges: bool,
}

impl GeneratorEnumerator {
    /// What never ends has no ranges, and what keeps to a rate comes in the order of time.
    fn has_ranges(&self) -> bool {
        self.records.is_some() && self.ranges
    }
}

impl SplitEnumerator for GeneratorEnumerator {
    type Split = Vec<Indices>;
    type State = ();

    async fn discover(&mut self) -> Result<Discovered<Vec<Indices>>, Failure> {
        let end = self.records.unwrap_or(u64::MAX);
        let splits = if self.has_ranges() {
            let starts = (0..end.div_ceil(SPLIT_RECORDS)).map(|i| i * SPLIT_RECORDS);
            starts.map(|from| vec![(from, end.min(from.saturating_add(SPLIT_RECORDS)), 1)]).collect()
        } else {
            let step = self.parallelism as u64;
            (0..step).map(|first| vec![(first, end, step)]).collect()
        };
        Ok(Discovered::all(splits))
    }

    /// Without ranges there is one split for each subtask. After a restore that may be another number than before: some then have several sequences, or
    /// sequences are cut in two, each with every other index.
    fn assign(&mut self, waiting: &mut VecDeque<Vec<Indices>>, _: usize) -> Option<Vec<Indices>> {
        if self.has_ranges() {
            return waiting.pop_front();
        }
        let mut sequences: VecDeque<_> = waiting.drain(..).flatten().collect();
        let without = self.parallelism.saturating_sub(self.given).max(1);
        while !sequences.is_empty() && sequences.len() < without {
            let (next, end, step) = sequences.pop_front()?;
            let twice = step.saturating_mul(2);
            sequences.extend([(next, end, twice), (next.saturating_add(step), end, twice)]);
        }
        let split: Vec<_> = sequences.drain(..sequences.len().div_ceil(without)).collect();
        waiting.extend(sequences.into_iter().map(|sequence| vec![sequence]));
        if split.is_empty() {
            return None;
        }
        self.given += 1;
        Some(split)
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
    sequences: Vec<Indices>,
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
    type Split = Vec<Indices>;

    fn open(&mut self, split: Vec<Indices>) -> Result<(), Failure> {
        if let Some(pace) = &mut self.pace {
            // A subtask has its share of the rate: as many indices as it has of all.
            let share: f64 = split.iter().map(|(.., step)| 1.0 / *step as f64).sum();
            (pace.rate, pace.began, pace.made) = (pace.of_all * share, None, 0);
        }
        (self.sequences, self.allowed) = (split, 0);
        Ok(())
    }

    async fn fetch(&mut self) -> Result<Fetched, Failure> {
        if self.lowest().is_none() {
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
        let mut allowed = self.allowed;
        let mut emitted = Emitted::All;
        while let Some((lowest, until)) = self.lowest() {
            if allowed == 0 || emitted == Emitted::Some {
                break;
            }
            let (mut next, end, step) = self.sequences[lowest];
            while next < end && next <= until && allowed > 0 {
                if out.is_full() {
                    emitted = Emitted::Some;
                    break;
                }
                let record = (self.make)(&mut Random::of(self.seed, next), next);
                out.push(record.view(), self.clock.time(next));
                allowed -= 1;
                next = next.saturating_add(step);
            }
            self.sequences[lowest].0 = next;
        }
        // Without a pace there is nothing to use up.
        self.allowed = if self.pace.is_some() { allowed } else { u64::MAX };
        Ok(emitted)
    }

    fn position(&self) -> Vec<Indices> {
        self.sequences.clone()
    }
}

impl<F, C> GeneratorReader<F, C> {
    /// The sequence with the lowest index that is left, and how far it may be followed before another one has a lower one.
    fn lowest(&self) -> Option<(usize, u64)> {
        let left = || self.sequences.iter().enumerate().filter(|(_, (next, end, _))| next < end);
        let (lowest, _) = left().min_by_key(|(_, (next, ..))| *next)?;
        let until = left().filter(|(other, _)| *other != lowest).map(|(_, (next, ..))| *next).min();
        Some((lowest, until.unwrap_or(u64::MAX)))
    }
}

/// Keeps to a rate.
struct Pace {
    env: Arc<dyn Env>,
    /// Records in a second, of all subtasks.
    of_all: f64,
    /// And of this one.
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

    /// The numbers of a seed for one index, as [`generate()`] hands them to `make`.
    #[inline]
    pub fn of(seed: u64, index: u64) -> Self {
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

    /// Assigns what waits, subtask after subtask, and follows every split so many indices far.
    fn turn(waiting: Vec<Vec<Indices>>, parallelism: usize, far: usize, seen: &mut Vec<u64>) -> Vec<Vec<Indices>> {
        let mut enumerator = GeneratorEnumerator { records: None, parallelism, given: 0, ranges: true };
        let mut waiting = VecDeque::from(waiting);
        let mut positions = Vec::new();
        for subtask in 0..parallelism {
            let sequences = enumerator.assign(&mut waiting, subtask).expect("there is one for each");
            let make = Arc::new(());
            let mut reader = GeneratorReader { seed: 0, make, clock: Untimed, sequences, pace: None, allowed: 0 };
            let mut last = None;
            for _ in 0..far {
                let (lowest, until) = reader.lowest().expect("it never ends");
                let (next, _, step) = reader.sequences[lowest];
                assert!(last < Some(next) && next <= until, "in order");
                last = Some(next);
                seen.push(next);
                reader.sequences[lowest].0 += step;
            }
            positions.push(reader.sequences);
        }
        assert!(waiting.is_empty() && enumerator.assign(&mut waiting, 0).is_none());
        positions
    }

    #[test]
    fn no_index_is_lost_or_made_twice_when_the_parallelism_changes() {
        let (mut seen, mut positions) = (Vec::new(), (0..3).map(|first| vec![(first, u64::MAX, 3)]).collect());
        for parallelism in [3, 1, 4, 7, 2, 5] {
            positions = turn(positions, parallelism, 50, &mut seen);
            let shares: f64 = positions.iter().flatten().map(|(.., step)| 1.0 / *step as f64).sum();
            assert!((shares - 1.0).abs() < 1e-9, "{shares}");
            assert!(positions.iter().flatten().count() <= 7);
        }
        seen.sort_unstable();
        assert!(seen.windows(2).all(|pair| pair[0] < pair[1]));
        // All that is missing is still to come.
        let to_come = |index: &u64| {
            positions.iter().flatten().any(|(next, _, step)| index >= next && (index - next).is_multiple_of(*step))
        };
        assert!((0..2_000).all(|index| to_come(&index) != seen.binary_search(&index).is_ok()));
    }
}
