//! The table of slots, case by case.

use super::*;

const A: JobId = JobId(0xA);
const B: JobId = JobId(0xB);

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * 1_000_000_000)
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

fn slot(taskmanager: u128, slot: u32) -> SlotId {
    SlotId { taskmanager: TaskManagerId(taskmanager), slot: SlotIndex(slot) }
}

fn wants(count: u32) -> Vec<Want> {
    (0..count).map(|index| Want { slot: SharedSlot { group: 0, index }, prefers: None }).collect()
}

/// TaskManagers 1, 2 .. with so many slots each.
fn cluster(slots: &[u32]) -> Slots {
    let mut table = Slots::default();
    for (slots, id) in slots.iter().zip(1..) {
        table.add(TaskManagerId(id), *slots, "here".into()).unwrap();
    }
    table
}

fn granted(table: &mut Slots) -> Option<(JobId, Vec<SlotId>)> {
    table.grant().map(|(job, grants)| (job, grants.into_iter().map(|grant| grant.id).collect()))
}

#[test]
fn slots_are_spread_over_the_taskmanagers_by_the_share_that_is_in_use() {
    let mut table = cluster(&[2, 4, 2]);
    table.request(at(0), A, wants(5), minutes(5));
    let (job, slots) = granted(&mut table).unwrap();
    assert_eq!(job, A);
    assert_eq!(slots, [slot(1, 0), slot(2, 0), slot(3, 0), slot(2, 1), slot(1, 1)]);
    assert_eq!(table.count(), (8, 3));
    assert_eq!(granted(&mut table), None);
}

#[test]
fn whoever_had_a_slot_gets_it_again_and_others_do_not_take_it_first() {
    let mut table = cluster(&[1, 1, 1]);
    let mut wanted = wants(3);
    wanted[2].prefers = Some(slot(1, 0));
    wanted[1].prefers = Some(slot(9, 0)); // is gone
    table.request(at(0), A, wanted, minutes(5));
    assert_eq!(granted(&mut table), Some((A, vec![slot(2, 0), slot(3, 0), slot(1, 0)])));
}

#[test]
fn a_request_is_granted_as_a_whole_and_one_that_does_not_fit_holds_up_nobody() {
    let mut table = cluster(&[2]);
    table.request(at(0), A, wants(3), minutes(5));
    table.request(at(1), B, wants(2), minutes(5));
    assert_eq!(granted(&mut table), Some((B, vec![slot(1, 0), slot(1, 1)])));
    assert_eq!(granted(&mut table), None);
    table.add(TaskManagerId(2), 1, "here".into()).unwrap();
    assert_eq!(granted(&mut table), None);
    table.release(B, [slot(1, 0), slot(1, 1)]);
    assert_eq!(granted(&mut table).map(|(job, slots)| (job, slots.len())), Some((A, 3)));
}

#[test]
fn what_belongs_to_others_is_not_released() {
    let mut table = cluster(&[1]);
    table.request(at(0), A, wants(1), minutes(5));
    granted(&mut table).unwrap();
    table.release(B, [slot(1, 0), slot(7, 7)]);
    assert_eq!(table.owner(slot(1, 0)), Some(A));
}

#[test]
fn a_lost_taskmanager_takes_its_slots_along() {
    let mut table = cluster(&[2, 1]);
    table.request(at(0), A, wants(2), minutes(5));
    granted(&mut table).unwrap();
    assert_eq!(table.remove(TaskManagerId(1)), BTreeSet::from([A]));
    assert_eq!((table.count(), table.remove(TaskManagerId(1))), ((1, 0), BTreeSet::new()));
    table.release(A, [slot(1, 0)]); // too late
    assert_eq!(table.count(), (1, 0));
}

#[test]
fn who_waits_too_long_is_told_how_things_stand() {
    let mut table = cluster(&[2]);
    table.request(at(10), A, wants(3), minutes(5));
    assert_eq!((table.deadline(), table.pop_overdue(at(309))), (Some(at(310)), None));
    assert_eq!(table.status(A).map(|status| status.wanted), Some(3));
    let (job, status) = table.pop_overdue(at(310)).unwrap();
    assert_eq!(job, A);
    assert_eq!(status.to_string(), "3 slots are wanted, the cluster has 2, and 2 of these are free (timeout: 5min)");
    assert_eq!((table.deadline(), table.status(A)), (None, None));
}

#[test]
fn an_offer_that_makes_no_sense_is_refused() {
    let mut table = Slots::default();
    for slots in [0, SLOTS_PER_TASKMANAGER_LIMIT + 1] {
        let message = table.add(TaskManagerId(1), slots, "here".into()).unwrap_err();
        assert!(message.contains(&format!("from 1 to {SLOTS_PER_TASKMANAGER_LIMIT} slots")), "{message}");
    }
}

/// Against a table that is looked through from one end to the other.
#[test]
fn counts_and_loads_stay_right_whatever_is_done() {
    let mut random = 7_u64;
    let mut below = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % bound
    };
    let mut table = Slots::default();
    for step in 0..20_000 {
        let id = TaskManagerId(u128::from(below(6)));
        let job = JobId(u128::from(below(4)));
        match below(5) {
            0 => table.add(id, 1 + below(4) as u32, "here".into()).unwrap(),
            1 => drop(table.remove(id)),
            2 => table.request(at(step), job, wants(below(6) as u32), minutes(1)),
            3 => table.release(job, [slot(id.0, below(4) as u32)]),
            _ => while table.pop_overdue(at(step)).is_some() {},
        }
        while let Some((_, grants)) = table.grant() {
            let slots: BTreeSet<_> = grants.iter().map(|grant| grant.id).collect();
            assert_eq!(slots.len(), grants.len(), "no slot is given twice");
        }
        let all = || table.members.values().flat_map(|member| &member.slots);
        assert_eq!(table.count(), (all().count(), all().filter(|slot| slot.is_none()).count()));
        let open = table.members.iter().filter(|(_, member)| member.slots.contains(&None));
        assert_eq!(table.open, open.map(|(id, member)| (member.load(), *id)).collect());
        for member in table.members.values() {
            assert_eq!(member.used as usize, member.slots.iter().flatten().count());
        }
    }
}
