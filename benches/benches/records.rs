//! Encode, validate and view, per record: a bid with strings and a pair of integers, beside a format without validation written by hand (numbers
//! as they are, texts behind their lengths). And rows of CSV, encoded from views that borrow from the text.
#![allow(missing_docs, reason = "criterion's macros make functions without")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use csv::ByteRecord;
use millstream::{Row, prelude::*, settings::Settings};
use millstream_benches::{
    Ratio,
    bid::{Bid, BidView, Random, bids},
    print_ratio,
};
use millstream_core::buffer::{Buffer, BufferBuilder, Columns, DEFAULT_MAX_RECORD_SIZE, Received};

const BIDS: usize = 200_000;
const PAIRS: usize = 2_000_000;
const ROUNDS: usize = 25;

type Pair = (u64, u64);

/// The format by hand.
trait ByHand: Record {
    fn put(view: Self::View<'_>, out: &mut Vec<u8>);
    /// Reads a record, checks included; `None` if the bytes are not one.
    fn get<'a>(bytes: &mut &'a [u8]) -> Option<Self::View<'a>>;
    /// A number that depends on all of the record, so that all of it is read.
    fn digest(view: Self::View<'_>) -> u64;
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn get_u64(bytes: &mut &[u8]) -> Option<u64> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*number))
}

fn get_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

fn ends(text: &str) -> u64 {
    let bytes = text.as_bytes();
    text.len() as u64 + u64::from(*bytes.first().unwrap_or(&0)) + u64::from(*bytes.last().unwrap_or(&0))
}

impl ByHand for Bid {
    fn put(bid: BidView<'_>, out: &mut Vec<u8>) {
        for number in [bid.auction, bid.bidder, bid.date_time, bid.price as u64] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for text in [bid.channel, bid.url, bid.extra] {
            put_text(text, out);
        }
    }

    fn get<'a>(bytes: &mut &'a [u8]) -> Option<BidView<'a>> {
        Some(BidView {
            auction: get_u64(bytes)?,
            bidder: get_u64(bytes)?,
            date_time: get_u64(bytes)?,
            price: get_u64(bytes)? as i64,
            channel: get_text(bytes)?,
            url: get_text(bytes)?,
            extra: get_text(bytes)?,
        })
    }

    fn digest(bid: BidView<'_>) -> u64 {
        let numbers = bid.auction ^ bid.bidder ^ bid.date_time ^ bid.price as u64;
        numbers.wrapping_add(ends(bid.channel) + ends(bid.url) + ends(bid.extra))
    }
}

impl ByHand for Pair {
    fn put((key, value): Pair, out: &mut Vec<u8>) {
        out.extend_from_slice(&key.to_le_bytes());
        out.extend_from_slice(&value.to_le_bytes());
    }

    fn get(bytes: &mut &[u8]) -> Option<Pair> {
        Some((get_u64(bytes)?, get_u64(bytes)?))
    }

    fn digest((key, value): Pair) -> u64 {
        key ^ value.rotate_left(7)
    }
}

fn builder<T: Record>() -> BufferBuilder<T> {
    BufferBuilder::new(Columns::default(), DEFAULT_MAX_RECORD_SIZE)
}

/// Seals buffers of the size that exchanges use, made ready as exchanges make them; gives each to `each`.
fn encode<'r, T: Record>(views: impl Iterator<Item = T::View<'r>>, mut each: impl FnMut(Buffer)) {
    let limit = Settings::default().buffer_bytes;
    let mut builder = builder::<T>();
    for view in views {
        builder.push(view, Timestamp::MIN, 0).expect("a small record fits a buffer");
        if builder.len_bytes() >= limit {
            each(builder.seal(0));
            builder.reserve(limit + limit / 4);
        }
    }
    each(builder.seal(0));
}

fn encode_by_hand<'r, T: ByHand>(views: impl Iterator<Item = T::View<'r>>, mut each: impl FnMut(Vec<u8>)) {
    let limit = Settings::default().buffer_bytes;
    let mut bytes = Vec::new();
    for view in views {
        T::put(view, &mut bytes);
        if bytes.len() >= limit {
            each(std::mem::replace(&mut bytes, Vec::with_capacity(limit + limit / 4)));
        }
    }
    each(bytes);
}

fn received(buffers: &[Buffer]) -> Vec<Received> {
    buffers.iter().map(|buffer| Received { header: *buffer.header(), bytes: buffer.bytes().to_vec() }).collect()
}

