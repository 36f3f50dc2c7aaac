//! A partition named by something that cannot be displayed.

use millstream::prelude::*;

#[derive(Record, Clone)]
struct Trade {
    market: Option<u32>,
}

#[job]
fn trades(job: &mut Job) {
    job.source(records(vec![Trade { market: None }]))
        .sink(CsvFiles::<Trade>::write("out").partition_by(|trade| trade.market));
}

fn main() {}
