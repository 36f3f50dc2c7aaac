//! Counts, sums, averages and ends: what they give, and that the closures need no types.

use std::fmt::Debug;

use millstream_core::{aggregate::Aggregate, record::Record};
use proptest::prelude::*;

use crate::{build, cut_at, in_pieces, whole};

/// Stands for a record with a derived view: name, price, optional volume.
type Trade = (String, f64, Option<i64>);

fn trades() -> Vec<Trade> {
    [("c", 1.5, Some(10)), ("a", f64::NAN, None), ("b", -2.0, Some(-5))].map(|(s, p, v)| (s.to_owned(), p, v)).into()
}

#[test]
fn closures_need_no_types() {
    let aggregate = build::<Trade, _>(|of| {
        (
            of.count(),
            of.sum(|(_, _, volume)| volume),
            of.avg(|trade| trade.2.unwrap_or(0)),
            of.min(|trade| trade.0.to_owned()),
            of.max(|trade| trade.1),
            of.min(|(name, price, _)| (price > 0.0, name.len() as u64)),
            of.max(|(_, _, volume)| volume),
            of.with(build::<Trade, _>(|of| (of.min(|trade| trade.1),))),
        )
    });
    let (count, sum, avg, min, max, least, most, (lowest,)) = whole(&aggregate, &trades());
    assert_eq!((count, sum, avg, min.as_str(), max), (3, Some(5), 5.0 / 3.0, "a", 1.5));
    assert_eq!((least, most, lowest), ((false, 1), Some(10), -2.0));
}

#[test]
fn sums_of_integers_do_not_overflow() {
    let sum = build::<u64, _>(|of| of.sum(|value| value));
    assert_eq!(whole(&sum, &[u64::MAX; 3]), 3 * i128::from(u64::MAX));
    let sum = build::<i64, _>(|of| of.sum(|value| value));
    assert_eq!(whole(&sum, &[i64::MIN; 3]), 3 * i128::from(i64::MIN));
    let average = build::<u64, _>(|of| of.avg(|value| value));
    assert_eq!(whole(&average, &[u64::MAX; 3]), u64::MAX as f64);
}

#[test]
fn what_is_missing_is_left_out() {
    let all = build::<Option<i64>, _>(|of| (of.sum(|v| v), of.avg(|v| v), of.min(|v| v), of.max(|v| v), of.count()));
    assert_eq!(whole(&all, &[None::<i64>, None]), (None, None, None, None, 2));
    assert_eq!(whole(&all, &[None, Some(4_i64), None, Some(-2)]), (Some(2), Some(1.0), Some(-2), Some(4), 4));
    let floats = build::<Option<f64>, _>(|of| (of.sum(|v| v), of.avg(|v| v), of.min(|v| v), of.max(|v| v)));
    assert_eq!(whole(&floats, &[None::<f64>]), (None, None, None, None));
    assert_eq!(whole(&floats, &[Some(0.5), None]), (Some(0.5), Some(0.5), Some(0.5), Some(0.5)));
    let ends = build::<Option<f64>, _>(|of| (of.min(|v| v), of.max(|v| v)));
    assert_eq!(whole(&ends, &[None, Some(f64::NAN), Some(1.0), Some(f64::NAN)]), (Some(1.0), Some(1.0)));
    let ends = build::<f64, _>(|of| (of.min(|v| v), of.max(|v| v)));
    let (min, max) = whole(&ends, &[f64::NAN, f64::NAN]);
    assert!(min.is_nan() && max.is_nan());
    assert_eq!(whole(&ends, &[f64::NAN, 2.0, f64::NEG_INFINITY]), (f64::NEG_INFINITY, 2.0));
    let (min, max) = whole(&ends, &[0.0, -0.0]);
    assert!(min.is_sign_negative() && max.is_sign_positive());
}

#[test]
fn sums_of_floats_are_compensated() {
    let sum = build::<f64, _>(|of| of.sum(|value| value));
    assert_eq!(whole(&sum, &[1.0, 1e100, 1.0, -1e100]), 2.0, "plain addition gives 0");
    assert_eq!(in_pieces(&sum, &[1.0, 1e100, 1.0, -1e100], &[1, 2, 3]), 2.0);
    assert_eq!(whole(&sum, &[0.1; 10]), 1.0, "plain addition gives 0.9999999999999999");
    let sum = build::<f32, _>(|of| of.sum(|value| value));
    assert_eq!(whole(&sum, &vec![0.5_f32; 100_000_000 / 1000]), 50_000.0);
}

