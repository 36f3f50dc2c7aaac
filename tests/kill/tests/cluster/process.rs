//! [`Process`]: a child with a log, that does not outlive its owner.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// How often it is asked whether a process has ended.
const LOOK: Duration = Duration::from_millis(5);
/// How long a process may take to end when it is told to.
const END_LIMIT: Duration = Duration::from_secs(30);

/// A process. It is killed and waited for when this is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) log: PathBuf,
}

impl Process {
    /// Starts it. What it writes is appended to its log.
    pub(crate) fn start(mut command: Command, log: &Path) -> Self {
        let open = || -> File {
            OpenOptions::new().create(true).append(true).open(log).expect("there is room for the log of a process")
        };
        command.stdin(Stdio::null()).stdout(open()).stderr(open());
        command.env("NO_COLOR", "1");
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        Self { child, log: log.to_owned() }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a child may be sent signals until it is waited for");
    }

    /// Kills it, whatever it does, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }

    /// Tells it to end, and gives how it has.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let began = Instant::now();
        loop {
            match self.child.try_wait().expect("a child can be waited for") {
                Some(status) => return status,
                None if began.elapsed() > END_LIMIT => panic!("it has not ended {END_LIMIT:?} after SIGTERM"),
                None => thread::sleep(LOOK),
            }
        }
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().expect("a child can be waited for")?;
        Some(match status.signal() {
            Some(signal) => format!("it was ended by signal {signal}"),
            None => format!("it has ended with {status}"),
        })
    }

    /// What it has written so far, and whoever wrote to the same log before.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
