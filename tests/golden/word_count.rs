//! Words of several files, counted once at the end of the input.

use std::path::Path;

use millstream::prelude::*;
use millstream_connectors::csv::CsvFiles;

use crate::golden;

#[derive(Record, Clone, Debug)]
struct Line {
    line: String,
}

#[derive(Record, Clone, Debug)]
struct Count {
    word: String,
    count: u64,
}

fn count_words(job: &mut Job<ExactlyOnce>, input: &Path, output: &Path) {
    job.source(CsvFiles::<Line>::read(input).split_bytes(crate::SPLIT_BYTES))
        .flat_map(|line| line.line.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>())
        .key_by(|word| word.to_owned())
        .window(global())
        .aggregate(|of| of.count())
        .uid("counts")
        .map(|(word, _, count)| Count { word: word.to_owned(), count })
        .sink(CsvFiles::write(output));
}

#[test]
fn word_count() {
    golden("word_count", count_words).check();
}
