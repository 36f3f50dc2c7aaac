//! The bytes of sealed buffers are fixed: what was written yesterday is read today, and written the same.

use std::{collections::BTreeMap, fmt::Write};

use millstream_core::{
    buffer::{BufferBuilder, Columns, DEFAULT_MAX_RECORD_SIZE, Header, Received},
    impls::ByteString,
    record::Record,
    time::Timestamp,
};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(&String::from_iter(two), 16).expect("hexadecimal digits")).collect()
}

/// Encodes the records and compares the bytes with `golden`; reads `golden` as a stranger's and compares the records.
#[track_caller]
fn check<T: Record>(records: &[T], columns: Columns, golden: &str) {
    let mut builder = BufferBuilder::<T>::new(columns, DEFAULT_MAX_RECORD_SIZE);
    for (i, record) in records.iter().enumerate() {
        builder
            .push(record.view(), at(1000 + i as i64), 0x0102_0304_0506_0708 + i as u64)
            .expect("the record is small");
    }
    let sealed = builder.seal(3);
    let golden = from_hex(golden);
    assert_eq!(hex(sealed.bytes()), hex(&golden));

    let header = Header { schema: T::HASH, ..*sealed.header() };
    let read = Received { header, bytes: golden }.validate::<T>().expect("yesterday's bytes are valid");
    let (wanted, found) = (sealed.records::<T>(0), read.records::<T>(0));
    for i in 0..records.len() {
        assert_eq!(format!("{:?}", found.get(i)), format!("{:?}", wanted.get(i)));
        assert_eq!((found.time(i), found.hash(i)), (wanted.time(i), wanted.hash(i)));
    }
    assert_eq!(found.len(), records.len());
}

#[test]
fn plain_records_lie_one_behind_the_other() {
    check(&[(1_u64, -2_i16), (3, 4)], Columns::default(), "0100000000000000feff03000000000000000400");
}

#[test]
fn roots_times_and_hashes_follow() {
    let columns = Columns { timed: true, hashed: true };
    check(
        &["short".to_owned(), "longer than what fits into its place".to_owned()],
        columns,
        "73686f7274ffffff6c6f6e676572207468616e2077686174206669747320696e746f2069747320706c616365a4000000dcffffff000000002c000000 \
         e803000000000000e90300000000000008070605040302010907060504030201",
    );
}

#[test]
fn every_kind_of_part() {
    let record = (
        (true, 'ä', 1.5_f32, u128::MAX),
        Some(-7_i64),
        None::<u32>,
        vec![vec![1_u16, 2], vec![]],
        [at(5), at(-5)],
        BTreeMap::from([(2_u8, "two".to_owned()), (1, "one".to_owned())]),
        ByteString(vec![0, 255]),
    );
    check(
        &[record],
        Columns::default(),
        "01000200fcffffff02000000f8ffffff00000000016f6e65ffffffffff0274776fffffffffff00ff01e40000000000c03fffffffffffffffffffffff \
         ffffffffff01f9ffffffffffffff0000000000b5ffffff020000000500000000000000fbffffffffffffffadffffff02000000b7ffffff0200000028 \
         000000",
    );
}
