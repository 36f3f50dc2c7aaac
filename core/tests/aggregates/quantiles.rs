//! Quantiles: within their error whatever the values, and the same whatever their order.

use proptest::prelude::*;

use crate::{Draws, build, cut_at, fold, in_pieces, merge_archived, untimed, whole};
use millstream_core::aggregate::Aggregate;

const ASKED: [f64; 7] = [0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 1.0];

/// Compares with the values themselves, sorted.
fn check(values: &[f64], found: [f64; 7], error: f64) {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    for (quantile, found) in ASKED.into_iter().zip(found) {
        let exact = sorted[(quantile * (sorted.len() - 1) as f64) as usize];
        let within = (found - exact).abs() <= error * exact.abs() * (1.0 + 1e-12) || found == exact;
        assert!(within, "{quantile} of {} values: {found} for {exact}", values.len());
    }
}

/// Values of several distributions: uniform, exponential, heavy tailed, of both signs, discrete, constant, over many decades.
fn distributions(count: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut draws = Draws(seed);
    let shapes: [fn(&mut Draws) -> f64; 7] = [
        |draws| draws.unit() * 1000.0,
        |draws| -draws.unit().ln(),
        |draws| draws.unit().powf(-1.5),
        |draws| (draws.unit() - 0.5) * 1e-6,
        |draws| (draws.next() % 7) as f64 - 3.0,
        |_| 42.0,
        |draws| 10_f64.powf(draws.unit() * 40.0 - 20.0) * if draws.next().is_multiple_of(2) { 1.0 } else { -1.0 },
    ];
    shapes.map(|shape| (0..count).map(|_| shape(&mut draws)).collect()).into()
}

#[test]
fn quantiles_are_within_their_error() {
    for (count, seed) in [(1, 1), (2, 2), (10, 3), (1000, 4), (30_000, 5)] {
        for values in distributions(count, seed) {
            check(&values, whole(&build::<f64, _>(|of| of.quantiles(ASKED, |v| v)), &values), 0.01);
            for error in [0.2, 0.03] {
                let quantiles = build::<f64, _>(|of| of.quantiles(ASKED, |v| v).relative_error(error));
                check(&values, whole(&quantiles, &values), error);
            }
        }
        // Both signs over 40 decades take more buckets than there are at so small an error.
        for values in &distributions(count, seed)[..6] {
            let quantiles = build::<f64, _>(|of| of.quantiles(ASKED, |v| v).relative_error(0.001));
            check(values, whole(&quantiles, values), 0.001);
        }
    }
}

#[test]
fn the_smallest_error() {
    let values = &distributions(10_000, 6)[0]; // so few that each may have a bucket of its own
    check(values, whole(&build::<f64, _>(|of| of.quantiles(ASKED, |v| v).relative_error(1e-6)), values), 1e-6);
}

#[test]
fn integers_and_what_is_missing() {
    let median = build::<Option<u32>, _>(|of| of.quantiles([0.5], |v| v));
    assert_eq!(whole(&median, &[None::<u32>, None]), [None]);
    let [found] = whole(&median, &[None, Some(100_u32), Some(3), None, Some(70_000)]);
    assert!((found.expect("there are values") - 100.0).abs() <= 1.0);
    let median = build::<i64, _>(|of| of.quantiles([0.0, 0.5], |v| v));
    let [least, middle] = whole(&median, &[i64::MIN, 0, i64::MAX]);
    assert!((least / i64::MIN as f64 - 1.0).abs() <= 0.01 && middle == 0.0);
}

