//! A window function with state, on windows that merge.

use millstream::{
    failure::Failure,
    prelude::*,
    windows::{Clock, Merging, RecordAssigner, WindowContext, WindowFunction, WindowsOn},
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

/// Numbers the results of a window.
#[derive(Clone)]
struct Numbered;

impl WindowFunction for Numbered {
    type Key = u64;
    type In = u64;
    type State = u64;
    type Out = (u64, u64);

    fn fire<N: Push<(u64, u64)>>(
        &mut self,
        count: u64,
        firings: &mut u64,
        cx: &mut WindowContext<'_, '_, u64, (u64, u64), N>,
    ) -> Result<(), Failure> {
        *firings += 1;
        cx.emit((*firings, count));
        Ok(())
    }
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    let trades = trades.event_time(monotonous()).key_by(|trade| trade.quantity);
    trades.window(Sessions).aggregate_with(|of| of.count(), Numbered).sink(print());
}

fn main() {}
