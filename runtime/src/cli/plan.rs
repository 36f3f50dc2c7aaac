//! `plan`: a job's graph as text; `jobs`: what jobs there are.

use super::{
    Console, EXIT_DONE, EXIT_USAGE,
    args::Chosen,
    command, json,
    table::{Align, aligned},
};
use crate::{
    graph::{JobGraph, render},
    registry::{BuildOptions, JobEntry},
    task::contain::contain,
};

/// In which form a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Tree,
    Mermaid,
    Dot,
    Json,
}

/// Shows the plan of a job.
pub(super) fn show(what: &Chosen, format: Format, console: &mut Console<'_>) -> u8 {
    let Ok(graph) = build(what, console) else { return EXIT_USAGE };
    match format {
        Format::Tree => console.say(&render::tree(&graph)),
        Format::Mermaid => console.say(&render::mermaid(&graph)),
        Format::Dot => console.say(&render::dot(&graph)),
        Format::Json => console.say_json(&json::plan(&graph)),
    }
    EXIT_DONE
}

/// Builds the graph of a job; otherwise says what is wrong with it, and returns that.
pub(super) fn build(what: &Chosen, console: &Console<'_>) -> Result<JobGraph, Vec<String>> {
    let mut options = BuildOptions { outside: what.outside.clone(), ..BuildOptions::default() };
    options.settings.checkpoints.fresh = command::wants_fresh(&what.matches);
    let name = what.job.name;
    let mistakes = match contain(|| (what.job.build)(&what.matches, options)) {
        Ok(Ok(graph)) => return Ok(graph),
        Ok(Err(error)) => error.mistakes,
        Err(panicked) => vec![format!("job `{name}` cannot be built: {panicked}")],
    };
    mistakes.iter().for_each(|mistake| console.error(mistake));
    console.note(&format!("job `{name}` was not started\n"));
    Err(mistakes)
}

/// One job a line: its name and the first sentence of its documentation.
pub(super) fn list(jobs: &[&'static JobEntry]) -> String {
    let rows: Vec<_> = jobs.iter().map(|job| [job.name.to_owned(), first_paragraph(job.doc)]).collect();
    aligned([Align::Left; 2], &rows).into_iter().map(|line| line + "\n").collect()
}

/// The first paragraph of a doc comment, on one line.
pub(super) fn first_paragraph(doc: &str) -> String {
    doc.trim().lines().map(str::trim).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
