//! Derived records without their types, and types that have versions.

use std::{collections::BTreeMap, fmt::Debug};

use millstream_core::{
    buffer::{BufferBuilder, Columns},
    document::Document,
    dynamic::{StoredSchema, Value, Values},
    record::{Adapter, ViewOf},
    time::Timestamp,
};
use millstream_macros::Record;

trait Stored: millstream_core::record::Record + Debug + PartialEq {}
impl<T: millstream_core::record::Record + Debug + PartialEq> Stored for T {}

/// Writes a value and reads it without its type.
fn with_stored<T: Stored, R>(value: &T, read: impl FnOnce(&StoredSchema, Value<'_>) -> R) -> R {
    let schema = StoredSchema::of(T::SCHEMA).expect("the type is a small one");
    assert_eq!((schema.hash(), schema.width(), schema.is_plain()), (T::HASH, size_of::<T::Archived>(), T::PLAIN));
    assert_eq!(schema.to_string().parse().as_ref(), Ok(&schema));
    let mut builder = BufferBuilder::<T>::new(Columns::default(), 1 << 20);
    builder.push(value.view(), Timestamp::MIN, 0).expect("it is small");
    let buffer = builder.seal(0);
    let mut values = Values::new(&schema, 1, Columns::default(), buffer.bytes()).expect("the lengths fit");
    let value = values.next().expect("there is one").expect("what was encoded is valid");
    read(&schema, value)
}

#[track_caller]
fn check<T: Stored + Clone + for<'t> Document<'t>>(value: T) {
    let json = serde_json::to_string(&ViewOf::<T>(value.view())).expect("it is a document");
    with_stored(&value, |_, found| {
        assert_eq!(serde_json::to_string(&found).expect("a value is a document"), json);
        assert_eq!(T::from_value(found).as_ref(), Some(&value));
    });
}

/// What a later type makes of what an earlier one has stored.
#[track_caller]
fn migrate<Old: Stored, New: Stored>(old: &Old) -> New {
    with_stored(old, |schema, value| {
        schema.check(New::SCHEMA).expect("the types fit");
        New::from_value(value).expect("what fits can be made")
    })
}

#[track_caller]
fn refused<Old: Stored, New: Stored>(old: &Old) -> String {
    with_stored(old, |schema, _| schema.check(New::SCHEMA).expect_err("the types do not fit").to_string())
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
enum Event {
    Opened {
        at: u64,
        by: String,
    },
    Placed(Meters, Vec<Side>),
    #[record(rename = "shut")]
    Closed,
    Only(Option<String>),
}

#[derive(Record, Clone, Copy, Debug, PartialEq)]
#[record(crate = crate::support)]
enum Side {
    Buy,
    Sell,
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Meters(f64);

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Nothing;

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Pair<A, B>(A, B);

struct Bits;

impl Adapter for Bits {
    type Foreign = std::num::Wrapping<u32>;
    type As = String;
    fn view(_: &std::num::Wrapping<u32>) -> &str {
        "seven"
    }
    fn from_view(view: &str) -> std::num::Wrapping<u32> {
        std::num::Wrapping(view.len() as u32)
    }
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Odd {
    #[record(with = Bits)]
    foreign: std::num::Wrapping<u32>,
    #[record(skip)]
    passed_over: u64,
    events: BTreeMap<String, Event>,
    #[record(rename = "the rest")]
    rest: (Nothing, Pair<u8, String>),
}

#[test]
fn derived_types_are_read_without_them() {
    check(Event::Opened { at: 7, by: "somebody whose name is long".into() });
    check(Event::Placed(Meters(1.5), vec![Side::Buy, Side::Sell]));
    check(Event::Closed);
    check(vec![Event::Only(None), Event::Only(Some("x".into())), Event::Closed]);
    check(Nothing);
    check(Odd {
        foreign: std::num::Wrapping(5),
        passed_over: 0,
        events: BTreeMap::from([("a".into(), Event::Closed), ("b".into(), Event::Opened { at: 1, by: "x".into() })]),
        rest: (Nothing, Pair(3, "a string that does not fit in line".into())),
    });
}

mod first {
    use super::{Debug, Record};

    #[derive(Record, Clone, Debug, PartialEq)]
    #[record(crate = crate::support)]
    pub(super) struct Item {
        pub(super) id: u64,
    }

    #[derive(Record, Clone, Debug, PartialEq)]
    #[record(crate = crate::support)]
    pub(super) struct Cart {
        pub(super) items: Vec<Item>,
        pub(super) cents: u64,
    }

    #[derive(Record, Clone, Debug, PartialEq)]
    #[record(crate = crate::support)]
    pub(super) enum Visit {
        Looked,
        Bought { cart: Cart, at: [Option<Item>; 2] },
    }
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support, rename = "Item")]
struct ItemV1 {
    id: u64,
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support, version = 2, from = ItemV1)]
struct Item {
    id: String,
}

impl From<ItemV1> for Item {
    fn from(old: ItemV1) -> Self {
        Self { id: old.id.to_string() }
    }
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support, rename = "Cart")]
struct CartV1 {
    items: Vec<Item>,
    cents: u64,
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support, version = 2, from = CartV1, rename = "Cart")]
struct CartV2 {
    items: Vec<Item>,
    price: f64,
}

