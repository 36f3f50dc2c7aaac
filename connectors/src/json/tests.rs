//! What is said about lines that are no records, and that no line can do worse than to be refused.

use std::collections::BTreeMap;

use millstream_core::{document::Scratch, record::Record as _, time::Timestamp};
use millstream_macros::Record;
use proptest::prelude::*;

use super::{Document, format, parse};

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::testing)]
struct Order {
    id: u64,
    lines: Vec<Line>,
    rates: BTreeMap<String, f64>,
    #[record(default)]
    at: Option<Timestamp>,
    state: State,
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::testing)]
struct Line {
    sku: String,
    price: f64,
    code: char,
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate::testing)]
enum State {
    Open,
    Shut { by: String },
}

#[track_caller]
fn says<T: for<'t> Document<'t>>(text: impl AsRef<[u8]>, message: &str) {
    match parse::<T>(text.as_ref(), &mut Scratch::new()) {
        Ok(view) => panic!("this was read: {view:?}"),
        Err(error) => assert_eq!(error.to_string(), message),
    }
}

#[test]
fn a_wrong_value_is_told_with_its_field() {
    let line = |price: &str| format!(r#"{{"price":{price}}}"#);
    says::<Line>(line("\"abc\""), r#"column 14: field `price`: expected a number, found the string "abc""#);
    says::<Line>(line("true"), "column 13: field `price`: expected a number, found `true`");
    says::<Line>(line("null"), "column 13: field `price`: expected a number, found null");
    says::<Line>(line("[1]"), "column 9: field `price`: expected a number, found an array");
    says::<Line>(line("{}"), "column 9: field `price`: expected a number, found an object");
    says::<Line>(r#"{"sku":1.5}"#, "column 10: field `sku`: expected a string, found the number 1.5");
    says::<Line>(
        r#"{"code":", expected ab"}"#,
        r#"column 23: field `code`: expected a string of one character, found the string ", expected ab""#,
    );
    says::<Order>(
        r#"{"id":-1}"#,
        "column 8: field `id`: expected a whole number from 0 to 18446744073709551615, found the number -1",
    );
    says::<(u8, u128)>("[256]", "column 4: field `[0]`: expected a whole number from 0 to 255, found the number 256");
    says::<Order>(
        r#"{"lines":[{"sku":"a","price":1,"code":"x"},{"price":""}]}"#,
        r#"column 54: field `lines[1].price`: expected a number, found the string """#,
    );
    says::<Order>(
        r#"{"rates":{"EUR":1,"USD":"dear"}}"#,
        r#"column 30: field `rates["USD"]`: expected a number, found the string "dear""#,
    );
    says::<[u8; 2]>("[1,2,3]", "column 7: expected an array of 2 elements, found 3");
}

#[test]
fn a_long_string_is_told_by_its_beginning() {
    let found = |len| format!("column {}: expected a number, found the string \"{}", len + 2, "é".repeat(40));
    says::<f64>(format!("\"{}\"", "é".repeat(40)), &format!("{}\"", found(80)));
    says::<f64>(format!("\"{}\"", "é".repeat(41)), &format!("{}…\"", found(82)));
}

#[test]
fn missing_and_repeated_fields_are_told() {
    says::<Line>(r#"{"sku":"a","price":1}"#, "column 21: missing field `code`");
    says::<Line>(r#"{"price":1,"price":2}"#, "column 18: duplicate field `price`");
    says::<BTreeMap<String, u8>>(r#"{"a":1,"a":2}"#, r#"column 13: the key "a" is there twice"#);
}

#[test]
fn a_wrong_variant_is_told_with_the_known_ones() {
    says::<Order>(r#"{"state":"Lost"}"#, "column 15: field `state`: unknown variant `Lost`, expected `Open` or `Shut`");
    says::<State>(r#""Shut""#, "column 0: field `Shut`: expected the variant with its data, found its name alone");
    says::<State>(r#"{"Open":1}"#, "column 9: field `Open`: expected null, found the number 1");
}

#[test]
fn text_that_is_no_json_is_told_with_its_place() {
    says::<Line>("", "column 0: the text ends within a value; a record is one line, as `jq -c .` writes it");
    says::<Line>(
        r#"{"sku":"a"#,
        "column 9: field `sku`: the text ends within a string; a record is one line, as `jq -c .` writes it",
    );
    says::<Line>("{", "column 1: the text ends within an object; a record is one line, as `jq -c .` writes it");
    says::<Line>(r#"{"sku":x}"#, "column 8: field `sku`: expected a value");
    says::<u8>("1 2", "column 3: there is more text after the record");
    says::<Line>(r#"{"sku" "a"}"#, "column 8: field `sku`: expected `:`");
    says::<Line>(r#"{"sku":"\q"}"#, "column 10: field `sku`: invalid escape");
    says::<Line>(b"{\"sku\":\"\xff\"}", "column 9: the byte 0xff is not valid UTF-8");
    says::<Line>(b"\xef\xbb\xbf{}", "column 1: expected a value");
    says::<Line>("[".repeat(100_000), "column 1: expected an object, found an array");
    says::<Order>(
        format!(r#"{{"x":{}"#, "[".repeat(100_000)),
        "column 100005: the text ends within a list; a record is one line, as `jq -c .` writes it",
    );
}

#[test]
fn the_scratch_is_empty_before_each_record() {
    let mut scratch = Scratch::new();
    parse::<Line>(br#"{"sku":3}"#, &mut scratch).expect_err("a number is no string");
    assert_eq!(scratch.path(), "sku");
    let error = parse::<Line>(b"3", &mut scratch).expect_err("a number is no object");
    assert_eq!(error.to_string(), "column 1: expected an object, found the number 3");
    let line = br#"{"sku":"a\tb","price":1,"code":"\u0041"}"#;
    assert_eq!(parse::<Line>(line, &mut scratch), Ok(LineView { sku: "a\tb", price: 1.0, code: 'A' }));
}

#[test]
fn records_follow_one_another_line_by_line() {
    let mut out = b"before\n".to_vec();
    for view in [LineView { sku: "a\nb", price: 0.1, code: 'x' }, LineView { sku: "", price: f64::NAN, code: '"' }] {
        format::<Line>(view, &mut out).expect("a derived record has a JSON");
    }
    let text =
        "before\n{\"sku\":\"a\\nb\",\"price\":0.1,\"code\":\"x\"}\n{\"sku\":\"\",\"price\":null,\"code\":\"\\\"\"}\n";
    assert_eq!(String::from_utf8(out).expect("JSON is UTF-8"), text);
}

fn orders() -> impl Strategy<Value = Order> {
    let line =
        (".{0,10}", any::<f32>().prop_filter("JSON has only finite numbers", |price| price.is_finite()), any::<char>())
            .prop_map(|(sku, price, code)| Line { sku, price: price.into(), code });
    let state = prop_oneof![Just(State::Open), ".{0,5}".prop_map(|by| State::Shut { by })];
    let rates = prop::collection::btree_map(".{0,5}", -1e9..1e9, 0..4);
    let at = prop::option::of(any::<i64>().prop_map(Timestamp::from_millis));
    (any::<u64>(), prop::collection::vec(line, 0..4), rates, at, state)
        .prop_map(|(id, lines, rates, at, state)| Order { id, lines, rates, at, state })
}

proptest! {
    #[test]
    fn what_is_written_is_one_line_that_reads_back(order in orders()) {
        let mut line = Vec::new();
        format::<Order>(order.view(), &mut line).expect("a derived record has a JSON");
        prop_assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        let mut scratch = Scratch::new();
        let view = parse::<Order>(&line, &mut scratch).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(Order::from_view(view), order);
    }

    /// Damaged lines are refused with a message, or are other records.
    #[test]
    fn damaged_lines_never_panic(order in orders(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut line = Vec::new();
        format::<Order>(order.view(), &mut line).expect("a derived record has a JSON");
        for (at, byte) in damage {
            let at = at.index(line.len());
            line[at] = byte;
        }
        match parse::<Order>(&line, &mut Scratch::new()) {
            Ok(view) => drop(Order::from_view(view)),
            Err(error) => prop_assert!(error.to_string().starts_with("column ")),
        }
    }

    #[test]
    fn bytes_that_mean_nothing_never_panic(line in any::<Vec<u8>>()) {
        if let Err(error) = parse::<Order>(&line, &mut Scratch::new()) {
            prop_assert!(!error.reason.is_empty());
        }
    }
}
