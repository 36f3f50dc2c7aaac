//! The text of an inspection.

use std::{fmt, time::Duration};

use millstream_core::time::Timestamp;

use super::{CheckpointSeen, EntrySeen, Inspection, KeptAs, Seen};
use crate::manifest::CheckpointKind;

/// To which side a column is set.
#[derive(Clone, Copy)]
enum Align {
    Left,
    Right,
}
use Align::{Left, Right};

/// Tables: the log, and what the checkpoint consists of that a job would go on from.
impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.entries.is_empty() {
            return f.write_str("there are no checkpoints\n");
        }
        if let Some(job) = &self.job {
            writeln!(f, "checkpoints of the job `{job}`\n")?;
        }
        self.show_log(f)?;
        for number in &self.left_over {
            writeln!(f, "entry {number} is left over and does not count")?;
        }
        for entry in &self.entries {
            match &entry.what {
                Seen::Damaged { problem } => writeln!(f, "\n{problem}")?,
                Seen::Checkpoint(CheckpointSeen { problem: Some(problem), .. }) => {
                    writeln!(f, "\nentry {} cannot be used: {problem}", entry.entry)?;
                }
                Seen::Checkpoint(_) | Seen::Claim { .. } => {}
            }
        }
        let newest = self.entries.iter().find(|entry| Some(entry.entry) == self.newest);
        match newest.and_then(EntrySeen::checkpoint) {
            Some(checkpoint) => {
                writeln!(f, "\nthe job would go on from checkpoint {}:\n", checkpoint.checkpoint)?;
                show_states(checkpoint, f)
            }
            None if self.entries.iter().any(|entry| !matches!(entry.what, Seen::Claim { .. })) => {
                f.write_str("\nnone of the checkpoints can be used\n")
            }
            None => f.write_str("\nthe job would begin anew: no checkpoint was complete yet\n"),
        }
    }
}

impl Inspection {
    fn show_log(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![["entry", "", "checkpoint", "time", "age", "bytes"].map(str::to_owned)];
        for entry in &self.entries {
            let times = |at: i64| [Timestamp::from_millis(at).to_string(), age(self.at, at)];
            let (what, number, [time, age], bytes) = match &entry.what {
                Seen::Claim { at } => ("claim", String::new(), times(*at), String::new()),
                Seen::Checkpoint(seen) => {
                    (kind(seen.kind), seen.checkpoint.to_string(), times(seen.at), size(seen.bytes))
                }
                Seen::Damaged { .. } => ("damaged", String::new(), Default::default(), String::new()),
            };
            rows.push([entry.entry.to_string(), what.to_owned(), number, time, age, bytes]);
        }
        show([Right, Left, Right, Left, Right, Right], &rows, f)
    }
}

fn show_states(checkpoint: &CheckpointSeen, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let heading = ["operator", "subtasks", "state", "kept", "rows", "bytes", "segments", "type"];
    let mut rows = vec![heading.map(str::to_owned)];
    for operator in &checkpoint.operators {
        for state in &operator.states {
            let (kept, segments) = match state.kept {
                KeptAs::Keyed => ("by key", state.segments.len().to_string()),
                KeptAs::List => ("list", String::new()),
                KeptAs::Union => ("union list", String::new()),
                KeptAs::Broadcast => ("broadcast", String::new()),
            };
            rows.push([
                operator.id.clone(),
                operator.parallelism.to_string(),
                state.state.clone(),
                kept.to_owned(),
                state.rows.to_string(),
                size(state.bytes),
                segments,
                state.schema.clone().unwrap_or_default(),
            ]);
        }
    }
    show([Left, Right, Left, Left, Right, Right, Right, Left], &rows, f)?;
    if checkpoint.channels.is_empty() {
        return Ok(());
    }
    f.write_str("\nwhat its barriers overtook:\n\n")?;
    let mut rows = vec![["edge", "spread", "subtasks", "records", "bytes", "type"].map(str::to_owned)];
    rows.extend(checkpoint.channels.iter().map(|edge| {
        let subtasks = format!("{} to {}", edge.senders, edge.receivers);
        let (records, bytes) = (edge.records.to_string(), size(edge.bytes));
        [edge.edge.clone(), edge.kind.clone(), subtasks, records, bytes, edge.schema.clone()]
    }));
    show([Left, Left, Left, Right, Right, Left], &rows, f)
}

fn kind(kind: CheckpointKind) -> &'static str {
    match kind {
        CheckpointKind::Periodic => "periodic",
        CheckpointKind::Savepoint => "savepoint",
        CheckpointKind::Stop => "stop",
        CheckpointKind::Final => "final",
    }
}

/// Lines whose columns align.
fn show<const N: usize>(columns: [Align; N], rows: &[[String; N]], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let width = |text: &String| text.chars().count();
    let widths: [usize; N] = std::array::from_fn(|i| rows.iter().map(|row| width(&row[i])).max().unwrap_or(0));
    for row in rows {
        let mut line = String::new();
        for (i, text) in row.iter().enumerate() {
            let blanks = " ".repeat(widths[i] - width(text));
            line += "  ";
            line += &match columns[i] {
                Align::Left => format!("{text}{blanks}"),
                Align::Right => format!("{blanks}{text}"),
            };
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A size in bytes: `950 B`, `12.3 kB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1000.0;
    let mut unit = 0;
    while size >= 999.95 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// How long ago something was: `12 s`, `4 min`, `2 h 10 min`, `3 d 4 h`.
fn age(now: i64, at: i64) -> String {
    let seconds = Duration::from_millis(now.saturating_sub(at).max(0) as u64).as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min"),
        (1..48, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{} d {} h", hours / 24, hours % 24),
    }
}
