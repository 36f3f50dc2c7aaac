//! Types with parameters.

use std::collections::BTreeMap;

use millstream_core::{key::Key, record::Record as RecordTrait};
use millstream_macros::Record;

use crate::support::travel;

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support, key)]
struct Pair<A, B> {
    a: A,
    b: B,
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
enum Either<L: RecordTrait, R>
where
    R: Clone,
{
    Left(L),
    Both { left: L, right: Vec<R> },
    Neither,
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Index<K: Key + Ord> {
    entries: BTreeMap<K, u64>,
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Vector<const N: usize>([f64; N]);

#[test]
fn generic_records_travel() {
    let pair = Pair { a: "left".to_owned(), b: Pair { a: 1u64, b: vec![true, false] } };
    assert_eq!(travel(&pair), pair);
    for either in [
        Either::Left(pair.clone()),
        Either::Both { left: pair, right: vec!["x".to_owned(), String::new()] },
        Either::Neither,
    ] {
        assert_eq!(travel(&either), either);
    }
    let index = Index { entries: BTreeMap::from([("b".to_owned(), 2), ("a".to_owned(), 1)]) };
    assert_eq!(travel(&index), index);
    assert_eq!(travel(&Vector([0.5, -1.0])), Vector([0.5, -1.0]));
}

#[test]
fn views_of_generics_are_values() {
    let pair = Pair { a: "left".to_owned(), b: 3u64 };
    let view: PairView<'_, String, u64> = pair.view();
    let copy = view;
    assert_eq!(view, PairView { b: 3, ..copy });
    assert_eq!(format!("{view:?}"), "PairView { a: \"left\", b: 3 }");
}

#[test]
fn a_generic_record_is_plain_and_a_key_where_its_parts_are() {
    const { assert!(<Pair<u8, bool>>::PLAIN && !<Pair<u8, String>>::PLAIN) };
    fn is_key<K: Key>(view: K::View<'_>) -> bool {
        K::same(view, view)
    }
    assert!(is_key::<Pair<String, u64>>(Pair { a: "x".to_owned(), b: 1 }.view()));
    assert_ne!(<Pair<u8, u8>>::HASH, <Pair<u8, u16>>::HASH);
}
