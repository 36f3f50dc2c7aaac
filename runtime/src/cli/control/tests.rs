//! Both ends over a real socket, with a job that does what it is told.
#![allow(clippy::disallowed_methods, reason = "the other end is another process, outside of the engine")]

use std::{
    fs,
    io::{Read, Write},
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::Path,
    sync::{Arc, Mutex},
};

use futures::channel::oneshot;
use millstream_state::location::Location;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{
    Server, ask,
    job::JobControl,
    protocol::{REQUEST_BYTES_LIMIT, Request},
    server::CONNECTIONS_LIMIT,
    socket::NAME,
};
use crate::{
    env::{Env, TokioEnv},
    local::Savepoint,
    rest::submission::AfterSavepoint,
    settings::Settings,
};

/// So often it is looked whether somebody answers.
const ATTEMPTS: usize = 1_000_000;

/// Remembers what it was told. A stop is answered when the test says so.
#[derive(Clone, Default)]
struct Told {
    set: Arc<Mutex<Vec<(String, String)>>>,
    stopping: Arc<Mutex<Option<oneshot::Receiver<()>>>>,
}

impl JobControl for Told {
    async fn checkpoint(&self) -> Result<u64, String> {
        Ok(7)
    }

    async fn stop(&self) -> Result<u64, String> {
        let gate = self.stopping.lock().expect("nobody panics").take().ok_or("it is stopping already")?;
        gate.await.map(|()| 8).map_err(|_| "out of luck".to_owned())
    }

    async fn savepoint(&self, to: Option<Location>, then: AfterSavepoint) -> Result<Savepoint, String> {
        let place = to.ok_or("nobody has said where")?.join(&format!("{then:?}"));
        Ok(Savepoint { checkpoint: 9, place })
    }

    async fn set(&self, key: &str, value: &str) -> Result<(), String> {
        Settings::default().set_while_running(key, value)?;
        self.set.lock().expect("nobody panics").push((key.to_owned(), value.to_owned()));
        Ok(())
    }
}

/// A job in a directory that is asked by this test.
struct Running {
    runtime: Runtime,
    env: Arc<TokioEnv>,
    server: Server,
    job: Told,
    stop: oneshot::Sender<()>,
}

fn running(dir: &Path) -> Running {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("there are threads");
    let (stop, gate) = oneshot::channel();
    let job = Told { stopping: Arc::new(Mutex::new(Some(gate))), ..Told::default() };
    let (env, server) = runtime.block_on(async {
        let env = TokioEnv::current();
        let server = Server::start(dir, job.clone(), || json!({ "job": "told" }), Arc::<TokioEnv>::clone(&env));
        (env, server)
    });
    let running = Running { runtime, env, server, job, stop };
    if dir.is_dir() {
        is_answered(dir);
    }
    running
}

/// Waits until somebody answers.
fn is_answered(dir: &Path) {
    assert!((0..ATTEMPTS).any(|_| {
        std::thread::yield_now();
        ask(dir, &Request::Status).is_ok()
    }));
}

impl Running {
    fn close(self) {
        let Self { runtime, env, server, .. } = self;
        runtime.block_on(server.close(&*env as &dyn Env));
        runtime.shutdown_background();
    }
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("there is a directory for temporary files")
}

fn set(key: &str, value: &str) -> Request {
    Request::Set { key: key.into(), value: value.into() }
}

/// Writes bytes as they are, and reads all that is answered until the other end closes.
fn raw(dir: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(dir.join(NAME)).expect("somebody listens");
    stream.write_all(bytes).expect("it is read");
    stream.shutdown(std::net::Shutdown::Write).expect("it is open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer is text");
    answer
}

