//! Processes of a cluster, started and killed from outside, and asked over HTTP.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster on this machine. Dropped, its processes are killed.
pub(crate) struct Cluster {
    pub(crate) dir: tempfile::TempDir,
    /// By their HTTP ports.
    pub(crate) jobmanagers: Vec<(u16, Child)>,
    pub(crate) taskmanagers: Vec<Child>,
    control_ports: Vec<u16>,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("there are free ports").port()
}

fn start(role: &str, options: &[String]) -> Child {
    let binary = std::env::current_exe().expect("the bench has a binary");
    let mut command = Command::new(binary);
    command.arg(role).args(options).stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
    command.spawn().expect("a process can be started")
}

impl Cluster {
    /// Starts so many JobManagers and TaskManagers, each of these with so many slots.
    pub(crate) fn start(jobmanagers: usize, taskmanagers: usize, slots: usize) -> Self {
        let dir = tempfile::tempdir().expect("there is a place for temporary files");
        let mut cluster = Self { dir, jobmanagers: Vec::new(), taskmanagers: Vec::new(), control_ports: Vec::new() };
        cluster.control_ports = (0..jobmanagers).map(|_| free_port()).collect();
        for port in cluster.control_ports.clone() {
            cluster.start_jobmanager(port);
            // The first leads.
            if cluster.jobmanagers.len() == 1 && jobmanagers > 1 {
                cluster.until("it leads", |cluster| cluster.overview().contains("leader_epoch"));
            }
        }
        (0..taskmanagers).for_each(|_| cluster.start_taskmanager(slots));
        cluster
    }

    fn start_jobmanager(&mut self, port: u16) {
        let (rest, storage) = (free_port(), self.dir.path().join("storage").display().to_string());
        let options = ["--port", &port.to_string(), "--rest-port", &rest.to_string(), "--storage", &storage];
        self.jobmanagers.push((rest, start("jobmanager", &options.map(str::to_owned))));
    }

    pub(crate) fn start_taskmanager(&mut self, slots: usize) {
        let jobmanagers: Vec<_> = self.control_ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let options = ["--slots", &slots.to_string(), "--jobmanager", &jobmanagers.join(",")];
        self.taskmanagers.push(start("taskmanager", &options.map(str::to_owned)));
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    /// Waits until so many TaskManagers are registered.
    pub(crate) fn until_ready(&self, taskmanagers: usize) {
        let wanted = format!("\"taskmanagers\":{taskmanagers},");
        self.until("all are registered", |cluster| cluster.overview().contains(&wanted));
    }

    pub(crate) fn overview(&self) -> String {
        self.ask("GET", "/v1/overview", "").unwrap_or_default()
    }

    /// The answer of whichever JobManager leads; none if nobody does.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> Option<String> {
        self.jobmanagers.iter().find_map(|(port, _)| http(*port, method, path, body))
    }

    /// Submits a job, and gives its id.
    pub(crate) fn submit(&self, job: &str, args: &[String], settings: &[(&str, &str)]) -> String {
        let settings: serde_json::Map<_, _> =
            settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
        let body = serde_json::json!({ "job": job, "args": args, "settings": settings }).to_string();
        let answer = self.ask("POST", "/v1/jobs", &body).expect("somebody leads");
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("it answers in JSON");
        answer["job"].as_str().unwrap_or_else(|| panic!("the job was not taken: {answer}")).to_owned()
    }

    /// How a job is.
    pub(crate) fn job(&self, id: &str) -> serde_json::Value {
        let answer = self.ask("GET", &format!("/v1/jobs/{id}"), "").unwrap_or_default();
        serde_json::from_str(&answer).unwrap_or_default()
    }

    pub(crate) fn until_state(&self, id: &str, wanted: &str) -> serde_json::Value {
        self.until(wanted, |cluster| {
            let job = cluster.job(id);
            assert!(job["state"] != "failed" || wanted == "failed", "the job has failed: {job}");
            job["state"] == wanted
        });
        self.job(id)
    }

    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(began.elapsed() < PATIENCE, "never {what}");
            sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.taskmanagers.iter_mut().chain(self.jobmanagers.iter_mut().map(|(_, child)| child)) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The body of a good answer.
fn http(port: u16, method: &str, path: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    match head.split(' ').nth(1) {
        Some(status) if status.starts_with('2') => Some(body.to_owned()),
        Some("503" | "307") => None, // it does not lead
        _ => panic!("{method} {path}: {body}"),
    }
}

/// What the probes have told: when records came (nanoseconds since 1970, ascending), and latencies by the microsecond.
pub(crate) fn told(dir: &Path) -> (Vec<(u64, u64)>, Vec<(u64, u64)>) {
    let (mut came, mut latencies) = (Vec::new(), std::collections::BTreeMap::<u64, u64>::new());
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    for text in files.filter_map(|file| std::fs::read_to_string(file.path()).ok()) {
        for line in text.lines() {
            let mut words = line.split(' ');
            let number = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok());
            match words.next() {
                Some("latency") => {
                    if let (Some(micros), Some(count)) = (number(words.next()), number(words.next())) {
                        *latencies.entry(micros).or_default() += count;
                    }
                }
                at => came.extend(number(at).zip(number(words.next()))),
            }
        }
    }
    came.sort_unstable();
    (came, latencies.into_iter().collect())
}
