//! Records read by their schemas alone: the same as by their types, for every family of types, and safe on any bytes.

mod common;

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
};

use common::{access, encode};
use millstream_core::{
    buffer::{BufferBuilder, Columns},
    cell::Cell,
    document::Document,
    dynamic::{StoredSchema, Value, Values, Why, read},
    impls::ByteString,
    record::{Record, ViewOf},
    schema::{Field, Schema, Variant},
    time::{Timestamp, Window},
};
use proptest::prelude::*;

fn schema_of<T: Record>() -> StoredSchema {
    let schema = StoredSchema::of(T::SCHEMA).expect("the type is a small one");
    assert_eq!((schema.hash(), schema.is_plain()), (T::HASH, T::PLAIN));
    assert_eq!(schema.width(), size_of::<T::Archived>());
    assert_eq!(format!("{schema:#}"), T::SCHEMA.to_string());
    assert_eq!(schema.to_string().parse().as_ref(), Ok(&schema), "{schema}");
    assert_eq!(schema.check(T::SCHEMA), Ok(()));
    schema
}

/// A value is read by its schema as by its type, and given back.
#[track_caller]
fn check<T: Record + PartialEq + Debug + for<'t> Document<'t>>(value: T) {
    let schema = schema_of::<T>();
    let bytes = encode::<T>(value.view());
    let found = read(&schema, &bytes).expect("what was encoded is valid");
    let json = serde_json::to_string(&ViewOf::<T>(value.view())).expect("it is a document");
    assert_eq!(serde_json::to_string(&found).expect("a value is a document"), json);
    assert_eq!(T::from_value(found), Some(value));
}

/// A value that is a cell has the same text.
#[track_caller]
fn check_cell<T: Record + PartialEq + Debug + for<'t> Document<'t> + for<'t> Cell<'t>>(value: T) {
    let (schema, bytes) = (schema_of::<T>(), encode::<T>(value.view()));
    let (mut typed, mut dynamic) = (Vec::new(), Vec::new());
    T::format(value.view(), &mut typed);
    assert!(read(&schema, &bytes).expect("valid").write_cell(&mut dynamic));
    assert_eq!(dynamic, typed);
    check(value);
}

#[test]
fn scalars() {
    macro_rules! ends {
        ($($type:ty)*) => { $( check_cell(<$type>::MIN); check_cell(<$type>::MAX); check_cell(1 as $type); )* };
    }
    ends!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 f32 f64);
    check_cell(true);
    check_cell(false);
    check_cell('ß');
    check_cell(char::MAX);
    check(());
    check_cell(Timestamp::from_millis(1_714_564_800_123));
    check_cell(Window::new(Timestamp::from_millis(0), Timestamp::from_millis(1)));
    check_cell(None::<u8>);
    check_cell(Some(7.5_f64));
}

#[test]
fn texts_around_the_length_that_fits_in_line() {
    for len in (0..20).chain([62, 63, 64, 65, 300, 70_000]) {
        check_cell("x".repeat(len));
        check_cell("é".repeat(len));
        check(ByteString(vec![0xff; len]));
        check(vec!["x".repeat(len); 3]);
    }
}

#[test]
fn nesting() {
    check(Some(Some(None::<u8>)));
    check([Some("one".to_owned()), None, Some("a string that does not fit in line".to_owned())]);
    check([vec![1_u8], vec![], vec![2, 3]]);
    check::<[String; 0]>([]);
    check(vec![(); 3]);
    check((1_u8, "two".to_owned(), [3_u16; 2], (4_i128,), 'x', true, Some(2.5_f32)));
    check(BTreeMap::from([(Some(1_u8).map_or('a', |_| 'b'), vec![1_u64])]));
}

