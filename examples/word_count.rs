//! How often each word occurs in a text.
//!
//! `cargo run --release --example word_count` reads `examples/data/river.csv` and prints each word with its count.

use millstream::prelude::*;

#[derive(Record)]
struct Text {
    line: String,
}

/// The words of a line, borrowed from it: nothing is copied before a word is counted.
#[flat_map]
fn words(text: TextView<'_>) -> impl Iterator<Item = &str> {
    text.line.split_whitespace()
}

#[key]
fn word(word: &str) -> &str {
    word
}

#[derive(Record)]
struct WordCount {
    word: String,
    count: u64,
}

#[derive(Args)]
struct WordCountArgs {
    /// A CSV file with a column `line`.
    #[arg(long, default_value = "examples/data/river.csv")]
    input: String,
    /// The directory to write to; what an earlier run left there is replaced.
    #[arg(long, default_value = "target/word_count")]
    output: String,
}

/// How often each word occurs.
#[job]
fn word_count(job: &mut Job, args: WordCountArgs) {
    job.source(CsvFiles::<Text>::read(args.input))
        .then(words)
        .key_with(word)
        .window(global())
        .aggregate(|of| of.count())
        .map(|(word, _, count)| WordCount { word: word.into(), count })
        .sink(CsvFiles::write(args.output).overwrite());
}

millstream::main!();
