//! Finds rows and fields in CSV text.
//!
//! The bytes that matter (delimiter, newline, quote) are looked for in blocks of 64, each giving a bit mask; a row is then a walk over set
//! bits. Fields that nobody asks for cost one store each.
//!
//! Fields are separated by the delimiter, rows end with `\n` or `\r\n`. A field that begins with a quote ends with one, and a quote inside
//! of it is doubled. A quote further inside of a field is an ordinary character.

use memchr::{memchr, memchr2};

use super::fault::Wrong;

/// The quote character.
pub(super) const QUOTE: u8 = b'"';

/// What may differ from file to file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Syntax {
    /// What separates fields.
    pub(super) delimiter: u8,
    /// Whether a quoted field may hold newlines.
    pub(super) quoted_newlines: bool,
}

/// What was found at a position.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// A row with so many fields; the next begins at `next`.
    Row { fields: usize, next: usize },
    /// An empty line.
    Blank { next: usize },
    /// The text ends before the row does.
    Incomplete,
    /// Not CSV, as shows at a position. Before the next row comes a `seek`.
    Broken { wrong: Wrong, at: usize },
}

/// Finds rows, one after the other.
#[derive(Debug)]
pub(super) struct Scanner {
    syntax: Syntax,
    needles: [u64; 3],
    cursor: Cursor,
    spans: Vec<Span>,
    /// The text of fields with doubled quotes, unescaped, of the current row.
    unescaped: Vec<u8>,
}

/// Where the text of a field is.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Set in `start` if the text is in [`Scanner::unescaped`]. Texts are far shorter than 2 GiB, since a row is bounded.
    const UNESCAPED: u32 = 1 << 31;

    #[inline(always)]
    fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }
}

impl Scanner {
    /// A scanner that notes where the first `columns` fields of a row are, and counts the others.
    pub(super) fn new(syntax: Syntax, columns: usize) -> Self {
        Self {
            syntax,
            needles: [syntax.delimiter, b'\n', QUOTE].map(|byte| LOW_BITS * u64::from(byte)),
            cursor: Cursor::at(0),
            spans: vec![Span::default(); columns],
            unescaped: Vec::new(),
        }
    }

    /// Makes ready to scan at a position of a new text.
    pub(super) fn seek(&mut self, at: usize) {
        self.cursor = Cursor::at(at);
    }

    /// Scans the row at `from`, where the row before ended or [`Scanner::seek`] said. `last` is true if nothing follows the text. After
    /// [`Scan::Incomplete`] comes a `seek` in a longer text.
    pub(super) fn row(&mut self, text: &[u8], from: usize, last: bool) -> Scan {
        debug_assert!(text.len() < Span::UNESCAPED as usize, "a text fits the spans");
        self.unescaped.clear();
        let mut cursor = self.cursor;
        let (mut start, mut fields) = (from, 0);
        let scan = loop {
            let (at, byte) = match cursor.next(text, &self.needles) {
                Some(at) => (at, text[at]),
                None if last => (text.len(), b'\n'),
                None => break Scan::Incomplete,
            };
            if byte == self.syntax.delimiter {
                self.note(fields, Span::new(start, at));
                fields += 1;
                start = at + 1;
            } else if byte == b'\n' {
                let end = if at > start && text[at - 1] == b'\r' { at - 1 } else { at };
                let next = text.len().min(at + 1);
                if fields == 0 && end == start {
                    break Scan::Blank { next };
                }
                self.note(fields, Span::new(start, end));
                break Scan::Row { fields: fields + 1, next };
            } else if at == start {
                let (span, after) = match self.quoted(text, at + 1, last) {
                    Ok(found) => found,
                    Err(scan) => break scan,
                };
                self.note(fields, span);
                fields += 1;
                match text.get(after..).unwrap_or_default() {
                    [b'\n', ..] => {
                        cursor = Cursor::at(after + 1);
                        break Scan::Row { fields, next: after + 1 };
                    }
                    [b'\r', b'\n', ..] => {
                        cursor = Cursor::at(after + 2);
                        break Scan::Row { fields, next: after + 2 };
                    }
                    [] | [b'\r'] if last => break Scan::Row { fields, next: text.len() },
                    [] | [b'\r'] => break Scan::Incomplete,
                    [byte, ..] if *byte == self.syntax.delimiter => {
                        cursor = Cursor::at(after + 1);
                        start = after + 1;
                    }
                    _ => break Scan::Broken { wrong: Wrong::AfterQuote { column: fields - 1 }, at: after },
                }
            }
        };
        self.cursor = cursor;
        scan
    }

