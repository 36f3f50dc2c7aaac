//! A source of numbers, so many in each second of event time, with a watermark behind each second: for benches of windows whose input need not be kept.

use millstream::{
    failure::Failure,
    operator::Push,
    prelude::*,
    source::{Boundedness, Discovered, Emit, Emitted, Fetched, Source, SourceContext, SplitEnumerator, SplitReader},
    stream::{EventTime, Replayable},
};

/// The numbers from 0 on as a stream of a job, read by one subtask.
pub fn seconds(
    job: &mut Job<ExactlyOnce>,
    seconds: u64,
    in_second: u64,
) -> impl Stream<Out = u64, Time = EventTime> + use<> {
    let last_of_second = move |number: u64, at: Timestamp| {
        (number % in_second == in_second - 1).then(|| Timestamp::from_millis(at.millis() + 999))
    };
    job.source(Seconds { seconds, in_second }).watermarks(punctuated(last_of_second))
}

#[derive(Debug, Clone, Copy)]
struct Seconds {
    seconds: u64,
    in_second: u64,
}

impl Source for Seconds {
    type Out = u64;
    type Time = EventTime;
    type Split = u64;
    type Enumerator = OneSplit;
    type Reader = SecondsReader;

    fn name(&self) -> String {
        "seconds".to_owned()
    }

    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn enumerator(&self, _: &SourceContext) -> Result<OneSplit, Failure> {
        Ok(OneSplit)
    }

    fn reader(&self, _: &SourceContext) -> Result<SecondsReader, Failure> {
        Ok(SecondsReader { of: *self, next: 0 })
    }
}

impl Replayable for Seconds {}

#[derive(Debug)]
struct OneSplit;

impl SplitEnumerator for OneSplit {
    type Split = u64;
    type State = ();

    async fn discover(&mut self) -> Result<Discovered<u64>, Failure> {
        Ok(Discovered::all(vec![0]))
    }

    fn state(&self) {}

    fn restore(&mut self, (): ()) -> Result<(), Failure> {
        Ok(())
    }
}

#[derive(Debug)]
struct SecondsReader {
    of: Seconds,
    next: u64,
}

impl SplitReader for SecondsReader {
    type Out = u64;
    type Split = u64;

    fn open(&mut self, next: u64) -> Result<(), Failure> {
        self.next = next;
        Ok(())
    }

    async fn fetch(&mut self) -> Result<Fetched, Failure> {
        Ok(if self.next < self.of.seconds * self.of.in_second { Fetched::Data } else { Fetched::EndOfSplit })
    }

    fn emit<N: Push<u64>>(&mut self, out: &mut Emit<'_, u64, N>) -> Result<Emitted, Failure> {
        let Seconds { seconds, in_second } = self.of;
        while self.next < seconds * in_second {
            let second = self.next / in_second;
            let at = Timestamp::from_millis(second as i64 * 1_000);
            for number in self.next..(second + 1) * in_second {
                if out.is_full() {
                    self.next = number;
                    return Ok(Emitted::Some);
                }
                out.push(number, at);
            }
            self.next = (second + 1) * in_second;
        }
        Ok(Emitted::All)
    }

    fn position(&self) -> u64 {
        self.next
    }
}
