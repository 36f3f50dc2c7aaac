//! When a batch is sent, and where the watermarks in it are.

use super::*;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn lane() -> Lane<u64> {
    Lane::new(&Settings::default(), Columns::default(), 0)
}

fn marked(batch: &Batch) -> Vec<(usize, i64)> {
    batch.watermarks().iter().map(|marked| (marked.behind, marked.at.millis())).collect()
}

#[test]
fn watermarks_are_sent_between_the_records_where_they_came() {
    let mut lane = lane();
    let mut put = |number: Option<u64>, watermark: i64| {
        if let Some(number) = number {
            assert!(!lane.push(number, at(0), 0).expect("a number is small"));
        }
        assert!(lane.watermark(at(watermark)).is_none());
    };
    put(None, 1);
    put(Some(10), 2);
    put(None, 3);
    put(Some(11), 4);
    let batch = lane.seal().expect("there are records");
    assert_eq!((batch.buffer.len(), marked(&batch)), (2, vec![(0, 1), (1, 2), (1, 3), (2, 4)]));
    assert!(lane.seal().is_none(), "nothing is sent twice");
}

#[test]
fn watermarks_without_records_are_due_like_records() {
    let (now, settings) = (Instant::default(), Settings::default());
    let mut lane = lane();
    assert_eq!(lane.seal_due(now, true).map(|batch| marked(&batch)), Err(None), "there is nothing to send");
    lane.watermark(at(1));
    let due = now + settings.buffer_timeout;
    assert_eq!(lane.seal_due(now, false).map(|batch| marked(&batch)), Err(Some(due)), "the receiver has other work");
    assert_eq!(lane.seal_due(due, false).map(|batch| marked(&batch)), Ok(vec![(0, 1)]));
    lane.watermark(at(2));
    assert_eq!(lane.seal_due(due, true).map(|batch| marked(&batch)), Ok(vec![(0, 2)]), "the receiver waits");
}

#[test]
fn a_batch_has_a_bounded_number_of_watermarks() {
    let mut lane = lane();
    let sent: Vec<_> = (0..3 * WATERMARKS_LIMIT as i64).filter_map(|millis| lane.watermark(at(millis))).collect();
    assert_eq!(sent.iter().map(|batch| batch.watermarks().len()).collect::<Vec<_>>(), [WATERMARKS_LIMIT; 3]);
    assert!(lane.seal().is_none());
}

#[test]
fn buffers_grow_up_to_half_of_the_window_and_to_the_setting() {
    let sizes = |window: usize| -> Vec<usize> {
        let mut lane = lane();
        let mut next = || loop {
            if lane.push(1, Timestamp::MIN, 0).expect("it fits") {
                return lane.seal_full(window).buffer.size();
            }
        };
        (0..8).map(|_| next()).collect()
    };
    let kib = |sizes: [usize; 8]| sizes.map(|size| size << 10).to_vec();
    assert_eq!(sizes(1 << 20), kib([1, 2, 4, 8, 16, 32, 32, 32]));
    assert_eq!(sizes(16 << 10), kib([1, 2, 4, 8, 8, 8, 8, 8]));
    assert_eq!(sizes(0), kib([1; 8]), "also before the receiver has accepted the channel");
}
