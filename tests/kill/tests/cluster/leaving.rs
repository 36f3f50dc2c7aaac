//! Processes that are told to end, by SIGTERM: they leave cleanly, and jobs go on elsewhere.

use crate::{
    cluster::Cluster,
    events::{Run, Wish},
    input::Input,
};

#[test]
fn a_taskmanager_leaves_and_its_tasks_go_on_elsewhere() {
    let input = Input::new(21);
    let mut cluster = Cluster::new(1).with_taskmanagers(2, 2);
    let mut run = Run::submit(&cluster, &input, &Wish::quick(2));
    cluster.wait_for(&run.id, &["running"]);
    // With tasks spread over both, either has some.
    let mut leaving = cluster.taskmanagers.remove(&0).expect("it was started");
    let status = leaving.process.terminate();
    assert_eq!(status.code(), Some(0), "{}", leaving.process.said());
    cluster.wait("the leader has noticed", |cluster| {
        (cluster.ask("/v1/overview").ok()?["taskmanagers"] == 1).then_some(())
    });
    run.finish(&mut cluster);
    assert!(cluster.job(&run.id).is_ok_and(|job| job["restarts"].as_u64() > Some(0)), "tasks had to be started again");
}

#[test]
fn a_leader_leaves_and_another_takes_its_jobs_over() {
    let input = Input::new(22);
    let mut cluster = Cluster::new(2).with_taskmanagers(2, 2);
    let mut run = Run::submit(&cluster, &input, &Wish::quick(2));
    cluster.wait_for(&run.id, &["running"]);
    let leader = cluster.leader().expect("somebody leads");
    let mut process = cluster.jobmanagers[leader].process.take().expect("it runs");
    let status = process.terminate();
    assert_eq!(status.code(), Some(0), "{}", process.said());
    let next = cluster.wait("another leads", |cluster| cluster.leader());
    assert_ne!(next, leader);
    run.finish(&mut cluster);
}

#[test]
fn one_that_stands_by_leaves_unnoticed() {
    let input = Input::new(23);
    let mut cluster = Cluster::new(2).with_taskmanagers(1, 2);
    let mut run = Run::submit(&cluster, &input, &Wish::quick(2));
    cluster.wait_for(&run.id, &["running"]);
    let leader = cluster.leader().expect("somebody leads");
    let mut process = cluster.jobmanagers[1 - leader].process.take().expect("it runs");
    assert_eq!(process.terminate().code(), Some(0), "{}", process.said());
    run.finish(&mut cluster);
    assert_eq!(cluster.leader(), Some(leader));
    assert!(
        cluster.job(&run.id).is_ok_and(|job| job["restarts"].as_u64() == Some(0)),
        "nothing has happened to the job"
    );
}

#[test]
fn a_whole_cluster_that_comes_back_goes_on() {
    let input = Input::new(24);
    let mut cluster = Cluster::new(1).with_taskmanagers(1, 2);
    let mut run = Run::submit(&cluster, &input, &Wish::quick(2));
    cluster.wait("a checkpoint is complete", |cluster| {
        let checkpoints = cluster.ask(&format!("/v1/jobs/{}/checkpoints", run.id)).ok()?;
        (checkpoints["completed"].as_u64() > Some(1)).then_some(())
    });
    cluster.jobmanagers[0].process = None;
    cluster.taskmanagers.clear();
    cluster.start_jobmanager(0);
    cluster.start_taskmanager(2);
    run.finish(&mut cluster);
}