fn measure<T: ByHand>(criterion: &mut Criterion, name: &str, records: &[T]) {
    let (mut buffers, mut by_hand) = (Vec::new(), Vec::new());
    encode::<T>(records.iter().map(T::view), |buffer| buffers.push(buffer));
    encode_by_hand::<T>(records.iter().map(T::view), |bytes| by_hand.push(bytes));

    let encode_ours = || encode::<T>(records.iter().map(T::view), drop);
    let encode_hand = || encode_by_hand::<T>(records.iter().map(T::view), drop);
    let view_ours = || {
        let views = buffers.iter().flat_map(|buffer| buffer.records::<T>(0));
        views.fold(0, |sum: u64, (view, _)| sum.wrapping_add(T::digest(view)))
    };
    let view_hand = || {
        let mut sum = 0_u64;
        for mut bytes in by_hand.iter().map(Vec::as_slice) {
            while let Some(view) = T::get(&mut bytes) {
                sum = sum.wrapping_add(T::digest(view));
            }
        }
        sum
    };
    // Bytes that came from outside, a copy for every round: validating takes them.
    let mut copies: Vec<_> = (0..=ROUNDS).map(|_| received(&buffers)).collect();
    let validate_ours = || {
        let copy = copies.pop().expect("there is a copy for every round");
        validate::<T>(copy)
    };
    let validate_hand = || {
        let count = |mut bytes: &[u8]| std::iter::from_fn(|| T::get(&mut bytes)).count();
        by_hand.iter().map(|bytes| count(bytes)).sum()
    };
    let [encoded, validated, viewed] = ["encode", "validate", "view"].map(|step| format!("records/{name}/{step}"));
    let ratio = |name| Ratio { name, records: records.len(), rounds: ROUNDS };
    print_ratio(ratio(&encoded), encode_hand, encode_ours);
    print_ratio(ratio(&validated), validate_hand, validate_ours);
    print_ratio(ratio(&viewed), view_hand, view_ours);

    let mut group = criterion.benchmark_group(format!("records/{name}"));
    group.throughput(Throughput::Elements(records.len() as u64)).sample_size(20);
    group.bench_function("encode", |bencher| bencher.iter(encode_ours));
    group.bench_function("encode/hand", |bencher| bencher.iter(encode_hand));
    let copy = || received(&buffers);
    group.bench_function("validate", |bencher| bencher.iter_batched(copy, validate::<T>, BatchSize::LargeInput));
    group.bench_function("validate/hand", |bencher| bencher.iter(validate_hand));
    group.bench_function("view", |bencher| bencher.iter(view_ours));
    group.bench_function("view/hand", |bencher| bencher.iter(view_hand));
    group.finish();
}

fn validate<T: Record>(buffers: Vec<Received>) -> usize {
    let sound = buffers.into_iter().map(|buffer| buffer.validate::<T>().expect("the buffers are sound").len());
    sound.sum()
}

/// Cells split by the csv crate on both sides: parsed to a view and encoded, and parsed to an owned bid and encoded.
fn from_csv(criterion: &mut Criterion, bids: &[Bid]) {
    let rows: Vec<ByteRecord> = bids
        .iter()
        .map(|bid| {
            let numbers = [bid.auction, bid.bidder, bid.date_time, bid.price as u64].map(|number| number.to_string());
            let texts = [&bid.channel, &bid.url, &bid.extra];
            numbers.iter().chain(texts).map(String::as_bytes).collect()
        })
        .collect();
    let view_of = |row| parse(row).expect("the rows are sound");
    let borrowed = || encode::<Bid>(rows.iter().map(view_of), drop);
    let owned = || {
        let limit = Settings::default().buffer_bytes;
        let mut builder = builder::<Bid>();
        for row in &rows {
            let bid = parse_owned(row).expect("the rows are sound");
            builder.push(bid.view(), Timestamp::MIN, 0).expect("a small record fits a buffer");
            if builder.len_bytes() >= limit {
                drop(builder.seal(0));
                builder.reserve(limit + limit / 4);
            }
        }
    };
    print_ratio(Ratio { name: "records/bid/csv_encode", records: bids.len(), rounds: ROUNDS }, owned, borrowed);

    let mut group = criterion.benchmark_group("records/csv");
    group.throughput(Throughput::Elements(bids.len() as u64)).sample_size(20);
    group.bench_function("view_encode", |bencher| bencher.iter(borrowed));
    group.bench_function("owned_encode", |bencher| bencher.iter(owned));
    group.finish();
}

fn parse(row: &ByteRecord) -> Option<BidView<'_>> {
    <Bid as Row<'_>>::parse(|column| row.get(column)).ok()
}

fn parse_owned(row: &ByteRecord) -> Option<Bid> {
    let text = |column: usize| std::str::from_utf8(row.get(column)?).ok();
    Some(Bid {
        auction: text(0)?.parse().ok()?,
        bidder: text(1)?.parse().ok()?,
        date_time: text(2)?.parse().ok()?,
        price: text(3)?.parse().ok()?,
        channel: text(4)?.to_owned(),
        url: text(5)?.to_owned(),
        extra: text(6)?.to_owned(),
    })
}

fn records(criterion: &mut Criterion) {
    let bids = bids(BIDS);
    let mut random = Random::default();
    let pairs: Vec<Pair> = (0..PAIRS).map(|_| (random.below(1 << 40), random.below(1 << 20))).collect();
    measure(criterion, "bid", &bids);
    measure(criterion, "pair", &pairs);
    from_csv(criterion, &bids);
}

criterion_group!(benches, records);
criterion_main!(benches);
