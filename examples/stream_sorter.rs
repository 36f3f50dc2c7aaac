//! What users did, in the order in which they did it: events that come out of order are sorted by their time, and each is put beside the one before.
//!
//! `cargo run --release --example stream_sorter -- run` reads `examples/data/activity.csv` and writes CSV files to `target/stream_sorter`.

use millstream::prelude::*;

/// Something that a user did.
#[derive(Record)]
struct Activity {
    user: String,
    action: String,
    #[record(event_time)]
    at: Timestamp,
}

#[key]
fn user(activity: ActivityView<'_>) -> &str {
    activity.user
}

/// What a user did, and how many milliseconds after the action before.
#[derive(Record)]
struct Step {
    user: String,
    action: String,
    at: Timestamp,
    pause: Option<u64>,
}

/// By the order of time a pause is never negative.
fn step(activity: ActivityView<'_>, last: &mut Option<Timestamp>) -> Step {
    let pause = last.replace(activity.at).map(|last| (activity.at - last).as_millis() as u64);
    Step { user: activity.user.to_owned(), action: activity.action.to_owned(), at: activity.at, pause }
}

#[derive(Args)]
struct StreamSorterArgs {
    /// What users did: a CSV file, a directory or a pattern.
    #[arg(long, default_value = "examples/data/activity.csv")]
    input: String,
    /// The directory to write to; what an earlier run left there is replaced.
    #[arg(long, default_value = "target/stream_sorter")]
    output: String,
    /// By how many seconds events may be out of order; what comes later still is left out.
    #[arg(long, default_value_t = 5)]
    disorder: u64,
}

/// What users did, in order, with the pauses between.
#[job]
fn stream_sorter(job: &mut Job<ExactlyOnce>, args: StreamSorterArgs) {
    job.source(CsvFiles::<Activity>::read(args.input))
        .event_time(out_of_order(args.disorder.seconds()))
        .key_with(user)
        .sort_by_time()
        .key_with(user)
        .map_with_state(step)
        .sink(CsvFiles::write(args.output).overwrite());
}

millstream::main!();
