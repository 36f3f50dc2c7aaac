//! CSV files as rows of cells, with the columns that are compared as numbers set apart.

use std::{cmp::Ordering, path::Path};

use super::compare::Tolerances;

/// A file: its header and its rows.
pub(super) struct Table {
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// A row. Rows are ordered by what is compared exactly first, so that rows that belong together stand together in two sorted files.
#[derive(Debug, Clone)]
pub(super) struct Row {
    exact: Vec<String>,
    /// Numbers with the relative difference that is allowed, in the order of their columns.
    numbers: Vec<(f64, f64)>,
    text: String,
}

impl Table {
    pub(super) fn read(path: &Path, tolerances: &Tolerances) -> Result<Self, String> {
        let read = |error: csv::Error| format!("{} cannot be read: {error}", path.display());
        let mut reader = csv::Reader::from_path(path).map_err(read)?;
        let header: Vec<String> = reader.headers().map_err(read)?.iter().map(str::to_owned).collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            rows.push(Row::new(&header, &record.map_err(read)?, tolerances));
        }
        Ok(Self { header, rows })
    }
}

impl Row {
    fn new(header: &[String], record: &csv::StringRecord, tolerances: &Tolerances) -> Self {
        let mut row =
            Self { exact: Vec::new(), numbers: Vec::new(), text: record.iter().collect::<Vec<_>>().join(",") };
        for (column, cell) in header.iter().zip(record) {
            match (tolerances.of(column), cell.parse()) {
                (Some(tolerance), Ok(number)) => row.numbers.push((number, tolerance)),
                // What is no number (an empty cell) is compared as it is.
                _ => row.exact.push(cell.to_owned()),
            }
        }
        row
    }

    /// The row as it stands in the file, but for quotes.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Equal, as far as the tolerances of the columns demand.
    pub(super) fn matches(&self, other: &Self) -> bool {
        let close = |(&(a, tolerance), &(b, _)): (&(f64, f64), &(f64, f64))| {
            a == b || (a - b).abs() <= tolerance * a.abs().max(b.abs()) || (a.is_nan() && b.is_nan())
        };
        self.exact == other.exact
            && self.numbers.len() == other.numbers.len()
            && self.numbers.iter().zip(&other.numbers).all(close)
    }

    pub(super) fn order(&self, other: &Self) -> Ordering {
        let by_number = |(a, b): (&(f64, f64), &(f64, f64))| a.0.total_cmp(&b.0);
        let numbers = || self.numbers.iter().zip(&other.numbers).map(by_number).find(|order| order.is_ne());
        self.exact.cmp(&other.exact).then_with(|| numbers().unwrap_or(Ordering::Equal))
    }
}
