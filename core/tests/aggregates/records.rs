//! Aggregates of whole records, of the order of time, lists and folds.

use std::fmt::Debug;

use millstream_core::{aggregate::Aggregate, record::Record, time::Timestamp};
use proptest::prelude::*;

use crate::{build, cut_at, in_pieces_timed, whole, whole_timed};

/// Name, price, time in milliseconds.
type Quote = (String, Option<f64>, i64);

fn quote(name: &str, price: impl Into<Option<f64>>, at: i64) -> Quote {
    (name.to_owned(), price.into(), at)
}

fn at(quote: &Quote) -> Timestamp {
    Timestamp::from_millis(quote.2)
}

fn names(quotes: &[Quote]) -> Vec<&str> {
    quotes.iter().map(|quote| quote.0.as_str()).collect()
}

#[test]
fn the_record_at_an_end_is_the_earliest_of_equals() {
    let ends = build::<Quote, _>(|of| (of.min_by(|q| q.1), of.max_by(|q| q.1)));
    let quotes = [quote("late", 1.0, 9), quote("early", 1.0, 3), quote("also early", 1.0, 3), quote("none", None, 1)];
    let (least, greatest) = whole_timed(&ends, &quotes, at);
    assert_eq!((least.0.as_str(), greatest.0.as_str()), ("early", "early"));
    let quotes = [quote("nan", f64::NAN, 1), quote("b", 2.0, 2), quote("a", -1.0, 3), quote("c", f64::INFINITY, 4)];
    let (least, greatest) = whole_timed(&ends, &quotes, at);
    assert_eq!((least.0.as_str(), greatest.0.as_str()), ("a", "c"));
    let (least, greatest) = whole_timed(&ends, &[quote("second", None, 2), quote("first", None, 1)], at);
    assert_eq!((least.0.as_str(), greatest.0.as_str()), ("first", "first"), "of nothing but missing keys");
}

#[test]
fn the_top_is_sorted_and_the_earliest_of_equals_come_first() {
    let ends = build::<Quote, _>(|of| (of.top_k(3, |q| q.1), of.bottom_k(3, |q| q.1), of.top_k(0, |q| q.2)));
    let quotes = [
        quote("a", 1.0, 5),
        quote("b", 3.0, 5),
        quote("none", None, 0),
        quote("c", 3.0, 4),
        quote("d", 3.0, 5),
        quote("nan", f64::NAN, 0),
        quote("e", 3.0, 3),
        quote("f", -1.0, 9),
    ];
    let (top, bottom, none) = whole_timed(&ends, &quotes, at);
    assert_eq!((names(&top), names(&bottom), none.len()), (vec!["e", "c", "b"], vec!["f", "a", "e"], 0));
    let (top, bottom, _) = whole_timed(&ends, &quotes[..3], at);
    assert_eq!((names(&top), names(&bottom)), (vec!["b", "a"], vec!["a", "b"]), "fewer than asked for");
    let (top, ..) = whole_timed(&ends, &quotes[2..3], at);
    assert!(top.is_empty(), "a key that is missing is none");
}

#[test]
fn first_and_last_go_by_time_and_then_by_arrival() {
    let edges = build::<Quote, _>(|of| {
        (of.first(|q| q.0.to_owned()), of.last(|q| q.0.to_owned()), of.first(|q| q.1), of.last(|q| Quote::from_view(q)))
    });
    let quotes = [
        quote("a", 1.0, 5),
        quote("b", None, 3),
        quote("c", 2.0, 3),
        quote("d", 3.0, 8),
        quote("e", None, 8),
        quote("f", 4.0, 4),
    ];
    assert_eq!(whole_timed(&edges, &quotes, at), ("b".into(), "e".into(), Some(2.0), quote("e", None, 8)));
    assert_eq!(whole(&edges, &quotes), ("a".into(), "f".into(), Some(1.0), quote("f", 4.0, 4)), "without event time");
    let missing = [quote("a", None, 1), quote("b", None, 2)];
    assert_eq!(whole_timed(&edges, &missing, at).2, None);
    let last = build::<Quote, _>(|of| of.last(|q| q.1));
    assert_eq!(whole_timed(&last, &quotes, at), Some(3.0), "what is missing is left out");
}

