//! Tables of text, for terminals and pipes: columns as wide as what is in them, within reason.

use crate::text::visible;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// The widest a column becomes. A longer cell stands whole in its row, and moves no other: somebody else may have chosen it, and a name of 100 kB
/// would make every row as long.
const WIDEST: usize = 120;

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A table with a head.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(columns: impl IntoIterator<Item = (&'static str, Align)>) -> Table {
        Table { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row. What cannot be seen in it is written as escapes.
    pub(crate) fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(|cell| visible(cell.as_ref()).into_owned()).collect());
    }

    /// Writes the table. The last column has no spaces behind it.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let head: Vec<String> = self.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let all = || std::iter::once(&head).chain(&self.rows);
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|at| {
                let cells = all().filter_map(|row| row.get(at)).map(|cell| cell.width());
                cells.filter(|width| *width <= WIDEST).max().unwrap_or(0)
            })
            .collect();
        for row in all() {
            let mut line = String::new();
            for ((cell, width), (_, align)) in row.iter().zip(&widths).zip(&self.columns) {
                let gap = " ".repeat(width.saturating_sub(cell.width()));
                let between = if line.is_empty() { "" } else { "  " };
                line.push_str(between);
                match align {
                    Align::Left => line.extend([cell.as_str(), &gap]),
                    Align::Right => line.extend([&gap, cell.as_str()]),
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_is_very_long_makes_no_other_row_long() {
        let mut table = Table::new([("NAME", Align::Left), ("VALUE", Align::Right)]);
        let (fits, long) = ("f".repeat(WIDEST), "l".repeat(100_000));
        for name in ["a", &fits, &long] {
            table.row([name, "1"]);
        }
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        let lines: Vec<String> = String::from_utf8(out).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [127, 127, 127, 100_007]);
        assert!(lines[3].starts_with(&long) && lines[3].ends_with(" 1"));
    }

    #[test]
    fn columns_are_aligned_and_harmless() {
        let mut table = Table::new([("NAME", Align::Left), ("VALUE", Align::Right), ("X", Align::Left)]);
        table.row(["größe", "1", "a"]);
        table.row(["b\x1b[1m", "12345", ""]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        let expected = "NAME        VALUE  X\ngröße           1  a\nb\\u{1b}[1m  12345\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
