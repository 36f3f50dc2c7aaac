//! `#[aggregate]`: impl blocks as aggregates.

use millstream_core::{aggregate::Aggregate, record::Record as RecordTrait, time::Timestamp};
use millstream_macros::{Record, aggregate};

#[path = "../support/mod.rs"]
#[allow(dead_code)]
mod support;

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Trade {
    symbol: String,
    price: i64,
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Range {
    low: i64,
    high: i64,
}

#[derive(Clone)]
struct Spread {
    least: i64,
}

#[aggregate(crate = crate::support)]
impl Spread {
    fn create() -> Range {
        Range { low: i64::MAX, high: i64::MIN }
    }

    fn add(&self, acc: &mut Range, trade: TradeView<'_>) {
        Self::widen(acc, trade.price, trade.price);
    }

    fn merge(acc: &mut Range, other: RangeView<'_>) {
        Self::widen(acc, other.low, other.high);
    }

    fn finish(&self, acc: &Range) -> Option<i64> {
        acc.high.checked_sub(acc.low).filter(|spread| *spread >= self.least)
    }

    /// Other functions stay what they are.
    fn widen(acc: &mut Range, low: i64, high: i64) {
        acc.low = acc.low.min(low);
        acc.high = acc.high.max(high);
    }
}

#[derive(Clone)]
struct Longest;

#[aggregate(crate = crate::support)]
impl Longest {
    fn add(acc: &mut (String, Timestamp), text: &str, at: Timestamp) {
        if text.len() > acc.0.len() {
            *acc = (text.to_owned(), at);
        }
    }

    fn finish(acc: &(String, Timestamp)) -> String {
        format!("{} at {}", acc.0, acc.1.millis())
    }
}

/// An aggregate of any record.
#[derive(Clone)]
struct Last<T>(std::marker::PhantomData<fn() -> T>);

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Tagged<T> {
    tag: T,
}

#[aggregate(crate = crate::support)]
impl<T: RecordTrait + Clone> Last<T> {
    fn add(acc: &mut Option<T>, record: TaggedView<'_, T>) {
        *acc = Some(T::from_view(record.tag));
    }

    fn finish(acc: &Option<T>) -> Option<T> {
        acc.clone()
    }
}

fn fold<T: RecordTrait, A: Aggregate<T>>(aggregate: &A, records: &[T]) -> A::Acc {
    let mut acc = aggregate.create();
    for (i, record) in (0..).zip(records) {
        aggregate.add(&mut acc, record.view(), Timestamp::from_millis(i));
    }
    acc
}

fn trades(prices: &[i64]) -> Vec<Trade> {
    prices.iter().map(|price| Trade { symbol: "MLST".into(), price: *price }).collect()
}

#[test]
fn folding_in_pieces_and_merging_is_folding_the_whole() {
    let spread = Spread { least: 1 };
    let whole = fold(&spread, &trades(&[5, 3, 9, 4]));
    let mut pieces = fold(&spread, &trades(&[5, 3]));
    spread.merge(&mut pieces, fold(&spread, &trades(&[9, 4])).view());
    assert_eq!((&whole, spread.finish(&whole)), (&pieces, Some(6)));
    assert_eq!(spread.finish(&fold(&spread, &trades(&[5]))), None, "`finish` sees the aggregate's own fields");
}

#[test]
fn an_aggregate_merges_only_if_it_says_how() {
    const { assert!(<Spread as Aggregate<Trade>>::MERGES && !<Longest as Aggregate<String>>::MERGES) };
}

#[test]
fn the_state_begins_as_its_default_and_add_may_see_the_time() {
    let texts = ["a".to_owned(), "ccc".to_owned(), "bb".to_owned()];
    assert_eq!(Aggregate::<String>::create(&Longest), (String::new(), Timestamp::default()));
    assert_eq!(Longest.finish(&fold(&Longest, &texts)), "ccc at 1");
}

#[test]
fn an_aggregate_may_be_generic() {
    let last = Last::<u64>(std::marker::PhantomData);
    assert_eq!(last.finish(&fold(&last, &[Tagged { tag: 1 }, Tagged { tag: 2 }])), Some(2));
}