    /// The text of a field of the row that was scanned last in `text`.
    ///
    /// # Panics
    ///
    /// If the row has no such field, or the scanner was not told to note it.
    #[inline(always)]
    pub(super) fn field<'t>(&'t self, text: &'t [u8], index: usize) -> &'t [u8] {
        let Span { start, end } = self.spans[index];
        if start & Span::UNESCAPED == 0 {
            &text[start as usize..end as usize]
        } else {
            &self.unescaped[(start & !Span::UNESCAPED) as usize..end as usize]
        }
    }

    #[inline(always)]
    fn note(&mut self, field: usize, span: Span) {
        if let Some(slot) = self.spans.get_mut(field) {
            *slot = span;
        }
    }

    /// Finds the end of a quoted field whose content begins at `start`: where it is, and what comes after the closing quote.
    #[inline(never)] // keeps the walk over plain fields small
    fn quoted(&mut self, text: &[u8], start: usize, last: bool) -> Result<(Span, usize), Scan> {
        let unescaped = self.unescaped.len();
        let mut from = start;
        loop {
            let rest = &text[from..];
            let found = if self.syntax.quoted_newlines { memchr(QUOTE, rest) } else { memchr2(QUOTE, b'\n', rest) };
            let Some(found) = found else {
                return Err(if last { self.open_quote(start) } else { Scan::Incomplete });
            };
            let at = from + found;
            if text[at] == b'\n' {
                return Err(self.open_quote(start));
            }
            match text.get(at + 1) {
                Some(&QUOTE) => {
                    self.unescaped.extend_from_slice(&text[from..=at]);
                    from = at + 2;
                }
                None if !last => return Err(Scan::Incomplete), // the quote may yet turn out to be doubled
                _ if from == start => return Ok((Span::new(start, at), at + 1)),
                _ => {
                    self.unescaped.extend_from_slice(&text[from..at]);
                    let span = Span::new(unescaped | Span::UNESCAPED as usize, self.unescaped.len());
                    return Ok((span, at + 1));
                }
            }
        }
    }

    /// Where the quote was opened is what is wrong, not where the text ends: the lines between may well be rows.
    fn open_quote(&self, at: usize) -> Scan {
        Scan::Broken { wrong: Wrong::OpenQuote { quoted_newlines: self.syntax.quoted_newlines }, at }
    }
}

/// Walks over the bytes that matter.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    /// Where the next block begins.
    ahead: usize,
    /// What is left of the block before it.
    mask: u64,
}

/// Bytes to a block: one for each bit of a mask.
const BLOCK: usize = u64::BITS as usize;

impl Cursor {
    fn at(position: usize) -> Self {
        Self { ahead: position, mask: 0 }
    }

    /// The position of the next byte that matters.
    #[inline(always)]
    fn next(&mut self, text: &[u8], needles: &[u64; 3]) -> Option<usize> {
        while self.mask == 0 {
            let rest = text.get(self.ahead..)?;
            self.mask = match rest.first_chunk::<BLOCK>() {
                Some(block) => mask(block, needles),
                None if rest.is_empty() => return None,
                None => partial_mask(rest, needles),
            };
            self.ahead += BLOCK;
        }
        let at = self.ahead - BLOCK + self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(at)
    }
}

/// The lowest bit of each byte of a word.
const LOW_BITS: u64 = 0x0101_0101_0101_0101;
/// All but the highest bit of each byte of a word.
const NOT_HIGH_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// A bit for each byte that is one of the needles (each a byte repeated eight times), the first byte's lowest.
#[inline(always)]
fn mask(block: &[u8; BLOCK], needles: &[u64; 3]) -> u64 {
    let (words, _) = block.as_chunks::<8>();
    let mut mask = 0;
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // In each byte the highest bit stays clear exactly if the byte equals the needle's: adding cannot carry into the next byte.
        let differs = |needle: u64| {
            let difference = word ^ needle;
            ((difference & NOT_HIGH_BITS) + NOT_HIGH_BITS) | difference
        };
        let high_bits = !(differs(needles[0]) & differs(needles[1]) & differs(needles[2]) | NOT_HIGH_BITS);
        // The multiplication gathers the eight bits in the highest byte.
        mask |= ((high_bits >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i);
    }
    mask
}

