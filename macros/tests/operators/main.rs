//! The annotated functions, on the contracts of the runtime.

mod check;

use millstream_core::{record::Record as _, time::Timestamp};
use millstream_macros::{Record, filter, filter_map, flat_map, key, map};

use millstream_runtime::operator::{KeyFn, Operator};

/// What emitted code names, at a path of this test.
#[doc(hidden)]
pub(crate) mod __private {
    pub(crate) use millstream_core as core;
    pub(crate) use millstream_core::__private::rkyv;
    pub(crate) use millstream_runtime as runtime;
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate)]
struct Trade {
    symbol: String,
    price: f64,
    at: Timestamp,
}

#[derive(Record, Clone, Debug, PartialEq)]
#[record(crate = crate)]
struct Line {
    text: String,
}

/// Prices in cents.
#[map(crate = crate)]
fn in_cents(trade: TradeView<'_>) -> TradeView<'_> {
    TradeView { price: trade.price * 100.0, ..trade }
}

#[map(crate = crate)]
fn symbol_only<'a>(TradeView { symbol, .. }: TradeView<'a>) -> Option<&'a str> {
    Some(symbol)
}

#[map(crate = crate)]
fn owned(trade: TradeView<'_>, at: Timestamp) -> (String, i64) {
    (trade.symbol.to_lowercase(), at.millis())
}

#[map(crate = crate)]
fn parsed(line: LineView<'_>) -> Result<u64, std::num::ParseIntError> {
    line.text.parse()
}

#[map(crate = crate)]
fn first_word(text: &str) -> Result<&str, String> {
    text.split(' ').find(|word| !word.is_empty()).ok_or_else(|| "no word".to_owned())
}

#[filter(crate = crate)]
fn traded(trade: TradeView<'_>) -> bool {
    trade.price > 0.0
}

#[filter(crate = crate)]
fn recent(trade: TradeView<'_>, at: Timestamp) -> Result<bool, String> {
    if trade.price.is_nan() { Err("no price".into()) } else { Ok(trade.at >= at) }
}

#[flat_map(crate = crate)]
fn words(line: LineView<'_>) -> impl Iterator<Item = &str> {
    line.text.split(' ')
}

#[flat_map(crate = crate)]
fn halves(n: u64) -> Result<[u64; 2], String> {
    if n.is_multiple_of(2) { Ok([n / 2; 2]) } else { Err(format!("{n} is odd")) }
}

#[flat_map(crate = crate)]
fn lines(text: &str) -> Vec<Line> {
    text.lines().map(|text| Line { text: text.to_owned() }).collect()
}

#[flat_map(crate = crate)]
fn boxed(text: &str) -> Box<dyn Iterator<Item = LineView<'_>> + '_> {
    Box::new(text.lines().map(|text| LineView { text }))
}

#[filter_map(crate = crate)]
fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

#[filter_map(crate = crate)]
fn word(text: &str, _at: Timestamp) -> Result<Option<&str>, String> {
    Ok(Some(text).filter(|text| !text.is_empty()))
}

#[key(crate = crate)]
fn symbol(trade: TradeView<'_>) -> &str {
    trade.symbol
}

#[key(crate = crate)]
fn upper(trade: TradeView<'_>) -> (String, i64) {
    (trade.symbol.to_uppercase(), trade.at.millis() / 1_000)
}

mod nested {
    //! Functions are as visible as they say.

    use millstream_macros::map;

    #[map(crate = crate)]
    pub(crate) fn doubled(n: u64) -> u64 {
        n * 2
    }
}

const AT: Timestamp = Timestamp::from_millis(5);

fn trade() -> Trade {
    Trade { symbol: "Mlst".into(), price: 1.5, at: Timestamp::from_millis(7_000) }
}

#[test]
fn map_gives_views_or_owned_records() {
    assert_eq!(check::run(in_cents, &trade(), AT), Ok(vec![Trade { price: 150.0, ..trade() }]));
    assert_eq!(check::run(symbol_only, &trade(), AT), Ok(vec![Some("Mlst".to_owned())]));
    assert_eq!(check::run(owned, &trade(), AT), Ok(vec![("mlst".to_owned(), 5)]));
    assert_eq!(check::run(nested::doubled, &21, AT), Ok(vec![42]));
}

#[test]
fn an_error_rejects_the_record() {
    assert_eq!(check::run(parsed, &Line { text: "17".into() }, AT), Ok(vec![17]));
    assert!(check::run(parsed, &Line { text: "x".into() }, AT).is_err());
    assert_eq!(check::run(first_word, &" a b".to_owned(), AT), Ok(vec!["a".to_owned()]));
    assert_eq!(check::run(first_word, &" ".to_owned(), AT), Err("no word".to_owned()));
}

#[test]
fn filter_keeps_the_record_as_it_is() {
    assert_eq!(check::run(traded, &trade(), AT), Ok(vec![trade()]));
    assert_eq!(check::run(traded, &Trade { price: 0.0, ..trade() }, AT), Ok(vec![]));
    assert_eq!(check::run(recent, &trade(), AT), Ok(vec![trade()]));
    assert_eq!(check::run(recent, &Trade { price: f64::NAN, ..trade() }, AT), Err("no price".to_owned()));
}

#[test]
fn flat_map_gives_every_item() {
    let line = Line { text: "a b".into() };
    assert_eq!(check::run(words, &line, AT), Ok(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(check::run(halves, &4, AT), Ok(vec![2, 2]));
    assert_eq!(check::run(halves, &3, AT), Err("3 is odd".to_owned()));
    assert_eq!(check::run(lines, &"a b\nc".to_owned(), AT), Ok(vec![line.clone(), Line { text: "c".into() }]));
    assert_eq!(check::run(boxed, &"a b".to_owned(), AT), Ok(vec![line]));
}

#[test]
fn filter_map_gives_what_is_some() {
    assert_eq!(check::run(number, &"3".to_owned(), AT), Ok(vec![3]));
    assert_eq!(check::run(number, &"x".to_owned(), AT), Ok(vec![]));
    assert_eq!(check::run(word, &"x".to_owned(), AT), Ok(vec!["x".to_owned()]));
    assert_eq!(check::run(word, &String::new(), AT), Ok(vec![]));
}

#[test]
fn a_key_may_borrow_or_be_made_on_the_spot() {
    let trade = trade();
    assert_eq!(check::key(symbol, &trade), "Mlst");
    assert_eq!(check::key(upper, &trade), ("MLST".to_owned(), 7));
}

#[test]
fn a_function_has_its_name_its_place_and_its_body() {
    assert_eq!(Operator::<Trade>::name(&in_cents()), "in_cents");
    assert_eq!(KeyFn::<Trade>::name(&symbol()), "symbol");
    let location = Operator::<Trade>::location(&in_cents()).expect("annotated functions have a place");
    let line = include_str!("main.rs").lines().position(|line| line.starts_with("fn in_cents")).expect("it is above");
    assert_eq!((location.line as usize, location.column), (line + 1, 4));
    assert!(location.file.ends_with("main.rs"));
    assert_eq!(in_cents::call(trade().view()).price, 150.0);
    assert_eq!(symbol::call(TradeView { symbol: "X", ..trade().view() }), "X");
}

#[test]
fn the_names_of_annotated_functions_are_free_for_variables() {
    let describe = |(symbol, number): (&str, u64)| format!("{symbol} {number}");
    let words = describe(("a", 1));
    assert_eq!(words, "a 1");
}
