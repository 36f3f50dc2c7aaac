//! However a file is cut, the same rows come out; and what is wrong is told with its place.

use proptest::prelude::*;

use super::*;
use crate::{Random, csv::CsvFiles};

/// Sizes at which everything that happens at a border happens in a short text.
const TINY: Sizes = Sizes { chunk: 16, past_end: 3, headroom: 5, row: Sizes::DEFAULT.row };

/// What the csv crate reads, in the same form.
fn reference(text: &[u8]) -> Vec<Line> {
    let some = |text: &str| (!text.is_empty() && text != "NA").then(|| text.to_owned());
    let mut reader = ::csv::Reader::from_reader(text);
    let rows = reader.records().map(|row| row.unwrap());
    rows.map(|row| Line {
        text: row[2].to_owned(),
        number: some(&row[0]).map(|number| number.parse().unwrap()),
        more: some(&row[1]),
    })
    .collect()
}

/// A CSV text as some program might have written it: an order of columns of its own, and one that nobody needs.
fn csv_text(rows: &[(String, Option<i64>, String)], crlf: bool, quote_all: bool, final_newline: bool) -> Vec<u8> {
    let mut writer = ::csv::WriterBuilder::new()
        .terminator(if crlf { ::csv::Terminator::CRLF } else { ::csv::Terminator::Any(b'\n') })
        .quote_style(if quote_all { ::csv::QuoteStyle::Always } else { ::csv::QuoteStyle::Necessary })
        .from_writer(Vec::new());
    writer.write_record(["number", "more", "text", "unused"]).unwrap();
    for (text, number, more) in rows {
        let number = number.map_or("NA".to_owned(), |number| number.to_string());
        writer.write_record([&number, more, text, more]).unwrap();
    }
    let mut text = writer.into_inner().unwrap();
    if !final_newline {
        text.truncate(text.trim_ascii_end().len());
    }
    text
}

fn field(newlines: bool) -> impl Strategy<Value = String> {
    // Every string ends with a letter, so that the last field of a text stays what it is without its line end.
    if newlines { "[a-c\",; é\r\n🦀]{0,12}x" } else { "[a-c\",; é🦀]{0,12}x" }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn cutting_a_file_changes_nothing(
        rows in prop::collection::vec((field(false), any::<Option<i64>>(), field(false)), 0..30),
        crlf: bool, quote_all: bool, final_newline: bool,
        split_bytes in 1_u64..200, chunk in 1_usize..100,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let text = csv_text(&rows, crlf, quote_all, final_newline);
        file(directory.path(), "lines.csv", &text);
        let source = CsvFiles::read(directory.path()).split_bytes(split_bytes);
        let read = block_on(read_all(&source, Sizes { chunk, ..TINY })).unwrap();
        prop_assert_eq!(read, reference(&text));
    }

    #[test]
    fn rows_may_span_lines_if_that_was_said(
        rows in prop::collection::vec((field(true), any::<Option<i64>>(), field(true)), 0..30),
        crlf: bool, final_newline: bool, chunk in 1_usize..100,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let text = csv_text(&rows, crlf, false, final_newline);
        file(directory.path(), "lines.csv", &text);
        let source = CsvFiles::read(directory.path()).split_bytes(7).quoted_newlines();
        let read = block_on(read_all(&source, Sizes { chunk, ..TINY })).unwrap();
        prop_assert_eq!(read, reference(&text));
    }

    #[test]
    fn a_reader_goes_on_where_another_stopped(
        rows in prop::collection::vec((field(false), any::<Option<i64>>(), field(false)), 1..30),
        stop_after in 0_usize..30,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let text = csv_text(&rows, false, false, true);
        file(directory.path(), "lines.csv", &text);
        let read = block_on(async {
            let source = CsvFiles::<Line>::read(directory.path());
            let cx = context();
            let mut splits = source.enumerator(&cx).unwrap().discover().await.unwrap().splits;
            let mut first = CsvReader::new(Arc::clone(cx.env()), source.format.clone(), TINY);
            first.open(splits.remove(0)).unwrap();
            let mut records = Vec::new();
            while first.fetch().await.unwrap() == Fetched::Data {
                if stop_after == 0 {
                    break;
                }
                let stop = super::read(&mut first, |record| {
                    records.push(Line::from_view(record));
                    records.len() == stop_after
                });
                if stop.unwrap() == Stop::Full {
                    break;
                }
            }
            let mut second = source.reader(&cx).unwrap();
            second.open(first.position()).unwrap();
            drain(&mut second, &mut records).await.unwrap();
            records
        });
        prop_assert_eq!(read, reference(&text));
    }
}

#[test]
fn arbitrary_bytes_never_panic() {
    let directory = tempfile::tempdir().unwrap();
    let alphabet = b"ab1,,,\"\"\r\n\n\xff\xc3\xa9\0";
    let (mut good, mut bad) = (0, 0);
    block_on(async {
        for seed in 0..1_000 {
            let mut random = Random::new(seed);
            let mut text = b"text,number,more\n".to_vec();
            text.extend((0..random.range(0..120)).map(|_| *random.pick(alphabet)));
            file(directory.path(), "noise.csv", &text);
            let source = CsvFiles::read(directory.path()).split_bytes(random.range(1..64));
            let source = if random.chance(0.5) { source.quoted_newlines() } else { source };
            let sizes = Sizes { chunk: random.range(1..64) as usize, ..TINY };
            match read_all(&source, sizes).await {
                Ok(_) => good += 1,
                Err(_) => bad += 1,
            }
        }
    });
    assert!(good > 10 && bad > 10, "both are met: {good} good, {bad} bad");
}

