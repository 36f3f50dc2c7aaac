//! Lines over connections: in the simulation, where they arrive in pieces of any size, and over TCP on the loopback.

use std::{future::poll_fn, io, sync::Arc, time::Duration};

use futures::io::{AsyncReadExt, AsyncWriteExt};
use millstream_connectors::{
    Collect, SocketLines, collect,
    socket::{CLIENTS_LIMIT, ConnectSource, LINE_BYTES_LIMIT},
};
use millstream_runtime::{
    env::{Env, Listener, TokioEnv},
    failure::Failure,
    local::{self, JobHandle},
    metrics::Metric,
    settings::Settings,
    source::Source,
    stream::{Job, Stream},
};
use millstream_testkit::SimEnv;

const ADDRESS: &str = "127.0.0.1:9181";

fn start(source: impl Source<Out = String>, parallelism: usize, env: Arc<dyn Env>) -> (JobHandle, Collect<String>) {
    let results = collect();
    let mut job =
        Job::<millstream_runtime::stream::BestEffort>::new("test", Settings { parallelism, ..Settings::default() });
    job.source(source).sink(results.sink());
    (local::start(job.build().unwrap(), env), results)
}

/// A server that says one thing to each who connects, one after the other, hangs up, and is gone behind the last.
async fn serve(mut listener: Box<dyn Listener>, what: Vec<Vec<u8>>) {
    for text in what {
        let (mut connection, _) = poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
        let _ = connection.write_all(&text).await; // the job may have failed by then
    }
}

/// Reads from a server of [`serve`].
fn read_from<T: AsRef<[u8]>>(
    seed: u64,
    source: impl Fn(ConnectSource) -> ConnectSource,
    what: &[T],
) -> (Result<(), Failure>, Vec<String>) {
    let sim = SimEnv::new(seed);
    let what = what.iter().map(|text| text.as_ref().to_vec()).collect();
    sim.block_on(async {
        let listener = sim.network().listen(ADDRESS).await.unwrap();
        sim.spawn("server", Box::pin(serve(listener, what)));
        let (job, results) = start(source(SocketLines::connect(ADDRESS)), 1, sim.clone());
        (job.wait().await.map(drop), results.take())
    })
}

#[track_caller]
fn check_failure<T: AsRef<[u8]>>(source: impl Fn(ConnectSource) -> ConnectSource, what: &[T], message: &str) {
    for seed in 0..3 {
        assert_eq!(read_from(seed, &source, what).0.unwrap_err().message(), message);
    }
}

#[test]
fn lines_come_whole_and_in_order() {
    let long = "é".repeat(LINE_BYTES_LIMIT / 2);
    let texts: Vec<String> = (0..500).map(|n| "x".repeat(n % 70) + &n.to_string()).collect();
    let sent = format!("\nwindows\r\n{}\n{long}\n\r\nlast\n", texts.join("\n"));
    let mut expected = vec![String::new(), "windows".into()];
    expected.extend(texts);
    expected.extend([long, String::new(), "last".into()]);
    for seed in 0..10 {
        let (result, lines) = read_from(seed, ConnectSource::end_at_close, &[&sent]);
        result.unwrap();
        assert!(lines == expected, "seed {seed}");
    }
}

#[test]
fn an_address_without_a_server_is_told() {
    let connect = |source: ConnectSource| {
        let sim = SimEnv::new(1);
        sim.block_on(start(source, 2, sim.clone()).0.wait()).unwrap_err().message().to_owned()
    };
    assert_eq!(
        connect(SocketLines::connect(ADDRESS)),
        "cannot connect to 127.0.0.1:9181: connection refused; start the server there first, or add `.reconnect(attempts)` to wait for it"
    );
    assert_eq!(
        connect(SocketLines::connect(ADDRESS).reconnect(3)),
        "cannot connect to 127.0.0.1:9181: connection refused (the last of 3 attempts to connect again); start the server there, or allow more \
         by `.reconnect(attempts)`"
    );
    assert_eq!(
        connect(SocketLines::connect("9181")),
        "\"9181\" is not an address; write host:port, as `127.0.0.1:9181`"
    );
}

