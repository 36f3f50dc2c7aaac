//! Each payment once, however often it was delivered: a state for each id that lasts as long as duplicates may come.
//!
//! `cargo run --release --example dedup -- run` reads `examples/data/deliveries.csv` and writes CSV files to `target/dedup`.

use millstream::{metrics::Counter, prelude::*};

/// A payment, as it is delivered: at least once.
#[derive(Record)]
struct Payment {
    id: u64,
    customer: String,
    cents: i64,
    #[record(event_time)]
    at: Timestamp,
}

#[derive(State, Default)]
struct Delivered {
    times: u64,
}

/// Lets the first delivery of each payment through.
///
/// All deliveries of a payment have its time. So once the watermark has reached that, nothing has to be remembered: what still comes is late, and could be either.
#[derive(Clone, Default)]
struct Once {
    duplicates: Counter,
    too_late: Counter,
}

#[process]
impl Once {
    fn open(&mut self, cx: &OpenContext<'_>) {
        self.duplicates = cx.counter("duplicates");
        self.too_late = cx.counter("too_late");
    }

    fn on_record(
        &mut self,
        payment: PaymentView<'_>,
        delivered: &mut StateOf<Delivered>,
        cx: &mut KeyedContext<'_, u64, Payment>,
    ) {
        if payment.at <= cx.watermark() {
            self.too_late.add(1);
            return;
        }
        delivered.times += 1;
        if delivered.times > 1 {
            self.duplicates.add(1);
            return;
        }
        cx.event_timer(payment.at);
        cx.emit(payment);
    }

    fn on_timer(&mut self, _: Timer, delivered: &mut StateOf<Delivered>, _: &mut KeyedContext<'_, u64, Payment>) {
        delivered.clear();
    }
}

#[derive(Args)]
struct DedupArgs {
    /// The deliveries: a CSV file, a directory or a pattern.
    #[arg(long, default_value = "examples/data/deliveries.csv")]
    input: String,
    /// The directory to write to; what an earlier run left there is replaced.
    #[arg(long, default_value = "target/dedup")]
    output: String,
}

/// Each payment once.
#[job]
fn dedup(job: &mut Job<ExactlyOnce>, args: DedupArgs) {
    job.source(CsvFiles::<Payment>::read(args.input))
        .event_time(out_of_order(30.seconds()))
        .key_by(|payment| payment.id)
        .process(Once::default())
        .sink(CsvFiles::write(args.output).overwrite());
}

millstream::main!();
