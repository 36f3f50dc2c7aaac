//! Tables and names that align by how wide they are shown.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// To which side a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// What stands between two columns.
pub(super) const GAP: &str = "  ";

/// How many columns of a terminal a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The lines of a table, without blanks at their ends.
pub(super) fn aligned<const N: usize>(columns: [Align; N], rows: &[[String; N]]) -> Vec<String> {
    let widths: [usize; N] = std::array::from_fn(|i| rows.iter().map(|row| width(&row[i])).max().unwrap_or(0));
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(columns).zip(widths).map(|((text, align), width)| padded(text, align, width));
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A text with blanks around it, as wide as a column.
pub(super) fn padded(text: &str, align: Align, to: usize) -> String {
    let blanks = " ".repeat(to.saturating_sub(width(text)));
    match align {
        Align::Left => format!("{text}{blanks}"),
        Align::Right => format!("{blanks}{text}"),
    }
}

/// Beginning and end of a name that is wider than so many columns: they tell the most of it.
pub(super) fn shortened(name: &str, limit: usize) -> String {
    if width(name) <= limit {
        return name.to_owned();
    }
    let (head, tail) = (limit / 2, limit.saturating_sub(limit / 2 + 1));
    let head = name.len() - beyond(name.chars(), head);
    let tail = beyond(name.chars().rev(), tail);
    let ellipsis = if limit == 0 { "" } else { "…" };
    format!("{}{ellipsis}{}", &name[..head], &name[tail..])
}

/// How many bytes of the characters are behind the first so many columns.
fn beyond(chars: impl Iterator<Item = char>, limit: usize) -> usize {
    let mut left = limit;
    let mut fits = true;
    chars
        .filter(|c| {
            let width = c.width().unwrap_or(0);
            fits = fits && width <= left;
            left -= if fits { width } else { 0 };
            !fits
        })
        .map(char::len_utf8)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_by_what_is_shown() {
        let rows = [["größe", "1"], ["日本", "12"], ["a", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned([Align::Left, Align::Right], &rows), ["größe   1", "日本   12", "a"]);
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(["größe", "größer", "am größten"].map(|name| shortened(name, 5)), ["größe", "gr…er", "am…en"]);
        assert_eq!(shortened("日本語の名前", 7), "日…前");
        assert_eq!(["", "a", "ab"].map(|name| shortened(name, 1)), ["", "a", "…"]);
        assert_eq!(shortened("abc", 0), "");
        for limit in 0..16 {
            assert!(width(&shortened("ein längerer 名前", limit)) <= limit, "{limit}");
        }
    }
}
