//! `Document`: records of every shape as JSON.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    net::Ipv4Addr,
};

use millstream_core::{
    document::{Document, Scratch},
    record::{Adapter, Record as _, ViewOf},
    time::Timestamp,
};
use millstream_macros::Record;

struct AddressText;

impl Adapter for AddressText {
    type Foreign = Ipv4Addr;
    type As = u32;

    fn view(address: &Ipv4Addr) -> u32 {
        address.to_bits()
    }

    fn from_view(bits: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(bits)
    }
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support, rename = "order")]
struct Order {
    #[record(rename = "order-id")]
    id: u64,
    customer: Customer,
    lines: Vec<Line>,
    #[record(default)]
    tags: Vec<String>,
    #[record(default = SideView::Sell)]
    side: Side,
    note: Option<String>,
    #[record(skip)]
    seen: Cell<u32>,
    r#type: u8,
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Customer {
    name: String,
    #[record(with = AddressText)]
    address: Ipv4Addr,
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Line(String, f64);

#[derive(Record, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[record(crate = crate::support, key)]
enum Side {
    Buy,
    #[record(rename = "sell")]
    Sell,
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
enum Event {
    Opened { at: Timestamp, by: Option<String> },
    Placed(Line),
    Moved(i64, Side),
    Marked(),
    Gone(#[record(skip)] u8),
    Closed,
}

#[derive(Record, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[record(crate = crate::support, key)]
struct Id(u64);

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Tick;

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Empty {}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Tagged<T, const N: usize> {
    value: T,
    rest: [Option<T>; N],
}

fn parse<'t, T: Document<'t>>(text: &'t str, scratch: &'t Scratch) -> serde_json::Result<T::View<'t>> {
    let mut json = serde_json::Deserializer::from_str(text);
    let view = T::deserialize(&mut json, scratch)?;
    json.end()?;
    Ok(view)
}

#[track_caller]
fn reads<T: for<'t> Document<'t> + PartialEq + Debug>(text: &str, value: T) {
    let scratch = Scratch::new();
    assert_eq!(parse::<T>(text, &scratch).map(T::from_view).expect("a record"), value);
}

/// Written so, and read back the same.
#[track_caller]
fn is<T: for<'t> Document<'t> + PartialEq + Debug>(value: T, text: &str) {
    assert_eq!(serde_json::to_string(&ViewOf::<T>(value.view())).expect("a record has a text"), text);
    reads(text, value);
}

#[track_caller]
fn refuses<T: for<'t> Document<'t>>(text: &str, message: &str) {
    let scratch = Scratch::new();
    match parse::<T>(text, &scratch) {
        Ok(view) => panic!("{text} was read as {view:?}"),
        Err(error) => assert_eq!(format!("{}: {error}", scratch.path()), message),
    }
}

fn order() -> Order {
    Order {
        id: 7,
        customer: Customer { name: "Ada".into(), address: Ipv4Addr::LOCALHOST },
        lines: vec![Line("mill".into(), 1.5), Line("st\"ne".into(), 2.0)],
        tags: vec!["new".into()],
        side: Side::Buy,
        note: None,
        seen: Cell::new(0),
        r#type: 3,
    }
}

#[test]
fn a_struct_is_an_object_of_its_fields_as_renamed() {
    is(
        order(),
        r#"{"order-id":7,"customer":{"name":"Ada","address":2130706433},"lines":[["mill",1.5],["st\"ne",2.0]],"tags":["new"],"side":"Buy","note":null,"type":3}"#,
    );
    is(Tick, "null");
    is(Empty {}, "{}");
    is(Id(5), "5");
}

#[test]
fn fields_come_in_any_order_and_among_others() {
    let text = r#" { "type": 3, "unknown": {"id": [1, {"x": "\u0000"}]}, "lines": [["mill", 1.5], ["st\"ne", 2]], "side": "Buy",
        "": null, "customer": {"address": 2130706433, "\u006eame": "A\u0064a"}, "tags": ["new"], "order-id": 7 } "#;
    reads(text, order());
    reads(r#"{"x": 1}"#, Empty {});
}

#[test]
fn what_may_be_missing_is_its_default() {
    let text = r#"{"order-id":1,"customer":{"name":"","address":0},"lines":[],"type":0}"#;
    let scratch = Scratch::new();
    let order = parse::<Order>(text, &scratch).expect("an order");
    assert_eq!((order.tags.len(), order.side, order.note), (0, SideView::Sell, None));
    refuses::<Customer>(r#"{"name":"Ada"}"#, ": missing field `address` at line 1 column 14");
    refuses::<Customer>("{}", ": missing field `name` at line 1 column 2");
}

#[test]
fn a_field_that_is_there_twice_is_refused() {
    let text = r#"{"address":1,"name":"x","address":2}"#;
    refuses::<Customer>(text, ": duplicate field `address` at line 1 column 33");
    refuses::<Order>(r#"{"note":null,"note":null}"#, ": duplicate field `note` at line 1 column 19");
}

#[test]
fn the_path_leads_to_what_is_wrong() {
    let number = "expected a whole number from 0 to 4294967295";
    refuses::<Order>(
        r#"{"customer":{"address":"home"}}"#,
        &format!("customer.address: invalid type: string \"home\", {number} at line 1 column 29"),
    );
    refuses::<Order>(
        r#"{"lines":[["mill",1],["stone"]]}"#,
        "lines[1]: invalid length 1, expected an array of 2 elements at line 1 column 30",
    );
    refuses::<Order>(
        r#"{"lines":[["mill",true]]}"#,
        "lines[0][1]: invalid type: boolean `true`, expected a number at line 1 column 22",
    );
    refuses::<Order>(r#"{"customer":[]}"#, "customer: invalid type: sequence, expected an object at line 1 column 14");
    refuses::<Order>(r#"{"customer":{}}"#, "customer: missing field `name` at line 1 column 14");
    refuses::<Vec<Event>>(
        r#"["Closed",{"Opened":{"at":null}}]"#,
        "[1].Opened.at: invalid type: null, expected a time: RFC 3339 (as `2024-05-01T12:00:00Z` or `2024-05-01T14:00:00.5+02:00`) or whole milliseconds since 1970 at line 1 column 30",
    );
}

#[test]
fn an_enum_is_its_variant_around_the_data() {
    is(Side::Sell, r#""sell""#);
    is(
        Event::Opened { at: Timestamp::from_millis(0), by: Some("Ada".into()) },
        r#"{"Opened":{"at":"1970-01-01T00:00:00Z","by":"Ada"}}"#,
    );
    is(Event::Placed(Line("mill".into(), 0.5)), r#"{"Placed":["mill",0.5]}"#);
    is(Event::Moved(-1, Side::Buy), r#"{"Moved":[-1,"Buy"]}"#);
    is(Event::Marked(), r#"{"Marked":[]}"#);
    is(Event::Gone(0), r#"{"Gone":[]}"#);
    is(Event::Closed, r#""Closed""#);
    reads(r#"{"Closed":null}"#, Event::Closed);
    reads(r#"{"Opened":{"by":null,"x":[],"at":0}}"#, Event::Opened { at: Timestamp::from_millis(0), by: None });
    refuses::<Side>(r#""Sell""#, ": unknown variant `Sell`, expected `Buy` or `sell` at line 1 column 6");
    refuses::<Event>(
        r#"{"Moved":[1]}"#,
        "Moved: invalid length 1, expected an array of 2 elements at line 1 column 12",
    );
    refuses::<Event>(r#""Placed""#, "Placed: invalid type: unit variant, expected newtype variant");
    refuses::<Side>(r#"{"Buy":1}"#, "Buy: invalid type: integer `1`, expected unit at line 1 column 8");
}

#[test]
fn what_is_one_text_may_be_a_key() {
    is(BTreeMap::from([(Side::Buy, 1_u8), (Side::Sell, 2)]), r#"{"Buy":1,"sell":2}"#);
    is(HashMap::from([(Id(7), Id(8))]), r#"{"7":8}"#);
}

#[test]
fn generic_records_are_documents_where_their_parts_are() {
    is(Tagged { value: Id(1), rest: [Some(Id(2)), None] }, r#"{"value":1,"rest":[2,null]}"#);
    is(Tagged::<_, 0> { value: vec!["x".to_owned()], rest: [] }, r#"{"value":["x"],"rest":[]}"#);
}

#[test]
fn a_view_of_a_document_is_encoded_like_any_other() {
    let (order, scratch) = (order(), Scratch::new());
    let text = serde_json::to_string(&ViewOf::<Order>(order.view())).expect("a record has a text");
    let view = parse::<Order>(&text, &scratch).expect("an order");
    assert_eq!(view, order.view());
    assert_eq!(crate::support::travel_view::<Order>(view), order);
}
