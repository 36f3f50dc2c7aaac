//! A cluster of real processes by TLS: jobs run, and strangers are refused on every port. The test starts itself anew as a JobManager, TaskManagers and clients.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "a test stands outside of the engine")]

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use millstream::prelude::*;

/// Set in the processes that the test starts.
const INNER: &str = "MILLSTREAM_TLS_INNER";
const SECRET: &str = "a secret that nobody tells";
const TOKEN: &str = "t0ken-that-nobody-tells";
/// A cluster that has not done something by then never will.
const PATIENCE: Duration = Duration::from_secs(60);
const LINES: u64 = 20_000;

#[derive(Args)]
struct CountArgs {
    /// Where results go.
    #[arg(long)]
    results: PathBuf,
}

#[key]
fn ending(line: &str) -> u64 {
    line.len() as u64 % 7
}

/// Counts lines by their lengths, in subtasks that exchange them.
#[job]
fn count(job: &mut Job, args: CountArgs) {
    job.source(generate(LINES, 1, |_, n| "x".repeat(1 + n as usize % 50)))
        .key_with(ending)
        .at_end(|of| of.count())
        .map(|(key, count)| format!("{key} {count}"))
        .sink(TextFiles::write(args.results));
}

fn main() -> ExitCode {
    if std::env::var_os(INNER).is_some() {
        return millstream::runtime::cli::main();
    }
    let directory = tempfile::tempdir().expect("there is a directory for temporary files");
    let world = World { directory: directory.path().to_owned() };
    settings_are_refused(&world);
    world.certificates("certs");
    world.certificates("others");
    fs::write(world.path("secret"), SECRET).expect("the directory is ours");
    fs::write(world.path("token"), TOKEN).expect("the directory is ours");
    a_cluster_serves_its_own_alone(&world);
    ExitCode::SUCCESS
}

/// Where all files are.
struct World {
    directory: PathBuf,
}

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("the test knows its own file"));
        command.args(args).env(INNER, "1").current_dir(&self.directory);
        command
    }

    #[track_caller]
    fn call(&self, args: &[&str]) -> Called {
        self.wait(&mut self.command(args))
    }

    /// Lets a process run to its end.
    #[track_caller]
    fn wait(&self, command: &mut Command) -> Called {
        let file = |name: &str| File::create(self.path(name)).expect("the directory is ours");
        let mut child = command.stdout(file("out")).stderr(file("err")).spawn().expect("the program starts");
        let late = Instant::now() + PATIENCE;
        let code = loop {
            if let Some(status) = child.try_wait().expect("it is ours") {
                break status.code();
            }
            if Instant::now() > late {
                child.kill().expect("it is ours");
                panic!("it does not end: {command:?}: {}", self.text("err"));
            }
            sleep(Duration::from_millis(5));
        };
        Called { code, out: self.text("out"), err: self.text("err") }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("it was made")
    }

    /// Makes a CA, and looks at what was made.
    fn certificates(&self, name: &str) {
        let made = self.call(&["certs", "--out", name, "--host", "node-1,10.0.0.1"]);
        let (said, told) = (made.out, made.err);
        assert!(made.code == Some(0), "{told}");
        assert!(said.contains(&format!("--tls-ca {name}/ca.pem --tls-cert {name}/taskmanager.pem")), "{said}");
        for holder in ["ca", "jobmanager", "taskmanager", "client"] {
            let mode =
                |file: String| fs::metadata(self.path(name).join(file)).expect("it was made").permissions().mode();
            assert_eq!(mode(format!("{holder}-key.pem")) & 0o777, 0o600);
        }
        let again = self.call(&["certs", "--out", name]);
        assert_eq!(again.code, Some(1));
        assert!(again.err.contains("ca.pem is there already, and is not replaced"), "{}", again.err);
    }

    /// Starts a process of the cluster, with all that it has to say in a file.
    fn start(&self, name: &str, role: &str, args: &[&str]) -> Node {
        let log = self.path(&format!("{name}.log"));
        let file = File::create(&log).expect("the directory is ours");
        let child = self
            .command(&[&[role], args, &["--log", "trace"]].concat())
            .stdout(file.try_clone().expect("files can be shared"))
            .stderr(file)
            .stdin(Stdio::null())
            .spawn()
            .expect("the program starts");
        Node { child, log }
    }

    fn results(&self, name: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for part in fs::read_dir(self.path(name)).expect("the job has written") {
            let part = part.expect("it can be listed").path();
            // Beside the output there may be notes of the sink.
            if part.file_name().is_some_and(|name| name.to_string_lossy().starts_with("part")) {
                lines.extend(fs::read_to_string(part).expect("it is text").lines().map(str::to_owned));
            }
        }
        lines.sort();
        lines
    }
}

