//! Compares what a job wrote with what is expected, row by row in any order.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::table::{Row, Table};

/// How many differing rows a message shows.
const ROWS_SHOWN_LIMIT: usize = 20;

/// Columns that are compared as numbers, with the relative difference that is allowed.
#[derive(Debug, Clone, Default)]
pub(super) struct Tolerances(BTreeMap<String, f64>);

impl Tolerances {
    pub(super) fn add(&mut self, column: &str, relative: f64) {
        self.0.insert(column.to_owned(), relative);
    }

    pub(super) fn of(&self, column: &str) -> Option<f64> {
        self.0.get(column).copied()
    }
}

/// Checks a directory of part files against the expected file; says in words what differs.
pub(super) fn output(directory: &Path, expected: &Path, tolerances: &Tolerances) -> Result<(), String> {
    let parts = Parts::of(directory)?;
    match (&parts.hidden[..], parts.is_complete) {
        ([path, ..], _) => Err(format!("{} was left behind", path.display())),
        ([], false) => Err(format!("{} has no _SUCCESS: nothing was committed", directory.display())),
        ([], true) => {
            let (wanted, found) = tables(&parts, expected, tolerances)?;
            rows(wanted, found).result()
        }
    }
}

/// Checks what has been committed of a job that has not ended: rows may be missing, unless the directory says that it is complete.
pub(super) fn so_far(directory: &Path, expected: &Path, tolerances: &Tolerances) -> Result<(), String> {
    if !directory.exists() {
        return Ok(());
    }
    let parts = Parts::of(directory)?;
    let (wanted, found) = tables(&parts, expected, tolerances)?;
    let differences = rows(wanted, found);
    if differences.surplus == 0 && !parts.is_complete { Ok(()) } else { differences.result() }
}

/// The rows that are expected, and those of all parts.
fn tables(parts: &Parts, expected: &Path, tolerances: &Tolerances) -> Result<(Vec<Row>, Vec<Row>), String> {
    let wanted = Table::read(expected, tolerances)?;
    let mut found = Vec::new();
    for part in &parts.committed {
        let table = Table::read(part, tolerances)?;
        if table.header != wanted.header {
            return Err(format!("{} has the columns {:?}, wanted {:?}", part.display(), table.header, wanted.header));
        }
        found.extend(table.rows);
    }
    Ok((wanted.rows, found))
}

/// What a sink has in its directory.
#[derive(Default)]
struct Parts {
    committed: Vec<PathBuf>,
    hidden: Vec<PathBuf>,
    is_complete: bool,
}

impl Parts {
    fn of(directory: &Path) -> Result<Self, String> {
        let unreadable = |error| format!("{} cannot be listed: {error}", directory.display());
        let mut parts = Self::default();
        for entry in fs::read_dir(directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name == "_SUCCESS" {
                parts.is_complete = true;
            } else if name.starts_with("part-") {
                parts.committed.push(path);
            } else if name.starts_with('.') {
                parts.hidden.push(path);
            }
        }
        parts.committed.sort();
        Ok(parts)
    }
}

/// How rows differ.
struct Differences {
    missing: usize,
    surplus: usize,
    lines: Vec<String>,
}

impl Differences {
    fn result(mut self) -> Result<(), String> {
        if self.lines.is_empty() {
            return Ok(());
        }
        if self.lines.len() > ROWS_SHOWN_LIMIT {
            let more = self.lines.len() - ROWS_SHOWN_LIMIT;
            self.lines.truncate(ROWS_SHOWN_LIMIT);
            self.lines.push(format!("  .. and {more} more"));
        }
        let Self { missing, surplus, lines } = self;
        Err(format!("{missing} rows are missing (-), {surplus} are too many (+)\n{}", lines.join("\n")))
    }
}