impl From<CartV1> for CartV2 {
    fn from(old: CartV1) -> Self {
        Self { items: old.items, price: old.cents as f64 / 100.0 }
    }
}

/// The fields are those of version 2, and mean something else.
#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support, version = 3, from = CartV2)]
struct Cart {
    items: Vec<Item>,
    price: f64,
}

impl From<CartV2> for Cart {
    fn from(old: CartV2) -> Self {
        Self { items: old.items, price: old.price * 2.0 }
    }
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
enum Visit {
    Looked,
    Bought { cart: Cart, at: [Option<Item>; 2] },
}

fn items(ids: &[&str]) -> Vec<Item> {
    ids.iter().map(|id| Item { id: (*id).into() }).collect()
}

#[test]
fn versions_are_made_of_those_before() {
    let old = || first::Cart { items: vec![first::Item { id: 1 }, first::Item { id: 20 }], cents: 250 };
    let new = || Cart { items: items(&["1", "20"]), price: 5.0 };
    assert_eq!(migrate::<_, CartV1>(&old()), CartV1 { items: items(&["1", "20"]), cents: 250 });
    assert_eq!(migrate::<_, Cart>(&old()), new(), "three versions, two of a type in another");
    assert_eq!(
        migrate::<_, Cart>(&CartV2 { items: items(&["x"]), price: 1.0 }),
        Cart { items: items(&["x"]), price: 2.0 }
    );
    assert_eq!(migrate::<_, Cart>(&new()), new());

    let visit = first::Visit::Bought { cart: old(), at: [None, Some(first::Item { id: 3 })] };
    let wanted = Visit::Bought { cart: new(), at: [None, Some(Item { id: "3".into() })] };
    assert_eq!(migrate::<_, Visit>(&visit), wanted);
    assert_eq!(migrate::<_, Visit>(&first::Visit::Looked), Visit::Looked);
    let entries = BTreeMap::from([("a".to_owned(), (1_u8, Some(visit)))]);
    let migrated: std::collections::HashMap<String, (u8, Option<Visit>)> = migrate(&entries);
    assert_eq!(migrated["a"], (1, Some(wanted)));
}

#[test]
fn what_no_version_is_made_of_is_refused() {
    #[derive(Record, Clone, Debug, PartialEq)]
    #[record(crate = crate::support, rename = "Cart")]
    struct Changed {
        items: Vec<Item>,
    }
    let newer = refused::<_, CartV2>(&Cart { items: vec![], price: 0.0 });
    assert!(newer.contains("`Cart` (version 3) is stored, which is newer than `Cart` (version 2)"), "{newer}");
    let changed = refused::<_, Cart>(&Changed { items: vec![] });
    assert!(changed.contains("has other fields than `Cart` (version 1) in this program"), "{changed}");
    let other = refused::<_, Cart>(&Item { id: String::new() });
    assert!(other.contains("`Item` (version 2) is stored and `Cart` (version 3) is wanted"), "{other}");
}
