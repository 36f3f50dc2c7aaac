//! Distinct counts: exact ones, and estimates within their error.

use std::collections::HashSet;

use proptest::prelude::*;

use crate::{Draws, build, common::encode, cut_at, fold, in_pieces, untimed, whole};
use millstream_core::{
    aggregate::{Aggregate, KeySet},
    key::{Key, key_group},
    record::Record,
    time::Timestamp,
};

#[test]
fn exact_counts_leave_out_what_is_missing() {
    let count = build::<Option<String>, _>(|of| (of.count_distinct(|v| v.map(str::to_owned)), of.count()));
    let values = [Some("a"), None, Some("b"), Some("a"), None].map(|value| value.map(str::to_owned));
    assert_eq!(whole(&count, &values), (2, 5));
    assert_eq!(in_pieces(&count, &values, &[0, 2, 3]), (2, 5));
    assert_eq!(whole(&count, &[None::<String>]), (0, 1));
    let pairs = build::<(u8, bool), _>(|of| of.count_distinct(|pair| pair));
    assert_eq!(whole(&pairs, &[(1_u8, true), (1, false), (1, true)]), 2);
}

#[test]
fn equal_sets_have_equal_bytes() {
    let count = build::<u64, _>(|of| of.count_distinct(|v| v));
    let ascending: Vec<u64> = (0..1000).collect();
    let descending: Vec<u64> = (0..1000).rev().chain(0..1000).collect();
    let bytes = |values: &[u64]| encode::<KeySet<u64>>(fold(&count, values, untimed).view());
    assert_eq!(bytes(&ascending), bytes(&descending));
}

fn estimate(values: impl Iterator<Item = u64>) -> u64 {
    let values: Vec<u64> = values.collect();
    whole(&build::<u64, _>(|of| of.count_distinct_approx(|v| v)), &values)
}

/// The standard error, as it is stated.
const ERROR: f64 = 0.0081;

#[test]
fn estimates_are_within_their_error() {
    for (count, runs) in [(3_000, 60), (10_000, 40), (40_000, 20), (200_000, 8), (1_000_000, 2)] {
        let errors: Vec<f64> = (0..runs)
            .map(|seed| {
                let mut draws = Draws(seed << 40 | count);
                let sequential = seed % 2 == 0;
                let estimate = estimate((0..count).map(|i| if sequential { seed << 32 | i } else { draws.next() }));
                (estimate as f64 - count as f64) / count as f64
            })
            .collect();
        let mean_square = errors.iter().map(|error| error * error).sum::<f64>() / runs as f64;
        let mean = errors.iter().sum::<f64>() / runs as f64;
        assert!(errors.iter().all(|error| error.abs() < 4.0 * ERROR), "{count}: {errors:?}");
        // Of so few runs the error itself is only an estimate.
        assert!(mean_square.sqrt() < ERROR * (1.0 + 2.0 / (runs as f64).sqrt()), "{count}: {}", mean_square.sqrt());
        assert!(mean.abs() < 4.0 * ERROR / (runs as f64).sqrt(), "{count}: biased by {mean}");
    }
}

#[test]
fn few_values_are_counted() {
    for count in [0, 1, 2, 3, 10, 100, 500, 1000, 1400] {
        assert_eq!(estimate((0..count).chain(0..count)), count);
    }
    let none = build::<Option<u64>, _>(|of| of.count_distinct_approx(|v| v));
    assert_eq!(whole(&none, &[None::<u64>, None]), 0);
    assert_eq!(whole(&none, &[None, Some(0_u64), Some(0)]), 1);
}

#[test]
fn a_sketch_takes_little_for_few_values_and_never_more_than_16_kib() {
    let count = build::<u64, _>(|of| of.count_distinct_approx(|v| v));
    let size = |values: u64| fold(&count, &(0..values).collect::<Vec<_>>(), untimed).len();
    assert_eq!((size(0), size(3), size(100_000)), (0, 36, 16 << 10));
    assert!((0..3000).step_by(7).all(|values| size(values) <= 16 << 10));
}

/// Estimates depend on hashes that are fixed for ever, so they may not change.
#[test]
fn estimates_do_not_change() {
    assert_eq!([100, 2_000, 50_000].map(|count| estimate(0..count)), [100, 1_996, 49_763]);
    let words = build::<u64, _>(|of| of.count_distinct_approx(|v| format!("word {v}")));
    assert_eq!(whole(&words, &(0..5_000_u64).collect::<Vec<_>>()), 5_045);
}

/// Values whose own hashes begin alike, as those have that a subtask gets of a stream that is spread by them.
#[test]
fn values_of_one_key_group_are_estimated_as_well() {
    let values = (0_u64..).filter(|value| key_group(<u64 as Key>::hash(*value), 128) == 5).take(20_000);
    let error = (estimate(values) as f64 - 20_000.0) / 20_000.0;
    assert!(error.abs() < 4.0 * ERROR, "{error}");
}

proptest! {
    #[test]
    fn pieces_merge_to_the_whole(
        values in prop::collection::vec((any::<u8>(), ".{0,2}"), 0..200),
        cuts: Vec<prop::sample::Index>,
    ) {
        let count = build::<(u8, String), _>(|of| {
            (of.count_distinct(|v| v.0), of.count_distinct(|v| v.1.to_owned()), of.count_distinct_approx(|v| v.1.to_owned()))
        });
        let (numbers, texts): (HashSet<_>, HashSet<_>) = values.iter().cloned().unzip();
        let expected = (numbers.len() as u64, texts.len() as u64, texts.len() as u64);
        prop_assert_eq!(whole(&count, &values), expected);
        prop_assert_eq!(in_pieces(&count, &values, &cut_at(&values, &cuts)), expected);
    }

    /// Sketches of all sizes: tables of tokens and registers, in any order.
    #[test]
    fn estimates_depend_neither_on_order_nor_on_pieces(
        sizes in prop::collection::vec(prop_oneof![0_u64..20, 0_u64..1600, 1000_u64..5000], 1..6),
        seed: u64,
    ) {
        let count = build::<u64, _>(|of| of.count_distinct_approx(|v| v));
        let mut draws = Draws(seed);
        let mut cuts = Vec::new();
        let mut values = Vec::new();
        for size in sizes {
            // Some of them are in other pieces too.
            values.extend((0..size).map(|_| draws.next() % 20_000));
            cuts.push(values.len());
        }
        let expected = whole(&count, &values);
        prop_assert_eq!(in_pieces(&count, &values, &cuts), expected);
        values.reverse();
        prop_assert_eq!(whole(&count, &values), expected);
        let exact = values.iter().collect::<HashSet<_>>().len() as f64;
        prop_assert!((expected as f64 - exact).abs() <= 1.0 + 5.0 * ERROR * exact, "{} for {}", expected, exact);
    }

    /// Bytes from elsewhere that are no sketch are not looked into further than they go.
    #[test]
    fn any_bytes_may_be_merged(bytes: Vec<u8>, values in 0_u64..3000) {
        let count = build::<u64, _>(|of| of.count_distinct_approx(|v| v));
        let mut sketch = fold(&count, &(0..values).collect::<Vec<_>>(), untimed);
        Aggregate::<u64>::merge(&count, &mut sketch, &bytes);
        Aggregate::<u64>::add(&count, &mut sketch, 7, Timestamp::MIN);
        prop_assert!(Aggregate::<u64>::finish(&count, &sketch) > 0);
    }
}
