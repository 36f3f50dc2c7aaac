//! Schemas print as Rust types, and every difference between two of them shows in the hash.

use std::collections::{BTreeMap, HashMap, HashSet};

use millstream_core::{
    impls::ByteString,
    record::Record,
    schema::{Field, Schema, Variant},
    time::{Timestamp, Window},
};

type Nested = Vec<Option<(String, [u64; 4])>>;

#[test]
fn schemas_print_as_rust_types() {
    assert_eq!(u8::SCHEMA.to_string(), "u8");
    assert_eq!(Nested::SCHEMA.to_string(), "Vec<Option<(String, [u64; 4])>>");
    assert_eq!(<(char,)>::SCHEMA.to_string(), "(char,)");
    assert_eq!(<()>::SCHEMA.to_string(), "()");
    assert_eq!(BTreeMap::<Timestamp, Window>::SCHEMA.to_string(), "Map<Timestamp, Window>");
    assert_eq!(HashMap::<ByteString, f64>::SCHEMA.to_string(), "Map<ByteString, f64>");
}

#[test]
fn both_maps_are_one_schema() {
    assert_eq!(BTreeMap::<u8, String>::HASH, HashMap::<u8, String>::HASH);
}

#[test]
fn hashes_differ() {
    let u8s = [Field { name: "a", schema: u8::SCHEMA }];
    let renamed = [Field { name: "b", schema: u8::SCHEMA }];
    let retyped = [Field { name: "a", schema: i8::SCHEMA }];
    // Leaked because a schema is static: that is what a type's schema is.
    let fields = |fields: [Field; 1]| -> &'static [Field] { Box::leak(Box::new(fields)) };
    let (u8s, renamed, retyped) = (fields(u8s), fields(renamed), fields(retyped));
    let variants = |names: &[&'static str]| -> &'static [Variant] {
        names.iter().map(|name| Variant { name, fields: u8s }).collect::<Vec<_>>().leak()
    };
    let hashes = [
        u8::HASH,
        u16::HASH,
        u32::HASH,
        u64::HASH,
        u128::HASH,
        i8::HASH,
        i16::HASH,
        i32::HASH,
        i64::HASH,
        i128::HASH,
        f32::HASH,
        f64::HASH,
        bool::HASH,
        char::HASH,
        <()>::HASH,
        String::HASH,
        ByteString::HASH,
        Timestamp::HASH,
        Window::HASH,
        Option::<u8>::HASH,
        Option::<Option<u8>>::HASH,
        Vec::<u8>::HASH,
        Vec::<Option<u8>>::HASH,
        Option::<Vec<u8>>::HASH,
        <[u8; 1]>::HASH,
        <[u8; 2]>::HASH,
        <(u8,)>::HASH,
        <(u8, u8)>::HASH,
        <((u8, u8), u8)>::HASH,
        <(u8, (u8, u8))>::HASH,
        BTreeMap::<u8, u16>::HASH,
        BTreeMap::<u16, u8>::HASH,
        Nested::HASH,
        Schema::Struct("A", u8s).hash(),
        Schema::Struct("B", u8s).hash(),
        Schema::Struct("A", renamed).hash(),
        Schema::Struct("A", retyped).hash(),
        Schema::Struct("A", &[]).hash(),
        Schema::Enum("A", variants(&["X"])).hash(),
        Schema::Enum("A", variants(&["Y"])).hash(),
        Schema::Enum("A", variants(&["X", "Y"])).hash(),
        Schema::Enum("A", variants(&["Y", "X"])).hash(),
    ];
    assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
}

/// Locks and savepoints hold these: they never change.
#[test]
fn hashes_are_fixed() {
    assert_eq!(u64::HASH, 0x68d2_6524_edc1_9db2);
    assert_eq!(Nested::HASH, 0x3444_b544_ac52_185e);
    assert_eq!(Window::HASH, 0xe1ca_a476_12f4_2f3a);
}
