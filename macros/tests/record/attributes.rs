//! What `#[record(..)]` on fields changes.

use std::{cell::Cell, net::Ipv4Addr};

use millstream_core::{
    record::{Adapter, Record as _},
    schema::{Field, Schema},
};
use millstream_macros::Record;

use crate::support::travel;

struct AddressBytes;

impl Adapter for AddressBytes {
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
#[record(crate = crate::support, rename = "visit")]
struct Visit {
    #[record(with = AddressBytes)]
    from: Ipv4Addr,
    #[record(skip)]
    seen: Cell<u32>,
    #[record(rename = "url")]
    page: String,
    r#type: u8,
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Positions(#[record(skip)] Option<&'static str>, u8, #[record(with = AddressBytes)] Ipv4Addr);

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
enum Hop {
    Via {
        #[record(skip)]
        cost: Option<u64>,
        #[record(with = AddressBytes)]
        router: Ipv4Addr,
    },
    Local(#[record(skip)] u8),
}

fn visit() -> Visit {
    Visit { from: Ipv4Addr::LOCALHOST, seen: Cell::new(3), page: "/".into(), r#type: 1 }
}

#[test]
fn a_skipped_field_is_its_default_when_read_back() {
    assert_eq!(travel(&visit()), Visit { seen: Cell::new(0), ..visit() });
    assert_eq!(travel(&Positions(Some("x"), 1, Ipv4Addr::BROADCAST)), Positions(None, 1, Ipv4Addr::BROADCAST));
    let hop = Hop::Via { cost: Some(1), router: Ipv4Addr::LOCALHOST };
    assert_eq!(travel(&hop), Hop::Via { cost: None, router: Ipv4Addr::LOCALHOST });
    assert_eq!(travel(&Hop::Local(5)), Hop::Local(0));
}

#[test]
fn a_view_has_the_adapted_type_and_no_skipped_field() {
    let VisitView { from, page, r#type } = VisitView { page: "/x", ..visit().view() };
    assert_eq!((from, page, r#type), (0x7f00_0001, "/x", 1));
    let positions = PositionsView(4, 0x7f00_0001);
    assert_eq!(Positions::from_view(positions), Positions(None, 4, Ipv4Addr::LOCALHOST));
    assert_eq!(HopView::Local(), Hop::Local(1).view());
}

#[test]
fn names_in_the_schema_are_as_renamed() {
    let fields = [
        Field { name: "from", schema: u32::SCHEMA },
        Field { name: "url", schema: String::SCHEMA },
        Field { name: "type", schema: u8::SCHEMA },
    ];
    assert_eq!(Visit::SCHEMA, &Schema::Struct("visit", Box::leak(Box::new(fields))));
}
