//! Windows grow by use and shrink without it; what they have from the pool is never more than it had.

use super::*;

const BYTES: WindowBytes = WindowBytes { first: 1_000, max: 16_000 };

/// An open window, and how far its sender may go.
fn open(pool: &Pool) -> Window {
    let mut window = Window::new(BYTES);
    window.open();
    assert_eq!(window.grant(), Some(Grant { released: 0, limit: 1_000 }));
    assert_eq!(pool.free(), 100_000);
    window
}

/// A batch comes and is read. Its sender knows of all that it was granted.
fn pass(window: &mut Window, cost: u64, pool: &Pool) -> Option<Grant> {
    let used_up = window.received + cost >= window.limit;
    window.arrived(cost, used_up).expect("there is credit");
    window.release(cost, pool).tell.then(|| window.grant()).flatten()
}

#[test]
fn nothing_may_come_before_the_channel_is_accepted() {
    let mut window = Window::new(BYTES);
    assert_eq!(window.grant(), None);
    assert_eq!(window.arrived(1, true), Err(Overrun));
}

#[test]
fn a_sender_may_exceed_its_credit_by_one_batch_and_no_more() {
    let pool = Pool::new(100_000);
    let mut window = open(&pool);
    assert_eq!(window.arrived(999, false), Ok(()));
    assert_eq!(window.arrived(5_000, true), Ok(()));
    assert_eq!(window.arrived(1, true), Err(Overrun));
}

#[test]
fn the_sender_is_told_when_all_is_read_or_much_of_it() {
    let pool = Pool::new(100_000);
    let mut window = open(&pool);
    assert_eq!(pass(&mut window, 10, &pool), Some(Grant { released: 10, limit: 1_010 }));
    for _ in 0..8 {
        window.arrived(100, window.received + 100 >= window.limit).expect("there is credit");
    }
    assert!(!window.release(100, &pool).tell, "there is more to read, and it is little");
    assert!(!window.release(100, &pool).tell);
    assert!(window.release(100, &pool).tell, "it is more than a quarter");
    assert_eq!(window.grant(), Some(Grant { released: 310, limit: 1_310 }));
    assert_eq!(window.grant(), None, "nothing new");
}

#[test]
fn a_channel_that_uses_up_its_credit_earns_more_while_its_receiver_keeps_up() {
    let pool = Pool::new(100_000);
    let mut window = open(&pool);
    let mut sizes = Vec::new();
    for _ in 0..6 {
        let cost = window.limit - window.received;
        pass(&mut window, cost, &pool);
        sizes.push(window.size);
    }
    assert_eq!(sizes, [2_000, 4_000, 8_000, 16_000, 16_000, 16_000]);
    assert_eq!(pool.free(), 100_000 - 15_000);
}

#[test]
fn a_sender_far_away_earns_more_although_it_was_granted_more_before_it_stood_still() {
    let pool = Pool::new(100_000);
    let mut window = open(&pool);
    for _ in 0..9 {
        window.arrived(100, false).expect("there is credit");
    }
    window.arrived(100, true).expect("there is credit"); // and now it waits: grants take long
    for _ in 0..10 {
        window.release(100, &pool);
        window.grant();
    }
    assert_eq!((window.size, window.used_up_at), (2_000, None));
}

#[test]
fn a_slow_receiver_earns_nothing() {
    let pool = Pool::new(100_000);
    let mut window = open(&pool);
    for _ in 0..10 {
        window.arrived(100, window.received + 100 >= window.limit).expect("there is credit");
    }
    for _ in 0..100 {
        window.release(100, &pool);
        window.grant();
        if window.received < window.limit {
            window.arrived(100, window.received + 100 >= window.limit).expect("there is credit");
        }
        assert_eq!(window.size, 1_000);
    }
}

#[test]
fn what_is_not_used_goes_back() {
    let pool = Pool::new(100_000);
    let mut window = open(&pool);
    for _ in 0..4 {
        let cost = window.limit - window.received;
        pass(&mut window, cost, &pool);
    }
    assert_eq!(window.size, 16_000);
    for _ in 0..10 * UNUSED_BATCHES {
        pass(&mut window, 200, &pool);
    }
    assert_eq!(window.size, 1_000);
    assert_eq!(pool.free(), 100_000);
}

#[test]
fn half_of_what_is_there_is_left_to_others() {
    let pool = Pool::new(3_000);
    let mut window = Window::new(BYTES);
    window.open();
    window.grant();
    for _ in 0..3 {
        let cost = window.limit - window.received;
        pass(&mut window, cost, &pool);
    }
    assert_eq!(pool.free(), 3_000 - window.borrowed());
    assert_eq!(window.borrowed(), 1_000 + 1_000 + 500);
}

#[test]
fn an_idle_channel_gives_back_once_its_sender_has_agreed() {
    let pool = Pool::new(100_000);
    let mut window = open(&pool);
    let cost = window.limit - window.received;
    pass(&mut window, cost, &pool);
    assert_eq!((window.size, window.borrowed()), (2_000, 1_000));
    assert!(!window.reclaim(), "something has just come");
    assert!(window.reclaim());
    let asks = window.grant().expect("it asks");
    assert_eq!(asks, Grant { released: 1_000, limit: 2_000 });
    assert_eq!(window.borrowed(), 1_000, "the sender may just be sending");
    // It was: what was on its way is within what it had.
    window.arrived(1_500, false).expect("the old limit holds until the sender agrees");
    assert!(!window.release(1_500, &pool).tell, "nothing is said meanwhile");
    assert_eq!(window.grant(), None);
    window.settled(2_500, &pool).expect("that was asked");
    assert_eq!(window.borrowed(), 0);
    assert_eq!(window.grant(), Some(Grant { released: 2_500, limit: 3_500 }));
}

#[test]
fn a_sender_settles_only_what_it_was_asked() {
    let pool = Pool::new(100_000);
    let mut window = open(&pool);
    assert_eq!(window.settled(500, &pool), Err(Overrun));
    let cost = window.limit - window.received;
    pass(&mut window, cost, &pool);
    assert!(!window.reclaim(), "something has just come");
    assert!(window.reclaim());
    window.grant();
    assert_eq!(window.settled(3_001, &pool), Err(Overrun), "it may not have more than it had");
}