#[test]
fn a_connection_that_is_closed_is_no_end_unless_that_was_said() {
    check_failure(
        |source| source,
        &["a\nb\n"],
        "the server at 127.0.0.1:9181 closed the connection after 2 lines: add `.reconnect(attempts)` if more is to come, or `.end_at_close()` \
         if that is the end of the input",
    );
    for source in [ConnectSource::end_at_close, |source: ConnectSource| source.reconnect(9)] {
        check_failure(
            source,
            &["a\nb\nhalf of"],
            "the server at 127.0.0.1:9181 closed the connection in the middle of line 3: \"half of\" has no line end; have the server end its \
             last line with a line feed",
        );
    }
}

#[test]
fn text_that_is_not_made_of_lines_is_told() {
    check_failure(
        |source| source,
        &[b"fine\nb\xffad\n".as_slice()],
        "line 2 from the server at 127.0.0.1:9181 is not UTF-8 at its byte 2: \"b\u{fffd}ad\"; have it sent as UTF-8",
    );
    let long = format!("short\n{}", "x".repeat(2 * LINE_BYTES_LIMIT));
    for text in [long.clone(), long + "\n"] {
        let message = read_from(1, |source| source, &[text]).0.unwrap_err().message().to_owned();
        assert!(
            message.starts_with("line 2 from the server at 127.0.0.1:9181 is longer than 1048576 bytes: \"xxx"),
            "{message}"
        );
        assert!(
            message.ends_with("x\" ..; does it send lines of text, each with a line feed at its end?"),
            "{message}"
        );
    }
}

#[test]
fn a_connection_that_is_lost_behind_a_line_is_made_again() {
    for seed in 0..10 {
        // More often than there are attempts in a row: lines come in between.
        let sent: Vec<String> = (0..10).map(|n| format!("{n}\n")).collect();
        let (result, lines) = read_from(seed, |source| source.reconnect(2), &sent);
        // The server is gone in the end.
        let failure = result.unwrap_err();
        assert!(
            failure.message().starts_with("cannot connect to 127.0.0.1:9181: connection refused (the last of 2 "),
            "{failure}"
        );
        let expected: Vec<_> = (0..10).map(|n| n.to_string()).collect();
        assert_eq!(lines, expected, "seed {seed}");
    }
    check_failure(
        |source| source.reconnect(2),
        &["a\n", "", "", ""],
        "the server at 127.0.0.1:9181 closed the connection after 0 lines: it has done so each time that it was connected to again; look why, or \
         allow more by `.reconnect(attempts)`",
    );
}

#[test]
fn a_server_that_comes_late_is_waited_for() {
    let sim = SimEnv::new(5);
    let lines = sim.block_on(async {
        let (job, results) = start(SocketLines::connect(ADDRESS).reconnect(8).end_at_close(), 1, sim.clone());
        sim.sleep(Duration::from_secs(9)).await;
        serve(sim.network().listen(ADDRESS).await.unwrap(), vec![b"at last\n".to_vec()]).await;
        job.wait().await.unwrap();
        results.take()
    });
    assert_eq!(lines, ["at last"]);
}

/// The lines so far, once there are so many.
async fn wait_for(sim: &SimEnv, results: &Collect<String>, count: usize) -> Vec<String> {
    let mut lines = results.take();
    while lines.len() < count {
        sim.sleep(Duration::from_millis(10)).await;
        lines.append(&mut results.take());
    }
    lines
}

#[test]
fn draining_ends_a_job_whose_server_is_silent() {
    for (seed, parallelism) in [(1, 1), (2, 3)] {
        let sim = SimEnv::new(seed);
        sim.block_on(async {
            let mut listener = sim.network().listen(ADDRESS).await.unwrap();
            let (job, results) = start(SocketLines::connect(ADDRESS), parallelism, sim.clone());
            let (mut connection, _) = poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
            connection.write_all(b"one\ntwo\nhal").await.unwrap();
            assert_eq!(wait_for(&sim, &results, 2).await, ["one", "two"]);
            job.drain();
            job.wait().await.unwrap();
            assert_eq!(results.take(), [""; 0]);
            assert_eq!(connection.read(&mut [0; 8]).await.unwrap(), 0, "the job has hung up");
        });
    }
}