#[test]
fn a_map_whose_keys_are_no_names_is_a_list_of_pairs() {
    let map = BTreeMap::from([((1_u8, 2_u8), "x".to_owned())]);
    let (schema, bytes) = (schema_of::<BTreeMap<(u8, u8), String>>(), encode::<BTreeMap<(u8, u8), String>>(map.view()));
    let value = read(&schema, &bytes).expect("valid");
    assert_eq!(serde_json::to_string(&value).expect("a value is a document"), r#"[[[1,2],"x"]]"#);
    assert!(!value.write_cell(&mut Vec::new()));
}

#[test]
fn buffers_are_read_record_by_record() {
    let schema = schema_of::<(u64, Option<String>)>();
    let columns = Columns { timed: true, hashed: true };
    let mut builder = BufferBuilder::<(u64, Option<String>)>::new(columns, 1 << 20);
    let records: Vec<_> = (0..100).map(|i| (i, Some(format!("record number {i}")).filter(|_| i % 3 > 0))).collect();
    for record in &records {
        builder.push(record.view(), Timestamp::from_millis(1), record.0 + 7).expect("it is small");
    }
    let buffer = builder.seal(0);
    let values = Values::new(&schema, 100, columns, buffer.bytes()).expect("the lengths fit");
    assert_eq!((values.hash(3), values.hash(100)), (Some(10), None));
    let read: Vec<_> = values.map(|value| Record::from_value(value.expect("valid")).expect("the same type")).collect();
    assert_eq!(records, read);
    for cut in 0..buffer.bytes().len() {
        if let Ok(values) = Values::new(&schema, 100, columns, &buffer.bytes()[..cut]) {
            assert!(values.count() <= 100);
        }
    }
    Values::new(&schema, u32::MAX, columns, buffer.bytes()).expect_err("no buffer has so many");
}

#[test]
fn texts_that_are_no_schemas() {
    for text in [
        "",
        "u63",
        "Option",
        "Option<u8",
        "Option<u8>>",
        "Vec<>",
        "[u8; x]",
        "[u8; 99999999999999999999]",
        "(u8",
        "(u8,u8)",
        "struct {}",
        "struct A v1 {}",
        "struct A v2",
        "struct A {a u8}",
        "struct \"A {}",
        "enum A {X}",
        "[(); 1048577]",
        "[[[u64; 65536]; 65536]; 65536]",
        "Map<u8>",
        "u8 ",
    ] {
        text.parse::<StoredSchema>().expect_err(text);
    }
    let deep = |depth: usize| "Option<".repeat(depth) + "u8" + &">".repeat(depth);
    assert!(deep(63).parse::<StoredSchema>().is_ok());
    assert!(deep(64).parse::<StoredSchema>().is_err());
    assert!(deep(1_000_000).parse::<StoredSchema>().is_err());
    assert!(format!("({})", vec!["u8"; 70_000].join(", ")).parse::<StoredSchema>().is_err());
}

const fn field(name: &'static str, schema: &'static Schema) -> Field {
    Field { name, schema }
}

#[test]
fn names_of_any_kind_and_versions() {
    const FIRST: &Schema = &Schema::Struct("my \"cart\\", &[field("a b", u8::SCHEMA), field("", String::SCHEMA)]);
    const SECOND: &Schema = &Schema::Versioned(2, &Schema::Struct("my \"cart\\", &[]), FIRST);
    const EVENT: &Schema = &Schema::Versioned(
        3,
        &Schema::Enum("é", &[Variant { name: "0", fields: &[field("0", SECOND)] }, Variant { name: "-", fields: &[] }]),
        FIRST,
    );
    for schema in [FIRST, SECOND, EVENT] {
        let stored = StoredSchema::of(schema).expect("it is small");
        assert_eq!(stored.hash(), schema.hash());
        assert_eq!(stored.to_string().parse(), Ok(stored));
    }
    let text = StoredSchema::of(EVENT).expect("it is small").to_string();
    assert_eq!(format!("{:#}", StoredSchema::of(EVENT).expect("it is small")), "é v3");
    assert_eq!(text, r#"enum é v3 {0 {0: struct "my \"cart\\" v2 {}}, "-" {}}"#);
    assert_eq!((SECOND.name(), SECOND.version(), SECOND.to_string()), (FIRST.name(), 2, FIRST.to_string()));
    assert_ne!(SECOND.hash(), Schema::Struct("my \"cart\\", &[]).hash(), "the version counts");
}

#[test]
fn the_lock_sees_layouts_and_not_the_versions_of_others() {
    const ITEM: &Schema = &Schema::Struct("Item", &[field("id", u64::SCHEMA)]);
    const CHANGED: &Schema = &Schema::Struct("Item", &[field("id", u32::SCHEMA)]);
    const ITEM_2: &Schema = &Schema::Versioned(2, CHANGED, ITEM);
    const ITEM_3: &Schema = &Schema::Versioned(3, ITEM, ITEM_2);
    const fn cart(item: &'static [Field]) -> Schema {
        Schema::Struct("Cart", item)
    }
    let first = cart(const { &[field("item", ITEM)] });
    let changed = cart(const { &[field("item", CHANGED)] });
    let second = cart(const { &[field("item", ITEM_2)] });
    let third = cart(const { &[field("item", ITEM_3)] });
    assert_eq!(first.lock_hash(), first.hash());
    assert_ne!(first.lock_hash(), changed.lock_hash());
    assert_eq!([first.lock_hash(); 2], [second.lock_hash(), third.lock_hash()]);
    assert_eq!(ITEM_2.lock_hash(), ITEM_2.hash(), "its own version counts");
    let hashes = [first.hash(), changed.hash(), second.hash(), third.hash()];
    assert!((0..4).all(|i| (0..i).all(|j| hashes[i] != hashes[j])), "{hashes:x?}");
}

#[test]
fn what_was_stored_without_its_schema_is_found_among_the_versions() {
    const ITEM: &Schema = &Schema::Struct("Item", &[field("id", u64::SCHEMA)]);
    const ITEM_2: &Schema = &Schema::Versioned(2, &Schema::Struct("Item", &[field("id", u32::SCHEMA)]), ITEM);
    const ITEM_3: &Schema = &Schema::Versioned(3, &Schema::Struct("Item", &[]), ITEM_2);
    const CARTS: [&Schema; 3] = [&Schema::List(ITEM), &Schema::List(ITEM_2), &Schema::List(ITEM_3)];
    for cart in CARTS {
        let past = StoredSchema::of_past(CARTS[2], cart.hash());
        assert_eq!(past, StoredSchema::of(cart).filter(|_| cart != CARTS[2]), "{cart:?}");
    }
    assert_eq!(StoredSchema::of_past(CARTS[1], CARTS[2].hash()), None);
}

#[test]
fn what_does_not_fit_is_said() {
    const ITEM: &Schema = &Schema::Struct("Item", &[field("id", u64::SCHEMA)]);
    const CHANGED: &Schema = &Schema::Struct("Item", &[field("id", u64::SCHEMA), field("name", String::SCHEMA)]);
    const SECOND: &Schema = &Schema::Versioned(2, CHANGED, ITEM);
    const CARTS: [&Schema; 3] = [
        &Schema::Struct("Cart", &[field("items", &Schema::List(ITEM))]),
        &Schema::Struct("Cart", &[field("items", &Schema::List(CHANGED))]),
        &Schema::Struct("Cart", &[field("items", &Schema::List(SECOND))]),
    ];
    let stored = |cart: usize| StoredSchema::of(CARTS[cart]).expect("it is small");
    let check = |cart: usize, wanted: usize| {
        let mismatch = stored(cart).check(CARTS[wanted]).err()?;
        assert_eq!(mismatch.path, "items.[]");
        Some((mismatch.why, mismatch.stored, mismatch.wanted))
    };
    let (first, second) = (|| "`Item` (version 1)".to_owned(), || "`Item` (version 2)".to_owned());
    assert_eq!([check(0, 0), check(0, 2), check(2, 2)], [None, None, None]);
    assert_eq!(check(0, 1), Some((Why::Changed, first(), first())));
    assert_eq!(check(1, 2), Some((Why::Changed, first(), first())), "it is not that version 1");
    assert_eq!(check(2, 0), Some((Why::Newer, second(), first())));
    let mismatch = schema_of::<(u8, Vec<u8>)>().check(<(u8, Vec<i8>)>::SCHEMA).expect_err("another type");
    assert_eq!((mismatch.path.as_str(), mismatch.why), ("1.[]", Why::Other));
}

type Nested = Vec<Option<(String, Vec<u64>)>>;
type Everything = (BTreeMap<String, Nested>, HashMap<char, ByteString>, [Option<f64>; 3], Vec<Vec<Window>>, i128);

fn everything() -> impl Strategy<Value = Everything> {
    let time = || (-1_000_000_000_000_i64..2_000_000_000_000).prop_map(Timestamp::from_millis);
    let window = (time(), time()).prop_map(|(start, end)| Window { start, end });
    let nested = prop::collection::vec(prop::option::of((".{0,20}", prop::collection::vec(any::<u64>(), 0..5))), 0..8);
    (
        prop::collection::btree_map(".{0,12}", nested, 0..5),
        prop::collection::hash_map(any::<char>(), any::<Vec<u8>>().prop_map(ByteString), 0..8),
        prop::array::uniform3(prop::option::of(-1e300..1e300)),
        prop::collection::vec(prop::collection::vec(window, 0..4), 0..4),
        any::<i128>(),
    )
}

/// How many values there are, to have looked at all of them.
fn count(value: &Value<'_>) -> usize {
    1 + match value {
        Value::Option(Some(value)) => count(value),
        Value::List(values) | Value::Tuple(values) | Value::Struct(_, values) | Value::Enum(_, _, values) => {
            values.iter().map(count).sum()
        }
        Value::Map(entries) => entries.iter().map(|(key, value)| count(key) + count(value)).sum(),
        Value::Text(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.iter().map(|byte| usize::from(*byte != 0)).sum(),
        _ => 0,
    }
}

proptest! {
    #[test]
    fn records_of_every_kind(value in everything()) {
        check(value);
    }

    /// What the type's own check accepts is accepted here, with the same contents. What it refuses may be read, as something, or be refused: a few pointers are allowed to lead where
    /// nothing that was written leads.
    #[test]
    fn damaged_bytes(value in everything(), at in any::<prop::sample::Index>(), xor in 1..=255_u8) {
        let schema = schema_of::<Everything>();
        let mut bytes = encode::<Everything>(value.view());
        let at = at.index(bytes.len());
        bytes[at] ^= xor;
        let typed = access::<Everything>(&bytes).ok().map(|archived| Everything::from_view(Everything::view_archived(archived)));
        let dynamic = read(&schema, &bytes);
        prop_assert!(typed.is_none() || dynamic.is_ok());
        if let Ok(dynamic) = dynamic {
            prop_assert!(count(&dynamic) > 0);
            // Keys of a map that have become equal are one entry of the type's.
            if let (Some(typed), Some(again)) = (typed, Everything::from_value(dynamic)) {
                prop_assert_eq!(format!("{:?}", encode::<Everything>(typed.view())), format!("{:?}", encode::<Everything>(again.view())));
            }
        }
    }

    #[test]
    fn any_bytes_by_any_schema(bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xff), any::<u8>()], 0..200), which in 0..6_usize) {
        let schemas = [
            "Vec<Vec<Vec<()>>>",
            "Map<String, Option<Vec<u16>>>",
            "struct A {a: Vec<enum B {X {}, Y {0: String, 1: [Vec<()>; 3]}}>, b: ByteString}",
            "[Vec<[(); 1000]>; 4]",
            "(bool, char, String)",
            "Vec<Vec<String>>",
        ];
        let schema: StoredSchema = schemas[which].parse().expect("a schema");
        if let Ok(value) = read(&schema, &bytes) {
            prop_assert!(count(&value) > 0);
            prop_assert!(serde_json::to_string(&value).is_ok());
        }
        for columns in [Columns::default(), Columns { timed: false, hashed: true }] {
            if let Ok(values) = Values::new(&schema, 3, columns, &bytes) {
                prop_assert!(values.count() <= 3);
            }
        }
    }

    #[test]
    fn any_text_as_a_schema(text in "[a-zA-Z0-9 <>{}(),;:\\[\\]\"\\\\]{0,60}") {
        if let Ok(schema) = text.parse::<StoredSchema>() {
            prop_assert_eq!(schema.to_string().parse(), Ok(schema));
        }
    }
}
