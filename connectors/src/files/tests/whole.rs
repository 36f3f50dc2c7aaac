//! However a file is packed and cut, the same records come out, and the same ones are bad.

use futures::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::{CsvFiles, TextFiles};

/// The lines of a text, and the numbers of those that are not UTF-8: found the plain way.
fn reference(text: &[u8]) -> (Vec<String>, Vec<u64>) {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let mut lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
    if lines.last() == Some(&&b""[..]) {
        lines.pop();
    }
    for (number, line) in (1..).zip(lines) {
        match String::from_utf8(line.strip_suffix(b"\r").unwrap_or(line).to_vec()) {
            Ok(line) => good.push(line),
            Err(_) => bad.push(number),
        }
    }
    (good, bad)
}

/// Bytes that matter to lines, and a few that do not.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"\n"[..],
        b"\r\n",
        b"\r",
        b"a",
        b"bc",
        "é".as_bytes(),
        "🦀".as_bytes(),
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xc3",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn lines_and_their_numbers_do_not_depend_on_packing_splits_and_chunks(
        text in text(), packing in prop::sample::select(&PACKINGS[..]), split_bytes in 1_u64..80, chunk in 1_usize..80,
    ) {
        let directory = tempfile::tempdir().unwrap();
        file(directory.path(), &packing.name("lines.txt"), packing.pack(&text));
        let source = TextFiles::read(directory.path()).split_bytes(split_bytes);
        let (good, bad) = block_on(read_all(&source, Sizes { chunk, ..TINY })).unwrap();
        let (expected, expected_bad) = reference(&text);
        prop_assert_eq!(&good, &expected);
        prop_assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), &expected_bad[..]);
        match (source.load(), expected_bad.first()) {
            (Ok(loaded), None) => prop_assert_eq!(loaded, expected),
            (Err(failure), Some(line)) => {
                let place = format!("lines.txt{}, line {line}: ", packing.name(""));
                prop_assert!(failure.message().contains(&place), "{}", failure);
            }
            (loaded, bad) => prop_assert!(false, "loaded {loaded:?} with {bad:?} bad"),
        }
    }

    #[test]
    fn readers_go_on_where_others_stopped_at_any_time(
        text in text(), packing in prop::sample::select(&PACKINGS[..]), split_bytes in 1_u64..80,
        stops in prop::collection::btree_set(0_usize..120, 1..12), chunk in 1_usize..40,
    ) {
        let directory = tempfile::tempdir().unwrap();
        file(directory.path(), &packing.name("lines.txt"), packing.pack(&text));
        let (good, bad) = block_on(async {
            let source = TextFiles::read(directory.path()).split_bytes(split_bytes);
            let cx = ConnectorContext::detached(TokioEnv::current(), "test");
            let sizes = [TINY, Sizes { chunk, ..TINY }, Sizes::DEFAULT];
            let (mut all, mut events) = ((Vec::new(), Vec::new()), 0);
            for split in source.enumerator(&cx).unwrap().discover().await.unwrap().splits {
                let mut reader = FileReader::new(Arc::clone(cx.env()), source.format, TINY);
                reader.open(split).unwrap();
                loop {
                    if stops.contains(&events) {
                        let position = reader.position();
                        reader = FileReader::new(Arc::clone(cx.env()), source.format, sizes[events % 3]);
                        reader.open(position).unwrap();
                    }
                    events += 1;
                    // An event is a fetch, a record, or a bad line.
                    let stop = reader.records(|record| {
                        all.0.push(record.to_owned());
                        true
                    });
                    let fetches = match stop {
                        Stop::Full => false,
                        Stop::Empty => true,
                        Stop::Fault => !reader.reject(true, |bad| {
                            all.1.push(bad.line);
                            Ok(())
                        }).unwrap(),
                    };
                    if fetches && reader.fetch().await.unwrap() == Fetched::EndOfSplit {
                        break;
                    }
                }
            }
            all
        });
        prop_assert_eq!((good, bad), reference(&text));
    }
}

