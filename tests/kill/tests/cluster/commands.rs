//! Orders for a job that runs, over HTTP.

use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    events::{Run, Wish},
    input::Input,
};

#[test]
fn a_cancelled_job_commits_nothing_more() {
    let input = Input::new(51);
    let mut cluster = Cluster::new(1).with_taskmanagers(2, 1);
    let mut run = Run::submit(&cluster, &input, &Wish::quick(2));
    wait_for_checkpoints(&mut cluster, &run, 2);
    cluster.order(&format!("/v1/jobs/{}/cancel", run.id), &Value::Null).expect("a job that runs can be cancelled");
    cluster.wait_for(&run.id, &["cancelled"]);
    cluster.wait("its slots are free again", |cluster| {
        (cluster.ask("/v1/overview").ok()?["slots_free"] == 2).then_some(())
    });
    run.look(false).expect("what was committed is right");
    let files = run.committed_files();
    assert!(files > 0, "checkpoints were complete");
    let again = cluster.order(&format!("/v1/jobs/{}/stop", run.id), &Value::Null);
    assert!(again.is_err(), "a job that has ended cannot be stopped: {again:?}");
    // A second job shows that the cluster goes on; meanwhile nothing more may come of the first.
    let mut next = Run::submit(&cluster, &input, &Wish { name: "next".to_owned(), ..Wish::quick(2) });
    next.finish(&mut cluster);
    run.look(false).expect("what was committed is right");
    assert_eq!(run.committed_files(), files);
}

#[test]
fn a_job_that_was_stopped_goes_on_when_it_is_submitted_again() {
    let input = Input::new(52);
    let mut cluster = Cluster::new(1).with_taskmanagers(2, 2);
    let checkpoints = cluster.directory().join("checkpoints").display().to_string();
    let settings = [("checkpoint.dir", checkpoints.as_str())];
    let mut run = Run::submit_with(&cluster, &input, &Wish::quick(2), &settings);
    wait_for_checkpoints(&mut cluster, &run, 2);
    let stopped = cluster.order(&format!("/v1/jobs/{}/stop", run.id), &Value::Null).expect("it can be stopped");
    cluster.wait_for(&run.id, &["finished"]);
    run.look(false).expect("what was committed is right");
    assert!(run.look(true).is_err(), "it was stopped in its midst");
    let mut again = Run::submit_with(&cluster, &input, &Wish::quick(3), &settings);
    again.finish(&mut cluster);
    let job = cluster.job(&again.id).expect("the leader answers");
    assert!(stopped["checkpoint"].as_u64().is_some(), "{stopped} {job}");
}

#[test]
fn a_job_begins_with_a_savepoint_of_another_at_another_parallelism() {
    let input = Input::new(54);
    let mut cluster = Cluster::new(1).with_taskmanagers(2, 2);
    let at = |cluster: &Cluster, name: &str| cluster.directory().join(name).display().to_string();
    let (own, other, to) = (at(&cluster, "own"), at(&cluster, "other"), at(&cluster, "savepoints"));
    let mut run = Run::submit_with(&cluster, &input, &Wish::quick(2), &[("checkpoint.dir", own.as_str())]);
    wait_for_checkpoints(&mut cluster, &run, 1);
    let path = format!("/v1/jobs/{}/savepoints", run.id);
    let relative = cluster.order(&path, &json!({ "to": "savepoints" })).expect_err("it is relative to what?");
    assert!(relative.starts_with("400") && relative.contains("a path from the root"), "{relative}");
    let unsaid = cluster.order(&path, &json!({})).expect_err("nobody has said where");
    assert!(unsaid.starts_with("400") && unsaid.contains("savepoint.dir"), "{unsaid}");
    cluster.order(&path, &json!({ "to": to })).expect("nothing is in its way");
    let made = cluster.order(&path, &json!({ "to": to, "then": "stop" })).expect("nothing is in its way");
    cluster.wait_for(&run.id, &["finished"]);
    run.look(false).expect("what was committed is right");
    assert!(run.look(true).is_err(), "it was stopped in its midst");
    // The savepoint needs nothing of the job that made it.
    std::fs::remove_dir_all(cluster.directory().join("own")).expect("nobody uses it");
    let savepoint = made["savepoint"].as_str().expect("it says where").to_owned();
    let settings = [("checkpoint.dir", other.as_str()), ("savepoint.from", savepoint.as_str())];
    let mut again = Run::submit_with(&cluster, &input, &Wish::quick(3), &settings);
    again.finish(&mut cluster);
}