/// Says in its type that it does not merge.
fn merges<A: Aggregate<Quote>>(_: &A) -> bool {
    A::MERGES
}

#[test]
fn lists_and_folds_are_in_the_order_of_arrival_and_do_not_merge() {
    let quotes = [quote("a", 1.0, 5), quote("b", None, 3), quote("c", 2.0, 4)];
    let lists = build::<Quote, _>(|of| (of.collect(|q| q.0.to_owned()), of.collect(|q| q.1)));
    assert_eq!(
        whole_timed(&lists, &quotes, at),
        (vec!["a".to_owned(), "b".into(), "c".into()], vec![Some(1.0), Some(2.0)])
    );
    let fold = build::<Quote, _>(|of| {
        let join = |all: String, q: (&str, Option<f64>, i64)| all + q.0;
        (of.fold(String::from(">"), join), of.fold(0.5, |sum, q| sum + q.1.unwrap_or(0.25)))
    });
    assert_eq!(whole_timed(&fold, &quotes, at), (">abc".into(), 3.75));
    assert!(!merges(&lists) && !merges(&fold));
    assert!(!merges(&build::<Quote, _>(|of| (of.count(), of.collect(|q| q.1)))), "a tuple merges if all of it does");
    assert!(merges(&build::<Quote, _>(|of| (of.count(), of.first(|q| q.1), of.top_k(2, |q| q.1)))));
}

fn check<A: Aggregate<Quote, Out: PartialEq + Debug>>(aggregate: &A, records: &[Quote], cuts: &[usize]) {
    assert_eq!(in_pieces_timed(aggregate, records, at, cuts), whole_timed(aggregate, records, at));
}

proptest! {
    /// Few different keys and times, so that there are ties of all kinds; pieces are merged in the order of arrival.
    #[test]
    fn pieces_merge_to_the_whole(
        records in prop::collection::vec((".{0,3}", prop::option::of((-3_i8..3).prop_map(f64::from)), 0_i64..4), 1..40),
        cuts: Vec<prop::sample::Index>,
        k in 0_usize..6,
    ) {
        let cuts = &cut_at(&records, &cuts);
        check(&build::<Quote, _>(|of| (of.min_by(|q| q.1), of.max_by(|q| q.0.to_owned()))), &records, cuts);
        check(&build::<Quote, _>(|of| (of.top_k(k, |q| q.1), of.bottom_k(k, |q| q.0.to_owned()))), &records, cuts);
        check(&build::<Quote, _>(|of| (of.first(|q| q.1), of.last(|q| q.1), of.last(|q| Quote::from_view(q)))), &records, cuts);
    }

    /// Where times differ, the order of arrival does not matter.
    #[test]
    fn only_times_decide(
        (records, shuffled) in prop::collection::vec((".{0,3}", prop::option::of((-3_i8..3).prop_map(f64::from)), Just(0_i64)), 1..30)
            .prop_map(|mut records| {
                records.iter_mut().zip(0..).for_each(|(record, at)| record.2 = at);
                records
            })
            .prop_flat_map(|records| (Just(records.clone()), Just(records).prop_shuffle())),
        cuts: Vec<prop::sample::Index>,
    ) {
        let all = build::<Quote, _>(|of| {
            (of.min_by(|q| q.1), of.max_by(|q| q.1), of.top_k(4, |q| q.1), of.bottom_k(4, |q| q.1), of.first(|q| q.1), of.last(|q| q.1))
        });
        prop_assert_eq!(whole_timed(&all, &records, at), in_pieces_timed(&all, &shuffled, at, &cut_at(&shuffled, &cuts)));
    }

    #[test]
    fn the_top_is_the_beginning_of_what_is_sorted(values in prop::collection::vec(any::<i16>(), 1..60), k in 0_usize..20) {
        let (top, bottom) = whole(&build::<i16, _>(|of| (of.top_k(k, |v| v), of.bottom_k(k, |v| v))), &values);
        let mut sorted = values;
        sorted.sort_unstable();
        prop_assert_eq!(&bottom, &sorted[..k.min(sorted.len())]);
        sorted.reverse();
        prop_assert_eq!(&top, &sorted[..k.min(sorted.len())]);
    }
}