#[test]
fn line_ends_byte_order_marks_and_empty_files_in_every_packing() {
    let cases: [(&str, &[&str]); 9] = [
        ("", &[]),
        ("\u{feff}", &[]),
        ("\n", &[""]),
        ("a", &["a"]),
        ("a\nb\n", &["a", "b"]),
        ("a\r\n\r\nb\r\n", &["a", "", "b"]),
        ("\u{feff}a\nb", &["a", "b"]),
        ("a\rb\r", &["a\rb"]),
        ("\u{feff}\n\u{feff}", &["", "\u{feff}"]),
    ];
    for (text, expected) in cases {
        for packing in PACKINGS {
            let directory = tempfile::tempdir().unwrap();
            file(directory.path(), &packing.name("lines.txt"), packing.pack(text.as_bytes()));
            for split_bytes in 1..8 {
                let source = TextFiles::read(directory.path()).split_bytes(split_bytes);
                let (good, bad) = block_on(read_all(&source, TINY)).unwrap();
                assert_eq!(good, expected, "{text:?} {packing:?} by {split_bytes}");
                assert_eq!(bad, []);
            }
        }
    }
}

#[test]
fn a_directory_that_is_watched_remembers_over_a_restart_what_it_has_found() {
    let directory = tempfile::tempdir().unwrap();
    let source = TextFiles::read(directory.path()).watch(std::time::Duration::from_secs(1));
    let add = |name: &str| file(directory.path(), name, "line\n");
    block_on(async {
        let cx = ConnectorContext::detached(TokioEnv::current(), "test");
        let mut enumerator = source.enumerator(&cx).unwrap();
        add("a.txt");
        add("b.txt");
        assert!(enumerator.discover().now_or_never().is_none()); // one that is given up has found nothing
        assert_eq!(enumerator.state(), [""; 0]);
        assert_eq!(enumerator.discover().await.unwrap().splits.len(), 2);
        let state = enumerator.state();
        assert_eq!(state, ["a.txt", "b.txt"].map(|name| directory.path().join(name).display().to_string()));

        fs::remove_file(directory.path().join("a.txt")).unwrap();
        add("c.txt");
        let mut restored = source.enumerator(&cx).unwrap();
        restored.restore(state).unwrap();
        let found = restored.discover().await.unwrap().splits;
        assert_eq!(found, [(directory.path().join("c.txt").display().to_string(), 0, 5)]);
        // What has gone is forgotten: the memory is bounded by the files that are there.
        assert_eq!(restored.state().len(), 2);
    });
}

#[test]
fn packed_files_of_a_directory_are_found_by_the_extension_before_the_packing() {
    let directory = tempfile::tempdir().unwrap();
    for (i, packing) in PACKINGS.into_iter().enumerate() {
        let text = format!("\u{feff}number,text\r\n{i},x\r\n{i},\"y,\"");
        file(directory.path(), &packing.name("rows.csv"), packing.pack(text.as_bytes()));
        file(directory.path(), &packing.name("notes.md"), packing.pack(b"no table"));
    }
    file(directory.path(), "_rows.csv", "no table");
    let source = CsvFiles::<Row>::read(directory.path()).split_bytes(3);
    let (good, bad) = block_on(read_all(&source, TINY)).unwrap();
    let row = |number, text: &str| Row { number, text: text.to_owned() };
    assert_eq!(good, [row(0, "x"), row(0, "y,"), row(1, "x"), row(1, "y,"), row(2, "x"), row(2, "y,")]);
    assert_eq!(bad, []);
}

#[test]
fn archives_of_several_members_are_one_text() {
    let directory = tempfile::tempdir().unwrap();
    let text = "first li|ne\nsecond line\n|third".split('|').collect::<Vec<_>>();
    for packing in [Packing::Gzip, Packing::Zstd] {
        let members: Vec<_> = text.iter().flat_map(|member| packing.pack(member.as_bytes())).collect();
        file(directory.path(), &packing.name("lines.txt"), members);
        let source = TextFiles::read(directory.path().join(packing.name("lines.txt")));
        let (good, _) = block_on(read_all(&source, TINY)).unwrap();
        assert_eq!(good, ["first line", "second line", "third"], "{packing:?}");
    }
}

/// A row of the tables here.
#[derive(Debug, Clone, PartialEq, millstream_macros::Record)]
#[record(crate = crate::testing)]
pub(super) struct Row {
    pub(super) number: u64,
    pub(super) text: String,
}

