//! What is written reads back, and appears as a whole or not at all.

use millstream_runtime::sink::{Committer, Prepare, Sink, SinkWriter};
use proptest::prelude::*;

use super::*;
use crate::{
    csv::{CsvFiles, CsvSink},
    part_files::FilePart,
};

async fn write(sink: &CsvSink<Line>, cx: &ConnectorContext, lines: &[Line]) -> Vec<FilePart> {
    let mut writer = sink.writer(cx, Vec::new()).unwrap();
    for line in lines {
        writer.write(line.view(), millstream_core::time::Timestamp::MIN).unwrap();
        if writer.is_full() {
            writer.flush().await.unwrap();
        }
    }
    writer.prepare(Prepare::END).await.unwrap().committables
}

async fn run(sink: &CsvSink<Line>, lines: &[Line]) {
    let cx = context();
    sink.check(&cx).unwrap();
    let mut committer = sink.committer(&cx).unwrap();
    let parts = write(sink, &cx, lines).await;
    committer.commit(parts, true).await.unwrap();
}

/// The names in a directory; of parts only their subtask and number.
fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names
        .map(|name| match name.strip_prefix("part-") {
            Some(rest) => format!("part{}", &rest[16..]),
            None => name,
        })
        .collect();
    names.sort();
    names
}

fn lines(count: usize) -> Vec<Line> {
    (0..count).map(|i| line(&format!("line {i}"), Some(i as i64), None)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_is_written_reads_back(
        texts in prop::collection::vec(("[a\",\r\né]{0,9}", any::<Option<i64>>(), prop::option::of("[a\",\r\né]{1,9}")), 1..30),
        part_bytes in 1_u64..300,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let written: Vec<_> = texts.into_iter().map(|(text, number, more)| Line { text, number, more }).collect();
        let (read, by_csv) = block_on(async {
            run(&CsvFiles::write(directory.path()).part_bytes(part_bytes), &written).await;
            let source = CsvFiles::read(directory.path()).quoted_newlines();
            (read_all(&source, Sizes::DEFAULT).await.unwrap(), by_csv_crate(directory.path()))
        });
        prop_assert_eq!(&read, &written);
        prop_assert_eq!(&by_csv, &written);
    }
}

fn by_csv_crate(directory: &Path) -> Vec<Line> {
    let mut parts: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    parts.sort();
    let mut lines = Vec::new();
    for part in parts.iter().filter(|path| path.extension().is_some()) {
        let mut reader = ::csv::Reader::from_path(part).unwrap();
        assert_eq!(reader.headers().unwrap(), vec!["text", "number", "more"]);
        lines.extend(reader.records().map(|row| {
            let row = row.unwrap();
            line(&row[0], row[1].parse().ok(), Some(&row[2]).filter(|text| !text.is_empty()))
        }));
    }
    lines
}

#[test]
fn parts_roll_and_appear_with_the_commit() {
    let directory = tempfile::tempdir().unwrap();
    block_on(async {
        let sink = CsvFiles::write(directory.path()).part_bytes(57);
        let cx = context();
        sink.check(&cx).unwrap();
        let mut committer = sink.committer(&cx).unwrap();
        let parts = write(&sink, &cx, &lines(9)).await;
        assert_eq!(parts.len(), 3);
        assert_eq!(names(directory.path()).len(), 1, "only the staging directory");
        assert!(names(directory.path())[0].starts_with(".staging-"));
        committer.commit(parts.clone(), false).await.unwrap();
        committer.commit(parts, true).await.unwrap(); // as after a crash
    });
    assert_eq!(
        names(directory.path()),
        ["_SUCCESS", "part-00000-000000.csv", "part-00000-000001.csv", "part-00000-000002.csv"]
    );
    let first = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some())
        .min();
    assert_eq!(
        fs::read_to_string(first.unwrap()).unwrap(),
        "text,number,more\nline 0,0,\nline 1,1,\nline 2,2,\nline 3,3,\n"
    );
}

#[test]
fn more_than_a_buffer_is_written_in_the_background() {
    let directory = tempfile::tempdir().unwrap();
    let written = lines(200_000);
    let read = block_on(async {
        run(&CsvFiles::write(directory.path()).part_bytes(1_500_000), &written).await;
        read_all(&CsvFiles::read(directory.path()), Sizes::DEFAULT).await.unwrap()
    });
    assert_eq!(names(directory.path()).len(), 4);
    assert!(read == written);
}

#[test]
fn a_job_that_fails_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    block_on(async {
        let sink = CsvFiles::write(directory.path());
        let cx = context();
        sink.check(&cx).unwrap();
        let mut committer = sink.committer(&cx).unwrap();
        write(&sink, &cx, &lines(3)).await;
        committer.abort().await;
        committer.abort().await;
    });
    assert_eq!(names(directory.path()), [""; 0]);
}

#[test]
fn a_job_without_results_leaves_the_marker_alone() {
    let directory = tempfile::tempdir().unwrap();
    block_on(run(&CsvFiles::write(directory.path().join("new/out")), &[]));
    assert_eq!(names(&directory.path().join("new/out")), ["_SUCCESS"]);
}

#[test]
fn earlier_output_is_replaced_only_if_that_was_said() {
    let directory = tempfile::tempdir().unwrap();
    block_on(async {
        run(&CsvFiles::write(directory.path()).part_bytes(1), &lines(3)).await;
        file(directory.path(), "notes.txt", "mine");
        let failure = CsvFiles::<Line>::write(directory.path()).check(&context()).unwrap_err();
        assert_eq!(
            failure.to_string().replace(&directory.path().display().to_string(), "out"),
            "directory out holds the output of an earlier run (_SUCCESS); remove it, name another directory, or add `.overwrite()` to the sink"
        );

        // A run that fails does not touch it.
        let sink = CsvFiles::write(directory.path()).overwrite();
        let cx = context();
        sink.check(&cx).unwrap();
        write(&sink, &cx, &lines(1)).await;
        sink.committer(&cx).unwrap().abort().await;
        assert_eq!(names(directory.path()).len(), 5);

        run(&CsvFiles::write(directory.path()).overwrite(), &lines(2)).await;
    });
    assert_eq!(names(directory.path()), ["_SUCCESS", "notes.txt", "part-00000-000000.csv"]);
}

#[test]
fn a_directory_that_cannot_be_written_is_told() {
    let directory = tempfile::tempdir().unwrap();
    file(directory.path(), "out", "a file, not a directory");
    block_on(async {
        let failure = CsvFiles::<Line>::write(directory.path().join("out")).check(&context()).unwrap_err();
        assert!(message(&failure, directory.path()).starts_with("cannot write out: "), "{failure}");
    });
}
