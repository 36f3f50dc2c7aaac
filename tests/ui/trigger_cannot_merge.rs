//! A trigger that cannot merge, for windows that do.

use millstream::{
    prelude::*,
    windows::{Clock, Merging, RecordAssigner, WindowsOn},
};

#[derive(Record)]
struct Trade {
    symbol: String,
    price: f64,
    quantity: u64,
    #[record(event_time)]
    at: Timestamp,
}

/// Windows of a minute from each trade on, which merge.
#[derive(Clone)]
struct Sessions;

impl RecordAssigner<Trade> for Sessions {
    const CLOCK: Clock = Clock::Event;
    type Kind = Merging;
    type Trigger = triggers::EventTime;

    fn assign(&self, _: TradeView<'_>, at: Timestamp, mut visit: impl FnMut(Window)) {
        visit(Window::new(at, at + 1.minutes()));
    }
    fn trigger(&self) -> triggers::EventTime {
        triggers::event_time()
    }
    fn describe(&self) -> String {
        "sessions".into()
    }
}

impl WindowsOn<EventTime> for Sessions {}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    let trades = trades.event_time(monotonous()).key_by(|trade| trade.quantity);
    let change = |a: TradeView<'_>, b: TradeView<'_>| (a.price - b.price).abs();
    trades.window(Sessions).trigger(triggers::delta(0.5, change)).aggregate(|of| of.count()).sink(print());
}

fn main() {}
