//! Aggregates: what they give, how exact it is, and that pieces merge to the whole.

mod basics;
#[path = "../common/mod.rs"]
mod common;
mod distinct;
mod quantiles;
mod records;
mod variance;

use common::{access, encode};
use millstream_core::{
    aggregate::{Aggregate, Of},
    record::Record,
    time::Timestamp,
};
use proptest::sample::Index;

/// The way `.aggregate(|of| ..)` of a stream is typed.
fn build<T: Record, A: Aggregate<T>>(of: impl FnOnce(Of<T>) -> A) -> A {
    of(Of::new())
}

/// The accumulator of some records that have times.
fn fold<T: Record, A: Aggregate<T>>(aggregate: &A, records: &[T], time: impl Fn(&T) -> Timestamp) -> A::Acc {
    let mut acc = aggregate.create();
    for record in records {
        aggregate.add(&mut acc, record.view(), time(record));
    }
    acc
}

fn untimed<T>(_: &T) -> Timestamp {
    Timestamp::MIN
}

fn whole<T: Record, A: Aggregate<T>>(aggregate: &A, records: &[T]) -> A::Out {
    whole_timed(aggregate, records, untimed)
}

fn whole_timed<T: Record, A: Aggregate<T>>(aggregate: &A, records: &[T], time: impl Fn(&T) -> Timestamp) -> A::Out {
    aggregate.finish(&fold(aggregate, records, time))
}

/// What an accumulator is after a journey: written to a buffer, and merged from there.
fn merge_archived<T: Record, A: Aggregate<T>>(aggregate: &A, acc: &mut A::Acc, other: &A::Acc) {
    let bytes = encode::<A::Acc>(other.view());
    let archived = access::<A::Acc>(&bytes).expect("what was encoded is valid");
    aggregate.merge(acc, A::Acc::view_archived(archived));
}

fn in_pieces<T: Record, A: Aggregate<T>>(aggregate: &A, records: &[T], cuts: &[usize]) -> A::Out {
    in_pieces_timed(aggregate, records, untimed, cuts)
}

/// Folds pieces apart and merges them, each through an archive: the result.
fn in_pieces_timed<T: Record, A: Aggregate<T>>(
    aggregate: &A,
    records: &[T],
    time: impl Fn(&T) -> Timestamp,
    cuts: &[usize],
) -> A::Out {
    assert!(A::MERGES);
    let mut cuts = [cuts, &[0, records.len()]].concat();
    cuts.sort_unstable();
    let mut acc = aggregate.create();
    for piece in cuts.windows(2) {
        merge_archived(aggregate, &mut acc, &fold(aggregate, &records[piece[0]..piece[1]], &time));
    }
    aggregate.finish(&acc)
}

fn cut_at<T>(records: &[T], cuts: &[Index]) -> Vec<usize> {
    cuts.iter().map(|cut| cut.index(records.len() + 1)).collect()
}

/// Numbers that look random, always the same ones: the generator SplitMix64.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Above 0 and below 1.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }
}