#[test]
fn a_job_answers_what_it_is_asked() {
    let dir = directory();
    let running = running(dir.path());
    assert_eq!(ask(dir.path(), &Request::Status), Ok(json!({ "job": "told" })));
    assert_eq!(ask(dir.path(), &Request::Checkpoint), Ok(json!({ "checkpoint": 7 })));
    let savepoint = |to: Option<&str>| Request::Savepoint { to: to.map(str::to_owned), then: AfterSavepoint::Drain };
    let answer = ask(dir.path(), &savepoint(Some("s3://bucket")));
    assert_eq!(answer, Ok(json!({ "checkpoint": 9, "savepoint": "s3://bucket/Drain" })));
    assert_eq!(ask(dir.path(), &savepoint(None)), Err("nobody has said where".to_owned()));
    assert!(
        ask(dir.path(), &savepoint(Some("ftp://host"))).is_err_and(|error| error.contains("`to`: this kind of URL"))
    );
    let answer = ask(dir.path(), &set("checkpoint.interval", "2s"));
    assert_eq!(answer, Ok(json!({ "key": "checkpoint.interval", "value": "2s" })));
    assert!(ask(dir.path(), &set("checkpoint.interval", "2")).is_err_and(|error| error.contains("a duration")));
    assert!(ask(dir.path(), &set("memory", "1GiB")).is_err_and(|error| error.contains("cannot change while")));
    assert_eq!(*running.job.set.lock().expect("nobody panics"), [("checkpoint.interval".to_owned(), "2s".to_owned())]);
    running.close();
}

#[test]
fn several_requests_may_follow_each_other_and_bad_ones_do_no_harm() {
    let dir = directory();
    let running = running(dir.path());
    let (status, checkpoint) = (Request::Status.line(), Request::Checkpoint.line());
    let answers = raw(dir.path(), format!("{status}\n\u{0}\n{checkpoint}\nunfinished").as_bytes());
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    assert_eq!(answers.len(), 3, "{answers:?}");
    assert_eq!((&answers[0]["result"]["job"], &answers[2]["result"]["checkpoint"]), (&json!("told"), &json!(7)));
    assert!(answers[1]["error"].as_str().is_some_and(|error| error.starts_with("the line is not JSON")));
    running.close();
}

#[test]
fn a_request_has_a_bound() {
    let dir = directory();
    let running = running(dir.path());
    let answer = raw(dir.path(), &vec![b'x'; REQUEST_BYTES_LIMIT + 1]);
    assert!(answer.contains("the request is longer than 4096 bytes"), "{answer}");
    running.close();
}

#[test]
fn connections_have_a_bound() {
    let dir = directory();
    let running = running(dir.path());
    // Each has been answered once, so it has its slot.
    let mut open: Vec<_> = (0..CONNECTIONS_LIMIT)
        .map(|_| {
            let mut stream = UnixStream::connect(dir.path().join(NAME)).expect("somebody listens");
            stream.write_all(format!("{}\n", Request::Status.line()).as_bytes()).expect("it is read");
            stream.read_exact(&mut [0]).expect("it is answered");
            stream
        })
        .collect();
    let refused = ask(dir.path(), &Request::Status).expect_err("there are too many");
    assert!(refused.contains("16 others are connected already") || refused.contains("was lost"), "{refused}");
    open.pop();
    // The slot is free once the other end has seen that.
    is_answered(dir.path());
    running.close();
}

#[test]
fn an_answer_that_is_under_way_is_given_before_the_end() {
    let dir = directory();
    let running = running(dir.path());
    let path = dir.path().to_owned();
    let asking = std::thread::spawn(move || ask(&path, &Request::Stop));
    while running.job.stopping.lock().expect("nobody panics").is_some() {
        std::thread::yield_now(); // until the request has come in
    }
    let Running { runtime, env, server, stop, .. } = running;
    runtime.block_on(async {
        stop.send(()).expect("somebody waits");
        server.close(&*env as &dyn Env).await;
    });
    assert_eq!(asking.join().expect("it does not panic"), Ok(json!({ "checkpoint": 8 })));
    assert!(!dir.path().join(NAME).exists(), "the socket goes with its server");
}

