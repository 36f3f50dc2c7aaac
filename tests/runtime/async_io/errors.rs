//! What goes wrong: panics, clients that cannot be opened, views as parameters, functions without a client.

use millstream::prelude::*;

use super::{Service, Watched};
use crate::{
    script::Script,
    support::{fails, parallel, run, seeds},
};

#[test]
fn a_call_that_panics_fails_the_job_and_says_where() {
    #[async_map]
    async fn exploding(service: &Service, number: u64) -> u64 {
        service.sleep(3).await;
        assert!(number != 5, "five is too much");
        number
    }

    for seed in seeds() {
        let watched = Watched::default();
        let failure = fails(seed, parallel(1), |job| {
            job.source(Script::records(vec![(0..9).collect::<Vec<u64>>()]))
                .then_async(exploding(watched.open()))
                .sink(print());
        });
        let text = failure.to_string();
        for part in ["async_map exploding", "panicked at", "errors.rs", "five is too much"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}

#[test]
fn a_client_that_cannot_be_opened_fails_the_job() {
    #[async_map]
    async fn asked(client: &String, number: u64) -> String {
        format!("{client}{number}")
    }

    let failure = fails(1, parallel(1), |job| {
        job.source(Script::records(vec![vec![1_u64]])).then_async(asked(|_| Err("nobody listens"))).sink(print());
    });
    let text = failure.to_string();
    assert!(text.contains("async_map asked") && text.contains("nobody listens"), "{text}");
}

#[derive(Record, Clone, Debug, PartialEq)]
struct Word {
    text: String,
    #[record(event_time)]
    at: Timestamp,
}

#[async_filter(order = "unordered")]
async fn is_long(word: WordView<'_>) -> bool {
    word.text.len() > 3
}

#[async_flat_map]
async fn letters(word: &Word, at: Timestamp) -> Vec<String> {
    word.text.chars().map(|letter| format!("{letter}{}", at.millis())).collect()
}

#[async_map]
async fn shouted(text: &str) -> String {
    text.to_uppercase()
}

#[test]
fn functions_take_records_owned_borrowed_or_as_views() {
    for seed in seeds() {
        let results = collect();
        run(seed, parallel(1), |job| {
            let words = [("a", 1), ("long", 2), ("it", 3), ("word", 4)];
            let words = words.map(|(text, at)| Word { text: text.into(), at: Timestamp::from_millis(at) });
            job.source(Script::records(vec![words.to_vec()]))
                .event_time(monotonous())
                .then_async(is_long)
                .then_async(letters)
                .then_async(shouted)
                .sink(results.sink());
        });
        assert_eq!(results.take(), ["L2", "O2", "N2", "G2", "W4", "O4", "R4", "D4"]);
    }
}
