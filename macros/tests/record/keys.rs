//! `#[record(key)]`: equality, order, and the hash, which is fixed for ever.

use std::cmp::Ordering;

use millstream_core::{
    key::{Key, combine, mix},
    record::Record as _,
};
use millstream_macros::Record;

#[derive(Record, Clone, Debug)]
#[record(crate = crate::support, key)]
struct Desk {
    city: String,
    number: u32,
}

#[derive(Record, Clone, Debug)]
#[record(crate = crate::support, key)]
struct Account(u64);

#[derive(Record, Clone, Debug)]
#[record(crate = crate::support, key)]
enum Owner {
    Nobody,
    Desk(Desk),
    Person { name: String },
}

#[derive(Record, Clone, Debug)]
#[record(crate = crate::support, key)]
enum Side {
    Buy,
    Sell,
}

fn desk(city: &str, number: u32) -> Desk {
    Desk { city: city.into(), number }
}

fn owners() -> Vec<Owner> {
    vec![
        Owner::Nobody,
        Owner::Desk(desk("Berlin", 1)),
        Owner::Desk(desk("Berlin", 2)),
        Owner::Desk(desk("Oslo", 1)),
        Owner::Person { name: "Ada".into() },
        Owner::Person { name: "Grace".into() },
    ]
}

#[test]
fn the_hash_is_the_documented_combination_of_the_parts() {
    let of_desk = |city: &str, number: u64| combine(combine(mix(2), String::hash(city)), mix(number));
    assert_eq!(Desk::hash(desk("Oslo", 5).view()), of_desk("Oslo", 5));
    assert_eq!(Account::hash(AccountView(9)), combine(mix(1), mix(9)));
    assert_eq!(Side::hash(SideView::Sell), combine(mix(1), mix(1)));
    assert_eq!(Owner::hash(OwnerView::Nobody), combine(mix(1), mix(0)));
    let owner = Owner::Desk(desk("Oslo", 5));
    assert_eq!(Owner::hash(owner.view()), combine(combine(mix(2), mix(1)), of_desk("Oslo", 5)));
}

#[test]
fn hashes_are_fixed_for_ever() {
    let hashes = [
        Desk::hash(desk("Oslo", 5).view()),
        Account::hash(AccountView(9)),
        Side::hash(SideView::Buy),
        Owner::hash(OwnerView::Person { name: "Ada" }),
    ];
    assert_eq!(
        hashes.map(|hash| format!("{hash:016x}")),
        ["e1b46b6b565d23dc", "9c74eb6a0406c319", "30fdc6564bbb920d", "caa85e03e73672f8"]
    );
}

#[test]
fn keys_are_the_same_exactly_where_they_compare_as_equal() {
    let owners = owners();
    for (i, a) in owners.iter().enumerate() {
        for (j, b) in owners.iter().enumerate() {
            let (a, b) = (a.view(), b.view());
            assert_eq!(
                Owner::compare(a, b),
                i.cmp(&j),
                "{a:?} and {b:?}: variants by position, then fields from the left"
            );
            assert_eq!(Owner::same(a, b), i == j);
        }
    }
    assert_eq!(Side::compare(SideView::Sell, SideView::Buy), Ordering::Greater);
}

#[test]
fn only_a_costly_hash_is_carried() {
    const { assert!(Desk::CARRY_HASH && !Account::CARRY_HASH && Owner::CARRY_HASH && !Side::CARRY_HASH) };
}
