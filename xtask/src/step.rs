//! Steps: a heading, a program or a check, the time it took.

use std::{
    fmt,
    process::{Command, Stdio},
    time::Instant,
};

use crate::paths;

/// Why a step failed, in a sentence.
#[derive(Debug)]
pub(crate) struct Failed(String);

impl Failed {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs a step under its heading and prints how long it took.
pub(crate) fn step(heading: &str, work: impl FnOnce() -> Result<(), Failed>) -> Result<(), Failed> {
    println!("\n== {heading}");
    let began = Instant::now();
    work()?;
    println!("== {heading}: {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Runs cargo with the arguments of a line.
pub(crate) fn cargo(arguments: &str, variables: &[(&str, &str)]) -> Result<(), Failed> {
    run("cargo", arguments.split_whitespace(), variables)
}

/// Runs a program at the workspace root, after printing how to run it by hand.
pub(crate) fn run<S: AsRef<str>>(
    program: &str,
    arguments: impl IntoIterator<Item = S>,
    variables: &[(&str, &str)],
) -> Result<(), Failed> {
    let mut command = Command::new(program);
    command.current_dir(paths::root()).envs(variables.iter().copied());
    let mut line = variables.iter().map(|(name, value)| format!("{name}=\"{value}\" ")).collect::<String>();
    line.push_str(program);
    for argument in arguments {
        command.arg(argument.as_ref());
        line.push(' ');
        line.push_str(argument.as_ref());
    }
    println!("$ {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failed::new(format!("`{line}` ended with {status}"))),
        Err(error) => Err(Failed::new(format!("`{program}` could not be started: {error}"))),
    }
}

/// True if the program is there and ends well; what it prints is dropped.
pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
