//! The jobs that the cluster runs.

use std::{
    fs::OpenOptions,
    io::Write,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use millstream::{
    failure::Failure,
    prelude::*,
    runtime::{
        operator::Push,
        sink::{NoCommit, Prepare, Prepared, Sink, SinkContext, SinkWriter},
        source::{
            Boundedness, Discovered, Emit, Emitted, Fetched, Source, SourceContext, SplitEnumerator, SplitReader,
        },
        stream::{AtLeastOnce, NoTime, Replayable},
    },
};

/// Nanoseconds since 1970, as all processes of the machine see them.
pub(crate) fn wall_nanos() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

#[derive(clap::Args)]
pub(crate) struct PacedArgs {
    /// Records a second, of all subtasks together.
    #[arg(long)]
    rate: u64,
    /// For so long.
    #[arg(long)]
    seconds: u64,
    /// When the first is due, in nanoseconds since 1970.
    #[arg(long)]
    began: u64,
    /// Where the sink tells what it has seen: a file for each subtask.
    #[arg(long)]
    out: PathBuf,
    /// Wait for the next record without letting the processor rest.
    #[arg(long)]
    spin: bool,
}

/// Records at a fixed rate, counted by key as they come; each says when it was due.
#[job]
pub(crate) fn paced(job: &mut Job<AtLeastOnce>, args: PacedArgs) {
    let PacedArgs { rate, seconds, began, out, spin } = args;
    // One that waits without rest leaves the other processor to everybody else.
    let pace = Pace { rate, seconds, began, spin };
    let paced = job.source(Paced { args: pace.into(), is_alone: spin });
    paced
        .key_by(|(index, _)| index % 1_000)
        .rolling(|of| (of.count(), of.last(|(_, due)| due)))
        .uid("counts")
        .map(|(_, now)| now.0.1)
        .sink(Probe { out });
}

#[derive(clap::Args)]
pub(crate) struct CountArgs {
    #[arg(long)]
    records: u64,
    #[arg(long)]
    keys: u64,
    /// Aggregate before the exchange.
    #[arg(long)]
    early: bool,
    #[arg(long)]
    out: PathBuf,
}

/// Pairs counted by key, by windows that aggregate before the exchange or record by record.
#[job]
pub(crate) fn count(job: &mut Job, args: CountArgs) {
    let CountArgs { records, keys, early, out } = args;
    let pairs = job.source(Pairs { records, keys }).key_by(|(key, _)| key);
    let counts = |out| Probe { out };
    if early {
        pairs.window(global()).aggregate(|of| of.count()).map(|(key, _, count)| key ^ count).sink(counts(out));
    } else {
        pairs.rolling(|of| of.count()).filter(|(_, count)| count.0 == 1).map(|(key, _)| key).sink(counts(out));
    }
}

/// Records at a fixed rate: their number, and when each was due.
struct Paced {
    args: std::sync::Arc<Pace>,
    /// One subtask makes all records, the others none.
    is_alone: bool,
}

#[derive(Clone)]
struct Pace {
    rate: u64,
    seconds: u64,
    began: u64,
    spin: bool,
}

impl Pace {
    /// When a record is due, in nanoseconds since 1970.
    fn due(&self, index: u64) -> u64 {
        self.began + (index as u128 * 1_000_000_000 / self.rate as u128) as u64
    }
}

impl Source for Paced {
    type Out = (u64, u64);
    type Time = NoTime;
    type Split = (u64, u64); // the next record, and how many there are from one to the next
    type Enumerator = Turns;
    type Reader = PacedReader;

    fn name(&self) -> String {
        "paced".into()
    }
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }
    fn enumerator(&self, cx: &SourceContext) -> Result<Turns, Failure> {
        Ok(Turns { subtasks: if self.is_alone { 1 } else { cx.parallelism() as u64 } })
    }
    fn reader(&self, cx: &SourceContext) -> Result<PacedReader, Failure> {
        let pace = Pace::clone(&self.args);
        Ok(PacedReader { end: pace.rate * pace.seconds, pace, env: std::sync::Arc::clone(cx.env()), next: 0, step: 1 })
    }
}

impl Replayable for Paced {}

struct Turns {
    subtasks: u64,
}

impl SplitEnumerator for Turns {
    type Split = (u64, u64);
    type State = ();
    async fn discover(&mut self) -> Result<Discovered<(u64, u64)>, Failure> {
        Ok(Discovered::all((0..self.subtasks).map(|first| (first, self.subtasks)).collect()))
    }
    fn state(&self) {}
    fn restore(&mut self, (): ()) -> Result<(), Failure> {
        Ok(())
    }
}

struct PacedReader {
    pace: Pace,
    env: std::sync::Arc<dyn millstream::env::Env>,
    next: u64,
    step: u64,
    end: u64,
}

impl SplitReader for PacedReader {
    type Out = (u64, u64);
    type Split = (u64, u64);
    fn open(&mut self, (next, step): (u64, u64)) -> Result<(), Failure> {
        (self.next, self.step) = (next, step);
        Ok(())
    }
    async fn fetch(&mut self) -> Result<Fetched, Failure> {
        if self.next >= self.end {
            return Ok(Fetched::EndOfSplit);
        }
        loop {
            let (due, now) = (self.pace.due(self.next), wall_nanos());
            if due <= now {
                return Ok(Fetched::Data);
            }
            match self.pace.spin {
                // For some microseconds: too short to ask the runtime for something else to do, which would wake its other threads over and over. Who else
                // has something to do on this processor may do it.
                true => std::thread::yield_now(),
                false => self.env.sleep(Duration::from_nanos(due - now)).await,
            }
        }
    }
    fn emit<N: Push<(u64, u64)>>(&mut self, out: &mut Emit<'_, (u64, u64), N>) -> Result<Emitted, Failure> {
        let now = wall_nanos();
        while self.next < self.end {
            let due = self.pace.due(self.next);
            if due > now {
                break;
            }
            if out.is_full() {
                return Ok(Emitted::Some);
            }
            out.push((self.next, due), Timestamp::MIN);
            self.next += self.step;
        }
        Ok(Emitted::All)
    }
    fn position(&self) -> (u64, u64) {
        (self.next, self.step)
    }
}

