//! Partitions, compression, what earlier runs left, and which directories go away.

use std::io::Read;

use millstream_runtime::operator::KeyFn;

use super::*;
use crate::{TextFiles, part_files::OPEN_PARTS_LIMIT};

#[test]
fn records_go_to_the_directory_of_their_partition() {
    let directory = tempfile::tempdir().unwrap();
    let sink = TextFiles::write(directory.path())
        .partition_by(|line| line.len())
        .partition_by(|line| line.chars().next().unwrap_or('0'));
    block_on(run(&sink, &lines(["a", "bb", "b", "ab", "a", "ba"]))).unwrap();
    assert_eq!(
        tree(directory.path()),
        [
            "1/a/part-00000-000000.txt",
            "1/b/part-00000-000002.txt",
            "2/a/part-00000-000003.txt",
            "2/b/part-00000-000001.txt",
            "_SUCCESS"
        ]
    );
    assert_eq!(contents(&directory.path().join("1/a")), b"a\na\n");
    assert_eq!(contents(&directory.path().join("2/b")), b"bb\nba\n");
}

/// The key of a stream, which borrows from its record; written out as the macro does.
#[derive(Debug, Clone)]
struct FirstWord;

impl KeyFn<String> for FirstWord {
    type Key = String;
    fn with<R>(&self, line: &str, then: impl FnOnce(&str) -> R) -> R {
        then(line.split(' ').next().unwrap_or_default())
    }
}

#[test]
fn a_key_that_borrows_names_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let sink = TextFiles::write(directory.path()).partition_with(|| FirstWord);
    block_on(run(&sink, &lines(["a 1", "b 2", "a 3"]))).unwrap();
    assert_eq!(contents(&directory.path().join("a")), b"a 1\na 3\n");
    assert_eq!(tree(directory.path()), ["_SUCCESS", "a/part-00000-000000.txt", "b/part-00000-000001.txt"]);
}

#[test]
fn parts_of_each_partition_roll_by_size() {
    let directory = tempfile::tempdir().unwrap();
    let sink = TextFiles::write(directory.path()).part_bytes(5).partition_by(|line| line.to_owned());
    block_on(run(&sink, &lines(["aa", "b", "aa", "aa", "b"]))).unwrap();
    assert_eq!(
        tree(directory.path()),
        ["_SUCCESS", "aa/part-00000-000000.txt", "aa/part-00000-000002.txt", "b/part-00000-000001.txt"]
    );
}

#[test]
fn more_partitions_than_open_parts_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let partitions = OPEN_PARTS_LIMIT + 50;
    // The first partition is used all the time, so it is never the one that gives way.
    let written = (0..3 * partitions).flat_map(|n| [format!("0 {n}"), format!("{} {n}", 1 + n % partitions)]);
    let sink =
        TextFiles::write(directory.path()).partition_by(|line| line.split(' ').next().unwrap_or_default().to_owned());
    let closed_early = block_on(async {
        let cx = context();
        run_in(&sink, &cx, &lines(written)).await.unwrap();
        cx.counter("parts_closed_early").get()
    });
    assert_eq!(closed_early, (3 * partitions + 1 - OPEN_PARTS_LIMIT) as u64);
    for partition in 1..=partitions {
        let expected: String =
            (0..3).map(|round| format!("{partition} {}\n", partition - 1 + round * partitions)).collect();
        assert_eq!(contents(&directory.path().join(partition.to_string())), expected.as_bytes());
    }
    assert_eq!(fs::read_dir(directory.path().join("0")).unwrap().count(), 1);
}

#[test]
fn the_name_of_a_partition_cannot_lead_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let sink = TextFiles::write(&out).partition_by(|line| line.to_owned()).partition_by(|_| "x");
    let failure = block_on(run(&sink, &lines(["fine", "../.."]))).unwrap_err();
    assert_eq!(
        failure.message(),
        "\"../../x\" cannot name the directory of a partition: a name that begins with a dot is hidden, or leads elsewhere; let \
         `.partition_by(..)` return another name for such records"
    );
    let failure = block_on(run(&sink, &lines([""]))).unwrap_err();
    assert!(failure.message().starts_with("\"/x\" cannot name the directory of a partition: "), "{failure}");
    assert_eq!(tree(directory.path()), [""; 0]);
}

