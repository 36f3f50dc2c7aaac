//! Word count over 150 MB of text in a file, beside a loop on one thread that counts slices of the file in memory.
#![allow(missing_docs, reason = "criterion's macros make functions without")]
#![allow(clippy::disallowed_methods, reason = "benches stand outside of the engine")]

use std::{fs, path::Path};

use criterion::{Criterion, criterion_group, criterion_main};
use hashbrown::HashMap;
use millstream::prelude::*;
use millstream_benches::{Machine, Ratio, Tally, bid::Random, print_ratio, tally};

const TEXT_BYTES: usize = 150_000_000;
/// How many different words there are.
const WORDS: u64 = 50_000;
const ROUNDS: usize = 5;

#[flat_map]
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_ascii_whitespace()
}

#[key]
fn word(word: &str) -> &str {
    word
}

/// What identifies a count.
fn digest(word: &str, count: u64) -> u64 {
    count.wrapping_mul(word.len() as u64) ^ u64::from(word.as_bytes()[0])
}

fn by_hand(path: &Path) -> (u64, u64) {
    let text = fs::read(path).expect("the text is there");
    let text = std::str::from_utf8(&text).expect("the text is UTF-8");
    let mut counts = HashMap::<&str, u64, foldhash::fast::RandomState>::default();
    for line in text.lines() {
        for word in line.split_ascii_whitespace() {
            *counts.entry(word).or_default() += 1;
        }
    }
    let sum = counts.iter().fold(0, |sum: u64, (word, count)| sum.wrapping_add(digest(word, *count)));
    (counts.len() as u64, sum)
}

fn by_job(machine: &Machine, parallelism: usize, path: &Path, total: &Tally) -> (u64, u64) {
    machine.run(parallelism, |job| {
        job.source(TextFiles::read(path))
            .then(words)
            .key_with(word)
            .at_end(|of| of.count())
            .sink(tally(total, |(word, count)| digest(word, count)));
    });
    total.take()
}

/// Lines of ten words, the low-numbered ones more often, as in a language. Gives the number of words.
fn write_text(path: &Path) -> usize {
    let mut random = Random::default();
    let vocabulary: Vec<String> = (0..WORDS)
        .map(|_| (0..2 + random.below(9)).map(|_| char::from(b'a' + random.below(26) as u8)).collect())
        .collect();
    let (mut text, mut words) = (String::with_capacity(TEXT_BYTES + 16), 0);
    while text.len() < TEXT_BYTES {
        // The product of two uniform numbers favours the small ones.
        let (a, b) = (random.below(WORDS), random.below(WORDS));
        text.push_str(&vocabulary[(a * b / WORDS) as usize]);
        words += 1;
        text.push(if words % 10 == 0 { '\n' } else { ' ' });
    }
    text.push('\n');
    fs::write(path, text).expect("there is room for the text");
    words
}

fn word_count(_: &mut Criterion) {
    let scratch = tempfile::tempdir().expect("there is room for the text");
    let path = scratch.path().join("text.txt");
    let words = write_text(&path);
    let (machine, total) = (Machine::new(2), Tally::default());
    for parallelism in [1, 2] {
        let ratio = Ratio { name: &format!("word_count/{parallelism}"), records: words, rounds: ROUNDS };
        print_ratio(ratio, || by_hand(&path), || by_job(&machine, parallelism, &path, &total));
    }
}

criterion_group!(benches, word_count);
criterion_main!(benches);
