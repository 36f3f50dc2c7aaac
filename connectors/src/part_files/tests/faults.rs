//! A disk that is full, closed or gone: the failure says where and what helps, and nothing stays that looks complete.

use std::{io, sync::Arc, time::Duration};

use futures::FutureExt;
use millstream_runtime::env::Env;
use millstream_testkit::SimEnv;

use super::{
    faulty::{Fault, FaultyEnv},
    *,
};
use crate::TextFiles;

/// Runs on a disk with a fault, and gives the message, without what differs from run to run, and what is left.
fn fail(fault: Fault, gzip: bool) -> (String, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let sink = TextFiles::write(directory.path().join("out")).part_bytes(100_000).partition_by(|line| line.len());
    let sink = if gzip { sink.gzip() } else { sink };
    let failure = block_on(async {
        let cx = SinkContext::detached(FaultyEnv::new(TokioEnv::current(), fault), "text");
        let failure = run_in(&sink, &cx, &lines((0..100_000).map(|n| n.to_string()))).await.unwrap_err();
        failure.message().replace(&format!("{:016x}", cx.run()), "RUN")
    });
    (failure.replace(&format!("{}/", directory.path().display()), ""), tree(directory.path()))
}

#[test]
fn a_disk_that_is_full_is_told_with_the_file_and_the_repair() {
    for gzip in [false, true] {
        for after in [0, 50_000] {
            let (message, left) = fail(Fault::Write { after, kind: io::ErrorKind::StorageFull }, gzip);
            assert!(message.starts_with("cannot write out/.staging-RUN/"), "{message}");
            assert!(message.ends_with("; free some space on that disk, or write to another one"), "{message}");
            assert_eq!(left, [""; 0]);
        }
    }
    let (message, left) = fail(Fault::Sync, true);
    assert!(message.starts_with("cannot write out/.staging-RUN/00000-00000"), "{message}");
    assert_eq!(left, [""; 0]);
}

#[test]
fn limits_and_rights_have_repairs_of_their_own() {
    for (kind, repair) in [
        (
            io::ErrorKind::FileTooLarge,
            "; raise the limit on the size of files (`ulimit -f`), or close files earlier by `.part_bytes(bytes)`",
        ),
        (
            io::ErrorKind::PermissionDenied,
            "; give the user who runs the job the right to write there, or write elsewhere",
        ),
        (io::ErrorKind::QuotaExceeded, "; free some of the user's space on that disk, or write to another one"),
    ] {
        let (message, left) = fail(Fault::Write { after: 100_000, kind }, false);
        assert!(message.ends_with(repair), "{message}");
        assert_eq!(left, [""; 0]);
    }
}

#[test]
fn a_commit_that_fails_halfway_takes_back_what_had_appeared() {
    for after in [0, 1, 4] {
        let (message, left) = fail(Fault::Rename { after }, false);
        assert!(message.starts_with("cannot write out/"), "{message}");
        assert_eq!(left, [""; 0]);
    }
    let (message, left) = fail(Fault::Success, false);
    assert!(message.starts_with("cannot write out/_SUCCESS: "), "{message}");
    assert_eq!(left, [""; 0]);
}

#[test]
fn a_directory_that_another_committer_removes_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let sink = TextFiles::write(directory.path()).partition_by(|line| line.to_owned());
    block_on(async {
        let cx = SinkContext::detached(FaultyEnv::new(TokioEnv::current(), Fault::DirectoryGone), "text");
        run_in(&sink, &cx, &lines(["a"])).await.unwrap();
    });
    assert_eq!(tree(directory.path()), ["_SUCCESS", "a/part-00000-000000.txt"]);
}

#[test]
fn what_still_goes_on_in_the_background_of_a_cancelled_job_leaves_nothing() {
    for seed in 0..50 {
        let directory = tempfile::tempdir().unwrap();
        let sim = SimEnv::new(seed);
        sim.block_on(async {
            let sink = TextFiles::write(directory.path().join("out")).part_bytes(10);
            let cx = SinkContext::detached(Arc::clone(&sim) as Arc<dyn Env>, "text");
            sink.check(&cx).unwrap();
            let mut writer = sink.writer(&cx, Vec::new()).unwrap();
            for line in 0..20 {
                writer.write(&format!("line {line}"), Timestamp::MIN).unwrap();
            }
            assert_eq!(writer.flush().now_or_never(), Some(Ok(())));
            drop(writer);
            sink.committer(&cx).unwrap().abort().await;
            sim.sleep(Duration::from_secs(1)).await; // virtual: all that is under way ends
        });
        assert_eq!(tree(directory.path()), [""; 0], "seed {seed}");
    }
}
