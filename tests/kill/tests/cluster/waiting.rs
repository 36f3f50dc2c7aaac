//! Jobs that wait for slots.

use crate::{
    cluster::Cluster,
    events::{Run, Wish},
    input::Input,
};

#[test]
fn a_job_says_which_slots_it_waits_for_and_goes_on_when_they_come() {
    let input = Input::new(31);
    let mut cluster = Cluster::new(1).with_taskmanagers(1, 1);
    let mut run = Run::submit(&cluster, &input, &Wish::quick(3));
    cluster.wait_for(&run.id, &["waiting"]);
    let job = cluster.job(&run.id).expect("the leader answers");
    let status = job["status"].as_str().unwrap_or_default();
    assert!(status.starts_with("3 slots are wanted, the cluster has 1, and 1 of these are free"), "{job}");
    cluster.start_taskmanager(2);
    run.finish(&mut cluster);
}

#[test]
fn a_job_waits_for_the_slots_of_another() {
    let input = Input::new(32);
    let mut cluster = Cluster::new(1).with_taskmanagers(1, 2);
    let mut first = Run::submit(&cluster, &input, &Wish::quick(2));
    cluster.wait_for(&first.id, &["running"]);
    let mut second = Run::submit(&cluster, &input, &Wish { name: "second".to_owned(), ..Wish::quick(2) });
    cluster.wait_for(&second.id, &["waiting"]);
    first.finish(&mut cluster);
    second.finish(&mut cluster);
}
