//! `plan`: a job's graph as text; `jobs`: what jobs there are.

use super::{Console, EXIT_DONE, EXIT_USAGE, args::Chosen};
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
}

/// Shows the plan of a job.
pub(super) fn show(what: &Chosen, format: Format, console: &mut Console<'_>) -> u8 {
    let Some(graph) = build(what, console) else { return EXIT_USAGE };
    console.say(&match format {
        Format::Tree => render::tree(&graph),
        Format::Mermaid => render::mermaid(&graph),
        Format::Dot => render::dot(&graph),
    });
    EXIT_DONE
}

/// Builds the graph of a job; says what is wrong with it otherwise.
pub(super) fn build(what: &Chosen, console: &mut Console<'_>) -> Option<JobGraph> {
    let options = BuildOptions { settings: what.settings.clone() };
    let name = what.job.name;
    match contain(|| (what.job.build)(&what.matches, options)) {
        Ok(Ok(graph)) => Some(graph),
        Ok(Err(error)) => {
            error.mistakes.iter().for_each(|mistake| console.error(mistake));
            console.note(&format!("job `{name}` was not started\n"));
            None
        }
        Err(panicked) => {
            console.error(&format!("job `{name}` cannot be built: {panicked}"));
            None
        }
    }
}

/// One job a line: its name and the first sentence of its documentation.
pub(super) fn list(jobs: &[&'static JobEntry]) -> String {
    let width = jobs.iter().map(|job| job.name.chars().count()).max().unwrap_or(0);
    jobs.iter()
        .map(|job| format!("{:width$}  {}", job.name, first_paragraph(job.doc)).trim_end().to_owned() + "\n")
        .collect()
}

/// The first paragraph of a doc comment, on one line.
pub(super) fn first_paragraph(doc: &str) -> String {
    doc.trim().lines().map(str::trim).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