#[test]
fn floats_that_are_not_finite() {
    let ends = build::<f64, _>(|of| of.quantiles([0.0, 0.5, 1.0], |v| v));
    let values = [f64::NAN, f64::INFINITY, 0.0, f64::NEG_INFINITY, -f64::NAN];
    assert_eq!(whole(&ends, &values), [f64::NEG_INFINITY, 0.0, f64::INFINITY]);
    assert!(whole(&ends, &[f64::NAN]).iter().all(|quantile| quantile.is_nan()), "nothing is left");
    let [least, middle, most] = whole(&ends, &[-f64::MAX, f64::MIN_POSITIVE, f64::MAX]);
    assert!(least.is_finite() && most.is_finite());
    assert!((least / -f64::MAX - 1.0).abs() <= 0.01 && (most / f64::MAX - 1.0).abs() <= 0.01);
    assert!((middle / f64::MIN_POSITIVE - 1.0).abs() <= 0.01);
    assert_eq!(whole(&ends, &[5e-324, -5e-324, -0.0]), [0.0; 3], "magnitudes too small for a full mantissa");
}

#[test]
#[should_panic(expected = "quantiles are from 0 to 1, and 99 is not")]
fn a_percentage_is_a_mistake() {
    build::<f64, _>(|of| of.quantiles([99.0], |v| v));
}

#[test]
#[should_panic(expected = "a relative error is from 0.000001 up to 1, and 0 is not")]
fn an_exact_sketch_is_a_mistake() {
    build::<f64, _>(|of| of.quantiles([0.5], |v| v).relative_error(0.0));
}

/// So many buckets that the lowest are counted in one: the upper quantiles are as exact, and the order matters as little.
#[test]
fn buckets_are_bounded_and_the_lowest_give_way() {
    let quantiles = build::<f64, _>(|of| of.quantiles([0.0, 0.4, 0.9, 1.0], |v| v).relative_error(1e-5));
    let mut values: Vec<f64> = (0..60_000).map(|i| 1.0 + f64::from(i) / 1000.0).collect();
    let expected = whole(&quantiles, &values);
    assert!((expected[2] / 55.0 - 1.0).abs() < 1e-4 && (expected[3] / 60.999 - 1.0).abs() < 1e-4, "{expected:?}");
    assert_eq!(expected[0], expected[1], "both are in the lowest bucket");
    let bound = 16 << 10;
    let (buckets, gathered) = fold(&quantiles, &values, untimed);
    assert_eq!(buckets.len(), bound);
    assert!(gathered.len() <= bound / 8, "{}", gathered.len());
    assert_eq!(in_pieces(&quantiles, &values, &[1, 10_000, 30_000]), expected);
    values.reverse();
    assert_eq!(whole(&quantiles, &values), expected);
    let mut draws = Draws(9);
    values.sort_by_cached_key(|_| draws.next());
    assert_eq!(whole(&quantiles, &values), expected);
    assert_eq!(in_pieces(&quantiles, &values, &[20_000, 20_001, 50_000]), expected);
}

proptest! {
    #[test]
    fn neither_order_nor_pieces_matter(
        (values, shuffled) in prop::collection::vec(any::<f64>(), 1..200)
            .prop_flat_map(|values| (Just(values.clone()), Just(values).prop_shuffle())),
        cuts: Vec<prop::sample::Index>,
    ) {
        let quantiles = build::<f64, _>(|of| of.quantiles(ASKED, |v| v));
        let expected = whole(&quantiles, &values).map(f64::to_bits);
        prop_assert_eq!(in_pieces(&quantiles, &shuffled, &cut_at(&shuffled, &cuts)).map(f64::to_bits), expected);
    }

    /// Merging is associative: it does not matter either which pieces meet first.
    #[test]
    fn pieces_of_pieces(values in prop::collection::vec(-50.0..50.0, 3..60)) {
        let quantiles = build::<f64, _>(|of| of.quantiles(ASKED, |v| v));
        let third = values.len() / 3;
        let [a, b, c] = [&values[..third], &values[third..2 * third], &values[2 * third..]].map(|v| fold(&quantiles, v, untimed));
        let mut right = b;
        merge_archived::<f64, _>(&quantiles, &mut right, &c);
        let mut all = a;
        merge_archived::<f64, _>(&quantiles, &mut all, &right);
        prop_assert_eq!(Aggregate::<f64>::finish(&quantiles, &all), whole(&quantiles, &values));
    }
}
