//! What comes from outside is damaged at random: `Received::validate` must refuse it, or every record must be readable. Never a panic, never
//! bytes outside of the buffer (`cargo xtask asan` runs this under the address sanitizer).
//!
//! `MILLSTREAM_TEST_BUDGET=full` tries many seeds; a failure prints its own.

use std::{
    collections::BTreeMap,
    fmt::Write,
    panic::{catch_unwind, resume_unwind},
};

use millstream_core::{
    buffer::{Buffer, BufferBuilder, Columns, DEFAULT_MAX_RECORD_SIZE, Header, Received},
    impls::ByteString,
    packed::{Packed, Packer},
    record::Record,
    time::Timestamp,
};

/// SplitMix64: the suite stands alone, so that a sanitizer run builds little.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// A value drawn at random.
trait Draw: Record {
    fn draw(rng: &mut Rng) -> Self;
}

impl Draw for u64 {
    fn draw(rng: &mut Rng) -> Self {
        let bits = rng.below(65) as u32;
        rng.next().checked_shr(bits).unwrap_or(0)
    }
}

impl Draw for () {
    fn draw(_: &mut Rng) {}
}

impl Draw for bool {
    fn draw(rng: &mut Rng) -> Self {
        rng.coin()
    }
}

impl Draw for char {
    fn draw(rng: &mut Rng) -> Self {
        char::from_u32(rng.below(0x11_0000) as u32).unwrap_or('\u{fffd}')
    }
}

impl Draw for f64 {
    fn draw(rng: &mut Rng) -> Self {
        f64::from_bits(rng.next())
    }
}

/// Short ones are archived in line, long ones behind a pointer.
impl Draw for String {
    fn draw(rng: &mut Rng) -> Self {
        let len = rng.below(12);
        (0..len).map(|_| if rng.coin() { 'a' } else { char::draw(rng) }).collect()
    }
}

impl Draw for ByteString {
    fn draw(rng: &mut Rng) -> Self {
        let len = rng.below(20);
        Self((0..len).map(|_| rng.next() as u8).collect())
    }
}

impl<T: Draw> Draw for Option<T> {
    fn draw(rng: &mut Rng) -> Self {
        rng.coin().then(|| T::draw(rng))
    }
}

impl<T: Draw> Draw for Vec<T> {
    fn draw(rng: &mut Rng) -> Self {
        let len = rng.below(5);
        (0..len).map(|_| T::draw(rng)).collect()
    }
}

impl<T: Draw, const N: usize> Draw for [T; N] {
    fn draw(rng: &mut Rng) -> Self {
        std::array::from_fn(|_| T::draw(rng))
    }
}

impl Draw for BTreeMap<String, u64> {
    fn draw(rng: &mut Rng) -> Self {
        let len = rng.below(5);
        (0..len).map(|_| (String::draw(rng), u64::draw(rng))).collect()
    }
}

impl<A: Draw, B: Draw> Draw for (A, B) {
    fn draw(rng: &mut Rng) -> Self {
        (A::draw(rng), B::draw(rng))
    }
}

impl<A: Draw, B: Draw, C: Draw> Draw for (A, B, C) {
    fn draw(rng: &mut Rng) -> Self {
        (A::draw(rng), B::draw(rng), C::draw(rng))
    }
}

/// A buffer of a few records, with random columns.
fn build<T: Draw>(rng: &mut Rng) -> Buffer {
    let columns = Columns { timed: rng.coin(), hashed: rng.coin() };
    let mut builder = BufferBuilder::<T>::new(columns, DEFAULT_MAX_RECORD_SIZE);
    for _ in 0..rng.below(6) {
        let (record, at, hash) = (T::draw(rng), Timestamp::from_millis(rng.next() as i64), rng.next());
        builder.push(record.view(), at, hash).expect("the record is small");
    }
    builder.seal(rng.next() as u8)
}

fn received(buffer: &Buffer) -> Received {
    Received { header: *buffer.header(), bytes: buffer.bytes().to_vec() }
}