#[test]
fn a_bad_row_is_skipped_to_its_end_whatever_is_wrong_with_it() {
    let text = "number,text\n1,a\nx,b\n2,\"c\n3\n4,\"d\"e,\"\n5,f,g\n\n6,\"h\"\n7,\"";
    let expected = [
        (3, "x,b", "column `number`: `x` is not a whole number from 0 to 18446744073709551615 (field type `u64`)"),
        (
            4,
            "2,\"c",
            "a quote is still open at the end of the line; if quoted fields of this file may hold newlines, add `.quoted_newlines()` to the source",
        ),
        (5, "3", "the row has 1 field, the header has 2"),
        (6, "4,\"d\"e,\"", "field 2 goes on after its closing quote; a quote inside of a quoted field is doubled"),
        (7, "5,f,g", "the row has 3 fields, the header has 2"),
        (
            10,
            "7,\"",
            "a quote is still open at the end of the line; if quoted fields of this file may hold newlines, add `.quoted_newlines()` to the source",
        ),
    ];
    for packing in PACKINGS {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(packing.name("rows.csv"));
        fs::write(&path, packing.pack(text.as_bytes())).unwrap();
        for split_bytes in [1, 5, 13, 1_000] {
            let source = CsvFiles::<Row>::read(directory.path()).split_bytes(split_bytes);
            let (good, bad) = block_on(read_all(&source, TINY)).unwrap();
            assert_eq!(good.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 6], "{packing:?} by {split_bytes}");
            let expected = expected.map(|(line, text, reason)| BadRecord {
                origin: path.display().to_string(),
                line,
                reason: reason.to_owned(),
                text: text.to_owned(),
            });
            assert_eq!(bad, expected, "{packing:?} by {split_bytes}");
        }
    }
}

#[test]
fn rows_behind_a_quote_that_never_closes_are_read() {
    let directory = tempfile::tempdir().unwrap();
    file(directory.path(), "rows.csv", "number,text\n1,\"a\nb\"\n2,\"c\n3,d\n4,e\n");
    let source = CsvFiles::<Row>::read(directory.path()).quoted_newlines();
    let (good, bad) = block_on(read_all(&source, TINY)).unwrap();
    assert_eq!(good.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 3, 4]);
    assert_eq!(bad.iter().map(|bad| (bad.line, bad.text.as_str())).collect::<Vec<_>>(), [(4, "2,\"c")]);
}

#[test]
fn the_text_of_a_bad_row_is_bounded_and_readable() {
    let directory = tempfile::tempdir().unwrap();
    let long = [&b"\xff"[..], "x".repeat(10_000).as_bytes(), b"\nok\n\xfe\r\n"].concat();
    file(directory.path(), "lines.txt", long);
    let (good, bad) = block_on(read_all(&TextFiles::read(directory.path()), Sizes::DEFAULT)).unwrap();
    assert_eq!(good, ["ok"]);
    assert_eq!(bad[0].text, format!("\u{fffd}{}…", "x".repeat(crate::files::BAD_TEXT_BYTES - 1)));
    assert_eq!((bad[1].line, &*bad[1].text, &*bad[1].reason), (3, "\u{fffd}", "the line is not UTF-8 from byte 1 on"));
}

#[test]
fn a_row_beyond_the_bound_fails_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let text = [b"a\nb\n".to_vec(), vec![b'x'; 10_000]].concat();
    file(directory.path(), "lines.txt.gz", Packing::Gzip.pack(&text));
    let failure = block_on(read_all(&TextFiles::read(directory.path()), Sizes { row: 1_000, ..TINY })).unwrap_err();
    assert_eq!(
        message(&failure, directory.path()),
        "lines.txt.gz, line 3: the row is longer than 1000 bytes; is this really a file of format text?"
    );
}

#[test]
fn a_long_row_is_read_in_ever_larger_steps_behind_the_end_of_its_range_too() {
    let directory = tempfile::tempdir().unwrap();
    file(directory.path(), "lines.txt", format!("{}\nnext\n", "x".repeat(100_000)));
    let path = directory.path().join("lines.txt").to_str().unwrap().to_owned();
    block_on(async {
        let mut reader = FileReader::new(TokioEnv::current(), crate::text::Lines, TINY);
        reader.open((path, 0, 1)).unwrap();
        let (mut steps, mut found) = (0, Vec::new());
        while reader.fetch().await.unwrap() == Fetched::Data {
            steps += 1;
            reader.records(|line| {
                found.push(line.len());
                false
            });
        }
        assert_eq!(found, [100_000]);
        // Each step looks at the row from its beginning.
        assert!(steps < 40, "{steps}");
    });
}
