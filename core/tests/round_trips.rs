//! Owned value to archive to view to owned value, for every record type of the standard library.

mod common;

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
};

use common::{access, encode};
use millstream_core::{
    impls::ByteString,
    record::Record,
    time::{Timestamp, Window},
};
use proptest::prelude::*;

/// Both views of a value are the same to every reader, and give the value back.
#[track_caller]
fn check<T: Record + PartialEq + Debug>(value: T) {
    let bytes = encode::<T>(value.view());
    let archived = access::<T>(&bytes).expect("what was encoded is valid");
    let view = T::view_archived(archived);
    assert_eq!(T::from_view(view), value, "through the archive");
    assert_eq!(T::from_view(value.view()), value, "through the view of the owned value");
    assert_eq!(format!("{view:?}"), format!("{:?}", value.view()), "both views print the same");
    assert_eq!(encode::<T>(view), bytes, "both views have the same archive");
    if T::PLAIN {
        assert_eq!(bytes.len(), size_of::<T::Archived>(), "a plain record is its root");
    }
}

#[test]
fn scalars_at_their_ends() {
    macro_rules! ends {
        ($($type:ty)*) => { $( check(<$type>::MIN); check(<$type>::MAX); check(1 as $type); )* };
    }
    ends!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 f32 f64);
    check(true);
    check(false);
    check('\0');
    check('ß');
    check(char::MAX);
    check(());
    check(f64::NEG_INFINITY);
    check(Timestamp::MIN);
    check(Timestamp::MAX);
    check(Window::new(Timestamp::from_millis(-1), Timestamp::from_millis(1)));
}

#[test]
fn floats_keep_every_bit() {
    for bits in [0x8000_0000_0000_0000, 0x7ff8_0000_0000_0001, 0xfff0_0000_dead_beef] {
        let bytes = encode::<f64>(f64::from_bits(bits));
        assert_eq!(f64::view_archived(access::<f64>(&bytes).expect("valid")).to_bits(), bits);
    }
}

#[test]
fn numbers_lie_in_little_endian_without_padding() {
    let record = (1_u8, 0x0102_0304_u32, Some(2_u16), None::<u16>, [3_u8; 2], Timestamp::from_millis(-1));
    let bytes = encode::<(u8, u32, Option<u16>, Option<u16>, [u8; 2], Timestamp)>(record);
    let expected = [1, 4, 3, 2, 1, 1, 2, 0, 0, 0, 0, 3, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff].as_slice();
    assert_eq!(bytes, expected);
}

#[test]
fn strings_around_the_length_that_fits_in_line() {
    for len in 0..20 {
        check("é".repeat(len));
        check("x".repeat(len));
        check(ByteString(vec![0xff; len]));
    }
    check("x".repeat(100_000));
}

#[test]
fn options_and_arrays_of_everything() {
    check(None::<String>);
    check(Some(String::new()));
    check(Some("a string that does not fit in line".to_owned()));
    check(Some(Some(None::<u8>)));
    check([Some("one".to_owned()), None, Some("a string that does not fit in line".to_owned())]);
    check([[1_u16, 2], [3, 4]]);
    check([vec![1_u8], vec![], vec![2, 3]]);
    check::<[String; 0]>([]);
}

#[test]
fn tuples_of_all_lengths() {
    let s = |i: u8| format!("part number {i} of the tuple");
    check((s(1),));
    check((s(1), 2_u8));
    check((s(1), 2_u8, s(3)));
    check((s(1), 2_u8, s(3), 4_u64));
    check((s(1), 2_u8, s(3), 4_u64, s(5)));
    check((s(1), 2_u8, s(3), 4_u64, s(5), 6_i8));
    check((s(1), 2_u8, s(3), 4_u64, s(5), 6_i8, s(7)));
    check((s(1), 2_u8, s(3), 4_u64, s(5), 6_i8, s(7), 8_i128));
    check((s(1), 2_u8, s(3), 4_u64, s(5), 6_i8, s(7), 8_i128, s(9)));
    check((s(1), 2_u8, s(3), 4_u64, s(5), 6_i8, s(7), 8_i128, s(9), 'x'));
    check((s(1), 2_u8, s(3), 4_u64, s(5), 6_i8, s(7), 8_i128, s(9), 'x', s(11)));
    check((s(1), 2_u8, s(3), 4_u64, s(5), 6_i8, s(7), 8_i128, s(9), 'x', s(11), true));
}

