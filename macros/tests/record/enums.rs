//! Enums: with and without data.

use millstream_core::{
    record::Record as _,
    schema::{Field, Schema, Variant},
};
use millstream_macros::Record;

use crate::support::{survives_damage, travel};

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Order {
    id: u64,
    notes: Vec<String>,
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
enum Event {
    Opened {
        at: u64,
        by: String,
    },
    Placed(Order, Side),
    #[record(rename = "shut")]
    Closed,
}

#[derive(Record, Clone, Copy, Debug, PartialEq)]
#[record(crate = crate::support)]
enum Side {
    Buy,
    Sell,
}

/// One variant: every match on it is complete with one arm.
#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
enum Only {
    One(u8),
}

#[test]
fn every_variant_travels() {
    let order = Order { id: 7, notes: vec!["first".into(), "a note that is too long to be kept inline".into()] };
    for event in [Event::Opened { at: 1, by: "Ada".into() }, Event::Placed(order.clone(), Side::Sell), Event::Closed] {
        assert_eq!(travel(&event), event);
        assert!(survives_damage(&event) > 0, "a variant that does not exist is refused");
    }
    assert_eq!(travel(&Side::Buy), Side::Buy);
    assert_eq!(travel(&Only::One(9)), Only::One(9));
    let nested = Some(vec![Event::Closed, Event::Placed(order, Side::Buy)]);
    assert_eq!(travel(&nested), nested);
}

#[test]
fn a_match_on_a_view_names_the_variants_of_the_record_and_no_other() {
    fn sign(side: SideView<'_>) -> i64 {
        match side {
            SideView::Buy => 1,
            SideView::Sell => -1,
        }
    }
    fn describe(event: EventView<'_>) -> String {
        match event {
            EventView::Opened { by, .. } => format!("opened by {by}"),
            EventView::Placed(order, side) => format!("{} of {}", sign(side), order.id),
            EventView::Closed => "closed".into(),
        }
    }
    assert_eq!(describe(Event::Opened { at: 1, by: "Ada".into() }.view()), "opened by Ada");
    assert_eq!(
        describe(EventView::Placed(OrderView { id: 3, ..Order { id: 0, notes: vec![] }.view() }, SideView::Sell)),
        "-1 of 3"
    );
    assert_eq!(describe(EventView::Closed), "closed");
}

#[test]
fn views_of_variants_are_compared_and_printed() {
    assert_eq!(Event::Closed.view(), EventView::Closed);
    assert_ne!(Side::Buy.view(), SideView::Sell);
    assert_eq!(format!("{:?}", EventView::Opened { at: 1, by: "Ada" }), "Opened { at: 1, by: \"Ada\" }");
    assert_eq!(format!("{:?}", Side::Buy.view()), "Buy");
}

#[test]
fn an_enum_of_plain_variants_is_plain() {
    const { assert!(Side::PLAIN && Only::PLAIN && !Event::PLAIN) };
    assert_eq!(size_of::<<Side as millstream_core::record::Record>::Archived>(), 1);
    assert_eq!(size_of::<SideView<'_>>(), 1, "the hidden variant takes no room");
}

#[test]
fn the_schema_lists_the_variants_in_order() {
    const U8: &Schema = u8::SCHEMA;
    assert_eq!(
        Only::SCHEMA,
        &Schema::Enum("Only", &[Variant { name: "One", fields: &[Field { name: "0", schema: U8 }] }])
    );
    let Schema::Enum("Event", variants) = Event::SCHEMA else { panic!("{:?}", Event::SCHEMA) };
    assert_eq!(variants.iter().map(|variant| variant.name).collect::<Vec<_>>(), ["Opened", "Placed", "shut"]);
}
