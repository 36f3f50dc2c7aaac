//! How often each word occurs in a text.
//!
//! `cargo run --release --example word_count -- run` reads `examples/data/river.txt` and writes CSV files to `target/word_count`.

use millstream::prelude::*;

/// The words of a line, borrowed from it: nothing is copied before a word is counted.
#[flat_map]
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace()
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
    /// The text: a file, a directory or a pattern; `.gz` and `.zst` are unpacked.
    #[arg(long, default_value = "examples/data/river.txt")]
    input: String,
    /// The directory to write to; what an earlier run left there is replaced.
    #[arg(long, default_value = "target/word_count")]
    output: String,
}

/// How often each word occurs.
#[job]
fn word_count(job: &mut Job, args: WordCountArgs) {
    job.source(TextFiles::read(args.input))
        .then(words)
        .key_with(word)
        .at_end(|of| of.count())
        .map(|(word, count)| WordCount { word: word.into(), count })
        .sink(CsvFiles::write(args.output).overwrite());
}

millstream::main!();