#[test]
fn a_job_is_drained_with_a_savepoint() {
    let input = Input::new(55);
    let mut cluster = Cluster::new(1).with_taskmanagers(2, 1);
    let to = cluster.directory().join("savepoints").display().to_string();
    let run = Run::submit(&cluster, &input, &Wish::quick(2));
    wait_for_checkpoints(&mut cluster, &run, 1);
    let path = format!("/v1/jobs/{}/savepoints", run.id);
    let made = cluster.order(&path, &json!({ "to": to, "then": "drain" })).expect("nothing is in its way");
    assert!(made["checkpoint"].as_u64().is_some(), "{made}");
    cluster.wait_for(&run.id, &["finished"]);
    let again = cluster.order(&path, &json!({ "to": to })).expect_err("it has ended");
    assert!(again.starts_with("409"), "{again}");
}

#[test]
fn a_job_is_rescaled_up_and_down_and_its_output_stays() {
    let input = Input::new(53);
    let mut cluster = Cluster::new(1).with_taskmanagers(2, 2);
    let mut run = Run::submit(&cluster, &input, &Wish::quick(2));
    wait_for_checkpoints(&mut cluster, &run, 1);
    for parallelism in [4_u64, 1] {
        let path = format!("/v1/jobs/{}/rescale", run.id);
        cluster.order(&path, &json!({ "parallelism": parallelism })).expect("a job that runs can be rescaled");
        cluster.wait(&format!("the job runs at parallelism {parallelism}"), |cluster| {
            let job = cluster.job(&run.id).ok()?;
            (job["state"] == "running" && job["parallelism"] == parallelism).then_some(())
        });
        run.look(false).expect("what was committed is right");
        let so_far = cluster.ask(&format!("/v1/jobs/{}/checkpoints", run.id)).expect("the leader answers");
        wait_for_checkpoints(&mut cluster, &run, so_far["completed"].as_u64().unwrap_or(0) + 2);
    }
    run.finish(&mut cluster);
}

#[test]
fn orders_that_cannot_be_carried_out_are_refused_with_a_reason() {
    let mut cluster = Cluster::new(1);
    let refused = |path: &str, body: &Value| cluster.order(path, body).expect_err("it cannot be carried out");
    let job = refused("/v1/jobs", &json!({ "job": "evnts" }));
    assert!(job.starts_with("400") && job.contains("this binary has no job `evnts`"), "{job}");
    let arguments = refused("/v1/jobs", &json!({ "job": "events", "args": ["--inputs", "x"] }));
    assert!(arguments.starts_with("400") && arguments.contains("the arguments of job `events`"), "{arguments}");
    let setting = refused("/v1/jobs", &json!({ "job": "events", "settings": { "parallelism": "many" } }));
    assert!(setting.starts_with("400"), "{setting}");
    let unknown = refused("/v1/jobs/abcdef/cancel", &Value::Null);
    assert!(unknown.starts_with("404"), "{unknown}");
    cluster.see_processes();
}

/// Waits until so many checkpoints of a job are complete.
#[track_caller]
fn wait_for_checkpoints(cluster: &mut Cluster, run: &Run<'_>, count: u64) {
    cluster.wait(&format!("{count} checkpoints are complete"), |cluster| {
        let checkpoints = cluster.ask(&format!("/v1/jobs/{}/checkpoints", run.id)).ok()?;
        (checkpoints["completed"].as_u64() >= Some(count)).then_some(())
    });
}
