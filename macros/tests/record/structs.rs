//! Structs: named, tuple and unit ones.

use millstream_core::{
    record::Record as _,
    schema::{Field, Schema},
    time::Timestamp,
    view::View,
};
use millstream_macros::Record;

use crate::support::{survives_damage, travel};

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Trade {
    symbol: String,
    industry: Option<String>,
    price: f64,
    shares: u32,
    #[record(event_time)]
    at: Timestamp,
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Point(i64, f64, Vec<Trade>);

#[derive(Record, Clone, Copy, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Tick;

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Plain {
    a: u8,
    b: (u64, bool),
    c: [i16; 3],
}

fn trade() -> Trade {
    Trade {
        symbol: "MLST".into(),
        industry: Some("a name that is too long to be kept inline".into()),
        price: 12.5,
        shares: 7,
        at: Timestamp::from_millis(1_000),
    }
}

#[test]
fn a_struct_with_named_fields_travels() {
    let trade = trade();
    assert_eq!(travel(&trade), trade);
    assert!(survives_damage(&trade) > 0, "damaged text and pointers are refused");
}

#[test]
fn a_tuple_struct_travels_with_what_is_nested_in_it() {
    let point = Point(-3, 0.25, vec![trade(), Trade { industry: None, ..trade() }]);
    assert_eq!(travel(&point), point);
}

#[test]
fn a_unit_struct_travels_and_its_view_is_written_as_it_is() {
    assert_eq!(travel(&Tick), Tick);
    assert_eq!(Tick.view(), TickView);
}

#[test]
fn a_struct_of_plain_fields_is_plain() {
    const { assert!(Plain::PLAIN && !Trade::PLAIN && Tick::PLAIN) };
    let plain = Plain { a: 1, b: (2, true), c: [-1, 0, 1] };
    assert_eq!(travel(&plain), plain);
}

#[test]
fn views_can_be_built_compared_and_printed() {
    let trade = trade();
    let view = TradeView { price: 1.0, symbol: "OTHER", ..trade.view() };
    assert_ne!(view, trade.view());
    assert_eq!(Trade::from_view(view), Trade { price: 1.0, symbol: "OTHER".into(), ..trade.clone() });
    assert_eq!(format!("{:?}", Point(1, 0.5, vec![]).view()), "PointView(1, 0.5, [])");
    assert!(format!("{view:?}").starts_with("TradeView { symbol: \"OTHER\""));
}

#[test]
fn the_view_names_its_record() {
    fn schema_of<V: View>(_: V) -> &'static Schema {
        <V::Record as millstream_core::record::Record>::SCHEMA
    }
    assert_eq!(schema_of(Tick.view()), &Schema::Struct("Tick", &[]));
    let point = [
        Field { name: "0", schema: i64::SCHEMA },
        Field { name: "1", schema: f64::SCHEMA },
        Field { name: "2", schema: <Vec<Trade>>::SCHEMA },
    ];
    assert_eq!(Point::SCHEMA, &Schema::Struct("Point", Box::leak(Box::new(point))));
}

#[test]
fn the_marked_field_is_the_event_time() {
    use millstream_core::event_time::EventTime;
    assert_eq!(Trade::event_time(trade().view()), Timestamp::from_millis(1_000));
}