#[test]
fn sums_that_are_not_finite_are_what_plain_addition_gives() {
    let sum = build::<f64, _>(|of| of.sum(|value| value));
    for values in [
        vec![f64::INFINITY, 1.0],
        vec![1.0, f64::NEG_INFINITY, 2.0],
        vec![f64::INFINITY, f64::NEG_INFINITY, 1.0],
        vec![1.0, f64::NAN, f64::INFINITY],
        vec![f64::MAX, f64::MAX, 1.0],
    ] {
        let plain: f64 = values.iter().sum();
        for cuts in [&[] as &[usize], &[1], &[2], &[1, 2]] {
            let pieces = in_pieces(&sum, &values, cuts);
            assert_eq!(pieces.is_nan(), plain.is_nan(), "{values:?}: {pieces}");
            assert!(pieces.is_nan() || pieces.is_infinite(), "{values:?}: {pieces}");
        }
        assert_eq!(whole(&sum, &values).to_bits(), plain.to_bits(), "{values:?}");
    }
    assert_eq!(whole(&sum, &[f64::MAX, f64::MAX, -f64::MAX]), f64::INFINITY, "overflow stays");
}

#[test]
fn records_are_reduced_in_order() {
    let join = build::<String, _>(|of| of.reduce(|so_far, next| format!("{so_far}{next}")));
    let letters = ["a", "b", "c"].map(str::to_owned);
    assert_eq!((whole(&join, &letters), whole(&join, &letters[..1])), ("abc".to_owned(), "a".to_owned()));
    assert_eq!(in_pieces(&join, &letters, &[0, 2, 3]), "abc");
}

#[test]
#[should_panic(expected = "an accumulator is finished only after a record was added")]
fn the_least_of_nothing_is_a_mistake() {
    whole::<u64, _>(&build::<u64, _>(|of| of.min(|value| value)), &[]);
}

fn check<T: Record, A: Aggregate<T, Out: PartialEq + Debug>>(aggregate: &A, records: &[T], cuts: &[usize]) {
    assert_eq!(in_pieces(aggregate, records, cuts), whole(aggregate, records));
}

proptest! {
    #[test]
    fn pieces_merge_to_the_whole(
        records in prop::collection::vec((any::<i64>(), any::<Option<u32>>(), ".{0,12}", -1e9..1e9), 1..40),
        cuts: Vec<prop::sample::Index>,
    ) {
        type R = (i64, Option<u32>, String, f64);
        let cuts = &cut_at(&records, &cuts);
        check(&build::<R, _>(|of| of.count()), &records, cuts);
        check(&build::<R, _>(|of| (of.sum(|r| r.0), of.sum(|r| r.1))), &records, cuts);
        check(&build::<R, _>(|of| (of.avg(|r| r.0), of.avg(|r| r.1))), &records, cuts);
        check(&build::<R, _>(|of| (of.min(|r| r.0), of.min(|r| r.1), of.min(|r| r.2.to_owned()), of.min(|r| r.3))), &records, cuts);
        check(&build::<R, _>(|of| (of.max(|r| r.0), of.max(|r| r.1), of.max(|r| r.2.to_owned()), of.max(|r| r.3))), &records, cuts);
        check(
            &build::<R, _>(|of| of.reduce(|a, b| (a.0.wrapping_add(b.0), a.1.or(b.1), format!("{}{}", a.2, b.2), a.3.max(b.3)))),
            &records,
            cuts,
        );
    }

    /// Floats add up to the same, within what `Number` states, in any order and any pieces.
    #[test]
    fn sums_of_floats_hardly_depend_on_order(
        (values, shuffled) in prop::collection::vec(any::<f64>().prop_filter("finite", |v| v.abs() < 1e290), 1..200)
            .prop_flat_map(|values| (Just(values.clone()), Just(values).prop_shuffle())),
        cuts: Vec<prop::sample::Index>,
    ) {
        let sum = build::<f64, _>(|of| of.sum(|value| value));
        let magnitudes: f64 = values.iter().map(|value| value.abs()).sum();
        let (a, b) = (whole(&sum, &values), in_pieces(&sum, &shuffled, &cut_at(&shuffled, &cuts)));
        prop_assert!((a - b).abs() <= 1e-15 * magnitudes, "{} and {}", a, b);
    }

    #[test]
    fn the_order_of_missing_values_does_not_matter(
        (values, shuffled) in prop::collection::vec(any::<Option<f64>>(), 1..20)
            .prop_flat_map(|values| (Just(values.clone()), Just(values).prop_shuffle())),
    ) {
        let ends = build::<Option<f64>, _>(|of| (of.min(|v| v), of.max(|v| v)));
        prop_assert_eq!(whole(&ends, &values), whole(&ends, &shuffled));
    }
}
