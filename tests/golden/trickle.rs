//! A source that takes its time: a few trades, a pause, a few more. Watermarks pass in the middle of the input, which a file that is read at
//! once does not show.

use std::{path::Path, sync::Arc, time::Duration};

use millstream::{
    env::Env,
    failure::Failure,
    prelude::*,
    source::{Boundedness, Discovered, Emit, Emitted, Fetched, Source, SourceContext, SplitEnumerator, SplitReader},
    stream::Replayable,
};

use crate::trade::Trade;

/// How many trades come together.
const TOGETHER: usize = 7;
/// How long nothing comes after them.
const PAUSE: Duration = Duration::from_millis(1);

/// The trades of a file, dealt to splits in turn: all splits go through the same time.
pub(crate) struct Trickle {
    trades: Arc<[Trade]>,
    splits: usize,
}

/// Reads a file by a parser that is not the engine's.
pub(crate) fn trickle(input: &Path, splits: usize) -> Trickle {
    let mut reader = csv::Reader::from_path(input).expect("the input is there");
    let trade = |row: csv::StringRecord| Trade {
        symbol: row[0].to_owned(),
        price: (!row[1].is_empty()).then(|| row[1].parse().expect("a price")),
        shares: row[2].parse().expect("a number of shares"),
        at: Timestamp::parse(row[3].as_bytes()).expect("a time"),
    };
    let trades = reader.records().map(|row| trade(row.expect("the input is whole"))).collect();
    Trickle { trades, splits }
}

impl Source for Trickle {
    type Out = Trade;
    type Time = NoTime;
    /// The next trade of the split.
    type Split = u64;
    type Enumerator = Deal;
    type Reader = TrickleReader;

    fn name(&self) -> String {
        "trickle".into()
    }

    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn enumerator(&self, _: &SourceContext) -> Result<Deal, Failure> {
        Ok(Deal { splits: self.splits as u64 })
    }

    fn reader(&self, cx: &SourceContext) -> Result<TrickleReader, Failure> {
        let trades = Arc::clone(&self.trades);
        Ok(TrickleReader { env: Arc::clone(cx.env()), trades, step: self.splits, next: 0, here: 0 })
    }
}

impl Replayable for Trickle {}

pub(crate) struct Deal {
    splits: u64,
}

impl SplitEnumerator for Deal {
    type Split = u64;
    type State = ();

    async fn discover(&mut self) -> Result<Discovered<u64>, Failure> {
        Ok(Discovered::all((0..self.splits).collect()))
    }

    fn state(&self) {}

    fn restore(&mut self, (): ()) -> Result<(), Failure> {
        Ok(())
    }
}

pub(crate) struct TrickleReader {
    env: Arc<dyn Env>,
    trades: Arc<[Trade]>,
    step: usize,
    next: usize,
    /// How many trades have come and were not pushed yet.
    here: usize,
}

impl SplitReader for TrickleReader {
    type Out = Trade;
    type Split = u64;

    fn open(&mut self, next: u64) -> Result<(), Failure> {
        self.next = next as usize;
        Ok(())
    }

    async fn fetch(&mut self) -> Result<Fetched, Failure> {
        self.env.sleep(PAUSE).await;
        if self.next >= self.trades.len() {
            return Ok(Fetched::EndOfSplit);
        }
        self.here = TOGETHER;
        Ok(Fetched::Data)
    }

    fn emit<N: Push<Trade>>(&mut self, out: &mut Emit<'_, Trade, N>) -> Result<Emitted, Failure> {
        while self.here > 0 {
            if out.is_full() {
                return Ok(Emitted::Some);
            }
            self.here -= 1;
            if let Some(trade) = self.trades.get(self.next) {
                out.push(trade.view(), Timestamp::MIN);
                self.next += self.step;
            }
        }
        Ok(Emitted::All)
    }

    fn position(&self) -> u64 {
        self.next as u64
    }
}
