//! Compares what a job wrote with what it should have written. Which part file a row is in depends on the parallelism, so rows are sorted first.

use std::{fs, path::Path};

use crate::step::Failed;

/// How many differing rows a message shows of each kind.
const ROWS_SHOWN_LIMIT: usize = 10;

/// Checks that the part files of a directory together hold the rows of the expected file. The first line of each file is its header.
pub(crate) fn parts(directory: &Path, expected: &Path) -> Result<(), Failed> {
    let wanted = Table::read(expected)?;
    if !directory.join("_SUCCESS").is_file() {
        return Err(Failed::new(format!(
            "{} has no _SUCCESS file: the job did not commit its output",
            directory.display()
        )));
    }
    let mut found = Vec::new();
    for part in part_files(directory)? {
        let table = Table::read(&part)?;
        if table.header != wanted.header {
            return Err(Failed::new(format!(
                "the header of {} is `{}`, expected `{}`",
                part.display(),
                table.header,
                wanted.header
            )));
        }
        found.extend(table.rows);
    }
    match difference(wanted.rows, found) {
        None => Ok(()),
        Some(text) => Err(Failed::new(format!("{} differs from {}:\n{text}", directory.display(), expected.display()))),
    }
}

fn part_files(directory: &Path) -> Result<Vec<std::path::PathBuf>, Failed> {
    let unreadable = |error| Failed::new(format!("{} cannot be listed: {error}", directory.display()));
    let mut parts = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("part-")) {
            parts.push(path);
        }
    }
    parts.sort();
    Ok(parts)
}

struct Table {
    header: String,
    rows: Vec<String>,
}

impl Table {
    fn read(path: &Path) -> Result<Self, Failed> {
        let text = fs::read_to_string(path)
            .map_err(|error| Failed::new(format!("{} cannot be read: {error}", path.display())))?;
        let mut lines = text.lines().map(str::to_owned);
        let Some(header) = lines.next() else {
            return Err(Failed::new(format!("{} has no header line", path.display())));
        };
        Ok(Self { header, rows: lines.collect() })
    }
}

/// What has to be removed from and added to the found rows, in words; nothing if they are the same but for the order.
fn difference(mut wanted: Vec<String>, mut found: Vec<String>) -> Option<String> {
    wanted.sort();
    found.sort();
    let (mut missing, mut surplus) = (Vec::new(), Vec::new());
    let (mut wanted, mut found) = (wanted.into_iter().peekable(), found.into_iter().peekable());
    loop {
        match (wanted.peek(), found.peek()) {
            (Some(a), Some(b)) if a == b => {
                wanted.next();
                found.next();
            }
            (Some(a), Some(b)) if a > b => surplus.extend(found.next()),
            (Some(_), _) => missing.extend(wanted.next()),
            (None, Some(_)) => surplus.extend(found.next()),
            (None, None) => break,
        }
    }
    if missing.is_empty() && surplus.is_empty() {
        return None;
    }
    let mut text = format!("{} rows are missing (-), {} are too many (+)\n", missing.len(), surplus.len());
    for (sign, rows) in [('-', &missing), ('+', &surplus)] {
        for row in rows.iter().take(ROWS_SHOWN_LIMIT) {
            text.push_str(&format!("{sign} {row}\n"));
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::difference;

    fn rows(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_order_of_rows_does_not_count() {
        assert_eq!(difference(rows("a b b c"), rows("b c a b")), None);
    }

    #[test]
    fn each_missing_and_each_surplus_row_is_named() {
        let text = difference(rows("a b b d"), rows("b c d e")).expect("they differ");
        assert_eq!(text, "2 rows are missing (-), 2 are too many (+)\n- a\n- b\n+ c\n+ e\n");
    }
}
