//! A cluster of several hosts whose links are cut and healed, in both directions and in one.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    cluster::{Cluster, HEARTBEAT_TIMEOUT},
    events::{Run, Wish},
    input::Input,
    namespaces::Namespaces,
    tell,
};

const JOBMANAGERS: usize = 2;
const TASKMANAGERS: usize = 3;
/// One host may be cut off, and the job still has what it needs.
const SLOTS: u32 = 2;
/// How long a link is cut: longer than the others wait for who is behind it.
const CUT: Duration = HEARTBEAT_TIMEOUT.saturating_add(Duration::from_millis(800));
/// How much longer than the timeout it may take behind a heal until the job runs again: a connection that was begun in the last moment of the cut is tried
/// again by the kernel some seconds later.
const MARGIN: Duration = Duration::from_secs(15);
const EVENTS: u64 = 100_000;
const REST: Duration = Duration::from_millis(150);

/// What happens to a host.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// It neither hears nor is heard.
    Both,
    /// It hears, and is not heard.
    From,
    /// It is heard, and does not hear.
    Towards,
    /// It is unplugged.
    Unplugged,
}

/// Whose host it is.
#[derive(Debug, Clone, Copy)]
enum Whose {
    TaskManager(usize),
    Leader,
    StandingBy,
}

#[test]
fn links_between_hosts_are_cut_and_healed() {
    let began = Instant::now();
    let input = Input::sized(91, EVENTS);
    let network = Namespaces::new(JOBMANAGERS + TASKMANAGERS);
    let mut cluster = Cluster::on_hosts(JOBMANAGERS, network).with_taskmanagers(TASKMANAGERS, SLOTS);
    let wish =
        Wish { parallelism: 4, rest: REST, checkpoint_interval: Duration::from_millis(200), name: "out".to_owned() };
    let mut run = Run::submit(&cluster, &input, &wish);
    cluster.wait_for(&run.id, &["running"]);
    let (mut cuts, mut longest, mut struck) = (0, Duration::ZERO, 0);
    for (number, cut) in [Cut::Both, Cut::From, Cut::Towards, Cut::Unplugged].into_iter().enumerate() {
        for whose in [Whose::TaskManager(number % TASKMANAGERS), Whose::Leader, Whose::StandingBy] {
            let host = host(&mut cluster, whose);
            eprintln!("{whose:?} (host {host}): {cut:?}");
            cut_off(&cluster, cut, host, true);
            thread::sleep(CUT);
            cut_off(&cluster, cut, host, false);
            let healed = Instant::now();
            let state = cluster.wait_for(&run.id, &["running", "finished", "failed"]);
            let took = healed.elapsed();
            eprintln!("  {state} again {took:?} after the heal");
            assert_eq!(state, "running", "the job lasts longer than the cuts");
            assert!(took < HEARTBEAT_TIMEOUT + MARGIN, "it took {took:?} after the heal until the job ran again");
            longest = longest.max(took);
            // Each leader counts anew.
            let exceptions = cluster.ask(&format!("/v1/jobs/{}/exceptions", run.id));
            struck += exceptions.map_or(0, |exceptions| exceptions["count"].as_u64().unwrap_or(0));
            run.look(false).unwrap_or_else(|why| panic!("behind {cut:?} of {whose:?}: {why}"));
            cuts += 1;
        }
    }
    run.finish(&mut cluster);
    assert!(struck > 0, "no cut has struck the job");
    tell(&format!(
        "hosts: {cuts} cuts, the job ran again at most {longest:?} after a heal; {:.0} s",
        began.elapsed().as_secs_f64()
    ));
}

/// Between two TaskManagers alone, who hear the leader all the time. What is short the network makes good.
#[test]
fn a_link_between_two_taskmanagers_is_cut_for_a_moment() {
    let input = Input::new(92);
    let mut cluster = Cluster::on_hosts(1, Namespaces::new(3)).with_taskmanagers(2, 1);
    let mut run = Run::submit(&cluster, &input, &Wish::quick(2));
    cluster.wait_for(&run.id, &["running"]);
    for (from, to) in [(1, 2), (2, 1)] {
        hosts(&cluster).cut(from, to);
        thread::sleep(CUT);
        hosts(&cluster).heal(from, to);
    }
    run.finish(&mut cluster);
}

/// What is long has to be noticed: else the job would run, as it says, and get nowhere.
#[test]
fn a_link_between_two_taskmanagers_is_cut_until_it_is_noticed() {
    let input = Input::new(93);
    let mut cluster = Cluster::on_hosts(1, Namespaces::new(3)).with_taskmanagers(2, 1);
    let mut run = Run::submit(&cluster, &input, &Wish::quick(2));
    cluster.wait_for(&run.id, &["running"]);
    hosts(&cluster).cut(1, 2);
    hosts(&cluster).cut(2, 1);
    cluster.wait("the leader hears of it", |cluster| {
        let exceptions = cluster.ask(&format!("/v1/jobs/{}/exceptions", run.id)).ok()?;
        let is_environment = exceptions["exceptions"].as_array()?.iter().all(|of| of["class"] == "environment");
        (exceptions["count"].as_u64() > Some(0) && is_environment).then_some(())
    });
    hosts(&cluster).heal(1, 2);
    hosts(&cluster).heal(2, 1);
    run.finish(&mut cluster);
}

fn hosts(cluster: &Cluster) -> &Namespaces {
    cluster.namespaces.as_ref().expect("each process is a host")
}

fn host(cluster: &mut Cluster, whose: Whose) -> usize {
    let leader = cluster.wait("a JobManager leads", |cluster| cluster.leader());
    match whose {
        Whose::TaskManager(number) => JOBMANAGERS + number,
        Whose::Leader => leader,
        Whose::StandingBy => 1 - leader,
    }
}

fn cut_off(cluster: &Cluster, cut: Cut, host: usize, is_cut: bool) {
    let network = hosts(cluster);
    let change = |from, to| if is_cut { network.cut(from, to) } else { network.heal(from, to) };
    match cut {
        Cut::Unplugged => network.plug(host, !is_cut),
        Cut::Both => network.others(host).for_each(|other| {
            change(host, other);
            change(other, host);
        }),
        Cut::From => network.others(host).for_each(|other| change(host, other)),
        Cut::Towards => network.others(host).for_each(|other| change(other, host)),
    }
}