fn rows(mut wanted: Vec<Row>, mut found: Vec<Row>) -> Differences {
    wanted.sort_by(Row::order);
    found.sort_by(Row::order);
    let (mut wanted, mut found) = (wanted.iter().peekable(), found.iter().peekable());
    let (mut missing, mut surplus, mut lines) = (0, 0, Vec::new());
    loop {
        let (take_wanted, take_found) = match (wanted.peek(), found.peek()) {
            (None, None) => break,
            (Some(_), None) => (true, false),
            (None, Some(_)) => (false, true),
            (Some(a), Some(b)) if a.matches(b) => {
                wanted.next();
                found.next();
                continue;
            }
            (Some(a), Some(b)) => (a.order(b).is_le(), a.order(b).is_ge()),
        };
        if let Some(row) = wanted.next_if(|_| take_wanted) {
            missing += 1;
            lines.push(format!("- {}", row.text()));
        }
        if let Some(row) = found.next_if(|_| take_found) {
            surplus += 1;
            lines.push(format!("+ {}", row.text()));
        }
    }
    Differences { missing, surplus, lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: &str = "key,count,mean\na,1,0.5\nb,2,100.0\nb,2,100.0\nc,3,\n";

    /// Writes the expected file and the parts; gives what is said of them.
    fn check(parts: &[&str]) -> Result<(), String> {
        let scratch = tempfile::tempdir().unwrap();
        let (expected, directory) = (scratch.path().join("expected.csv"), scratch.path().join("out"));
        fs::write(&expected, WANTED).unwrap();
        fs::create_dir(&directory).unwrap();
        for (number, part) in parts.iter().enumerate() {
            fs::write(directory.join(format!("part-{number}.csv")), part).unwrap();
        }
        fs::write(directory.join("_SUCCESS"), "").unwrap();
        let mut tolerances = Tolerances::default();
        tolerances.add("mean", 1e-3);
        output(&directory, &expected, &tolerances)
    }

    #[test]
    fn rows_may_stand_in_any_order_and_part() {
        let done =
            check(&["key,count,mean\nc,3,\nb,2,100.0\n", "key,count,mean\n", "key,count,mean\nb,2,100.0\na,1,0.5\n"]);
        assert_eq!(done, Ok(()));
    }

    #[test]
    fn numbers_may_differ_by_the_tolerance_and_no_more() {
        assert_eq!(check(&["key,count,mean\nc,3,\nb,2,100.05\nb,2,99.99\na,1,0.5\n"]), Ok(()));
        let said = check(&["key,count,mean\nc,3,\nb,2,101\nb,2,100\na,1,0.5\n"]).unwrap_err();
        assert_eq!(said, "1 rows are missing (-), 1 are too many (+)\n- b,2,100.0\n+ b,2,101");
    }

    #[test]
    fn what_is_not_within_a_tolerant_column_is_exact() {
        let said = check(&["key,count,mean\nc,3,0\nb,2,100\nb,2,100\na,2,0.5\n"]).unwrap_err();
        assert_eq!(said, "2 rows are missing (-), 2 are too many (+)\n- a,1,0.5\n+ a,2,0.5\n+ c,3,0\n- c,3,");
    }

    #[test]
    fn each_copy_of_a_row_counts() {
        let said = check(&["key,count,mean\nc,3,\nb,2,100.0\na,1,0.5\na,1,0.5\n"]).unwrap_err();
        assert_eq!(said, "1 rows are missing (-), 1 are too many (+)\n+ a,1,0.5\n- b,2,100.0");
    }

    #[test]
    fn output_without_a_commit_is_no_output() {
        let scratch = tempfile::tempdir().unwrap();
        let expected = scratch.path().join("expected.csv");
        fs::write(&expected, WANTED).unwrap();
        let directory = scratch.path().join("out");
        fs::create_dir(&directory).unwrap();
        let said = output(&directory, &expected, &Tolerances::default()).unwrap_err();
        assert!(said.ends_with("has no _SUCCESS: nothing was committed"), "{said}");
        fs::create_dir(directory.join(".staging-1")).unwrap();
        let said = output(&directory, &expected, &Tolerances::default()).unwrap_err();
        assert!(said.ends_with("was left behind"), "{said}");
    }

    #[test]
    fn what_is_not_complete_may_lack_rows_and_have_none_too_many() {
        let scratch = tempfile::tempdir().unwrap();
        let (expected, directory) = (scratch.path().join("expected.csv"), scratch.path().join("out"));
        fs::write(&expected, WANTED).unwrap();
        let check = || so_far(&directory, &expected, &Tolerances::default());
        assert_eq!(check(), Ok(()));
        fs::create_dir_all(directory.join(".staging-1")).unwrap();
        fs::write(directory.join("part-1.csv"), "key,count,mean\nc,3,\nb,2,100.0\n").unwrap();
        assert_eq!(check(), Ok(()));
        fs::write(directory.join("_SUCCESS"), "").unwrap();
        let said = check().unwrap_err();
        assert_eq!(said, "2 rows are missing (-), 0 are too many (+)\n- a,1,0.5\n- b,2,100.0");
        fs::remove_file(directory.join("_SUCCESS")).unwrap();
        fs::write(directory.join("part-2.csv"), "key,count,mean\nc,3,\n").unwrap();
        let said = check().unwrap_err();
        assert!(said.ends_with("1 are too many (+)\n- a,1,0.5\n- b,2,100.0\n+ c,3,"), "{said}");
    }
}
