//! Query 0, pass through: all bids as they are. What it takes is what the engine takes for itself.

use millstream::{prelude::*, stream::ExactlyOnce};

use super::{QueryArgs, bid, events};
use crate::{Bid, Event};

/// All bids.
pub fn answer(events: impl Stream<Out = Event>) -> impl Stream<Out = Bid> {
    events.then(bid)
}

/// Writes all bids to files.
#[job]
pub fn q0(job: &mut Job<ExactlyOnce>, args: QueryArgs) {
    answer(events(job, &args.nexmark())).sink(CsvFiles::write(args.output));
}
