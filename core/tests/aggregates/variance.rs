//! Variances and standard deviations: beside two passes over the values.

use proptest::prelude::*;

use crate::{build, cut_at, in_pieces, whole};

/// The sum of squared distances from the average, by two passes.
fn squares(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - mean) * (value - mean)).sum()
}

#[test]
fn of_a_sample_and_of_a_population() {
    let all = build::<f64, _>(|of| {
        (of.variance(|v| v), of.variance_population(|v| v), of.std_dev(|v| v), of.std_dev_population(|v| v))
    });
    let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
    let (sample, population, sample_root, population_root) = whole(&all, &values);
    assert_eq!((population, population_root), (Some(4.0), Some(2.0)));
    assert!((sample.expect("there are two") - 32.0 / 7.0).abs() < 1e-15);
    assert!((sample_root.expect("there are two") - (32.0_f64 / 7.0).sqrt()).abs() < 1e-15);
    assert_eq!(whole(&all, &[3.0]), (None, Some(0.0), None, Some(0.0)), "one value is no sample");
    let (sample, population, ..) = whole(&all, &[1.0, f64::INFINITY]);
    assert!(sample.is_some_and(f64::is_nan) && population.is_some_and(f64::is_nan));
}

#[test]
fn what_is_missing_is_left_out() {
    let both = build::<Option<i32>, _>(|of| (of.variance(|v| v), of.variance_population(|v| v)));
    assert_eq!(whole(&both, &[None::<i32>, None]), (None, None));
    assert_eq!(whole(&both, &[None, Some(1_i32), None, Some(3)]), (Some(2.0), Some(1.0)));
    assert_eq!(in_pieces(&both, &[None, Some(1_i32), None, Some(3)], &[1, 2, 3]), (Some(2.0), Some(1.0)));
}

#[test]
fn values_far_from_zero_lose_no_digits() {
    let values: Vec<f64> = (0..1000).map(|i| 1e9 + f64::from(i % 10)).collect();
    let variance = build::<f64, _>(|of| of.variance_population(|v| v));
    for cuts in [&[] as &[usize], &[1, 500, 501, 999]] {
        let variance = in_pieces(&variance, &values, cuts).expect("there are values");
        assert!((variance - 8.25).abs() < 1e-6, "{variance}: sums of squares would give 0 or 128");
    }
}

proptest! {
    #[test]
    fn pieces_in_any_order_merge_to_the_whole(
        (values, shuffled) in prop::collection::vec(-1e6..1e6, 2..200)
            .prop_flat_map(|values| (Just(values.clone()), Just(values).prop_shuffle())),
        cuts: Vec<prop::sample::Index>,
    ) {
        let variance = build::<f64, _>(|of| of.variance(|v| v));
        let expected = squares(&values) / (values.len() - 1) as f64;
        let bound = 1e-12 * 1e6 * 1e6;
        for found in [whole(&variance, &values), in_pieces(&variance, &shuffled, &cut_at(&shuffled, &cuts))] {
            let found = found.expect("there are two values");
            prop_assert!((found - expected).abs() <= bound, "{} and {}", found, expected);
            prop_assert!(found >= 0.0);
        }
    }
}
