//! Several jobs at once.

use std::time::Duration;

use crate::{
    cluster::Cluster,
    events::{Run, Wish},
    input::Input,
    output::LARGE,
};

#[test]
fn two_jobs_run_side_by_side_though_a_process_dies_under_both() {
    let input = Input::new(41);
    let mut cluster = Cluster::new(1).with_taskmanagers(3, 2);
    let mut events = Run::submit(&cluster, &input, &Wish::quick(2));
    let wish = Wish { name: "large".to_owned(), rest: Duration::from_millis(60), ..Wish::quick(2) };
    let mut large = Run::submit_job(&cluster, &input, &wish, ("large", LARGE), &[]);
    cluster.wait_for(&events.id, &["running"]);
    cluster.wait_for(&large.id, &["running"]);
    cluster.taskmanagers.remove(&1).expect("it was started").process.kill();
    events.finish(&mut cluster);
    large.finish(&mut cluster);
    let jobs = cluster.ask("/v1/jobs").expect("the leader answers");
    assert_eq!(jobs["jobs"].as_array().map(Vec::len), Some(2), "{jobs}");
}
