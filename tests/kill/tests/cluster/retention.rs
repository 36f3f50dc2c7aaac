//! A cluster remembers so many jobs that have ended, and no more.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::{
    cluster::Cluster,
    events::{Run, Wish},
    input::Input,
};

#[test]
fn jobs_that_have_ended_are_forgotten_with_all_that_the_storage_has_of_them() {
    let input = Input::new(61);
    let mut cluster = Cluster::with_options(1, &["--retained-jobs", "2"]).with_taskmanagers(1, 2);
    let mut ids = Vec::new();
    for n in 0..4 {
        let run = Run::submit(&cluster, &input, &Wish { name: format!("job-{n}"), ..Wish::quick(1) });
        cluster.wait("a checkpoint is complete", |cluster| {
            let checkpoints = cluster.ask(&format!("/v1/jobs/{}/checkpoints", run.id)).ok()?;
            (checkpoints["completed"].as_u64() > Some(0)).then_some(())
        });
        cluster.order(&format!("/v1/jobs/{}/cancel", run.id), &Value::Null).expect("a job that runs can be cancelled");
        cluster.wait_for(&run.id, &["cancelled"]);
        ids.push(run.id);
    }
    let last: BTreeSet<_> = ids.split_off(2).into_iter().collect();
    let in_storage = |cluster: &Cluster| -> BTreeSet<String> {
        let jobs = fs::read_dir(cluster.directory().join("storage/jobs")).expect("the storage has jobs");
        jobs.map(|job| job.expect("it can be listed").file_name().into_string().expect("it is a number")).collect()
    };
    cluster.wait("the others are forgotten", |cluster| (in_storage(cluster) == last).then_some(()));
    let known = |cluster: &Cluster| -> Option<BTreeSet<String>> {
        let Value::Array(jobs) = cluster.ask("/v1/jobs").ok()?["jobs"].take() else { return None };
        Some(jobs.iter().filter_map(|job| job["id"].as_str().map(str::to_owned)).collect())
    };
    assert_eq!(known(&cluster).as_ref(), Some(&last));
    let gone = cluster.job(&ids[0]).expect_err("it is forgotten");
    assert!(gone.starts_with("404"), "{gone}");
    // Who comes next knows the same ones, and clears away what was left of one that was being forgotten.
    let left = cluster.directory().join(format!("storage/jobs/{}", ids[0]));
    fs::create_dir_all(&left).expect("there is room");
    fs::write(left.join("owner-00000000000000000001"), "").expect("there is room");
    cluster.jobmanagers[0].process = None;
    cluster.start_jobmanager(0);
    cluster.wait("it leads again", |cluster| known(cluster).filter(|known| *known == last));
    assert_eq!(in_storage(&cluster), last);
}