/// Pairs of a key and a number, as fast as they can be made.
struct Pairs {
    records: u64,
    keys: u64,
}

/// How many pairs a split has.
const SPLIT_PAIRS: u64 = 1 << 20;

impl Source for Pairs {
    type Out = (u64, u64);
    type Time = NoTime;
    type Split = (u64, u64); // from, to
    type Enumerator = Ranges;
    type Reader = PairsReader;

    fn name(&self) -> String {
        "pairs".into()
    }
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }
    fn enumerator(&self, _: &SourceContext) -> Result<Ranges, Failure> {
        Ok(Ranges { records: self.records })
    }
    fn reader(&self, _: &SourceContext) -> Result<PairsReader, Failure> {
        Ok(PairsReader { keys: self.keys, next: 0, end: 0 })
    }
}

struct Ranges {
    records: u64,
}

impl SplitEnumerator for Ranges {
    type Split = (u64, u64);
    type State = ();
    async fn discover(&mut self) -> Result<Discovered<(u64, u64)>, Failure> {
        let starts = (0..self.records).step_by(SPLIT_PAIRS as usize);
        Ok(Discovered::all(starts.map(|from| (from, self.records.min(from + SPLIT_PAIRS))).collect()))
    }
    fn state(&self) {}
    fn restore(&mut self, (): ()) -> Result<(), Failure> {
        Ok(())
    }
}

struct PairsReader {
    keys: u64,
    next: u64,
    end: u64,
}

impl SplitReader for PairsReader {
    type Out = (u64, u64);
    type Split = (u64, u64);
    fn open(&mut self, (from, to): (u64, u64)) -> Result<(), Failure> {
        (self.next, self.end) = (from, to);
        Ok(())
    }
    async fn fetch(&mut self) -> Result<Fetched, Failure> {
        Ok(if self.next < self.end { Fetched::Data } else { Fetched::EndOfSplit })
    }
    fn emit<N: Push<(u64, u64)>>(&mut self, out: &mut Emit<'_, (u64, u64), N>) -> Result<Emitted, Failure> {
        while self.next < self.end {
            if out.is_full() {
                return Ok(Emitted::Some);
            }
            // Spread over all keys by one multiplication, so that making pairs costs next to nothing.
            let spread = self.next.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let key = ((u128::from(spread) * u128::from(self.keys)) >> 64) as u64;
            out.push((key, self.next), Timestamp::MIN);
            self.next += 1;
        }
        Ok(Emitted::All)
    }
    fn position(&self) -> (u64, u64) {
        (self.next, self.end)
    }
}

/// Tells when records come, and how late they are. A line a batch: when it came, how many records there were, and the latencies of all up to now at the end.
struct Probe {
    out: PathBuf,
}

/// Latencies are counted by the microsecond up to here.
const LATENCY_MICROS: usize = 1 << 18;

impl Sink for Probe {
    type In = u64;
    type Guarantee = AtLeastOnce;
    type Committable = ();
    type Writer = ProbeWriter;
    type Committer = NoCommit;

    fn name(&self) -> String {
        "probe".into()
    }
    fn writer(&self, cx: &SinkContext, _: Vec<()>) -> Result<ProbeWriter, Failure> {
        let failed = |error| Failure::from_error(error);
        std::fs::create_dir_all(&self.out).map_err(failed)?;
        let name = format!("{}-{}-{}", std::process::id(), cx.subtask(), wall_nanos());
        let path = self.out.join(name);
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
        Ok(ProbeWriter { file, records: 0, told: 0, latencies: vec![0; LATENCY_MICROS] })
    }
    fn committer(&self, _: &SinkContext) -> Result<NoCommit, Failure> {
        Ok(NoCommit)
    }
}

struct ProbeWriter {
    file: std::fs::File,
    records: u64,
    told: u64,
    /// How many records took so many microseconds; the last has all that took longer.
    latencies: Vec<u64>,
}

impl ProbeWriter {
    fn tell(&mut self) -> Result<(), Failure> {
        if self.told == self.records {
            return Ok(());
        }
        let new = self.records - std::mem::replace(&mut self.told, self.records);
        writeln!(self.file, "{} {new}", wall_nanos()).map_err(Failure::from_error)
    }
}

impl SinkWriter for ProbeWriter {
    type In = u64;
    type Committable = ();
    type State = ();

    fn write(&mut self, due: u64, _: Timestamp) -> Result<(), Failure> {
        self.records += 1;
        let micros = wall_nanos().saturating_sub(due) / 1_000;
        self.latencies[(micros as usize).min(LATENCY_MICROS - 1)] += 1;
        Ok(())
    }
    fn is_full(&self) -> bool {
        false
    }
    fn records(&self) -> u64 {
        self.records
    }
    async fn flush(&mut self) -> Result<(), Failure> {
        self.tell()
    }
    async fn prepare(&mut self, at: Prepare) -> Result<Prepared<()>, Failure> {
        self.tell()?;
        if at.last {
            let told = self.latencies.iter().enumerate().filter(|(_, count)| **count > 0);
            let told: String = told.map(|(micros, count)| format!("latency {micros} {count}\n")).collect();
            self.file.write_all(told.as_bytes()).map_err(Failure::from_error)?;
        }
        Ok(Prepared::closed(Vec::new()))
    }
}
