//! Arguments that clap cannot read.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    symbol: String,
    price: f64,
    quantity: u64,
    #[record(event_time)]
    at: Timestamp,
}

struct TradesArgs {
    input: String,
}

#[job]
fn trades(job: &mut Job, args: TradesArgs) {
    job.source(CsvFiles::<Trade>::read(args.input)).sink(print());
}

fn main() {}