/// What a process that has ended has said.
struct Called {
    code: Option<i32>,
    out: String,
    err: String,
}

/// A process of the cluster.
struct Node {
    child: Child,
    log: PathBuf,
}

impl Node {
    fn said(&self) -> String {
        fs::read_to_string(&self.log).expect("it was made")
    }

    /// Waits until it has said this, behind so many bytes.
    #[track_caller]
    fn says(&mut self, wanted: &str, behind: usize) -> String {
        let late = Instant::now() + PATIENCE;
        loop {
            let said = self.said();
            if said.get(behind..).is_some_and(|said| said.contains(wanted)) {
                return said;
            }
            let ended = self.child.try_wait().expect("it is ours");
            assert!(ended.is_none() && Instant::now() < late, "it does not say `{wanted}` ({ended:?}):\n{said}");
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

/// What stands behind a mark, up to a blank or a bracket.
fn behind(said: &str, mark: &str) -> String {
    let rest = said.split_once(mark).unwrap_or_else(|| panic!("there is no `{mark}`: {said}")).1;
    rest.split([' ', ')', '\n']).next().expect("there is a first part").to_owned()
}

/// Nothing is open by accident.
fn settings_are_refused(world: &World) {
    for (args, wanted) in [
        (&["jobmanager", "--host", "10.0.0.1"][..], "'--host <HOST>': other machines may reach `10.0.0.1`"),
        (&["taskmanager", "--jobmanager", "node-1:6123"], "`node-1:6123` may be another machine"),
        (&["jobmanager", "--tls-ca", "ca.pem"], "'--tls-ca <FILE>' is given, but not `--tls-cert`"),
        (&["jobmanager", "--secret-file", "nowhere"], "nowhere, the file with the secret: "),
        (&["jobmanager", "--port", "65536"], "invalid value '65536' for '--port <N>'"),
        (&["jobmanager", "--secret", "x"], "unexpected argument '--secret'"),
        (&["certs", "--out", "c", "--host", "a b"], "invalid value 'a b' for '--host <HOST,..>'"),
        (&["list", "--cluster", "https://127.0.0.1:1"], "is asked by TLS: say by --tls-ca"),
    ] {
        let refused = world.call(args);
        let said = refused.err;
        assert!(refused.code == Some(2) && said.contains(wanted), "{args:?}: {said}");
    }
    let said = world.wait(world.command(&["jobmanager"]).env("MILLSTREAM_CLUSTER_SECRET", "xyzzy")).err;
    assert!(said.contains("MILLSTREAM_CLUSTER_SECRET: a secret is 64 hexadecimal digits"), "{said}");
    assert!(!said.contains("xyzzy"), "{said}");
}

fn a_cluster_serves_its_own_alone(world: &World) {
    fn tls<'a>(holder: [&'a str; 3], more: &[&'a str]) -> Vec<&'a str> {
        let [ca, cert, key] = holder;
        [&["--tls-ca", ca, "--tls-cert", cert, "--tls-key", key], more].concat()
    }
    let jobmanager = ["certs/ca.pem", "certs/jobmanager.pem", "certs/jobmanager-key.pem"];
    let taskmanager = ["certs/ca.pem", "certs/taskmanager.pem", "certs/taskmanager-key.pem"];
    let client = ["certs/ca.pem", "certs/client.pem", "certs/client-key.pem"];
    let stranger = ["others/ca.pem", "others/taskmanager.pem", "others/taskmanager-key.pem"];

    let shared = ["--secret-file", "secret"];
    let args = tls(jobmanager, &[&shared[..], &["--port", "0", "--rest-port", "0", "--token-file", "token"]].concat());
    let mut leader = world.start("jobmanager", "jobmanager", &args);
    let said = leader.says("JobManager: https://", 0);
    assert!(said.contains("warning: others can read "), "the files have the rights that files have: {said}");
    let rest = behind(&said, "JobManager: ");
    let control = behind(&said, "(TaskManagers: ");
    let args = tls(taskmanager, &[&shared[..], &["--jobmanager", &control, "--slots", "1"]].concat());
    let mut workers = ["one", "two"].map(|name| world.start(name, "taskmanager", &args));
    for worker in &mut workers {
        worker.says("connected to the leader", 0);
    }
    let data = behind(&workers[0].said(), "data connections at ");

    let asked =
        |what: &[&str]| world.call(&[what, &tls(client, &["--cluster", &rest, "--token-file", "token"])].concat());
    let mut runs = 0;
    let mut runs_a_job = || {
        runs += 1;
        let results = format!("results-{runs}");
        let path = world.path(&results);
        let done = asked(&["submit", "--results", path.to_str().expect("it is text"), "--parallelism", "2"]);
        assert!(done.code == Some(0), "{}", done.err);
        let lines = world.results(&results);
        let sum: u64 = lines
            .iter()
            .map(|line| line.split_once(' ').unwrap_or_else(|| panic!("{lines:?}")).1.parse::<u64>().expect("a number"))
            .sum();
        assert_eq!((lines.len(), sum), (7, LINES), "{lines:?}");
    };
    runs_a_job();
    workers[0].says("data connection", 0);

    // Who is of another CA, knows another secret, or has no token.
    let before = leader.said().len();
    let args = tls(stranger, &[&shared[..], &["--jobmanager", &control]].concat());
    let mut other = world.start("stranger", "taskmanager", &args);
    other.says("is not of this cluster's CA", 0);
    leader.says("a connection is refused", before);
    drop(other);
    let before = leader.said().len();
    let mut other = world.start("another-secret", "taskmanager", &tls(taskmanager, &["--jobmanager", &control]));
    other.says("perhaps it has another secret", 0);
    leader.says("the other end does not know the secret of this cluster", before);
    drop(other);
    let refused = world.call(&[&["list"], &tls(client, &["--cluster", &rest])[..]].concat());
    assert!(refused.err.contains("does not bear the token"), "{}", refused.err);
    // A token is enough to ask, if it is known who is asked.
    let asked_by_token = |more: &[&str]| world.call(&[&["list", "--cluster", &rest][..], more].concat());
    let list = asked_by_token(&["--tls-ca", client[0], "--token-file", "token"]);
    assert!(list.code == Some(0) && list.err.is_empty(), "{}", list.err);
    let refused = asked_by_token(&["--tls-ca", client[0]]);
    assert!(refused.err.contains("does not bear the token"), "{}", refused.err);
    let refused = asked_by_token(&["--tls-ca", stranger[0], "--token-file", "token"]);
    assert!(refused.err.contains("is not of this cluster's CA"), "{}", refused.err);
    let wrong =
        [&["--tls-ca", client[0], "--tls-cert", stranger[1], "--tls-key", stranger[2]][..], &["--token-file", "token"]];
    let refused = asked_by_token(&wrong.concat());
    assert!(refused.code != Some(0), "a certificate that is there has to be right");
    let refused = asked_by_token(&["--tls-ca", client[0], "--tls-cert", client[1]]);
    assert!(refused.err.contains("is given, but not `--tls-key`"), "{}", refused.err);
    let refused = world.call(&[&["list"], &tls(stranger, &["--cluster", &rest, "--token-file", "token"])[..]].concat());
    assert!(refused.err.contains("is not of this cluster's CA"), "{}", refused.err);

    // Who does not speak TLS, on every port.
    let address = rest.trim_start_matches("https://").to_owned();
    for (address, is_leader) in [(&control, true), (&address, true), (&data, false)] {
        let node = if is_leader { &mut leader } else { &mut workers[0] };
        for bytes in
            [&b"GET / HTTP/1.1\r\n\r\n"[..], b"MILLNET\n\x01\x00", &[0xff; 4096], &[22, 3, 1, 0xff, 0xff, 1, 2]]
        {
            let before = node.said().len();
            let mut stream = TcpStream::connect(address.as_str()).expect("it is listened to");
            stream.write_all(bytes).expect("it is taken");
            let _ = stream.shutdown(std::net::Shutdown::Write); // it may be closed already
            let mut heard = Vec::new();
            let _ = stream.read_to_end(&mut heard); // it may be reset
            assert!(!heard.starts_with(b"HTTP") && !heard.starts_with(b"MILLNET"), "{heard:?}");
            node.says("a connection is refused", before);
        }
    }
    runs_a_job();

    for shown in [&["list", "--json"][..], &["info", "--json"]] {
        let shown = asked(shown);
        assert!(shown.code == Some(0), "{}", shown.err);
        nothing_is_told(world, &shown.out);
    }
    for node in workers.iter().chain([&leader]) {
        let said = node.said();
        assert!(said.contains(" INFO "), "all is logged");
        nothing_is_told(world, &said);
    }
}

/// No secret is in a text.
#[track_caller]
fn nothing_is_told(world: &World, said: &str) {
    let key = |path: &Path| fs::read_to_string(path).expect("it was made");
    let keys = ["jobmanager", "taskmanager"].map(|holder| key(&world.path(&format!("certs/{holder}-key.pem"))));
    for key in &keys {
        assert!(key.lines().filter(|line| line.len() > 40).all(|line| !said.contains(line)), "a key is told");
    }
    assert!(!said.contains(SECRET) && !said.contains(TOKEN), "a secret is told");
}
