//! A leader that stands still while another takes over: when it goes on, nobody listens to it any more.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    cluster::Cluster,
    events::{Run, Wish},
    input::Input,
    rest,
};

/// Long enough for anything that the deposed leader still says.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_deposed_leader_neither_commits_nor_commands() {
    let input = Input::new(71);
    let mut cluster = Cluster::watchful(2).with_taskmanagers(2, 2);
    let wish = Wish { rest: Duration::from_millis(200), ..Wish::quick(2) };
    let mut run = Run::submit(&cluster, &input, &wish);
    cluster.wait_for(&run.id, &["running"]);
    let deposed = cluster.leader().expect("somebody leads");
    let rest = cluster.jobmanagers[deposed].rest;
    signal(&cluster, deposed, Signal::STOP);
    cluster.jobmanagers[deposed].is_stopped = true;
    // An order that comes before it can know that it is deposed: the kernel keeps it until it goes on.
    let mut order = TcpStream::connect(rest).expect("the kernel takes connections");
    let request = format!("POST /v1/jobs/{}/cancel HTTP/1.1\r\nhost: {rest}\r\nconnection: close\r\n\r\n", run.id);
    order.write_all(request.as_bytes()).expect("the kernel takes what is sent");
    let leader = cluster.wait("another leads", |cluster| cluster.leader());
    assert_ne!(leader, deposed);
    cluster.wait_for(&run.id, &["running"]);
    signal(&cluster, deposed, Signal::CONT);
    order.set_read_timeout(Some(PATIENCE)).expect("it can be set");
    let mut answer = String::new();
    // Refused or cut off, as it finds out early or late: it comes to nothing, so nobody may be told otherwise.
    let _ = order.read_to_string(&mut answer);
    assert!(!answer.starts_with("HTTP/1.1 2"), "it says that the job is cancelled: {answer}");
    // In between it may know already that it does not lead, and not yet who does.
    let refused = cluster.wait("the deposed leader says so", |_| {
        rest::get(rest, "/v1/overview").ok().filter(|answer| answer.status == 307)
    });
    // By the name that it announces, which is not the one that it listens at.
    let next = format!(":{}", cluster.jobmanagers[leader].rest.port());
    let said = refused.body["leader"].as_str().unwrap_or_default();
    assert!(said.ends_with(&next), "it knows who leads: {refused:?}");
    cluster.jobmanagers[deposed].is_stopped = false;
    let said = cluster.jobmanagers[deposed].process.as_ref().expect("it runs").said();
    assert!(said.contains("this JobManager does not lead any more"), "{said}");
    assert_eq!(cluster.leader(), Some(leader), "it does not take the leadership back");
    run.look(false).expect("what was committed is right");
    run.finish(&mut cluster);
}

fn signal(cluster: &Cluster, jobmanager: usize, signal: Signal) {
    cluster.jobmanagers[jobmanager].process.as_ref().expect("it runs").signal(signal);
}