#[test]
fn rows_longer_than_many_chunks() {
    let directory = tempfile::tempdir().unwrap();
    let long = "x".repeat(10_000);
    file(directory.path(), "lines.csv", format!("text,number,more\n{long},1,\n{long},2,{long}\na,3,b"));
    let source = CsvFiles::read(directory.path()).split_bytes(4_000);
    let expected = [line(&long, Some(1), None), line(&long, Some(2), Some(&long)), line("a", Some(3), Some("b"))];
    for sizes in [TINY, Sizes { chunk: 1_000, ..Sizes::DEFAULT }, Sizes::DEFAULT] {
        assert_eq!(block_on(read_all(&source, sizes)).unwrap(), expected);
    }
}

#[test]
fn a_fetch_that_is_given_up_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let rows: String = (0..200).map(|i| format!("row {i},{i},\n")).collect();
    file(directory.path(), "lines.csv", format!("text,number,more\n{rows}"));
    let records = block_on(async {
        let source = CsvFiles::<Line>::read(directory.path());
        let cx = context();
        let split = source.enumerator(&cx).unwrap().discover().await.unwrap().splits.remove(0);
        let mut reader = CsvReader::new(Arc::clone(cx.env()), source.format.clone(), TINY);
        reader.open(split).unwrap();
        let mut records = Vec::new();
        loop {
            // Polled once, dropped, and made anew.
            let _ = futures::FutureExt::now_or_never(reader.fetch());
            if reader.fetch().await.unwrap() == Fetched::EndOfSplit {
                return records;
            }
            let stop = super::read(&mut reader, |record| {
                records.push(record.number.unwrap());
                false
            });
            assert_eq!(stop.unwrap(), Stop::Empty);
        }
    });
    assert_eq!(records, (0..200).collect::<Vec<_>>());
}

#[test]
fn empty_lines_a_byte_order_mark_and_no_rows_are_all_right() {
    let directory = tempfile::tempdir().unwrap();
    file(directory.path(), "1.csv", "\u{feff}more,text,number\r\n\r\n,a,1\r\n\r\n\r\nNA,b,NA\r\n\r\n");
    file(directory.path(), "2.csv", "number,text,more");
    file(directory.path(), "3.csv", "text,number,more\nc,-3,\"x,\"\"y\"\"\"");
    let expected = [line("a", Some(1), None), line("b", None, None), line("c", Some(-3), Some("x,\"y\""))];
    for split_bytes in [1, 9, 1_000] {
        let source = CsvFiles::read(directory.path()).split_bytes(split_bytes);
        assert_eq!(block_on(read_all(&source, TINY)).unwrap(), expected);
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    #[track_caller]
    fn check(rows: &str, expected: &str) {
        check_bytes(rows.as_bytes(), expected);
    }
    #[track_caller]
    fn check_bytes(rows: &[u8], expected: &str) {
        let directory = tempfile::tempdir().unwrap();
        file(directory.path(), "lines.csv", [b"text,number,more\na,1,b\n\nc,2,d\n", rows].concat());
        for split_bytes in [5, 1_000] {
            let source = CsvFiles::read(directory.path().join("lines.csv")).split_bytes(split_bytes);
            let failure = block_on(read_all(&source, TINY)).unwrap_err();
            assert_eq!(message(&failure, directory.path()), expected);
        }
    }
    check(
        "e,zwölf,f\n",
        "lines.csv, line 5: column `number`: `zwölf` is not a whole number from -9223372036854775808 to \
         9223372036854775807 (field type `Option<i64>`)",
    );
    check("e,3\n", "lines.csv, line 5: the row has 2 fields, the header has 3");
    check("e\n", "lines.csv, line 5: the row has 1 field, the header has 3");
    check("e,3,f,\n", "lines.csv, line 5: the row has 4 fields, the header has 3");
    check(
        "e,3,\"f\ng\"\n",
        "lines.csv, line 5: a quote is still open at the end of the line; if quoted fields of this file may hold newlines, \
         add `.quoted_newlines()` to the source",
    );
    check(
        "e,3,\"f\"g\n",
        "lines.csv, line 5: field 3 goes on after its closing quote; a quote inside of a quoted field is doubled",
    );
    check_bytes(
        b"e\xff,3,f\n",
        "lines.csv, line 5: column `text`: `e\u{fffd}` is not valid UTF-8 (field type `String`)",
    );
}

#[test]
fn a_quote_that_never_closes_is_told_with_the_line_of_its_row() {
    let directory = tempfile::tempdir().unwrap();
    file(directory.path(), "lines.csv", "text,number,more\n\"a\nb\",1,c\nd,2,\"e\nf,3,g\n");
    let source = CsvFiles::read(directory.path().join("lines.csv")).quoted_newlines();
    let failure = block_on(read_all(&source, TINY)).unwrap_err();
    assert_eq!(
        message(&failure, directory.path()),
        "lines.csv, line 4: a quote that is opened in this row is still open at the end of the file"
    );
}

#[test]
fn a_check_tells_what_is_wrong_before_anything_runs() {
    let directory = tempfile::tempdir().unwrap();
    file(directory.path(), "1.csv", "text,number,more\n");
    file(directory.path(), "2.csv", "text,nummer,more\n");
    file(directory.path(), "3.csv", "");
    let message = |name: &str| {
        let source = CsvFiles::<Line>::read(directory.path().join(name));
        block_on(async { message(&source.check(&context()).unwrap_err(), directory.path()) })
    };
    assert_eq!(message("0.csv"), "there is no file or directory 0.csv");
    assert_eq!(
        message("*.csv"),
        "2.csv has no column `number`; its columns are `text`, `nummer`, `more`. A field is named after its column with \
         `#[record(rename = \"..\")]`, and may be absent with `#[record(default)]`"
    );
    assert_eq!(message("3.csv"), "3.csv is empty: its first line must name the columns");
}
