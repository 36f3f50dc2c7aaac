//! A program with jobs that are to be killed. It is started as any other, by `millstream::main!()`; or, if [`doom::STEPS`] or [`doom::DIES_AT`] is in its
//! environment, so that it sees the steps of checkpoints: it counts them, or kills itself at one.
#![allow(clippy::disallowed_methods, reason = "the program is a part of tests, and stands outside of the engine")]

mod doom;
mod events;
mod hoard;
mod panics;
mod slow;

use std::{process::ExitCode, sync::Arc};

use clap::Parser;
use millstream::{Job, env::TokioEnv, local, settings::Settings};

use self::{
    doom::Doom,
    events::{Paths, events},
};

fn main() -> ExitCode {
    match Doom::from_environment() {
        None => millstream::runtime::cli::main(),
        Some(doom) => run(doom),
    }
}

/// What is understood of the command line beside the job's own arguments.
#[derive(Parser)]
struct Line {
    command: String,
    job: String,
    #[arg(long)]
    quiet: bool,
    #[arg(short = 'D')]
    settings: Vec<String>,
    #[command(flatten)]
    paths: Paths,
}

fn run(doom: Doom) -> ExitCode {
    let line = Line::parse();
    assert_eq!(
        (line.command.as_str(), line.job.as_str()),
        ("run", "events"),
        "no other is started with the steps seen"
    );
    let mut settings = Settings::default();
    for setting in &line.settings {
        let (key, value) = setting.split_once('=').expect("a setting is written `key=value`");
        settings.set(key, value).unwrap_or_else(|mistake| panic!("{mistake}"));
    }
    let mut job = Job::new("events", settings);
    events(&mut job, line.paths);
    let graph = job.build().unwrap_or_else(|error| panic!("{error}"));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("there are threads to be had");
    let _inside = runtime.enter();
    let doom = Arc::new(doom.around(TokioEnv::current()));
    let ended = runtime.block_on(local::run(graph, Arc::clone(&doom) as Arc<_>));
    doom.write_steps();
    match ended {
        Ok(_) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