/// The mask of a block that is not full.
#[cold]
fn partial_mask(rest: &[u8], needles: &[u64; 3]) -> u64 {
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    mask(&block, needles) & ((1 << rest.len()) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, quoted_newlines: bool) -> Result<Vec<Vec<String>>, Wrong> {
        let mut scanner = Scanner::new(Syntax { delimiter: b',', quoted_newlines }, 8);
        let (text, mut at, mut rows) = (text.as_bytes(), 0, Vec::new());
        while at < text.len() {
            match scanner.row(text, at, true) {
                Scan::Row { fields, next } => {
                    let field = |i| String::from_utf8_lossy(scanner.field(text, i)).into_owned();
                    rows.push((0..fields).map(field).collect());
                    at = next;
                }
                Scan::Blank { next } => at = next,
                Scan::Incomplete => unreachable!("the text is the last"),
                Scan::Broken { wrong, .. } => return Err(wrong),
            }
        }
        Ok(rows)
    }

    #[track_caller]
    fn check(text: &str, expected: &[&[&str]]) {
        assert_eq!(rows(text, true).unwrap(), expected, "{text:?}");
    }

    #[test]
    fn fields_rows_and_line_ends() {
        check("a,b\nc,d\n", &[&["a", "b"], &["c", "d"]]);
        check("a,b\r\nc,d\r\n", &[&["a", "b"], &["c", "d"]]);
        check("a,b\nc,d", &[&["a", "b"], &["c", "d"]]);
        check("a,\n,b\n,", &[&["a", ""], &["", "b"], &["", ""]]);
        check("a,\r\n\r\n\n,b\r", &[&["a", ""], &["", "b"]]);
        check("", &[]);
    }

    #[test]
    fn quoted_fields() {
        check("\"a,b\",c\n", &[&["a,b", "c"]]);
        check("\"\"\n", &[&[""]]);
        check("\"a\"\"b\",\"\"\"\"\r\nc,\"d\"", &[&["a\"b", "\""], &["c", "d"]]);
        check("\"a\nb\",c\nd,e", &[&["a\nb", "c"], &["d", "e"]]);
        check("a\"b,c\"\"\n", &[&["a\"b", "c\"\""]]);
        check("\"a\"\r", &[&["a"]]);
    }

    #[test]
    fn broken_quotes() {
        assert_eq!(rows("a,\"b\nc,d\n", false), Err(Wrong::OpenQuote { quoted_newlines: false }));
        assert_eq!(rows("a,\"b\nc,d\n", true), Err(Wrong::OpenQuote { quoted_newlines: true }));
        assert_eq!(rows("a,\"b", false), Err(Wrong::OpenQuote { quoted_newlines: false }));
        assert_eq!(rows("a,\"b\"c\n", false), Err(Wrong::AfterQuote { column: 1 }));
    }

    #[test]
    fn a_row_is_incomplete_until_its_end_is_there() {
        let text = b"alpha,\"be\"\"ta\"\r\ngamma";
        for end in 0..text.len() {
            let mut scanner = Scanner::new(Syntax { delimiter: b',', quoted_newlines: true }, 2);
            let scan = scanner.row(&text[..end], 0, false);
            let expected = if end < 16 { Scan::Incomplete } else { Scan::Row { fields: 2, next: 16 } };
            assert_eq!(scan, expected, "{end}");
        }
    }

    #[test]
    fn a_mask_has_the_bits_of_the_needles_and_no_others() {
        let needles = [b',', b'\n', b'"'].map(|byte| LOW_BITS * u64::from(byte));
        for offset in 0..BLOCK {
            let block: [u8; BLOCK] =
                std::array::from_fn(|i| ((i + offset) * 7 % 256) as u8 ^ if i % 3 == 0 { 0x80 } else { 0 });
            let expected = block.iter().rev().fold(0, |mask, byte| mask << 1 | u64::from(b",\n\"".contains(byte)));
            assert_eq!(mask(&block, &needles), expected);
        }
        for byte in 0..=255 {
            let expected = if b",\n\"".contains(&byte) { u64::MAX } else { 0 };
            assert_eq!(mask(&[byte; BLOCK], &needles), expected, "{byte}");
        }
    }
}