/// Every record, column and byte of text as one string.
fn read<T: Record>(buffer: &Buffer) -> String {
    let records = buffer.records::<T>(0);
    let mut text = String::new();
    for i in 0..records.len() {
        // An owned copy goes another way through the archive than a view that is printed.
        let owned = T::from_view(records.get(i));
        let (printed, copied) = (format!("{:?}", records.get(i)), format!("{:?}", owned.view()));
        assert!(is_map(&printed) || printed == copied, "a copy differs from its original: {copied} and {printed}");
        write!(text, "{printed} {} {:?};", records.time(i), records.hash(i)).expect("a string takes everything");
    }
    text
}

/// A damaged map may hold a key twice or out of order; its owned copy does not.
fn is_map(printed: &str) -> bool {
    printed.contains('{')
}

/// Damages bytes or header in one of the ways that a bad network, a bad disk or a bad sender would.
fn damage(received: &mut Received, rng: &mut Rng) {
    let Received { header, bytes } = received;
    match rng.below(8) {
        0 => {
            if !bytes.is_empty() {
                let at = rng.below(bytes.len());
                bytes[at] ^= 1 << rng.below(8);
            }
        }
        1 => bytes.truncate(rng.below(bytes.len() + 1)),
        2 => {
            let more = rng.below(16);
            bytes.extend((0..more).map(|_| rng.next() as u8));
        }
        // A number of four bytes: pointers, lengths and roots are such.
        3 | 4 => {
            if bytes.len() >= 4 {
                let at = rng.below(bytes.len() - 3);
                let number = match rng.below(4) {
                    0 => rng.next() as u32,
                    1 => rng.below(256) as u32,
                    2 => (rng.below(256) as u32).wrapping_neg(),
                    _ => [0, u32::MAX, i32::MAX as u32, i32::MIN as u32][rng.below(4)],
                };
                bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
            }
        }
        5 => {
            let (from, to) = (rng.below(bytes.len() + 1), rng.below(bytes.len() + 1));
            bytes[from.min(to)..from.max(to)].reverse();
        }
        6 => damage_header(header, rng),
        // The columns and the data change places: all lengths fit, nothing else does.
        _ => {
            if !bytes.is_empty() {
                let by = rng.below(bytes.len());
                bytes.rotate_left(by);
            }
        }
    }
}

fn damage_header(header: &mut Header, rng: &mut Rng) {
    match rng.below(6) {
        0 => header.records = header.records.wrapping_add(1),
        1 => header.records = rng.next() as u32,
        2 => header.data_bytes = header.data_bytes.wrapping_sub(rng.below(24) as u32),
        3 => header.data_bytes = rng.next() as u32,
        4 => header.columns.timed = !header.columns.timed,
        _ => header.columns.hashed = !header.columns.hashed,
    }
}

/// Builds, damages, validates and reads buffers of a type; gives how many damaged ones were refused, and how many were not.
fn fuzz<T: Draw>(name: &str) {
    let full = std::env::var_os("MILLSTREAM_TEST_BUDGET").is_some_and(|budget| budget == "full");
    let seeds = if full { 400_000 } else { 4_000 };
    let (mut refused, mut taken) = (0, 0);
    for seed in 0..seeds {
        let outcome = catch_unwind(|| attempt::<T>(seed));
        match outcome {
            Ok(true) => refused += 1,
            Ok(false) => taken += 1,
            Err(panic) => {
                eprintln!("{name}: seed {seed} panics");
                resume_unwind(panic);
            }
        }
    }
    // Both must happen, or the suite has stopped to test anything.
    assert!(refused > seeds / 20 && taken > seeds / 20, "{name}: {refused} refused, {taken} taken, of {seeds}");
}

/// One buffer of a seed; true if its damage was noticed.
fn attempt<T: Draw>(seed: u64) -> bool {
    let mut rng = Rng(seed);
    let built = build::<T>(&mut rng);
    let whole = received(&built).validate::<T>().expect("what was just built is valid");
    assert_eq!(read::<T>(&whole), read::<T>(&built));

    let mut damaged = received(&built);
    for _ in 0..=rng.below(3) {
        damage(&mut damaged, &mut rng);
    }
    match damaged.validate::<T>() {
        Ok(buffer) => {
            read::<T>(&buffer);
            false
        }
        Err(invalid) => {
            assert!(!invalid.to_string().is_empty());
            true
        }
    }
}

#[test]
fn integers() {
    fuzz::<u64>("u64");
}