#[test]
fn compressed_parts_hold_the_same_bytes() {
    let written = lines((0..50_000).map(|n| format!("line {n}")));
    let plain: Vec<u8> = written.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
    let (gzip, zstd) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    block_on(async {
        run(&TextFiles::write(gzip.path()).gzip().part_bytes(300_000), &written).await.unwrap();
        run(&TextFiles::write(zstd.path()).zstd().part_bytes(300_000), &written).await.unwrap();
    });
    assert_eq!(tree(gzip.path()), ["_SUCCESS", "part-00000-000000.txt.gz", "part-00000-000001.txt.gz"]);
    assert_eq!(tree(zstd.path()), ["_SUCCESS", "part-00000-000000.txt.zst", "part-00000-000001.txt.zst"]);
    let mut read = Vec::new();
    flate2::read::MultiGzDecoder::new(&*contents(gzip.path())).read_to_end(&mut read).unwrap();
    assert!(read == plain);
    assert!(zstd::decode_all(&*contents(zstd.path())).unwrap() == plain);
    assert!(contents(zstd.path()).len() < plain.len() / 2);
}

#[test]
fn overwriting_removes_old_parts_in_all_partitions_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    block_on(async {
        run(&TextFiles::write(directory.path()).gzip().partition_by(|line| line.len()), &lines(["a", "bb"]))
            .await
            .unwrap();
        run(&TextFiles::write(directory.path().join("other")), &lines(["x"])).await.unwrap();
        fs::write(directory.path().join("1/notes.txt"), "mine").unwrap();
        fs::remove_file(directory.path().join("_SUCCESS")).unwrap();

        let failure = run(&TextFiles::write(directory.path()), &[]).await.unwrap_err();
        assert!(failure.message().contains(" holds the output of an earlier run (part-"), "{failure}");
        run(&TextFiles::write(directory.path()).overwrite(), &lines(["c"])).await.unwrap();
    });
    assert_eq!(
        tree(directory.path()),
        ["1/notes.txt", "_SUCCESS", "other/_SUCCESS", "other/part-00000-000000.txt", "part-00000-000000.txt"]
    );
}

#[test]
fn a_second_run_of_a_sink_does_not_collide_with_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let sink = TextFiles::write(directory.path()).overwrite();
    block_on(async {
        run(&sink, &lines(["first"])).await.unwrap();
        let (one, two) = (context(), context());
        sink.check(&one).unwrap();
        sink.check(&two).unwrap();
        // Both at once: neither sees what the other has not committed.
        let written =
            [write(&sink, &one, &lines(["one"])).await.unwrap(), write(&sink, &two, &lines(["two"])).await.unwrap()];
        sink.committer(&one).unwrap().abort().await;
        let [_, parts] = written;
        sink.committer(&two).unwrap().commit(parts, true).await.unwrap();
    });
    assert_eq!(tree(directory.path()), ["_SUCCESS", "part-00000-000000.txt"]);
    assert_eq!(contents(directory.path()), b"two\n");
}

#[test]
fn directories_go_away_again_if_this_run_made_them() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path().join("there");
    fs::create_dir(&there).unwrap();
    let abort = async |out: &Path| {
        let (sink, cx) = (TextFiles::write(out), context());
        sink.check(&cx).unwrap();
        write(&sink, &cx, &lines(["a"])).await.unwrap();
        assert!(out.is_dir());
        let mut committer = sink.committer(&cx).unwrap();
        committer.abort().await;
        committer.abort().await;
    };
    block_on(async {
        abort(&there).await;
        assert_eq!(tree(directory.path()), ["there/"]);
        abort(&there.join("a/b/c")).await;
        assert_eq!(tree(directory.path()), ["there/"]);

        // Not if someone else uses them by now.
        let (sink, cx) = (TextFiles::write(there.join("a/b")), context());
        sink.check(&cx).unwrap();
        fs::write(there.join("a/notes.txt"), "mine").unwrap();
        sink.committer(&cx).unwrap().abort().await;
    });
    assert_eq!(tree(directory.path()), ["there/a/notes.txt"]);
}

#[test]
fn lines_end_where_records_end() {
    let directory = tempfile::tempdir().unwrap();
    let failure = block_on(run(&TextFiles::write(directory.path()), &lines(["fine", "two\nlines"]))).unwrap_err();
    assert_eq!(
        failure.message(),
        "a record holds a line feed, so it would be read as several lines: \"two\\nlines\"; replace it before the sink, as \
         `.map(|line| line.replace('\\n', \" \"))` does, or split it with `.flat_map(..)`"
    );
    assert_eq!(tree(directory.path()), [""; 0]);
}
