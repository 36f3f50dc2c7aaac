//! What frames have in them is read back, and what makes no sense is refused.

use millstream_core::buffer::BufferBuilder;

use super::*;

fn batch(records: u64, watermarks: &[(usize, i64)]) -> Batch {
    let columns = Columns { timed: true, hashed: false };
    let mut builder = BufferBuilder::<u64>::new(columns, 1 << 20);
    for n in 0..records {
        builder.push(n, Timestamp::from_millis(n as i64), 0).expect("it fits");
    }
    let marked = |&(behind, at): &(usize, i64)| Marked { behind, at: Timestamp::from_millis(at) };
    Batch::new(builder.seal(3), &watermarks.iter().map(marked).collect::<Vec<_>>())
}

fn encoded(batch: &Batch) -> (Vec<u8>, Vec<u8>) {
    let mut meta = Vec::new();
    encode_batch(batch, true, &mut meta);
    (meta, batch.buffer.bytes().to_vec())
}

#[test]
fn batches_are_read_back() {
    for batch in [batch(0, &[]), batch(3, &[]), batch(3, &[(0, -5), (3, 8)]), batch(0, &[(0, i64::MAX)])] {
        let (meta, body) = encoded(&batch);
        let received = ReceivedBatch::decode(&meta, body).expect("it was encoded like this");
        assert_eq!(received.cost(), cost_bytes(batch.buffer.size(), batch.watermarks().len()));
        assert!(received.used_up);
        assert_eq!(received.watermarks, batch.watermarks());
        assert_eq!(received.received.header, *batch.buffer.header());
        let read = received.received.validate::<u64>().expect("it is what was sent");
        assert_eq!(read.bytes(), batch.buffer.bytes());
    }
}

#[test]
fn batches_that_make_no_sense_are_refused() {
    let (meta, body) = encoded(&batch(3, &[(1, 5), (2, 6)]));
    let decode = |meta: &[u8]| ReceivedBatch::decode(meta, body.clone()).err();
    let with = |at: usize, byte: u8| {
        let mut meta = meta.clone();
        meta[at] = byte;
        decode(&meta)
    };
    assert_eq!(decode(&meta), None);
    assert!(matches!(decode(&meta[..17]), Some(WireError::Length { kind: "batch", bytes: 17 })));
    assert!(matches!(decode(&meta[..meta.len() - 1]), Some(WireError::Length { .. })));
    assert!(matches!(with(16, 8), Some(WireError::Batch("columns that do not exist"))));
    assert!(matches!(with(3, 255), Some(WireError::Batch("more records than one may have"))));
    assert!(matches!(with(18, 3), Some(WireError::Batch("watermarks that are not in order"))), "behind the second");
    assert!(matches!(with(30, 4), Some(WireError::Batch("watermarks that are not in order"))), "behind all records");
    let many = [&meta[..18], &[0; 12 * (WATERMARKS_LIMIT + 1)]].concat();
    assert!(matches!(decode(&many), Some(WireError::Batch("more watermarks than one may have"))));
}

#[test]
fn grants_are_read_back() {
    let grant = Grant { released: 5, limit: u64::MAX };
    assert_eq!(Grant::decode(&grant.encode()), Ok(grant));
    assert_eq!(Grant::decode(&grant.encode()[1..]), Err(WireError::Length { kind: "grant", bytes: 15 }));
    assert_eq!(decode_settled(&7_u64.to_le_bytes()), Ok(7));
    assert_eq!(decode_settled(&[0; 9]), Err(WireError::Length { kind: "settled", bytes: 9 }));
}

#[test]
fn reasons_are_cut_between_characters() {
    assert_eq!(cut_reason("why"), "why");
    let long = "é".repeat(REASON_BYTES_LIMIT);
    assert_eq!(cut_reason(&long).len(), REASON_BYTES_LIMIT);
    assert_eq!(cut_reason(&format!("a{long}")).len(), REASON_BYTES_LIMIT - 1);
}
