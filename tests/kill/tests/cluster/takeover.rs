//! A leader that cannot read what the one before it has left.

use std::{fs, os::unix::fs::symlink};

use crate::{
    cluster::Cluster,
    events::{Run, Wish},
    input::Input,
};

#[test]
fn a_leader_tries_again_until_it_can_take_over_and_still_starts_taskmanagers_then() {
    let input = Input::new(71);
    let mut cluster = Cluster::with_options(1, &["--provider", "local", "--provider-slots", "2"]);
    let mut run = Run::submit(&cluster, &input, &Wish::quick(2));
    cluster.wait_for(&run.id, &["running"]);
    cluster.jobmanagers[0].process = None; // its TaskManagers end with it
    let (jobs, elsewhere) = (cluster.directory().join("storage/jobs"), cluster.directory().join("jobs"));
    fs::rename(&jobs, &elsewhere).expect("it can be renamed");
    symlink("jobs", &jobs).expect("there is room"); // whoever follows it comes to no end
    cluster.start_jobmanager(0);
    cluster.wait("it has tried twice", |cluster| {
        let said = cluster.jobmanagers[0].process.as_ref()?.said();
        (said.matches("cannot be taken over").count() >= 2).then_some(())
    });
    fs::remove_file(&jobs).expect("it can be removed");
    fs::rename(&elsewhere, &jobs).expect("it can be renamed");
    run.finish(&mut cluster);
}