#[test]
fn strings() {
    fuzz::<String>("String");
}

#[test]
fn byte_strings() {
    fuzz::<ByteString>("ByteString");
}

#[test]
fn plain_tuples() {
    fuzz::<((u64, bool), (char, f64), [Option<char>; 3])>("plain tuple");
}

#[test]
fn tuples_with_pointers() {
    fuzz::<((u64, String), (Option<String>, (bool, ByteString)), char)>("tuple");
}

#[test]
fn lists_of_options_of_lists() {
    fuzz::<Vec<Option<(String, Vec<u64>)>>>("Vec<Option<(String, Vec<u64>)>>");
}

#[test]
fn maps() {
    fuzz::<(BTreeMap<String, u64>, String)>("map");
}

/// A packed list gives back what was put in, in whatever order it is read, and is in a buffer what a `Vec` would be.
fn packed<T: Draw>(rng: &mut Rng) {
    let mut packer = Packer::default();
    let (mut list, mut model) = (Packed::<T>::default(), Vec::new());
    for _ in 0..rng.below(4) {
        let mut part = Packed::<T>::default();
        for _ in 0..rng.below(10) {
            let record = T::draw(rng);
            part.push(&mut packer, record.view()).expect("it is small");
            model.push(record);
        }
        list.append(&part);
        let record = T::draw(rng);
        list.push(&mut packer, record.view()).expect("it is small");
        model.push(record);
        assert_eq!(list.len(), model.len());
    }
    let shown = |list: &Packed<T>| list.iter().map(|view| format!("{view:?}")).collect::<Vec<_>>();
    let expected: Vec<_> = model.iter().map(|record| format!("{:?}", record.view())).collect();
    assert_eq!(shown(&list), expected);
    let mut of_list = BufferBuilder::<Packed<T>>::new(Columns::default(), DEFAULT_MAX_RECORD_SIZE);
    let mut of_model = BufferBuilder::<Vec<T>>::new(Columns::default(), DEFAULT_MAX_RECORD_SIZE);
    of_list.push(list.view(), Timestamp::MIN, 0).expect("it is small");
    of_model.push(model.view(), Timestamp::MIN, 0).expect("it is small");
    let (of_list, of_model) = (of_list.seal(0), of_model.seal(0));
    assert_eq!(received(&of_list).bytes, received(&of_model).bytes);
    let again = Packed::<T>::from_view(of_list.records::<Packed<T>>(0).get(0));
    assert_eq!(shown(&again), expected);
    let mut reader = list.reader();
    for _ in 0..40 {
        let at = rng.below(model.len() + 2);
        assert_eq!(reader.get(at).map(|view| format!("{view:?}")), expected.get(at).cloned());
    }
}

#[test]
fn packed_lists() {
    for seed in 0..200 {
        let mut rng = Rng(seed);
        packed::<u64>(&mut rng);
        packed::<String>(&mut rng);
        packed::<(u64, bool)>(&mut rng);
        packed::<(String, Vec<Option<String>>)>(&mut rng);
        packed::<()>(&mut rng);
    }
}

#[test]
fn another_schema_is_refused() {
    let buffer = build::<u64>(&mut Rng(1));
    let message = received(&buffer).validate::<(u64,)>().expect_err("the type differs").to_string();
    assert!(message.contains("schema"), "{message}");
}

/// Whether a view lies over an owned record or over an archive cannot be seen in what is made of it, padding included.
#[test]
fn encoding_what_was_read_gives_the_same_bytes() {
    fn check<T: Draw>() {
        for seed in 0..500 {
            let first = build::<T>(&mut Rng(seed));
            let mut again = BufferBuilder::<T>::new(first.header().columns, DEFAULT_MAX_RECORD_SIZE);
            let records = first.records::<T>(0);
            for i in 0..records.len() {
                again.push(records.get(i), records.time(i), records.hash(i).unwrap_or(0)).expect("it did fit before");
            }
            let again = again.seal(first.port());
            assert_eq!((first.header(), first.bytes()), (again.header(), again.bytes()), "seed {seed}");
        }
    }
    check::<Vec<Option<(String, Vec<u64>)>>>();
    check::<(BTreeMap<String, u64>, String)>();
    check::<((u64, bool), (char, f64), [Option<char>; 3])>();
}