#[test]
fn lists_are_read_the_same_from_both_places() {
    let list: Vec<String> = vec!["a".into(), "bb".into(), "a string that does not fit in line".into()];
    let bytes = encode::<Vec<String>>(list.view());
    let archived = Vec::<String>::view_archived(access::<Vec<String>>(&bytes).expect("valid"));
    for view in [list.view(), archived] {
        assert_eq!((view.len(), view.is_empty(), view.get(3)), (3, false, None));
        assert_eq!((view.first(), view.get(1), view.last()), (Some("a"), Some("bb"), Some(list[2].as_str())));
        assert_eq!(view.iter().len(), 3);
        assert!(view.iter().rev().eq(list.iter().rev().map(String::as_str)));
    }
    assert_eq!(list.view(), archived);
    let bytes = encode::<Vec<u8>>(vec![1, 2, 3].view());
    assert_eq!(Vec::<u8>::view_archived(access::<Vec<u8>>(&bytes).expect("valid")).as_bytes(), [1, 2, 3]);
    check(vec![(); 3]);
}

#[test]
fn maps_are_found_in_and_walked_in_the_order_of_keys() {
    let map: HashMap<String, u32> = (0..100).map(|i| (format!("key {}", i * 7919 % 100), i)).collect();
    let tree: BTreeMap<String, u32> = map.clone().into_iter().collect();
    let bytes = encode::<HashMap<String, u32>>(map.view());
    let archived = HashMap::<String, u32>::view_archived(access::<HashMap<String, u32>>(&bytes).expect("valid"));
    for view in [map.view(), archived] {
        assert_eq!((view.len(), view.is_empty()), (100, false));
        assert!(view.iter().eq(tree.iter().map(|(key, value)| (key.as_str(), *value))));
        assert!(view.keys().eq(tree.keys()));
        assert!(view.values().eq(tree.values().copied()));
        assert!(tree.iter().all(|(key, value)| view.get(key) == Some(*value)));
        assert_eq!((view.get("key"), view.contains_key("key 1"), view.contains_key("zzz")), (None, true, false));
    }
}

#[test]
fn equal_maps_have_equal_bytes() {
    let entries = |order: &mut dyn Iterator<Item = u64>| order.map(|i| (i, format!("value {i}"))).collect::<Vec<_>>();
    let up: HashMap<u64, String> = entries(&mut (0..50)).into_iter().collect();
    // Another hasher with another seed, another capacity, another order of insertion.
    let mut down: HashMap<u64, String> = HashMap::with_capacity(10_000);
    down.extend(entries(&mut (0..50).rev()));
    let tree: BTreeMap<u64, String> = entries(&mut (0..50)).into_iter().collect();
    let bytes = encode::<BTreeMap<u64, String>>(tree.view());
    assert_eq!(encode::<HashMap<u64, String>>(up.view()), bytes);
    assert_eq!(encode::<HashMap<u64, String>>(down.view()), bytes);
}

#[test]
fn a_list_that_no_pointer_spans_is_an_error() {
    // Elements without bytes, so that the test needs no memory.
    let list = vec![(); (1 << 30) + 1];
    let error = common::try_encode::<Vec<()>>(list.view()).expect_err("too long");
    if cfg!(debug_assertions) {
        assert!(error.to_string().contains("1 GiB"), "{error}");
    }
}

type Nested = Vec<Option<(String, Vec<u64>)>>;
type Everything = (BTreeMap<String, Nested>, HashMap<(i16, char), ByteString>, [Option<f64>; 3], Vec<Vec<Window>>);

fn nested() -> impl Strategy<Value = Nested> {
    prop::collection::vec(prop::option::of((".{0,20}", prop::collection::vec(any::<u64>(), 0..5))), 0..8)
}

fn everything() -> impl Strategy<Value = Everything> {
    let window = (any::<i64>(), any::<i64>())
        .prop_map(|(a, b)| Window::new(Timestamp::from_millis(a), Timestamp::from_millis(b)));
    (
        prop::collection::btree_map(".{0,12}", nested(), 0..5),
        prop::collection::hash_map(any::<(i16, char)>(), any::<Vec<u8>>().prop_map(ByteString), 0..8),
        prop::array::uniform3(prop::option::of(-1e300..1e300)),
        prop::collection::vec(prop::collection::vec(window, 0..4), 0..4),
    )
}

proptest! {
    #[test]
    fn nested_records(value in nested()) {
        check(value);
    }

    #[test]
    fn records_of_every_kind(value in everything()) {
        check(value);
    }

    /// Damaged bytes are refused, or are another valid record; they never make a reader leave the buffer.
    #[test]
    fn damaged_bytes(value in everything(), at in any::<prop::sample::Index>(), xor in 1..=255_u8) {
        let mut bytes = encode::<Everything>(value.view());
        let at = at.index(bytes.len());
        bytes[at] ^= xor;
        if let Ok(archived) = access::<Everything>(&bytes) {
            let owned = Everything::from_view(Everything::view_archived(archived));
            let bytes = encode::<Everything>(owned.view());
            let again = Everything::view_archived(access::<Everything>(&bytes).expect("what was encoded is valid"));
            // As text, since a damaged float may be NaN.
            prop_assert_eq!(format!("{again:?}"), format!("{:?}", owned.view()));
        }
    }
}
