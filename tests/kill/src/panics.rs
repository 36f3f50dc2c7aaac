//! A job whose code panics: always and at once, or once in its midst.

use std::{fs::File, path::PathBuf};

use millstream::prelude::*;

use crate::events::{EventView, Paths, read};

#[derive(clap::Args)]
pub(crate) struct Places {
    #[command(flatten)]
    paths: Paths,
    /// The event whose coming makes the job panic, unless the file is there; it is made before.
    #[arg(long)]
    at: Option<u64>,
    #[arg(long)]
    marker: PathBuf,
}

/// Panics, and passes on what comes otherwise.
#[derive(Clone)]
struct Panics {
    at: Option<u64>,
    marker: PathBuf,
}

#[process]
impl Panics {
    fn open(&mut self, _cx: &OpenContext<'_>) {
        assert!(self.at.is_some(), "this job cannot begin");
    }

    fn on_record(&mut self, event: EventView<'_>, cx: &mut KeyedContext<'_, u64, String>) {
        if self.at == Some(event.id) && File::create_new(&self.marker).is_ok() {
            panic!("event {} is too much", event.id);
        }
        cx.emit(&format!("{} {} {}", event.id, event.user, event.amount));
    }
}

/// Writes the events of one side as lines.
#[job]
pub(crate) fn panics(job: &mut Job<ExactlyOnce>, places: Places) {
    let lines = places.paths.output.join("lines");
    job.source(read(&places.paths, "left"))
        .key_by(|event: EventView<'_>| event.id)
        .process(Panics { at: places.at, marker: places.marker })
        .sink(TextFiles::write(lines));
}
