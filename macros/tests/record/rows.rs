//! `Row`: a struct of cells as a line of a table.

use millstream_core::{
    cell::{Column, Row},
    record::Record as _,
    time::Timestamp,
};
use millstream_macros::Record;

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Trade {
    symbol: String,
    price: f64,
    #[record(default)]
    venue: Option<String>,
    #[record(default = 100, rename = "qty")]
    shares: u32,
    #[record(skip)]
    seen: Vec<u8>,
    at: Timestamp,
}

/// Not a row, since a list is no cell, and yet it compiles.
#[derive(Record, Clone, Debug)]
#[record(crate = crate::support)]
#[allow(dead_code)]
struct Basket {
    trades: Vec<Trade>,
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::support)]
struct Reading<T> {
    sensor: u16,
    value: T,
}

fn parse<'t, R: Row<'t>>(cells: &'t [Option<&'t str>]) -> Result<R, (usize, String)> {
    R::parse(|i| cells[i].map(str::as_bytes)).map(R::from_view).map_err(|(i, error)| (i, error.to_string()))
}

fn format<R: for<'t> Row<'t>>(row: &R) -> String {
    let mut out = Vec::new();
    R::format(row.view(), &mut out, |out, start| {
        assert!(start <= out.len());
        out.push(b'|');
    });
    String::from_utf8(out).expect("cells of text")
}

fn trade() -> Trade {
    Trade { symbol: "MLST".into(), price: 1.5, venue: None, shares: 100, seen: vec![], at: Timestamp::from_millis(0) }
}

#[test]
fn columns_are_the_fields_as_renamed() {
    let columns = |name, required, type_name| Column { name, required, type_name };
    assert_eq!(
        Trade::COLUMNS,
        [
            columns("symbol", true, "String"),
            columns("price", true, "f64"),
            columns("venue", false, "Option<String>"),
            columns("qty", false, "u32"),
            columns("at", true, "Timestamp"),
        ]
    );
}

#[test]
fn a_row_is_read_and_written() {
    let cells = [Some("MLST"), Some("1.5"), Some("XOSL"), Some("7"), Some("1970-01-01T00:00:00Z")];
    let read: Trade = parse(&cells).expect("a row");
    assert_eq!(read, Trade { venue: Some("XOSL".into()), shares: 7, ..trade() });
    assert_eq!(format(&read), "MLST|1.5|XOSL|7|1970-01-01T00:00:00Z|");
}

#[test]
fn an_absent_column_is_its_default() {
    let cells = [Some("MLST"), Some("1.5"), None, None, Some("0")];
    assert_eq!(parse(&cells), Ok(trade()));
}

#[test]
fn a_wrong_cell_is_named_by_its_column() {
    let (column, message) = parse::<Trade>(&[Some("MLST"), Some("dear"), None, None, Some("0")]).unwrap_err();
    assert_eq!(column, 1);
    assert!(message.starts_with("`dear` is not"), "{message}");
    let (column, message) = parse::<Trade>(&[Some("MLST"), Some("1"), None, None, None]).unwrap_err();
    assert_eq!((column, message.contains("missing")), (4, true), "{message}");
}

#[test]
fn a_generic_record_is_a_row_where_its_parts_are_cells() {
    let reading: Reading<i64> = parse(&[Some("3"), Some("-9")]).expect("a row");
    assert_eq!(reading, Reading { sensor: 3, value: -9 });
    assert_eq!(format(&reading), "3|-9|");
    assert!(Basket { trades: vec![trade()] }.view().trades.len() == 1);
}