#[test]
fn the_socket_is_for_one_user_alone() {
    let dir = directory();
    let running = running(dir.path());
    let metadata = fs::symlink_metadata(dir.path().join(NAME)).expect("it is there");
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).expect("it is there").count(), 1, "nothing else is left");
    running.close();
}

#[test]
fn a_socket_that_was_left_is_replaced() {
    let dir = directory();
    drop(UnixListener::bind(dir.path().join(NAME)).expect("the directory is ours"));
    let gone = ask(dir.path(), &Request::Status).expect_err("nobody listens");
    assert!(gone.contains("the process that listened at `control.sock` is gone"), "{gone}");
    let running = running(dir.path());
    assert_eq!(ask(dir.path(), &Request::Checkpoint), Ok(json!({ "checkpoint": 7 })));
    running.close();
    assert!(!dir.path().join(NAME).exists());
}

#[test]
fn a_process_that_answers_keeps_its_socket() {
    let dir = directory();
    let first = running(dir.path());
    let second = running(dir.path());
    let counts = |running: &Running| running.job.set.lock().expect("nobody panics").len();
    assert!(ask(dir.path(), &set("checkpoint.timeout", "5s")).is_ok());
    assert_eq!((counts(&first), counts(&second)), (1, 0));
    first.close();
    is_answered(dir.path()); // by the other, which has waited for its turn
    assert!(ask(dir.path(), &set("checkpoint.timeout", "5s")).is_ok());
    assert_eq!(counts(&second), 1);
    second.close();
}

#[test]
fn a_socket_that_another_process_has_put_there_is_not_removed() {
    let dir = directory();
    let running = running(dir.path());
    fs::remove_file(dir.path().join(NAME)).expect("it is there");
    let _other = UnixListener::bind(dir.path().join(NAME)).expect("the directory is ours");
    running.close();
    assert!(dir.path().join(NAME).exists());
}

#[test]
fn the_directory_is_the_jobs_to_make() {
    let dir = directory();
    let checkpoints = dir.path().join("checkpoints");
    let running = running(&checkpoints);
    assert!(ask(&checkpoints, &Request::Status).is_err() && !checkpoints.exists());
    fs::create_dir(&checkpoints).expect("the directory above is ours");
    is_answered(&checkpoints);
    running.close();
}

#[test]
fn a_directory_may_be_deep() {
    let dir = directory();
    let deep = dir.path().join("a".repeat(100)).join("b".repeat(100));
    let deep = deep.as_path();
    fs::create_dir_all(deep).expect("the directory above is ours");
    if cfg!(any(target_os = "linux", target_os = "android")) {
        let running = running(deep);
        assert_eq!(ask(deep, &Request::Checkpoint), Ok(json!({ "checkpoint": 7 })));
        running.close();
        assert!(!deep.join(NAME).exists());
    } else {
        let error = ask(deep, &Request::Checkpoint).expect_err("it is too long");
        assert!(error.contains("choose a shorter directory"), "{error}");
    }
}

#[test]
fn who_does_not_answer_is_told_apart() {
    let dir = directory();
    let nothing = ask(dir.path(), &Request::Status).expect_err("there is nothing");
    assert!(nothing.contains("there is no `control.sock`. Is that the `--checkpoint-dir` of a job"), "{nothing}");
    let listener = UnixListener::bind(dir.path().join(NAME)).expect("the directory is ours");
    let path = dir.path().to_owned();
    let asking = std::thread::spawn(move || ask(&path, &Request::Checkpoint));
    let (mut stream, _) = listener.accept().expect("somebody asks");
    stream.read_exact(&mut [0; 8]).expect("it is a request");
    drop(stream);
    let ended = asking.join().expect("it does not panic").expect_err("it ended");
    assert!(ended.contains("ended before it answered") || ended.contains("was lost"), "{ended}");
}