/// Connects once the job listens, and sends lines of its own in several pieces, and the beginning of one perhaps.
async fn client(sim: Arc<SimEnv>, number: usize, cut_off: bool) {
    let mut connection = loop {
        match sim.network().connect(ADDRESS).await {
            Ok(connection) => break connection,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused),
        }
        sim.sleep(Duration::from_millis(1)).await;
    };
    for line in 0..20 {
        connection.write_all(format!("{number} {line}\n").as_bytes()).await.unwrap();
        sim.sleep(Duration::from_millis(5)).await;
    }
    if cut_off {
        connection.write_all(b"the end of this is lo").await.unwrap();
    }
}

#[test]
fn lines_of_many_clients_come_whole_and_each_in_order() {
    for seed in 0..5 {
        let clients = CLIENTS_LIMIT + 20;
        let sim = SimEnv::new(seed);
        let lines = sim.block_on(async {
            let (job, results) = start(SocketLines::listen(ADDRESS), 2, sim.clone());
            for number in 0..clients {
                sim.spawn("client", Box::pin(client(Arc::clone(&sim), number, number % 10 == 3)));
            }
            let lines = wait_for(&sim, &results, 20 * clients).await;
            sim.sleep(Duration::from_secs(1)).await; // virtual: all hang up
            let dropped = job.metrics().snapshot().into_iter().filter(|(id, _)| id.name == "partial_lines_dropped");
            let dropped =
                dropped.map(|(_, metric)| if let Metric::Counter(counter) = metric { counter.get() } else { 0 });
            assert_eq!(dropped.sum::<u64>(), (clients as u64 - 3).div_ceil(10), "seed {seed}");
            job.drain();
            job.wait().await.unwrap();
            assert_eq!(results.take(), [""; 0]);
            lines
        });
        for number in 0..clients {
            let prefix = format!("{number} ");
            let of_client: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix(&prefix)).collect();
            let expected: Vec<_> = (0..20).map(|line| line.to_string()).collect();
            assert_eq!(of_client, expected, "seed {seed}, client {number}");
        }
    }
}

#[test]
fn an_address_that_is_taken_is_told() {
    let sim = SimEnv::new(1);
    let failure = sim.block_on(async {
        let _listener = sim.network().listen(ADDRESS).await.unwrap();
        start(SocketLines::listen(ADDRESS), 1, sim.clone()).0.wait().await.unwrap_err()
    });
    assert_eq!(
        failure.message(),
        "cannot listen at 127.0.0.1:9181: address in use; end the program that has it, or name another port"
    );
    assert_eq!(failure.operator(), Some("source listen(127.0.0.1:9181)"));
}

fn on_tokio(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
}

#[test]
fn lines_come_over_tcp_from_a_server() {
    on_tokio(async {
        let env = TokioEnv::current();
        let listener = env.network().listen("127.0.0.1:0").await.unwrap();
        let source = SocketLines::connect(listener.address()).end_at_close();
        let sent: String = (0..100_000).map(|n| format!("line {n}\n")).collect();
        env.spawn("server", Box::pin(serve(listener, vec![sent.clone().into_bytes()])));
        let (job, results) = start(source, 2, env);
        job.wait().await.unwrap();
        assert!(results.take() == sent.lines().collect::<Vec<_>>());
    });
}

#[test]
fn lines_come_over_tcp_from_clients() {
    on_tokio(async {
        let env: Arc<dyn Env> = TokioEnv::current();
        // A port that was free a moment ago.
        let address = env.network().listen("127.0.0.1:0").await.unwrap().address().to_owned();
        let (job, results) = start(SocketLines::listen(&address), 1, Arc::clone(&env));
        let mut connection = loop {
            match env.network().connect(&address).await {
                Ok(connection) => break connection,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        connection.write_all(b"one\ntwo\nthr").await.unwrap();
        let mut lines = results.take();
        while lines.len() < 2 {
            tokio::task::yield_now().await;
            lines.append(&mut results.take());
        }
        assert_eq!(lines, ["one", "two"]);
        connection.write_all(b"ee\n").await.unwrap();
        connection.close().await.unwrap();
        while lines.len() < 3 {
            tokio::task::yield_now().await;
            lines.append(&mut results.take());
        }
        assert_eq!(lines[2], "three");
        job.drain();
        job.wait().await.unwrap();
    });
}
