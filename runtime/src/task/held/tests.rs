//! Records and watermarks of a batch come in the order in which they were put in, wherever these lie.

use millstream_core::{
    batch::{Batch, Marked},
    buffer::{BufferBuilder, Columns},
    time::Timestamp,
};

use super::Held;

#[derive(Debug, PartialEq)]
enum Seen {
    Records(Vec<u64>),
    Watermark(i64),
}
use Seen::{Records, Watermark};

fn read(records: u64, watermarks: &[(usize, i64)]) -> Vec<Seen> {
    let mut builder = BufferBuilder::<u64>::new(Columns::default(), 1 << 20);
    for number in 0..records {
        builder.push(number, Timestamp::MIN, 0).expect("a number is small");
    }
    let marked = |&(behind, at): &(usize, i64)| Marked { behind, at: Timestamp::from_millis(at) };
    let watermarks: Vec<_> = watermarks.iter().map(marked).collect();
    let mut held = Held::new(0, Batch::new(builder.seal(0), &watermarks));
    let mut seen = Vec::new();
    loop {
        let mut cursor = held.cursor();
        assert_eq!(cursor.port().is_some(), cursor.records::<u64>().is_some_and(|records| records.count() > 0));
        let records = cursor.records::<u64>().expect("there is a batch");
        let end = records.len();
        let numbers: Vec<_> = records.map(|(number, _)| number).collect();
        cursor.advance_to(end);
        let position = cursor.position();
        if !numbers.is_empty() {
            seen.push(Records(numbers));
        }
        held.advance_to(position);
        if held.is_last() {
            return seen;
        }
        if let Some(at) = held.go_on() {
            seen.push(Watermark(at.millis()));
        }
    }
}

#[test]
fn without_watermarks_all_records_come_at_once() {
    assert_eq!(read(3, &[]), [Records(vec![0, 1, 2])]);
    assert_eq!(read(0, &[]), []);
}

#[test]
fn watermarks_come_between_the_records_where_they_were_put() {
    assert_eq!(
        read(4, &[(1, 10), (3, 20)]),
        [Records(vec![0]), Watermark(10), Records(vec![1, 2]), Watermark(20), Records(vec![3])]
    );
    assert_eq!(read(2, &[(0, 10), (2, 20)]), [Watermark(10), Records(vec![0, 1]), Watermark(20)]);
}

#[test]
fn every_watermark_comes_also_where_nothing_lies_between_them() {
    assert_eq!(read(1, &[(1, 10), (1, 20), (1, 30)]), [Records(vec![0]), Watermark(10), Watermark(20), Watermark(30)]);
    assert_eq!(read(0, &[(0, 10), (0, 20)]), [Watermark(10), Watermark(20)]);
}
